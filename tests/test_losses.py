"""Losses: values by hand and by loops, gradients by nudging, and the targets they refuse."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import reference
from drawn import normal

import minidl as dl
from minidl.types import Array

CROSS_ENTROPY, SQUARED = dl.SoftmaxCrossEntropy(), dl.MeanSquaredError()


def one_hot(labels: list[int], classes: int) -> Array:
    rows = np.zeros((len(labels), classes))
    for row, label in zip(rows, labels):
        row[label] = 1
    return rows


def distributions(seed: int, samples: int, classes: int) -> Array:
    rows = np.abs(normal(seed, samples, classes))
    rows /= rows.sum(axis=1, keepdims=True)
    return rows


def test_cross_entropy_by_hand() -> None:
    """Of logits log 1, log 2, log 5, softmax makes 1/8, 2/8, 5/8."""
    logits = np.log([[1.0, 2.0, 5.0], [5.0, 1.0, 2.0]])
    value, gradient = CROSS_ENTROPY(logits, np.array([2, 1]))
    assert value == pytest.approx((math.log(8 / 5) + math.log(8)) / 2)
    expected = np.array([[1 / 8, 2 / 8, 5 / 8 - 1], [5 / 8, 1 / 8 - 1, 2 / 8]]) / 2
    np.testing.assert_allclose(gradient, expected, atol=1e-15)


def test_cross_entropy_is_the_definition() -> None:
    logits, targets = normal(0, 6, 5), distributions(1, 6, 5)
    value, gradient = CROSS_ENTROPY(logits, targets)
    expected, expected_gradient = reference.softmax_cross_entropy(logits, targets)
    assert value == pytest.approx(expected, rel=1e-12)
    np.testing.assert_allclose(gradient, expected_gradient, atol=1e-15)


def test_labels_are_rows_with_a_one() -> None:
    logits, labels = normal(0, 4, 3), [2, 0, 1, 1]
    by_label = CROSS_ENTROPY(logits, np.array(labels))
    by_row = CROSS_ENTROPY(logits, one_hot(labels, 3))
    assert by_label[0] == pytest.approx(by_row[0], rel=1e-14)
    np.testing.assert_allclose(by_label[1], by_row[1], atol=1e-15)


@pytest.mark.parametrize("size", [1e3, 1e30])
def test_logits_of_any_size(size: float) -> None:
    logits = np.array([[size, 0.0, -size]], np.float32)
    value, gradient = CROSS_ENTROPY(logits, np.array([1]))
    assert value == pytest.approx(size)
    assert gradient.tolist() == [[1, -1, 0]]
    assert CROSS_ENTROPY(logits, np.array([0]))[0] == 0


def test_mean_squared_error_by_hand() -> None:
    output, target = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[1.0, 0.0], [3.0, 1.0]])
    value, gradient = SQUARED(output, target)
    assert value == (4 + 9) / 4
    assert gradient.tolist() == [[0, 1], [0, 1.5]]


def test_whole_numbers_as_targets_are_taken_as_they_are() -> None:
    """Ages kept as bytes are ages: only a model's inputs are scaled."""
    value, gradient = SQUARED(np.ones((1, 2), np.float32), np.array([[3, 1]], np.uint8))
    assert value == 2
    assert gradient.tolist() == [[-2, 0]]


LOSSES = [
    (CROSS_ENTROPY, np.array([1, 0, 3, 3])),
    (CROSS_ENTROPY, distributions(2, 4, 4)),
    (SQUARED, normal(2, 4, 4)),
]


@pytest.mark.parametrize(("loss", "target"), LOSSES)
def test_the_gradient_is_that_of_the_mean(loss: dl.Loss, target: Array) -> None:
    output, step = normal(3, 4, 4), 1e-6
    gradient = loss(output, target)[1]
    for index in np.ndindex(output.shape):
        nudge = np.zeros(output.shape)
        nudge[index] = step
        slope = (loss(output + nudge, target)[0] - loss(output - nudge, target)[0]) / (2 * step)
        assert gradient[index] == pytest.approx(slope, abs=1e-8)


@pytest.mark.parametrize(("loss", "target"), LOSSES)
def test_float32_stays_and_nothing_is_changed(loss: dl.Loss, target: Array) -> None:
    output = normal(3, 4, 4).astype(np.float32)
    before, target_before = output.copy(), target.copy()
    value, gradient = loss(output, target)
    assert isinstance(value, float)
    assert gradient.dtype == np.float32
    np.testing.assert_array_equal(output, before)
    np.testing.assert_array_equal(target, target_before)


# Targets


@pytest.mark.parametrize("dtype", ["uint8", "int32", "int64", "uint64"])
def test_integer_labels_are_taken(dtype: str) -> None:
    labels = np.array([0, 2, 1], dtype)
    assert CROSS_ENTROPY.check(labels, (3,)).tolist() == [0, 2, 1]


def test_rows_of_any_number_are_taken() -> None:
    rows = np.array([[0, 1], [1, 0]])
    assert CROSS_ENTROPY.check(rows, (2,)).tolist() == rows.tolist()
    assert CROSS_ENTROPY(np.zeros((2, 2)), rows)[0] == pytest.approx(math.log(2))


def test_numbers_may_stand_alone_for_one_output() -> None:
    assert SQUARED.check(np.array([1.0, 2.0]), (1,)).shape == (2, 1)


@pytest.mark.parametrize(
    ("loss", "target", "shape", "message"),
    [
        (
            CROSS_ENTROPY,
            np.array([0, 10]),
            (10,),
            "labels should lie between 0 and 9, one for each output of the model, got 0 to 10",
        ),
        (CROSS_ENTROPY, np.array([-1, 3]), (10,), "labels should lie between 0 and 9.*got -1 to 3"),
        (
            CROSS_ENTROPY,
            np.array([0.0, 1.0]),
            (10,),
            r"wants integer labels or rows of probabilities, got \(N,\) float64: convert labels"
            r" with .astype\(int\); for a regression use MeanSquaredError",
        ),
        (CROSS_ENTROPY, np.array([True, False]), (2,), r"wants integer labels .* got \(N,\) bool"),
        (
            CROSS_ENTROPY,
            np.array([[1], [2]]),
            (10,),
            r"targets of shape \(2, 1\) look like a column of labels: pass targets.ravel\(\)",
        ),
        (
            CROSS_ENTROPY,
            np.ones((2, 3)) / 3,
            (10,),
            "rows of probabilities should have 10 columns, one for each output of the model, got 3",
        ),
        (
            CROSS_ENTROPY,
            np.array([[0.5, 0.5], [0.9, 0.9]]),
            (2,),
            r"each row of targets should be probabilities that sum to 1, got row 1: \[0.9 0.9\]",
        ),
        (CROSS_ENTROPY, np.array([[1.5, -0.5]]), (2,), "probabilities that sum to 1, got row 0"),
        (CROSS_ENTROPY, np.array([[np.nan, 1.0]]), (2,), "probabilities that sum to 1, got row 0"),
        (CROSS_ENTROPY, np.zeros((1, 2, 2)), (2,), r"should be \(N,\) labels or \(N, 2\) prob"),
        (
            CROSS_ENTROPY,
            np.array([1]),
            (4, 4, 3),
            r"takes logits \(N, classes\), and the model puts out \(4, 4, 3\) a sample: end it with"
            r" Dense\(classes\)",
        ),
        (CROSS_ENTROPY, np.zeros(0, np.int64), (3,), "there are no targets"),
        (
            SQUARED,
            np.zeros((2, 3)),
            (4,),
            r"targets should have the model's output shape \(4,\) a sample, got \(3,\)",
        ),
        (SQUARED, np.zeros(2), (4,), r"output shape \(4,\) a sample, got \(\)"),
    ],
)
def test_targets_that_are_refused(
    loss: dl.Loss, target: Array, shape: tuple[int, ...], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        loss.check(target, shape)


@pytest.mark.parametrize(
    ("loss", "output", "target"),
    [
        (SQUARED, np.zeros((4, 1)), np.zeros(4)),  # would broadcast to (4, 4)
        (SQUARED, np.zeros((4, 3)), np.zeros((1, 3))),
        (CROSS_ENTROPY, np.zeros((4, 3)), np.zeros(2, np.int64)),
    ],
)
def test_a_call_does_not_broadcast(loss: dl.Loss, output: Array, target: Array) -> None:
    """In a loop of one's own nobody has called ``check``."""
    with pytest.raises(ValueError, match="target"):
        loss(output, target)


def test_a_loss_says_what_it_measures() -> None:
    assert [metric.name for metric in CROSS_ENTROPY.metrics] == ["accuracy"]
    assert SQUARED.metrics == ()


@pytest.mark.parametrize(
    "call",
    [lambda: dl.Loss().check(np.zeros(1), (1,)), lambda: dl.Loss()(np.zeros(1), np.zeros(1))],
)
def test_a_loss_of_ones_own_defines_both(call: Any) -> None:
    with pytest.raises(NotImplementedError, match="Loss should define"):
        call()
