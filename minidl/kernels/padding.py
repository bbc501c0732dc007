"""Padding an image batch, and its adjoint, cropping."""

from __future__ import annotations

import numpy as np

from minidl.shapes import Window
from minidl.types import Array


def pad(x: Array, window: Window, value: float = 0.0) -> Array:
    """Return ``x`` (N, H, W, C) with the window's padding around it, filled with ``value``.

    Where there is no padding, ``x`` itself is returned.
    """
    if window.padded == window.size:
        return x
    padded = np.full((x.shape[0], *window.padded, x.shape[3]), value, x.dtype)
    padded[(slice(None), *window.inside)] = x
    return padded


def crop(padded: Array, window: Window) -> Array:
    """Return the image inside the padding: the adjoint of ``pad``."""
    image: Array = padded[(slice(None), *window.inside)]
    return image
