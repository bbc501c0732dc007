"""Units: leaves lowered to what the engine runs, and rewritten by a few named rules.

A convolution becomes a product and a bias, so that the rules can move the bias behind the pooling,
where there is a quarter of the numbers, and write it and ReLU in place.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from minidl.engine.passes import Task
from minidl.engine.planned.convolution import convolve, has_kernel
from minidl.engine.planned.dense import FlattenImages, Multiply
from minidl.engine.planned.drop import Drop
from minidl.engine.planned.norm import NormGroups
from minidl.engine.planned.op import Op, Room
from minidl.engine.planned.padding import PadConstant
from minidl.engine.planned.plain import ByModule
from minidl.engine.planned.pointwise import AddBias, Affine, Rectify, Sum
from minidl.engine.planned.pooling import GlobalAverage, MaxPoolInPairs, in_pairs
from minidl.layers import (
    Add,
    BatchNorm,
    Conv2d,
    Dense,
    Dropout2d,
    DropPath,
    Flatten,
    GlobalAvgPool2d,
    GroupNorm,
    InstanceNorm,
    MaxPool2d,
    Normalize,
    Pad,
    ReLU,
)
from minidl.record import Record
from minidl.types import Shape

Maker: TypeAlias = Callable[[Task, Room], Op]


class Unit(Record):
    """One op to be: how it is made, the values that it reads and writes, and what it keeps."""

    make: Maker
    task: Task
    reads: tuple[int, ...]
    writes: int
    shape: Shape
    keeps_input: bool = False
    in_place: bool = False


def lower(tasks: Sequence[Task]) -> list[Unit]:
    """Return the units of leaves, before any rule; new values have negative numbers."""
    units: list[Unit] = []
    for task in tasks:
        units += _lowered(task, -1 - len(units))
    return units


def _lowered(task: Task, new: int) -> list[Unit]:
    """Return the units of one leaf."""
    leaf, module = task.leaf, task.leaf.module
    image = len(leaf.shapes[0]) == 3

    def one(make: Maker, keeps_input: bool = False) -> Unit:
        return Unit(make, task, leaf.reads, leaf.writes, leaf.shape, keeps_input)

    if type(module) is Conv2d and has_kernel(module, leaf.shapes[0][2]):
        return _with_bias(one(convolve, True), module.bias, new)
    if type(module) is Dense:
        return _with_bias(one(Multiply, True), module.bias, new)
    if type(module) is MaxPool2d and in_pairs(module.window(leaf.shapes[0])):
        return [one(MaxPoolInPairs)]
    if type(module) is GlobalAvgPool2d:
        return [one(GlobalAverage)]
    if type(module) in (GroupNorm, InstanceNorm) and image:
        return [one(NormGroups)]
    if type(module) in (Dropout2d, DropPath) and image:
        return [one(Drop)]
    if type(module) is Pad and image and module.mode == "constant":
        return [one(PadConstant)]
    if type(module) is Flatten and image:
        return [one(FlattenImages)]
    if type(module) is Add:
        return [one(Sum)]
    if type(module) is Normalize or (type(module) is BatchNorm and task.wanted <= {0}):
        return [one(Affine)]
    return [one(Rectify if type(module) is ReLU else ByModule, True)]


def _with_bias(product: Unit, bias: bool, new: int) -> list[Unit]:
    if not bias:
        return [product]
    added = Unit(AddBias, product.task, (new,), product.writes, product.shape)
    return [product.replace(writes=new), added]


def rewrite(
    units: list[Unit], escaping: frozenset[int], lent: frozenset[int] = frozenset()
) -> list[Unit]:
    """Apply every rule.

    ``escaping`` are the values that something outside reads, ``lent`` those that were written
    outside for these units alone.
    """
    for rule in RULES.values():
        units = rule(units, escaping, lent)
    return units


def pool_before_pointwise(
    units: list[Unit], escaping: frozenset[int], lent: frozenset[int]
) -> list[Unit]:
    """Pool first, then add the bias and rectify: both keep the order of numbers."""
    units, moved = list(units), True
    while moved:
        moved = False
        for late, pool in enumerate(units):
            early = _sole_source(units, late, escaping)
            if pool.make is MaxPoolInPairs and early is not None:
                point = units[early]
                if point.make in (AddBias, Rectify):
                    units[early] = pool.replace(reads=point.reads, writes=point.writes)
                    units[late] = point.replace(
                        reads=(point.writes,), writes=pool.writes, shape=pool.shape
                    )
                    moved = True
    return units


def in_place(units: list[Unit], escaping: frozenset[int], lent: frozenset[int]) -> list[Unit]:
    """Write a bias and ReLU over what they read, where nobody else reads it."""
    names: dict[int, int] = {}
    placed = []
    for index, unit in enumerate(units):
        source = _sole_source(units, index, escaping)
        owned = source is not None and units[source].make is not ByModule
        owned = owned or (_readers(units, unit.reads[0]) == 1 and unit.reads[0] in lent)
        if unit.make in (AddBias, Rectify) and owned:
            if source is not None:
                names[unit.reads[0]] = unit.writes
            unit = unit.replace(in_place=True)
        elif unit.make is Rectify:
            unit = unit.replace(make=ByModule)
        placed.append(unit)

    def final(value: int) -> int:
        return final(names[value]) if value in names else value

    return [
        unit.replace(reads=tuple(final(read) for read in unit.reads), writes=final(unit.writes))
        for unit in placed
    ]


def _sole_source(units: Sequence[Unit], index: int, escaping: frozenset[int]) -> int | None:
    """Return which unit writes what a unit reads, if nobody else reads it."""
    if len(units[index].reads) != 1:
        return None
    (value,) = units[index].reads
    if _readers(units, value) > 1 or value in escaping:
        return None
    return next((at for at, unit in enumerate(units) if unit.writes == value), None)


def _readers(units: Sequence[Unit], value: int) -> int:
    return sum(unit.reads.count(value) for unit in units)


Rule: TypeAlias = Callable[[list[Unit], frozenset[int], frozenset[int]], list[Unit]]

RULES: dict[str, Rule] = {
    "pool before bias and ReLU": pool_before_pointwise,
    "bias and ReLU in place": in_place,
}
"""The rules by name, in the order in which they are applied."""
