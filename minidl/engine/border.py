"""What crosses the border of a graph: arrays of many kinds become what it computes in."""

from __future__ import annotations

from typing import Any

import numpy as np

from minidl.graph import Graph
from minidl.shapes import ShapeError
from minidl.types import Array, Shape


def enter(graph: Graph, xs: tuple[Any, ...]) -> tuple[Array, ...]:
    """Return inputs as the graph computes in them.

    ``uint8`` becomes floats from 0 to 1, floats take the graph's type. Raises ``ShapeError`` or
    ``TypeError`` where an input does not fit.
    """
    return tuple(scaled(x, graph.dtype) for x in fit_inputs(graph, xs))


def fit_inputs(graph: Graph, xs: tuple[Any, ...]) -> list[Array]:
    """Return the inputs of a batch as (N, ...) each; ``ShapeError`` where they do not fit."""
    shapes = input_shapes(graph)
    if len(xs) != len(shapes):
        raise ShapeError(f"the model reads {len(shapes)} input(s), got {len(xs)}")
    arrays = [fit_input(np.asarray(x), shape) for x, shape in zip(xs, shapes)]
    lengths = [len(array) for array in arrays]
    if len(set(lengths)) > 1:
        raise ShapeError(
            f"the inputs have {' and '.join(map(str, lengths))} samples: each needs as many"
        )
    if not lengths[0]:
        raise ShapeError("there is nothing to run on: the inputs are empty")
    return arrays


def input_shapes(graph: Graph) -> list[Shape]:
    """Return the shape of one sample of each input; ``ValueError`` where the graph has none."""
    if graph.shapes is None:
        raise ValueError(
            "a graph without input_shape has no parameters to run with: build it with one"
        )
    return [graph.shapes[name] for name in graph.inputs]


def fit_input(x: Array, shape: Shape) -> Array:
    """Return ``x`` as (N, *shape), adding the axis of a single channel where it is left out."""
    if x.shape[1:] == shape:
        return x
    if shape[-1:] == (1,) and x.shape[1:] == shape[:-1]:
        return x[..., None]  # (N, H, W, 1)
    hint = f"the first axis is the samples, so pass (N, {', '.join(map(str, shape))})"
    if len(shape) == 3 and x.shape[1:] == (shape[2], *shape[:2]):
        hint = "this array has its channels first: pass x.transpose(0, 2, 3, 1)"
    elif x.shape == shape:
        hint = "this is one sample: pass x[None]"
    raise ShapeError(f"the model reads samples of shape {shape}, got an array {x.shape}: {hint}")


def scaled(x: Array, dtype: np.dtype[Any]) -> Array:
    """Return ``uint8`` as floats from 0 to 1, and floats in the graph's type."""
    if x.dtype == np.uint8:
        scaled: Array = np.divide(x, dtype.type(255), dtype=dtype)
        return scaled
    if x.dtype.kind not in "fb":
        raise TypeError(
            f"inputs should be uint8 (0 to 255) or floats, got {x.dtype}: convert them with"
            ' .astype("float32") or .astype("uint8")'
        )
    return np.ascontiguousarray(x, dtype)
