"""Print one of the README's two first commands, so that CI runs what a newcomer types.

    python .ci/readme_commands.py README.md train|test

They are the fenced ``sh`` blocks that install the package. The README must hold exactly two: the
first trains, the second tests.
"""

import re
import sys
from pathlib import Path

EXPECTED = {"train": ("'.[plot]'", "minidl train"), "test": (".[test]", "pytest")}


def commands(text: str) -> dict[str, str]:
    """Return the two commands by name, or exit telling what is wrong with the README."""
    blocks = re.findall(r"^```sh\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)
    found = [block.strip() for block in blocks if "pip install" in block]
    if len(found) != len(EXPECTED):
        sys.exit(f"expected {len(EXPECTED)} sh blocks with 'pip install', found {found}")
    for block, (name, words) in zip(found, EXPECTED.items(), strict=True):
        if not all(word in block for word in words):
            sys.exit(f"expected the {name!r} command to hold {words}, found {block!r}")
    return dict(zip(EXPECTED, found, strict=True))


if __name__ == "__main__":
    path, name = sys.argv[1:]
    print(commands(Path(path).read_text(encoding="utf-8"))[name])
