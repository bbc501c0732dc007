"""Memory: what one member of a crew works in, asked for once and used in every step.

Fresh memory costs more than it seems: the system clears every page, and the processor's caches hold
none of it. So what planned kernels need is asked for once, when a shard first runs. *Kept* arrays
hold what the way back needs, one for each shard. *Scratch* arrays are shared by purpose: what is in
one lasts until the purpose is next used.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import numpy as np

from minidl.types import Array, Shape

Kind = TypeVar("Kind")

LINE = 64
"""Arrays start at a cache line, because vector loads across two are slower."""


def aligned(shape: Shape, dtype: np.dtype[Any]) -> Array:
    """Return zeros of ``shape`` from the start of a cache line; unused, they take no memory."""
    size = math.prod(shape) * dtype.itemsize
    raw = np.zeros(size + LINE, np.uint8)
    start = -raw.ctypes.data % LINE
    return raw[start : start + size].view(dtype).reshape(shape)


class Memory:
    """Kept and scratch arrays of one type, and how many bytes they take.

    What is kept is counted for the ``owner`` of the moment, the path of a leaf.

    Views of scratch are made before its largest size is known, so a plan is laid out once to learn
    the ``sizes``, which are then given to the memory that is used.

    >>> memory = Memory(np.dtype("float32"))
    >>> columns = memory.scratch("columns", (2, 3))
    >>> np.shares_memory(columns, memory.scratch("columns", (3,)))
    True
    >>> memory.sizes
    {'columns': 24}
    """

    def __init__(self, dtype: np.dtype[Any], sizes: Mapping[str, int] | None = None) -> None:
        self.dtype = dtype
        self.sizes: dict[str, int] = dict(sizes or {})
        self.owner = ""
        self.kept_by: dict[str, int] = {}
        self._flat: dict[str, Array] = {}
        self._once: dict[str, Any] = {}
        self._runs = 0

    @property
    def kept_bytes(self) -> int:
        """How many bytes are kept."""
        return sum(self.kept_by.values())

    @property
    def scratch_bytes(self) -> int:
        """How many bytes the scratch takes."""
        return sum(self.sizes.values())

    def keep(self, shape: Shape, dtype: Any = None) -> Array:
        """Return zeros that nothing else uses."""
        kind = self.dtype if dtype is None else np.dtype(dtype)
        self.note(math.prod(shape) * kind.itemsize)
        return aligned(shape, kind)

    def note(self, size: int) -> None:
        """Count bytes that the owner keeps."""
        self.kept_by[self.owner] = self.kept_by.get(self.owner, 0) + size

    def scratch(self, purpose: str, shape: Shape, dtype: Any = None) -> Array:
        """Return an array that all who name the purpose share."""
        kind = self.dtype if dtype is None else np.dtype(dtype)
        size = math.prod(shape) * kind.itemsize
        self.sizes[purpose] = max(size, self.sizes.get(purpose, 0))
        if purpose not in self._flat or self._flat[purpose].size < size:
            self._flat[purpose] = aligned((self.sizes[purpose],), np.dtype(np.uint8))
        return self._flat[purpose][:size].view(kind).reshape(shape)

    def next_run(self) -> int:
        """Number the runs through this memory."""
        self._runs += 1
        return self._runs

    def clear(self) -> None:
        """Let go of all that was made once, which knows this memory in turn."""
        self._once.clear()

    def once(self, key: str, make: Callable[[], Kind]) -> Kind:
        """Return what ``make`` made when the key was first asked for."""
        if key not in self._once:
            self._once[key] = make()
        known: Kind = self._once[key]
        return known
