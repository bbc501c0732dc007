"""Stages: runs of leaves, and how each is divided among the members of a crew.

A stage runs forward and backward on a ``Pass``. Where its leaves need more than their own shard of
the batch, members exchange arrays in shared memory and wait for each other; what follows from
these sums, all compute alike. ``partial`` holds, by path, the parts that gradients are sums of.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from minidl.engine.memory import Memory
from minidl.engine.passes import Pass, Task
from minidl.engine.stages.local import Local
from minidl.engine.stages.norm import Norm
from minidl.engine.stages.whole import Whole
from minidl.engine.stages.wide import Wide
from minidl.layers import BatchNorm, Dense
from minidl.types import Array

WIDE = 1 << 16
"""A dense layer of so many weights is divided by columns."""


class Stage(Protocol):
    """One or more leaves that a crew runs together."""

    tasks: Sequence[Task]
    partial: list[tuple[str, Array]]
    shared_bytes: int

    def lay_out(self, memory: Memory, cut: Sequence[slice]) -> None:
        """Ask for all memory that shards need."""

    def kernels(self, memory: Memory, cut: Sequence[slice]) -> dict[str, str]:
        """Return in a few words, by path, how each leaf is computed."""

    def forward(self, run: Pass) -> None:
        """Compute the values that the leaves write."""

    def backward(self, run: Pass) -> None:
        """Send their gradients back."""


def divide(tasks: Sequence[Task], output: int, batch: int, dtype: Any, train: bool) -> list[Stage]:
    """Gather leaves into stages: runs of those that work sample by sample, and the others."""
    groups: list[list[Task]] = []
    alone = [_maker(task, train) for task in tasks]
    for task, maker in zip(tasks, alone):
        if maker is None and groups and _maker(groups[-1][0], train) is None:
            groups[-1].append(task)
        else:
            groups.append([task])
    stages: list[Stage] = []
    for group in groups:
        maker = _maker(group[0], train)
        if maker is not None:
            stages.append(maker(group[0], batch, dtype))
        else:
            stages.append(Local(group, batch, *_border(group, groups, output, train), train))
    return stages


def _maker(task: Task, train: bool) -> Any:
    """Return the stage of a leaf that has one of its own; None where it works by samples."""
    module = task.leaf.module
    if type(module) is BatchNorm:
        # In evaluation it scales each sample by fixed numbers.
        return Norm if train and not task.fixed else None
    if type(module) is Dense and task.params["weight"].size >= WIDE:
        return Wide
    updating = train and any(not spec.trainable for spec in task.specs.values())
    return None if module.sample_local and not updating else Whole


def _border(
    group: list[Task], groups: list[list[Task]], output: int, train: bool
) -> tuple[frozenset[int], frozenset[int]]:
    """Return what others read of a group's values, and what it reads alone and may overwrite."""
    others = [task for other in groups if other is not group for task in other]
    reads = [read for task in others for read in task.leaf.reads] + [output]
    lent = {
        task.leaf.writes
        for task in others
        if _maker(task, train) in (Norm, Wide) and task.leaf.writes not in reads
    }
    return frozenset(reads), frozenset(lent)
