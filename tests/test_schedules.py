"""Schedules: values by hand, the ends, and what they refuse.

``test_torch_parity.py`` compares cosine, one-cycle, step and exponential with PyTorch's.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from minidl.schedules import (
    ConstantRate,
    Cosine,
    ExponentialDecay,
    InverseTimeDecay,
    OneCycle,
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
    Cosine(0.3),
    OneCycle(0.3),
    WarmUp(OneCycle(0.3), steps=2),
]


@pytest.mark.parametrize("schedule", EVERY, ids=repr)
@pytest.mark.parametrize("total", [1, 2, 3, 100])
def test_rates_stay_between_zero_and_the_highest(schedule: Schedule, total: int) -> None:
    """After the end too: a run may be trained for longer than it was planned."""
    for step in range(total + 3):
        assert 0 <= schedule.value(step, total) <= 0.3 * (1 + 1e-12)
    assert max(schedule.value(step, total) for step in range(total)) > 0


@pytest.mark.parametrize(
    ("schedule", "end"), [(Cosine(0.3, final=0.1), 0.1), (OneCycle(0.3, end=3.0), 0.1)], ids=repr
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
        (lambda: OneCycle(0.1, start=0), "start must be positive and finite, got 0"),
        (lambda: WarmUp(Cosine(0.1), steps=0), "steps must be an integer of at least 1, got 0"),
    ],
)
def test_numbers_out_of_range(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_warm_up_goes_before_a_schedule() -> None:
    with pytest.raises(TypeError, match=r"WarmUp goes before a Schedule, got 0.1"):
        WarmUp(0.1, steps=3)  # type: ignore[arg-type]


def test_a_schedule_of_ones_own_defines_value() -> None:
    with pytest.raises(NotImplementedError, match="Schedule should define value"):
        Schedule().value(0, 1)
