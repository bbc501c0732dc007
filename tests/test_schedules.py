"""Schedules: values by hand, the ends, and what they refuse.

``test_parity_schedules.py`` compares those that PyTorch has with PyTorch's.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from minidl import schedules
from minidl.schedules import (
    ConstantRate,
    Cosine,
    CosineRestarts,
    ExponentialDecay,
    InverseTimeDecay,
    Linear,
    MultiStepDecay,
    OneCycle,
    Polynomial,
    Schedule,
    StepDecay,
    WarmUp,
    as_schedule,
)


@pytest.mark.parametrize(
    ("schedule", "total", "expected"),
    [
        (ConstantRate(0.3), 3, [0.3, 0.3, 0.3]),
        (StepDecay(1.0, every=2, factor=0.5), 5, [1, 1, 0.5, 0.5, 0.25]),
        (StepDecay(1.0, every=1), 3, [1, 0.1, 0.01]),
        (ExponentialDecay(8.0, factor=0.5), 4, [8, 4, 2, 1]),
        (InverseTimeDecay(6.0, decay=1.0), 4, [6, 3, 2, 1.5]),
        (Cosine(1.0), 4, [1, (2 + 2**0.5) / 4, 0.5, (2 - 2**0.5) / 4]),
        (Cosine(1.0, final=0.2), 2, [1, 0.6]),
        (Linear(1.0), 4, [1, 0.75, 0.5, 0.25]),
        (Linear(0.2, final=1.0), 4, [0.2, 0.4, 0.6, 0.8]),
        (MultiStepDecay(1.0, milestones=(1, 3), factor=0.5), 5, [1, 0.5, 0.5, 0.25, 0.25]),
        (MultiStepDecay(1.0, milestones=(2, 2)), 4, [1, 1, 0.01, 0.01]),
        (Polynomial(1.0, power=2, final=0.2), 4, [1, 0.65, 0.4, 0.25]),
        (Polynomial(2.0), 4, [2, 1.5, 1, 0.5]),
        (CosineRestarts(1.0, period=2), 5, [1, 0.5, 1, 0.5, 1]),
        (
            CosineRestarts(1.0, period=1, multiplier=2, final=0.2),
            5,
            [1, 1, 0.6, 1, 0.4 + 0.2 * (1 + 2**0.5)],
        ),
        # up in 2 steps from 1/4, down in 2 to 1/10: half-way is the mean
        (OneCycle(1.0, rise=0.5, start=4, end=10), 5, [0.25, 0.625, 1, 0.55, 0.1]),
        (WarmUp(ConstantRate(0.8), steps=3), 5, [0.2, 0.4, 0.6, 0.8, 0.8]),
        (WarmUp(Cosine(1.0), steps=1), 5, [0.5, 1, (2 + 2**0.5) / 4, 0.5, (2 - 2**0.5) / 4]),
    ],
    ids=repr,
)
def test_values_by_hand(schedule: Schedule, total: int, expected: list[float]) -> None:
    found = [schedule.value(step, total) for step in range(total)]
    assert found == pytest.approx(expected, rel=1e-12)
    assert {type(rate) for rate in found} == {float}


EVERY = [
    ConstantRate(0.3),
    StepDecay(0.3, every=2),
    ExponentialDecay(0.3, factor=0.9),
    InverseTimeDecay(0.3, decay=0.1),
    Linear(0.3),
    Linear(0.1, final=0.3),
    MultiStepDecay(0.3, milestones=(2, 50)),
    Polynomial(0.3, power=0.5),
    Polynomial(0.3, power=1e9),
    Cosine(0.3),
    CosineRestarts(0.3, period=3),
    CosineRestarts(0.3, period=1, multiplier=3, final=0.1),
    OneCycle(0.3),
    WarmUp(OneCycle(0.3), steps=2),
]


def test_every_schedule_is_in_the_table() -> None:
    public = {
        value
        for name, value in vars(schedules).items()
        if isinstance(value, type) and issubclass(value, Schedule) and not name.startswith("_")
    }
    assert public - {Schedule} == {type(schedule) for schedule in EVERY}


@pytest.mark.parametrize("schedule", EVERY, ids=repr)
@pytest.mark.parametrize("total", [1, 2, 3, 100])
def test_rates_stay_between_zero_and_the_highest(schedule: Schedule, total: int) -> None:
    """After the end too: a run may be trained for longer than it was planned."""
    for step in range(total + 3):
        rate = schedule.value(step, total)
        assert type(rate) is float
        assert 0 <= rate <= 0.3 * (1 + 1e-12)
    assert max(schedule.value(step, total) for step in range(total)) > 0


@pytest.mark.parametrize(
    ("schedule", "end"),
    [
        (Cosine(0.3, final=0.1), 0.1),
        (Linear(0.3, final=0.1), 0.1),
        (Polynomial(0.3, power=3, final=0.1), 0.1),
        (OneCycle(0.3, end=3.0), 0.1),
    ],
    ids=repr,
)
def test_a_falling_rate_does_not_rise_again_after_the_end(schedule: Schedule, end: float) -> None:
    for step in (10, 13, 50):
        assert schedule.value(step, 10) == pytest.approx(end)


def test_the_peak_of_one_cycle() -> None:
    rates = [OneCycle(0.5, rise=0.3).value(step, 101) for step in range(101)]
    assert rates[0] == pytest.approx(0.02)
    assert rates[30] == pytest.approx(0.5)
    assert rates[100] == pytest.approx(5e-5)
    assert rates[:31] == sorted(rates[:31])
    assert rates[30:] == sorted(rates[30:], reverse=True)


def test_the_periods_of_restarts() -> None:
    """They begin at 0, 3, 3 + 6 and 3 + 6 + 12; each is at its lowest just before the next."""
    rates = [CosineRestarts(1.0, period=3, multiplier=2).value(step, 30) for step in range(30)]
    assert [step for step, rate in enumerate(rates) if rate == 1] == [0, 3, 9, 21]
    assert rates[9:21] == sorted(rates[9:21], reverse=True)
    assert rates[20] == pytest.approx((1 + math.cos(math.pi * 11 / 12)) / 2)


@pytest.mark.parametrize(
    "schedule",
    [
        ExponentialDecay(0.1, factor=10),
        StepDecay(1e300, every=1, factor=1e9),
        MultiStepDecay(1e300, milestones=(1, 1, 1), factor=1e300),
    ],
    ids=repr,
)
def test_a_rate_that_grows_out_of_bounds_is_refused(schedule: Schedule) -> None:
    assert math.isfinite(schedule.value(0, 1000))
    with pytest.raises(OverflowError, match=r"too large for a float after \d+ multiplications"):
        schedule.value(1000, 1000)


NUMBERS: dict[type[Schedule], dict[str, Any]] = {
    ConstantRate: {"rate": 0.1},
    StepDecay: {"rate": 0.1, "every": 2, "factor": 0.5},
    MultiStepDecay: {"rate": 0.1, "milestones": (1, 2), "factor": 0.5},
    ExponentialDecay: {"rate": 0.1, "factor": 0.5},
    InverseTimeDecay: {"rate": 0.1, "decay": 0.5},
    Linear: {"rate": 0.1, "final": 0.0},
    Polynomial: {"rate": 0.1, "power": 2.0, "final": 0.0},
    Cosine: {"rate": 0.1, "final": 0.0},
    CosineRestarts: {"rate": 0.1, "period": 2, "multiplier": 2, "final": 0.0},
    OneCycle: {"rate": 0.1, "rise": 0.3, "start": 25.0, "end": 1e4},
    WarmUp: {"schedule": ConstantRate(0.1), "steps": 2},
}
FIELDS = [
    pytest.param(kind, name, id=f"{kind.__name__}.{name}")
    for kind, given in NUMBERS.items()
    for name in given
    if name != "schedule"
]


def test_every_number_is_tried() -> None:
    assert set(NUMBERS) == {type(schedule) for schedule in EVERY}
    for kind, given in NUMBERS.items():
        assert list(kind(**given).fields()) == list(given)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, -1, True, None, "0.1"], ids=repr)
@pytest.mark.parametrize(("kind", "name"), FIELDS)
def test_no_number_may_be_anything_else(kind: type[Schedule], name: str, value: Any) -> None:
    """The message names the field, what it must be, and what it is."""
    given = (value,) if name == "milestones" else value
    message = rf"{name} must be (an integer|a number|positive|finite|at least).*, got {value!r}"
    if (name, value) == ("rise", -1):
        message = "rise should lie between 0 and 1, got -1"
    with pytest.raises((ValueError, TypeError), match=message):
        kind(**{**NUMBERS[kind], name: given})


def test_a_number_is_a_schedule() -> None:
    assert as_schedule(0.1) == ConstantRate(0.1)
    assert as_schedule(Cosine(0.1)) == Cosine(0.1)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Cosine(0.0), "rate must be positive and finite, got 0.0"),
        (lambda: Cosine(0.1, final=0.2), "final should lie between 0 and rate 0.1, got 0.2"),
        (lambda: StepDecay(0.1, every=0), "every must be an integer of at least 1, got 0"),
        (lambda: StepDecay(0.1, every=2, factor=0), "factor must be positive and finite, got 0"),
        (lambda: ExponentialDecay(0.1, factor=-1), "factor must be positive and finite, got -1"),
        (lambda: InverseTimeDecay(0.1, decay=0), "decay must be positive and finite, got 0"),
        (lambda: OneCycle(0.1, rise=1.0), "rise should lie between 0 and 1, got 1.0"),
        (lambda: Linear(0.1, final=-1), "final must be at least 0 and finite, got -1"),
        (lambda: Polynomial(0.1, power=0), "power must be positive and finite, got 0"),
        (lambda: Polynomial(0.1, final=1), "final should lie between 0 and rate 0.1, got 1"),
        (lambda: CosineRestarts(0.1, period=0), "period must be an integer of at least 1, got 0"),
        (lambda: CosineRestarts(0.1, 1, 0), "multiplier must be an integer of at least 1, got 0"),
        (lambda: CosineRestarts(0.1, 1, final=1), "final should lie between 0 and rate 0.1, got"),
        (lambda: MultiStepDecay(0.1, (3, 2)), r"milestones should be in order, got \(3, 2\)"),
        (lambda: MultiStepDecay(0.1, (0, 2)), "each of milestones must be an integer of at least"),
        (lambda: OneCycle(0.1, end=5e-324), "rate / end must be finite, got inf"),
        (lambda: OneCycle(0.1, start=0), "start must be positive and finite, got 0"),
        (lambda: WarmUp(Cosine(0.1), steps=0), "steps must be an integer of at least 1, got 0"),
    ],
)
def test_numbers_out_of_range(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("milestones", [(), 20, "20"])
def test_milestones_are_a_list(milestones: Any) -> None:
    with pytest.raises(
        TypeError, match=f"milestones should be a list of steps, got {milestones!r}"
    ):
        MultiStepDecay(0.1, milestones)


def test_warm_up_goes_before_a_schedule() -> None:
    with pytest.raises(TypeError, match=r"WarmUp goes before a Schedule, got 0.1"):
        WarmUp(0.1, steps=3)  # type: ignore[arg-type]


def test_a_schedule_of_ones_own_defines_value() -> None:
    with pytest.raises(NotImplementedError, match="Schedule should define value"):
        Schedule().value(0, 1)
