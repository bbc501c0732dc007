"""Passes: one run through a network as a member of a crew sees it, and what each leaf asks for."""

from __future__ import annotations

from collections.abc import Sequence

from minidl.engine.crew import Member
from minidl.engine.leaves import Leaf
from minidl.engine.memory import Memory
from minidl.graph import Graph
from minidl.module import Context, Run
from minidl.types import Array, Arrays, Gradients, Pullback


class Pass:
    """The shards of one member in one run: their values, and their gradients.

    The member of the last shard ``tells``: what is done once, it does.

    Values are kept as ``values[shard][number]``, in the memory of the member that owns the shard;
    images lie as (H, W, n, C). Gradients that are owed may be overwritten by who takes them.
    """

    def __init__(
        self,
        member: Member,
        memory: Memory,
        cut: list[slice],
        train: bool,
        seed: int = 0,
        step: int = 0,
    ) -> None:
        self.member, self.memory, self.cut, self.samples = member, memory, cut, cut[-1].stop
        self.train, self.seed, self.step = train, seed, step
        self.number = memory.next_run()
        self.mine = list(member.share(len(self.cut)))
        self.values: dict[int, dict[int, Array]] = {shard: {} for shard in self.mine}
        self.owed: dict[int, dict[int, Array]] = {shard: {} for shard in self.mine}
        self.updates: dict[str, Array] = {}
        self.kept: dict[str, tuple[Array, Array]] = {}
        self.tells = len(self.cut) - 1 in self.mine

    def size(self, shard: int) -> int:
        """Return how many samples a shard has."""
        size: int = self.cut[shard].stop - self.cut[shard].start
        return size

    def owe(self, shard: int, value: int, gradient: Array) -> None:
        """Add to the gradient of a value; the array is given away."""
        owed = self.owed[shard]
        if value in owed:
            owed[value] += gradient
        else:
            owed[value] = gradient


class Task:
    """What one leaf asks for: its arrays, which gradients are wanted, whether it is all frozen."""

    def __init__(
        self, leaf: Leaf, arrays: Arrays, wanted: frozenset[int | str], frozen: frozenset[str]
    ) -> None:
        self.leaf, self.wanted, self.frozen = leaf, wanted, frozen
        self.specs = leaf.module.parameters(*leaf.shapes)
        self.paths = {name: leaf.owner + name for name in self.specs}
        self.params = {name: arrays[path] for name, path in self.paths.items()}
        self.fixed = bool(self.paths) and frozen.issuperset(self.paths.values())

    @property
    def trained(self) -> dict[str, str]:
        """The paths of the parameters whose gradients are wanted, by name."""
        return {name: path for name, path in self.paths.items() if name in self.wanted}

    def context(self, run: Pass, first: int, updates: dict[str, Array]) -> Context:
        """Return the context of the leaf for samples from ``first`` on."""
        wanted = self.wanted if run.train else frozenset()
        inner = Run(run.seed, run.step, first, self.frozen)
        inner.updates = updates
        train = run.train and not self.fixed
        return Context(train, wanted, inner, self.leaf.path, self.leaf.owner)

    def latest(self, run: Pass) -> dict[str, Array]:
        """Return the arrays with the updates that this run proposed before."""
        return {name: run.updates.get(path, self.params[name]) for name, path in self.paths.items()}


def wanted_tasks(model: Graph, leaves: Sequence[Leaf]) -> list[Task]:
    """Return for each leaf which gradients it owes, and what of it is frozen."""
    owed: set[int] = set()
    frozen = frozenset(model.frozen)
    tasks = []
    for leaf in leaves:
        paths = {name: leaf.owner + name for name in leaf.module.parameters(*leaf.shapes)}
        wanted: list[int | str] = [name for name, path in paths.items() if path in model.trainable]
        wanted += [index for index, read in enumerate(leaf.reads) if read in owed]
        if wanted:
            owed.add(leaf.writes)
        tasks.append(Task(leaf, model.arrays, frozenset(wanted), frozen))
    return tasks


def locate(error: Exception, path: str) -> None:
    """Put the name of a node before the message of an error that was raised inside."""
    if error.args and isinstance(error.args[0], str):
        error.args = (f"node {path[:-1]!r}: {error.args[0]}", *error.args[1:])


def pulled(pullback: Pullback | None, dy: Array, inputs: int) -> Gradients:
    """Return what a pullback returns; nothing where there is none."""
    return ((None,) * inputs, {}) if pullback is None else pullback(dy)


def inward(x: Array) -> Array:
    """Return images (N, H, W, C) as the engine has them, (H, W, N, C); anything else as it is."""
    return x.transpose(1, 2, 0, 3) if x.ndim == 4 else x


def outward(x: Array) -> Array:
    """Return images (H, W, N, C) as modules have them, (N, H, W, C); anything else as it is."""
    return x.transpose(2, 0, 1, 3) if x.ndim == 4 else x
