"""Images with zeros around them, as the convolutions read them.

Inside the engine a shard of images is (H, W, n, C): a row of pixels of all its samples is one
contiguous run, however few its channels are.
"""

from __future__ import annotations

import numpy as np

from minidl.shapes import Pair
from minidl.types import Array


class Padded:
    """A shard of images inside zeros, or another value: ``array`` (rows, columns, n, C).

    The memory is scratch, which others write to, so every ``fill`` clears the border.
    """

    def __init__(self, array: Array, size: Pair, before: Pair, value: float = 0.0) -> None:
        self.array, self._value = array, value
        (top, left), (height, width) = before, size
        rows = array[top : top + height]
        self.inside = rows[:, left : left + width]
        self._border = [
            array[:top],
            array[top + height :],
            rows[:, :left],
            rows[:, left + width :],
        ]

    def fill(self, x: Array) -> None:
        """Copy ``x`` into the zeros."""
        for part in self._border:
            part.fill(self._value)
        np.copyto(self.inside, x)


class Phased:
    """The same with even and odd columns apart: ``array`` (rows, 2, columns / 2, n, C).

    A step over every second column, of which Winograd's formula has many, is then one long run.
    """

    def __init__(self, array: Array, size: Pair, before: Pair) -> None:
        self.array = array
        (self.top, self.left), (height, width) = before, size
        rows = array[self.top : self.top + height]
        self._border = [array[: self.top], array[self.top + height :]]
        self._parts = []
        for phase in (0, 1):
            place, count = self.left + phase, (width - phase + 1) // 2
            columns, start = rows[:, place % 2], place // 2
            self._border += [columns[:, :start], columns[:, start + count :]]
            self._parts.append((columns[:, start : start + count], slice(phase, None, 2)))

    def fill(self, x: Array) -> None:
        """Copy ``x`` (H, W, n, C) into the zeros."""
        for border in self._border:
            border.fill(0)
        for part, columns in self._parts:
            np.copyto(part, x[:, columns])

    def row(self, index: int, phase: int, start: int, count: int) -> Array:
        """Return every second pixel of a row of the image, (count, n, C).

        They are those from ``phase`` on, after leaving ``start`` out.
        """
        place = self.left + phase
        first = place // 2 + start
        part: Array = self.array[self.top + index, place % 2, first : first + count]
        return part
