"""What hypothesis draws: windows that fit, and the reference's name for the same geometry."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st
from reference import Array, Geometry

from minidl.shapes import Window


@st.composite
def windows(
    draw: st.DrawFn, kernel: int = 3, stride: int = 3, dilation: int = 3, pooling: bool = False
) -> Window:
    """A window of any kind that fits in its image at least once, up to these sizes.

    For ``pooling``, padding is smaller than the window, so that every window sees the image.
    """
    axes = []
    for _ in range(2):
        taps = draw(st.integers(1, kernel))
        step, gap = draw(st.integers(1, stride)), draw(st.integers(1, dilation))
        most = taps - 1 if pooling else 3
        pads = draw(st.tuples(st.integers(0, most), st.integers(0, most)))
        least = max(1, gap * (taps - 1) + 1 - sum(pads))
        axes.append((draw(st.integers(least, least + 4)), taps, step, gap, pads))
    size, kernels, strides, dilations, padding = zip(*axes)
    return Window(size, kernels, strides, dilations, padding)


def geometry(window: Window) -> Geometry:
    """Return a window's geometry as the reference has it."""
    return Geometry(window.stride, window.padding, window.dilation, window.beyond)


def normal(seed: int, *shape: int) -> Array:
    """Return standard normal numbers in float64."""
    return np.random.default_rng(seed).standard_normal(shape)
