"""Memory that processes share: it has no name, and is gone with the last of them."""

from __future__ import annotations

import math
import mmap

import numpy as np
from numpy.typing import DTypeLike

from minidl.types import Array, Shape


def shared(shape: Shape, dtype: DTypeLike) -> Array:
    """Return zeros in anonymous memory that processes forked from now on share.

    >>> shared((2, 3), "float32").sum()
    np.float32(0.0)
    """
    kind, count = np.dtype(dtype), math.prod(shape)
    memory = mmap.mmap(-1, max(1, count * kind.itemsize))
    array: Array = np.frombuffer(memory, kind, count).reshape(shape)
    return array
