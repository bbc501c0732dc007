"""Metrics: counted by hand, added over batches of any size."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import minidl as dl
from minidl.types import Array

OUTPUT = np.array([[3.0, 1.0, 2.0], [0.0, 1.0, 0.5], [0.1, 0.2, 0.9], [5.0, 4.0, 3.0]])
LABELS = np.array([0, 1, 1, 2])  # right, right, 2 for 1, 0 for 2
ROWS = np.array([[0.8, 0.1, 0.1], [0, 1, 0], [0.2, 0.5, 0.3], [0, 0, 1]])


@pytest.mark.parametrize("target", [LABELS, LABELS.astype(np.uint8), ROWS])
def test_accuracy(target: Array) -> None:
    metric = dl.Accuracy()
    assert metric.name == "accuracy"
    assert metric.count(OUTPUT, target).tolist() == [2, 4]
    assert metric.result(metric.count(OUTPUT, target)) == 0.5


def test_batches_of_unequal_size_weigh_right() -> None:
    metric = dl.Accuracy()
    counts = metric.count(OUTPUT[:1], LABELS[:1]) + metric.count(OUTPUT[1:], LABELS[1:])
    assert metric.result(counts) == 0.5


@pytest.mark.parametrize("target", [LABELS, LABELS.astype(np.uint8), ROWS])
def test_confusion_matrix(target: Array) -> None:
    matrix = dl.confusion_matrix(OUTPUT, target)
    assert matrix.tolist() == [[1, 0, 0], [0, 1, 1], [1, 0, 0]]


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int64"])
def test_confusion_matrix_of_many_classes(dtype: str) -> None:
    """26 letters, all read right: 25 · 26 is more than a uint8 holds."""
    labels = np.arange(26).astype(dtype)
    np.testing.assert_array_equal(dl.confusion_matrix(np.eye(26), labels), np.eye(26))


def test_confusion_matrix_of_nothing() -> None:
    assert dl.confusion_matrix(np.zeros((0, 2)), np.zeros(0, np.int64)).tolist() == [[0, 0]] * 2


@pytest.mark.parametrize(("labels", "got"), [([0, 3], "0 to 3"), ([-1, 2], "-1 to 2")])
def test_labels_outside_the_classes(labels: list[int], got: str) -> None:
    with pytest.raises(ValueError, match=f"labels should lie between 0 and 2, got {got}"):
        dl.confusion_matrix(OUTPUT[:2], np.array(labels))


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: dl.Metric().name, "name"),
        (lambda: dl.Metric().count(OUTPUT, LABELS), "count"),
        (lambda: dl.Metric().result(OUTPUT), "result"),
    ],
)
def test_a_metric_of_ones_own_defines_three(call: Callable[[], object], name: str) -> None:
    with pytest.raises(NotImplementedError, match=f"Metric should define {name}"):
        call()


@pytest.mark.parametrize(
    ("output", "target"),
    [
        (np.zeros((4, 1)), np.zeros(4, np.int64)),  # the largest of one is always right
        (np.zeros((4, 3)), np.zeros(4)),
        (np.zeros((4, 3)), np.zeros((4, 2))),
        (np.zeros((4, 3)), np.zeros(5, np.int64)),
    ],
)
def test_accuracy_wants_classes(output: Array, target: Array) -> None:
    with pytest.raises(ValueError, match="accuracy counts classes: it needs outputs"):
        dl.Accuracy().count(output, target)
