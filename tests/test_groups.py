"""Parameter groups: which optimizer each parameter has, and what is refused."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from drawn import normal

import minidl as dl
from minidl.engine.updates import remembered
from minidl.schedules import ConstantRate, ExponentialDecay
from minidl.types import Array

PATHS = ["conv1.weight", "conv1.bias", "norm1.weight", "dense1.weight", "dense1.bias"]


def ones() -> dict[str, Array]:
    return {path: np.ones(2) for path in PATHS}


def test_the_first_match_wins() -> None:
    """Each group has a rate of its own, so that the steps tell them apart."""
    groups = {"*.bias": dl.SGD(1.0), ("conv*", "norm1"): dl.SGD(2.0), "*": dl.SGD(3.0)}
    optimizer, found = dl.ParameterGroups(groups), ones()
    optimizer.step(found, ones())
    assert [1 - array[0] for array in found.values()] == [2.0, 1.0, 2.0, 3.0, 1.0]


def test_each_group_has_its_schedule_over_shared_steps() -> None:
    groups = {"*.bias": dl.SGD(ExponentialDecay(1.0, factor=0.5)), "*": dl.SGD(0.25)}
    optimizer, found = dl.ParameterGroups(groups), ones()
    optimizer.state.total = 3
    for expected in (1.0, 0.5, 0.25):
        assert optimizer.rate() == expected  # the first group's
        optimizer.step(found, ones())
    assert optimizer.state.steps == 3
    assert [array[0] for array in found.values()] == [0.25, -0.75, 0.25, 0.25, -0.75]


def test_what_lowers_the_rate_lowers_that_of_every_group() -> None:
    optimizer = dl.ParameterGroups({"*.bias": dl.SGD(1.0), "*": dl.SGD(ConstantRate(2.0))})
    optimizer.state.total, optimizer.state.factor = 1, 0.5
    found = ones()
    optimizer.step(found, ones())
    assert [array[0] for array in found.values()] == [0.0, 0.5, 0.0, 0.0, 0.5]


def test_every_group_remembers_what_it_needs() -> None:
    groups = {"*.bias": dl.SGD(0.1), "conv1": dl.Adam(), "*": dl.SGD(0.1, momentum=0.9)}
    optimizer = dl.ParameterGroups(groups)
    optimizer.step(ones(), ones())
    slots = [tuple(optimizer.state.slots[path]) for path in PATHS]
    assert slots == [("mean", "square"), (), ("velocity",), ("velocity",), ()]
    assert optimizer.slots == ("mean", "square", "velocity")


def test_a_copy_is_equal_and_remembers_nothing() -> None:
    optimizer = dl.ParameterGroups({"*.bias": dl.Adam(), "*": dl.SGD(0.1)}, clip_norm=1.0)
    optimizer.step(ones(), ones())
    copy = optimizer.replace()
    assert copy == optimizer
    assert hash(copy) == hash(optimizer)
    assert (copy.state.steps, copy.state.slots) == (0, {})
    assert all(part.state is copy.state for part in copy.parts)
    assert copy.replace(clip_norm=2.0).clip_norm == 2.0


def test_an_optimizer_given_to_a_group_keeps_its_own_memory() -> None:
    sgd = dl.SGD(0.1, momentum=0.9)
    dl.ParameterGroups({"*": sgd}).step(ones(), ones())
    assert (sgd.state.steps, sgd.state.slots) == (0, {})


def test_the_trainer_takes_groups() -> None:
    """What is frozen needs no group, and a pattern may match nothing else."""
    x = np.linspace(-1, 1, 64, dtype="float32")[:, None]
    model = dl.Sequential([dl.Dense(4), dl.Tanh(), dl.Dense(1)], (1,))
    model.freeze("dense1")
    groups = {"dense1": dl.SGD(9.0), "dense2.bias": dl.SGD(0.25), "*.weight": dl.Adam(0.05)}
    optimizer = dl.ParameterGroups(groups, clip_norm=1.0)
    trainer = dl.Trainer(model, dl.MeanSquaredError(), optimizer, workers=1)
    history = trainer.fit((x, x * 3), epochs=30, batch_size=16, progress=False)
    assert history["loss"][-1] < history["loss"][0] / 5
    assert set(history["lr"]) == {9.0}
    assert set(trainer.optimizer.state.slots) == {"dense2.weight", "dense2.bias"}
    assert optimizer.state.steps == 0


def test_what_groups_remember_is_counted() -> None:
    model = dl.Sequential([dl.Dense(4)], (3,))
    groups = dl.ParameterGroups({"*.bias": dl.SGD(0.1), "*": dl.Adam(amsgrad=True)})
    assert remembered(model, groups) == 3 * 12 * 4
    assert remembered(model, dl.SGD(0.1, momentum=0.9)) == 16 * 4


def model() -> dl.Graph:
    return dl.Sequential([dl.Dense(4), dl.Dense(1)], (1,))


def fit(groups: dl.ParameterGroups) -> None:
    x = normal(0, 8, 1).astype("float32")
    dl.Trainer(model(), dl.MeanSquaredError(), groups, workers=1).fit((x, x), progress=False)


def step(groups: dl.ParameterGroups) -> None:
    arrays = dict(model().arrays)
    groups.step(arrays, arrays)


@pytest.mark.parametrize("begin", [fit, step])
def test_groups_that_do_not_fit_the_model(begin: Callable[[dl.ParameterGroups], None]) -> None:
    few = dl.ParameterGroups({"*.bias": dl.SGD(0.1)})
    message = r'no group matches dense1.weight, dense2.weight: a last group "\*" takes'
    with pytest.raises(ValueError, match=message):
        begin(few)
    stray = dl.ParameterGroups({("*.bias", "conv*"): dl.SGD(0.1), "*": dl.SGD(0.1)})
    with pytest.raises(ValueError, match=r"no parameter matches 'conv\*': the paths are dense1"):
        begin(stray)


@pytest.mark.parametrize(
    ("groups", "error", "message"),
    [
        ({}, ValueError, "needs at least one group, got none"),
        ({"*": 0.1}, TypeError, r"should have an optimizer such as SGD\(0.1\), got 0.1"),
        ({3: dl.SGD(0.1)}, TypeError, "named by a pattern or several, got 3"),
        ({(): dl.SGD(0.1)}, TypeError, r"named by a pattern or several, got \(\)"),
        ({("a", 3): dl.SGD(0.1)}, TypeError, r"named by a pattern or several, got \('a', 3\)"),
        ({"*": dl.ParameterGroups({"*": dl.SGD(0.1)})}, TypeError, "such as SGD.*ParameterGroups"),
        ({"*": dl.SGD(0.1, clip_norm=1.0)}, ValueError, "clipping belongs to all .*clip_norm=1.0"),
        ({"*": dl.Adam(clip_value=1.0)}, ValueError, "clipping belongs to all .*clip_value=1.0"),
        (dl.SGD(0.1), TypeError, r"takes a mapping of patterns to optimizers, got SGD\(lr=0.1"),
        (["*"], TypeError, r"takes a mapping of patterns to optimizers, got \['\*'\]"),
    ],
)
def test_groups_that_are_none(groups: object, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        dl.ParameterGroups(groups)  # type: ignore[arg-type]


def test_limits_out_of_range() -> None:
    with pytest.raises(ValueError, match="clip_norm must be positive and finite, got -1"):
        dl.ParameterGroups({"*": dl.SGD(0.1)}, clip_norm=-1)
