"""Handwritten digits drawn by minidl itself: a dataset that needs no download.

An image starts as one of the stroke skeletons of :mod:`minidl.data.skeletons`. Its control points
are jittered, the path is bent, stretched, slanted and turned, inked with a pen of random width,
fitted into 20x20 pixels and centred by its mean in 28x28. Sizes and statistics follow MNIST, so
that a network trained on nothing but these digits reads real handwriting: a LeNet-5 trained on
9000 of them reads about 97 % of MNIST's test images.

Letters: N images, K control points of a skeleton, P points on a path, B bending functions.
Coordinates are x, y with y downwards, in units of the skeleton's box until they are fitted to
pixels. All randomness comes from a generator that is passed along.
"""

from __future__ import annotations

from functools import cache
from typing import Final

import numpy as np
from numpy.random import PCG64, Generator
from numpy.typing import NDArray

from minidl.checks import integer
from minidl.data.skeletons import SKELETONS
from minidl.data.strokes import Table, tabulate
from minidl.record import Record

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]
Pixels = NDArray[np.uint8]
Digits = tuple[Pixels, Integers]
"""Images (N, 28, 28, 1), bright ink on a dark ground, and their labels (N,) from 0 to 9."""

SIZE: Final = 28  # height and width of an image, pixels
BOX: Final = 20  # height or width of the ink, whichever is larger, pixels

_POINTS: Final = 64  # of a path: about one pixel apart on the longest digit
_WAVES: Final = 4  # bending functions in x and in y
_SHARPNESS: Final = 2.5  # of the soft minimum of squared distances, 1 / pixel²
_BLOCK: Final = 250  # images drawn at a time, so that the work stays in cache


class Hand(Record):
    """How much handwriting varies. Lengths are in boxes unless pixels are named.

    Each is the standard deviation of a uniform number where nothing else is said: bounded, so
    that no digit is bent beyond recognition.

    Parameters
    ----------
    jitter, stroke_jitter
        Of every control point; of every stroke as a whole.
    bend, decay
        Of the slowest wave that bends the path; wave k is k**decay times weaker.
    stretch
        Of the logarithm of width over height.
    lean, slant
        Mean and deviation of the shear to the right, as width over height.
    turn
        Of the rotation, radians.
    pen, pen_spread, thrift
        Radius of the pen in pixels for a path of length 1; deviation of its logarithm; the power
        of the path's length by which the pen gets thinner.
    pressure
        Of the squared radius along a path, pixels².
    soft, softest
        The grey edge of the ink has a width between these, pixels.
    ragged
        Of the edge, pixel by pixel, pixels.
    """

    jitter: float = 0.027
    stroke_jitter: float = 0.015
    bend: float = 0.042
    decay: float = 1.8
    stretch: float = 0.15
    lean: float = 0.06
    slant: float = 0.2
    turn: float = 0.12
    pen: float = 1.35
    pen_spread: float = 0.32
    thrift: float = 0.15
    pressure: float = 0.2
    soft: float = 0.8
    softest: float = 1.3
    ragged: float = 0.15


HAND: Final = Hand()
"""The hand that writes the dataset, tuned on MNIST's training images."""


def digits(train: int = 10_000, test: int = 2_000, seed: int = 0) -> tuple[Digits, Digits]:
    """Draw a training set and a test set, from independent random streams.

    Parameters
    ----------
    train, test
        Numbers of images, 0 or more.
    seed
        Any integer of at least 0; the same seed gives the same images.

    Returns
    -------
    tuple
        Two pairs of images ``(N, 28, 28, 1)`` uint8 and labels ``(N,)`` int64. The training set is
        ``draw(train, seed)``.

    Raises
    ------
    TypeError, ValueError
        Where an argument is no integer, or a negative one.

    Examples
    --------
    >>> (images, labels), (test_images, test_labels) = digits(train=20, test=10)
    >>> images.shape, labels.dtype, test_images.shape
    ((20, 28, 28, 1), dtype('int64'), (10, 28, 28, 1))
    """
    train, test = integer("train", train, low=0), integer("test", test, low=0)
    seed = integer("seed", seed, low=0)
    return _draw(train, seed, stream=0), _draw(test, seed, stream=1)


def draw(count: int, seed: int = 0) -> Digits:
    """Draw ``count`` images of digits: ``(N, 28, 28, 1)`` uint8, and their labels ``(N,)`` int64.

    Every ten in a row hold each digit once, in shuffled order. A larger count only adds images to
    those of a smaller one. Ink is bright (255) on a dark ground (0).

    Raises
    ------
    TypeError, ValueError
        Where ``count`` or ``seed`` is no integer, or a negative one.

    Examples
    --------
    >>> images, labels = draw(10, seed=1)
    >>> images.shape, sorted(labels.tolist())
    ((10, 28, 28, 1), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    """
    return _draw(integer("count", count, low=0), integer("seed", seed, low=0), stream=0)


def _draw(count: int, seed: int, stream: int) -> Digits:
    """Draw block by block, each from its own stream, so that more images keep the first ones."""
    images = np.empty((count, SIZE, SIZE, 1), dtype=np.uint8)
    labels = np.empty(count, dtype=np.int64)
    for block, start in enumerate(range(0, count, _BLOCK)):
        rng = Generator(PCG64([seed, stream, block]))
        part = slice(start, min(start + _BLOCK, count))
        shuffled = _labels(rng)
        written = _write(_styles(shuffled, rng), rng, HAND)
        images[part, :, :, 0] = written[: part.stop - start]
        labels[part] = shuffled[: part.stop - start]
    return images, labels


def _labels(rng: Generator) -> Integers:
    """Return the labels (N,) of a block: every ten in a row a permutation of 0 to 9."""
    tens = np.tile(np.arange(10, dtype=np.int64), (_BLOCK // 10, 1))  # (N/10, 10)
    return rng.permuted(tens, axis=1).reshape(-1)  # (N,)


def _styles(labels: Integers, rng: Generator) -> Integers:
    """Choose a style (N,) for each label (N,), every style of a digit as likely as the others."""
    first = _table().first
    return rng.integers(first[labels], first[labels + 1])  # (N,)


@cache
def _table() -> Table:
    return tabulate([SKELETONS[digit] for digit in range(10)], _POINTS)


def _write(styles: Integers, rng: Generator, hand: Hand) -> Pixels:
    """Write one image (N, 28, 28) in each of the styles (N,)."""
    path = _affine(_bend(_paths(styles, rng, hand), rng, hand), rng, hand)
    length = _table().length[styles]  # (N,)
    radius = _radius(length, rng, hand)
    path, scale = _fit(path, radius)
    distance = _distance(path, length * scale, _pressure(len(path), rng, hand))
    return _centre(_ink(distance, radius, rng, hand))


def _paths(styles: Integers, rng: Generator, hand: Hand) -> Floats:
    """Return the paths (N, P, 2) of styles (N,), centred on 0, their control points jittered."""
    table = _table()
    control, stroke = table.control[styles], table.stroke[styles]  # (N, K, 2), (N, K)
    moves = hand.stroke_jitter * _spread(rng, len(styles), int(table.stroke.max()) + 1, 2)
    control = control + np.take_along_axis(moves, stroke[:, :, None], axis=1)
    control += hand.jitter * _spread(rng, *control.shape)
    path: Floats = table.weights[styles] @ control  # (N, P, K) @ (N, K, 2) -> (N, P, 2)
    return path - np.float32(0.5)


def _bend(path: Floats, rng: Generator, hand: Hand) -> Floats:
    """Move the points of paths (N, P, 2) by smooth random fields, products of cosine waves.

    After the elastic distortions of P. Simard, D. Steinkraus and J. Platt, *Best practices for
    convolutional neural networks applied to visual document analysis* (2003), with a few slow
    waves in place of their smoothed noise.
    """
    x, y = _cosines(path[:, :, 0]), _cosines(path[:, :, 1])  # (N, P, 4) each
    waves = (x[:, :, :, None] * y[:, :, None, :]).reshape(*path.shape[:2], -1)  # (N, P, B)
    order = np.add.outer(np.arange(_WAVES), np.arange(_WAVES)).reshape(-1, 1)  # (B, 1)
    size = (hand.bend / np.maximum(order, 1) ** hand.decay).astype(np.float32)
    moves: Floats = waves @ (size * _spread(rng, len(path), _WAVES**2, 2))  # (N, P, 2)
    return path + moves


def _cosines(x: Floats) -> Floats:
    """Return cos(pi·k·(x + 1/2)) for k = 0, 1, 2, 3 on a new last axis."""
    c = -np.sin(np.float32(np.pi) * x)
    return np.stack([np.ones_like(c), c, 2 * c * c - 1, (4 * c * c - 3) * c], axis=-1)


def _affine(path: Floats, rng: Generator, hand: Hand) -> Floats:
    """Stretch, slant and turn each of the paths (N, P, 2)."""
    stretch = np.exp(hand.stretch * _spread(rng, len(path)))
    slant = hand.lean + hand.slant * _spread(rng, len(path))
    angle = hand.turn * _spread(rng, len(path))
    cos, sin = np.cos(angle), np.sin(angle)
    matrix = np.empty((len(path), 2, 2), dtype=np.float32)  # (N, from x or y, to x or y)
    matrix[:, 0, 0], matrix[:, 0, 1] = cos * stretch, sin * stretch
    matrix[:, 1, 0], matrix[:, 1, 1] = -cos * slant - sin, -sin * slant + cos
    moved: Floats = path @ matrix
    return moved


def _radius(length: Floats, rng: Generator, hand: Hand) -> Floats:
    """Return the radius (N,) in pixels of the pen for paths of length (N,)."""
    mean: Floats = np.float32(hand.pen) * length ** np.float32(-hand.thrift)
    spread: Floats = np.exp(hand.pen_spread * _spread(rng, len(length)))
    return mean * spread


def _fit(path: Floats, radius: Floats) -> tuple[Floats, Floats]:
    """Scale paths (N, P, 2) to pixels in the middle of the image; also return the scale (N,).

    As in MNIST the ink fills its box exactly, and the edges of the box lie between pixels.
    """
    low, high = path.min(axis=1), path.max(axis=1)  # (N, 2)
    scale = (BOX - 2 * radius) / (high - low).max(axis=1)  # (N,)
    half = (high - low) * scale[:, None] / 2 + radius[:, None]  # (N, 2) of the ink
    edge = np.round(SIZE / 2 - half) - np.float32(0.5)  # pixel i reaches from i - 0.5 to i + 0.5
    corner = (edge + radius[:, None])[:, None]  # (N, 1, 2) of the path
    return (path - low[:, None]) * scale[:, None, None] + corner, scale


def _pressure(count: int, rng: Generator, hand: Hand) -> Floats:
    """Return by how much the pen's squared radius grows along each path (N, P): a slow wave."""
    along = np.linspace(0, 1, _POINTS, dtype=np.float32)
    start, turns = rng.random((2, count, 1), dtype=np.float32)  # (N, 1) each
    wave = np.sin(np.float32(2 * np.pi) * (start + np.float32(1.5) * turns * along))  # (N, P)
    grown: Floats = hand.pressure * _spread(rng, count, 1) * wave
    return grown


def _distance(path: Floats, length: Floats, pressure: Floats) -> Floats:
    """Return the distance (N, 28, 28) of every pixel to its path, in pixels.

    It is the root of the soft minimum -log(sum exp(-b·d²)) / b of squared distances to the points
    of a path (N, P, 2). As exp(-b·d²) is a factor in x times a factor in y, the sum is one matrix
    product for each image. ``length`` (N,) in pixels says how dense the points lie.
    """
    rows = _bells(path[:, :, 1]) * np.exp(_SHARPNESS * pressure)[:, :, None]  # (N, P, 28)
    total = rows.swapaxes(1, 2) @ _bells(path[:, :, 0])  # (N, 28, P) @ (N, P, 28)
    line = np.float32(_POINTS * np.sqrt(np.pi / _SHARPNESS)) / length  # the sum on a straight path
    square = -np.log(total / line[:, None, None] + np.float32(1e-30)) / np.float32(_SHARPNESS)
    distance: Floats = np.sqrt(np.maximum(square, 0))
    return distance


def _bells(x: Floats) -> Floats:
    """Return exp(-b·d²), d the distance of coordinates (N, P) to the 28 pixels, (N, P, 28)."""
    distance = x[:, :, None] - np.arange(SIZE, dtype=np.float32)
    return np.exp(np.float32(-_SHARPNESS) * distance * distance)


def _ink(distance: Floats, radius: Floats, rng: Generator, hand: Hand) -> Pixels:
    """Ink the pixels at a distance (N, 28, 28) from a pen of radius (N,), with a grey edge."""
    part = rng.random((len(radius), 1, 1), dtype=np.float32)
    soft = hand.soft + (hand.softest - hand.soft) * part
    ragged = hand.ragged * _spread(rng, *distance.shape)
    ink = (radius[:, None, None] + ragged - distance) / soft + np.float32(0.5)
    return (np.clip(ink, 0, 1) * 255 + np.float32(0.5)).astype(np.uint8)


def _centre(images: Pixels) -> Pixels:
    """Move images (N, 28, 28) by whole pixels until the centre of mass is next to 14, 14."""
    middle, most = SIZE // 2, (SIZE - BOX) // 2 - 1  # ink blurs a pixel over its box
    where = np.arange(SIZE)
    by_row, by_column = images.sum(axis=2, dtype=np.int64), images.sum(axis=1, dtype=np.int64)
    mass = by_row.sum(axis=1)  # (N,)
    down = np.rint(middle - by_row @ where / mass).clip(-most, most).astype(np.int64)
    right = np.rint(middle - by_column @ where / mass).clip(-most, most).astype(np.int64)
    rows, columns = (where - down[:, None]) % SIZE, (where - right[:, None]) % SIZE  # (N, 28)
    numbers = np.arange(len(images))[:, None, None]
    moved: Pixels = images[numbers, rows[:, :, None], columns[:, None, :]]
    return moved


def _spread(rng: Generator, *shape: int) -> Floats:
    """Return uniform numbers of mean 0 and standard deviation 1."""
    return np.float32(np.sqrt(12)) * (rng.random(shape, dtype=np.float32) - np.float32(0.5))
