"""EarlyStopping, TimeBudget and StopOnNaN: when they end a run, and what they remember."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest

import minidl as dl

DATA = np.ones((8, 2)), np.arange(8.0)[:, None]


def trainer_of(*callbacks: dl.Callback, lr: float = 0.01) -> dl.Trainer:
    model = dl.Sequential([dl.Dense(1)], input_shape=(2,), dtype="float64")
    return dl.Trainer(model, dl.MeanSquaredError(), dl.SGD(lr), callbacks=callbacks, workers=1)


def told(stopping: dl.Callback, values: list[float], column: str, first: int = 1) -> int | None:
    """Tell of epochs with these values; return which one ended the run."""
    trainer = trainer_of()
    for epoch, value in enumerate(values, first):
        stop = stopping.on_epoch_end(dl.EpochEnd(trainer, epoch, {column: value}))
        if stop is not None:
            assert not stop.resumable
            return epoch
    return None


@pytest.mark.parametrize(
    ("values", "options", "expected"),
    [
        ([3, 2, 1, 0.5], {"patience": 0}, None),
        ([3, 3], {"patience": 0}, 2),
        ([3, 4, 2, 3, 3, 1], {"patience": 1}, 5),
        ([3, 4, 2, 3, 1, 2], {"patience": 1}, None),
        ([1, 0.9, 0.8, 0.7], {"patience": 0, "threshold": 0.2}, 2),
        ([1, 0.85, 0.75], {"patience": 1, "threshold": 0.2}, None),
        ([-1, -1.05, -1.3], {"patience": 0, "threshold": 0.2}, 2),
        ([1, 2, 3, 3], {"patience": 0, "mode": "max"}, 4),
        ([math.nan, math.nan, 1], {"patience": 1}, 2),
        ([-math.inf, 5, 6], {"patience": 1}, None),  # minus infinity is not the best for ever
    ],
)
def test_when_it_ends_by_hand(
    values: list[float], options: dict[str, Any], expected: int | None
) -> None:
    assert told(dl.EarlyStopping("loss", **options), values, "loss") == expected


@pytest.mark.parametrize(
    ("column", "rising"),
    [
        *(("loss", False), ("val_loss", False), ("error", False), ("top_1_error", False)),
        *(("accuracy", True), ("val_accuracy", True), ("val_top_5_accuracy", True)),
        *(("val_precision_macro", True), ("recall_binary", True), ("val_f1_weighted", True)),
        ("binary_accuracy", True),
    ],
)
def test_the_name_says_which_way_is_better(column: str, rising: bool) -> None:
    end = told(dl.EarlyStopping(column, patience=0), [1, 2, 3], column)
    assert end == (None if rising else 2)


def test_every_metric_of_the_package_is_known() -> None:
    metrics = [dl.Accuracy(), dl.BinaryAccuracy(), dl.TopK(3), dl.Precision(), dl.Recall(), dl.F1()]
    for metric in metrics:
        assert told(dl.EarlyStopping(metric.name, patience=0), [1, 2], metric.name) is None


def test_the_reason_and_the_best() -> None:
    stopping = dl.EarlyStopping("loss", patience=0)
    trainer = trainer_of(stopping, lr=10.0)
    trainer.fit(DATA, epochs=9, progress=False)
    assert len(trainer.history) == 2
    assert stopping.best == trainer.history["loss"][0]
    assert trainer.stopped is not None
    expected = f"loss has been no better than {stopping.best:.6g} for 1 epochs"
    assert trainer.stopped.reason == expected


def test_a_new_fit_counts_anew() -> None:
    stopping = dl.EarlyStopping("loss", patience=1)
    trainer = trainer_of(stopping, lr=1e-9)
    for _ in range(2):
        trainer.fit(DATA, epochs=9, progress=False)
    assert len(trainer.history) == 6


@pytest.mark.parametrize("cut", range(7))
def test_early_stopping_goes_on_from_its_state(cut: int) -> None:
    values, options = [3.0, 4, 2, 5, 1.99999, 6, 7], {"patience": 3, "mode": "min"}
    expected = told(dl.EarlyStopping("speed", **options), values, "speed")  # type: ignore[arg-type]
    first, second = (dl.EarlyStopping("speed", **options) for _ in range(2))  # type: ignore[arg-type]
    found = told(first, values[:cut], "speed")
    second.on_fit_start(dl.FitStart(trainer_of(), 9, 1, 1))
    second.load_state(json.loads(json.dumps(first.state(), allow_nan=False)))
    assert (found or told(second, values[cut:], "speed", cut + 1)) == expected == 7


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"patience": -1}, "patience must be an integer of at least 0, got -1"),
        ({"threshold": 1}, "threshold must be at least 0 and below 1, got 1"),
        ({"mode": "lowest"}, "mode should be 'auto', 'min' or 'max', got 'lowest'"),
        ({"monitor": None}, "monitor should be the name of a column, got None"),
        ({"monitor": "seconds"}, "'seconds' should fall or rise .* pass mode='min' or mode='max'"),
    ],
)
def test_what_early_stopping_refuses(options: dict[str, Any], message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        dl.EarlyStopping(**options)


def test_a_column_that_is_not_there_is_refused() -> None:
    message = "monitors 'val_loss', and the columns are epoch, loss, .* a validation set"
    with pytest.raises(ValueError, match=message):
        trainer_of(dl.EarlyStopping()).fit(DATA, progress=False)


# The budget


class Clock:
    """A clock that the test sets, in seconds."""

    def __init__(self, *seconds: float) -> None:
        self.seconds = iter(seconds)

    def __call__(self) -> float:
        return next(self.seconds)


def test_a_budget_ends_with_the_step_that_spends_it() -> None:
    """Of 2 steps an epoch; the clock is read when fit begins, after steps and after epochs."""
    clock = Clock(100, 110, 120, 121, 150, 161, 162)
    trainer = trainer_of(dl.TimeBudget(1, clock=clock))
    trainer.fit(DATA, epochs=9, batch_size=4, progress=False)
    assert trainer.stopped == dl.Stop("the time budget of 1 minutes is spent")
    assert trainer.optimizer.state.steps == 4
    assert len(trainer.history) == 2


def test_a_validation_spends_time_too() -> None:
    trainer = trainer_of(dl.TimeBudget(0.5, clock=Clock(0, 1, 31)))
    trainer.fit(DATA, epochs=9, progress=False)
    assert len(trainer.history) == 1


def test_a_budget_starts_again_with_a_new_fit() -> None:
    trainer = trainer_of(dl.TimeBudget(1, clock=Clock(0, 50, 50, 1000, 1050, 1050)))
    for _ in range(2):
        trainer.fit(DATA, progress=False)
        assert trainer.stopped is None


def test_a_resumed_run_has_what_is_left() -> None:
    trainer = trainer_of()
    first = dl.TimeBudget(1, clock=Clock(0, 40))
    first.on_fit_start(dl.FitStart(trainer, 1, 9, 9))
    step = dl.StepEnd(trainer, 1, 1, {})
    assert first.on_step_end(step) is None
    second = dl.TimeBudget(1, clock=Clock(5000, 5019, 5021))
    second.on_fit_start(dl.FitStart(trainer, 1, 9, 9))
    second.load_state(json.loads(json.dumps(first.state())))
    assert second.on_step_end(step) is None
    assert second.on_step_end(step) is not None


@pytest.mark.parametrize(
    ("minutes", "message"),
    [(0, "minutes must be positive and finite, got 0"), ("1", "minutes must be a number")],
)
def test_what_a_budget_refuses(minutes: Any, message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        dl.TimeBudget(minutes)


# Numbers that are none


class Spoil(dl.Callback):
    """Spoils an array after a step."""

    def __init__(self, path: str, value: float, step: int) -> None:
        self.path, self.value, self.step = path, value, step

    def on_step_end(self, event: dl.StepEnd) -> dl.Stop | None:
        if event.trainer.optimizer.state.steps == self.step:
            event.trainer.model.arrays[self.path][-1] = self.value
        return None


@pytest.mark.parametrize(("value", "word"), [(math.nan, "NaN"), (-math.inf, "infinity")])
@pytest.mark.parametrize("path", ["dense1.weight", "dense1.bias"])
def test_the_array_and_the_step_are_named(path: str, value: float, word: str) -> None:
    trainer = trainer_of(Spoil(path, value, 3), dl.StopOnNaN())
    message = rf"after step 3 '{path}' holds {word}: a learning rate lower than 0\.01 would help"
    with pytest.raises(FloatingPointError, match=message):
        trainer.fit(DATA, epochs=3, batch_size=4, progress=False)
    assert len(trainer.history) == 1


def test_buffers_are_looked_at() -> None:
    model = dl.Sequential([dl.BatchNorm(), dl.Dense(1)], input_shape=(2,))
    callbacks = [Spoil("batchnorm1.running_mean", math.nan, 1), dl.StopOnNaN()]
    trainer = dl.Trainer(model, dl.MeanSquaredError(), dl.SGD(0.1), callbacks=callbacks, workers=1)
    with pytest.raises(FloatingPointError, match=r"'batchnorm1\.running_mean' holds NaN"):
        trainer.fit((DATA[0].astype("f4"), DATA[1]), progress=False)


def test_a_row_is_looked_at() -> None:
    event = dl.EpochEnd(trainer_of(), 4, {"loss": 1.0, "val_loss": math.inf})
    with pytest.raises(FloatingPointError, match="val_loss is infinity after epoch 4"):
        dl.StopOnNaN().on_epoch_end(event)


def test_a_healthy_run_is_left_alone() -> None:
    trainer = trainer_of(dl.StopOnNaN())
    trainer.fit(DATA, epochs=3, progress=False)
    assert trainer.stopped is None
