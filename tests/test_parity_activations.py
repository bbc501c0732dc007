"""Activations against PyTorch in float64: values and gradients, element by element."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from parity import F, leaf, torch

import minidl as dl
from minidl.module import Context
from minidl.types import Array

Pair = tuple[dl.Module, Callable[..., Any]]
SHAPES = [(1, 1), (3, 4), (2, 3, 1), (2, 2, 3, 2), (1, 5, 2, 3), (4, 17)]
AWKWARD = [0.0, -0.0, 1e4, -1e4, 20.5, -20.5, 0.5, -0.5]


@st.composite
def arrays(draw: st.DrawFn) -> tuple[Array, Array]:
    """An input of one size or many, with some awkward numbers in it, and a gradient."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shape = draw(st.sampled_from(SHAPES))
    x = rng.standard_normal(shape) * draw(st.sampled_from([1e-6, 0.1, 1.0, 4.0, 30.0, 1e3, 1e4]))
    for place in rng.integers(0, x.size, draw(st.integers(0, 3))):
        x.flat[place] = rng.choice(AWKWARD)
    return x, rng.standard_normal(shape)


def numbers(low: float, high: float) -> st.SearchStrategy[float]:
    return st.floats(low, high, allow_subnormal=False)


def prelu(x: Any, weight: Any) -> Any:
    return F.prelu(x.movedim(-1, 1), weight).movedim(1, -1)


def hard_sigmoid(x: Any) -> Any:
    """As PyTorch defines it; the gradient of its own function has 1/6 as a float32, to 5e-9."""
    return F.relu6(x + 3) / 6


PAIRS: dict[str, st.SearchStrategy[Pair]] = {
    "relu": st.just((dl.ReLU(), F.relu)),
    "leaky relu": numbers(0, 2).map(lambda a: (dl.LeakyReLU(a), lambda x: F.leaky_relu(x, a))),
    "prelu": st.just((dl.PReLU(), prelu)),
    "prelu of one weight": st.just((dl.PReLU(shared=True), prelu)),
    "elu": numbers(0, 3).map(lambda a: (dl.ELU(a), lambda x: F.elu(x, a))),
    "selu": st.just((dl.SELU(), F.selu)),
    "gelu": st.just((dl.GELU(), F.gelu)),
    "gelu by tanh": st.just((dl.GELU("tanh"), lambda x: F.gelu(x, approximate="tanh"))),
    "silu": st.just((dl.SiLU(), F.silu)),
    "mish": st.just((dl.Mish(), F.mish)),
    "softplus": st.just((dl.Softplus(), lambda x: F.softplus(x, threshold=600))),
    "softsign": st.just((dl.Softsign(), F.softsign)),
    "sigmoid": st.just((dl.Sigmoid(), torch.sigmoid)),
    "hard sigmoid": st.just((dl.HardSigmoid(), hard_sigmoid)),
    "hard swish": st.just((dl.HardSwish(), F.hardswish)),
    "tanh": st.just((dl.Tanh(), torch.tanh)),
    "softmax": st.just((dl.Softmax(), lambda x: F.softmax(x, -1))),
    "log softmax": st.just((dl.LogSoftmax(), lambda x: F.log_softmax(x, -1))),
}


def equal(a: Array, b: Any) -> None:
    """Equal to 1e-10 of each element, or of 1: a large one hides no other."""
    np.testing.assert_allclose(a, b.detach().numpy(), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("name", PAIRS)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_values_and_gradients(name: str, data: st.DataObject) -> None:
    (module, twin), (x, dy) = data.draw(PAIRS[name]), data.draw(arrays())
    params = {
        key: np.linspace(-0.5, 1.5, spec.shape[0])
        for key, spec in module.parameters(x.shape[1:]).items()
    }
    y, pullback = module.forward(params, x, ctx=Context(wanted=frozenset([0, *params])))
    assert pullback is not None
    (dx,), dparams = pullback(dy)
    tensor, leaves = leaf(x), {key: leaf(array) for key, array in params.items()}
    expected = twin(tensor, **leaves)
    expected.backward(torch.tensor(dy))
    equal(y, expected)
    assert dx is not None
    equal(dx, tensor.grad)
    for key, found in dparams.items():
        np.testing.assert_allclose(found, leaves[key].grad.numpy(), rtol=1e-10, atol=1e-8)


KINKED: list[Pair] = [
    (dl.ReLU(), F.relu),
    (dl.LeakyReLU(0.2), lambda x: F.leaky_relu(x, 0.2)),
    (dl.ELU(0.7), lambda x: F.elu(x, 0.7)),
    (dl.SELU(), F.selu),
    (dl.HardSigmoid(), hard_sigmoid),
    (dl.HardSwish(), F.hardswish),
]


@pytest.mark.parametrize(("module", "twin"), KINKED, ids=[repr(pair[0]) for pair in KINKED])
def test_slopes_at_the_kinks(module: dl.Module, twin: Callable[..., Any]) -> None:
    x = np.array([[-3.0, -0.0, 0.0, 3.0]])
    _, pullback = module.forward({}, x, ctx=Context(wanted=frozenset({0})))
    tensor = leaf(x)
    twin(tensor).sum().backward()
    assert pullback is not None
    (dx,), _ = pullback(np.ones_like(x))
    assert dx is not None
    equal(dx, tensor.grad)


SMOOTH: list[Pair] = [
    (dl.GELU(), F.gelu),
    (dl.GELU("tanh"), lambda x: F.gelu(x, approximate="tanh")),
    (dl.SiLU(), F.silu),
    (dl.Mish(), F.mish),
    (dl.Softplus(), F.softplus),
    (dl.Softmax(), lambda x: F.softmax(x, -1)),
    (dl.LogSoftmax(), lambda x: F.log_softmax(x, -1)),
]


@pytest.mark.parametrize(("module", "twin"), SMOOTH, ids=[repr(pair[0]) for pair in SMOOTH])
@pytest.mark.parametrize("scale", [1.0, 5.0])
def test_float32_is_no_worse_than_pytorchs(
    module: dl.Module, twin: Callable[..., Any], scale: float
) -> None:
    """By the largest relative error against float64, where PyTorch loses digits in the tails."""
    x = (np.random.default_rng(3).standard_normal((50, 40)) * scale).astype(np.float32)
    exact = module.forward({}, x.astype(np.float64), ctx=Context())[0]
    ours = np.abs(module.forward({}, x, ctx=Context())[0] / exact - 1).max()
    theirs = np.abs(twin(torch.tensor(x)).numpy() / exact - 1).max()
    assert ours <= 2 * theirs + 2 * np.finfo(np.float32).eps
