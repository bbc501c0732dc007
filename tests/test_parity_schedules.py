"""Schedules against PyTorch's, over every step of runs of drawn lengths."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from parity import torch

from minidl.schedules import (
    Cosine,
    CosineRestarts,
    ExponentialDecay,
    Linear,
    MultiStepDecay,
    OneCycle,
    Polynomial,
    Schedule,
    StepDecay,
    WarmUp,
)

RATES = st.floats(1e-6, 10)
SHARES = st.floats(0, 1)
FACTORS = st.floats(0.3, 1.2)
TOTALS = st.integers(20, 60)
many = settings(max_examples=40, deadline=None)


def theirs(rate: float, total: int, make: Any) -> list[float]:
    """Return the rates that PyTorch takes the first ``total`` steps with."""
    weight = torch.zeros(1, requires_grad=True, dtype=torch.float64)
    optimizer = torch.optim.SGD([weight], lr=rate, momentum=0.9)
    scheduler = make(optimizer)
    rates = []
    for step in range(total):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if step < total - 1:
            scheduler.step()
    return rates


def same(here: Schedule, rate: float, total: int, kind: str, **options: Any) -> None:
    """Compare to 1e-12 of the highest rate: PyTorch's own steps of recursion round as well."""
    scheduler = getattr(torch.optim.lr_scheduler, kind)
    expected = theirs(rate, total, lambda optimizer: scheduler(optimizer, **options))
    found = [here.value(step, total) for step in range(total)]
    assert found == pytest.approx(expected, rel=1e-12, abs=1e-12 * max(expected))


@many
@given(RATES, TOTALS, FACTORS, st.integers(1, 30))
def test_step_decay(rate: float, total: int, factor: float, every: int) -> None:
    same(StepDecay(rate, every, factor), rate, total, "StepLR", step_size=every, gamma=factor)


@many
@given(RATES, TOTALS, FACTORS, st.lists(st.integers(1, 70), min_size=1, max_size=5).map(sorted))
def test_multi_step_decay(rate: float, total: int, factor: float, steps: list[int]) -> None:
    here = MultiStepDecay(rate, tuple(steps), factor)
    same(here, rate, total, "MultiStepLR", milestones=steps, gamma=factor)


@many
@given(RATES, TOTALS, FACTORS)
def test_exponential_decay(rate: float, total: int, factor: float) -> None:
    same(ExponentialDecay(rate, factor), rate, total, "ExponentialLR", gamma=factor)


@many
@given(RATES, TOTALS, st.floats(0.01, 1), SHARES)
def test_linear(rate: float, total: int, start: float, end: float) -> None:
    here = Linear(rate * start, final=rate * end)
    ends = {"start_factor": start, "end_factor": end, "total_iters": total}
    same(here, rate, total, "LinearLR", **ends)


@many
@given(RATES, TOTALS, st.floats(0.1, 5))
def test_polynomial(rate: float, total: int, power: float) -> None:
    same(Polynomial(rate, power), rate, total, "PolynomialLR", total_iters=total, power=power)


@many
@given(RATES, TOTALS, SHARES)
def test_cosine(rate: float, total: int, end: float) -> None:
    here = Cosine(rate, final=rate * end)
    same(here, rate, total, "CosineAnnealingLR", T_max=total, eta_min=rate * end)


@many
@given(RATES, TOTALS, st.integers(1, 20), st.integers(1, 4), SHARES)
def test_cosine_restarts(rate: float, total: int, period: int, multiplier: int, end: float) -> None:
    here = CosineRestarts(rate, period, multiplier, final=rate * end)
    options = {"T_0": period, "T_mult": multiplier, "eta_min": rate * end}
    same(here, rate, total, "CosineAnnealingWarmRestarts", **options)


@many
@given(RATES, TOTALS, st.floats(0.1, 0.9), st.floats(1, 100), st.floats(1, 1e5))
def test_one_cycle(rate: float, total: int, rise: float, start: float, end: float) -> None:
    """PyTorch's peak lies at ``pct_start · total - 1``, ours at a share of ``total - 1``."""
    here = OneCycle(rate, (rise * total - 1) / (total - 1), start, start * end)
    options = {"pct_start": rise, "div_factor": start, "final_div_factor": end}
    same(here, rate, total, "OneCycleLR", max_lr=rate, total_steps=total, **options)


@many
@given(RATES, TOTALS, st.integers(1, 15))
def test_warm_up(rate: float, total: int, steps: int) -> None:
    """Two of PyTorch's, one after the other."""
    rates = torch.optim.lr_scheduler

    def make(optimizer: Any) -> Any:
        rise = rates.LinearLR(optimizer, start_factor=1 / (steps + 1), total_iters=steps)
        fall = rates.PolynomialLR(optimizer, total_iters=total - steps, power=2)
        return rates.SequentialLR(optimizer, [rise, fall], milestones=[steps])

    here = WarmUp(Polynomial(rate, power=2), steps)
    found = [here.value(step, total) for step in range(total)]
    assert found == pytest.approx(theirs(rate, total, make), rel=1e-12, abs=1e-12 * rate)
