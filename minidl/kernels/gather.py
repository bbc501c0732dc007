"""Gathers along one axis, and their adjoints: padding by what is there, and upsampling.

Each place of the output is a sum of places of the input by fixed weights. Places are taken in
slices, which a gather reads and its adjoint adds to. Nothing is multiplied by a weight of 0, so
that an infinity stays where it is.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from minidl.types import Array


class Piece(NamedTuple):
    """Some places of the output, and what they are made of: slices of the input by a weight."""

    out: slice
    taps: tuple[tuple[slice, float], ...]


class Plan(NamedTuple):
    """A gather on an axis of ``size`` places to one of ``out``; the others hold ``fill``."""

    size: int
    out: int
    pieces: list[Piece]
    fill: float | None = None


def gather(x: Array, axis: int, plan: Plan) -> Array:
    """Return the sums that a plan says, along one axis of ``x``."""
    lines = x.reshape(math.prod(x.shape[:axis]), plan.size, -1)
    shape = (len(lines), plan.out, lines.shape[2])
    y = np.empty(shape, x.dtype) if plan.fill is None else np.full(shape, plan.fill, x.dtype)
    for out, ((place, weight), *more) in plan.pieces:
        y[:, out] = _by(lines[:, place], weight)
        for place, weight in more:
            y[:, out] += _by(lines[:, place], weight)
    return y.reshape(*x.shape[:axis], plan.out, *x.shape[axis + 1 :])


def scatter(dy: Array, axis: int, plan: Plan) -> Array:
    """Return what each place of the input gets back: the adjoint of ``gather``."""
    lines = dy.reshape(math.prod(dy.shape[:axis]), plan.out, -1)
    dx = np.zeros((len(lines), plan.size, lines.shape[2]), dy.dtype)
    for out, taps in plan.pieces:
        for place, weight in taps:
            dx[:, place] += _by(lines[:, out], weight)
    return dx.reshape(*dy.shape[:axis], plan.size, *dy.shape[axis + 1 :])


def _by(x: Array, weight: float) -> Array:
    return x if weight == 1 else x * weight


def pad_constant(size: int, before: int, after: int, value: float) -> Plan:
    """Return the plan of padding by one number."""
    return Plan(size, before + size + after, [_middle(size, before)], value)


def pad_edge(size: int, before: int, after: int) -> Plan:
    """Return the plan of padding by the first place and by the last."""
    end, last = before + size, size - 1
    first = [_one(place, 0) for place in range(before)]
    final = [_one(place, last) for place in range(end, end + after)]
    return Plan(size, end + after, [_middle(size, before), *first, *final])


def pad_reflect(size: int, before: int, after: int) -> Plan:
    """Return the plan of padding by a mirror that stands on the edge, which is not repeated.

    Both margins have to be smaller than ``size``.
    """
    end, last = before + size, size - 1
    first = Piece(slice(0, before), ((slice(before, 0, -1), 1.0),))
    final = Piece(slice(end + after - 1, end - 1, -1), ((slice(last - after, last), 1.0),))
    return Plan(size, end + after, [_middle(size, before), first, final])


def upsample_nearest(size: int, scale: int) -> Plan:
    """Return the plan of repeating each place."""
    everything = ((slice(0, size), 1.0),)
    pieces = [Piece(slice(phase, None, scale), everything) for phase in range(scale)]
    return Plan(size, size * scale, pieces)


def upsample_linear(size: int, scale: int) -> Plan:
    """Return the plan of interpolating between the centres of places.

    Places are intervals of length 1, cut into ``scale`` parts; part ``phase`` has its centre
    ``(phase + 1/2) / scale - 1/2`` from that of the whole. Beyond the outer centres nothing lies to
    interpolate with, and the outer places are repeated.
    """
    pieces = []
    for phase in range(scale):
        offset = (phase + 0.5) / scale - 0.5
        if offset == 0:
            pieces.append(Piece(slice(phase, None, scale), ((slice(0, size), 1.0),)))
        elif offset < 0:
            taps = (slice(1, size), 1 + offset), (slice(0, size - 1), -offset)
            pieces += [_one(phase, 0), Piece(slice(scale + phase, None, scale), taps)]
        else:
            end = (size - 1) * scale
            taps = (slice(0, size - 1), 1 - offset), (slice(1, size), offset)
            pieces += [Piece(slice(phase, end, scale), taps), _one(end + phase, size - 1)]
    return Plan(size, size * scale, pieces)


def _middle(size: int, before: int) -> Piece:
    return Piece(slice(before, before + size), ((slice(0, size), 1.0),))


def _one(out: int, place: int) -> Piece:
    return Piece(slice(out, out + 1), ((slice(place, place + 1), 1.0),))
