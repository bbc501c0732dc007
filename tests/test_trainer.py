"""The Trainer: what it measures, what it tells, what it repeats, and what it refuses."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minidl as dl
from minidl import augment
from minidl.data import Dataset, order, split
from minidl.types import Array

rng = np.random.default_rng


def blobs(count: int = 90, size: int = 5, classes: int = 3, seed: int = 0) -> tuple[Array, Array]:
    """Return points (count, size), float64, around a centre for each class, and labels."""
    labels = np.arange(count) % classes
    centres = rng(7).normal(size=(classes, size))
    return centres[labels] + 0.3 * rng(seed).normal(size=(count, size)), labels


def pictures(count: int = 60, seed: int = 0) -> tuple[Array, Array]:
    """Return uint8 images (count, 28, 28, 1) with a bar whose row is the label, of 4."""
    labels = np.arange(count) % 4
    images = rng(seed).integers(0, 90, (count, 28, 28, 1)).astype(np.uint8)
    for image, label in zip(images, labels):
        image[5 * label + 3 : 5 * label + 6] += 150
    return images, labels


def linear(seed: int = 0, dtype: str = "float64") -> dl.Graph:
    return dl.Sequential([dl.Dense(3)], input_shape=(5,), seed=seed, dtype=dtype)


def reader(seed: int = 0) -> dl.Graph:
    """Return a small convolutional network for ``pictures``, with dropout and batch norm."""
    layers = [
        *(dl.Conv2d(3, 5, stride=2), dl.BatchNorm(), dl.ReLU(), dl.MaxPool2d(2)),
        *(dl.Flatten(), dl.Dropout(0.2), dl.Dense(4)),
    ]
    return dl.Sequential(layers, input_shape=(28, 28, 1), seed=seed)


def trainer_of(model: dl.Graph, lr: float = 0.1, **options: Any) -> dl.Trainer:
    return dl.Trainer(model, dl.SoftmaxCrossEntropy(), dl.SGD(lr, momentum=0.9), **options)


def fitted(data: Any, model_seed: int = 0, seed: int = 0, **options: Any) -> str:
    """Return the hash of a reader after two epochs."""
    trainer = trainer_of(reader(model_seed), lr=0.02, seed=seed)
    trainer.fit(data, **{"epochs": 2, "batch_size": 16, "progress": False, **options})
    return trainer.model.arrays.sha256()


# What is measured


def by_hand(logits: Array, labels: Array) -> tuple[float, float, Array]:
    """Return the mean cross-entropy, the accuracy and the gradient by the logits."""
    odds = np.exp(logits)
    shares = odds / odds.sum(axis=1, keepdims=True)
    loss = -np.log(shares[np.arange(len(labels)), labels]).mean()
    gradient = (shares - np.eye(logits.shape[1])[labels]) / len(labels)
    return float(loss), float((logits.argmax(axis=1) == labels).mean()), gradient


def train_by_hand(
    weight: Array, bias: Array, data: Dataset, held: Dataset, epoch: int
) -> dict[str, float]:
    """Change a linear model by an epoch of SGD 0.1 in batches of 16; return the history's row."""
    total = np.zeros(2)
    for start in range(0, len(data), 16):
        rows = order(len(data), 3, epoch)[start : start + 16]
        x, y = data.inputs[rows], data.targets[rows]
        loss, accuracy, gradient = by_hand(x @ weight + bias, y)
        total += len(x) * np.array([loss, accuracy])
        weight -= 0.1 * x.T @ gradient
        bias -= 0.1 * gradient.sum(axis=0)
    val_loss, val_accuracy, _ = by_hand(held.inputs @ weight + bias, held.targets)
    loss, accuracy = total / len(data)
    return {"loss": loss, "accuracy": accuracy, "val_loss": val_loss, "val_accuracy": val_accuracy}


def test_the_history_is_what_one_computes_by_hand() -> None:
    data = Dataset(*blobs(95))  # 76 to train: four batches of 16 and one of 12
    model = linear()
    weight, bias = model.arrays["dense1.weight"].copy(), model.arrays["dense1.bias"].copy()
    trainer = dl.Trainer(model, dl.SoftmaxCrossEntropy(), dl.SGD(0.1), seed=3)
    history = trainer.fit(data, validation=0.2, epochs=3, batch_size=16, progress=False)
    rest, held = split(data, 0.2, seed=3)
    for epoch, row in enumerate(history, 1):
        expected = train_by_hand(weight, bias, rest, held, epoch)
        assert {name: row[name] for name in expected} == pytest.approx(expected, rel=1e-12)
        assert (row["epoch"], row["lr"]) == (epoch, 0.1)
        assert row["seconds"] > 0
        assert row["images_per_second"] == pytest.approx(len(rest) / row["seconds"])
    np.testing.assert_allclose(model.arrays["dense1.weight"], weight, rtol=1e-12)
    np.testing.assert_allclose(model.arrays["dense1.bias"], bias, rtol=1e-12)


def test_evaluate_weighs_batches_by_their_size() -> None:
    x, y = blobs(50)
    model = linear()
    logits = x @ model.arrays["dense1.weight"] + model.arrays["dense1.bias"]
    loss, accuracy, _ = by_hand(logits, y)
    for batch_size in (1, 7, 50, 64):
        row = trainer_of(model).evaluate((x, y), batch_size=batch_size)
        assert row == pytest.approx({"loss": loss, "accuracy": accuracy}, rel=1e-12)


def test_evaluation_changes_nothing() -> None:
    trainer = trainer_of(reader())
    images, labels = pictures()
    before = trainer.model.arrays.sha256(), images.copy(), labels.copy()
    first = trainer.evaluate((images, labels))
    assert trainer.evaluate((images, labels)) == first
    assert trainer.model.arrays.sha256() == before[0]
    np.testing.assert_array_equal(images, before[1])
    np.testing.assert_array_equal(labels, before[2])
    assert len(trainer.history) == 0


def test_fit_leaves_the_data_as_it_is() -> None:
    images, labels = pictures()
    copies = images.copy(), labels.copy()
    fitted((images, labels), validation=0.25)
    np.testing.assert_array_equal(images, copies[0])
    np.testing.assert_array_equal(labels, copies[1])


def columns(validation: Any) -> set[str]:
    trainer = trainer_of(linear())
    trainer.fit(blobs(), validation=validation, progress=False)
    return {name for name in trainer.history.columns if name.endswith(("loss", "accuracy"))}


def test_validation_is_a_share_a_set_or_nothing() -> None:
    measured = {"loss", "accuracy", "val_loss", "val_accuracy"}
    assert columns(None) == {"loss", "accuracy"}
    assert columns(0.1) == columns(blobs(9)) == columns(Dataset(*blobs(9))) == measured


def test_validation_changes_nothing_in_training() -> None:
    data = pictures()
    assert fitted(data, validation=pictures(12, seed=5)) == fitted(data)


def test_a_share_trains_on_the_rest_alone() -> None:
    data = Dataset(*pictures())
    assert fitted(data, validation=0.25, seed=4) == fitted(split(data, 0.25, seed=4)[0], seed=4)


def test_metrics_can_be_left_out() -> None:
    trainer = trainer_of(linear(), metrics=())
    history = trainer.fit(blobs(), validation=0.1, progress=False)
    assert "accuracy" not in history.columns
    assert "val_loss" in history.columns
    assert list(trainer.evaluate(blobs())) == ["loss"]


def test_a_metric_of_ones_own() -> None:
    class Share(dl.Metric):
        label: int

        @property
        def name(self) -> str:
            return f"share_of_{self.label}"

        def count(self, output: Array, target: Array) -> Array:
            return np.array([np.count_nonzero(target == self.label), len(target)], np.float64)

        def result(self, counts: Array) -> float:
            return float(counts[0] / counts[1])

    trainer = trainer_of(linear(), metrics=(Share(1), dl.Accuracy()))
    row = trainer.evaluate(blobs(90), batch_size=7)
    assert row["share_of_1"] == pytest.approx(1 / 3)
    assert list(row) == ["loss", "share_of_1", "accuracy"]


# What callbacks hear


class Diary(dl.Callback):
    """Writes down what it hears, and stops where it is told to."""

    def __init__(self, stop_at: str = "") -> None:
        self.lines: list[str] = []
        self.stop_at = stop_at

    def _note(self, line: str) -> dl.Stop | None:
        self.lines.append(line)
        return dl.Stop(f"the diary says {line}") if line == self.stop_at else None

    def on_fit_start(self, event: dl.FitStart) -> dl.Stop | None:
        assert isinstance(event, dl.FitStart)
        return self._note(f"start {event.epochs} {event.steps} {event.samples}")

    def on_step_end(self, event: dl.StepEnd) -> dl.Stop | None:
        assert isinstance(event, dl.StepEnd)
        assert set(event.row) == {"loss", "accuracy"}
        return self._note(f"step {event.epoch} {event.samples}")

    def on_epoch_end(self, event: dl.EpochEnd) -> dl.Stop | None:
        assert isinstance(event, dl.EpochEnd)
        assert event.row is event.trainer.history.rows[-1]
        return self._note(f"epoch {event.epoch}")

    def on_fit_end(self, event: dl.FitEnd) -> None:
        assert isinstance(event, dl.FitEnd)
        self.lines.append("end")


def diary_of(stop_at: str = "") -> tuple[list[str], dl.Trainer]:
    diary = Diary(stop_at)
    trainer = trainer_of(linear(), callbacks=[diary])
    trainer.fit(blobs(40), epochs=2, batch_size=16, progress=False)
    return diary.lines, trainer


EPOCH = ["step 1 16", "step 1 16", "step 1 8", "epoch 1"]


def test_events_come_in_order() -> None:
    lines, trainer = diary_of()
    second = [line.replace(" 1", " 2", 1) for line in EPOCH]
    assert lines == ["start 2 3 40", *EPOCH, *second, "end"]
    assert trainer.stopped is None


@pytest.mark.parametrize(
    ("stop_at", "heard", "steps"),
    [
        ("start 2 3 40", [], 0),
        ("step 1 16", ["step 1 16", "epoch 1"], 1),
        ("epoch 1", EPOCH, 3),
    ],
)
def test_stop_ends_the_run_after_the_step(stop_at: str, heard: list[str], steps: int) -> None:
    lines, trainer = diary_of(stop_at)
    assert lines == ["start 2 3 40", *heard, "end"]
    assert trainer.optimizer.state.steps == steps
    assert trainer.stopped == dl.Stop(f"the diary says {stop_at}")


def test_the_row_of_a_stopped_epoch_is_of_what_was_seen() -> None:
    trainer = diary_of("step 1 16")[1]
    assert trainer.optimizer.state.steps == len(trainer.history) == 1
    x, y = blobs(40)
    rows = order(40, 0, 1)[:16]
    model = linear()
    logits = x[rows] @ model.arrays["dense1.weight"] + model.arrays["dense1.bias"]
    assert trainer.history["loss"] == pytest.approx([by_hand(logits, y[rows])[0]])


def test_a_stopped_trainer_can_go_on() -> None:
    trainer = diary_of("step 1 16")[1]
    trainer.callbacks = ()
    trainer.fit(blobs(40), epochs=2, batch_size=16, progress=False)
    assert trainer.history["epoch"] == [1, 2, 3]
    assert trainer.stopped is None


class Last(dl.Callback):
    heard = 0

    def on_fit_end(self, event: dl.FitEnd) -> None:
        self.heard += 1


class Failing(dl.Callback):
    def on_step_end(self, event: dl.StepEnd) -> dl.Stop | None:
        raise RuntimeError("out of paper")


def test_the_end_is_heard_after_an_exception() -> None:
    first, last = Diary(), Diary()
    trainer = trainer_of(linear(), callbacks=[first, Failing(), last])
    with pytest.raises(RuntimeError, match="out of paper"):
        trainer.fit(blobs(40), batch_size=16, progress=False)
    assert first.lines == ["start 1 3 40", "step 1 16", "end"]
    assert last.lines == ["start 1 3 40", "end"]


# What repeats


def test_the_same_seeds_give_the_same_bits_and_others_do_not() -> None:
    data = pictures()
    first = fitted(data)
    assert fitted(data) == first
    assert len({first, fitted(data, seed=1), fitted(data, model_seed=1)}) == 3


def test_fit_again_goes_on() -> None:
    once, twice = trainer_of(reader()), trainer_of(reader())
    once.fit(pictures(), epochs=3, batch_size=16, progress=False)
    twice.fit(pictures(), epochs=1, batch_size=16, progress=False)
    history = twice.fit(pictures(), epochs=2, batch_size=16, progress=False)
    assert history["epoch"] == [1, 2, 3]
    assert history["loss"] == once.history["loss"]
    assert twice.model.arrays.sha256() == once.model.arrays.sha256()


def test_a_schedule_is_stretched_over_the_steps_of_fit() -> None:
    seen: list[float] = []

    class Watch(dl.Callback):
        def on_step_end(self, event: dl.StepEnd) -> dl.Stop | None:
            seen.append(event.trainer.optimizer.rate())  # of the step to come
            return None

    rate = dl.schedules.Cosine(0.1)
    trainer = dl.Trainer(linear(), dl.SoftmaxCrossEntropy(), dl.SGD(rate), callbacks=[Watch()])
    trainer.fit(blobs(40), epochs=2, batch_size=16, progress=False)
    expected = [0.05 * (1 + np.cos(np.pi * step / 6)) for step in range(1, 7)]
    assert seen == pytest.approx(expected, abs=1e-15)


def test_frozen_arrays_stay() -> None:
    model = reader()
    model.freeze("conv1")
    before = {path: array.copy() for path, array in model.arrays.items()}
    trainer_of(model).fit(pictures(), batch_size=16, progress=False)
    changed = {path for path, array in model.arrays.items() if (array != before[path]).any()}
    assert "dense1.weight" in changed
    assert not {"conv1.weight", "conv1.bias"} & changed


def test_images_may_leave_out_their_channel() -> None:
    images, labels = pictures()
    assert fitted((images[..., 0], labels)) == fitted((images, labels))


def test_lists_and_datasets_are_taken_alike() -> None:
    images, labels = pictures(16)
    assert fitted((images, labels.tolist())) == fitted(Dataset(images, labels))


def test_bytes_are_floats_from_0_to_1() -> None:
    images, labels = pictures()
    floats = images.astype(np.float32) / 255
    assert fitted((images, labels), validation=0.25) == fitted((floats, labels), validation=0.25)


# What is written


def test_without_progress_nothing_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    fitted(pictures(), validation=0.25, progress=False)
    assert capsys.readouterr() == ("", "")


def test_in_a_pipe_each_epoch_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    fitted(pictures(), validation=0.25, progress=True)
    out, err = capsys.readouterr()
    assert [line.split()[:3] for line in out.splitlines()] == [
        ["epoch", "1", "loss"],
        ["epoch", "2", "loss"],
    ]
    assert "\r" not in out
    assert err == ""


# What is refused, before any training

IMAGES, LABELS = pictures(8)
FLOATS = IMAGES.astype(np.float32)
HOLED = np.where(np.arange(8).reshape(8, 1, 1, 1) == 5, np.float32("nan"), FLOATS)
WRONG: dict[str, tuple[Any, dict[str, Any], str]] = {
    "NaN": ((HOLED, LABELS), {}, "finite, got NaN or infinity in sample 5"),
    "infinity": ((np.where(np.isnan(HOLED), -np.inf, FLOATS), LABELS), {}, "infinity in sample 5"),
    "empty": ((IMAGES[:0], LABELS[:0]), {}, "at least one sample"),
    "lengths": ((IMAGES, LABELS[:7]), {}, "different length: 8 and 7 samples"),
    "high label": ((IMAGES, LABELS + 1), {}, "labels should lie between 0 and 3, .* got 1 to 4"),
    "low label": ((IMAGES, LABELS - 1), {}, "labels should lie between 0 and 3, .* got -1 to 2"),
    "float labels": ((IMAGES, LABELS / 2), {}, "integer labels or rows of probabilities"),
    "column": ((IMAGES, LABELS[:, None]), {}, r"column of labels: pass targets.ravel\(\)"),
    "rows": ((IMAGES, np.full((8, 4), 0.5)), {}, "probabilities that sum to 1, got row 0"),
    "few columns": ((IMAGES, np.full((8, 2), 0.5)), {}, "should have 4 columns"),
    "channels first": ((IMAGES.transpose(0, 3, 1, 2), LABELS), {}, "channels first: pass x.trans"),
    "one sample": ((IMAGES[0], LABELS), {}, "different length: 28 and 8"),
    "other size": ((IMAGES[:, :27], LABELS), {}, r"samples of shape \(28, 28, 1\), got an array"),
    "batch size": ((IMAGES, LABELS), {"batch_size": 0}, "batch_size must be an integer of at leas"),
    "epochs": ((IMAGES, LABELS), {"epochs": 0}, "epochs must be an integer of at least 1"),
    "share": (
        (IMAGES, LABELS),
        {"validation": 1.0},
        "validation should be a share above 0 and below 1, or a set",
    ),
    "validation": ((IMAGES, LABELS), {"validation": (HOLED, LABELS)}, "in sample 5"),
    "its labels": ((IMAGES, LABELS), {"validation": (IMAGES, LABELS + 1)}, "between 0 and 3"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_data_is_refused_before_training(case: str) -> None:
    data, options, message = WRONG[case]
    diary = Diary()
    trainer = trainer_of(reader(), callbacks=[diary])
    before = trainer.model.arrays.sha256()
    with pytest.raises(ValueError, match=message):
        trainer.fit(data, progress=False, **options)
    assert trainer.model.arrays.sha256() == before
    assert diary.lines == []


@pytest.mark.parametrize(
    ("data", "options", "message"),
    [
        (IMAGES, {}, "a Dataset or a pair"),
        ((IMAGES.astype(np.int32), LABELS), {}, "int32 have no known range"),
        ((IMAGES, LABELS), {"epochs": 1.5}, "epochs must be an integer of at least 1, got 1.5"),
        ((IMAGES, LABELS), {"batch_size": "8"}, "batch_size must be an integer .* got '8'"),
    ],
)
def test_wrong_types_are_refused(data: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(TypeError, match=message):
        trainer_of(reader()).fit(data, progress=False, **options)


@pytest.mark.parametrize(
    "make",
    [
        lambda: dl.Trainer(dl.SoftmaxCrossEntropy(), linear(), dl.SGD(0.1)),  # type: ignore[arg-type]
        lambda: dl.Trainer(linear(), "cross-entropy", dl.SGD(0.1)),  # type: ignore[arg-type]
        lambda: dl.Trainer(linear(), dl.SoftmaxCrossEntropy(), 0.1),  # type: ignore[arg-type]
    ],
)
def test_a_trainer_names_what_it_takes(make: Callable[[], dl.Trainer]) -> None:
    with pytest.raises(TypeError, match=r"Trainer takes \(model, loss, optimizer\), got"):
        make()


def test_a_model_needs_an_input_shape() -> None:
    with pytest.raises(ValueError, match="without input_shape has no parameters"):
        trainer_of(dl.Sequential([dl.Dense(2)]))


@pytest.mark.parametrize(("option", "value"), [("workers", 0), ("seed", -1)])
def test_workers_and_seed_are_checked(option: str, value: int) -> None:
    with pytest.raises(ValueError, match=f"{option} must be an integer .* got {value}"):
        trainer_of(linear(), **{option: value})


def test_a_diverging_run_says_so() -> None:
    last = Last()
    x = rng(0).normal(size=(64, 5)).astype(np.float32)
    model = dl.Sequential([dl.Dense(1)], input_shape=(5,), seed=0)
    trainer = dl.Trainer(model, dl.MeanSquaredError(), dl.SGD(100.0), callbacks=[last])
    with (
        np.errstate(over="ignore", invalid="ignore"),
        pytest.raises(
            FloatingPointError,
            match=r"loss is (inf|nan) at step \d+: .*a learning rate lower than 100",
        ),
    ):
        trainer.fit((x, x[:, 0]), epochs=50, batch_size=16, progress=False)
    assert last.heard == 1


# Tasks without classes


def test_a_regression_trains() -> None:
    x = rng(0).uniform(-2, 2, (400, 1)).astype(np.float32)
    y = np.sin(2 * x[:, 0]) + 0.5 * x[:, 0]
    model = dl.Sequential([dl.Dense(32), dl.Tanh(), dl.Dense(1)], input_shape=(1,), seed=0)
    trainer = dl.Trainer(model, dl.MeanSquaredError(), dl.Adam(0.02), seed=0)
    history = trainer.fit((x, y), validation=0.2, epochs=60, batch_size=32, progress=False)
    assert {"loss", "val_loss"} <= set(history.columns)
    assert "accuracy" not in history.columns
    assert history["val_loss"][-1] < y.var() / 50  # a fiftieth of what the mean alone leaves


def test_a_denoising_autoencoder_trains() -> None:
    clean = (pictures(240)[0][:, ::2, ::2] > 120).astype(np.float32)  # (240, 14, 14, 1)
    noise = 0.5 * rng(1).normal(size=clean.shape).astype(np.float32)
    layers = [
        *(dl.Conv2d(8, 5, padding="same"), dl.ReLU()),
        dl.Conv2d(1, 5, padding="same"),
    ]
    model = dl.Sequential(layers, input_shape=(14, 14, 1), seed=0)
    trainer = dl.Trainer(model, dl.MeanSquaredError(), dl.Adam(0.01), seed=0)
    data, held = (clean[40:] + noise[40:], clean[40:]), (clean[:40] + noise[:40], clean[:40])
    before = trainer.evaluate(held)["loss"]
    trainer.fit(data, validation=held, epochs=12, batch_size=20, progress=False)
    after = trainer.evaluate(held)["loss"]
    assert after < before / 5
    assert after < np.square(noise[:40]).mean() / 5  # a fifth of what the noise alone leaves


def test_rows_of_probabilities_train() -> None:
    x, labels = blobs(300)
    soft = 0.9 * np.eye(3)[labels] + 0.1 / 3
    trainer = trainer_of(linear(), seed=0)
    history = trainer.fit((x, soft), validation=0.2, epochs=20, batch_size=16, progress=False)
    assert history["val_accuracy"][-1] > 0.9


def regression() -> tuple[dl.Trainer, dl.SGD]:
    optimizer = dl.SGD(dl.schedules.Cosine(0.1), momentum=0.9)
    model = dl.Sequential([dl.Dense(1)], (1,))
    return dl.Trainer(model, dl.MeanSquaredError(), optimizer), optimizer


LINE = (np.linspace(-1, 1, 32)[:, None], np.linspace(0, 2, 32)[:, None])


def test_an_optimizer_serves_several_trainers() -> None:
    first, optimizer = regression()
    first.fit(LINE, epochs=2, progress=False)
    assert optimizer.state.steps == 0
    second = dl.Trainer(dl.Sequential([dl.Dense(1)], (1,)), dl.MeanSquaredError(), optimizer).fit(
        LINE, epochs=2, progress=False
    )
    assert second["loss"] == first.history["loss"]


def test_a_schedule_starts_anew_with_every_fit() -> None:
    trainer, _ = regression()
    for _ in range(2):
        trainer.fit(LINE, epochs=4, batch_size=32, progress=False)
    rates = [0.1 * (1 + np.cos(np.pi * step / 4)) / 2 for step in range(4)]
    np.testing.assert_allclose(trainer.history["lr"], rates * 2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"metrics": ["accuracy"]}, "metrics should be a list of Metric objects, got"),
        ({"metrics": dl.Accuracy()}, "metrics should be a list of Metric objects, got"),
        ({"callbacks": [dl.Callback]}, "callbacks should be a list of Callback objects, got"),
    ],
)
def test_what_is_no_metric_or_callback(options: dict[str, Any], message: str) -> None:
    with pytest.raises(TypeError, match=message):
        dl.Trainer(regression()[0].model, dl.MeanSquaredError(), dl.SGD(0.1), **options)


def test_two_metrics_of_one_name_are_refused() -> None:
    model = dl.Sequential([dl.Dense(3)], (4,))
    twice = [dl.Accuracy(), dl.Accuracy(ignore_index=2)]
    with pytest.raises(ValueError, match="has a column 'accuracy' already: leave that metric out"):
        dl.Trainer(model, dl.SoftmaxCrossEntropy(), dl.SGD(0.1), metrics=twice)


def test_a_model_of_two_inputs_needs_a_loop_of_its_own() -> None:
    graph = dl.Graph({"a": (3,), "b": (3,)})
    graph.add("sum", dl.Add(), "a", "b")
    with pytest.raises(ValueError, match="models of one input, this one has a, b: write the loop"):
        dl.Trainer(graph, dl.MeanSquaredError(), dl.SGD(0.1))


def test_a_share_of_zero_holds_nothing_out() -> None:
    trainer, _ = regression()
    history = trainer.fit(LINE, validation=0, progress=False)
    assert "val_loss" not in history.columns


def test_a_last_batch_of_one_sample_leaves_the_running_averages() -> None:
    """Its variance is none: 65 samples in batches of 64 must not halve what was learnt."""
    x = np.random.default_rng(0).standard_normal((65, 4))
    model = dl.Sequential([dl.BatchNorm(), dl.Dense(1)], (4,))
    trainer = dl.Trainer(model, dl.MeanSquaredError(), dl.SGD(1e-3))
    trainer.fit((x, x[:, :1]), epochs=60, batch_size=64, progress=False)
    variance = model.arrays["batchnorm1.running_variance"]
    np.testing.assert_allclose(variance, x.var(axis=0, ddof=1), rtol=0.1)


# Augmentation

CHANGES = (augment.Shift(2), augment.Rotate(10), augment.Noise(0.05))


def test_augmentation_changes_the_training() -> None:
    plain, changed = fitted(pictures()), fitted(pictures(), augment=CHANGES)
    assert plain != changed
    assert fitted(pictures(), augment=()) == plain


def test_augmentation_repeats_and_its_seed_decides() -> None:
    first = fitted(pictures(), augment=CHANGES)
    assert fitted(pictures(), augment=list(CHANGES)) == first
    assert fitted(pictures(), augment=augment.Compose(CHANGES)) == first
    assert fitted(pictures(), augment=CHANGES, seed=1) != first
    assert fitted(pictures(), augment=CHANGES[::-1]) != first


def test_one_augmentation_needs_no_list() -> None:
    one = augment.Shift(2)
    assert fitted(pictures(), augment=one) == fitted(pictures(), augment=[one])


@pytest.mark.parametrize("kind", ["processes", "threads"])
def test_augmentation_gives_the_same_bits_for_any_workers(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if kind == "processes" and not hasattr(os, "fork"):
        pytest.skip("processes are forked")
    monkeypatch.setattr("minidl.engine.workers.kind", lambda: kind)
    found = set()
    for workers in (1, 2, 4):
        trainer = trainer_of(reader(), lr=0.02, seed=0, workers=workers)
        trainer.fit(pictures(), epochs=2, batch_size=16, augment=CHANGES, progress=False)
        timeless = [
            {name: row[name] for name in ("epoch", "loss", "accuracy", "lr")}
            for row in trainer.history.rows
        ]
        found.add((trainer.model.arrays.sha256(), str(timeless)))
    assert len(found) == 1


def test_every_epoch_is_augmented_anew() -> None:
    seen: list[list[float]] = []

    class Watch(augment.Augmentation):
        """Notes the numbers that it is given."""

        def images(self, images: Array, draw: augment.Draw) -> Array:
            seen.append(draw.uniform().tolist())
            return images

    trainer = trainer_of(reader(), seed=5)
    options: dict[str, Any] = {"batch_size": 24, "augment": Watch(), "progress": False}
    trainer.fit(pictures(), validation=0.1, epochs=2, **options)
    places = [(0, 24), (24, 24), (48, 6)]  # of the 54 that are left; the 6 held out stay
    expected = [augment.Draw(5, epoch, *place) for epoch in (1, 2) for place in places]
    assert seen == [draw.uniform().tolist() for draw in expected]
    trainer.fit(pictures(), **options)
    assert seen[6] == augment.Draw(5, 3, 0, 24).uniform().tolist()


def test_mixup_takes_rows_of_targets() -> None:
    data = Dataset(*pictures()).one_hot()
    trainer = trainer_of(reader(), lr=0.02)
    options: dict[str, Any] = {"batch_size": 20, "progress": False, "augment": augment.Mixup(0.4)}
    history = trainer.fit(data, validation=Dataset(*pictures(20, seed=1)), epochs=15, **options)
    assert history["val_accuracy"][-1] > 0.9
    with pytest.raises(TypeError, match=r"mixup needs float targets, got int64 labels: pass train"):
        trainer.fit(pictures(), **options)


@pytest.mark.parametrize("wrong", [3, "flip", [lambda images: images], augment.Flip])
def test_what_is_no_augmentation(wrong: Any) -> None:
    trainer = trainer_of(reader())
    with pytest.raises(TypeError, match="augment"):
        trainer.fit(pictures(), augment=wrong, progress=False)
    assert not len(trainer.history)


def test_no_thread_is_left_where_training_fails() -> None:
    before = threading.active_count()
    with pytest.raises(FloatingPointError, match="the loss is"):
        trainer_of(reader(), lr=1e30).fit(
            pictures(), epochs=9, batch_size=16, augment=CHANGES, progress=False
        )
    assert threading.active_count() == before


# Names of classes

NAMES = ("ant", "bee", "cat", "dog")


def test_fit_teaches_the_model_the_names_of_classes(tmp_path: Path) -> None:
    assert reader().classes == ()
    model = reader()
    trainer = trainer_of(model)
    trainer.fit(Dataset(*pictures(), classes=NAMES), batch_size=20, progress=False)
    assert model.classes == NAMES
    dl.save(model, tmp_path / "model.safetensors")
    assert dl.load(tmp_path / "model.safetensors").classes == NAMES
    trainer.fit(pictures(), progress=False)  # which has no names
    assert model.classes == NAMES


def test_a_model_keeps_names_given_by_hand(tmp_path: Path) -> None:
    model = reader()
    model.classes = NAMES
    dl.save(model, tmp_path / "model.safetensors")
    assert dl.load(tmp_path / "model.safetensors").classes == NAMES


def test_data_of_other_classes_is_not_measured() -> None:
    trainer = trainer_of(reader())
    trainer.fit(Dataset(*pictures(), classes=NAMES), progress=False)
    other = Dataset(*pictures(), classes=NAMES[::-1])
    message = "has the classes 'dog', 'cat', 'bee', 'ant' instead of 'ant', 'bee', 'cat', 'dog'"
    with pytest.raises(ValueError, match=f"^the data {message}: read it with classes=model.cl"):
        trainer.evaluate(other)
    assert trainer.evaluate(pictures()) == trainer.evaluate(Dataset(*pictures(), classes=NAMES))
    with pytest.raises(ValueError, match=f"^the validation set {message}"):
        trainer.fit(Dataset(*pictures(), classes=NAMES), validation=other, progress=False)
    trainer.fit(pictures(), validation=other, progress=False)  # no names, nothing to compare
    with pytest.raises(ValueError, match=f"^the training set {message}"):
        trainer.fit(other, progress=False)
