"""Packing: nested data as one JSON text and the arrays in it, under names like paths.

So a file can hold it in which nothing can run. What comes back is what was there, with lists in
place of tuples and Python's numbers in place of NumPy's.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from minidl.arrays import ArrayMap
from minidl.types import Array, Arrays

MARK = "__array__"
"""The key of a dict that stands in the text for an array: its value is the array's name."""


def pack(content: dict[str, Any]) -> tuple[str, dict[str, Array]]:
    """Return dicts, lists, numbers, text and arrays as a JSON text and the arrays by name.

    Raises ``TypeError`` on anything else.

    >>> pack({"best": 0.5, "of": {"bias": np.zeros(2)}})
    ('{"best": 0.5, "of": {"bias": {"__array__": "of/bias"}}}', {'of/bias': array([0., 0.])})
    """
    arrays: dict[str, Array] = {}
    return json.dumps({key: _packed(one, key, arrays) for key, one in content.items()}), arrays


def _packed(value: Any, name: str, arrays: dict[str, Array]) -> Any:
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        while name in arrays:  # keys may hold a slash themselves
            name += "'"
        arrays[name] = value
        return {MARK: name}
    if isinstance(value, dict) and all(isinstance(key, str) and key != MARK for key in value):
        return {key: _packed(one, f"{name}/{key}", arrays) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_packed(one, f"{name}/{index}", arrays) for index, one in enumerate(value)]
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise TypeError(
        f"a checkpoint holds numbers, text, arrays, lists and dicts with keys of text, and"
        f" {name!r} is {value!r}"
    )


def unpack(text: str, arrays: Arrays) -> dict[str, Any]:
    """Return what was packed; the arrays are copies."""

    def restored(found: dict[str, Any]) -> Any:
        return np.array(arrays[found[MARK]]) if MARK in found else found

    content: dict[str, Any] = json.loads(text, object_hook=restored)
    return content


def checksum(text: str, arrays: Arrays) -> str:
    """Return a hash of the text, and of every array with its name, shape and type."""
    from hashlib import sha256

    ordered = ArrayMap()
    for name in sorted(arrays):
        ordered.create(name, arrays[name])
    return sha256(f"{text}\n{ordered.sha256()}".encode()).hexdigest()
