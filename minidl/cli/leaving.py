"""What a finished run leaves in its folder."""

from __future__ import annotations

import json
import platform
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from minidl.cli import runs
from minidl.cli.output import version, write_picture
from minidl.data import Dataset
from minidl.files import save, write_whole
from minidl.training import History, Trainer


def leave(
    folder: Path,
    trainer: Trainer,
    args: Namespace,
    test: Dataset,
    results: Mapping[str, object],
) -> str:
    """Write the files and return what to tell; the record is the last, and marks the run's end."""
    save(trainer.model, folder / runs.MODEL)
    trainer.history.save(folder / runs.HISTORY)
    missing = _draw(trainer.history, folder / runs.CURVES)
    record = {
        "arguments": {**_given(args), "out": str(folder)},
        "classes": test.classes,
        "test": test.fingerprint(),
        "results": results,
        "versions": {
            "minidl": version(),
            "numpy": np.__version__,
            "python": platform.python_version(),
            "platform": platform.platform(),
        },
    }
    write_whole(folder / runs.RUN, (json.dumps(record, indent=1) + "\n").encode())
    names = [name for name in runs.FILES if (folder / name).exists()]
    return f"{missing}in {folder}: {_filled(names, len(str(folder)) + 5)}"


def _given(args: Namespace) -> dict[str, object]:
    left_out = ("run", "command", "config", "resume")
    return {name: value for name, value in vars(args).items() if name not in left_out}


def _draw(history: History, path: Path) -> str:
    """Draw the curves where matplotlib is installed; return what to tell where it is not."""
    from minidl import plotting

    try:
        figure = plotting.curves(history)
    except ImportError as error:
        return f"no {path.name}: {error}\n"
    write_picture(figure, path)
    return ""


def _filled(names: list[str], used: int) -> str:
    """Return a list that keeps to 80 columns after a beginning of so many."""
    lines = [" " * used]
    for number, name in enumerate(names, 1):
        word = name + ("," if number < len(names) else "")
        if len(lines[-1]) + 1 + len(word) > 79:
            lines.append("   ")
        lines[-1] += f" {word}"
    return "\n".join(lines).lstrip()
