"""The values of images: uint8 from 0 to 255, floats whose full range is 1."""

from __future__ import annotations

from typing import Literal

import numpy as np

from minidl.checks import finite
from minidl.types import Array

Fill = float | Literal["edge"]
"""What lies outside a picture: a share of the full range, or the nearest pixel's value."""


def full_range(images: Array) -> int:
    """Return the value of full brightness: 255 for uint8, 1 for floats."""
    return 255 if images.dtype == np.uint8 else 1


def as_floats(images: Array) -> Array:
    """Return a contiguous copy of images as floats of at least 32 bits, of the same range."""
    return images.astype(np.result_type(images.dtype, np.float32), order="C")


def like(values: Array, images: Array) -> Array:
    """Return float values in the dtype of images; as uint8 they are rounded and saturated.

    ``values`` may be overwritten.
    """
    if images.dtype == np.uint8:
        values += 0.5
        np.clip(values, 0, 255, out=values)
    return values.astype(images.dtype, copy=False)


def padded(images: Array, before: int, after: int, fill: Fill) -> Array:
    """Return images with so many pixels of ``fill`` before and after their rows and columns."""
    if fill == "edge":
        return np.pad(images, [(0, 0), (before, after), (before, after), (0, 0)], mode="edge")
    count, height, width, channels = images.shape
    more = before + after
    level = level_of(fill, images)
    result = np.full((count, height + more, width + more, channels), level, images.dtype)
    result[:, before : before + height, before : before + width] = images
    return result


def level_of(fill: float, images: Array) -> Array:
    """Return a share of the full range as a value of the images."""
    return like(np.array(float(fill) * full_range(images)), images)


def check_fill(fill: object) -> None:
    """Raise a ``ValueError`` or ``TypeError`` where ``fill`` is no ``Fill``."""
    if not isinstance(fill, str):
        finite("fill", fill)
    elif fill != "edge":
        raise ValueError(f"fill must be a number or 'edge', got {fill!r}")
