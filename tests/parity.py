"""Comparing with PyTorch, in float64: what the parity tests share. They skip where it is missing.

A twin is written on tensors in minidl's layout and permutes inside, so that the gradients come back
in this layout too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from drawn import normal

import minidl as dl
from minidl.module import Context
from minidl.types import Array, Shape

torch: Any = pytest.importorskip("torch")
F: Any = torch.nn.functional
torch.set_num_threads(1)  # so small a tensor is slower on several, and others use the machine too

Twin = Callable[..., Any]


def close(a: Array, b: Array, tolerance: float = 1e-10) -> None:
    """Equal to the tolerance as docs/design.md defines it."""
    assert a.shape == b.shape
    assert np.abs(a - b).max() <= tolerance * max(1.0, np.abs(b).max())


def leaf(array: Array) -> Any:
    return torch.tensor(array, dtype=torch.float64, requires_grad=True)


def agree(
    module: dl.Module, twin: Twin, *shapes: Shape, train: bool = True, batch: int = 3
) -> None:
    """Compare ``module`` with ``twin(*xs, **params)``: the value, and the gradient of each."""
    xs = [normal(k, batch, *shape) for k, shape in enumerate(shapes)]
    params = {
        name: np.abs(normal(len(name), *spec.shape)) + 0.1
        for name, spec in module.parameters(*shapes).items()
    }
    trained = [name for name, spec in module.parameters(*shapes).items() if spec.trainable]
    wanted: frozenset[int | str] = frozenset([*range(len(xs)), *trained])
    y, pullback = module.forward(params, *xs, ctx=Context(train, wanted))
    dy = normal(99, *y.shape)
    assert pullback is not None
    dxs, dparams = pullback(dy)

    tensors = [leaf(x) for x in xs]
    leaves = {name: leaf(params[name]) for name in trained}
    fixed = {name: torch.tensor(params[name]) for name in params if name not in trained}
    expected = twin(*tensors, **leaves, **fixed)
    expected.backward(torch.tensor(dy))
    close(y, expected.detach().numpy())
    for dx, tensor in zip(dxs, tensors):
        assert dx is not None
        close(dx, tensor.grad.numpy())
    for name in trained:
        close(dparams[name], leaves[name].grad.numpy())


def first(x: Any) -> Any:
    """Channels first."""
    return x.permute(0, 3, 1, 2)


def last(y: Any) -> Any:
    """Channels last."""
    return y.permute(0, 2, 3, 1)


def filters_first(weight: Any) -> Any:
    """Return (F, C, kh, kw) of (kh, kw, C, F); PyTorch refuses a mere view here and there."""
    return weight.permute(3, 2, 0, 1).contiguous()
