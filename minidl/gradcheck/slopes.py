"""Slopes: how the output changes per unit of a small nudge, to the left and to the right.

The mean of both is the central difference, whose error is ``step² f''' / 6`` and
``eps |f| / step`` of rounding (Nocedal and Wright 2006, *Numerical optimization*, section 8.1).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from minidl.gradcheck.nudges import rms
from minidl.gradcheck.subject import Key, Subject
from minidl.types import Array

STEPS = 5
"""How many steps there are, each a tenth of the one before: 1e-6 to 1e-10."""


class Slopes(NamedTuple):
    """The slope of each value of the output, on either side."""

    left: Array
    right: Array

    @property
    def central(self) -> Array:
        """The mean of both sides."""
        mean: Array = (self.left + self.right) / 2
        return mean

    @property
    def gap(self) -> Array:
        """How far the sides are apart: ``step f''`` where the function is smooth."""
        gap: Array = np.abs(self.right - self.left)
        return gap

    @property
    def moved(self) -> Array:
        """Which values of the output changed at all."""
        moved: Array = (self.left != 0) | (self.right != 0)
        return moved


def slopes(subject: Subject, y: Array, key: Key, direction: Array, step: float) -> Iterator[Slopes]:
    """Yield the slopes along a direction of one array, for smaller and smaller steps."""
    array = subject.arrays[key]
    step *= max(1.0, rms(array[direction != 0]))
    for _ in range(STEPS):
        left = (y - subject.value({key: array - step * direction})) / step
        right = (subject.value({key: array + step * direction}) - y) / step
        yield Slopes(left, right)
        step /= 10


def kinked(seen: Sequence[Slopes]) -> Array:
    """Return where the sides differ however small the step.

    A tenth of the step makes a tenth of the gap of a smooth function, ten times that of rounding,
    and the same of a kink. A kink a little off the point is seen by the larger steps alone; one at
    the end of the smallest step leaves a part of its gap.
    """
    large, small, smallest = (slopes.gap for slopes in seen[-3:])
    stays = (small > large / 2) & (small < 2 * large)
    still: Array = stays & (smallest > 1e-4 * small) & (smallest < 2 * small)
    return still


def steadiest(seen: Sequence[Slopes], weights: Array) -> Slopes:
    """Return the slopes that the next smaller step changes least: those to tell."""
    sums = np.array([(weights * slopes.central).sum() for slopes in seen])
    return seen[int(np.argmin(np.abs(np.diff(sums))))]
