"""Normalisation is PyTorch's, in float64: values, all gradients, and running averages."""

from __future__ import annotations

from typing import Any

import numpy as np
from drawn import normal
from hypothesis import given, settings
from hypothesis import strategies as st
from parity import F, agree, close, torch

import minidl as dl
from minidl.module import Context, Run
from minidl.types import Shape

SIZES = st.integers(1, 4)
SHAPES = st.lists(SIZES, min_size=1, max_size=3).map(tuple)  # (C,), (L, C) or (H, W, C)
EPSILONS = st.sampled_from([1e-5, 1e-3, 0.1])


def channels_first(x: Any) -> Any:
    return x.movedim(-1, 1)


@settings(max_examples=100, deadline=None)
@given(
    shape=SHAPES,
    batch=st.integers(2, 5),
    epsilon=EPSILONS,
    affine=st.booleans(),
    train=st.booleans(),
)
def test_batch_norm(shape: Shape, batch: int, epsilon: float, affine: bool, train: bool) -> None:
    def twin(x: Any, running_mean: Any, running_variance: Any, **affine: Any) -> Any:
        averages = running_mean.clone(), running_variance.clone()  # it would change them
        y = F.batch_norm(channels_first(x), *averages, **affine, training=train, eps=epsilon)
        return y.movedim(1, -1)

    module = dl.BatchNorm(epsilon=epsilon, affine=affine)
    agree(module, twin, shape, train=train, batch=batch)


@settings(max_examples=60, deadline=None)
@given(
    shape=SHAPES,
    batch=st.integers(2, 5),
    momentum=st.floats(0, 1),
    affine=st.booleans(),
    shift=st.sampled_from([0.0, 100.0]),
)
def test_running_averages(
    shape: Shape, batch: int, momentum: float, affine: bool, shift: float
) -> None:
    """Over three batches, and what evaluation then makes of a fourth."""
    module = dl.BatchNorm(momentum=momentum, affine=affine)
    twins = [torch.nn.BatchNorm1d, torch.nn.BatchNorm1d, torch.nn.BatchNorm2d]
    twin = twins[len(shape) - 1](shape[-1], momentum=momentum, affine=affine).double()
    params = {
        name: np.full(spec.shape, 0.0 if name in ("bias", "running_mean") else 1.0)
        for name, spec in module.parameters(shape).items()
    }
    for step in range(3):
        x, run = normal(step, batch, *shape) * 3 + shift, Run()
        module.forward(params, x, ctx=Context(True, run=run))
        params |= run.updates
        twin(channels_first(torch.tensor(x)))
    close(params["running_mean"], twin.running_mean.numpy())
    close(params["running_variance"], twin.running_var.numpy())
    x = normal(9, batch, *shape)
    y, _ = module.forward(params, x, ctx=Context())
    close(y, twin.eval()(channels_first(torch.tensor(x))).movedim(1, -1).detach().numpy())


@settings(max_examples=100, deadline=None)
@given(
    shape=SHAPES,
    axes=st.one_of(st.none(), st.integers(1, 3)),
    epsilon=EPSILONS,
    affine=st.booleans(),
    batch=st.integers(1, 4),
)
def test_layer_norm(
    shape: Shape, axes: int | None, epsilon: float, affine: bool, batch: int
) -> None:
    axes = None if axes is None else min(axes, len(shape))
    last = shape if axes is None else shape[-axes:]

    def twin(x: Any, weight: Any = None, bias: Any = None) -> Any:
        return F.layer_norm(x, last, weight, bias, epsilon)

    agree(dl.LayerNorm(axes, epsilon=epsilon, affine=affine), twin, shape, batch=batch)


@settings(max_examples=100, deadline=None)
@given(
    pixels=st.lists(SIZES, max_size=2),
    groups=st.integers(1, 4),
    members=st.integers(1, 3),
    epsilon=EPSILONS,
    affine=st.booleans(),
)
def test_group_norm(
    pixels: list[int], groups: int, members: int, epsilon: float, affine: bool
) -> None:
    def twin(x: Any, weight: Any = None, bias: Any = None) -> Any:
        return F.group_norm(channels_first(x), groups, weight, bias, epsilon).movedim(1, -1)

    agree(dl.GroupNorm(groups, epsilon=epsilon, affine=affine), twin, (*pixels, groups * members))


@settings(max_examples=60, deadline=None)
@given(
    pixels=st.lists(st.integers(2, 5), min_size=1, max_size=2),
    channels=SIZES,
    epsilon=EPSILONS,
    affine=st.booleans(),
)
def test_instance_norm(pixels: list[int], channels: int, epsilon: float, affine: bool) -> None:
    def twin(x: Any, weight: Any = None, bias: Any = None) -> Any:
        y = F.instance_norm(channels_first(x), weight=weight, bias=bias, eps=epsilon)
        return y.movedim(1, -1)

    agree(dl.InstanceNorm(epsilon=epsilon, affine=affine), twin, (*pixels, channels))


def test_defaults_are_pytorchs() -> None:
    for module, twin in (
        (dl.BatchNorm(), torch.nn.BatchNorm2d(4)),
        (dl.LayerNorm(), torch.nn.LayerNorm(4)),
        (dl.GroupNorm(2), torch.nn.GroupNorm(2, 4)),
        (dl.InstanceNorm(), torch.nn.InstanceNorm2d(4)),
    ):
        fields = module.fields()
        assert fields["epsilon"] == twin.eps
        assert fields["affine"] == (twin.weight is not None)
        assert fields.get("momentum", 0.1) == getattr(twin, "momentum", 0.1)


def test_normalize() -> None:
    agree(dl.Normalize(0.3, 0.7), lambda x: (x - 0.3) / 0.7, (4, 3, 1))
