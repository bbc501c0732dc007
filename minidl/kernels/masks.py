"""A mask over floats, applied to their bits.

That is as fast as a product with the mask, and an infinite value that is not wanted becomes 0,
where 0 · inf would be NaN. ``np.where`` takes ten times as long on a mask that no processor can
foresee.
"""

from __future__ import annotations

import numpy as np

from minidl.types import Array


def keep(x: Array, mask: Array, out: Array | None = None) -> Array:
    """Return ``x`` where the mask is true, else 0; the mask may be broadcast.

    >>> keep(np.array([1.0, np.inf]), np.array([True, False]))
    array([1., 0.])
    """
    every = np.negative(mask.view(np.int8))  # true is -1, of which each bit is set
    every = every.astype(f"i{x.itemsize}") if every.size < x.size else every
    kept = np.bitwise_and(_bits(x), every, out=None if out is None else _bits(out))
    return kept.view(x.dtype)


def split(x: Array, mask: Array) -> tuple[Array, Array]:
    """Return ``x`` where the mask is true, and ``x`` where it is not; each is 0 elsewhere."""
    kept = keep(x, mask)
    rest: Array = np.bitwise_xor(_bits(x), _bits(kept)).view(x.dtype)
    return kept, rest


def _bits(x: Array) -> Array:
    """Return the same memory as integers."""
    return x.view(np.dtype(f"i{x.itemsize}"))
