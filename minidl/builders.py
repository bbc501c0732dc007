"""Sequential and residual: the two commonest graphs, written as lists."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from minidl.graph import Graph
from minidl.layers import Add
from minidl.module import Module
from minidl.types import Shape


class Sequential(Graph):
    """A graph in which every module reads the one before.

    Parameters
    ----------
    modules : iterable of Module, or mapping of str to Module
        In order. In a list, names are the kind and a count: conv1, relu1, conv2 ...
    input_shape : tuple of int, optional
        The shape of one sample; without it the chain is an architecture to nest in another graph.
    seed, dtype
        As for ``Graph``.

    Examples
    --------
    >>> import minidl as dl
    >>> model = dl.Sequential([dl.Flatten(), dl.Dense(10)], input_shape=(28, 28, 1))
    >>> list(model.arrays)
    ['dense1.weight', 'dense1.bias']
    """

    def __init__(
        self,
        modules: Iterable[Module] | Mapping[str, Module] = (),
        input_shape: Shape | None = None,
        *,
        seed: int = 0,
        dtype: str = "float32",
    ) -> None:
        if isinstance(modules, Module):
            raise TypeError("put the modules into a list: Sequential([first, second], input_shape)")
        super().__init__(input_shape, seed=seed, dtype=dtype)
        if isinstance(modules, Mapping):
            for name, module in modules.items():
                self.add(name, module)
            return
        for module in modules:
            append(self, module)


def append(graph: Graph, module: Module, *reads: str) -> str:
    """Add a module under its kind and a count, such as "conv2"; return the name.

    >>> import minidl as dl
    >>> append(dl.Graph(input_shape=(4,)), dl.Dense(2))
    'dense1'
    """
    kind = type(module).__name__.lower().removesuffix("1d").removesuffix("2d")
    count = 1
    while f"{kind}{count}" in graph.nodes:
        count += 1
    return graph.add(f"{kind}{count}", module, *reads)


class Residual(Graph):
    """What ``residual`` returns: a graph with a name of its own, residual1, residual2 ..."""


def residual(*modules: Module, skip: Module | None = None) -> Residual:
    """Return a block that adds its input to the output of a chain of modules.

    ``y = chain(x) + skip(x)``, where the skip connection is the identity unless a module is given,
    such as a 1x1 convolution that matches another number of channels (He et al. 2016, *Deep
    residual learning for image recognition*, figure 2). With ``DropPath`` last in the chain, the
    block falls back to its skip connection by chance: stochastic depth.

    >>> import minidl as dl
    >>> block = dl.residual(dl.Conv2d(8, 3, padding="same"), dl.ReLU(), dl.DropPath(0.1))
    >>> block.output_shape((7, 7, 8))
    (7, 7, 8)
    """
    if not modules:
        raise ValueError("residual needs at least one module for its chain")
    if isinstance(modules[0], (list, tuple)):
        raise TypeError("give the modules one by one: residual(first, second), or residual(*list)")
    block = Residual()
    read = "input"
    for module in modules:
        read = append(block, module, read)
    around = "input" if skip is None else block.add("skip", skip, "input")
    block.add("add", Add(), read, around)
    return block
