"""Twenty steps of each optimizer are PyTorch's, in float64, to 1e-12; with clipping and groups."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from drawn import normal
from hypothesis import given, settings
from hypothesis import strategies as st
from parity import close, leaf, torch

import minidl as dl
from minidl.types import Array

STEPS = 20
SHAPES = {"conv.weight": (3, 4), "conv.bias": (4,), "norm.weight": (1,)}
LATE = "norm.weight"


class Pair(NamedTuple):
    """An optimizer here, and what builds the same there from parameters."""

    here: dl.Optimizer
    there: Callable[..., Any]


DECAYS = st.sampled_from([0.0, 0.01, 0.3])
EPSILONS = st.sampled_from([1e-8, 1e-4, 0.1])
MOMENTA = st.sampled_from([0.0, 0.5, 0.9])
RATES = st.floats(1e-3, 0.2)


def pair(kind: Callable[..., dl.Optimizer], twin: Any, **options: Any) -> Pair:
    """Build both from our options."""
    names = {"epsilon": "eps", "initial": "initial_accumulator_value"}
    theirs = {names.get(name, name): value for name, value in options.items()}
    return Pair(kind(**options), lambda params: twin(params, **theirs))


@st.composite
def sgd(draw: st.DrawFn) -> Pair:
    momentum = draw(MOMENTA)
    nesterov = bool(momentum) and draw(st.booleans())
    return pair(
        dl.SGD,
        torch.optim.SGD,
        lr=draw(RATES),
        momentum=momentum,
        nesterov=nesterov,
        dampening=0.0 if nesterov else draw(st.sampled_from([0.0, 0.4])),
        weight_decay=draw(DECAYS),
    )


@st.composite
def adam(draw: st.DrawFn) -> Pair:
    first, second = st.sampled_from([0.0, 0.8, 0.9]), st.sampled_from([0.5, 0.95, 0.999])
    decoupled = draw(st.booleans())
    return pair(
        dl.AdamW if decoupled else dl.Adam,
        torch.optim.AdamW if decoupled else torch.optim.Adam,
        lr=draw(RATES),
        betas=(draw(first), draw(second)),
        epsilon=draw(EPSILONS),
        weight_decay=draw(DECAYS),
        amsgrad=draw(st.booleans()),
    )


@st.composite
def rmsprop(draw: st.DrawFn) -> Pair:
    return pair(
        dl.RMSprop,
        torch.optim.RMSprop,
        lr=draw(RATES),
        alpha=draw(st.sampled_from([0.5, 0.9, 0.99])),
        epsilon=draw(EPSILONS),
        momentum=draw(MOMENTA),
        centered=draw(st.booleans()),
        weight_decay=draw(DECAYS),
    )


@st.composite
def adagrad(draw: st.DrawFn) -> Pair:
    return pair(
        dl.Adagrad,
        torch.optim.Adagrad,
        lr=draw(RATES),
        epsilon=draw(st.sampled_from([1e-10, 1e-4])),
        initial=draw(st.sampled_from([0.0, 0.1, 2.0])),
        lr_decay=draw(st.sampled_from([0.0, 0.1])),
        weight_decay=draw(DECAYS),
    )


KINDS = st.one_of(sgd(), adam(), rmsprop(), adagrad())
LIMITS = st.none() | st.sampled_from([0.1, 0.7, 3.0, 100.0])


def walk(here: dl.Optimizer, there: Callable[[dict[str, Any]], list[Any]], joins: int = 0) -> None:
    """Take the steps with both, on equal gradients; one array has none before step ``joins``."""
    arrays: dict[str, Array] = {path: normal(1, *shape) for path, shape in SHAPES.items()}
    tensors = {path: leaf(array) for path, array in arrays.items()}
    theirs = there(tensors)
    for step in range(STEPS):
        grads = {path: normal(step, *shape) for path, shape in SHAPES.items()}
        if step < joins:
            del grads[LATE]
        here.step(arrays, grads)
        for path, grad in grads.items():
            tensors[path].grad = torch.tensor(grad)
        if here.clip_value is not None:
            torch.nn.utils.clip_grad_value_(tensors.values(), here.clip_value)
        if here.clip_norm is not None:
            torch.nn.utils.clip_grad_norm_(tensors.values(), here.clip_norm)
        for one in theirs:
            one.step()
    for path, tensor in tensors.items():
        close(arrays[path], tensor.detach().numpy(), 1e-12)


@settings(max_examples=200, deadline=None)
@given(pair=KINDS, value=LIMITS, norm=LIMITS, joins=st.sampled_from([0, 0, 7]))
def test_one_optimizer(pair: Pair, value: float | None, norm: float | None, joins: int) -> None:
    here = pair.here.replace(clip_value=value, clip_norm=norm)
    walk(here, lambda tensors: [pair.there(list(tensors.values()))], joins)


@settings(max_examples=50, deadline=None)
@given(one=KINDS, other=KINDS, value=LIMITS, norm=LIMITS)
def test_groups_of_two_kinds(
    one: Pair, other: Pair, value: float | None, norm: float | None
) -> None:
    """Those of PyTorch are two optimizers, since a group of it has no kind of its own."""
    groups = {("*.bias", "norm"): one.here, "*": other.here}

    def there(tensors: dict[str, Any]) -> list[Any]:
        ones = [tensors["conv.bias"], tensors["norm.weight"]]
        return [one.there(ones), other.there([tensors["conv.weight"]])]

    walk(dl.ParameterGroups(groups, clip_value=value, clip_norm=norm), there)


def test_groups_are_pytorchs_groups() -> None:
    """Two rates and no decay on biases, by one optimizer there."""
    sgd = dl.SGD(0.1, momentum=0.9, weight_decay=0.1)
    groups = {"*.bias": sgd.replace(weight_decay=0.0), "norm": sgd.replace(lr=0.01), "*": sgd}

    def there(tensors: dict[str, Any]) -> list[Any]:
        plan = [
            {"params": tensors["conv.weight"]},
            {"params": tensors["conv.bias"], "weight_decay": 0.0},
            {"params": tensors["norm.weight"], "lr": 0.01},
        ]
        return [torch.optim.SGD(plan, lr=0.1, momentum=0.9, weight_decay=0.1)]

    walk(dl.ParameterGroups(groups), there)


def test_defaults_are_pytorchs() -> None:
    """Or the twins above, which are given every option, would say nothing of them."""
    for name in ("Adam", "AdamW", "RMSprop", "Adagrad"):
        twin = getattr(torch.optim, name)
        walk(getattr(dl, name)(), lambda tensors, twin=twin: [twin(list(tensors.values()))])  # type: ignore[misc]


def test_norms_that_are_not_finite_are_pytorchs() -> None:
    for bad in (np.inf, np.nan):
        arrays, tensor = {"w": np.ones(2)}, leaf(np.ones(2))
        with np.errstate(invalid="ignore"):
            dl.SGD(0.1, clip_norm=1.0).step(arrays, {"w": np.array([bad, 1.0])})
        tensor.grad = torch.tensor([bad, 1.0], dtype=torch.float64)
        torch.nn.utils.clip_grad_norm_([tensor], 1.0)
        torch.optim.SGD([tensor], lr=0.1).step()
        np.testing.assert_array_equal(arrays["w"], tensor.detach().numpy())
