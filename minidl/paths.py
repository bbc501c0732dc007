"""Paths: what arrays are called in a graph, such as "block.conv1.weight"."""

from __future__ import annotations

import fnmatch
from collections.abc import Collection, Sequence

from minidl.types import Array, Arrays


def matching(paths: Collection[str], patterns: Sequence[str]) -> list[str]:
    """Return the paths that match any pattern; ``ValueError`` where a pattern matches none.

    A pattern matches a whole path, or a node that the path lies in.

    >>> matching(["conv1.weight", "conv1.bias", "head.bias"], ["conv*"])
    ['conv1.weight', 'conv1.bias']
    """
    for pattern in patterns or ("",):
        if not any(_matches(path, pattern) for path in paths):
            raise ValueError(f"no parameter matches {pattern!r}: the paths are {', '.join(paths)}")
    return [path for path in paths if any(_matches(path, pattern) for pattern in patterns)]


def _matches(path: str, pattern: str) -> bool:
    parts = path.split(".")
    starts = (".".join(parts[:end]) for end in range(1, len(parts) + 1))
    return any(fnmatch.fnmatchcase(start, pattern) for start in starts)


def under(node: str, arrays: Arrays) -> dict[str, Array]:
    """Return the arrays whose paths begin with a node, by the rest of the path."""
    start = node + "."
    return {path[len(start) :]: array for path, array in arrays.items() if path.startswith(start)}
