"""Op: one module bound to a shard and to the memory it works in."""

from __future__ import annotations

from collections.abc import Callable

from minidl.engine.memory import Memory
from minidl.engine.passes import Pass, Task
from minidl.types import Array, Shape


class Room:
    """Where an op finds its memory: what it writes, what it owes, and where it works.

    The op runs ``samples`` samples of a batch from the ``first`` on, to an output of ``shape``.

    ``result()`` is the array for its output, ``gradient(i)`` the one for the gradient of its input
    ``i``, and ``partial(name)`` the one for this shard's gradient of a parameter.
    """

    def __init__(
        self,
        memory: Memory,
        first: int,
        samples: int,
        shape: Shape,
        result: Callable[[], Array],
        gradient: Callable[[int], Array],
        partial: Callable[[str], Array],
    ) -> None:
        self.memory, self.first, self.samples, self.shape = memory, first, samples, shape
        self.result, self.gradient, self.partial = result, gradient, partial

    def with_partial(self, partial: Callable[[str], Array]) -> Room:
        """Return the same room with another place for gradients of parameters."""
        memory, first, samples = self.memory, self.first, self.samples
        return Room(memory, first, samples, self.shape, self.result, self.gradient, partial)


class Op:
    """A module, or a part of one, on one shard: ``forward``, then ``backward`` at most once.

    Images are (H, W, n, C) here, everything else (n, ...). What ``forward`` returns lasts until
    the op runs again or the plan gives its memory to another value; ``backward`` may overwrite
    ``dy`` and writes the gradients of parameters to the room's partial sums.
    """

    kernel = ""
    """The algorithm, in a few words, where there is a choice."""

    def __init__(self, task: Task, room: Room) -> None:
        self.task, self.room = task, room

    def forward(self, run: Pass, *xs: Array) -> Array:
        """Return the output."""
        raise NotImplementedError

    def backward(self, run: Pass, dy: Array) -> tuple[Array | None, ...]:
        """Return the gradients of the inputs; None where it is not wanted."""
        raise NotImplementedError

    def wants(self, what: int | str) -> bool:
        """Say whether the gradient of an input or of a parameter is wanted."""
        return what in self.task.wanted
