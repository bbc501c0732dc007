"""ReduceOnPlateau: when it lowers the rate, by how much, with which schedules, what it refuses.

It is told of epochs as the trainer tells it, with values of the test's choice.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minidl as dl
from minidl.schedules import Cosine, Schedule, StepDecay


def trainer_of(lr: float | Schedule = 1.0, **options: Any) -> dl.Trainer:
    model = dl.Sequential([dl.Dense(1)], input_shape=(2,), dtype="float64")
    return dl.Trainer(model, dl.MeanSquaredError(), dl.SGD(lr), **options)


def rates(values: list[float], lr: float = 1.0, **options: Any) -> list[float]:
    """Return the rate after each epoch, where the monitored column had these values."""
    plateau = dl.ReduceOnPlateau("loss", **options)
    trainer = trainer_of(lr)
    plateau.on_fit_start(dl.FitStart(trainer, len(values), 1, 1))
    found = []
    for epoch, value in enumerate(values, 1):
        assert plateau.on_epoch_end(dl.EpochEnd(trainer, epoch, {"loss": value})) is None
        found.append(trainer.optimizer.rate())
    return found


@pytest.mark.parametrize(
    ("values", "options", "expected"),
    [
        ([3, 2, 1, 0.5], {"patience": 0}, [1, 1, 1, 1]),
        ([1, 1, 1, 1], {"patience": 0}, [1, 0.5, 0.25, 0.125]),
        ([1, 1, 1, 1, 1, 1], {"patience": 1}, [1, 1, 0.5, 0.5, 0.25, 0.25]),
        ([1, 2, 0.9, 2, 2], {"patience": 1}, [1, 1, 1, 1, 0.5]),  # a better one starts the count
        ([1, 0.8, 0.8, 0.7], {"patience": 0, "threshold": 0.25}, [1, 0.5, 0.25, 0.25]),
        ([1, 2, 2, 2, 2, 2], {"patience": 0, "cooldown": 2}, [1, 0.5, 0.5, 0.5, 0.25, 0.25]),
        ([1, 1, 1, 1], {"patience": 0, "least": 0.3}, [1, 0.5, 0.3, 0.3]),
        ([1, 1, 1], {"patience": 0, "least": 2.0}, [1, 1, 1]),
        ([1, 2, 2, 3], {"patience": 0, "mode": "max"}, [1, 1, 0.5, 0.5]),
        ([0.5, 0.6, 0.7], {"patience": 0, "mode": "max", "threshold": 0.25}, [1, 0.5, 0.5]),
        ([math.nan, 1, math.nan], {"patience": 0}, [0.5, 0.5, 0.25]),
        ([-1, -0.99999, -2], {"patience": 0}, [1, 0.5, 0.5]),  # not better, where PyTorch's is
        ([0, 0, -1], {"patience": 0}, [1, 0.5, 0.5]),
    ],
)
def test_rates_by_hand(values: list[float], options: dict[str, Any], expected: list[float]) -> None:
    assert rates(values, factor=0.5, **options) == pytest.approx(expected, rel=1e-15)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_parity_with_pytorch(data: st.DataObject) -> None:
    torch = pytest.importorskip("torch")
    values = data.draw(
        st.lists(st.floats(0.01, 10) | st.sampled_from([1.0, 1.001, 2.0]), min_size=5, max_size=40)
    )
    options = {
        "factor": data.draw(st.floats(0.1, 0.9)),
        "patience": data.draw(st.integers(0, 3)),
        "threshold": data.draw(st.sampled_from([0.0, 1e-4, 0.1])),
        "cooldown": data.draw(st.integers(0, 3)),
        "mode": data.draw(st.sampled_from(["min", "max"])),
    }
    least = data.draw(st.sampled_from([0.0, 1e-3, 0.2]))
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.5)
    there = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, min_lr=least, eps=0, **options)
    expected = []
    for value in values:
        there.step(value)
        expected.append(optimizer.param_groups[0]["lr"])
    assert rates(values, 0.5, least=least, **options) == pytest.approx(expected, rel=1e-12)


DATA = np.ones((8, 2)), np.arange(8.0)[:, None]


class Losses(dl.Callback):
    """Writes its own losses into the history, before the next callback reads them."""

    def __init__(self, *losses: float) -> None:
        self.losses = losses

    def on_epoch_end(self, event: dl.EpochEnd) -> dl.Stop | None:
        event.row["val_loss"] = self.losses[event.epoch - 1]
        return None


@pytest.mark.parametrize(
    ("lr", "plain"),
    [
        (0.1, [0.1] * 6),
        (StepDecay(0.1, every=4, factor=0.5), [0.1, 0.1, 0.05, 0.05, 0.025, 0.025]),
        (Cosine(0.1), [0.05 * (1 + np.cos(np.pi * epoch / 6)) for epoch in range(6)]),
    ],
    ids=repr,
)
def test_it_goes_with_any_schedule(lr: float | Schedule, plain: list[float]) -> None:
    """Two steps an epoch; no better after epochs 2, 4 and 5, with a patience of 0."""
    losses = Losses(5, 5, 4, 4, 4, 1)
    plateau = dl.ReduceOnPlateau(factor=0.1, patience=0)
    trainer = trainer_of(lr, callbacks=[losses, plateau])
    history = trainer.fit(DATA, epochs=6, batch_size=4, progress=False)
    factors = np.array([1, 1, 0.1, 0.1, 0.01, 0.001])
    assert history["lr"] == pytest.approx(list(plain * factors), rel=1e-12)


def test_steps_are_taken_with_the_lower_rate() -> None:
    """A mean that is fitted by hand: w moves by rate · 2 · (w - 1), here with no bias."""
    model = dl.Sequential([dl.Dense(1, bias=False)], input_shape=(1,), dtype="float64")
    model.arrays["dense1.weight"] = [[3.0]]
    plateau = dl.ReduceOnPlateau("loss", factor=0.5, patience=0, threshold=0.9)
    callbacks = [plateau]
    trainer = dl.Trainer(model, dl.MeanSquaredError(), dl.SGD(0.1), callbacks=callbacks)
    trainer.fit((np.ones((1, 1)), np.ones((1, 1))), epochs=3, progress=False)
    expected = 1 + 2 * (1 - 2 * 0.1) * (1 - 2 * 0.1) * (1 - 2 * 0.05)
    assert model.arrays["dense1.weight"].item() == pytest.approx(expected, rel=1e-12)


def test_the_rates_of_all_groups_fall() -> None:
    groups = dl.ParameterGroups({"*.bias": dl.SGD(0.1), "*": dl.Adam(Cosine(0.01))})
    model = dl.Sequential([dl.Dense(1)], input_shape=(2,))
    callbacks = [Losses(1, 1), dl.ReduceOnPlateau(factor=0.1, patience=0)]
    trainer = dl.Trainer(model, dl.MeanSquaredError(), groups, callbacks=callbacks)
    trainer.fit((DATA[0].astype("f4"), DATA[1]), epochs=2, progress=False)
    first, second = trainer.optimizer.parts
    trainer.optimizer.state.steps -= 1
    assert (first.rate(), second.rate()) == pytest.approx((0.01, 0.0005))


def test_a_new_fit_starts_from_the_full_rate() -> None:
    plateau = dl.ReduceOnPlateau(factor=0.1, patience=1)
    trainer = trainer_of(0.1, callbacks=[Losses(1, 1, 1, 1, 1, 1), plateau])
    for _ in range(2):
        trainer.fit(DATA, epochs=3, progress=False)
        assert trainer.optimizer.state.factor == pytest.approx(0.1)
    assert trainer.history["lr"] == [0.1] * 6


def test_an_accuracy_rises_without_a_word_on_it() -> None:
    plateau, trainer = dl.ReduceOnPlateau("val_accuracy", factor=0.5, patience=0), trainer_of(1.0)
    for epoch, value in enumerate([0.5, 0.6, 0.7], 1):
        plateau.on_epoch_end(dl.EpochEnd(trainer, epoch, {"val_accuracy": value}))
        assert trainer.optimizer.rate() == 1


def test_a_column_that_is_not_there_is_refused() -> None:
    trainer = trainer_of(0.1, callbacks=[dl.ReduceOnPlateau()])
    message = "monitors 'val_loss', and the columns are epoch, loss, .*lr, .* a validation set"
    with pytest.raises(ValueError, match=message):
        trainer.fit(DATA, progress=False)
    assert len(trainer.history) == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"factor": 0}, "factor must be positive and finite, got 0"),
        ({"factor": 1.0}, "factor should lie between 0 and 1, got 1.0"),
        ({"factor": math.nan}, "factor must be positive and finite, got nan"),
        ({"patience": -1}, "patience must be an integer of at least 0, got -1"),
        ({"patience": 1.5}, "patience must be an integer of at least 0, got 1.5"),
        ({"threshold": 1}, "threshold must be at least 0 and below 1, got 1"),
        ({"cooldown": -1}, "cooldown must be an integer of at least 0, got -1"),
        ({"least": math.inf}, "least must be at least 0 and finite, got inf"),
        ({"mode": "least"}, "mode should be 'auto', 'min' or 'max', got 'least'"),
        ({"monitor": "speed"}, "'speed' should fall or rise does not show in its name: pass mode="),
        ({"monitor": 3}, "monitor should be the name of a column, got 3"),
    ],
)
def test_what_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        dl.ReduceOnPlateau(**options)
