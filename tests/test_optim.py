"""Optimizers: steps worked out by hand, the contract that each keeps, and what they refuse.

``test_parity_optim.py`` compares twenty steps of each with PyTorch's.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from unittest import mock

import numpy as np
import pytest
from drawn import normal
from test_crew import alone

import minidl as dl
from minidl.engine.program import TrainingProgram
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
        # v = 2, then 0.5 · 2 + 0.5 · 1
        (dl.SGD(0.1, momentum=0.5, dampening=0.5), [0.8, 0.65]),
        # before a step of 2 / 3, 1 - 0.3 · 0.5 stays; then 1 / 2 of 0.65 · 0.85
        (
            dl.AdamW(0.3, betas=(0.0, 0.0), epsilon=1.0, weight_decay=0.5),
            [0.65, 0.65 * 0.85 - 0.15],
        ),
        # the largest square is the first, 4; today's own would be 1
        (dl.Adam(0.3, betas=(0.0, 0.0), epsilon=1.0, amsgrad=True), [0.8, 0.7]),
        # s = 2 and then 1.5
        (
            dl.RMSprop(0.1, alpha=0.5, epsilon=0.0),
            [1 - 0.2 / 2**0.5, 1 - 0.2 / 2**0.5 - 0.1 / 1.5**0.5],
        ),
        # mean 1, variance 2 - 1; then mean 1, variance 1.5 - 1
        (
            dl.RMSprop(0.1, alpha=0.5, epsilon=1.0, centered=True),
            [0.9, 0.9 - 0.1 / (1 + 0.5**0.5)],
        ),
        # d = 2 / 3, then 1 / 2; v = 2 / 3, then 1 / 3 + 1 / 2
        (
            dl.RMSprop(0.1, alpha=0.0, epsilon=1.0, momentum=0.5),
            [1 - 0.2 / 3, 1 - 0.2 / 3 - 0.25 / 3],
        ),
        # s = 5 + 4, then 10; the rate falls to a half
        (
            dl.Adagrad(0.3, epsilon=0.0, initial=5.0, lr_decay=1.0),
            [0.8, 0.8 - 0.15 / 10**0.5],
        ),
        # the first step of Adam is the rate, whatever the gradient
        (dl.Adam(0.1, betas=(0.5, 0.5), epsilon=0.0), [0.9, 0.9 - 0.1 * (4 / 3) / np.sqrt(2)]),
    ],
    ids=repr,
)
def test_two_steps_by_hand(optimizer: dl.Optimizer, expected: list[float]) -> None:
    """The gradients are 2 and 1, and the weight starts at 1."""
    assert weights(optimizer, 1.0, [2.0, 1.0]) == pytest.approx(expected, rel=1e-14)


HALVES = dl.schedules.ExponentialDecay(0.1, factor=0.5)

TABLE: list[dl.Optimizer] = [
    dl.SGD(0.1),
    dl.SGD(0.1, momentum=0.9, nesterov=True, weight_decay=0.1),
    dl.SGD(HALVES, momentum=0.8, dampening=0.5, clip_norm=0.3),
    dl.Adam(weight_decay=0.1),
    dl.Adam(amsgrad=True, epsilon=1e-3),
    dl.AdamW(HALVES, clip_value=0.05, clip_norm=0.1),
    dl.AdamW(amsgrad=True, weight_decay=0.5),
    dl.RMSprop(epsilon=1e-3),
    dl.RMSprop(momentum=0.9, centered=True, weight_decay=0.1, epsilon=1e-2, clip_value=0.1),
    dl.Adagrad(),
    dl.Adagrad(HALVES, initial=0.1, lr_decay=0.5, weight_decay=0.1),
    dl.ParameterGroups({"*": dl.Adam(epsilon=1e-3)}),
    dl.ParameterGroups(
        {("*.bias", "a", "?"): dl.RMSprop(), "*": dl.SGD(0.1, momentum=0.5)}, clip_norm=0.2
    ),
]
"""The contract's table: every optimizer, with and without its options."""

EACH = pytest.mark.parametrize("optimizer", TABLE, ids=lambda one: repr(one)[:60])


def fresh(optimizer: dl.Optimizer) -> dl.Optimizer:
    """Return a copy that remembers nothing and knows its total."""
    copy = optimizer.replace()
    copy.state.total = 10
    return copy


def small() -> dict[str, Array]:
    """Return arrays of several shapes; the names are those that the table's groups know."""
    return {"a": normal(0, 3, 2), "b": normal(1, 1), "c.bias": normal(2, 4, 1, 2)}


def test_every_optimizer_is_in_the_table() -> None:
    exported = {getattr(dl, name) for name in dl.__all__}
    kinds = {one for one in exported if isinstance(one, type) and issubclass(one, dl.Optimizer)}
    assert kinds - {type(one) for one in TABLE} == {dl.Optimizer}


@EACH
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_arrays_change_in_place_and_gradients_do_not(optimizer: dl.Optimizer, dtype: str) -> None:
    optimizer = fresh(optimizer)
    arrays = {path: array.astype(dtype) for path, array in small().items()}
    grads = {path: array[::-1].copy() for path, array in arrays.items()}
    own, before = dict(arrays), {path: grad.copy() for path, grad in grads.items()}
    starts = {path: array.copy() for path, array in arrays.items()}
    for _ in range(3):
        optimizer.step(arrays, grads)
    for path, array in arrays.items():
        assert array is own[path]
        assert (array != starts[path]).all()
        np.testing.assert_array_equal(grads[path], before[path])
        slots = optimizer.state.slots[path].values()
        assert {kept.dtype.name for kept in (array, *slots)} == {dtype}


@EACH
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_parameter_may_have_no_axes(optimizer: dl.Optimizer, dtype: str) -> None:
    """NumPy makes scalars of sums and products of such arrays."""
    groups = isinstance(optimizer, dl.ParameterGroups)
    for part in optimizer.parts if groups else [optimizer]:
        none, one = np.full((), 2, dtype), np.full(1, 2, dtype)
        for array in (none, one):
            copy = fresh(part)
            for grad in (3, -1, 2):
                copy.step({"w": array}, {"w": np.full(array.shape, grad, dtype)})
            assert {type(slot) for slot in copy.state.slots["w"].values()} <= {np.ndarray}
        assert none.dtype == dtype
        assert none.item() == pytest.approx(one.item(), rel=1e-6 if dtype == "float32" else 1e-15)


@EACH
def test_what_it_remembers(optimizer: dl.Optimizer) -> None:
    optimizer = fresh(optimizer)
    assert (optimizer.state.steps, optimizer.state.slots) == (0, {})
    arrays = small()
    optimizer.step(arrays, {"c.bias": arrays["c.bias"]})
    optimizer.step(arrays, {"b": arrays["b"], "c.bias": arrays["c.bias"]})
    assert optimizer.state.steps == 2
    assert optimizer.state.updates == {"c.bias": 2, "b": 1}
    which = optimizer.assigned(arrays, arrays)
    for path in ("c.bias", "b"):
        slots = optimizer.state.slots[path]
        assert tuple(slots) == optimizer.parts[which[path]].slots
        assert set(slots) <= set(optimizer.slots)
        assert {slot.shape for slot in slots.values()} <= {arrays[path].shape}


@EACH
def test_arrays_without_gradients_stay(optimizer: dl.Optimizer) -> None:
    arrays = small()
    fresh(optimizer).step(arrays, {"b": np.ones(1)})
    assert arrays["a"].tolist() == small()["a"].tolist()


@EACH
def test_an_array_that_comes_later_begins_at_its_own_first_update(optimizer: dl.Optimizer) -> None:
    """As in PyTorch: Adam's correction for the start, for one, is of the array, not of the run."""
    groups = isinstance(optimizer, dl.ParameterGroups)
    late, early = fresh(optimizer if groups else optimizer.replace(lr=0.1)), small()
    late.step(early, {"a": normal(3, 3, 2)})
    alone, arrays = fresh(late), {path: array.copy() for path, array in early.items()}
    late.step(early, {"c.bias": normal(4, 4, 1, 2)})
    alone.step(arrays, {"c.bias": normal(4, 4, 1, 2)})
    np.testing.assert_array_equal(early["c.bias"], arrays["c.bias"])


@EACH
def test_elementwise_updates_may_be_cut(optimizer: dl.Optimizer) -> None:
    grads = normal(1, 4, 6)
    for part in optimizer.parts:
        assert part.elementwise

        def after(cut: slice, part: dl.Optimizer = part) -> Array:
            piece = normal(0, 6)[cut]
            slots = {name: np.full_like(piece, part.first(name)) for name in part.slots}
            for step, grad in enumerate(grads):
                part.update(piece, grad[cut], slots, 0.1, step + 1)
            return piece

        pieces = [after(slice(0, 1)), after(slice(1, 4)), after(slice(4, 6))]
        np.testing.assert_array_equal(np.concatenate(pieces), after(slice(None)))


def net(dtype: str) -> dl.Graph:
    """A network whose parts add their gradients up in different ways.

    Nothing in it has a gradient of 0, whose rounding most optimizers would make steps of.
    """
    layers: dict[str, dl.Module] = {
        "a": dl.Conv2d(3, 3, bias=False),
        "norm": dl.BatchNorm(),
        "r": dl.ReLU(),
        "f": dl.Flatten(),
    }
    dense = {"wide": dl.Dense(800), "tanh": dl.Tanh(), "c": dl.Dense(2)}
    return dl.Sequential({**layers, **dense}, (7, 8, 2), dtype=dtype)


def trained(optimizer: dl.Optimizer, dtype: str, crew: tuple[int, str] | None) -> list[Array]:
    """Return the arrays, and what is remembered, after steps by the engine or a plain loop."""
    model, optimizer, loss = net(dtype), fresh(optimizer), dl.MeanSquaredError()
    data = [
        (normal(at, n, 7, 8, 2).astype(dtype), normal(9, n, 2)) for at, n in enumerate((40, 3, 40))
    ]
    if crew is None:
        for step, (x, y) in enumerate(data):
            _, _, grads = model.gradients(x, y, loss, seed=1, step=step)
            optimizer.step(model.arrays, grads)
    else:
        with TrainingProgram(model, loss, optimizer, 40, data[0][1], *crew) as program:
            for x, y in data:
                program.step(x, y, 1)
    state = optimizer.state
    assert set(state.updates.items()) == {(path, 3) for path in model.trainable}
    slots = [
        state.slots[path][name]
        for path in model.arrays
        for name in sorted(state.slots.get(path, {}))
    ]
    return [*model.arrays.values(), *slots]


@EACH
def test_the_engine_does_what_a_loop_does(
    optimizer: dl.Optimizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("minidl.engine.updates.TILE", 1000)
    by_engine, by_loop = (trained(optimizer, "float64", crew) for crew in ((1, "threads"), None))
    for found, expected in zip(by_engine, by_loop, strict=True):
        assert np.abs(found - expected).max() <= 1e-10 * max(1, np.abs(expected).max())


@pytest.mark.slow
@EACH
@alone
def test_any_crew_gives_the_same_bits(optimizer: dl.Optimizer) -> None:
    with mock.patch("minidl.engine.updates.TILE", 1000):
        first = trained(optimizer, "float32", (1, "threads"))
        for crew in ((2, "threads"), (4, "threads"), (2, "processes"), (4, "processes")):
            for found, expected in zip(trained(optimizer, "float32", crew), first, strict=True):
                np.testing.assert_array_equal(found, expected)


@EACH
def test_a_gradient_of_another_shape_is_not_broadcast(optimizer: dl.Optimizer) -> None:
    with pytest.raises(ValueError, match=r"w .*\(2, 3\).*\(3,\)"):
        fresh(optimizer).step({"w": np.ones((2, 3))}, {"w": np.ones(3)})


def test_a_step_that_is_refused_changes_nothing() -> None:
    optimizer, arrays = dl.SGD(0.1, momentum=0.9), {"a": np.ones(2), "b": np.ones(2)}
    with pytest.raises(ValueError, match="b has shape"):
        optimizer.step(arrays, {"a": np.ones(2), "b": np.ones(3)})
    assert arrays["a"].tolist() == [1, 1]
    assert (optimizer.state.steps, optimizer.state.slots) == (0, {})


@EACH
def test_integer_gradients_are_no_integers_to_it(optimizer: dl.Optimizer) -> None:
    """The square of 100 as int8 is 16."""
    found, expected = ({"b": np.ones(2, np.float32)} for _ in range(2))
    if isinstance(optimizer, dl.ParameterGroups):
        optimizer = dl.ParameterGroups({"*": optimizer.parts[0]})
    fresh(optimizer).step(found, {"b": np.array([100, -3], np.int8)})
    fresh(optimizer).step(expected, {"b": np.array([100, -3], np.float64)})
    assert found["b"].tolist() == expected["b"].tolist()


def test_rounding_brings_no_variance_below_0() -> None:
    """A gradient that stays has, in float32, a mean square below the square of its mean."""
    optimizer, arrays = dl.RMSprop(1e-9, centered=True, alpha=0.5), {"w": np.ones(500, np.float32)}
    grad = normal(0, 500).astype(np.float32)
    for _ in range(60):
        optimizer.step(arrays, {"w": grad})
    slots = optimizer.state.slots["w"]
    assert (slots["square"] < np.square(slots["mean"])).any()
    assert np.isfinite(arrays["w"]).all()


def test_sgd_remembers_only_what_it_needs() -> None:
    assert (dl.SGD(0.1).slots, dl.SGD(0.1, momentum=0.5).slots) == ((), ("velocity",))
    assert dl.RMSprop(centered=True, momentum=0.1).slots == ("square", "mean", "velocity")
    assert dl.Adam(amsgrad=True).slots == ("mean", "square", "largest")


def test_only_the_rate_goes_without_its_name() -> None:
    for kind in (dl.SGD, dl.Adam, dl.AdamW, dl.RMSprop, dl.Adagrad):
        assert kind(0.5).rate() == 0.5
        with pytest.raises(TypeError, match="too many positional arguments"):
            kind(0.5, 0.9)


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
    for optimizer in (
        *(dl.SGD(0.1, momentum=0.5), dl.SGD(0.1, momentum=0.5, dampening=0.5), dl.Adam(0.1)),
        *(dl.Adam(0.1, amsgrad=True), dl.AdamW(0.1, weight_decay=1e-6), dl.Adagrad(1.0)),
        dl.RMSprop(dl.schedules.ExponentialDecay(0.5, factor=0.97)),
        dl.ParameterGroups({"w": dl.SGD(0.1)}, clip_norm=1.0),
    ):
        optimizer.state.total = 400
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
        (lambda: dl.SGD(0.1, dampening=-0.1), "dampening must be at least 0 and below 1, got -0.1"),
        (
            lambda: dl.SGD(0.1, momentum=0.9, dampening=0.1, nesterov=True),
            "nesterov needs a dampening of 0, got 0.1",
        ),
        (lambda: dl.AdamW(weight_decay=-0.1), "weight_decay must be at least 0 .*got -0.1"),
        (lambda: dl.RMSprop(alpha=1.0), "alpha must be at least 0 and below 1, got 1.0"),
        (lambda: dl.RMSprop(momentum=1.5), "momentum must be at least 0 and below 1, got 1.5"),
        (lambda: dl.Adagrad(initial=-1.0), "initial must be at least 0 and finite, got -1.0"),
        (lambda: dl.Adagrad(lr_decay=math.inf), "lr_decay must be at least 0 .*, got inf"),
        (lambda: dl.SGD(0.1, clip_norm=0.0), "clip_norm must be positive and finite, got 0.0"),
        (lambda: dl.Adam(clip_value=-1.0), "clip_value must be positive and finite, got -1.0"),
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


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: dl.SGD(0.1, nesterov=1), "nesterov must be True or False, got 1"),  # type: ignore[arg-type]
        (lambda: dl.Adam(amsgrad="no"), "amsgrad must be True or False, got 'no'"),  # type: ignore[arg-type]
        (lambda: dl.RMSprop(centered=None), "centered must be True or False, got None"),  # type: ignore[arg-type]
        (lambda: dl.SGD(0.1, clip_norm="1"), "clip_norm must be a number, positive .*'1'"),  # type: ignore[arg-type]
    ],
)
def test_options_of_the_wrong_kind(make: Callable[[], object], message: str) -> None:
    with pytest.raises(TypeError, match=message):
        make()


def test_the_wrong_rate_is_named_as_the_argument_was() -> None:
    with pytest.raises(ValueError, match=r"^lr must be positive"):
        dl.SGD(0.0)


def test_an_optimizer_of_ones_own_defines_update() -> None:
    with pytest.raises(NotImplementedError, match="Optimizer should define update"):
        dl.Optimizer(0.1).step({"w": np.ones(1)}, {"w": np.ones(1)})
