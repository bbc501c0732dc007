"""Sampling of images at positions between their pixels."""

from __future__ import annotations

import numpy as np

from minidl.augment.values import Fill, as_floats, like, padded
from minidl.types import Array

BLOCK = 2**13
"""So many pixels at a time: what they need stays in a cache of 1 MB."""


def warp(images: Array, matrices: Array, field: Array | None, fill: Fill) -> Array:
    """Return images drawn anew: the pixel at ``p`` shows what was at ``matrix @ (p + field)``.

    Parameters
    ----------
    images
        (N, H, W, C).
    matrices
        (N, 2, 3): a linear map and a shift of (vertical, horizontal) places, in pixels from the
        middle of the picture.
    field
        (N, 2, H, W): what is added to each pixel's place first; None for nothing.
    """
    count, height, width, _channels = images.shape
    result = np.empty(images.shape, images.dtype)
    block = max(1, BLOCK // (height * width))
    for start in range(0, count, block):
        some = slice(start, start + block)
        places = linear(matrices[some], height, width)
        if field is not None:
            bend(places, matrices[some], field[some])
        result[some] = bilinear(images[some], *places, fill)
    return result


def linear(matrices: Array, height: int, width: int) -> tuple[Array, Array]:
    """Return where each pixel comes from: its row and its column, (N, H, W) each."""
    exact = np.float32 if (height + 3) * (width + 3) < 2**24 else np.float64
    rows = np.arange(height) - (height - 1) / 2
    columns = np.arange(width) - (width - 1) / 2
    places = []
    for axis, size in enumerate((height, width)):
        down, right, shift = matrices[:, axis, :, None].swapaxes(0, 1)  # (N, 1) each
        by_row = (down * rows).astype(exact)  # (N, H)
        by_column = (right * columns + (shift + (size - 1) / 2)).astype(exact)  # (N, W)
        places.append(by_row[:, :, None] + by_column[:, None, :])
    return places[0], places[1]


def bend(places: tuple[Array, Array], matrices: Array, field: Array) -> None:
    """Add a field (N, 2, H, W), mapped by the matrices, to places."""
    maps = matrices[:, :, :2, None, None].astype(field.dtype)
    for axis, place in enumerate(places):
        place += maps[:, axis, 0] * field[:, 0]
        place += maps[:, axis, 1] * field[:, 1]


def bilinear(images: Array, rows: Array, columns: Array, fill: Fill) -> Array:
    """Return the values of images at rows and columns, weighted means of four pixels each.

    Both are (N, H, W) and are overwritten. Places outside an image are moved to a border around
    it, which holds what ``fill`` says.
    """
    count, height, width, channels = images.shape
    flat = as_floats(padded(images, 1, 2, fill)).reshape(-1, channels)  # the border: 1 and 2 wide
    right, below = 1, width + 3
    index = split(rows, height)
    index *= below
    index += split(columns, width)
    index = index.astype(np.intp)
    index += (np.arange(count) * ((height + 3) * below))[:, None, None]
    upper, other, lower, last = (
        flat[step:].take(index, axis=0, mode="clip") for step in (0, right, below, below + right)
    )
    rows, columns = rows[..., None], columns[..., None]  # (N, H, W, 1)
    mix(upper, other, columns)
    mix(lower, last, columns)
    mix(upper, lower, rows)
    return like(upper, images)


def split(places: Array, size: int) -> Array:
    """Return the whole parts of places in an image with a border; leave the fractions."""
    places += 1
    np.clip(places, 0, size + 1, out=places)
    whole = np.trunc(places)
    places -= whole
    return whole


def mix(one: Array, other: Array, weight: Array) -> None:
    """Set ``one`` to ``one + weight * (other - one)``, and spoil ``other``."""
    other -= one
    other *= weight
    one += other
