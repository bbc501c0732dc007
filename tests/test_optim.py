"""Optimizers: steps worked out by hand, what they remember, and what they refuse.

``test_torch_parity.py`` compares twenty steps of each with PyTorch's.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from drawn import normal

import minidl as dl
from minidl.schedules import Cosine, StepDecay
from minidl.types import Array


def weights(optimizer: dl.Optimizer, start: float, grads: list[float]) -> list[float]:
    """Return one weight after each step."""
    arrays = {"w": np.array([start])}
    found = []
    for grad in grads:
        optimizer.step(arrays, {"w": np.array([grad])})
        found.append(arrays["w"].item())
    return found


@pytest.mark.parametrize(
    ("optimizer", "expected"),
    [
        (dl.SGD(0.1), [0.8, 0.7]),
        # v = 2, then 0.5 · 2 + 1 = 2
        (dl.SGD(0.1, momentum=0.5), [0.8, 0.6]),
        # 2 + 0.5 · 2 = 3, then 1 + 0.5 · 2 = 2
        (dl.SGD(0.1, momentum=0.5, nesterov=True), [0.7, 0.5]),
        # g = 2 + 0.5 · 1 = 2.5, then 1 + 0.5 · 0.75
        (dl.SGD(0.1, weight_decay=0.5), [0.75, 0.6125]),
        # without averages it is g / (|g| + epsilon): 2 / 3, then 1 / 2
        (dl.Adam(0.3, betas=(0.0, 0.0), epsilon=1.0), [0.8, 0.65]),
        # the first step of Adam is the rate, whatever the gradient
        (dl.Adam(0.1, betas=(0.5, 0.5), epsilon=0.0), [0.9, 0.9 - 0.1 * (4 / 3) / np.sqrt(2)]),
    ],
    ids=repr,
)
def test_two_steps_by_hand(optimizer: dl.Optimizer, expected: list[float]) -> None:
    """The gradients are 2 and 1, and the weight starts at 1."""
    assert weights(optimizer, 1.0, [2.0, 1.0]) == pytest.approx(expected, rel=1e-14)


EACH = pytest.mark.parametrize(
    "optimizer",
    [dl.SGD(0.1), dl.SGD(0.1, 0.9, nesterov=True, weight_decay=0.1), dl.Adam(weight_decay=0.1)],
    ids=repr,
)


@EACH
def test_arrays_change_in_place_and_gradients_do_not(optimizer: dl.Optimizer) -> None:
    array, grad = normal(0, 3, 2).astype(np.float32), normal(1, 3, 2).astype(np.float32)
    arrays, before = {"w": array}, grad.copy()
    start = array.copy()
    for _ in range(3):
        optimizer.step(arrays, {"w": grad})
    assert arrays["w"] is array
    assert (array != start).all()
    np.testing.assert_array_equal(grad, before)
    slots = optimizer.state.slots["w"].values()
    assert {kept.dtype.name for kept in slots} | {array.dtype.name} == {"float32"}


@EACH
def test_what_it_remembers(optimizer: dl.Optimizer) -> None:
    optimizer = optimizer.replace()
    assert (optimizer.state.steps, optimizer.state.slots) == (0, {})
    optimizer.step({"a": np.ones(2), "b": np.ones(3)}, {"b": np.ones(3)})
    assert optimizer.state.steps == 1
    assert list(optimizer.state.slots) == ["b"]
    assert tuple(optimizer.state.slots["b"]) == optimizer.slots
    assert {slot.shape for slot in optimizer.state.slots["b"].values()} == {(3,)}


@EACH
def test_arrays_without_gradients_stay(optimizer: dl.Optimizer) -> None:
    arrays = {"a": np.ones(2), "b": np.ones(2)}
    optimizer.step(arrays, {"b": np.ones(2)})
    assert arrays["a"].tolist() == [1, 1]


@EACH
def test_elementwise_updates_may_be_cut(optimizer: dl.Optimizer) -> None:
    assert optimizer.elementwise
    array, grads = normal(0, 6), normal(1, 4, 6)

    def after(part: slice) -> Array:
        fresh, piece = optimizer.replace(), array[part].copy()
        for grad in grads:
            fresh.step({"w": piece}, {"w": grad[part]})
        return piece

    pieces = [after(slice(0, 1)), after(slice(1, 4)), after(slice(4, 6))]
    np.testing.assert_array_equal(np.concatenate(pieces), after(slice(None)))


@EACH
def test_a_gradient_of_another_shape_is_not_broadcast(optimizer: dl.Optimizer) -> None:
    with pytest.raises(ValueError, match=r"w .*\(2, 3\).*\(3,\)"):
        optimizer.replace().step({"w": np.ones((2, 3))}, {"w": np.ones(3)})


def test_two_optimizers_remember_apart() -> None:
    first, second = dl.SGD(0.1, momentum=0.9), dl.SGD(0.1, momentum=0.9)
    first.step({"w": np.ones(1)}, {"w": np.ones(1)})
    assert second.state.steps == 0
    assert first.replace().state.steps == 0


def test_a_schedule_sets_the_rate_of_each_step() -> None:
    optimizer = dl.SGD(StepDecay(0.4, every=1, factor=0.5))
    optimizer.state.total = 3
    assert weights(optimizer, 1.0, [1.0, 1.0, 1.0]) == pytest.approx([0.6, 0.4, 0.3])


def test_a_schedule_needs_a_total() -> None:
    optimizer = dl.SGD(Cosine(0.1))
    message = r"Cosine\(rate=0.1, final=0.0\) needs to know the number of steps: set"
    with pytest.raises(ValueError, match=message):
        optimizer.step({}, {})


def test_a_small_quadratic_is_solved() -> None:
    """minimise (w - 3)² with the optimizers' defaults."""
    for optimizer in (dl.SGD(0.1, momentum=0.5), dl.Adam(0.1)):
        arrays = {"w": np.array([0.0])}
        for _ in range(400):
            optimizer.step(arrays, {"w": 2 * (arrays["w"] - 3)})
        assert arrays["w"].item() == pytest.approx(3, abs=1e-3)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: dl.SGD(-0.1), "must be positive and finite, got -0.1"),
        (lambda: dl.SGD(float("nan")), "must be positive and finite, got nan"),
        (lambda: dl.SGD(0.1, momentum=1.0), "momentum must be at least 0 and below 1, got 1.0"),
        (
            lambda: dl.SGD(0.1, weight_decay=-1),
            "weight_decay must be at least 0 and finite, got -1",
        ),
        (lambda: dl.SGD(0.1, nesterov=True), "nesterov needs a momentum above 0"),
        (lambda: dl.Adam(betas=(0.9, 1.0)), "each of betas must be at least 0 and below 1, got 1"),
        (lambda: dl.Adam(betas=(0.9,)), r"betas should be a pair of numbers, got \(0.9,\)"),  # type: ignore[arg-type]
        (lambda: dl.Adam(epsilon=-1e-8), "epsilon must be at least 0 and finite, got -1e-08"),
    ],
)
def test_hyper_parameters_out_of_range(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_a_rate_that_is_no_number() -> None:
    with pytest.raises(
        TypeError, match="lr must be a number, positive and finite, got 'fast' of type str"
    ):
        dl.SGD("fast")  # type: ignore[arg-type]


def test_the_wrong_rate_is_named_as_the_argument_was() -> None:
    with pytest.raises(ValueError, match=r"^lr must be positive"):
        dl.SGD(0.0)


def test_an_optimizer_of_ones_own_defines_update() -> None:
    with pytest.raises(NotImplementedError, match="Optimizer should define update"):
        dl.Optimizer(0.1).step({"w": np.ones(1)}, {"w": np.ones(1)})
