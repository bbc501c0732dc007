"""Module: one operation of a network, and the contract that every operation keeps.

A module is a frozen record of hyper-parameters. It holds no arrays: ``forward`` is given them, and
hands back a closure, the pullback, that knows how to send a gradient back. Two runs of one module
therefore never disturb each other, and a model's architecture is plain data.
"""

from __future__ import annotations

from typing import Any, ClassVar

from minidl.initializers import Initializer
from minidl.randomness import digest, uniform
from minidl.record import Record
from minidl.types import Array, Arrays, Pullback, Shape


class ParameterSpec(Record):
    """What a module asks for: the shape of an array, how it starts, and whether it is trained.

    An array that is not trainable is a buffer, such as a running mean. ``fans`` are the numbers of
    inputs that one output sees and of outputs that one input reaches, which initializers scale by.
    """

    shape: Shape
    initializer: Initializer
    trainable: bool = True
    fans: tuple[int, int] = (1, 1)


class Run:
    """What all contexts of one forward pass share: its randomness, and the updates proposed."""

    def __init__(
        self, seed: int = 0, step: int = 0, first: int = 0, frozen: frozenset[str] = frozenset()
    ) -> None:
        self.seed, self.step, self.first, self.frozen = seed, step, first, frozen
        self.updates: dict[str, Array] = {}


class Context:
    """What one call of ``Module.forward`` may need, and nothing else.

    Attributes
    ----------
    train : bool
        Whether this is a training step: dropout drops, batch norm uses the batch's statistics.
    wanted : frozenset of int or str
        Which inputs (by position) and which parameters (by name) need a gradient. Where nothing is
        wanted, ``forward`` returns None as its pullback and keeps nothing.
    """

    __slots__ = ("_draws", "_owner", "_path", "_run", "train", "wanted")

    def __init__(
        self,
        train: bool = False,
        wanted: frozenset[int | str] = frozenset(),
        run: Run | None = None,
        path: str = "",
        owner: str = "",
    ) -> None:
        self.train, self.wanted = train, wanted
        self._run, self._path, self._owner = run or Run(), path, owner
        self._draws = 0

    def child(self, name: str, owner: str, arrays: Arrays, wanted: frozenset[int | str]) -> Context:
        """Return the context of a node inside: its place, its parameters' owner, what it owes.

        A node whose every array is frozen runs as in evaluation: its running statistics are not
        only kept but used.
        """
        prefix = self._owner + owner + "."
        fixed = bool(arrays) and all(prefix + key in self._run.frozen for key in arrays)
        train = self.train and not fixed
        return Context(train, wanted, self._run, f"{self._path}{name}.", prefix)

    def random(self, shape: Shape) -> Array:
        """Return uniform float32 numbers in [0, 1) for a batch of ``shape`` (N, ...).

        They depend on the seed, the step, the node, which draw of the forward pass it is, and each
        sample's place in the batch, and on nothing else: not on how the batch is cut, nor on how
        often forward is repeated. The generator is counter-based (Salmon et al. 2011, *Parallel
        random numbers: as easy as 1, 2, 3*), so a sample's numbers are found by counting, not by
        drawing those before it.
        """
        run = self._run
        key = digest("random", run.seed, run.step, self._path, self._draws)
        self._draws += 1
        return uniform(key, run.first, shape)

    def update(self, name: str, value: Array) -> None:
        """Propose a new value for a buffer; the training step applies it, nothing else does."""
        path = self._owner + name
        if path not in self._run.frozen:
            self._run.updates[path] = value

    def latest(self, arrays: Arrays) -> Arrays:
        """Return this node's ``arrays`` with what was proposed in this run already.

        A node that shares its buffers with an earlier one goes on from where that one left them.
        """
        updates = self._run.updates
        return {name: updates.get(self._owner + name, array) for name, array in arrays.items()}


class Module(Record):
    """One operation: frozen hyper-parameters, shape arithmetic, and forward with its pullback.

    A module of your own is a subclass with its fields as annotations, ``output_shape``,
    ``forward``, and ``parameters`` where it has any.

    Examples
    --------
    >>> import numpy as np
    >>> class Scale(Module):
    ...     factor: float = 2.0
    ...
    ...     def forward(self, params, x, *, ctx):
    ...         pullback = lambda dy: ((dy * self.factor,), {})
    ...         return x * self.factor, pullback if ctx.wanted else None
    >>> y, pullback = Scale(3.0).forward({}, np.ones((1, 2)), ctx=Context(wanted=frozenset({0})))
    >>> y
    array([[3., 3.]])
    >>> pullback(y)
    ((array([[9., 9.]]),), {})
    """

    arity: ClassVar[int | None] = 1
    """How many inputs the module reads; None for any number."""

    sample_local: ClassVar[bool] = False
    """Whether output sample i depends on input sample i alone, so that a batch may be cut."""

    pixel_local: ClassVar[bool] = False
    """Whether each output pixel depends on that input pixel alone, over all its channels: the
    leading axes may then come in any order, because any arrays (..., C) will do."""

    def output_shape(self, *shapes: Any) -> Shape:
        """Return the shape of one output sample from those of the inputs; the same by default.

        Raises ``ShapeError`` where they do not fit.
        """
        shape: Shape = shapes[0]
        return shape

    def parameters(self, *shapes: Any) -> dict[str, ParameterSpec]:
        """Return the arrays that the module needs for inputs of ``shapes``; none by default."""
        return {}

    def forward(self, params: Arrays, *xs: Any, **context: Any) -> tuple[Array, Pullback | None]:
        """Return ``(y, pullback)``; called as ``forward(params, *xs, ctx=ctx)``.

        ``params`` holds this module's arrays by name, ``xs`` are its inputs (N, ...), ``ctx`` is
        the ``Context``; a subclass spells its own inputs out (the open signature here is what lets
        type checkers accept that).

        ``pullback(dy)`` returns ``(dxs, dparams)``: for each input its gradient, or None where it
        is not wanted, and by name the gradients of the wanted parameters. It changes neither ``xs``
        nor ``dy``. Where nothing is wanted, the pullback is None and nothing is kept.
        """
        raise NotImplementedError(f"{type(self).__name__} should define forward")

    def flops(self, *shapes: Any) -> int:
        """Return the floating-point operations of one sample's forward pass; 0 where negligible."""
        return 0
