"""Depthwise convolution: each channel with a filter of its own.

``y[n, p, q, c] = sum over i, j of x[n, p·sh + i·dh, q·sw + j·dw, c] · weight[i, j, 0, c]``. There
is no sum over channels to make a matrix product of: each tap is a pass over the image (Howard et
al. 2017, *MobileNets*, section 3.1). ``einsum`` multiplies and adds in one.
"""

from __future__ import annotations

import numpy as np

from minidl.kernels.conv import mirrored, patches
from minidl.kernels.padding import crop, pad
from minidl.shapes import Window
from minidl.types import Array


def _spread(weight: Array, window: Window) -> Array:
    """Return the weights as they meet a row of outputs, (kh, kw, ow, C): that is one long run."""
    taps: Array = np.repeat(weight, window.out[1], axis=2)
    return taps


def forward(x: Array, weight: Array, window: Window) -> Array:
    """Convolve ``x`` (N, H, W, C) with ``weight`` (kh, kw, 1, C) to y (N, oh, ow, C)."""
    seen = patches(pad(x, window), window)  # (N, oh, ow, kh, kw, C)
    y: Array = np.einsum("npqijc,ijqc->npqc", seen, _spread(weight, window))
    return y


def weight_gradient(x: Array, dy: Array, window: Window) -> Array:
    """Return ``dweight`` (kh, kw, 1, C) from x (N, H, W, C) and dy (N, oh, ow, C)."""
    seen = patches(pad(x, window), window)
    taps: Array = np.einsum("npqijc,npqc->ijqc", seen, dy)
    dweight: Array = taps.sum(axis=2, keepdims=True)
    return dweight


def input_gradient(dy: Array, weight: Array, window: Window) -> Array:
    """Return ``dx`` (N, H, W, C) from dy (N, oh, ow, C) and weight (kh, kw, 1, C)."""
    mirror = mirrored(window)
    if mirror is not None:
        return forward(dy, weight[::-1, ::-1], mirror)
    padded = np.zeros((len(dy), *window.padded, dy.shape[3]), np.result_type(dy, weight))
    taps = _spread(weight, window)
    for i, j, rows, columns in window.taps():
        padded[:, rows, columns] += dy * taps[i, j]
    return crop(padded, window)
