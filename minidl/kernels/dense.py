"""The dense product over the last axis, and its two gradients."""

from __future__ import annotations

from minidl.types import Array


def forward(x: Array, weight: Array) -> Array:
    """Return ``x @ weight``: (..., in) by (in, out) to (..., out)."""
    return x @ weight


def weight_gradient(x: Array, dy: Array) -> Array:
    """Return ``dweight`` (in, out), summed over every leading axis."""
    rows = x.reshape(-1, x.shape[-1])  # (N·..., in)
    return rows.T @ dy.reshape(-1, dy.shape[-1])


def input_gradient(dy: Array, weight: Array) -> Array:
    """Return ``dx`` (..., in)."""
    return dy @ weight.T
