"""KeepBest: which arrays it keeps, where it puts them, and what it remembers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minidl as dl
from minidl.types import Array

Arrays = dict[str, Array]


def pictures(count: int = 36, seed: int = 0) -> tuple[Array, Array]:
    """Return images (count, 6, 6, 1) with a bar whose row is the label, of 3."""
    labels = np.arange(count) % 3
    images = np.random.default_rng(seed).normal(2, 1, (count, 6, 6, 1)).astype(np.float32)
    for image, label in zip(images, labels):
        image[2 * label] += 2
    return images, labels


def network() -> dl.Graph:
    layers = [dl.Conv2d(2, 3), dl.BatchNorm(), dl.ReLU(), dl.Flatten(), dl.Dense(3)]
    return dl.Sequential(layers, input_shape=(6, 6, 1))


def same(one: Any, other: Any) -> bool:
    return list(one) == list(other) and all(np.array_equal(one[k], other[k]) for k in one)


class Losses(dl.Callback):
    """Writes its own losses into the history, and copies the arrays that are measured."""

    def __init__(self, *losses: float, column: str = "val_loss") -> None:
        self.losses, self.column = losses, column
        self.measured: list[Arrays] = []
        self.raw: list[Arrays] = []

    def on_validation_start(self, event: dl.ValidationStart) -> None:
        self.measured.append(event.trainer.model.arrays.copies())

    def on_epoch_end(self, event: dl.EpochEnd) -> dl.Stop | None:
        event.row[self.column] = self.losses[event.epoch - 1]
        self.raw.append(event.trainer.model.arrays.copies())
        return None


def fitted(*callbacks: dl.Callback, epochs: int = 4, validation: Any = 0.25) -> dl.Trainer:
    trainer = dl.Trainer(
        network(), dl.SoftmaxCrossEntropy(), dl.SGD(0.05), callbacks=callbacks, workers=1
    )
    trainer.fit(pictures(), epochs=epochs, batch_size=9, validation=validation, progress=False)
    return trainer


def test_the_best_epoch_is_what_is_left() -> None:
    losses, keep = Losses(3, 1, 2, 1), dl.KeepBest()
    trainer = fitted(losses, keep)
    assert (keep.best, keep.epoch) == (1, 2)  # the first of equals
    assert same(keep.arrays, losses.raw[1])
    assert same(trainer.model.arrays, losses.raw[1])
    assert not same(losses.raw[1], losses.raw[3])


def test_an_accuracy_is_best_where_it_is_highest() -> None:
    losses, keep = Losses(0.1, 0.7, 0.8, 0.2, column="val_accuracy"), dl.KeepBest("val_accuracy")
    fitted(losses, keep)
    assert (keep.best, keep.epoch) == (0.8, 3)


def test_without_a_validation_a_training_column_does() -> None:
    losses, keep = Losses(3, 1, 2, 1, column="loss"), dl.KeepBest("loss")
    trainer = fitted(losses, keep, validation=None)
    assert same(trainer.model.arrays, losses.raw[1])


def test_the_model_may_be_left_as_it_is() -> None:
    losses, keep = Losses(3, 1, 2, 1), dl.KeepBest(restore=False)
    trainer = fitted(losses, keep)
    assert same(keep.arrays, losses.raw[1])
    assert same(trainer.model.arrays, losses.raw[3])


def test_the_averages_are_kept_that_were_measured(tmp_path: Path) -> None:
    path = tmp_path / "best.safetensors"
    average, losses, keep = dl.WeightAverage(0.8), Losses(3, 1, 2, 1), dl.KeepBest(path=path)
    trainer = fitted(average, losses, keep)
    assert same(keep.arrays, losses.measured[1])
    assert not same(losses.measured[1], losses.raw[1])
    assert same(trainer.model.arrays, losses.measured[1])
    assert same(dl.load(path).arrays, losses.measured[1])


def test_its_row_can_be_measured_again() -> None:
    keep, held = dl.KeepBest(), pictures(12, seed=1)
    trainer = fitted(dl.WeightAverage(0.5), keep, validation=held)
    assert trainer.evaluate(held, batch_size=9)["loss"] == keep.best


def test_an_average_behind_it_is_refused() -> None:
    with pytest.raises(ValueError, match=r"KeepBest comes before WeightAverage .* put it after"):
        fitted(dl.KeepBest(), dl.WeightAverage())


def test_training_is_the_same_with_a_file(tmp_path: Path) -> None:
    path = tmp_path / "best.safetensors"
    with_file, plain = Losses(3, 2, 1, 4), Losses(3, 2, 1, 4)
    trainer = fitted(with_file, dl.KeepBest(path=path))
    fitted(plain)
    assert all(same(one, other) for one, other in zip(with_file.raw, plain.raw))
    assert same(dl.load(path).arrays, plain.raw[2])
    assert same(trainer.model.arrays, plain.raw[2])
    assert [file.name for file in tmp_path.iterdir()] == ["best.safetensors"]


def test_a_file_is_written_for_better_epochs_alone(tmp_path: Path) -> None:
    class Remove(dl.Callback):
        def on_epoch_end(self, event: dl.EpochEnd) -> dl.Stop | None:
            if path.exists():
                written.append(event.epoch)
                path.unlink()
            return None

    path, written = tmp_path / "best.safetensors", list[int]()
    fitted(Losses(3, 4, 2, 2), dl.KeepBest(path=path), Remove())
    assert written == [1, 3]


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no folder .* to write best\.safetensors to"):
        fitted(dl.KeepBest(path=tmp_path / "none" / "best.safetensors"))


def test_a_run_that_breaks_leaves_the_best() -> None:
    class Break(dl.Callback):
        def on_step_end(self, event: dl.StepEnd) -> dl.Stop | None:
            if event.epoch == 4:
                raise RuntimeError("out of paper")
            return None

    losses, keep = Losses(3, 1, 2), dl.KeepBest()
    trainer = dl.Trainer(
        network(), dl.SoftmaxCrossEntropy(), dl.SGD(0.05), callbacks=[losses, keep, Break()]
    )
    with pytest.raises(RuntimeError, match="out of paper"):
        trainer.fit(pictures(), epochs=4, validation=0.25, progress=False)
    assert same(trainer.model.arrays, losses.raw[1])


def test_a_fit_that_does_not_begin_leaves_the_model() -> None:
    class Refuse(dl.Callback):
        def on_fit_start(self, event: dl.FitStart) -> dl.Stop | None:
            if event.trainer.history.rows:
                raise RuntimeError("out of paper")
            return None

    refuse, keep = Refuse(), dl.KeepBest()
    trainer = fitted(Losses(3, 1, 2, 1), refuse, keep)
    bias = trainer.model.arrays["dense1.bias"]
    bias[...] = 7
    with pytest.raises(RuntimeError, match="out of paper"):
        trainer.fit(pictures(), validation=0.25, progress=False)
    assert (bias == 7).all()


def test_a_new_fit_compares_anew() -> None:
    losses, keep = Losses(1, 1, 5, 4), dl.KeepBest()
    trainer = fitted(losses, keep, epochs=2)
    trainer.fit(pictures(), epochs=2, validation=0.25, progress=False)
    assert (keep.best, keep.epoch) == (4, 4)


@pytest.mark.parametrize("cut", [0, 1, 2, 3])
def test_it_goes_on_from_its_state(cut: int) -> None:
    losses = [3.0, 1.0, 2.0, 0.5] if cut % 2 else [3.0, 1.0, 2.0, 1.0]
    trainer = dl.Trainer(network(), dl.SoftmaxCrossEntropy(), dl.SGD(0.05))
    bias = trainer.model.arrays["dense1.bias"]

    def tell(keep: dl.KeepBest, epochs: range) -> None:
        for epoch in epochs:
            bias[...] = epoch
            keep.on_validation_start(dl.ValidationStart(trainer, epoch))
            bias[...] = -epoch
            keep.on_epoch_end(dl.EpochEnd(trainer, epoch, {"val_loss": losses[epoch - 1]}))

    first, second, whole = (dl.KeepBest() for _ in range(3))
    for keep in (first, second, whole):
        keep.on_fit_start(dl.FitStart(trainer, 4, 1, 1))
    tell(whole, range(1, 5))
    tell(first, range(1, cut + 1))
    state = first.state()
    plain = json.loads(json.dumps({**state, "arrays": {}}, allow_nan=False))
    second.load_state({**plain, "arrays": {k: np.array(v) for k, v in state["arrays"].items()}})
    tell(second, range(cut + 1, 5))
    assert (second.best, second.epoch) == (whole.best, whole.epoch)
    assert same(second.arrays, whole.arrays)
    second.on_fit_end(dl.FitEnd(trainer))
    assert (bias == whole.epoch).all()


@pytest.mark.parametrize("kill", range(1, 9))
def test_a_killed_run_ends_like_one_that_was_not(tmp_path: Path, kill: int) -> None:
    """Killed after any of 9 steps, and resumed from a checkpoint of every second."""

    class Kill(dl.Callback):
        def __init__(self, step: int) -> None:
            self.step = step

        def on_step_end(self, event: dl.StepEnd) -> dl.Stop | None:
            if event.trainer.optimizer.state.steps == self.step:
                raise InterruptedError("killed")
            return None

    def run(name: str, kill: int) -> tuple[dl.Trainer, dl.KeepBest]:
        keep = dl.KeepBest("val_accuracy", path=tmp_path / f"{name}-best.safetensors")
        checkpoint = dl.Checkpoint(tmp_path / f"{name}.safetensors", every_steps=2)
        average, enough = dl.WeightAverage(0.5), dl.EarlyStopping(patience=1)
        callbacks = [average, keep, enough, Kill(kill), checkpoint]
        model, loss = network(), dl.SoftmaxCrossEntropy()
        return dl.Trainer(model, loss, dl.SGD(0.3), callbacks=callbacks, workers=1), keep

    options: dict[str, Any] = {"validation": 0.25, "epochs": 3, "batch_size": 9, "progress": False}
    whole, best = run("whole", -1)
    whole.fit(pictures(), **options)
    with pytest.raises(InterruptedError, match="killed"):
        run("cut", kill)[0].fit(pictures(), **options)
    again, kept = run("cut", -1)
    again.restore(tmp_path / "cut.safetensors")
    again.fit(pictures(), **options)
    assert again.model.arrays.sha256() == whole.model.arrays.sha256()
    assert again.history["val_loss"] == whole.history["val_loss"]
    assert (kept.best, kept.epoch, again.stopped) == (best.best, best.epoch, whole.stopped)
    one, other = (dl.load(tmp_path / f"{name}-best.safetensors") for name in ("whole", "cut"))
    assert one.arrays.sha256() == other.arrays.sha256() == whole.model.arrays.sha256()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mode": "best"}, "mode should be 'auto', 'min' or 'max', got 'best'"),
        ({"monitor": "lr"}, "'lr' should fall or rise does not show in its name"),
        ({"restore": 1}, "restore must be True or False, got 1"),
    ],
)
def test_what_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        dl.KeepBest(**options)
