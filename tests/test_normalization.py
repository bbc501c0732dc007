"""Batch norm: the definition, the running averages, and float32 where variance is hard to keep."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import reference
from drawn import normal

import minidl as dl
from minidl.module import Context, Run
from minidl.types import Array


def params(channels: int, dtype: str = "float64") -> dict[str, Array]:
    ones, zeros = np.ones(channels, dtype), np.zeros(channels, dtype)
    return {"weight": ones, "bias": zeros, "running_mean": zeros, "running_variance": ones}


def test_batch_norm_is_the_definition() -> None:
    x, dy = normal(0, 2, 3, 2, 3) * 2 + 1, normal(1, 2, 3, 2, 3)
    weight, bias = normal(2, 3), normal(3, 3)
    values = {**params(3), "weight": weight, "bias": bias}
    wanted: frozenset[int | str] = frozenset([0, "weight", "bias"])
    y, pullback = dl.BatchNorm(epsilon=1e-3).forward(values, x, ctx=Context(True, wanted))
    assert pullback is not None
    (dx,), dparams = pullback(dy)
    rows, drows = x.reshape(12, 3), dy.reshape(12, 3)
    expected = reference.batch_norm(rows, weight, bias, 1e-3)
    np.testing.assert_allclose(y.reshape(12, 3), expected, rtol=0, atol=1e-12)
    assert dx is not None
    expected = reference.batch_norm_input_gradient(drows, rows, weight, 1e-3)
    np.testing.assert_allclose(dx.reshape(12, 3), expected, rtol=0, atol=1e-12)
    normalized = reference.batch_norm(rows, np.ones(3), np.zeros(3), 1e-3)
    np.testing.assert_allclose(dparams["bias"], drows.sum(axis=0), atol=1e-12)
    np.testing.assert_allclose(dparams["weight"], (drows * normalized).sum(axis=0), atol=1e-12)


def test_float32_with_a_large_mean_and_a_small_deviation() -> None:
    """At 10 000 a float32 is known to 0.001, and the deviation is 0.01.

    E[x²] - E[x]² would be of the order of ±8, where 0.0001 is right. The rounded inputs are taken
    as they are, so float64 knows the answer.
    """
    x = (10_000 + 0.01 * normal(0, 64, 8, 8, 2)).astype(np.float32)
    run = Run()
    y, _ = dl.BatchNorm(momentum=1.0).forward(params(2, "float32"), x, ctx=Context(True, run=run))
    fine = x.astype(np.float64)
    centred = fine - fine.mean(axis=(0, 1, 2))
    variance = np.square(centred).mean(axis=(0, 1, 2))
    expected = centred / np.sqrt(variance + 1e-5)
    assert y.dtype == np.float32
    np.testing.assert_allclose(y, expected, rtol=0, atol=1e-3)
    unbiased = variance * 4096 / 4095
    np.testing.assert_allclose(run.updates["running_variance"], unbiased, rtol=1e-3)
    np.testing.assert_allclose(run.updates["running_mean"], fine.mean(axis=(0, 1, 2)), rtol=1e-7)


def test_a_constant_channel_gives_zeros() -> None:
    x = np.full((3, 2, 2, 1), 0.1, np.float32)
    y, _ = dl.BatchNorm().forward(params(1, "float32"), x, ctx=Context(True))
    np.testing.assert_allclose(y, 0, atol=1e-5)


def test_running_averages_by_hand() -> None:
    """Of 1 and 3 the mean is 2 and the unbiased variance 2; a quarter of the new is taken."""
    run = Run()
    x = np.array([[1.0], [3.0]])
    dl.BatchNorm(momentum=0.25).forward(params(1), x, ctx=Context(True, run=run))
    assert run.updates["running_mean"].tolist() == [0.25 * 2]
    assert run.updates["running_variance"].tolist() == [0.75 * 1 + 0.25 * 2]


def test_a_shared_batch_norm_takes_in_both_its_inputs() -> None:
    """The second node goes on from the first: 0 to 1 by a mean of 2, then to 2.5 by one of 4."""
    graph = dl.Graph({"a": (1,), "b": (1,)})
    graph.add("one", dl.BatchNorm(momentum=0.5), "a")
    graph.add("two", dl.BatchNorm(momentum=0.5), "b", share="one")
    graph.add("sum", dl.Add(), "one", "two")
    a, b = np.array([[1.0], [3.0]]), np.array([[4.0], [4.0]])
    graph.gradients((a, b), np.zeros((2, 1)), dl.MeanSquaredError())
    assert graph.arrays["one.running_mean"].tolist() == [2.5]
    assert graph.arrays["one.running_variance"].tolist() == [(1 + 2) / 2 / 2]


def test_evaluation_uses_the_running_averages() -> None:
    values = {**params(1), "running_mean": np.array([2.0]), "running_variance": np.array([4.0])}
    y, _ = dl.BatchNorm(epsilon=1e-9).forward(values, np.array([[6.0]]), ctx=Context())
    assert y.item() == pytest.approx(2)


def test_normalize_by_hand() -> None:
    x = np.array([[[[1.0, 10.0]]]])
    y, _ = dl.Normalize((1.0, 4.0), (2.0, 3.0)).forward({}, x, ctx=Context())
    assert y.ravel().tolist() == pytest.approx([0, 2])


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        (dl.BatchNorm, {"momentum": 1.5}, "momentum should lie between 0 and 1, got 1.5"),
        (dl.BatchNorm, {"epsilon": 0.0}, "epsilon must be positive and finite, got 0.0"),
        (dl.Normalize, {"mean": float("nan")}, "mean should be finite, got nan"),
        (dl.Normalize, {"deviation": 0.0}, "deviation should be positive, got 0.0"),
        (dl.Normalize, {"deviation": (1.0, -1.0)}, r"deviation should be positive, got \(1.0, -1"),
        (dl.Dropout, {"rate": 1.0}, "rate must be at least 0 and below 1, got 1.0"),
        (dl.Dense, {"units": 0}, "units must be an integer of at least 1, got 0"),
        (dl.Conv2d, {"filters": 0, "kernel_size": 3}, "filters must be an integer of at least 1"),
    ],
)
def test_options_out_of_range(kind: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        kind(**options)


@pytest.mark.parametrize("numbers", [[0.1, 0.2], np.array([0.1, 0.2])], ids=["list", "array"])
def test_normalize_takes_its_numbers_from_anything(numbers: Any) -> None:
    """As tuples, so that modules stay plain data that compares, hashes and saves."""
    module = dl.Normalize(mean=numbers)
    assert module == dl.Normalize((0.1, 0.2))
    assert hash(module) == hash(dl.Normalize((0.1, 0.2)))


def test_float32_sums_of_many_pixels() -> None:
    """Adding 0.1 a million times in float32, one after the other, ends at 0.10099."""
    x = np.full((1, 1024, 1024, 3), 0.1, np.float32)
    means = dl.GlobalAvgPool2d().forward({}, x, ctx=dl.Context())[0]
    np.testing.assert_allclose(means, 0.1, rtol=1e-5)
