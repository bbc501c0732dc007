"""Leaves that work sample by sample."""

from __future__ import annotations

from collections.abc import Sequence

from minidl.engine.crew import shared
from minidl.engine.cut import batched, shards
from minidl.engine.memory import Memory
from minidl.engine.passes import Pass, Task, locate
from minidl.engine.planned.op import Op, Room
from minidl.engine.planned.plain import ByModule
from minidl.engine.slots import Life, slots
from minidl.engine.units import Unit, lower, rewrite
from minidl.types import Array, Shape


class Local:
    """Leaves that work sample by sample: each member runs its own shards through all of them.

    Parameters
    ----------
    tasks : list of Task
        The leaves, in order.
    batch : int
        The largest batch.
    escaping : frozenset of int
        The values that other stages read.
    lent : frozenset of int
        The values of other stages that may be overwritten.
    train : bool
        Whether there is a way back.
    """

    def __init__(
        self,
        tasks: Sequence[Task],
        batch: int,
        escaping: frozenset[int],
        lent: frozenset[int],
        train: bool,
    ) -> None:
        self.tasks, self._train, self._escaping = tasks, train, escaping
        self.units = rewrite(lower(tasks), escaping, lent)
        self._shapes: dict[int, Shape] = {}
        for task in tasks:
            self._shapes |= dict(zip(task.leaf.reads, task.leaf.shapes))
        self._shapes |= {unit.writes: unit.shape for unit in self.units}
        self._partial = {
            (task.leaf.path, name): shared((len(shards(batch)), *array.shape), array.dtype)
            for task in tasks
            if train
            for name, array in task.params.items()
            if name in task.wanted
        }
        self.partial = [
            (task.paths[name], self._partial[task.leaf.path, name])
            for task in tasks
            for name in task.paths
            if (task.leaf.path, name) in self._partial
        ]
        self.shared_bytes = sum(parts.nbytes for parts in self._partial.values())
        self._values = slots(self._value_lives())
        self._gradients = slots(self._gradient_lives())

    # Which memory a value has

    def _value_lives(self) -> dict[int, Life]:
        """Return from which unit to which each value lives that needs no memory of its own."""
        kept = set(self._escaping)
        lives: dict[int, Life] = {}
        for index, unit in enumerate(self.units):
            if self._train and unit.task.wanted and unit.keeps_input:
                kept.update(unit.reads)
            for value in (*unit.reads, unit.writes):
                first = lives[value].first if value in lives else index
                lives[value] = Life(first, index)
        inner = {unit.writes for unit in self.units if unit.make is not ByModule}
        return {value: life for value, life in lives.items() if value in inner - kept}

    def _gradient_lives(self) -> dict[tuple[int, int], Life]:
        """Return the same of the gradients, by unit and input, on the way back."""
        if not self._train:
            return {}
        # What is written over a lent value goes on, as its gradient, to another stage.
        over = {
            unit.writes for unit in self.units if unit.in_place and unit.reads != (unit.writes,)
        }
        source = {unit.writes: at for at, unit in reversed(list(enumerate(self.units)))}
        last = len(self.units)
        return {
            (index, number): Life(last - index, last - source[read])
            for index, unit in enumerate(self.units)
            for number, read in enumerate(unit.reads)
            if read in source and read not in over and not unit.in_place
        }

    def _ops(self, memory: Memory, cut: slice, shard: int) -> list[tuple[Unit, Op]]:
        """Return the ops of one shard, made when it first runs."""
        key = f"ops {self._train} {self.tasks[0].leaf.path} {shard} {cut}"
        return memory.once(key, lambda: self._make(memory, cut, shard))

    def _make(self, memory: Memory, cut: slice, shard: int) -> list[tuple[Unit, Op]]:
        samples = cut.stop - cut.start
        results: dict[int, Array] = {}

        def result(unit: Unit) -> Array:
            value, shape = unit.writes, batched(unit.shape, samples)
            if value not in results:
                slot = self._values.get(value)
                place = memory.keep(shape) if slot is None else memory.scratch(slot, shape)
                results[value] = place
            return results[value]

        def gradient(index: int, number: int) -> Array:
            shape = batched(self._shapes[self.units[index].reads[number]], samples)
            slot = self._gradients.get((index, number))
            if slot is None:
                return memory.keep(shape)
            return memory.scratch(f"gradient {slot}", shape)

        def room(index: int, unit: Unit) -> Room:
            return Room(
                memory,
                cut.start,
                samples,
                batched(unit.shape, samples),
                lambda: result(unit),
                lambda number: gradient(index, number),
                lambda name: self._partial[unit.task.leaf.path, name][shard],
            )

        ops = []
        for index, unit in enumerate(self.units):
            memory.owner = unit.task.leaf.path
            ops.append((unit, unit.make(unit.task, room(index, unit))))
        return ops

    def lay_out(self, memory: Memory, cut: Sequence[slice]) -> None:
        """Ask for all memory that shards need."""
        for shard, rows in enumerate(cut):
            self._ops(memory, rows, shard)

    def kernels(self, memory: Memory, cut: Sequence[slice]) -> dict[str, str]:
        """Return the algorithm of each leaf, of the first shard."""
        found: dict[str, str] = {}
        for unit, op in self._ops(memory, cut[0], 0):
            found.setdefault(unit.task.leaf.path, op.kernel)
        return found

    # Running

    def forward(self, run: Pass) -> None:
        """Run every shard through the units."""
        for shard in run.mine:
            for unit, op in self._ops(run.memory, run.cut[shard], shard):
                try:
                    self._forward(run, shard, unit, op)
                except Exception as error:
                    locate(error, unit.task.leaf.path)
                    raise

    def _forward(self, run: Pass, shard: int, unit: Unit, op: Op) -> None:
        values = run.values[shard]
        values[unit.writes] = op.forward(run, *[values[read] for read in unit.reads])

    def backward(self, run: Pass) -> None:
        """Send every shard's gradients back through the units."""
        for shard in run.mine:
            for unit, op in reversed(self._ops(run.memory, run.cut[shard], shard)):
                try:
                    self._backward(run, shard, unit, op)
                except Exception as error:
                    locate(error, unit.task.leaf.path)
                    raise

    def _backward(self, run: Pass, shard: int, unit: Unit, op: Op) -> None:
        dy = run.owed[shard].pop(unit.writes, None)
        if dy is None or not unit.task.wanted:
            return
        for read, dx in zip(unit.reads, op.backward(run, dy)):
            if dx is not None:
                run.owe(shard, read, dx)
