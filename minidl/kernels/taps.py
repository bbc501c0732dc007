"""Where the windows of a pool lie along one axis: what its kernels walk over.

A tap is a pair of slices: some of the windows, and the pixel of each that the tap sees. Taps inside
the image are all there is, so nothing is padded: what lies outside is not walked over.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import numpy as np

from minidl.shapes import Window
from minidl.types import Array

Tap: TypeAlias = tuple[slice, slice]


class Line(NamedTuple):
    """One axis: how many pixels and windows it has, and the taps, in order within each window."""

    size: int
    out: int
    taps: list[Tap]

    @property
    def full(self) -> bool:
        """Whether each tap sees a pixel in every window."""
        return all(windows == slice(0, self.out, 1) for windows, _ in self.taps)

    @property
    def plain(self) -> bool:
        """Whether each window is one pixel, and each pixel one window."""
        return self.taps == [(slice(0, self.size, 1), slice(0, self.size, 1))]

    @property
    def counts(self) -> Array:
        """How many pixels each window sees, (out,)."""
        seen = np.zeros(self.out, np.int64)
        for windows, _ in self.taps:
            seen[windows] += 1
        return seen


Lines: TypeAlias = tuple[Line, Line]


def window_lines(window: Window) -> Lines:
    """Return the rows and the columns of a sliding window."""
    return _window_line(window, 0), _window_line(window, 1)


def with_padding(window: Window) -> Window:
    """Return the same windows over an image of which the padding is a part."""
    below, aside = window.beyond
    height, width = window.padded
    return window.replace(
        size=(height - below, width - aside), padding=((0, below), (0, aside)), beyond=(0, 0)
    )


def _window_line(window: Window, axis: int) -> Line:
    size, out, stride = window.size[axis], window.out[axis], window.stride[axis]
    taps = []
    for index in range(window.kernel[axis]):
        offset = index * window.dilation[axis] - window.padding[axis][0]
        first = max(0, -(offset // stride))  # the first window whose pixel is at least 0
        end = min(out, -((offset - size) // stride))  # the first whose pixel is beyond the image
        if first < end:
            start = offset + first * stride
            taps.append((slice(first, end, 1), _every(start, stride, end - first)))
    return Line(size, out, taps)


def _every(start: int, step: int, count: int) -> slice:
    return slice(start, start + (count - 1) * step + 1, step)
