"""The signals of a step: the first loss, activations that are stuck, gradients layer by layer."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from minidl.doctor.case import LOGITS, TRACED, Case
from minidl.doctor.finding import Finding
from minidl.doctor.model import kind, name
from minidl.doctor.run import STEPS
from minidl.doctor.trace import Trace
from minidl.layers import (
    Conv1d,
    Conv2d,
    ConvTranspose1d,
    ConvTranspose2d,
    Dense,
    ReLU,
    Sigmoid,
    Tanh,
)
from minidl.losses import MeanSquaredError

FIRST_LOSS = 4.0  # times that of equal logits; standardised images and He weights come to 2.1
REGRESSION = 10.0  # times the targets' deviation, which outputs of size 1 may well be
DEAD = 0.5  # of a layer's units; He weights on digits leave up to 0.1, training 0.3
STUCK = 0.5  # of a layer's values; healthy tanh and sigmoid layers have up to 0.1
NEARLY = 0.01  # from the ends of a sigmoid's range: the slope there is 4 % of its largest
APART = 1000.0  # between layers' gradients; healthy ones are within 20, two sigmoids 10
WEIGHTED = (Dense, Conv2d, Conv1d, ConvTranspose2d, ConvTranspose1d)


def first_loss(case: Case) -> Iterator[Finding]:
    """Compare the first loss with that of a model that knows nothing."""
    value, known = case.start.loss, case.knowing_nothing(TRACED)
    if not math.isfinite(value):
        seen = f"the first loss is {value}"
        fix = "use smaller inputs or smaller first weights: something overflows"
        yield Finding("a first loss far off", "loss", seen, fix, "error")
    elif known is not None and value > _most(case, known):
        seen = f"the first loss is {value:.3g}; knowing nothing it would be {known:.3g}"
        fix = "use smaller inputs or weights: standardise inputs, keep weight_init at its default"
        yield Finding("a first loss far off", "loss", seen, fix)


def _most(case: Case, known: float) -> float:
    """Return the first loss from which on something is wrong."""
    if isinstance(case.loss, LOGITS):
        return FIRST_LOSS * known
    return (REGRESSION**2 if isinstance(case.loss, MeanSquaredError) else REGRESSION) * known


def dead_units(case: Case) -> Iterator[Finding]:
    """Look for ReLU units that are 0 for every sample, at the start or after a few steps."""
    for when, moment in _moments(case):
        found = _dead(when, moment)
        if found is not None:
            yield found
            return


def _dead(when: str, moment: Trace) -> Finding | None:
    for leaf in moment.leaves:
        if isinstance(leaf.module, ReLU):
            units = moment.values[name(leaf)].reshape(-1, leaf.shape[-1])  # (N·..., units)
            dead = float((units <= 0).all(axis=0).mean())
            if dead > DEAD:
                seen = f"{when}, {dead:.0%} of its units are 0 for every sample"
                fix = "lower the learning rate, standardise the inputs, or use LeakyReLU"
                return Finding("dead ReLUs", name(leaf), seen, fix)
    return None


def saturated_units(case: Case) -> Iterator[Finding]:
    """Look for sigmoids and tanhs at the ends of their range, where the slope is almost 0."""
    for when, moment in _moments(case):
        for leaf in moment.leaves:
            if isinstance(leaf.module, (Sigmoid, Tanh)) and leaf.writes != case.output:
                low = -1.0 if isinstance(leaf.module, Tanh) else 0.0
                share = (moment.values[name(leaf)] - low) / (1 - low)  # from 0 to 1
                stuck = float((np.abs(share - 0.5) > 0.5 - NEARLY).mean())
                if stuck > STUCK:
                    seen = f"{when}, {stuck:.0%} of its values are at the ends of {kind(leaf)}"
                    fix = "standardise the inputs, use GlorotUniform weights, or use ReLU"
                    yield Finding("a saturated activation", name(leaf), seen, fix)
                    return


def gradients(case: Case) -> Iterator[Finding]:
    """Compare the gradients that arrive at the layers with the one at the last of them.

    Vanishing and exploding gradients: Glorot and Bengio 2010, *Understanding the difficulty of
    training deep feedforward neural networks*.
    """
    for when, moment in _moments(case):
        found = _gradient(when, moment)
        if found is not None and _dead(when, moment) is None:  # which let no gradient through
            yield found
            return


def _gradient(when: str, moment: Trace) -> Finding | None:
    sizes = {
        name(leaf): float(np.linalg.norm(moment.gradients[name(leaf)].astype(np.float64)))
        for leaf in moment.leaves
        if isinstance(leaf.module, WEIGHTED) and name(leaf) in moment.gradients
    }
    if not sizes or not all(map(math.isfinite, sizes.values())):
        return None  # the first loss says so, or the learning rate
    last, size = list(sizes.items())[-1]
    low, high = min(sizes, key=sizes.__getitem__), max(sizes, key=sizes.__getitem__)
    if sizes[low] * APART < size:
        seen = f"{when}, {sizes[low]:.1e} arrives of {size:.1e} at {last}"
        fix = "use ReLU and He weights, add BatchNorm or residual connections, or fewer layers"
        return Finding("vanishing gradients", low, seen, fix)
    if sizes[high] > APART * size > 0:
        seen = f"{when}, {sizes[high]:.1e} arrives of {size:.1e} at {last}"
        fix = "use smaller first weights (the default), add BatchNorm, or clip_norm=1"
        return Finding("exploding gradients", high, seen, fix)
    return None


def _moments(case: Case) -> Iterator[tuple[str, Trace]]:
    """Return the start, and the end of a short run where there is one that got somewhere."""
    yield "at the start", case.start
    if case.after is not None:
        yield f"after {STEPS} steps", case.after
