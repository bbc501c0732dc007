"""What commands print, apart from their own news."""

from __future__ import annotations

import io
import json
import sys
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from minidl.data.download import DownloadError
from minidl.files import write_whole
from minidl.graph import Graph

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHOWN: Final = 20  # class names in a line


def complain(message: str, code: int) -> int:
    """Print a line on stderr and return the exit code."""
    print(f"minidl: {message}", file=sys.stderr)
    return code


def explain(error: BaseException) -> str:
    """Return an error as one line, but for the one that has more to tell.

    >>> explain(PermissionError(13, "Permission denied", "runs"))
    'runs: permission denied'
    """
    if isinstance(error, DownloadError):
        return str(error)
    text = str(error) or type(error).__name__
    if isinstance(error, OSError) and error.filename and error.strerror:
        text = f"{error.filename}: {error.strerror[:1].lower()}{error.strerror[1:]}"
    return " ".join(text.split())


def numbered(names: Sequence[str]) -> str:
    """Return class names with their numbers, the first of many.

    >>> numbered(["cat", "dog"])
    '0: cat, 1: dog'
    """
    listed = [f"{number}: {name}" for number, name in enumerate(names[:SHOWN])]
    more = [f"... {len(names)} in all"] if len(names) > SHOWN else []
    return ", ".join(listed + more)


def class_names(known: Sequence[str], count: int) -> tuple[str, ...]:
    """Return a name for each of a model's ``count`` outputs: its number where none is known.

    >>> class_names(["cat", "dog"], 4)
    ('cat', 'dog', '2', '3')
    """
    return (*known[:count], *map(str, range(len(known), count)))


def print_json(results: Mapping[str, object]) -> None:
    """Print one line of JSON."""
    print(json.dumps(results))


def write_picture(figure: Figure, path: Path) -> None:
    """Write a figure as a PNG, whole or not at all."""
    picture = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # a class name in a script of its own
        figure.savefig(picture, format="png")
    write_whole(path, picture.getvalue())


def identity(model: Graph) -> dict[str, object]:
    """Return what tells one trained model from another."""
    return {"parameters": model.parameter_count, "sha256": model.arrays.sha256()}


def version() -> str:
    """Return the version that is installed."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("minidl")
    except PackageNotFoundError:  # run from its source
        return "(not installed)"
