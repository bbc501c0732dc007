"""The checks of a graph's wiring: names, what nodes read, and whose parameters they share."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from minidl.checks import integer
from minidl.module import Module, ParameterSpec
from minidl.record import Record
from minidl.shapes import ShapeError
from minidl.types import Array, Arrays, Pullback, Shape


class Node(Record):
    """A place in a graph: its name, its module, what it reads, and whose parameters it uses."""

    name: str
    module: Module
    reads: tuple[str, ...]
    share: str | None = None

    @property
    def owner(self) -> str:
        """The name of the node whose parameters this one uses; its own unless it shares."""
        return self.share or self.name


def check_name(name: str, what: str) -> None:
    """Raise ``ValueError`` unless ``name`` can stand in a path and in a pattern."""
    if not isinstance(name, str) or not name or set(name) & set(".*?[]/ \n"):
        raise ValueError(
            f"{what}'s name should be text without dots, slashes, spaces or wildcards, got {name!r}"
        )


def checked_inputs(inputs: Sequence[str]) -> tuple[str, ...]:
    """Return the names of a graph's inputs."""
    if not inputs:
        raise ValueError("a graph needs at least one input")
    for name in inputs:
        check_name(name, "an input")
        if list(inputs).count(name) > 1:
            raise ValueError(f"there are two inputs named {name!r}")
    return tuple(inputs)


def checked_shapes(shapes: Mapping[str, Shape], inputs: Sequence[str]) -> dict[str, Shape]:
    """Return the shape of each input."""
    if set(shapes) != set(inputs):
        raise ValueError(f"inputs {', '.join(inputs)} need a shape each: pass a mapping")
    for name, shape in shapes.items():
        if not isinstance(shape, (tuple, list)):
            raise ValueError(f"the shape of {name!r} should be a tuple, got {shape!r}")
        for size in shape:
            integer(f"each size in the shape {shape} of {name!r}", size, low=1)
    return {name: tuple(int(size) for size in shapes[name]) for name in inputs}


def check_reads(name: str, module: Module, reads: Sequence[str], known: Collection[str]) -> None:
    """Raise where a node reads what does not exist, or another number of inputs than it takes."""
    if not isinstance(module, Module):
        raise TypeError(f"node {name!r} should be a Module, got {module!r}")
    for read in reads:
        if read not in known:
            raise ShapeError(
                f"node {name!r} reads {read!r}, which does not exist: the names so far are"
                f" {', '.join(known)}"
            )
    if module.arity is not None and len(reads) != module.arity:
        raise ValueError(
            f"node {name!r}: {type(module).__name__} reads {module.arity} input(s), got"
            f" {len(reads)}: {', '.join(reads)}"
        )


def owner_of(name: str, module: Module, share: str | None, nodes: Mapping[str, Node]) -> str | None:
    """Return the node that really owns what ``share`` names, or None."""
    if share is None:
        return None
    if share not in nodes:
        raise ValueError(
            f"node {name!r} shares the parameters of {share!r}, which does not exist: the nodes so"
            f" far are {', '.join(nodes) or 'none'}"
        )
    if type(nodes[share].module) is not type(module):
        raise ValueError(
            f"node {name!r} is a {type(module).__name__} and cannot share the parameters of"
            f" {share!r}, a {type(nodes[share].module).__name__}"
        )
    return nodes[share].owner


def new_specs(
    node: Node, shapes: Sequence[Shape], known: Mapping[str, ParameterSpec]
) -> dict[str, ParameterSpec]:
    """Return by path what a node adds to the ``known`` arrays: nothing where it shares others'.

    Raises ``ShapeError`` where those do not fit it.
    """
    asked = {f"{node.owner}.{name}": spec for name, spec in node.module.parameters(*shapes).items()}
    if node.share is None:
        return asked
    for path, spec in asked.items():
        if path not in known:
            raise ShapeError(f"cannot share {path}: {node.share!r} has none")
        if known[path].shape != spec.shape:
            raise ShapeError(
                f"cannot share {path}: it needs {spec.shape}, and"
                f" {node.share!r} has {known[path].shape}"
            )
    return {}


def returned(node: Node, result: tuple[Array, Pullback | None]) -> tuple[Array, Pullback | None]:
    """Return what a module's forward returned, or raise ``TypeError`` where it is no pair."""
    if not (isinstance(result, tuple) and len(result) == 2):
        raise TypeError(
            f"node {node.name!r}: {type(node.module).__name__}.forward should return (output,"
            f" pullback), got {type(result).__name__}"
        )
    return result


def pulled(
    node: Node, result: tuple[tuple[Array | None, ...], dict[str, Array]], params: Arrays
) -> tuple[tuple[Array | None, ...], dict[str, Array]]:
    """Return what a pullback returned; raise where it is not what was asked for."""
    place = f"node {node.name!r}: the pullback of {type(node.module).__name__}"
    if not (isinstance(result, tuple) and len(result) == 2 and isinstance(result[1], dict)):
        raise TypeError(
            f"{place} should return (dxs, dparams), a tuple of gradients and a dict of them, got"
            f" {type(result).__name__}"
        )
    dxs, dparams = result
    if len(dxs) != len(node.reads):
        raise ValueError(
            f"{place} should return a gradient, or None, for each of {len(node.reads)} input(s),"
            f" got {len(dxs)}"
        )
    unknown = [name for name in dparams if f"{node.owner}.{name}" not in params]
    if unknown:
        raise ValueError(
            f"{place} returns a gradient of {', '.join(unknown)}, which is no parameter of it"
        )
    return dxs, dparams


def float_type(dtype: str) -> np.dtype[Any]:
    """Return the type of a graph's arrays."""
    if dtype is None or np.dtype(dtype) not in (np.float32, np.float64):
        raise ValueError(f"dtype should be 'float32' or 'float64', got {dtype!r}")
    return np.dtype(dtype)
