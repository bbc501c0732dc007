"""TrainingProgram: what a crew does in a training step, and in an evaluation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import ExitStack

import numpy as np

from minidl.engine import border
from minidl.engine.crew import Member, gather, shared
from minidl.engine.cut import largest_shard, shards
from minidl.engine.leaves import unfold
from minidl.engine.lending import lent
from minidl.engine.limits import check_memory
from minidl.engine.memory import Memory
from minidl.engine.passes import Pass, Task, inward, wanted_tasks
from minidl.engine.stages import Stage, divide
from minidl.engine.threads import BlasThreads
from minidl.engine.updates import Updates, remembered
from minidl.graph import Graph
from minidl.losses import Loss
from minidl.optim import Optimizer
from minidl.types import Array

TRAIN, EVALUATE = 0, 1


class TrainingProgram:
    """A model, a loss and an optimizer on a crew, for batches of up to ``batch`` samples.

    A context: while it is open, the model's arrays lie in shared memory and BLAS keeps to one
    thread. The results are the same bits for any number and kind of workers.

    Parameters
    ----------
    model, loss, optimizer
        What is trained; without an optimizer there is evaluation alone. What is frozen may change
        between steps.
    batch : int
        The largest number of samples in a step.
    targets : array
        Targets of the kind that will come, (N, ...).
    workers : int
        How many members the crew has.
    kind : "processes" or "threads"
        What they are, where there is a choice.
    """

    def __init__(
        self,
        model: Graph,
        loss: Loss,
        optimizer: Optimizer | None,
        batch: int,
        targets: Array,
        workers: int,
        kind: str = "processes",
    ) -> None:
        self.model, self.loss, self.optimizer, self.batch = model, loss, optimizer, batch
        self._like, self._workers, self._kind = targets[:0], workers, kind
        self.rate, self._blas = 0.0, BlasThreads()
        self._open()

    def _open(self) -> None:
        """Lay out the stages, lend the arrays and gather the crew."""
        model, optimizer, batch, targets = self.model, self.optimizer, self.batch, self._like
        shapes = border.input_shapes(model)
        if optimizer is not None:
            check_memory(model, batch, self._workers, remembered(model, optimizer))
        self._frozen = frozenset(model.frozen)
        with ExitStack() as stack:
            stack.enter_context(lent(model, optimizer))
            stack.enter_context(self._blas.held_to_one())
            leaves, self._output = unfold(model, shapes)
            tasks = wanted_tasks(model, leaves)
            trained = () if optimizer is None else tasks
            self._train = divide(trained, self._output, batch, model.dtype, True)
            still = [Task(task.leaf, model.arrays, frozenset(), task.frozen) for task in tasks]
            self._evaluate = divide(still, self._output, batch, model.dtype, False)
            self._updates = Updates(model, optimizer, self._train) if optimizer else None
            self._inputs = [shared((batch, *shape), model.dtype) for shape in shapes]
            self._targets = shared((batch, *targets.shape[1:]), targets.dtype)
            self._results = shared((batch, *model.output_shape(*shapes)), model.dtype)
            self._rates = shared((len(optimizer.parts) if optimizer else 0,), np.float64)
            self._value = shared((1,), np.float64)
            self._memories: dict[int, Memory] = {}
            self._crew = gather(self._run, self._workers, self._kind)
            stack.callback(self._crew.close)
            self._stack = stack.pop_all()

    def __enter__(self) -> TrainingProgram:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """End the crew, give the model its arrays back, and let go of the memory."""
        self._stack.close()
        for memory in self._memories.values():
            memory.clear()
        self._memories.clear()

    def step(self, x: Array, targets: Array, seed: int) -> tuple[float, Array]:
        """Take a training step on a batch; return the loss and the outputs from before it.

        Where the loss is not finite, nothing is updated.
        """
        if self.optimizer is None:
            raise ValueError("a program without an optimizer takes no steps")
        if self.model.frozen != self._frozen:  # a callback changed it
            self.close()
            self._open()
        state = self.optimizer.state
        self._rates[:] = [part.rate() for part in self.optimizer.parts]
        self.rate = float(self._rates[0])
        self._blas.set_to_one()
        self._fill(x)
        self._targets[: len(x)] = targets
        self._crew.run(TRAIN, len(x), seed, state.steps)
        state.advance(self.model.trainable)
        return float(self._value[0]), self._results[: len(x)].copy()

    def evaluate(self, x: Array) -> Array:
        """Return the outputs of a batch in evaluation."""
        self._fill(x)
        self._crew.run(EVALUATE, len(x), 0, 0)
        return self._results[: len(x)].copy()

    def _fill(self, x: Array) -> None:
        for buffer, values in zip(self._inputs, border.enter(self.model, (x,))):
            buffer[: len(x)] = values

    def _run(self, member: Member, numbers: tuple[int, ...]) -> None:
        """What every member does: forward, the loss, and in training backward and the update."""
        mode, samples, seed, step = numbers
        memory = self._memories.get(member.index) or self._lay_out(member.index)
        run = Pass(member, memory, shards(samples), mode == TRAIN, seed, step)
        # What overflows shows in the loss, which is looked at after every step.
        with np.errstate(over="ignore", invalid="ignore"):
            self._forward(run, self._train if run.train else self._evaluate)
            if run.train:
                self._learn(run)

    def _forward(self, run: Pass, stages: Sequence[Stage]) -> None:
        for shard in run.mine:
            rows = run.cut[shard]
            run.values[shard] = {number: inward(x[rows]) for number, x in enumerate(self._inputs)}
        for stage in stages:
            stage.forward(run)
        for shard in run.mine:
            inward(self._results[run.cut[shard]])[...] = run.values[shard][self._output]

    def _learn(self, run: Pass) -> None:
        """Go back from the loss, which every member computes alike, and update."""
        run.member.wait()
        value, gradient = self.loss(self._results[: run.samples], self._targets[: run.samples])
        if run.tells:
            self._value[0] = value
        if not math.isfinite(value):
            return
        for shard in run.mine:
            own = np.array(inward(gradient[run.cut[shard]]), order="C")  # the loss keeps its own
            run.owe(shard, self._output, own)
        for stage in reversed(self._train):
            stage.backward(run)
        run.member.wait()
        if self._updates is not None:
            self._updates.apply(run, self._rates.tolist())
        if run.tells:
            for path, update in run.updates.items():
                self.model.arrays[path] = update

    def _lay_out(self, index: int) -> Memory:
        """Give a member its memory, in its own process; the first layout says how much."""
        first = Memory(self.model.dtype)
        for stage in (*self._train, *self._evaluate):
            stage.lay_out(first, [slice(0, largest_shard(self.batch))])
        first.clear()
        self._memories[index] = Memory(self.model.dtype, first.sizes)
        return self._memories[index]
