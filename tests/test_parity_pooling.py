"""Pools are PyTorch's, in float64: values and gradients, with many ties."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from drawn import normal
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from parity import F, Twin, close, leaf, torch

import minidl as dl
from minidl.module import Context
from minidl.types import Shape

MANY = settings(max_examples=300, deadline=None)
Sizes = tuple[int, ...]


def agree(module: dl.Module, twin: Twin, shape: Shape, levels: int) -> None:
    """Compare with ``twin``, channels first; ``levels`` is 0 for normal numbers, else for ties."""
    x = normal(1, 2, *shape)
    if levels:
        x = np.random.default_rng(1).integers(-levels, levels, x.shape).astype(np.float64)
    y, pullback = module.forward({}, x, ctx=Context(True, frozenset([0])))
    tensor = leaf(x)
    expected = twin(tensor.movedim(-1, 1)).movedim(1, -1)
    dy = normal(2, *y.shape)
    expected.backward(torch.tensor(dy))
    assert pullback is not None
    (dx,), _ = pullback(dy)
    assert dx is not None
    assert y.shape[1:] == module.output_shape(shape)
    close(y, expected.detach().numpy())
    close(dx, tensor.grad.numpy())


LEVELS = st.sampled_from([0, 1, 3])
CHANNELS = st.integers(1, 3)
SOME = st.integers(1, 2)


def sizes(draw: st.DrawFn, axes: int, low: int, high: int) -> Sizes:
    return tuple(draw(st.integers(low, high)) for _ in range(axes))


@st.composite
def plans(draw: st.DrawFn) -> tuple[Sizes, dict[str, Any]]:
    """A size of image or sequence, and the options that PyTorch would take for it."""
    axes = draw(SOME)
    kernel, stride = sizes(draw, axes, 1, 4), sizes(draw, axes, 1, 4)
    padding = tuple(draw(st.integers(0, one // 2)) for one in kernel)
    plan = {"kernel_size": kernel, "stride": stride, "padding": padding}
    return sizes(draw, axes, 1, 9), {**plan, "ceil_mode": draw(st.booleans())}


def ours(kinds: tuple[Any, Any], plan: dict[str, Any]) -> dl.Module:
    """Build the module with a plan's pairs, or a sequence's single numbers."""
    axes = len(plan["kernel_size"])
    plain = {
        key: one[0] if axes == 1 and isinstance(one, tuple) else one for key, one in plan.items()
    }
    module: dl.Module = kinds[axes - 1](**plain)
    return module


def fits(module: dl.Module, shape: Shape) -> bool:
    try:
        module.output_shape(shape)
    except dl.ShapeError:
        return False
    return True


@MANY
@given(
    plan=plans(), gaps=st.tuples(st.integers(1, 3), st.integers(1, 3)), c=CHANNELS, levels=LEVELS
)
def test_max_pools(
    plan: tuple[Sizes, dict[str, Any]], gaps: tuple[int, int], c: int, levels: int
) -> None:
    size, options = plan
    options = {**options, "dilation": gaps[: len(size)]}
    module = ours((dl.MaxPool1d, dl.MaxPool2d), options)
    assume(fits(module, (*size, c)))
    there = (F.max_pool1d, F.max_pool2d)[len(size) - 1]
    agree(module, lambda x: there(x, **options), (*size, c), levels)


@MANY
@given(plan=plans(), include=st.booleans(), c=CHANNELS)
def test_average_pools(plan: tuple[Sizes, dict[str, Any]], include: bool, c: int) -> None:
    size, options = plan
    options = {**options, "count_include_pad": include}
    module = ours((dl.AvgPool1d, dl.AvgPool2d), options)
    assume(fits(module, (*size, c)))
    there = (F.avg_pool1d, F.avg_pool2d)[len(size) - 1]
    agree(module, lambda x: there(x, **options), (*size, c), 0)


@st.composite
def targets(draw: st.DrawFn) -> tuple[Sizes, Sizes]:
    """A size and an output size, smaller or larger; every third divides it."""
    axes = draw(SOME)
    out = sizes(draw, axes, 1, 6)
    if draw(st.integers(0, 2)):
        return sizes(draw, axes, 1, 20), out
    return tuple(one * draw(st.integers(1, 10)) for one in out), out


@MANY
@given(sized=targets(), c=CHANNELS, levels=LEVELS)
def test_adaptive_pools(sized: tuple[Sizes, Sizes], c: int, levels: int) -> None:
    size, out = sized
    given_out: Any = out if len(out) == 2 else out[0]
    flat = len(out) == 1
    mean = dl.AdaptiveAvgPool1d(given_out) if flat else dl.AdaptiveAvgPool2d(given_out)
    most = dl.AdaptiveMaxPool1d(given_out) if flat else dl.AdaptiveMaxPool2d(given_out)
    means = F.adaptive_avg_pool1d if flat else F.adaptive_avg_pool2d
    maxima = F.adaptive_max_pool1d if flat else F.adaptive_max_pool2d
    agree(mean, lambda x: means(x, out), (*size, c), 0)
    agree(most, lambda x: maxima(x, out), (*size, c), levels)


@pytest.mark.parametrize("levels", [0, 1, 3])
@pytest.mark.parametrize("shape", [(7, 5, 3), (1, 1, 2), (40, 30, 1), (9, 2), (1, 1), (1500, 3)])
def test_global_pools(shape: Shape, levels: int) -> None:
    if len(shape) == 3:
        agree(dl.GlobalAvgPool2d(), lambda x: x.mean((2, 3)), shape, levels)
        agree(dl.GlobalMaxPool2d(), lambda x: F.adaptive_max_pool2d(x, 1)[..., 0, 0], shape, levels)
    else:
        agree(dl.GlobalAvgPool1d(), lambda x: x.mean(2), shape, levels)
        agree(dl.GlobalMaxPool1d(), lambda x: F.adaptive_max_pool1d(x, 1)[..., 0], shape, levels)
