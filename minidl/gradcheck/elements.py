"""Elements: an unclear direction is looked into, by halving it and element by element."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from minidl.gradcheck.check import Case, Check, Verdict, distance, relative
from minidl.gradcheck.nudges import only, spread, unit
from minidl.gradcheck.report import GradientError, Kink
from minidl.gradcheck.slopes import Slopes, steadiest
from minidl.gradcheck.subject import Key, named
from minidl.types import Array

LOOKS = 256
"""How many elements of one array are looked at one by one, unless all are asked for."""


def resolve(check: Check, case: Case) -> None:
    """Look into a direction that is unclear: raise on an error, note the kinks."""
    elements = np.flatnonzero(case.direction)
    if not check.agrees(case.verdict):
        whole = np.arange(case.direction.size) if check.settings.elementwise else elements
        _raise_worst(check, case, whole)
    _search(check, case.key, case.direction, check.rng.permutation(elements))


def _raise_worst(check: Check, case: Case, elements: Array) -> None:
    """Raise on the element that is most wrong of those looked at, if any is wrong."""
    key, size = case.key, len(elements)
    while len(elements) > LOOKS:
        halves = np.array_split(elements, 2)
        verdicts = [check.compare(key, _along(check, key, half)) for half in halves]
        wrong = [distance(verdict.analytic, verdict.numeric) for verdict in verdicts]
        elements = halves[int(np.argmax(wrong))]
    shape = check.subject.arrays[key].shape
    verdicts = [check.compare(key, unit(shape, element)) for element in elements]
    worst = max(range(len(verdicts)), key=lambda one: _badness(check, verdicts[one]))
    looked = f"{len(elements)}" + (f" of {size}" if len(elements) < size else "")
    if not check.agrees(verdicts[worst]):
        raise _error_at(check, key, int(elements[worst]), verdicts[worst], looked)
    if len(elements) < size:
        analytic, numeric, *_ = case.verdict
        raise check.subject.wrong(
            f"the gradient of {named(key)} along a random direction is {analytic:.9g}, and"
            f" nudging gives {numeric:.9g}, though {looked} elements agree one by"
            f" one{check.hint}"
        )


def _badness(check: Check, verdict: Verdict) -> tuple[bool, float]:
    """Return what to choose the worst element by: that it is wrong, and how far off it is."""
    return not check.agrees(verdict), distance(verdict.analytic, verdict.numeric)


def _along(check: Check, key: Key, elements: Array) -> Array:
    """Return a random direction of some elements."""
    direction = np.zeros(check.subject.arrays[key].shape)
    direction.flat[elements] = spread(check.rng, elements.shape)
    return direction


def _search(check: Check, key: Key, direction: Array, elements: Array) -> None:
    """Clear blocks of elements that agree as a whole, and halve the others."""
    blocks, looks = [elements], 0
    while blocks:
        block = blocks.pop()
        if looks >= LOOKS:
            check.skipped += len(block)
        elif len(block) == 1:
            looks += 1
            _look(check, key, int(block[0]))
        else:
            part = np.zeros(direction.shape)
            part.flat[block] = direction.flat[block]
            if not check.clear(check.compare(key, part)):
                blocks += np.array_split(block, 2)


def _look(check: Check, key: Key, element: int) -> None:
    """Check one element: away from kinks it agrees, on a kink it has a subgradient."""
    verdict = check.compare(key, unit(check.subject.arrays[key].shape, element))
    if check.clear(verdict):
        return
    if not check.agrees(verdict):
        raise _error_at(check, key, element, verdict, "1")
    outputs = np.flatnonzero(verdict.kinked)
    gaps = verdict.seen[1].gap.flat[outputs]
    kinks = [
        _kink(check, key, element, int(output), verdict.seen)
        for output in outputs[np.argsort(-gaps)][:LOOKS]
    ]
    check.kinks += kinks[:1]


def _kink(check: Check, key: Key, element: int, output: int, seen: Sequence[Slopes]) -> Kink:
    """Return the kink of one output; raise where the pullback's slope is outside both."""
    pulled = _pulled(check, key, element, unit(check.y.shape, output))
    pairs = [(float(s.left.flat[output]), float(s.right.flat[output])) for s in seen]
    index = _index(check, key, element)
    place = tuple(map(int, np.unravel_index(output, check.y.shape)))
    if not any(_between(check, pulled, *pair) for pair in pairs):
        left, right = pairs[1]
        raise check.subject.wrong(
            f"the gradient of {named(key)} at {index} is {pulled:.9g}, on a kink where nudging"
            f" gives {left:.9g} to the left and {right:.9g} to the right (where dy is 1 at"
            f" {place} and 0 elsewhere): it should be one of them or between them{check.hint}"
        )
    where = named(key)
    if check.subject.path:
        where = f"{check.subject.name}: {where}"
    return Kink(where, index, place, *pairs[1], pulled)


def _between(check: Check, pulled: float, left: float, right: float) -> bool:
    slack = check.settings.tolerance * max(abs(left), abs(right))
    return min(left, right) - slack <= pulled <= max(left, right) + slack


def _error_at(check: Check, key: Key, element: int, verdict: Verdict, looked: str) -> GradientError:
    """Return the error of an element, told by the one output that shows it best."""
    weights = np.where(verdict.kinked, 0, check.weights)
    found = steadiest(verdict.seen, weights)
    outputs = np.flatnonzero(weights)
    while len(outputs) > 1:
        halves = np.array_split(outputs, 2)
        wrong = [
            distance(_pulled(check, key, element, dy), float((dy * found.central).sum()))
            for dy in (only(weights, half) for half in halves)
        ]
        outputs = halves[int(np.argmax(wrong))]
    place = tuple(map(int, np.unravel_index(outputs[0], check.y.shape)))
    pulled = _pulled(check, key, element, unit(check.y.shape, int(outputs[0])))
    nudged, where = float(found.central[place]), f"where dy is 1 at {place} and 0 elsewhere"
    if relative(pulled, nudged, 1e-30) <= check.settings.tolerance:
        pulled, nudged = verdict.analytic, verdict.numeric
        where = f"where dy is random; right {where}, so the pullback is not linear in dy"
    return check.subject.wrong(
        f"the gradient of {named(key)} at {_index(check, key, element)} is {pulled:.9g}, and"
        f" nudging gives {nudged:.9g} ({where}; elements looked at: {looked}){check.hint}"
    )


def _pulled(check: Check, key: Key, element: int, dy: Array) -> float:
    """Return what the pullback makes of ``dy`` at one element."""
    return float(check.subject.gradients(dy)[key].flat[element])


def _index(check: Check, key: Key, element: int) -> tuple[int, ...]:
    return tuple(map(int, np.unravel_index(element, check.subject.arrays[key].shape)))
