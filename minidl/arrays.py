"""ArrayMap: the arrays of a model by path."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from minidl.shapes import ShapeError
from minidl.types import Array


class ArrayMap(Mapping[str, Array]):
    """Arrays by path, in the order of definition; assigning copies the values in place.

    Optimizers and running plans hold on to the arrays themselves, so none is ever replaced.

    >>> arrays = ArrayMap()
    >>> arrays.create("dense.bias", np.zeros(2))
    >>> arrays["dense.bias"] = [1, 2]
    >>> arrays["dense.bias"]
    array([1., 2.])
    """

    def __init__(self) -> None:
        self._arrays: dict[str, Array] = {}

    def __getitem__(self, path: str) -> Array:
        if path not in self._arrays:
            raise KeyError(f"no array {path!r}: the paths are {', '.join(self._arrays) or 'none'}")
        return self._arrays[path]

    def __setitem__(self, path: str, value: Any) -> None:
        array, value = self[path], np.asarray(value)
        if value.shape != array.shape:
            raise ShapeError(f"{path} has shape {array.shape}, got values of shape {value.shape}")
        array[...] = value

    def __contains__(self, path: object) -> bool:
        return path in self._arrays

    def __iter__(self) -> Iterator[str]:
        return iter(self._arrays)

    def __len__(self) -> int:
        return len(self._arrays)

    def __repr__(self) -> str:
        inside = ", ".join(f"{path} {array.shape}" for path, array in self._arrays.items())
        return f"ArrayMap({inside})"

    def create(self, path: str, array: Array) -> None:
        """Take a new array in; for the graph that owns this map."""
        self._arrays[path] = array

    def copies(self) -> dict[str, Array]:
        """Return a copy of every array by path."""
        return {path: np.array(array) for path, array in self._arrays.items()}

    def fill(self, values: Mapping[str, Array]) -> None:
        """Copy values in by path, in place; arrays that are not named stay."""
        for path, value in values.items():
            self[path] = value

    @contextmanager
    def holding(self, values: Mapping[str, Array]) -> Iterator[None]:
        """Hold other values for a while."""
        own = self.copies()
        try:
            self.fill(values)
            yield
        finally:
            self.fill(own)

    def sha256(self) -> str:
        """Return a hash of every path, shape, type and value: equal for equal bits alone."""
        from hashlib import sha256

        state = sha256()
        for path, array in self._arrays.items():
            state.update(f"{path} {array.shape} {array.dtype.str}\n".encode())
            state.update(np.ascontiguousarray(array).tobytes())
        return state.hexdigest()
