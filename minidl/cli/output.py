"""What commands print, apart from their own news."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping

from minidl.graph import Graph


def complain(message: str, code: int) -> int:
    """Print a line on stderr and return the exit code."""
    print(f"minidl: {message}", file=sys.stderr)
    return code


def explain(error: BaseException) -> str:
    """Return an error as one line.

    >>> explain(PermissionError(13, "Permission denied", "runs"))
    'runs: permission denied'
    """
    text = str(error) or type(error).__name__
    if isinstance(error, OSError) and error.filename and error.strerror:
        text = f"{error.filename}: {error.strerror[:1].lower()}{error.strerror[1:]}"
    return " ".join(text.split())


def print_json(results: Mapping[str, object]) -> None:
    """Print one line of JSON."""
    print(json.dumps(results))


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
