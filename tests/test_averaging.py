"""WeightAverage: what it averages, what is measured with it, and what it leaves behind."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minidl as dl
from minidl.types import Array

Arrays = dict[str, Array]


def pictures(count: int = 44, seed: int = 0) -> tuple[Array, Array]:
    """Return images (count, 9, 9, 1) with a bar whose row is the label, of 3; not normalised."""
    labels = np.arange(count) % 3
    images = np.random.default_rng(seed).normal(2, 1, (count, 9, 9, 1)).astype(np.float32)
    for image, label in zip(images, labels):
        image[3 * label + 1] += 3
    return images, labels


def network(dtype: str = "float32") -> dl.Graph:
    """Return a model with buffers and dropout."""
    layers = [
        *(dl.Conv2d(3, 3), dl.BatchNorm(), dl.ReLU(), dl.MaxPool2d(2)),
        *(dl.Flatten(), dl.Dropout(0.2), dl.Dense(3)),
    ]
    return dl.Sequential(layers, input_shape=(9, 9, 1), dtype=dtype)


def copies(model: dl.Graph) -> Arrays:
    return {path: array.copy() for path, array in model.arrays.items()}


def same(a: dict[str, Any], b: dict[str, Any]) -> bool:
    return a.keys() == b.keys() and all(np.array_equal(a[path], b[path]) for path in a)


class Watch(dl.Callback):
    """Copies the model's arrays after each step, and raises or stops where it is told to."""

    def __init__(self, stop_at: int = 0, raise_at: str = "") -> None:
        self.seen: list[Arrays] = []
        self.stop_at, self.raise_at = stop_at, raise_at

    def on_step_end(self, event: dl.StepEnd) -> dl.Stop | None:
        self.seen.append(copies(event.trainer.model))
        if self.raise_at == "step" and len(self.seen) == 2:
            raise RuntimeError("out of paper")
        return dl.Stop("enough") if len(self.seen) == self.stop_at else None

    def on_validation_start(self, event: dl.ValidationStart) -> None:
        if self.raise_at == "validation":
            raise RuntimeError("out of paper")


def fitted(*callbacks: dl.Callback, **options: Any) -> dl.Trainer:
    """Train for two epochs of three steps."""
    optimizer = dl.SGD(0.05, momentum=0.9)
    trainer = dl.Trainer(network(), dl.SoftmaxCrossEntropy(), optimizer, callbacks=callbacks)
    trainer.fit(pictures(), **{"epochs": 2, "batch_size": 16, "progress": False, **options})
    return trainer


def averaged(seen: list[Arrays], decay: float = 0.9, warm_up: bool = False) -> Arrays:
    """Average by the definition, in the arrays' own type."""
    found = {path: array.copy() for path, array in seen[0].items()}
    for update, arrays in enumerate(seen[1:], 1):
        kept = min(decay, (1 + update) / (10 + update)) if warm_up else decay
        for path, array in arrays.items():
            found[path] += (1 - kept) * (array - found[path])
    return found


@pytest.mark.parametrize("warm_up", [False, True])
def test_it_is_what_a_plain_loop_computes(warm_up: bool) -> None:
    watch, average = Watch(), dl.WeightAverage(0.9, warm_up=warm_up)
    trainer = fitted(average, watch)
    expected = averaged(watch.seen, 0.9, warm_up)
    assert len(watch.seen) == 6
    assert "batchnorm1.running_variance" in expected
    assert same(average.arrays, expected)
    assert same(dict(trainer.model.arrays), expected)
    assert {array.dtype for array in average.arrays.values()} == {np.dtype("float32")}
    assert not same(expected, watch.seen[-1])


def test_an_average_with_no_decay_is_the_last_weights() -> None:
    watch = Watch()
    model = fitted(watch, dl.WeightAverage(0.0)).model
    for path, array in watch.seen[-1].items():
        np.testing.assert_allclose(model.arrays[path], array, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("workers", [1, 3])
def test_training_is_the_same_with_and_without(workers: int) -> None:
    plain, beside = Watch(), Watch()
    held, losses = pictures(9, seed=1), []
    for callbacks in ([plain], [dl.WeightAverage(0.5), beside]):
        trainer = dl.Trainer(
            network(), dl.SoftmaxCrossEntropy(), dl.Adam(0.01), callbacks=callbacks, workers=workers
        )
        trainer.fit(pictures(), validation=held, epochs=3, batch_size=16, progress=False)
        losses.append(trainer.history["loss"])
    assert losses[0] == losses[1]
    assert all(same(one, other) for one, other in zip(plain.seen, beside.seen))


@pytest.mark.parametrize("workers", [1, 3])
def test_the_validation_measures_the_averages(workers: int) -> None:
    """In every epoch, and over several batches; the same as the arrays in a model of their own."""

    class After(dl.Callback):
        def on_epoch_end(self, event: dl.EpochEnd) -> dl.Stop | None:
            kept.append({path: array.copy() for path, array in average.arrays.items()})
            return None

    kept: list[Arrays] = []
    average, held = dl.WeightAverage(0.8), pictures(40, seed=1)
    options = {"callbacks": [average, After()], "workers": workers}
    trainer = dl.Trainer(network(), dl.SoftmaxCrossEntropy(), dl.SGD(0.05), **options)  # type: ignore[arg-type]
    trainer.fit(pictures(), validation=held, epochs=3, batch_size=16, progress=False)
    alone = network()
    judge = dl.Trainer(alone, dl.SoftmaxCrossEntropy(), dl.SGD(0.05))
    for arrays, row in zip(kept, trainer.history):
        for path, array in arrays.items():
            alone.arrays[path] = array
        found = judge.evaluate(held, batch_size=16)
        assert (row["val_loss"], row["val_accuracy"]) == (found["loss"], found["accuracy"])
    assert judge.evaluate(held, batch_size=16) == trainer.evaluate(held, batch_size=16)


def test_the_events_of_the_validation_come_before_that_of_the_epoch() -> None:
    class Diary(dl.Callback):
        def on_validation_start(self, event: dl.ValidationStart) -> None:
            lines.append(f"start {event.epoch}")

        def on_validation_end(self, event: dl.ValidationEnd) -> None:
            lines.append(f"end {event.epoch}")

        def on_epoch_end(self, event: dl.EpochEnd) -> dl.Stop | None:
            lines.append(f"epoch {event.epoch}")
            return None

    lines: list[str] = []
    fitted(Diary(), validation=0.2)
    fitted(Diary(), epochs=1)
    assert lines == ["start 1", "end 1", "epoch 1", "start 2", "end 2", "epoch 2", "epoch 1"]


def test_a_stopped_run_leaves_the_averages() -> None:
    watch, average = Watch(stop_at=4), dl.WeightAverage(0.9)
    trainer = fitted(watch, average, epochs=5)
    assert len(watch.seen) == 4
    assert same(dict(trainer.model.arrays), averaged(watch.seen))


@pytest.mark.parametrize("order", ["average first", "average last"])
def test_a_raise_in_a_step_leaves_the_averages(order: str) -> None:
    watch, average = Watch(raise_at="step"), dl.WeightAverage(0.9)
    callbacks = [average, watch] if order == "average first" else [watch, average]
    trainer = dl.Trainer(network(), dl.SoftmaxCrossEntropy(), dl.SGD(0.05), callbacks=callbacks)
    with pytest.raises(RuntimeError, match="out of paper"):
        trainer.fit(pictures(), batch_size=16, progress=False)
    seen = watch.seen if order == "average first" else watch.seen[:1]
    assert same(dict(trainer.model.arrays), averaged(seen))


@pytest.mark.parametrize("order", ["average first", "average last"])
def test_a_raise_in_the_validation_puts_the_weights_back(order: str) -> None:
    """Seen by a callback that hears the end of it, before the end of the run."""

    class After(Watch):
        def on_validation_end(self, event: dl.ValidationEnd) -> None:
            back.append(copies(event.trainer.model))

    back: list[Arrays] = []
    watch, average = Watch(raise_at="validation"), dl.WeightAverage(0.9)
    ordered = [average, watch] if order == "average first" else [watch, average]
    callbacks = [after := After(), *ordered]
    trainer = dl.Trainer(network(), dl.SoftmaxCrossEntropy(), dl.SGD(0.05), callbacks=callbacks)
    with pytest.raises(RuntimeError, match="out of paper"):
        trainer.fit(pictures(), validation=0.2, batch_size=16, progress=False)
    assert [same(arrays, after.seen[-1]) for arrays in back] == [True]
    assert same(dict(trainer.model.arrays), averaged(after.seen))
    trainer.callbacks = ()
    trainer.fit(pictures(), batch_size=16, progress=False)
    assert math.isfinite(trainer.history["loss"][-1])


def test_a_fit_that_does_not_begin_leaves_the_model_alone() -> None:
    class Unready(dl.Callback):
        def on_fit_start(self, event: dl.FitStart) -> dl.Stop | None:
            raise RuntimeError("not today")

    average = dl.WeightAverage(0.9)
    trainer = fitted(average)
    trainer.model.arrays["dense1.bias"] = np.arange(3.0)
    before = trainer.model.arrays.sha256()
    trainer.callbacks = (Unready(), average)
    with pytest.raises(RuntimeError, match="not today"):
        trainer.fit(pictures(), batch_size=16, progress=False)
    assert trainer.model.arrays.sha256() == before


def test_every_fit_averages_anew() -> None:
    watch, average = Watch(), dl.WeightAverage(0.9)
    trainer = fitted(watch, average)
    watch.seen.clear()
    trainer.fit(pictures(), batch_size=16, progress=False)
    assert len(watch.seen) == 3
    assert same(average.arrays, averaged(watch.seen))


def test_freezing_in_the_middle_of_a_run() -> None:
    """The plan is made anew, in other memory."""

    class Freeze(dl.Callback):
        def on_epoch_end(self, event: dl.EpochEnd) -> dl.Stop | None:
            event.trainer.model.freeze("conv*")
            return None

    watch, average = Watch(), dl.WeightAverage(0.9)
    trainer = fitted(watch, average, Freeze())
    assert same(dict(trainer.model.arrays), averaged(watch.seen))


@settings(max_examples=20, deadline=None)
@given(st.floats(0, 0.9999), st.integers(1, 8))
def test_parity_with_pytorch(decay: float, steps: int) -> None:
    torch = pytest.importorskip("torch")
    swa = torch.optim.swa_utils
    model = dl.Sequential([dl.Dense(2), dl.BatchNorm()], input_shape=(3,), dtype="float64")
    twin = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2)).double()
    there = swa.AveragedModel(twin, multi_avg_fn=swa.get_ema_multi_avg_fn(decay), use_buffers=True)
    names = {
        **{"dense1.weight": "0.weight", "dense1.bias": "0.bias"},
        **{f"batchnorm1.{name}": f"1.{name}" for name in ("weight", "bias", "running_mean")},
        "batchnorm1.running_variance": "1.running_var",
    }
    assert set(names) == set(model.arrays)
    average = dl.WeightAverage(decay)
    trainer = dl.Trainer(model, dl.MeanSquaredError(), dl.SGD(0.1))
    average.on_fit_start(dl.FitStart(trainer, 1, steps, steps))
    rng = np.random.default_rng(steps)
    for _ in range(steps):
        for path, name in names.items():
            value = rng.standard_normal(model.arrays[path].shape)
            model.arrays[path] = value
            twin.state_dict()[name].copy_(torch.tensor(value.T.copy()))
        average.on_step_end(dl.StepEnd(trainer, 1, 1, {}))
        there.update_parameters(twin)
    for path, name in names.items():
        expected = there.module.state_dict()[name].numpy().T
        np.testing.assert_allclose(average.arrays[path], expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"decay": 1}, "decay must be at least 0 and below 1, got 1"),
        ({"decay": -0.1}, "decay must be at least 0 and below 1, got -0.1"),
        ({"decay": math.nan}, "decay must be at least 0 and below 1, got nan"),
        ({"decay": "0.9"}, "decay must be a number, at least 0 and below 1, got '0.9'"),
        ({"warm_up": 10}, "warm_up must be True or False, got 10"),
    ],
)
def test_what_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        dl.WeightAverage(**options)
