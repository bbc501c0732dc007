"""A model as a table of text."""

from __future__ import annotations

import math

from minidl.graph import Graph
from minidl.types import Shape
from minidl.wiring import Node

HEADER = ("layer", "module", "output shape", "parameters", "FLOPs")


def summarize(graph: Graph) -> str:
    """Return a table of a graph that has shapes: a row a layer, nested graphs indented.

    FLOPs are of one sample's forward pass, a multiplication and an addition being two.
    """
    if graph.shapes is None:
        raise ValueError("a graph without input_shape has no shapes to sum up: give it one")
    shapes = [graph.shapes[name] for name in graph.inputs]
    inputs = [(name, "", str(shape), "", "") for name, shape in zip(graph.inputs, shapes)]
    rows = [HEADER, *inputs, *_rows(graph, shapes, "")]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADER))]
    lines = [_line(row, widths) for row in rows]
    lines.insert(1, "-" * len(lines[0]))
    frozen = sum(graph.arrays[path].size for path in graph.frozen if graph.specs[path].trainable)
    kept = f", {frozen:,} of them frozen" if frozen else ""
    total = f"{graph.parameter_count:,} parameters{kept}, {graph.flops(*shapes):,} FLOPs a sample"
    return "\n".join([*lines, total])


def _rows(graph: Graph, shapes: list[Shape], indent: str) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []

    def visit(node: Node, reads: list[Shape]) -> None:
        module = node.module
        specs = module.parameters(*reads).values()
        count = sum(math.prod(spec.shape) for spec in specs if spec.trainable)
        owned = f"{count:,}" if node.share is None else f"= {node.share}"
        rows.append(
            (
                indent + node.name,
                type(module).__name__,
                str(module.output_shape(*reads)),
                owned,
                f"{module.flops(*reads):,}",
            )
        )
        if isinstance(module, Graph):
            rows.extend(_rows(module, reads, indent + "  "))

    graph.walk(shapes, visit)
    return rows


def _line(row: tuple[str, ...], widths: list[int]) -> str:
    left = "  ".join(text.ljust(width) for text, width in zip(row[:3], widths))
    right = "  ".join(text.rjust(width) for text, width in zip(row[3:], widths[3:]))
    return f"{left}  {right}".rstrip()
