"""Floats of whatever a caller hands over."""

from __future__ import annotations

import numpy as np

from minidl.types import Array


def as_float(x: Array) -> Array:
    """Return floats as they are, and integers as the floats that hold them.

    >>> as_float(np.array([200, 100], np.uint8)).dtype
    dtype('float32')
    """
    return x.astype(np.result_type(x.dtype, np.float32), copy=False)
