"""Taps: a graph in which every module is wrapped, to write down what passes through it."""

from __future__ import annotations

from collections.abc import Callable

from minidl.graph import Graph
from minidl.module import Module
from minidl.wiring import Node


def tapped(module: Module, tap: Callable[[Module, str], Module], path: str = "") -> Module:
    """Return a graph wired like ``module``, in which each module is ``tap(module, path)``.

    Nested graphs are gone into: their modules have paths such as "block.conv1". The graph that
    comes back has no arrays and no shapes; its ``forward`` takes those of the original.

    >>> import minidl as dl
    >>> paths = []
    >>> twin = tapped(dl.models.mlp(), lambda module, path: paths.append(path) or module)
    >>> paths
    ['flatten1', 'dense1', 'relu1', 'dense2']
    """
    if not isinstance(module, Graph):
        return tap(module, path)
    twin = Graph(inputs=module.inputs)
    for node in module.nodes.values():
        inner = tapped(node.module, tap, f"{path}.{node.name}".lstrip("."))
        twin.nodes[node.name] = Node(node.name, inner, node.reads, node.share)
    return twin
