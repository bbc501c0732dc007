"""Losses: values by hand and by loops, gradients by nudging, and the targets they refuse."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import reference
from drawn import normal

import minidl as dl
from minidl.training.tally import Tally
from minidl.types import Array

CROSS_ENTROPY, SQUARED = dl.SoftmaxCrossEntropy(), dl.MeanSquaredError()
ABSOLUTE, HUBER = dl.MeanAbsoluteError(), dl.Huber()
BINARY = dl.BinaryCrossEntropyWithLogits()
WEIGHTS = (0.5, 2.0, 0.0, 1.25)
IGNORING = dl.SoftmaxCrossEntropy(0.2, WEIGHTS, ignore_index=-100)


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


def test_absolute_error_by_hand() -> None:
    value, gradient = ABSOLUTE(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[1, 0], [3, 5]]))
    assert value == (2 + 1) / 4
    assert gradient.tolist() == [[0, 0.25], [0, -0.25]]


def test_huber_by_hand() -> None:
    """Square up to delta, then straight, with the same slope where they meet."""
    output = np.array([[1.0, -1.0, 2.0, -2.0, 5.0]])
    value, gradient = dl.Huber(2.0, "sum")(output, np.zeros((1, 5)))
    assert value == 0.5 + 0.5 + 2 + 2 + 2 * (5 - 1)
    assert gradient.tolist() == [[1, -1, 2, -2, 2]]


def test_binary_cross_entropy_by_hand() -> None:
    """A logit of log 3 is a probability of 3/4."""
    logits, target = np.log([[3.0], [3.0], [1.0]]), np.array([[1.0], [0.0], [0.25]])
    value, gradient = BINARY(logits, target)
    assert value == pytest.approx((math.log(4 / 3) + math.log(4) + math.log(2)) / 3)
    np.testing.assert_allclose(gradient.ravel() * 3, [-1 / 4, 3 / 4, 1 / 4], rtol=1e-14)


def test_positive_weight_multiplies_the_part_of_the_target() -> None:
    logits = np.log([[3.0, 3.0]])
    loss = dl.BinaryCrossEntropyWithLogits(5.0, "sum")
    value, gradient = loss(logits, np.array([[0.5, 0.0]]))
    assert value == pytest.approx(5 * 0.5 * math.log(4 / 3) + 0.5 * math.log(4) + math.log(4))
    np.testing.assert_allclose(gradient, [[0.5 * 3 / 4 - 2.5 / 4, 3 / 4]], rtol=1e-14)
    by_label = dl.BinaryCrossEntropyWithLogits((5.0, 1.0), "sum")
    assert by_label(logits, np.array([[0.5, 0.0]]))[0] == value


def test_a_confident_binary_answer_keeps_its_small_loss() -> None:
    """In float32, 1 - sigmoid(20) is 0; the loss and its gradient are 2e-9."""
    for logit, target in ((20.0, 1.0), (-20.0, 0.0)):
        value, gradient = BINARY(np.array([[logit]], np.float32), np.array([[target]]))
        assert value == pytest.approx(math.exp(-20), rel=1e-6)
        assert abs(gradient.item()) == pytest.approx(math.exp(-20), rel=1e-6)


def weighted_cross_entropy(
    logits: Array, labels: list[int], smoothing: float, weights: tuple[float, ...], ignored: int
) -> tuple[float, float]:
    """Return the sum, and the sum of the labels' weights, by loops from the definition."""
    total = divisor = 0.0
    for row, label in zip(logits, labels):
        if label == ignored:
            continue
        logs = [value - math.log(math.fsum(math.exp(one) for one in row)) for value in row]
        for k, log in enumerate(logs):
            target = smoothing / len(row) + (1 - smoothing) * (k == label)
            total -= weights[k] * target * log
        divisor += weights[label]
    return total, divisor


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
@pytest.mark.parametrize("ignored", [-100, 1, 255])
def test_weights_smoothing_and_ignored_labels(smoothing: float, ignored: int) -> None:
    logits, labels = normal(0, 6, 4), [3, 1, ignored, 0, 2, ignored]
    loss = dl.SoftmaxCrossEntropy(smoothing, WEIGHTS, ignored)
    total, divisor = weighted_cross_entropy(logits, labels, smoothing, WEIGHTS, ignored)
    assert loss(logits, np.array(labels))[0] == pytest.approx(total / divisor, rel=1e-13)
    by_sum = loss.replace(reduction="sum")(logits, np.array(labels))
    assert by_sum[0] == pytest.approx(total, rel=1e-13)
    assert not by_sum[1][[2, 5]].any()
    assert by_sum[1][[0, 3]].any(axis=1).all()


def test_class_weights_of_rows_leave_the_divisor_alone() -> None:
    """PyTorch's rule: labels divide by their weights, rows by their number."""
    loss = dl.SoftmaxCrossEntropy(class_weights=(2.0, 1.0))
    logits = np.zeros((2, 2))
    assert loss(logits, np.array([0, 0]))[0] == pytest.approx(math.log(2))
    assert loss(logits, one_hot([0, 0], 2))[0] == pytest.approx(2 * math.log(2))


@pytest.mark.parametrize(
    ("loss", "labels"),
    [
        (IGNORING, [-100, -100]),
        (IGNORING.replace(reduction="sum"), [-100, -100]),
        (IGNORING.replace(label_smoothing=0.0), [2, -100]),  # class 2 weighs nothing
    ],
)
def test_a_batch_of_which_nothing_counts_is_0(loss: dl.Loss, labels: list[int]) -> None:
    value, gradient = loss(normal(0, 2, 4), np.array(labels))
    assert value == 0
    assert not gradient.any()


def test_every_place_of_an_image_is_a_sample() -> None:
    logits, labels = normal(0, 2, 3, 4, 5), np.arange(24).reshape(2, 3, 4) % 5
    for loss in (CROSS_ENTROPY, dl.SoftmaxCrossEntropy(0.1, (1, 2, 3, 4, 5), 2)):
        value, gradient = loss(logits, loss.check(labels, (3, 4, 5)))
        flat = loss(logits.reshape(24, 5), labels.ravel())
        assert value == flat[0]
        np.testing.assert_array_equal(gradient.reshape(24, 5), flat[1])


def test_a_class_may_be_ruled_out() -> None:
    """A logit of minus infinity, where the target does not count it."""
    logits = np.array([[0.0, -np.inf, 0.0]])
    for target in (np.array([0]), np.array([[1.0, 0.0, 0.0]])):
        value, gradient = CROSS_ENTROPY(logits, target)
        assert value == pytest.approx(math.log(2))
        np.testing.assert_allclose(gradient, [[-0.5, 0, 0.5]])
    assert CROSS_ENTROPY(logits, np.array([1]))[0] == math.inf


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("loss", "total"),
    [
        (CROSS_ENTROPY, 4e4 + math.log(2)),
        (dl.SoftmaxCrossEntropy(0.3, (1, 2, 3)), 5.1e4 + 1.3 * math.log(2)),
        (BINARY, 4.5e4 + math.log(2)),
        (dl.BinaryCrossEntropyWithLogits(3.0), 8.5e4 + 3 * math.log(2)),
        (SQUARED, 2e8 + 2 * 10001**2 + 9999.5**2 + 1),
        (ABSOLUTE, 5e4 + 2.5),
        (HUBER, 5e4 - 0.5),
    ],
)
def test_outputs_of_ten_thousand(loss: dl.Loss, total: float, dtype: type) -> None:
    """The values by hand; the gradients finite; and no warning on the way."""
    output: Array = np.array([[1e4, -1e4, 0.0], [-1e4, 1e4, 1e4]], dtype)
    classes = isinstance(loss, dl.SoftmaxCrossEntropy)
    target = np.array([1, 0]) if classes else np.array([[0, 1, 1], [1, 0, 0.5]])
    value, gradient = loss.replace(reduction="sum")(output, target)
    assert value == pytest.approx(total, rel=2 * float(np.finfo(dtype).eps))
    assert np.isfinite(gradient).all()
    assert gradient.any()


LOSSES = [
    (CROSS_ENTROPY, np.array([1, 0, 3, 3])),
    (CROSS_ENTROPY, distributions(2, 4, 4)),
    (CROSS_ENTROPY, distributions(2, 4, 4) * 0.9),  # a row that sums to less is still its own
    (IGNORING, np.array([1, 0, -100, 3])),
    (IGNORING.replace(ignore_index=None), distributions(2, 4, 4)),
    (SQUARED, normal(2, 4, 4)),
    (ABSOLUTE, normal(2, 4, 4)),
    (dl.Huber(0.7), normal(2, 4, 4)),
    (BINARY, distributions(2, 4, 4)),
    (dl.BinaryCrossEntropyWithLogits(WEIGHTS), distributions(2, 4, 4)),
]
LOSSES += [(loss.replace(reduction="sum"), target) for loss, target in LOSSES]


@pytest.mark.parametrize(("loss", "target"), LOSSES)
def test_the_gradient_is_that_of_the_value(loss: dl.Loss, target: Array) -> None:
    output, step = normal(3, 4, 4), 1e-6
    gradient = loss(output, target)[1]
    for index in np.ndindex(output.shape):
        nudge = np.zeros(output.shape)
        nudge[index] = step
        slope = (loss(output + nudge, target)[0] - loss(output - nudge, target)[0]) / (2 * step)
        assert gradient[index] == pytest.approx(slope, abs=1e-7)


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


@pytest.mark.parametrize("loss", [SQUARED, ABSOLUTE, HUBER, BINARY])
def test_numbers_may_stand_alone_for_one_output(loss: dl.Loss) -> None:
    assert loss.check(np.array([1.0, 0.5]), (1,)).shape == (2, 1)


@pytest.mark.parametrize("label", [-100, 255, 1])
def test_an_ignored_label_may_be_no_class(label: int) -> None:
    loss = dl.SoftmaxCrossEntropy(ignore_index=label)
    assert loss.check(np.array([0, label, 2]), (3,)).tolist() == [0, label, 2]
    assert loss.check(np.array([label]), (3,)).tolist() == [label]


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
        (SQUARED, np.array(1.0), (), "there are no targets"),
        (
            CROSS_ENTROPY,
            np.array([0, 1]),
            (1,),
            r"two classes or more, and the model puts out \(1,\) a sample: use BinaryCrossEntropyW",
        ),
        (
            CROSS_ENTROPY,
            np.zeros((2, 4, 4, 1), int),
            (4, 4, 3),
            r"look like a column of labels: pass targets\[..., 0\]",
        ),
        (CROSS_ENTROPY, np.zeros((2, 5, 4), int), (4, 4, 3), r"should be \(N, 4, 4\) labels or"),
        (IGNORING, np.array([0, -1]), (4,), "got -1 to 0: .* name a label that means nothing as"),
        (IGNORING, np.eye(4), (4,), "ignore_index=-100 names an integer target, got rows"),
        (
            IGNORING,
            np.array([0, 1]),
            (3,),
            r"class_weights should be one for each output of the model, \(3,\), got 4",
        ),
        (
            dl.BinaryCrossEntropyWithLogits((1, 2)),
            np.zeros((2, 3)),
            (3,),
            r"positive_weight should be one for each output of the model, \(3,\), got 2",
        ),
        (BINARY, np.array([0.0, 1.5]), (1,), "should be between 0 and 1, got 1.5 in row 1"),
        (BINARY, np.array([[0, 1], [-1, 0]]), (2,), "should be between 0 and 1, got -1 in row 1"),
        (BINARY, np.array([[0, 1], [0, np.nan]]), (2,), "between 0 and 1, got nan in row 1"),
        (SQUARED, np.array([[0, 1], [0, np.nan]]), (2,), "should be finite, got nan in row 1"),
        (ABSOLUTE, np.array([np.inf, 1.0]), (1,), "should be finite, got inf in row 0"),
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
    assert CROSS_ENTROPY.metrics == (dl.Accuracy(),)
    assert IGNORING.metrics == (dl.Accuracy(ignore_index=-100),)
    assert BINARY.metrics == (dl.BinaryAccuracy(),)
    assert SQUARED.metrics == ()


@pytest.mark.parametrize(
    "call",
    [lambda: dl.Loss().check(np.zeros(1), (1,)), lambda: dl.Loss()(np.zeros(1), np.zeros(1))],
)
def test_a_loss_of_ones_own_defines_both(call: Any) -> None:
    with pytest.raises(NotImplementedError, match="Loss should define"):
        call()


# Batches


@pytest.mark.parametrize(("loss", "target"), LOSSES)
def test_ragged_batches_come_to_the_loss_of_all(loss: dl.Loss, target: Array) -> None:
    """Four batches of 1, 5, 3 and 2 samples, as the trainer adds them and as a metric does."""
    output, target = normal(4, 11, 4), np.concatenate([target] * 3)[:11]
    whole = loss(output, target)[0]
    metric = dl.MeanLoss(loss, "again")
    tally = Tally(loss, [metric])
    for rows in np.split(np.arange(11), [1, 6, 9]):
        tally.add(loss(output[rows], target[rows])[0], output[rows], target[rows])
    row = tally.row("val_")
    assert row["val_loss"] == pytest.approx(whole, rel=1e-13)
    assert row["val_again"] == row["val_loss"]


def test_what_a_mean_divides_by() -> None:
    output = np.zeros((4, 4))
    assert SQUARED.weight(output, output) == 4
    assert CROSS_ENTROPY.weight(output, np.array([0, 1, 1, 3])) == 4
    assert IGNORING.weight(output, np.array([0, 1, -100, 1])) == 0.5 + 2 + 2
    assert IGNORING.replace(class_weights=None).weight(output, np.array([0, 1, -100, 1])) == 3
    assert IGNORING.weight(output, output) == 4


def test_a_tally_of_nothing_is_0() -> None:
    assert Tally(CROSS_ENTROPY, [dl.Accuracy()]).row() == {"loss": 0}


def test_the_trainer_weighs_batches_by_their_labels() -> None:
    x, labels = (
        normal(0, 11, 3).astype(np.float32),
        np.array([0, 1, -100, 3, 3, 0, -100, 1, 1, 0, 3]),
    )
    model = dl.Sequential([dl.Dense(4)], input_shape=(3,))
    whole = IGNORING(model.predict(x), labels)[0]
    trainer = dl.Trainer(model, IGNORING, dl.SGD(1e-9))
    row = trainer.evaluate((x, labels), batch_size=3)
    assert row["loss"] == pytest.approx(whole, rel=1e-5)
    counted = labels >= 0
    right = (model.predict(x).argmax(axis=1) == labels)[counted]
    assert row["accuracy"] == right.mean()
    history = trainer.fit((x, labels), batch_size=4, progress=False)
    assert history["loss"] == [pytest.approx(whole, rel=1e-5)]


def test_the_trainer_labels_every_place_of_an_image() -> None:
    """Which of two brightnesses a pixel has, where the border is not to be learnt."""
    x = (normal(0, 40, 6, 6, 1) > 0).astype(np.float32)
    labels = x[..., 0].astype(np.uint8)
    labels[:, 0] = 255
    model = dl.Sequential([dl.Conv2d(2, 1)], input_shape=(6, 6, 1), seed=0)
    loss = dl.SoftmaxCrossEntropy(ignore_index=255)
    trainer = dl.Trainer(model, loss, dl.SGD(1.0), seed=0)
    history = trainer.fit((x, labels), epochs=5, batch_size=8, progress=False)
    assert history["loss"][-1] < 0.5 * history["loss"][0]
    assert history["accuracy"][-1] == 1


# Numbers that would wrap, and options that are refused


@pytest.mark.parametrize("loss", [SQUARED, ABSOLUTE, HUBER, BINARY])
@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int64, bool])
def test_integers_do_not_wrap(loss: dl.Loss, dtype: type) -> None:
    """As bytes, 0 - 1 would be 255."""
    output: Array = np.array([[0, 1, 0]], dtype)
    target: Array = np.array([[1, 0, 0]], dtype)
    value, gradient = loss(output, target)
    expected = loss(output.astype(float), target.astype(float))
    assert value == expected[0]
    np.testing.assert_array_equal(gradient, expected[1])
    assert loss(output.astype(np.float32), target)[0] == pytest.approx(value)


def test_integer_logits_do_not_wrap() -> None:
    logits = np.array([[0, 200, 100]], np.uint8)
    value, gradient = CROSS_ENTROPY(logits, np.array([0], np.uint8))
    assert value == 200
    assert gradient.tolist() == [[-1, 1, pytest.approx(math.exp(-100))]]


@pytest.mark.parametrize("loss", [SQUARED, CROSS_ENTROPY])
def test_outputs_that_are_no_numbers(loss: dl.Loss) -> None:
    with pytest.raises(TypeError, match="outputs should be numbers, got dtype complex128"):
        loss(np.zeros((2, 2), complex), np.eye(2))


@pytest.mark.parametrize("loss", [SQUARED, CROSS_ENTROPY, BINARY])
@pytest.mark.parametrize("target", [np.array(["a", "b"]), np.array([1j, 0])])
def test_targets_that_are_no_numbers(loss: dl.Loss, target: Array) -> None:
    with pytest.raises(TypeError, match="targets should be numbers, got dtype"):
        loss.check(target, (1,))


@pytest.mark.parametrize(
    ("loss", "output", "target", "message"),
    [
        (CROSS_ENTROPY, np.zeros((2, 3)), np.array([0, -1]), "labels should lie between 0 and 2"),
        (CROSS_ENTROPY, np.zeros((2, 3)), np.array([0, 3]), "labels should lie between 0 and 2"),
        (CROSS_ENTROPY, np.zeros((2, 3)), np.zeros(2), "wants integer labels"),
        (IGNORING, np.zeros((1, 4)), np.eye(4)[:1], "ignore_index=-100 names an integer target"),
        (IGNORING, np.zeros((1, 3)), np.array([0]), r"one for each output of the model, \(3,\)"),
        (dl.BinaryCrossEntropyWithLogits((1, 2)), np.zeros((2, 1)), np.zeros((2, 1)), "got 2"),
    ],
)
def test_a_call_without_a_check_gives_no_wrong_number(
    loss: dl.Loss, output: Array, target: Array, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        loss(output, target)


ENTROPY, BINARY_ENTROPY = dl.SoftmaxCrossEntropy, dl.BinaryCrossEntropyWithLogits


@pytest.mark.parametrize(
    ("kind", "options", "error", "message"),
    [
        (dl.MeanSquaredError, {"reduction": "none"}, ValueError, '"mean" or "sum", got \'none\''),
        (dl.Huber, {"reduction": None}, ValueError, 'must be "mean" or "sum", got None'),
        (dl.Huber, {"delta": 0.0}, ValueError, "delta must be positive and finite, got 0.0"),
        (dl.Huber, {"delta": math.nan}, ValueError, "delta must be positive and finite, got nan"),
        (dl.Huber, {"delta": "sum"}, TypeError, "delta must be a number"),
        (ENTROPY, {"label_smoothing": 1.0}, ValueError, "label_smoothing must be at least 0 and"),
        (ENTROPY, {"label_smoothing": -0.1}, ValueError, "label_smoothing must be at least 0 and"),
        (
            ENTROPY,
            {"class_weights": (1.0, -1.0)},
            ValueError,
            "each of class_weights must be at least 0 and finite, got -1.0",
        ),
        (
            ENTROPY,
            {"class_weights": np.ones(2)},
            TypeError,
            "class_weights should be a tuple of numbers, one a class, got array",
        ),
        (ENTROPY, {"class_weights": ()}, TypeError, "class_weights should be a tuple of numbers"),
        (ENTROPY, {"ignore_index": 1.5}, TypeError, "ignore_index must be an integer"),
        (
            BINARY_ENTROPY,
            {"positive_weight": 0.0},
            ValueError,
            "positive_weight must be positive and finite, got 0.0",
        ),
        (
            BINARY_ENTROPY,
            {"positive_weight": (1.0, math.inf)},
            ValueError,
            "each of positive_weight must be at least 0 and finite, got inf",
        ),
    ],
)
def test_options_that_are_refused(
    kind: type[dl.Loss], options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        kind(**options)


def test_a_batch_that_weighs_nothing_is_0_under_label_smoothing() -> None:
    loss = dl.SoftmaxCrossEntropy(label_smoothing=0.1, class_weights=(0.0, 1.0, 1.0))
    value, gradient = loss(np.zeros((4, 3)), np.zeros(4, int))
    assert value == 0
    assert not gradient.any()
