"""Leaves: a graph with its nested graphs unfolded into one list of modules."""

from __future__ import annotations

from collections.abc import Sequence

from minidl.graph import Graph
from minidl.module import Module
from minidl.record import Record
from minidl.types import Shape


class Leaf(Record):
    """One module at its place: what it reads and writes by number, and where its arrays are.

    Values are numbered: first the graph's inputs, then the output of each leaf. ``owner`` is the
    path of the node whose arrays it uses, with a dot at its end.
    """

    path: str
    owner: str
    module: Module
    reads: tuple[int, ...]
    writes: int
    shapes: tuple[Shape, ...]
    shape: Shape


def unfold(graph: Graph, shapes: Sequence[Shape]) -> tuple[list[Leaf], int]:
    """Return the leaves of a graph in order, and the number of the value that it puts out."""
    leaves: list[Leaf] = []
    output = _unfold(graph, tuple(range(len(shapes))), list(shapes), "", "", leaves)
    return leaves, output


def _unfold(
    graph: Graph,
    inputs: tuple[int, ...],
    shapes: list[Shape],
    path: str,
    owner: str,
    leaves: list[Leaf],
) -> int:
    """Append the leaves of a graph that reads ``inputs``; ``shapes`` are those of all values."""
    numbers = dict(zip(graph.inputs, inputs))
    for node in graph.nodes.values():
        reads = tuple(numbers[read] for read in node.reads)
        inner, held = f"{path}{node.name}.", f"{owner}{node.owner}."
        if isinstance(node.module, Graph):
            numbers[node.name] = _unfold(node.module, reads, shapes, inner, held, leaves)
            continue
        known = tuple(shapes[read] for read in reads)
        shapes.append(node.module.output_shape(*known))
        numbers[node.name] = len(shapes) - 1
        leaf = Leaf(inner, held, node.module, reads, len(shapes) - 1, known, shapes[-1])
        leaves.append(leaf)
    return numbers[graph.output]
