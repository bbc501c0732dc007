"""Metrics: counted by hand and by loops, added over batches of any size."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from drawn import normal
from hypothesis import given, settings
from hypothesis import strategies as st

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


METRICS = [
    dl.Accuracy(),
    dl.TopK(2),
    *(kind(average) for kind in (dl.Precision, dl.Recall, dl.F1) for average in ("macro", "micro")),
    dl.F1("weighted"),
    dl.MeanLoss(dl.SoftmaxCrossEntropy()),
    dl.MeanLoss(dl.SoftmaxCrossEntropy(class_weights=(1, 2, 3), reduction="sum")),
]


@pytest.mark.parametrize("metric", METRICS, ids=repr)
def test_batches_of_unequal_size_weigh_right(metric: dl.Metric) -> None:
    output, labels = normal(0, 50, 3), np.arange(50) // 5 % 3
    parts = [slice(0, 1), slice(1, 30), slice(30, 37), slice(37, 50)]
    counts = sum(metric.count(output[part], labels[part]) for part in parts)
    assert isinstance(counts, np.ndarray)
    assert counts.dtype == np.float64
    whole = metric.result(metric.count(output, labels))
    assert isinstance(whole, float)
    assert metric.result(counts) == pytest.approx(whole, rel=1e-13)
    assert whole > 0.05  # or the comparison would be of nothing


def test_the_names_in_a_history() -> None:
    assert [metric.name for metric in METRICS[:4]] == [
        "accuracy",
        "top_2_accuracy",
        "precision_macro",
        "precision_micro",
    ]
    assert dl.F1("weighted").name == "f1_weighted"
    assert dl.Recall("binary").name == "recall_binary"
    assert dl.BinaryAccuracy().name == "binary_accuracy"
    loss = dl.BinaryCrossEntropyWithLogits()
    assert dl.MeanLoss(loss).name == "binary_cross_entropy_with_logits"
    assert dl.MeanLoss(loss, "entropy").name == "entropy"


def top(scores: list[float], k: int) -> list[int]:
    """Return the k best classes, taken out one by one, the first of equals first."""
    left = list(range(len(scores)))
    best = []
    for _ in range(k):
        best.append(max(left, key=lambda one: (scores[one], -one)))
        left.remove(best[-1])
    return best


@settings(max_examples=50, deadline=None)
@given(
    scores=st.lists(st.lists(st.integers(0, 3), min_size=4, max_size=4), min_size=1, max_size=9),
    k=st.integers(1, 4),
    dtype=st.sampled_from(["float32", "uint8", "int64"]),
)
def test_top_k_with_many_ties(scores: list[list[int]], k: int, dtype: str) -> None:
    labels = np.arange(len(scores)) % 4
    right = sum(label in top(list(row), k) for row, label in zip(scores, labels))
    output = np.array(scores, dtype)
    assert dl.TopK(k).count(output, labels).tolist() == [right, len(scores)]
    np.testing.assert_array_equal(
        dl.TopK(1).count(output, labels), dl.Accuracy().count(output, labels)
    )


def test_top_k_of_what_is_not_a_number() -> None:
    output = np.array([[np.nan, 1.0], [np.nan, 1.0]])
    assert dl.TopK(1).count(output, np.array([0, 1])).tolist() == [1, 2]


@pytest.mark.parametrize("target", [[[1], [0], [1], [0]], [1, 0, 1, 0], [0.9, 0.5, 0.6, 0.0]])
def test_binary_accuracy(target: Any) -> None:
    """A logit of 0 is no yes, and neither is a half."""
    output = np.array([[2.0], [0.0], [-1.0], [3.0]])
    assert dl.BinaryAccuracy().count(output, np.array(target)).tolist() == [2, 4]


def test_binary_accuracy_of_several_labels() -> None:
    output, target = np.array([[1.0, -1.0, 1.0]]), np.array([[True, True, False]])
    assert dl.BinaryAccuracy().result(dl.BinaryAccuracy().count(output, target)) == 1 / 3


Y_TRUE, Y_PRED = [0, 1, 2, 0, 1, 2], [0, 2, 1, 0, 0, 1]


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        (dl.Precision("macro"), (2 / 3 + 0 + 0) / 3),
        (dl.Precision("micro"), 2 / 6),
        (dl.Precision("weighted"), (2 / 3 * 2) / 6),
        (dl.Recall("macro"), 1 / 3),
        (dl.Recall("micro"), 1 / 3),
        (dl.Recall("weighted"), 1 / 3),
        (dl.F1("macro"), 0.8 / 3),
        (dl.F1("micro"), 1 / 3),
        (dl.F1("weighted"), 0.8 / 3),
    ],
    ids=repr,
)
def test_the_example_of_scikit_learn(metric: dl.Metric, expected: float) -> None:
    """Its documentation has these labels for each of the three; a fourth class never occurs."""
    counts = metric.count(np.eye(4)[Y_PRED], np.array(Y_TRUE))
    assert metric.result(counts) == pytest.approx(expected, rel=1e-14)


def by_loops(kind: str, average: str, true: list[int], found: list[int]) -> float:
    """Return the score as scikit-learn defines it, with zero_division=0."""

    def score(classes: list[int]) -> float:
        hits = sum(t == f for t, f in zip(true, found) if t in classes)
        predicted, actual = (sum(one in classes for one in ones) for ones in (found, true))
        precision, recall = (hits / of if of else 0.0 for of in (predicted, actual))
        both = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
        return {"Precision": precision, "Recall": recall, "F1": both}[kind]

    classes = sorted({*true, *found})
    if average == "micro":
        return score(classes)
    if average == "binary":
        return score([1])
    weights = [true.count(one) if average == "weighted" else 1 for one in classes]
    total = sum(weight * score([one]) for weight, one in zip(weights, classes))
    return total / sum(weights)


@settings(max_examples=100, deadline=None)
@given(
    pairs=st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=12),
    kind=st.sampled_from([dl.Precision, dl.Recall, dl.F1]),
    average=st.sampled_from(["macro", "micro", "weighted", "binary"]),
)
def test_precision_recall_and_f1(
    pairs: list[tuple[int, int]], kind: Callable[..., dl.Metric], average: str
) -> None:
    classes = 2 if average == "binary" else 5
    true, found = ([one % classes for one in ones] for ones in zip(*pairs))
    metric = kind(average)
    counts = metric.count(np.eye(classes)[found], np.array(true))
    expected = by_loops(type(metric).__name__, average, true, found)
    assert metric.result(counts) == pytest.approx(expected, rel=1e-13)


@pytest.mark.parametrize("kind", [dl.Precision, dl.Recall, dl.F1])
@pytest.mark.parametrize("average", ["binary", "macro"])
def test_one_logit_is_two_classes(kind: Callable[..., dl.Metric], average: str) -> None:
    metric, labels = kind(average), np.array([1, 0, 1, 1, 0])
    logits = np.array([[2.0], [0.0], [-1.0], [3.0], [1.0]])
    found = [1, 0, 0, 1, 1]
    expected = by_loops(type(metric).__name__, average, labels.tolist(), found)
    for target in (labels, labels[:, None], labels.astype(np.float32)[:, None]):
        assert metric.result(metric.count(logits, target)) == pytest.approx(expected)


def test_one_logit_with_a_label_to_ignore() -> None:
    counts = dl.F1(ignore_index=-1).count(np.ones((3, 1)), np.array([1, -1, 0]))
    assert counts.tolist() == [[0, 1], [0, 2], [1, 1]]


@pytest.mark.parametrize("ignored", [-100, 255, 1])
@pytest.mark.parametrize("kind", [dl.Accuracy, dl.TopK, dl.Precision, dl.Recall, dl.F1])
def test_an_ignored_label_counts_for_nothing(kind: Callable[..., dl.Metric], ignored: int) -> None:
    output, labels = normal(0, 20, 6), np.arange(20) % 6
    kept = np.arange(20) % 3 > 0
    labels[~kept] = ignored
    kept &= labels != ignored
    metric = kind(ignore_index=ignored)
    np.testing.assert_array_equal(
        metric.count(output, labels), kind().count(output[kept], labels[kept])
    )
    nothing = metric.count(output[:3], np.full(3, ignored))
    assert metric.result(nothing) == 0
    assert not nothing.any()


def test_every_place_of_an_image_counts() -> None:
    output, labels = normal(0, 2, 3, 4, 5), np.arange(24).reshape(2, 3, 4) % 5
    for metric in (dl.Accuracy(), dl.TopK(2), dl.F1()):
        flat = metric.count(output.reshape(24, 5), labels.ravel())
        np.testing.assert_array_equal(metric.count(output, labels), flat)


def test_the_trainer_reports_metrics_over_ragged_batches() -> None:
    x, labels = normal(0, 23, 4).astype(np.float32), np.arange(23) % 3
    model = dl.Sequential([dl.Dense(3)], input_shape=(4,), seed=0)
    metrics = [dl.TopK(2), dl.F1(), dl.MeanLoss(dl.SoftmaxCrossEntropy(0.1))]
    trainer = dl.Trainer(model, dl.SoftmaxCrossEntropy(), dl.SGD(0.1), metrics=metrics)
    row = trainer.evaluate((x, labels), batch_size=7)
    output = model.predict(x)
    assert list(row) == ["loss", "top_2_accuracy", "f1_macro", "softmax_cross_entropy"]
    for metric in metrics:
        whole = metric.result(metric.count(output, labels))
        assert row[metric.name] == pytest.approx(whole, rel=1e-6)


def test_a_yes_or_no_is_learnt_and_measured() -> None:
    x = normal(0, 60, 2).astype(np.float32)
    target = (x.sum(axis=1) > 0).astype(np.uint8)
    model = dl.Sequential([dl.Dense(1)], input_shape=(2,), seed=0)
    trainer = dl.Trainer(model, dl.BinaryCrossEntropyWithLogits(), dl.SGD(1.0), seed=0)
    history = trainer.fit((x, target), epochs=20, batch_size=7, progress=False)
    assert history["binary_accuracy"][-1] > 0.95
    measured = trainer.evaluate((x, target))
    found = model.predict(x)[:, 0] > 0
    assert measured["binary_accuracy"] == (found == target).mean()


@pytest.mark.parametrize("target", [LABELS, LABELS.astype(np.uint8), ROWS])
def test_confusion_matrix(target: Array) -> None:
    matrix = dl.confusion_matrix(OUTPUT, target)
    assert matrix.tolist() == [[1, 0, 0], [0, 1, 1], [1, 0, 0]]


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int64"])
def test_confusion_matrix_of_many_classes(dtype: str) -> None:
    """26 letters, all read right: 25 · 26 is more than a uint8 holds."""
    labels = np.arange(26).astype(dtype)
    np.testing.assert_array_equal(dl.confusion_matrix(np.eye(26), labels), np.eye(26))


def test_the_matrices_of_batches_add_up() -> None:
    parts = [dl.confusion_matrix(OUTPUT[rows], LABELS[rows]) for rows in ([0], [1, 2, 3])]
    np.testing.assert_array_equal(sum(parts), dl.confusion_matrix(OUTPUT, LABELS))


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


@pytest.mark.parametrize(
    ("metric", "output", "target", "message"),
    [
        (dl.Accuracy(), OUTPUT, np.array([0, 1, -100, 2]), "between 0 and 2, got -100 to 2"),
        (dl.TopK(2), OUTPUT, np.array([0, 1, 3, 2]), "between 0 and 2, got 0 to 3"),
        (dl.TopK(4), OUTPUT, LABELS, r"at most the number of classes 3: TopK\(k=4"),
        (dl.F1(), OUTPUT, np.array([0, 1, -1, 2]), "between 0 and 2, got -1 to 2"),
        (dl.F1(), OUTPUT, LABELS.astype(float), "f1_macro counts classes: it needs outputs"),
        (dl.F1("binary"), OUTPUT, LABELS, 'average "binary" needs two classes, got 3'),
        (dl.F1(), np.zeros((2, 1)), np.array([0, 2]), "between 0 and 1, got 0 to 2"),
        (dl.F1(), np.zeros((2, 1)), np.array([0, 1.5]), "between 0 and 1, got 0.0 to 1.5"),
        (dl.BinaryAccuracy(), np.zeros((2, 1)), np.array([0, -1]), "between 0 and 1, got -1 to 0"),
        (dl.BinaryAccuracy(), np.zeros((2, 1)), np.array([0, np.nan]), "between 0 and 1, got nan"),
        (dl.BinaryAccuracy(), np.zeros((2, 3)), np.zeros(2), "a target for each output, got"),
    ],
)
def test_what_cannot_be_counted(
    metric: dl.Metric, output: Array, target: Array, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        metric.count(output, target)


@pytest.mark.parametrize(
    ("kind", "options", "error", "message"),
    [
        (dl.TopK, {"k": 0}, ValueError, "k must be an integer of at least 1, got 0"),
        (dl.TopK, {"k": 2.0}, TypeError, "k must be an integer of at least 1"),
        (dl.Accuracy, {"ignore_index": "x"}, TypeError, "ignore_index must be an integer"),
        (dl.F1, {"ignore_index": True}, TypeError, "ignore_index must be an integer"),
        (dl.F1, {"average": None}, ValueError, '"weighted" or "binary", got None'),
        (dl.Recall, {"average": "samples"}, ValueError, "average must be .* got 'samples'"),
        (dl.MeanLoss, {"loss": dl.Accuracy()}, TypeError, "loss should be a Loss such as"),
        (dl.MeanLoss, {"loss": dl.Huber(), "label": 3}, TypeError, "label should be text, got 3"),
    ],
)
def test_options_that_are_refused(
    kind: Callable[..., object], options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        kind(**options)


@pytest.mark.parametrize(
    ("output", "target", "classes", "message"),
    [
        (np.eye(3), np.array([[0], [1], [2]]), None, "a confusion matrix counts classes: it needs"),
        (np.eye(3), np.array([0]), None, "a confusion matrix counts classes: it needs"),
        (np.eye(3), np.arange(3), 5, "classes should be the 3 of the outputs, got 5"),
        (np.array([0, 1, 1]), np.array([0]), 2, "labels are compared with labels, integers"),
        (np.array([0.5, 1.2]), np.array([0, 1]), 2, "labels are compared with labels, integers"),
        (np.array([0]), np.array([0]), 0, "classes must be an integer of at least 1, got 0"),
    ],
)
def test_what_no_confusion_matrix_is_made_of(
    output: Array, target: Array, classes: int | None, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        dl.confusion_matrix(output, target, classes)


def test_a_nan_is_never_right() -> None:
    lost, labels = np.full((2, 2), np.nan), np.array([0, 1])
    for metric in (dl.Accuracy(), dl.TopK(1), dl.Precision(), dl.Recall(), dl.F1()):
        assert metric.result(metric.count(lost, labels)) == 0
    binary = dl.BinaryAccuracy()
    assert binary.result(binary.count(lost[:, :1], labels[:, None])) == 0
