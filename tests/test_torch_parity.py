"""Values and gradients are PyTorch's, in float64, for everything that has a twin there."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from drawn import normal
from parity import F, Twin, agree, close, filters_first, first, last, leaf, torch

import minidl as dl
from minidl.types import Shape


@pytest.mark.parametrize(
    ("module", "twin", "shapes"),
    [
        (dl.Dense(4), lambda x, weight, bias: x @ weight + bias, [(7,)]),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, dl.Module) else "",
)
def test_modules_without_geometry(module: dl.Module, twin: Twin, shapes: list[Shape]) -> None:
    agree(module, twin, *shapes)


def test_a_whole_network() -> None:
    """Convolution, batch norm, skip connection, pooling and loss, through ``gradients``."""
    block = dl.residual(dl.Conv2d(4, 3, padding=1), dl.BatchNorm(), dl.ReLU())
    model = dl.Sequential(
        [dl.Conv2d(4, 3), block, dl.MaxPool2d(2), dl.Flatten(), dl.Dense(3)],
        input_shape=(8, 8, 2),
        dtype="float64",
    )
    x, labels = normal(0, 5, 8, 8, 2), np.array([0, 2, 1, 1, 0])
    tensors = {path: leaf(array) for path, array in model.arrays.items()}
    value, logits, grads = model.gradients(x, labels, dl.SoftmaxCrossEntropy())

    def conv(x: Any, node: str, **plan: int) -> Any:
        weight = filters_first(tensors[f"{node}.weight"])
        return F.conv2d(x, weight, tensors[f"{node}.bias"], **plan)

    stem = conv(first(torch.tensor(x)), "conv1")
    inner = conv(stem, "residual1.conv1", padding=1)
    scale, shift = tensors["residual1.batchnorm1.weight"], tensors["residual1.batchnorm1.bias"]
    inner = F.batch_norm(inner, None, None, scale, shift, training=True)
    pooled = last(F.max_pool2d(stem + torch.relu(inner), 2))
    y = pooled.reshape(5, -1) @ tensors["dense1.weight"] + tensors["dense1.bias"]
    loss = F.cross_entropy(y, torch.tensor(labels))
    loss.backward()
    assert value == pytest.approx(loss.item(), rel=1e-12)
    close(logits, y.detach().numpy())
    for path, grad in grads.items():
        close(grad, tensors[path].grad.numpy())
