"""The targets by themselves: classes that are missing or rare, and the scale of a regression."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from minidl.doctor.case import REGRESSIONS, Case
from minidl.doctor.finding import Finding
from minidl.losses import BinaryCrossEntropyWithLogits, SoftmaxCrossEntropy
from minidl.types import Array

EXPECTED = 10  # samples a class, on average, from which on none is missing by chance
IMBALANCE = 20  # times the rarest class: 1 in 5 or 10 is everyday, and training copes with it
FAR = 10.0  # deviations between the targets' mean and 0: the bias alone takes many steps to go
LARGE = 100.0  # a target's deviation: gradients are then as much too large for usual rates


def outputs(case: Case) -> Iterator[Finding]:
    """Look for labels beyond the model's outputs."""
    labels, loss = case.labels, case.loss
    if labels is None or not isinstance(loss, SoftmaxCrossEntropy):
        return
    known, most = case.output_shape[-1], int(_counted(case, labels).max(initial=0))
    if most >= known > 1:
        seen = f"the largest label is {most}, and the model has {known} outputs"
        fix = f"end the model with Dense({most + 1}), and number the classes from 0"
        yield Finding("too few outputs", "targets", seen, fix, "error")


def _counted(case: Case, labels: Array) -> Array:
    """Return the labels that the loss counts."""
    ignored = getattr(case.loss, "ignore_index", None)
    return labels if ignored is None else labels[labels != ignored]


def classes(case: Case) -> Iterator[Finding]:
    """Look for classes that are missing or very rare."""
    if case.labels is None:
        return
    labels = _counted(case, case.labels)
    if labels.size < 2 or labels.min() < 0:
        return
    one_hot = isinstance(case.loss, SoftmaxCrossEntropy)
    known = case.output_shape[-1] if one_hot else 2
    counts = np.bincount(labels.ravel(), minlength=known)
    if np.count_nonzero(counts) == 1:
        seen = f"all {labels.size:,} labels are {counts.argmax()}"
        fix = "look at how the labels are read: there is nothing to tell apart"
        yield Finding("one class", "targets", seen, fix, "error")
        return
    yield from _missing(counts, labels)
    yield from _rare(case, counts)


def _missing(counts: Array, labels: Array) -> Iterator[Finding]:
    missing = np.flatnonzero(counts == 0)
    if len(missing) and labels.size >= EXPECTED * len(counts):
        shown = ", ".join(map(str, missing[:5])) + (" ..." if len(missing) > 5 else "")
        seen = f"of {len(counts)} outputs, {len(missing)} never occur as a label: {shown}"
        fix = "give the model as many outputs as there are classes, numbered from 0"
        yield Finding("a missing class", "targets", seen, fix)


def _rare(case: Case, counts: Array) -> Iterator[Finding]:
    loss = case.loss
    if getattr(loss, "class_weights", None) or getattr(loss, "positive_weight", 1.0) != 1.0:
        return
    rarest, most = int(counts[counts > 0].min()), int(counts.max())
    if most > IMBALANCE * rarest:
        seen = f"the commonest class has {most:,} samples, the rarest {rarest:,}"
        option = "class_weights"
        if isinstance(loss, BinaryCrossEntropyWithLogits):
            option = "positive_weight"
        fix = f"give the loss {option}, and look at recall rather than accuracy"
        yield Finding("an extreme imbalance", "targets", seen, fix)


def target_scale(case: Case) -> Iterator[Finding]:
    """Look for targets of a regression that are far from 0 or widely spread."""
    if not isinstance(case.loss, REGRESSIONS):
        return
    targets = case.data.targets[case.rows].astype(np.float64).reshape(len(case.rows), -1)
    mean, deviation = targets.mean(axis=0), targets.std(axis=0)
    worst = int(np.argmax(deviation))
    fix = "train on (targets - mean) / deviation, and undo it after predict"
    if (deviation == 0).all() and len(targets) > 1:
        seen = f"all of {len(targets):,} targets looked at are {mean[0]:.3g}"
        fix = "look at how the targets are read"
        yield Finding("equal targets", "targets", seen, fix, "error")
    elif deviation[worst] > LARGE:
        seen = f"the targets' standard deviation is {deviation[worst]:.3g}"
        yield Finding("targets of a large scale", "targets", seen, fix)
    elif np.square(mean).sum() > FAR**2 * np.square(deviation).sum():
        seen = f"the targets are {mean[worst]:.3g} ± {deviation[worst]:.3g}, far from 0"
        yield Finding("targets of a large scale", "targets", seen, fix)
