"""Samples that occur twice: in training and in validation, or with different labels."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from minidl.data import Dataset
from minidl.doctor.case import Case
from minidl.doctor.finding import Finding
from minidl.doctor.hashing import hashes
from minidl.types import Array

FEW = 16  # values of a sample below which equal samples are an everyday matter in a table
MANY = 64  # columns of a table, of which even categories make more samples than are ever equal
LOOKED_AT = 1000  # samples whose values are counted
SHARE = 0.05  # of the validation set; MNIST has no equal images, Fashion-MNIST less than 0.1 %
CONTRADICTIONS = 0.01  # of the samples: real labels are wrong in one of a hundred
LEAST = 5  # samples, so that a small set is not accused of an accident
BYTES = 2**28  # of a data set that is looked through: 0.1 s or so


def leaks(case: Case) -> Iterator[Finding]:
    """Look for validation samples that are training samples too."""
    held = case.validation
    if held is None or _too_much(case.data) or _too_much(held):
        return
    if held.inputs.dtype != case.data.inputs.dtype or _is_everyday(case):
        return
    places = _first_places(case.hashes, hashes(held.inputs))
    found = np.flatnonzero(places >= 0)
    same = _equal(held.inputs, found, case.data.inputs, places[found])
    if same.sum() >= max(LEAST, SHARE * len(held)):
        share = same.sum() / len(held)
        seen = f"{same.sum():,} of {len(held):,} validation samples ({share:.0%}) are in training"
        fix = "split before samples are repeated or augmented, and leave duplicates out"
        yield Finding("validation inside training", "validation", seen, fix, "error")


def contradictions(case: Case) -> Iterator[Finding]:
    """Look for equal training samples whose labels differ."""
    labels = case.labels
    if labels is None or labels.ndim != 1 or _is_everyday(case) or _too_much(case.data):
        return
    keys = case.hashes
    ranked = np.argsort(keys, kind="stable")
    first, second = ranked[:-1], ranked[1:]
    twins = (keys[first] == keys[second]) & (labels[first] != labels[second])
    first, second = first[twins], second[twins]
    count = int(_equal(case.data.inputs, first, case.data.inputs, second).sum())
    if count >= max(LEAST, CONTRADICTIONS * len(keys)) and not _all_equal(case):
        seen = f"{count:,} samples of {len(keys):,} equal another that has a different label"
        fix = "correct the labels, or leave such samples out"
        yield Finding("contradicting labels", "targets", seen, fix)


def _is_everyday(case: Case) -> bool:
    """Whether equal samples are no wonder: few values, or a small table of categories."""
    columns = math.prod(case.shape)
    if len(case.shape) != 1 or columns >= MANY:
        return columns < FEW
    some = case.data.inputs[:LOOKED_AT]
    return columns < FEW or all(len(np.unique(column)) < FEW for column in some.T)


def _all_equal(case: Case) -> bool:
    return bool((case.inputs == case.inputs[0]).all())


def _too_much(data: Dataset) -> bool:
    return data.inputs.nbytes > BYTES


def _first_places(known: Array, asked: Array) -> Array:
    """Return for each number where it is among the known; -1 where it is not."""
    ranked = np.argsort(known, kind="stable")
    at = np.minimum(np.searchsorted(known[ranked], asked), len(known) - 1)
    places: Array = np.where(known[ranked[at]] == asked, ranked[at], -1)
    return places


def _equal(left: Array, first: Array, right: Array, second: Array) -> Array:
    """Return for each pair of samples whether they are equal, not their hashes alone."""
    pairs = zip(first.tolist(), second.tolist())
    return np.array([np.array_equal(left[i], right[k]) for i, k in pairs], bool)
