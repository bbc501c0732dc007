"""``--config``: a TOML file that says what the flags say; each run writes one, to be repeated."""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path
from typing import Any, Final

from minidl.checks import perhaps
from minidl.cli.arguments import Group, Parser, column, image_shape
from minidl.files import write_whole

ABOUT_FILES: Final = ("--help", "--config", "--resume")
"""Options that a file cannot hold."""

LEFT_OUT: Final = ("run", "command", "config", "resume", "out", "force", "quiet", "json")
"""What a run's own file leaves out: a second run has a folder of its own, and tells as it likes."""

OF_RUNS: Final = (
    *("early-stop", "plateau", "average", "time-budget", "checkpoint-every"),
    *("out", "force", "quiet"),
)
"""Keys that a command which trains but a few steps passes over, so that it takes a run's file."""


def add_config(group: Group) -> None:
    """Add ``--config``; the parser's ``read_defaults`` should be ``from_config``, or call it."""
    help = "a TOML file of these options; those given as well win"
    group.add_argument("--config", metavar="FILE", help=help)


def from_config(parser: Parser, found: argparse.Namespace) -> dict[str, Any]:
    """Return what the file says that ``--config`` names, if any."""
    return read(Path(found.config).expanduser(), parser) if found.config else {}


def read(path: Path, parser: Parser) -> dict[str, Any]:
    """Return what a TOML file says, as values of the parser's options.

    Keys are the long options without ``--``; ``batch_size`` will do for ``batch-size``.

    Raises
    ------
    FileNotFoundError
        Where there is no such file.
    ValueError
        Where it is no TOML, or a key is unknown, or a value of the wrong kind or out of range;
        the message names the file and the line.
    """
    options = {
        name[2:]: action for name, action in parser.options().items() if name not in ABOUT_FILES
    }
    text, given = _load(path)
    found: dict[str, Any] = {}
    for key, value in given.items():
        place = f"{path}{_line(text, key)}"
        option = options.get(key.replace("_", "-"))
        if option is None and key.replace("_", "-") in OF_RUNS:
            continue
        if option is None:
            hint = perhaps(key, options) or f": known are {', '.join(options)}"
            raise ValueError(f"unknown key {key!r} in {place}{hint}")
        if option.dest in found:
            raise ValueError(f"{place}: {key!r} is there twice, with - and with _: keep one")
        found[option.dest] = _value(option, value, f"{place}: {key}")
    return found


def _load(path: Path) -> tuple[str, dict[str, Any]]:
    """Return the text of a TOML file, and what it says."""
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {str(path)!r} to read options from")
    try:
        text = path.read_text(encoding="utf-8")
        return text, tomllib.loads(text)
    except ValueError as error:
        raise ValueError(
            f'{path} is no TOML, which has lines such as epochs = 5 and model = "lenet": {error}'
        ) from None


def _line(text: str, key: str) -> str:
    """Return where a key stands; nothing where it is written in some unusual way."""
    for number, line in enumerate(text.splitlines(), 1):
        if re.match(rf"\s*[\[\"']*{re.escape(key)}[\"']?\s*[=\].]", line):
            return f", line {number}"
    return ""


def _value(option: argparse.Action, value: object, place: str) -> object:
    """Return a value as the option would have read it from the command line."""
    wanted, right = _kind(option)
    if not isinstance(value, right) or (isinstance(value, bool) and right is not bool):
        raise ValueError(f"{place}: expected {wanted}, got {_shown(value)}")
    if right is bool:
        return value
    try:
        read = option.type(str(value)) if callable(option.type) else value
    except argparse.ArgumentTypeError as error:
        raise ValueError(f"{place}: {error}") from None
    if option.choices is not None and read not in option.choices:
        known = [str(choice) for choice in option.choices]
        raise ValueError(
            f"{place}: expected {', '.join(known)}, got {read!r}{perhaps(str(read), known)}"
        )
    return read


def _kind(option: argparse.Action) -> tuple[str, type | tuple[type, ...]]:
    """Return what an option's value is in TOML."""
    if option.nargs == 0:
        return "true or false", bool
    if option.type in (None, image_shape):
        return "text in quotes", str
    if option.type is column:
        return "a name in quotes, or a number", (str, int)
    return "a number, without quotes", (int, float)


def _shown(value: object) -> str:
    """Return a value as TOML writes it."""
    return json.dumps(value, ensure_ascii=False, default=str)


def write(path: Path, args: argparse.Namespace, heading: str) -> None:
    """Write a TOML file that ``read`` reads; None is left out, as TOML has nothing for it."""
    lines = ["# " + " ".join(heading.split())]
    for name, value in vars(args).items():
        if value is not None and name not in LEFT_OUT:
            lines.append(f"{name.replace('_', '-')} = {_written(value)}")
    write_whole(path, ("\n".join(lines) + "\n").encode())


def _written(value: object) -> str:
    if isinstance(value, tuple):  # the shape of an image
        return _written("x".join(map(str, value)))
    if isinstance(value, str):
        # What JSON writes as a text TOML reads as the same, but for one character.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return json.dumps(value)
