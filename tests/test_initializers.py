"""Initialisers: their mean, variance and range against the papers, and the fans they are given."""

from __future__ import annotations

import math

import numpy as np
import pytest

import minidl as dl
from minidl.initializers import (
    Constant,
    GlorotNormal,
    GlorotUniform,
    HeNormal,
    HeUniform,
    Initializer,
)
from minidl.types import Array

SHAPE, FANS = (300, 400), (30, 90)  # 120 000 samples


def drawn(initializer: Initializer) -> Array:
    return initializer(SHAPE, FANS, np.random.default_rng(0))


@pytest.mark.parametrize(
    ("initializer", "variance", "limit"),
    [
        (GlorotUniform(), 2 / 120, math.sqrt(6 / 120)),
        (GlorotNormal(), 2 / 120, None),
        (HeUniform(), 2 / 30, math.sqrt(6 / 30)),
        (HeNormal(), 2 / 30, None),
        (HeUniform(gain=0.5), 0.25 * 2 / 30, 0.5 * math.sqrt(6 / 30)),
        (GlorotNormal(gain=2.0), 4 * 2 / 120, None),
    ],
    ids=repr,
)
def test_mean_variance_and_range(
    initializer: Initializer, variance: float, limit: float | None
) -> None:
    values = drawn(initializer)
    assert values.dtype == np.float64
    deviation = math.sqrt(variance)
    assert values.mean() == pytest.approx(0, abs=5 * deviation / math.sqrt(values.size))
    assert values.var() == pytest.approx(variance, rel=0.02)
    fourth = (values**4).mean() / variance**2
    assert fourth == pytest.approx(3 if limit is None else 9 / 5, rel=0.03)  # normal, uniform
    if limit is not None:
        assert 0.999 * limit < np.abs(values).max() <= limit


def test_a_constant() -> None:
    assert (drawn(Constant(0.25)) == 0.25).all()


def test_the_same_generator_gives_the_same_values() -> None:
    np.testing.assert_array_equal(drawn(HeNormal()), drawn(HeNormal()))


@pytest.mark.parametrize("gain", [0.0, -1.0, math.inf])
def test_a_gain_that_is_none(gain: float) -> None:
    with pytest.raises(ValueError, match="gain must be positive and finite"):
        HeUniform(gain)


def test_an_initializer_of_ones_own_defines_call() -> None:
    with pytest.raises(NotImplementedError, match="Initializer should define __call__"):
        drawn(Initializer())


@pytest.mark.parametrize(
    ("module", "shape", "fans"),
    [
        (dl.Dense(20), (30,), (30, 20)),
        (dl.Conv2d(16, (3, 5)), (9, 9, 4), (60, 240)),  # 3·5·4 in, 3·5·16 out
    ],
)
def test_fans(module: dl.Module, shape: tuple[int, ...], fans: tuple[int, int]) -> None:
    assert module.parameters(shape)["weight"].fans == fans


def test_layers_start_with_he_uniform_weights_and_no_bias() -> None:
    model = dl.Sequential([dl.Conv2d(32, 5), dl.Flatten(), dl.Dense(200)], (8, 8, 16))
    for node, fan_in in (("conv1", 400), ("dense1", 512)):
        weight = model.arrays[f"{node}.weight"]
        assert weight.var() == pytest.approx(2 / fan_in, rel=0.05)
        assert 0.99 * math.sqrt(6 / fan_in) < np.abs(weight).max() <= math.sqrt(6 / fan_in) * 1.0001
        assert not model.arrays[f"{node}.bias"].any()


def test_a_layer_starts_as_told() -> None:
    layer = dl.Dense(50, weight_init=GlorotNormal(), bias_init=Constant(0.1))
    model = dl.Sequential([layer], (350,))
    assert model.arrays["dense1.weight"].var() == pytest.approx(2 / 400, rel=0.05)
    np.testing.assert_allclose(model.arrays["dense1.bias"], 0.1)


def test_signals_keep_their_size_through_relu_layers() -> None:
    """What He's variance is for: the mean square neither dies nor explodes in ten layers."""
    layers = [layer for _ in range(10) for layer in (dl.Dense(300), dl.ReLU())]
    x = np.random.default_rng(0).standard_normal((50, 300))
    y = dl.Sequential(layers, (300,)).predict(x)
    assert 0.3 < float((y**2).mean()) < 3
