"""find_learning_rate: what it measures, what it leaves as it was, and that its advice works."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import minidl as dl
from minidl.schedules import StepDecay
from minidl.types import Array

X = np.linspace(-1, 1, 640, dtype="float32")[:, None]
LINE = X, 3 * X + 1


def trainer_of(optimizer: dl.Optimizer | None = None, **options: Any) -> dl.Trainer:
    layers = [dl.Dense(8), dl.BatchNorm(), dl.ReLU(), dl.Dropout(0.1), dl.Dense(1)]
    model = dl.Sequential(layers, input_shape=(1,))
    return dl.Trainer(model, dl.MeanSquaredError(), optimizer or dl.SGD(0.01), **options)


def slope(weight: float = 0.0) -> dl.Trainer:
    """Return a trainer of y = weight · x alone, whose steps are computed by hand."""
    model = dl.Sequential([dl.Dense(1, bias=False)], input_shape=(1,), dtype="float64")
    model.arrays["dense1.weight"] = [[weight]]
    return dl.Trainer(model, dl.MeanSquaredError(), dl.SGD(0.3), workers=1)


def test_the_losses_by_hand() -> None:
    """One sample (1, 1): the loss is (w - 1)², and a step w -= rate · 2 (w - 1)."""
    one = np.ones((1, 1))
    found = dl.find_learning_rate(slope(), (one, one), low=0.01, high=1.2, steps=24)
    weight, mean = 0.0, 0.0
    rates: list[float] = []
    losses: list[float] = []
    for step in range(24):
        rate = 0.01 * (1.2 / 0.01) ** (step / 23)
        mean = 0.9 * mean + 0.1 * (weight - 1) ** 2
        smoothed = mean / (1 - 0.9 ** (step + 1))
        if losses and smoothed > 4 * min(losses):
            break
        rates.append(rate)
        losses.append(smoothed)
        weight -= rate * 2 * (weight - 1)
    assert found.rates == pytest.approx(rates, rel=1e-12)
    assert found.losses == pytest.approx(losses, rel=1e-9)
    assert found.suggestion == pytest.approx(rates[int(np.argmin(losses))] / 4, rel=1e-12)


def test_it_ends_where_the_loss_explodes() -> None:
    found = dl.find_learning_rate(slope(), LINE, high=1e6, steps=100)
    assert 10 < len(found.rates) < 100
    assert max(found.losses) <= 4 * min(found.losses) + found.losses[0]
    assert all(map(math.isfinite, found.losses))


@pytest.mark.parametrize(
    "optimizer",
    [
        dl.SGD(0.1, momentum=0.9),
        dl.Adam(dl.schedules.Cosine(0.1)),
        dl.ParameterGroups({"*.bias": dl.SGD(0.1), "*": dl.Adam(0.01)}, clip_norm=1.0),
    ],
    ids=["sgd", "adam", "groups"],
)
@pytest.mark.parametrize("workers", [1, 2])
def test_everything_is_left_as_it_was(optimizer: dl.Optimizer, workers: int) -> None:
    """A run with a search in its middle has the same bits as one without."""
    hashes = []
    for search in (False, True):
        trainer = trainer_of(optimizer, workers=workers)
        trainer.fit(LINE, epochs=1, progress=False)
        before, state = trainer.model.arrays.sha256(), trainer.optimizer.state
        known = (state.steps, state.start, state.total, state.factor, dict(state.updates))
        if search:
            dl.find_learning_rate(trainer, LINE, steps=40)
        assert trainer.model.arrays.sha256() == before
        assert trainer.optimizer.state is state
        assert known == (state.steps, state.start, state.total, state.factor, state.updates)
        assert len(trainer.history) == 1
        trainer.fit(LINE, epochs=1, progress=False)
        hashes.append(trainer.model.arrays.sha256())
    assert hashes[0] == hashes[1]


def test_it_is_left_as_it_was_by_a_search_that_fails() -> None:
    trainer = slope(1.0)
    before = trainer.model.arrays.sha256()
    with pytest.raises(ValueError, match=r"the loss fell with no rate from 100 on: choose a lower"):
        dl.find_learning_rate(trainer, (X, 3 * X), low=100, high=1e4)
    assert trainer.model.arrays.sha256() == before


def test_the_same_seed_finds_the_same() -> None:
    first, second = (dl.find_learning_rate(trainer_of(seed=3, workers=w), LINE) for w in (1, 2))
    assert first == second


def test_the_rates_of_groups_keep_their_ratio() -> None:
    """A group at a tenth of the first's rate, which is frozen; its schedule stays at the start."""
    groups = dl.ParameterGroups({"none.*": dl.SGD(1.0), "*": dl.SGD(StepDecay(0.1, every=5))})
    layers = [("none", dl.Dense(1, bias=False)), ("some", dl.Dense(1, bias=False))]
    graph = dl.Graph(input_shape=(1,), dtype="float64")
    for name, layer in layers:
        graph.add(name, layer)
        graph.arrays[f"{name}.weight"] = [[1.0]]
    graph.freeze("none")
    trainer = dl.Trainer(graph, dl.MeanSquaredError(), groups, workers=1)
    plain = slope(1.0)
    options: dict[str, Any] = {"steps": 20}
    slow = dl.find_learning_rate(trainer, LINE, low=1e-3, high=1.0, **options)
    fast = dl.find_learning_rate(plain, LINE, low=1e-4, high=0.1, **options)
    assert slow.losses == pytest.approx(fast.losses, rel=1e-9)


@pytest.mark.parametrize("optimizer", [dl.SGD(1e-9, momentum=0.9), dl.Adam(1e-9)], ids=repr)
def test_the_suggestion_trains_digits(optimizer: dl.Optimizer) -> None:
    """Better than a rate ten times lower, and than one ten times higher."""
    data, loss = pictures(), dl.SoftmaxCrossEntropy()

    def trainer(rate: float) -> dl.Trainer:
        return dl.Trainer(dl.models.mlp((8, 8, 1)), loss, optimizer.replace(lr=rate), workers=1)

    rate = dl.find_learning_rate(trainer(1e-9), data).suggestion
    reached = {}
    for factor in (0.1, 1, 10):
        history = trainer(factor * rate).fit(data, epochs=3, progress=False)
        reached[factor] = history["accuracy"][-1]
    assert reached[1] == max(reached.values()) > 0.85


def pictures() -> tuple[Array, Array]:
    """Return the digits that come with the package, every third pixel of them."""
    train, _ = dl.data.load("digits")
    return train.inputs[:4000, 2:26:3, 2:26:3], train.targets[:4000]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"low": 0}, "low must be positive and finite, got 0"),
        ({"low": 1, "high": 1}, "low should be below high, got 1 and 1"),
        ({"steps": 9}, "steps must be an integer of at least 10, got 9"),
        ({"batch_size": 0}, "batch_size must be an integer of at least 1, got 0"),
        ({"data": (X, X[:-1])}, "639"),
        ({"trainer": dl.Dense(1)}, "find_learning_rate takes a Trainer and data, got Dense"),
    ],
)
def test_what_is_refused(options: dict[str, Any], message: str) -> None:
    given = {"trainer": slope(), "data": LINE, **options}
    with pytest.raises((ValueError, TypeError), match=message):
        dl.find_learning_rate(given.pop("trainer"), given.pop("data"), **given)
