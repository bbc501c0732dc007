"""Curve geometry for the drawn digits: from a skeleton's text to points along the pen's path.

Every point on a path is a fixed weighted sum of the skeleton's control points. A skeleton is
therefore kept as its control points and one matrix of weights; moving the control points moves
the whole path, and many digits are evaluated with one matrix product.

Letters: K control points, P points on the path, M points on the fine curve between, S styles.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from minidl.record import Record

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Stroke = tuple[Floats, tuple[int, ...]]
"""One stroke: control points (K, 2), and the indices of those that are corners."""

_POINT = re.compile(r"(\d+),(\d+)(!?)")
_FINE = 16  # curve points between two control points, before they are spaced evenly


class Skeleton(Record):
    """One style of a digit.

    control: (K, 2) control points x, y in the unit box, y downwards.
    stroke: (K,) number of the stroke that each control point belongs to.
    weights: (P, K); ``weights @ control`` are P points evenly spaced along the path.
    length: length of the path in units of the box.
    """

    control: Floats
    stroke: Integers
    weights: Floats
    length: float


def parse(text: str) -> list[Stroke]:
    """Read a skeleton's text (see :mod:`minidl.data.skeletons`) into its strokes.

    >>> strokes = parse("20,10 80,10! 45,95 / 30,50 70,50")
    >>> [points.shape for points, corners in strokes], strokes[0][1]
    ([(3, 2), (2, 2)], (1,))

    Raises ValueError where a point is not ``x,y`` in whole percent from 0 to 100, or a stroke has
    fewer than two points.
    """
    return [_parse_stroke(part) for part in text.split("/")]


def _parse_stroke(text: str) -> Stroke:
    found = [_parse_point(word) for word in text.split()]
    if len(found) < 2:
        raise ValueError(f"a stroke needs at least two points 'x,y'; received {text!r}")
    points = np.array([(x, y) for x, y, _ in found], dtype=np.float64) / 100  # (K, 2)
    return points, tuple(i for i, (_, _, corner) in enumerate(found) if corner)


def _parse_point(word: str) -> tuple[int, int, bool]:
    match = _POINT.fullmatch(word)
    if match is None or max(int(match[1]), int(match[2])) > 100:
        raise ValueError(
            f"expected a point 'x,y' or 'x,y!' in percent, 0 to 100; received {word!r}"
        )
    return int(match[1]), int(match[2]), bool(match[3])


def skeleton(text: str, points: int) -> Skeleton:
    """Build the skeleton that a text describes, with ``points`` points along its path."""
    strokes = parse(text)
    control = np.concatenate([stroke for stroke, _ in strokes])  # (K, 2)
    owner = np.repeat(np.arange(len(strokes)), [len(stroke) for stroke, _ in strokes])  # (K,)
    pieces = [_smooth(*stroke) for stroke in strokes]
    curve = np.concatenate([_columns(p, owner == i) for i, p in enumerate(pieces)])  # (M, K)
    lifts = np.cumsum([len(piece) for piece in pieces], dtype=np.int64)[:-1]
    weights, length = _evenly(curve, control, lifts, points)
    return Skeleton(control, owner, weights, length)


class Table(Record):
    """The skeletons of several digits as arrays, padded with zeros to the largest K.

    Parameters
    ----------
    control, stroke, weights, length
        As in :class:`Skeleton`, with an axis of S styles in front, digit after digit.
    first
        The styles of digit d are numbers ``first[d]`` to ``first[d + 1] - 1``.
    """

    control: NDArray[np.float32]
    stroke: Integers
    weights: NDArray[np.float32]
    length: NDArray[np.float32]
    first: Integers


def tabulate(texts: Sequence[Sequence[str]], points: int) -> Table:
    """Build the table of the styles that ``texts`` describe, one sequence of them a digit."""
    styles = [skeleton(text, points) for digit in texts for text in digit]
    most = max(len(style.control) for style in styles)
    control = np.zeros((len(styles), most, 2), dtype=np.float32)
    stroke = np.zeros((len(styles), most), dtype=np.int64)
    weights = np.zeros((len(styles), points, most), dtype=np.float32)
    for i, style in enumerate(styles):
        k = len(style.control)
        control[i, :k], stroke[i, :k], weights[i, :, :k] = (
            style.control,
            style.stroke,
            style.weights,
        )
    length = np.array([style.length for style in styles], dtype=np.float32)
    first = np.cumsum([0, *map(len, texts)], dtype=np.int64)
    return Table(control, stroke, weights, length, first)


def _columns(piece: Floats, own: NDArray[np.bool_]) -> Floats:
    """Place one stroke's weights in the columns of its own control points, (M, K)."""
    placed = np.zeros((len(piece), len(own)))
    placed[:, own] = piece
    return placed


def catmull_rom(points: Floats, fine: int = _FINE) -> Floats:
    """Return weights (M, K) of a smooth curve through control points (K, 2).

    ``weights @ points`` runs through every control point, with ``fine`` steps between two
    neighbours, M = (K - 1)·fine + 1. The knots are centripetal (chord length to the power 1/2),
    which keeps the curve from overshooting; the knots come from ``points`` and the curve is
    linear in them otherwise. Source: E. Catmull and R. Rom, A class of local interpolating
    splines (1974), with C. Yuksel et al., Parameterization and applications of Catmull-Rom
    curves (2011).
    """
    gaps = np.sqrt(np.linalg.norm(np.diff(points, axis=0), axis=1))  # (K-1,)
    tangents = _tangents(gaps)  # (K, K)
    eye = np.eye(len(points))
    u = np.arange(fine)[:, None] / fine  # (fine, 1)
    pieces = [
        (1 + 2 * u) * (1 - u) ** 2 * eye[i]
        + u * (1 - u) ** 2 * gap * tangents[i]
        + u**2 * (3 - 2 * u) * eye[i + 1]
        - u**2 * (1 - u) * gap * tangents[i + 1]
        for i, gap in enumerate(gaps)
    ]
    return np.concatenate([*pieces, eye[-1:]])  # (M, K)


def _tangents(gaps: Floats) -> Floats:
    """Weights (K, K) of the derivative at each knot: the parabola through three neighbours."""
    eye = np.eye(len(gaps) + 1)
    slopes = (eye[1:] - eye[:-1]) / gaps[:, None]  # (K-1, K)
    if len(gaps) == 1:
        return np.repeat(slopes, 2, axis=0)
    before, after = gaps[:-1, None], gaps[1:, None]
    inner = (after * slopes[:-1] + before * slopes[1:]) / (before + after)  # (K-2, K)
    first, last = 2 * slopes[0] - inner[0], 2 * slopes[-1] - inner[-1]
    return np.concatenate([first[None], inner, last[None]])  # (K, K)


def _smooth(points: Floats, corners: Sequence[int]) -> Floats:
    """Weights (M, K) of a stroke that is smooth between its corners."""
    cuts = [0, *(c for c in corners if 0 < c < len(points) - 1), len(points) - 1]
    pieces = []
    for start, stop in pairwise(cuts):
        piece = catmull_rom(points[start : stop + 1])
        pieces.append(np.pad(piece, ((0, 0), (start, len(points) - 1 - stop))))
    return np.concatenate(pieces)  # (M, K)


def _evenly(curve: Floats, control: Floats, lifts: Integers, points: int) -> tuple[Floats, float]:
    """Pick ``points`` rows of a curve's weights (M, K), evenly spaced, and measure its length.

    ``lifts`` are the rows that start a new stroke: the way there is no part of the path.
    """
    steps = np.linalg.norm(np.diff(curve @ control, axis=0), axis=1)  # (M-1,)
    steps[lifts - 1] = 0.0
    travelled = np.concatenate([[0.0], np.cumsum(steps)])  # (M,)
    length = float(travelled[-1])
    wanted = (np.arange(points) + 0.5) * (length / points)  # (P,)
    right = np.searchsorted(travelled, wanted)
    part = (wanted - travelled[right - 1]) / (travelled[right] - travelled[right - 1])
    return (1 - part[:, None]) * curve[right - 1] + part[:, None] * curve[right], length  # (P, K)
