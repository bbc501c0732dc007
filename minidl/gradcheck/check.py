"""Check: a subject's pullback against nudges, along random directions or every axis."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from minidl.checks import flag, integer, positive
from minidl.gradcheck.contract import check_contract
from minidl.gradcheck.nudges import generator, spread, unit
from minidl.gradcheck.report import Kink
from minidl.gradcheck.slopes import Slopes, kinked, slopes
from minidl.gradcheck.subject import Key, Subject
from minidl.record import Record
from minidl.types import Array

NOTICED = 1e-4
"""The gap between the sides, of the gradient's size, from which smaller steps have a look."""


class Settings(Record):
    """How a check is done; ``gradcheck`` says what each means."""

    elementwise: bool = False
    directions: int = 3
    step: float = 1e-6
    tolerance: float = 1e-6
    seed: int = 0

    def __post_init__(self) -> None:
        flag("elementwise", self.elementwise)
        integer("directions", self.directions, low=1)
        positive("step", self.step)
        positive("tolerance", self.tolerance)
        integer("seed", self.seed, low=0)


class Verdict(NamedTuple):
    """What came of nudging along one direction: of all outputs but those that are ``kinked``."""

    analytic: float
    numeric: float
    error: float
    kinked: Array
    seen: list[Slopes]


class Case(NamedTuple):
    """A direction of one array, and its verdict."""

    key: Key
    direction: Array
    verdict: Verdict


class Check:
    """The gradients of ``sum(weights · y)`` for random weights, and what nudges say of them."""

    def __init__(self, subject: Subject, settings: Settings, hint: str = "") -> None:
        self.subject, self.settings, self.hint = subject, settings, hint
        self.y = check_contract(subject)
        self.rng = generator("directions", settings.seed)
        self.weights = spread(self.rng, self.y.shape)
        self.gradients = subject.gradients(self.weights)
        sizes = [float(np.linalg.norm(gradient)) for gradient in self.gradients.values()]
        self.faint = max(1e-7 * max(sizes, default=0.0), 1e-30)  # of what cancels, rounding is left
        self.error, self.compared, self.skipped = 0.0, 0, 0
        self.kinks: list[Kink] = []

    def unclear(self) -> Iterator[Case]:
        """Compare along every direction, and yield where there is an error or a kink.

        After one of these an array is left alone, unless it is checked element by element.
        """
        for key in self.subject.wanted:
            for direction in self.directions(key):
                verdict = self.compare(key, direction)
                if not self.clear(verdict):
                    yield Case(key, direction, verdict)
                    if not self.settings.elementwise:
                        break

    def directions(self, key: Key) -> Iterator[Array]:
        """Yield random directions, or every axis."""
        array = self.subject.arrays[key]
        if self.settings.elementwise:
            yield from (unit(array.shape, index) for index in range(array.size))
        else:
            yield from (spread(self.rng, array.shape) for _ in range(self.settings.directions))

    @np.errstate(all="ignore")  # a nudge may leave a function's domain; a smaller one will not
    def compare(self, key: Key, direction: Array) -> Verdict:
        """Nudge one array along a direction, by smaller steps until the slopes are clear."""
        seen: list[Slopes] = []
        gradient = self.gradients[key]
        for found in slopes(self.subject, self.y, key, direction, self.settings.step):
            seen.append(found)
            verdict = self._judged(gradient, direction, self.weights, seen)
            scale = self._scale(gradient, direction, self.weights, found)
            bend = np.linalg.norm(self.weights * found.gap)
            if self.agrees(verdict) and bend <= NOTICED * scale:
                return verdict
        scale = self._scale(gradient, direction, self.weights, seen[-1])
        least = self.settings.tolerance * scale / 10
        kinks = kinked(seen) & (np.abs(self.weights) * seen[-2].gap > least)
        if not kinks.any():
            return verdict
        weights = np.where(kinks, 0, self.weights)
        gradient = self.subject.gradients(weights)[key]
        return self._judged(gradient, direction, weights, seen)._replace(kinked=kinks)

    def _judged(
        self, gradient: Array, direction: Array, weights: Array, seen: list[Slopes]
    ) -> Verdict:
        """Return the verdict of the step that agrees best."""
        analytic = float((gradient * direction).sum())
        verdicts = []
        for found in seen:
            numeric = float((weights * found.central).sum())
            error = relative(analytic, numeric, self._scale(gradient, direction, weights, found))
            verdicts.append(Verdict(analytic, numeric, error, np.zeros(weights.shape, bool), seen))
        return min(verdicts, key=lambda verdict: verdict.error)

    def _scale(self, gradient: Array, direction: Array, weights: Array, found: Slopes) -> float:
        """Return what an error is measured by: the gradient's size, or what rounding leaves."""
        part = float(np.linalg.norm(direction)) / direction.size**0.5
        rounding = 1e-3 * float(np.abs(weights * self.y)[found.moved].sum())
        return float(max(np.linalg.norm(gradient) * part, rounding, self.faint))

    def agrees(self, verdict: Verdict) -> bool:
        """Tell whether the outputs without kinks agree."""
        return verdict.error <= self.settings.tolerance

    def clear(self, verdict: Verdict) -> bool:
        """Count a verdict that agrees; tell whether it leaves nothing to look at."""
        nothing = verdict.kinked.any() and verdict.kinked[verdict.seen[0].moved].all()
        if self.agrees(verdict) and not nothing:
            self.error = max(self.error, verdict.error)
            self.compared += 1
        return self.agrees(verdict) and not verdict.kinked.any()


def relative(analytic: float, numeric: float, scale: float) -> float:
    """Return how far two derivatives are apart, relative to the largest of them and ``scale``."""
    apart = distance(analytic, numeric)
    return apart / max(abs(analytic), abs(numeric), scale) if apart < math.inf else apart


def distance(analytic: float, numeric: float) -> float:
    """Return how far two derivatives are apart; infinity where one is no number."""
    apart = float(abs(analytic - numeric))
    return apart if apart < math.inf else math.inf
