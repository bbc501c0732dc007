"""The twin: a network of minidl's once more in PyTorch, with the same weights.

Only this file imports PyTorch. The first operation starts PyTorch's threads, so make a twin after
a crew of processes has been forked.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any, TypeAlias

import numpy as np

from minidl.graph import Graph
from minidl.layers import Add, BatchNorm, Conv2d, Dense, Flatten, GlobalAvgPool2d, MaxPool2d, ReLU
from minidl.module import Module
from minidl.shapes import pair
from minidl.types import Array, Arrays, Shape

Tensor: TypeAlias = Any
Layer: TypeAlias = Callable[[Tensor], Tensor]


def is_installed() -> bool:
    """Whether there is a PyTorch to compare with."""
    return find_spec("torch") is not None


def version() -> str:
    """Return PyTorch's version."""
    import torch

    return str(torch.__version__)


class Twin:
    """A network in eager PyTorch, trained by cross-entropy and SGD with momentum.

    Parameters
    ----------
    model : Graph
        Whose layers and weights are copied; a chain, in which residual blocks may occur.
    threads : int
        How many PyTorch may use.
    lr, momentum : float
        Of SGD.
    """

    def __init__(self, model: Graph, threads: int, lr: float, momentum: float) -> None:
        import torch

        torch.set_num_threads(threads)
        self._modules = torch.nn.ModuleList()
        self._forward = self._chain(model, model.arrays, "")
        self._loss = torch.nn.CrossEntropyLoss()
        parameters = self._modules.parameters()
        self._optimizer = torch.optim.SGD(parameters, lr=lr, momentum=momentum)

    def step(self, x: Tensor, target: Tensor) -> float:
        """Take a training step and return the loss from before it."""
        self._optimizer.zero_grad()
        loss = self._loss(self._forward(x), target)
        loss.backward()
        self._optimizer.step()
        return float(loss.item())

    def evaluating(self) -> Twin:
        """Switch to inference, for good."""
        self._modules.eval()
        return self

    def predict(self, x: Tensor) -> Tensor:
        """Return the outputs without keeping anything for gradients."""
        import torch

        with torch.no_grad():
            return self._forward(x)

    def _chain(self, graph: Graph, arrays: Arrays, owner: str) -> Layer:
        """Return a function that runs a graph's nodes one after the other."""
        layers: list[Layer] = []
        start = before = graph.inputs[0]
        for name, node in graph.nodes.items():
            path = f"{owner}{name}."
            if isinstance(node.module, Add) and node.reads == (before, start):
                layers = [_around(_in_turn(layers))]
            elif node.reads != (before,):
                raise ValueError(f"a twin is a chain of nodes: {name!r} reads {node.reads}")
            elif isinstance(node.module, Graph):
                layers.append(self._chain(node.module, arrays, path))
            else:
                layers += self._copied(node.module, arrays, path, _flattened(graph, before))
            before = name
        return _in_turn(layers)

    def _copied(self, module: Module, arrays: Arrays, path: str, image: Shape) -> list[Layer]:
        made = _translated(module, arrays, path)
        for name, value in _weights(module, arrays, path, image).items():
            _assign(made[0], name, value)
        self._modules.extend(made)
        return list(made)


def _flattened(graph: Graph, read: str) -> Shape:
    """Return the shape of the image that a node reads as a vector; () where it reads none."""
    source = graph.nodes.get(read)
    if source is None or graph.shapes is None or not isinstance(source.module, Flatten):
        return ()
    return graph.shapes[source.reads[0]]


def _around(chain: Layer) -> Layer:
    return lambda x: chain(x) + x


def _in_turn(layers: list[Layer]) -> Layer:
    def run(x: Tensor) -> Tensor:
        for layer in layers:
            x = layer(x)
        return x

    return run


def _translated(module: Module, arrays: Arrays, path: str) -> list[Any]:
    """Return the layers of PyTorch that do what a module does."""
    from torch import nn

    if isinstance(module, Conv2d):
        *_, inward, outward = arrays[path + "weight"].shape
        options = {"stride": module.stride, "padding": _padding(module), "bias": module.bias}
        return [nn.Conv2d(inward, outward, module.kernel_size, **options)]
    if isinstance(module, Dense):
        return [nn.Linear(*arrays[path + "weight"].shape, bias=module.bias)]
    if isinstance(module, BatchNorm):
        channels = len(arrays[path + "weight"])
        return [nn.BatchNorm2d(channels, eps=module.epsilon, momentum=module.momentum)]
    if isinstance(module, MaxPool2d):
        return [nn.MaxPool2d(module.kernel_size, module.stride)]
    if isinstance(module, GlobalAvgPool2d):
        return [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    if isinstance(module, (ReLU, Flatten)):
        return [getattr(nn, type(module).__name__)()]
    raise TypeError(f"{module} has no twin in PyTorch yet: write its translation here")


def _padding(module: Conv2d) -> Any:
    """Return the padding as numbers, which spares PyTorch from working it out in every call."""
    if module.padding == "valid":
        return 0
    if module.padding != "same":
        return module.padding
    sizes = pair(module.kernel_size, "kernel_size")
    if pair(module.stride, "stride") != (1, 1) or not all(size % 2 for size in sizes):
        raise ValueError("'same' has a twin for stride 1 and odd kernels: give the numbers")
    return tuple(size // 2 for size in sizes)


def _weights(module: Module, arrays: Arrays, path: str, image: Shape) -> dict[str, Array]:
    """Return a module's arrays under PyTorch's names and in its layout."""
    names = [name for name in arrays if name.startswith(path)]
    found = {name.removeprefix(path): arrays[name] for name in names}
    if isinstance(module, Conv2d):
        found["weight"] = found["weight"].transpose(3, 2, 0, 1)  # (F, C, kh, kw)
    if isinstance(module, Dense):
        found["weight"] = _channels_first(found["weight"], image).T  # (out, in)
    if isinstance(module, BatchNorm):
        found["running_var"] = found.pop("running_variance")
    return found


def _channels_first(weight: Array, image: Shape) -> Array:
    """Return a dense layer's rows in the order in which PyTorch flattens an image."""
    if len(image) != 3:
        return weight
    rows = np.arange(len(weight)).reshape(image).transpose(2, 0, 1)  # (C, H, W)
    ordered: Array = weight[rows.ravel()]
    return ordered


def _assign(layer: Any, name: str, value: Array) -> None:
    import torch

    with torch.no_grad():
        getattr(layer, name).copy_(torch.from_numpy(np.ascontiguousarray(value)))


def images(x: Array) -> Tensor:
    """Return images (N, H, W, C) as a tensor of its own with channels first."""
    import torch

    return torch.from_numpy(x.transpose(0, 3, 1, 2).copy())  # (N, C, H, W)


def labels(y: Array) -> Tensor:
    """Return labels as a tensor of its own."""
    import torch

    return torch.from_numpy(y.astype(np.int64))
