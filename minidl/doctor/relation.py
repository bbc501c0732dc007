"""Whether labels have anything to do with the inputs: simple classifiers against chance."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Final

import numpy as np

from minidl.doctor.case import Case
from minidl.doctor.finding import Finding
from minidl.types import Array

LEAST = 500  # samples: with fewer, a hard data set cannot be told from a shuffled one
RARE = 10  # samples of a class that are needed to say anything about it, on average
BEYOND = 2.5  # deviations above chance that shuffled labels reach once in about 25 sets
SIDE = 8  # pixels a side that images are brought down to: more only adds noise
FEATURES = 256  # numbers at most that other inputs are brought down to


Guess = Callable[[Array, Array, Array, int], Array]
"""From samples, their labels, other samples and the number of classes: the labels of the others."""


def unrelated_labels(case: Case) -> Iterator[Finding]:
    """Look for labels that no simple classifier guesses better than chance.

    Each is fitted to one half and judged on the other; by pixels, and by the spectrum of images,
    which does not know where in the image a thing is.
    """
    labels = None if case.labels is None else case.labels[case.rows]
    if labels is None or labels.ndim != 1 or (case.inputs == case.inputs[0]).all():
        return
    names, labels = np.unique(labels, return_inverse=True)
    if len(names) < 2 or len(labels) < max(LEAST, RARE * len(names)):
        return
    scores = [
        _score(guess, x, labels, len(names)) for x in _views(case.inputs) for guess in CLASSIFIERS
    ]
    accuracy, expected, deviations = max(scores, key=lambda score: score[2])
    if deviations < BEYOND:
        seen = (
            f"three simple classifiers guess at best {accuracy:.1%} of labels they have not seen,"
            f" chance is {expected:.1%}"
        )
        fix = "check that inputs and labels are in the same order: shuffle both with one order"
        yield Finding("labels unrelated to inputs", "targets", seen, fix)


def _views(x: Array) -> list[Array]:
    """Return inputs as rows of a few standardised numbers, in one or two ways."""
    if x.ndim == 4 and min(x.shape[1:3]) >= SIDE:
        return [_standard(_pooled(x)), _standard(_spectrum(x))]
    flat = x.reshape(len(x), -1)
    if flat.shape[1] > FEATURES:
        mix = np.random.default_rng(0).standard_normal((flat.shape[1], FEATURES))
        flat = flat @ mix.astype(x.dtype)
    return [_standard(flat)]


def _pooled(x: Array) -> Array:
    """Return the means of 8 x 8 blocks of images."""
    height, width = (size // SIDE for size in x.shape[1:3])
    cut = x[:, : SIDE * height, : SIDE * width]
    blocks = cut.reshape(len(x), SIDE, height, SIDE, width, x.shape[3])
    pooled: Array = blocks.mean(axis=(2, 4)).reshape(len(x), -1)  # (N, 8·8·C)
    return pooled


def _spectrum(x: Array) -> Array:
    """Return the slow waves of images, without their place."""
    waves = np.abs(np.fft.fft2(x.mean(axis=3)))  # (N, H, W)
    half = SIDE // 2
    rows = np.concatenate([waves[:, : half + 1], waves[:, -half:]], axis=1)
    slow: Array = np.log1p(rows[:, :, :SIDE]).reshape(len(x), -1)
    return slow


def _standard(x: Array) -> Array:
    x = x - x.mean(axis=0)
    spread = x.std(axis=0)
    kept: Array = x[:, spread > 0] / spread[spread > 0]
    return kept


def _score(guess: Guess, x: Array, labels: Array, count: int) -> tuple[float, float, float]:
    """Return the accuracy, what guesses of these kinds get by chance, and the deviations apart."""
    half = len(x) // 2
    found = np.concatenate(
        [
            guess(x[half:], labels[half:], x[:half], count),
            guess(x[:half], labels[:half], x[half:], count),
        ]
    )
    accuracy = float((found == labels).mean())
    shares = [np.bincount(one, minlength=count) / len(x) for one in (found, labels)]
    expected = float(shares[0] @ shares[1])
    deviation = math.sqrt(expected * (1 - expected) / len(x))
    return accuracy, expected, (accuracy - expected) / deviation if deviation else 0.0


def _nearest(x: Array, labels: Array, others: Array, count: int) -> Array:
    """Return the label of the nearest sample."""
    distance = np.square(x).sum(axis=1) - 2 * (others @ x.T)  # (others, N), up to a constant
    found: Array = labels[distance.argmin(axis=1)]
    return found


def _nearest_mean(x: Array, labels: Array, others: Array, count: int) -> Array:
    """Return the class whose mean is nearest."""
    rows = labels == np.arange(count)[:, None]  # (classes, N)
    means = rows.astype(x.dtype) @ x / np.maximum(rows.sum(axis=1), 1)[:, None]
    return _nearest(means, np.arange(count), others, count)


def _least_squares(x: Array, labels: Array, others: Array, count: int) -> Array:
    """Return the class that a ridge regression to one-hot rows puts highest."""
    targets = (labels[:, None] == np.arange(count)) - 1 / count  # (N, classes)
    x, others = x.astype(np.float64), others.astype(np.float64)
    ridge = 0.1 * len(x) * np.eye(x.shape[1])
    found: Array = (others @ np.linalg.solve(x.T @ x + ridge, x.T @ targets)).argmax(axis=1)
    return found


CLASSIFIERS: Final[tuple[Guess, ...]] = (_nearest, _nearest_mean, _least_squares)
