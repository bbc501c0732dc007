"""Image arrays of one shape as another: pixels resampled, grey made of colour or colour of grey."""

from __future__ import annotations

from typing import Final

import numpy as np

from minidl.types import Array, Shape

LUMA: Final = (0.299, 0.587, 0.114)  # of red, green and blue: ITU-R BT.601
_BLOCK: Final = 256  # images worked on together


def fit_images(images: Array, shape: Shape) -> Array:
    """Return images (N, h, w, c) as (N, H, W, C), ``shape`` being (H, W, C).

    They are stretched to H x W with a triangle filter, which is bilinear interpolation where they
    grow and averages where they shrink, and converted to grey or to RGB. The dtype stays; uint8 is
    rounded.

    Raises
    ------
    ValueError
        Where c and C differ and are not 1 and 3.

    Examples
    --------
    >>> fit_images(np.full((2, 56, 56, 3), 7, np.uint8), (28, 28, 1)).shape
    (2, 28, 28, 1)
    """
    if images.shape[1:] == shape:
        return images
    if images.shape[3] != shape[2] and {images.shape[3], shape[2]} != {1, 3}:
        raise ValueError(
            f"images of {images.shape[3]} channels cannot become ones of {shape[2]}: only grey (1)"
            " and RGB (3) are converted"
        )
    rows, columns = (_weights(*sizes) for sizes in zip(images.shape[1:3], shape[:2]))
    fitted = np.empty((len(images), *shape), images.dtype)
    for start in range(0, len(images), _BLOCK):
        block = images[start : start + _BLOCK].astype(np.float32)  # (n, h, w, c)
        block = _colours(block, shape[2])
        block = np.einsum("Hh,nhwc->nHwc", rows, block, optimize=True)
        block = np.einsum("Ww,nHwc->nHWc", columns, block, optimize=True)
        fitted[start : start + _BLOCK] = np.rint(block) if images.dtype == np.uint8 else block
    return fitted


def _colours(images: Array, channels: int) -> Array:
    if images.shape[3] == channels:
        return images
    if channels == 3:
        return np.repeat(images, 3, axis=3)
    return images @ np.array(LUMA, np.float32)[:, None]


def _weights(old: int, new: int) -> Array:
    """Return what each of ``new`` places takes of each of ``old``, float32 (new, old)."""
    scale = old / new
    centres = (np.arange(new) + 0.5) * scale - 0.5
    distance = np.arange(old) - centres[:, None]  # (new, old)
    weights = np.maximum(0, 1 - np.abs(distance) / max(scale, 1))
    weights /= weights.sum(axis=1, keepdims=True)  # at the edges a part of the triangle is missing
    return weights.astype(np.float32)
