"""Initializers: their mean, variance and range against the papers, and the fans they are given."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import minidl as dl
from minidl import architecture, initializers
from minidl.initializers import (
    Constant,
    GlorotNormal,
    GlorotUniform,
    HeNormal,
    HeUniform,
    Initializer,
    LeCunNormal,
    LeCunUniform,
    Normal,
    Orthogonal,
    TruncatedNormal,
    Uniform,
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
        (LeCunUniform(), 1 / 30, math.sqrt(3 / 30)),
        (LeCunNormal(), 1 / 30, None),
        (LeCunUniform(1 / math.sqrt(3)), 1 / 90, 1 / math.sqrt(30)),  # PyTorch's own layers
        (Uniform(-0.1, 0.1), 0.01 / 3, 0.1),
        (Normal(0.2), 0.04, None),
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


@pytest.mark.parametrize(
    ("initializer", "mean", "deviation"),
    [(Uniform(2.0, 5.0), 3.5, math.sqrt(0.75)), (Normal(0.5, mean=-2.0), -2.0, 0.5)],
    ids=repr,
)
def test_about_another_mean(initializer: Initializer, mean: float, deviation: float) -> None:
    values = drawn(initializer)
    assert values.mean() == pytest.approx(mean, abs=5 * deviation / math.sqrt(values.size))
    assert values.std() == pytest.approx(deviation, rel=0.01)


def cut_variance(bound: float) -> float:
    """Return the variance of a standard normal cut at ± bound (Johnson and Kotz 1970)."""
    density = math.exp(-(bound**2) / 2) / math.sqrt(2 * math.pi)
    return 1 - 2 * bound * density / math.erf(bound / math.sqrt(2))


@pytest.mark.parametrize(
    ("deviation", "mean", "bound"),
    [(0.02, 0.0, 2.0), (0.5, 3.0, 1.0), (1.0, 0.0, 0.1), (1.0, -1.0, 50.0)],
)
def test_a_truncated_normal(deviation: float, mean: float, bound: float) -> None:
    values = (drawn(TruncatedNormal(deviation, mean, bound)) - mean) / deviation
    assert np.abs(values).max() <= bound * (1 + 1e-9)
    if bound <= 2:
        assert np.abs(values).max() > 0.995 * bound
    root = math.sqrt(cut_variance(bound))
    assert values.mean() == pytest.approx(0, abs=5 * root / math.sqrt(values.size))
    assert values.std() == pytest.approx(root, rel=0.01)
    half = math.erf(bound / 2 / math.sqrt(2)) / math.erf(bound / math.sqrt(2))
    assert (np.abs(values) < bound / 2).mean() == pytest.approx(half, abs=0.01)


def test_the_deviation_of_a_truncated_normal_is_that_before_the_cut() -> None:
    assert drawn(TruncatedNormal(1.0)).std() == pytest.approx(0.8796, rel=0.005)


def test_a_truncated_normal_is_finite_at_the_far_end() -> None:
    """Where the generator's lowest number is 0, the distribution's inverse is minus infinity."""

    class Lowest(np.random.Generator):
        def uniform(self, low: Any = 0.0, high: Any = 1.0, size: Any = None) -> Any:
            return np.full(size, low)

    values = TruncatedNormal(1.0, bound=50.0)((2,), (1, 1), Lowest(np.random.PCG64(0)))
    assert values.tolist() == [-50, -50]


@pytest.mark.parametrize("shape", [(7, 4), (4, 7), (5, 5), (3, 2, 4, 10), (3, 3, 2, 30), (1, 6)])
@pytest.mark.parametrize("gain", [1.0, 0.3])
def test_an_orthogonal_matrix(shape: tuple[int, ...], gain: float) -> None:
    matrix = Orthogonal(gain)(shape, (1, 1), np.random.default_rng(1)).reshape(-1, shape[-1])
    tall = matrix if matrix.shape[0] >= matrix.shape[1] else matrix.T
    expected = gain**2 * np.eye(tall.shape[1])
    np.testing.assert_allclose(tall.T @ tall, expected, atol=1e-13)


def test_orthogonal_matrices_are_uniform() -> None:
    """All are alike likely: none of the signs is fixed, as those of a bare QR are."""
    rng = np.random.default_rng(0)
    many = np.array([Orthogonal()((3, 3), (1, 1), rng) for _ in range(4000)])
    np.testing.assert_allclose(many.mean(axis=0), 0, atol=0.05)  # deviation sqrt(1/3) / sqrt(4000)
    np.testing.assert_allclose((many**2).mean(axis=0), 1 / 3, atol=0.03)
    assert abs(np.linalg.det(many).mean()) < 0.1
    assert np.trace(many, axis1=1, axis2=2).var() == pytest.approx(1, abs=0.1)  # Diaconis 1994


def test_an_orthogonal_bias_is_refused() -> None:
    with pytest.raises(ValueError, match=r"needs a weight of two axes or more, got shape \(5,\)"):
        Orthogonal()((5,), (1, 1), np.random.default_rng(0))


def test_a_constant() -> None:
    assert (drawn(Constant(0.25)) == 0.25).all()


def test_the_same_generator_gives_the_same_values() -> None:
    np.testing.assert_array_equal(drawn(HeNormal()), drawn(HeNormal()))


KINDS: list[Callable[..., Initializer]] = [
    *(GlorotUniform, GlorotNormal, HeUniform, HeNormal, LeCunUniform, LeCunNormal, Orthogonal)
]


@pytest.mark.parametrize("gain", [0.0, -1.0, math.inf, math.nan])
@pytest.mark.parametrize("kind", KINDS)
def test_a_gain_that_is_none(kind: Callable[..., Initializer], gain: float) -> None:
    with pytest.raises(ValueError, match=f"gain must be positive and finite, got {gain}"):
        kind(gain)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Constant(math.nan), "value must be finite, got nan"),
        (lambda: Constant(-math.inf), "value must be finite, got -inf"),
        (lambda: Normal(0.0), "deviation must be positive and finite, got 0.0"),
        (lambda: Normal(math.nan), "deviation must be positive and finite, got nan"),
        (lambda: Normal(1.0, math.inf), "mean must be finite, got inf"),
        (lambda: Uniform(1.0, 1.0), "high - low must be positive and finite, got 0.0"),
        (lambda: Uniform(1.0, -1.0), "high - low must be positive and finite, got -2.0"),
        (lambda: Uniform(math.nan, 1.0), "low must be finite, got nan"),
        (lambda: Uniform(0.0, math.inf), "high must be finite, got inf"),
        (lambda: Uniform(-1.7e308, 1.7e308), "high - low must be positive and finite, got inf"),
        (lambda: TruncatedNormal(-1.0), "deviation must be positive and finite, got -1.0"),
        (lambda: TruncatedNormal(bound=0.0), "bound must be positive and finite, got 0.0"),
        (lambda: TruncatedNormal(mean=math.nan), "mean must be finite, got nan"),
    ],
)
def test_numbers_that_are_refused(build: Callable[[], Initializer], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build()


@pytest.mark.parametrize(
    "build",
    [
        lambda: Constant("0"),  # type: ignore[arg-type]
        lambda: Uniform(True, 2.0),
        lambda: HeNormal(None),  # type: ignore[arg-type]
    ],
)
def test_what_is_no_number(build: Callable[[], Initializer]) -> None:
    with pytest.raises(TypeError, match="must be a number"):
        build()


EVERY = [
    *(Constant(0.5), Uniform(-0.5, 0.25), Normal(0.1, -1.0), TruncatedNormal(0.1, 1.0, 1.5)),
    *(Orthogonal(0.5), GlorotUniform(2.0), GlorotNormal(2.0), HeUniform(2.0), HeNormal(2.0)),
    *(LeCunUniform(2.0), LeCunNormal(2.0)),
]


def test_every_initializer_is_in_the_list() -> None:
    public = {
        name
        for name, value in vars(initializers).items()
        if inspect.isclass(value) and issubclass(value, Initializer) and name[0] != "_"
    }
    assert {type(one).__name__ for one in EVERY} == public - {"Initializer"}


@pytest.mark.parametrize("initializer", EVERY, ids=repr)
def test_every_initializer_comes_back_from_a_file(initializer: Initializer) -> None:
    model = dl.Sequential([dl.Dense(4, weight_init=initializer)], (5,), seed=3)
    again = architecture.from_json(architecture.to_json(model))
    assert again.nodes["dense1"].module == dl.Dense(4, weight_init=initializer)
    np.testing.assert_array_equal(again.arrays["dense1.weight"], model.arrays["dense1.weight"])
    assert model.arrays["dense1.weight"].dtype == np.float32


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
