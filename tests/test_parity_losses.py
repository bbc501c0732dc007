"""Losses are PyTorch's in float64, value and gradient, over drawn options, targets and sizes."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest
from drawn import normal
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from parity import F, close, leaf, torch

import minidl as dl
from minidl.types import Array, Shape

SCALES = st.sampled_from([1e-3, 1.0, 30.0, 1e4])
REDUCTIONS = st.sampled_from(["mean", "sum"])
SEEDS = st.integers(0, 10_000)
SHAPES = st.lists(st.integers(1, 4), min_size=1, max_size=4).map(tuple)


def agree(loss: dl.Loss, output: Array, target: Array, twin: Any) -> None:
    """Compare the value and the gradient with those of ``twin(output)``."""
    value, gradient = loss(output, target)
    tensor = leaf(output)
    expected = twin(tensor)
    expected.backward()
    close(np.array(value), expected.detach().numpy())
    close(gradient, tensor.grad.numpy())


class Classes(NamedTuple):
    """Logits (N, ..., classes), and the options of a cross-entropy."""

    logits: Array
    smoothing: float
    weights: tuple[float, ...] | None
    reduction: str
    seed: int


@st.composite
def classes(draw: st.DrawFn) -> Classes:
    places, count, seed = draw(SHAPES), draw(st.integers(1, 6)), draw(SEEDS)
    weight = st.sampled_from([0.0, 0.25, 1.0, 3.5])
    weights = draw(st.none() | st.lists(weight, min_size=count, max_size=count).map(tuple))
    smoothing = draw(st.sampled_from([0.0, 0.1, 0.75]))
    logits = normal(seed, *places, count) * draw(SCALES)
    return Classes(logits, smoothing, weights, draw(REDUCTIONS), seed)


def cross_entropy(drawn: Classes, target: Array, ignored: int | None = None) -> None:
    loss = dl.SoftmaxCrossEntropy(drawn.smoothing, drawn.weights, ignored, drawn.reduction)
    weights = None if drawn.weights is None else torch.tensor(drawn.weights, dtype=torch.float64)
    options = {} if ignored is None else {"ignore_index": ignored}

    def twin(logits: Any) -> Any:
        flat = logits.reshape(-1, logits.shape[-1])
        there = torch.tensor(target.reshape(flat.shape[: target.ndim - logits.ndim + 2]))
        plan = {"label_smoothing": drawn.smoothing, "reduction": drawn.reduction}
        return F.cross_entropy(flat, there, weights, **plan, **options)

    agree(loss, drawn.logits, target, twin)


@settings(max_examples=250, deadline=None)
@given(drawn=classes(), ignored=st.sampled_from([None, -100, 255, 0, 1]))
def test_cross_entropy_of_labels(drawn: Classes, ignored: int | None) -> None:
    *places, count = drawn.logits.shape
    rng = np.random.default_rng(drawn.seed)
    labels = rng.integers(0, count, places)
    if ignored is not None:
        labels[rng.random(places) < 0.3] = ignored
    weights = np.ones(256) if drawn.weights is None else np.array(drawn.weights)
    assume(drawn.reduction == "sum" or weights[labels[labels != ignored]].any())  # theirs is NaN
    cross_entropy(drawn, labels, ignored)


@settings(max_examples=150, deadline=None)
@given(drawn=classes(), sums=st.sampled_from([1.0, 0.9995]))
def test_cross_entropy_of_rows(drawn: Classes, sums: float) -> None:
    rows = np.random.default_rng(drawn.seed).random(drawn.logits.shape)
    cross_entropy(drawn, rows * (sums / rows.sum(axis=-1, keepdims=True)))


@settings(max_examples=50, deadline=None)
@given(drawn=classes())
def test_cross_entropy_of_one_hot_rows(drawn: Classes) -> None:
    *places, count = drawn.logits.shape
    labels = np.random.default_rng(drawn.seed).integers(0, count, places)
    cross_entropy(drawn, np.eye(count)[labels])


@settings(max_examples=150, deadline=None)
@given(shape=SHAPES, scale=SCALES, reduction=REDUCTIONS, hard=st.booleans(), data=st.data())
def test_binary_cross_entropy(
    shape: Shape, scale: float, reduction: str, hard: bool, data: st.DataObject
) -> None:
    rng = np.random.default_rng(data.draw(SEEDS))
    target = rng.integers(0, 2, shape).astype(float) if hard else rng.random(shape)
    several = st.lists(st.floats(0, 5), min_size=shape[-1], max_size=shape[-1]).map(tuple)
    weight = data.draw(st.floats(0.1, 5) | several)
    there = torch.tensor(weight, dtype=torch.float64)
    agree(
        dl.BinaryCrossEntropyWithLogits(weight, reduction),
        rng.standard_normal(shape) * scale,
        target,
        lambda logits: F.binary_cross_entropy_with_logits(
            logits, torch.tensor(target), pos_weight=there, reduction=reduction
        ),
    )


@settings(max_examples=150, deadline=None)
@given(
    shape=SHAPES,
    scale=SCALES,
    reduction=REDUCTIONS,
    kind=st.sampled_from(["squared", "absolute", "huber", "smooth"]),
    delta=st.floats(0.01, 3),
    seed=SEEDS,
)
def test_errors_of_values(
    shape: Shape, scale: float, reduction: str, kind: str, delta: float, seed: int
) -> None:
    output, target = normal(seed, *shape) * scale, normal(seed + 1, *shape)
    output.flat[0] = target.flat[0]  # where the slope of an absolute error is taken as 0
    here, there = {
        "squared": (dl.MeanSquaredError(reduction), F.mse_loss),
        "absolute": (dl.MeanAbsoluteError(reduction), F.l1_loss),
        "huber": (dl.Huber(delta, reduction), F.huber_loss),
        "smooth": (dl.Huber(delta, reduction), F.smooth_l1_loss),
    }[kind]
    options = {"huber": {"delta": delta}, "smooth": {"beta": delta}}.get(kind, {})
    factor = delta if kind == "smooth" else 1.0  # SmoothL1 is Huber divided by beta

    def twin(tensor: Any) -> Any:
        return there(tensor, torch.tensor(target), reduction=reduction, **options) * factor

    agree(here, output, target, twin)


@pytest.mark.parametrize("scale", [1.0, 100.0])
def test_cross_entropy_in_float32(scale: float) -> None:
    """To the digits that float32 has."""
    logits, labels = (normal(0, 64, 10) * scale).astype(np.float32), np.arange(64) % 10
    value, gradient = dl.SoftmaxCrossEntropy(0.1)(logits, labels)
    tensor = torch.tensor(logits, requires_grad=True)
    expected = F.cross_entropy(tensor, torch.tensor(labels), label_smoothing=0.1)
    expected.backward()
    assert value == pytest.approx(expected.item(), rel=1e-6)
    close(gradient, tensor.grad.numpy(), 1e-7)
