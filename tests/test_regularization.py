"""Dropout and its kin, and noise: the numbers they draw, and what becomes of values."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from drawn import normal
from scipy import stats

import minidl as dl
from minidl.module import Context, Run
from minidl.types import Array, Shape


def train(module: dl.Module, x: Array, seed: int = 0, step: int = 0) -> Array:
    """Return the output of a training step."""
    y, _ = module.forward({}, x, ctx=Context(True, run=Run(seed, step)))
    return y


def fallen(module: dl.Module, shape: Shape, step: int = 0) -> Array:
    """Return where ones fall to 0."""
    zeros: Array = train(module, np.ones(shape, np.float32), step=step) == 0
    return zeros


def near(share: float, count: int) -> Any:
    """Five standard deviations about the share of ``count`` independent draws."""
    return pytest.approx(share, abs=5 * math.sqrt(share * (1 - share) / count))


DROPS = [dl.Dropout(0.3), dl.Dropout2d(0.3), dl.DropPath(0.3)]
EACH = pytest.mark.parametrize("module", DROPS, ids=repr)
UNITS = {"Dropout": (2000, 3, 4, 5), "Dropout2d": (2000, 1, 1, 5), "DropPath": (2000, 1, 1, 1)}


@EACH
def test_units_fall_as_one_and_with_the_rate(module: dl.Module) -> None:
    zeros = fallen(module, (2000, 3, 4, 5))
    units = UNITS[type(module).__name__]
    alone = zeros[tuple(slice(size) for size in units)]
    np.testing.assert_array_equal(zeros, np.broadcast_to(alone, zeros.shape))
    assert alone.mean() == near(0.3, alone.size)


@EACH
@pytest.mark.parametrize("rate", [0.0, 0.1, 0.5, 0.9])
def test_the_mean_stays(module: dl.Module, rate: float) -> None:
    y = train(module.replace(rate=rate), np.ones((4000, 2, 2, 3)))
    units = {"Dropout": 12, "Dropout2d": 3, "DropPath": 1}[type(module).__name__] * 4000
    deviation = math.sqrt(rate / (1 - rate) / units)
    assert y.mean() == pytest.approx(1, abs=5 * deviation + 1e-12)
    assert set(np.unique(y)) == ({0, 1 / (1 - rate)} if rate else {1})


@EACH
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_what_stays_is_scaled_and_what_falls_is_zero(module: dl.Module, dtype: str) -> None:
    """An infinity or a NaN falls like everything else."""
    x = normal(0, 50, 2, 3, 4).astype(dtype)
    zeros = fallen(module, x.shape)
    x[zeros] = np.resize([np.inf, -np.inf, np.nan, 3.0], x.shape)[zeros]
    y = train(module, x)
    assert y.dtype == dtype
    expected = np.where(zeros, 0, x) * np.array(1 / 0.7, dtype)
    np.testing.assert_array_equal(y, expected)


@EACH
def test_the_gradient_falls_with_its_value(module: dl.Module) -> None:
    x, dy = np.ones((40, 3, 2, 4)), normal(1, 40, 3, 2, 4)
    y, pullback = module.forward({}, x, ctx=Context(True, frozenset({0}), Run()))
    assert pullback is not None
    (dx,), dparams = pullback(dy)
    assert dx is not None
    np.testing.assert_allclose(dx, dy * y, rtol=1e-15)
    assert dparams == {}


@EACH
def test_samples_and_steps_are_independent(module: dl.Module) -> None:
    """As the correlation between neighbours in the batch, and between two steps."""
    shape = (4000, 1, 1, 1)
    first, second = (fallen(module, shape, step).ravel().astype(float) for step in (0, 1))
    bound = 5 / math.sqrt(4000)
    assert abs(np.corrcoef(first[1:], first[:-1])[0, 1]) < bound
    assert abs(np.corrcoef(first, second)[0, 1]) < bound


def test_channels_are_independent() -> None:
    zeros = fallen(dl.Dropout2d(0.5), (4000, 2, 4))[:, 0].astype(float)
    assert np.abs(np.corrcoef(zeros.T) - np.eye(4)).max() < 5 / math.sqrt(4000)


def test_dropout2d_of_sequences_and_vectors() -> None:
    sequences, vectors = (fallen(dl.Dropout2d(0.5), shape) for shape in ((400, 7, 3), (400, 3)))
    np.testing.assert_array_equal(sequences, np.repeat(sequences[:, :1], 7, axis=1))
    np.testing.assert_array_equal(sequences[:, 0], vectors)
    assert vectors.mean() == near(0.5, vectors.size)


@pytest.mark.parametrize("module", [*DROPS, dl.GaussianNoise(0.3)], ids=repr)
def test_evaluation_changes_nothing(module: dl.Module) -> None:
    x = normal(0, 3, 2, 4)
    y, pullback = module.forward({}, x, ctx=Context(False, frozenset({0}), Run()))
    np.testing.assert_array_equal(y, x)
    assert pullback is not None
    np.testing.assert_array_equal(pullback(x)[0][0], x)


@pytest.mark.parametrize("module", [*DROPS, dl.GaussianNoise(0.3)], ids=repr)
@pytest.mark.parametrize("training", [True, False])
def test_integers_become_floats(module: dl.Module, training: bool) -> None:
    x = np.array([[200, 100, 0]], np.uint8)
    y = module.forward({}, x, ctx=Context(training))[0]
    assert y.dtype == np.float32
    np.testing.assert_array_equal(y, module.forward({}, x.astype("f4"), ctx=Context(training))[0])


def test_a_residual_block_falls_back_to_its_skip() -> None:
    block = dl.residual(dl.LeakyReLU(3.0), dl.DropPath(0.5))
    x = -1 - np.abs(normal(0, 300, 5))
    y = block.forward({}, x, ctx=Context(True, run=Run()))[0]
    quotient = y / x  # 1 where the branch fell, and 1 + 3 / (1 - 0.5) where it stayed
    assert set(np.unique(quotient.round(9))) == {1, 7}
    assert (quotient.std(axis=1) < 1e-12).all()
    np.testing.assert_allclose(block.forward({}, x, ctx=Context())[0], 4 * x)


# Noise


def noise(shape: Shape, step: int = 0, deviation: float = 1.0, dtype: str = "float32") -> Array:
    return train(dl.GaussianNoise(deviation), np.zeros(shape, dtype), step=step)


@pytest.mark.parametrize("shape", [(500, 400), (500, 20, 4, 5), (200_000, 1)])
def test_noise_is_normal(shape: Shape) -> None:
    numbers = noise(shape).ravel().astype(float)
    count = numbers.size
    assert numbers.mean() == pytest.approx(0, abs=5 / math.sqrt(count))
    assert numbers.var() == pytest.approx(1, abs=5 * math.sqrt(2 / count))
    assert (numbers**3).mean() == pytest.approx(0, abs=5 * math.sqrt(15 / count))
    assert (numbers**4).mean() == pytest.approx(3, abs=5 * math.sqrt(96 / count))
    assert stats.kstest(numbers, "norm").pvalue > 1e-3
    assert 4 < np.abs(numbers).max() < 5.8


def test_noise_is_independent_between_values_samples_and_steps() -> None:
    numbers = noise((2000, 40)).astype(float)
    bound = 5.5 / math.sqrt(2000)  # over some hundreds of pairs
    assert np.abs(np.corrcoef(numbers.T) - np.eye(40)).max() < bound
    assert np.abs(np.corrcoef(numbers.T**2) - np.eye(40)).max() < bound  # pairs share a radius
    assert abs(np.corrcoef(numbers[1:].ravel(), numbers[:-1].ravel())[0, 1]) < 0.02
    other = noise((2000, 40), step=1)
    assert abs(np.corrcoef(numbers.ravel(), other.ravel())[0, 1]) < 0.02


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_noise_is_added_and_scaled(dtype: str) -> None:
    """The same numbers whatever it is added to, and a gradient of one."""
    unit = noise((6, 3, 5), dtype=dtype)
    assert unit.dtype == dtype
    x = normal(0, 6, 3, 5).astype(dtype)
    y = train(dl.GaussianNoise(0.25), x)
    np.testing.assert_allclose(y, x + 0.25 * unit, rtol=1e-6)
    assert y.dtype == dtype


def test_noise_does_not_depend_on_how_the_batch_is_cut() -> None:
    whole = noise((6, 3, 3))
    for start, stop in ((0, 1), (1, 4), (4, 6)):
        ctx = Context(True, run=Run(first=start))
        x = np.zeros((stop - start, 3, 3), np.float32)
        part = dl.GaussianNoise(1.0).forward({}, x, ctx=ctx)[0]
        np.testing.assert_array_equal(part, whole[start:stop])


@pytest.mark.parametrize("kind", [dl.Dropout, dl.Dropout2d, dl.DropPath])
@pytest.mark.parametrize("rate", [1.0, -0.1, math.nan, 2])
def test_rates_out_of_range(kind: Callable[[float], dl.Module], rate: float) -> None:
    with pytest.raises(ValueError, match=f"rate must be at least 0 and below 1, got {rate}"):
        kind(rate)


@pytest.mark.parametrize(
    ("deviation", "error", "message"),
    [
        (-1.0, ValueError, "deviation must be at least 0 and finite, got -1.0"),
        (math.inf, ValueError, "deviation must be at least 0 and finite, got inf"),
        ("1", TypeError, "deviation must be a number, at least 0 and finite, got '1'"),
    ],
)
def test_deviations_out_of_range(deviation: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        dl.GaussianNoise(deviation)
