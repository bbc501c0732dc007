"""Graph: modules joined by name into a model that owns its parameters.

``graph.add("join", Add(), "conv2", "skip")`` reads only names that exist, so the order of
definition is an order of execution, and a cycle cannot be written. A graph is itself a module:
nested in another it is its architecture alone, and the outermost graph owns every array under one
path, such as ``block.conv1.weight``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from minidl.arrays import ArrayMap
from minidl.checks import integer
from minidl.module import Context, Module, ParameterSpec
from minidl.paths import matching, under
from minidl.randomness import digest
from minidl.shapes import ShapeError
from minidl.types import Array, Arrays, Pullback, Shape
from minidl.wiring import (
    Node,
    check_name,
    check_reads,
    checked_inputs,
    checked_shapes,
    float_type,
    new_specs,
    owner_of,
    pulled,
    returned,
)

if TYPE_CHECKING:
    from minidl.engine.inference import Inference
    from minidl.engine.plan import Plan
    from minidl.files import PathLike, WeightReport
    from minidl.gradcheck import GradientReport
    from minidl.losses import Loss


class Graph(Module):
    """A network of named nodes, each a module that reads earlier nodes.

    Parameters
    ----------
    input_shape : tuple of int or mapping of str to tuple of int, optional
        The shape of one sample, or of one for each named input. A graph that is given it checks
        every node as it is added and owns the parameters; without it, a graph is an architecture
        to be nested in another.
    inputs : sequence of str
        The names of the inputs, where ``input_shape`` does not name them.
    seed : int
        With a parameter's path it decides the parameter's first values, and nothing else does.
    dtype : "float32" or "float64"
        What parameters are kept and computed in.

    Attributes
    ----------
    arrays : ArrayMap
        Every parameter and buffer by path; assigning to one copies in place.
    frozen : set of str
        The paths that training leaves as they are.
    classes : tuple of str
        The names of the classes that the outputs stand for, in their order, where the model tells
        classes apart: fitting a data set with names sets them, and the model's file keeps them.

    Examples
    --------
    >>> import minidl as dl
    >>> graph = dl.Graph(input_shape=(8, 8, 4))
    >>> graph.add("conv", dl.Conv2d(4, 3, padding="same"))
    'conv'
    >>> graph.add("join", dl.Add(), "conv", "input")
    'join'
    >>> graph.predict(np.zeros((2, 8, 8, 4), "float32")).shape
    (2, 8, 8, 4)
    """

    # Unlike other modules a graph is not frozen: it grows by add().
    __setattr__ = object.__setattr__  # type: ignore[assignment]
    __eq__ = object.__eq__
    __hash__ = object.__hash__

    def __init__(
        self,
        input_shape: Shape | Mapping[str, Shape] | None = None,
        *,
        inputs: Sequence[str] = ("input",),
        seed: int = 0,
        dtype: str = "float32",
    ) -> None:
        named = isinstance(input_shape, Mapping)
        names = input_shape if isinstance(input_shape, Mapping) else inputs
        self.inputs = checked_inputs(tuple(names))
        self.seed = integer("seed", seed, low=0)
        self.dtype = float_type(dtype)
        self.nodes: dict[str, Node] = {}
        self.arrays = ArrayMap()
        self.frozen: set[str] = set()
        self.classes: tuple[str, ...] = ()
        self.specs: dict[str, ParameterSpec] = {}
        self._waiting: dict[str, Array] = {}
        self.plans: list[Inference] = []
        self.shapes: dict[str, Shape] | None = None
        if input_shape is not None:
            shapes = input_shape if named else {self.inputs[0]: input_shape}
            self.shapes = checked_shapes(shapes, self.inputs)  # type: ignore[arg-type]

    @property
    def arity(self) -> int:  # type: ignore[override]
        """How many inputs the graph reads."""
        return len(self.inputs)

    @property
    def sample_local(self) -> bool:  # type: ignore[override]
        """Whether every node of it is."""
        return all(node.module.sample_local for node in self.nodes.values())

    @property
    def output(self) -> str:
        """The name of the output: the node added last."""
        return next(reversed(self.nodes), self.inputs[0])

    def __repr__(self) -> str:
        shape = "" if self.shapes is None else f"input_shape={self._input_shapes()}, "
        return f"{type(self).__name__}({shape}nodes={list(self.nodes)})"

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"plans": []}  # which are made again when they are needed

    def _input_shapes(self) -> Any:
        known = self.shapes or {}
        shapes = {name: known[name] for name in self.inputs}
        return shapes if len(shapes) > 1 else shapes[self.inputs[0]]

    # Building

    def add(self, name: str, module: Module, *reads: str, share: str | None = None) -> str:
        """Add a node and return its name.

        Parameters
        ----------
        name : str
            A new name, without dots or wildcards.
        module : Module
            What the node computes. A graph is nested: its architecture is copied, and the values of
            the arrays that it holds.
        *reads : str
            The nodes or inputs that it reads; the node added last where none is named.
        share : str, optional
            An earlier node of the same kind whose parameters this one uses instead of its own.

        Raises
        ------
        ShapeError
            Where the module does not fit what it reads.
        ValueError, TypeError
            On a name that is taken or unknown, or on something that is no module.
        """
        check_name(name, "a node")
        if name in self.nodes or name in self.inputs:
            raise ValueError(f"there is a node {name!r} already: choose another name")
        if not (reads or self.nodes) and len(self.inputs) > 1:
            raise ValueError(f"node {name!r} has to say which it reads of {', '.join(self.inputs)}")
        reads = reads or (self.output,)
        check_reads(name, module, reads, (*self.inputs, *self.nodes))
        held, frozen = module._held(name, share) if isinstance(module, Graph) else ({}, set())
        module = module.architecture() if isinstance(module, Graph) else module
        node = Node(name, module, reads, owner_of(name, module, share, self.nodes))
        if self.shapes is None:
            self._waiting.update(held)
        else:
            self._fit(node, held, self.shapes)
        self.frozen |= frozen
        self.nodes[name] = node
        self.plans.clear()
        return name

    def _fit(self, node: Node, held: Arrays, known: dict[str, Shape]) -> None:
        """Check a node's shapes and give it its arrays; where it does not fit, nothing changes."""
        shapes = [known[read] for read in node.reads]
        try:
            shape = node.module.output_shape(*shapes)
            specs = new_specs(node, shapes, self.specs)
        except ShapeError as error:
            reads = " and ".join(f"{read!r} {shape}" for read, shape in zip(node.reads, shapes))
            raise ShapeError(f"node {node.name!r} reads {reads}: {error}") from None
        arrays = {path: self._first_values(path, spec, held) for path, spec in specs.items()}
        known[node.name] = shape
        self.specs.update(specs)
        for path, array in arrays.items():
            self.arrays.create(path, array)

    def _first_values(self, path: str, spec: ParameterSpec, held: Arrays) -> Array:
        """Return a copy of the values that a nested graph held, or new ones."""
        if path in held:
            if held[path].shape != spec.shape:
                raise ShapeError(
                    f"{path} is {held[path].shape} in the graph that is nested, and would be"
                    f" {spec.shape} here: nest graph.architecture() to start anew"
                )
            return held[path].astype(self.dtype)
        rng = np.random.Generator(np.random.Philox(key=digest("parameter", self.seed, path)))
        return spec.initializer(spec.shape, spec.fans, rng).astype(self.dtype)

    def _held(self, name: str, share: str | None) -> tuple[dict[str, Array], set[str]]:
        """Return by path the values and the frozen paths that this graph brings as node ``name``.

        Without shapes, a graph keeps the values of the graphs nested in it until it is nested.
        """
        if share is not None:
            return {}, set()
        held = self._waiting if self.shapes is None else self.arrays
        return (
            {f"{name}.{path}": array.copy() for path, array in held.items()},
            {f"{name}.{path}" for path in self.frozen},
        )

    def architecture(self) -> Graph:
        """Return the same nodes as a graph without shapes and arrays."""
        bare = Graph(inputs=self.inputs)
        bare.nodes = dict(self.nodes)
        return bare

    # The contract of a module

    def output_shape(self, *shapes: Shape) -> Shape:
        """Return the shape of the output node."""
        return self.walk(shapes, lambda node, reads: None)[self.output]

    def parameters(self, *shapes: Shape) -> dict[str, ParameterSpec]:
        """Return what every node that owns its parameters asks for, by path."""
        specs: dict[str, ParameterSpec] = {}

        def visit(node: Node, reads: list[Shape]) -> None:
            specs.update(new_specs(node, reads, specs))

        self.walk(shapes, visit)
        return specs

    def flops(self, *shapes: Shape) -> int:
        """Return the sum over the nodes."""
        counts: list[int] = []
        self.walk(shapes, lambda node, reads: counts.append(node.module.flops(*reads)))
        return sum(counts)

    def walk(
        self, shapes: Sequence[Shape], visit: Callable[[Node, list[Shape]], None]
    ) -> dict[str, Shape]:
        """Call ``visit(node, shapes that it reads)`` in order; return every node's shape."""
        known = dict(zip(self.inputs, shapes))
        for node in self.nodes.values():
            reads = [known[read] for read in node.reads]
            try:
                known[node.name] = node.module.output_shape(*reads)
                visit(node, reads)
            except ShapeError as error:
                raise ShapeError(f"node {node.name!r} inside: {error}") from None
        return known

    def forward(self, params: Arrays, *xs: Array, ctx: Context) -> tuple[Array, Pullback | None]:
        """Run every node in order and return the output with its pullback."""
        values = dict(zip(self.inputs, xs))
        last = {read: node.name for node in self.nodes.values() for read in node.reads}
        owed = {name for index, name in enumerate(self.inputs) if index in ctx.wanted}
        pullbacks: dict[str, Pullback] = {}
        for node in self.nodes.values():
            own = under(node.owner, params)
            wanted: frozenset[int | str] = frozenset(
                [name for name in own if f"{node.owner}.{name}" in ctx.wanted]
                + [index for index, read in enumerate(node.reads) if read in owed]
            )
            held = {} if isinstance(node.module, Graph) else own  # its nodes decide for themselves
            inner = ctx.child(node.name, node.owner, held, wanted)
            arrays = inner.latest(own) if node.share else own
            reads = [values[read] for read in node.reads]
            values[node.name], pullback = returned(
                node, node.module.forward(arrays, *reads, ctx=inner)
            )
            if pullback is not None:
                pullbacks[node.name] = pullback
                owed.add(node.name)
            for read in node.reads:
                if last[read] == node.name:
                    values.pop(read, None)  # nobody reads it again
        y = values[self.output]
        return y, (lambda dy: self._pull(dy, pullbacks, params)) if ctx.wanted else None

    def _pull(
        self, dy: Array, pullbacks: Mapping[str, Pullback], params: Arrays
    ) -> tuple[tuple[Array | None, ...], dict[str, Array]]:
        """Send ``dy`` back through the nodes, last first; sum where a value was read twice."""
        owed: dict[str, Array] = {self.output: dy}
        parts: dict[str, dict[str, Array]] = {}
        for node in reversed(self.nodes.values()):
            if node.name in pullbacks and node.name in owed:
                dxs, dparams = pulled(node, pullbacks[node.name](owed.pop(node.name)), params)
                parts[node.name] = dparams
                for read, dx in zip(node.reads, dxs):
                    if dx is not None:
                        owed[read] = owed[read] + dx if read in owed else dx
        total: dict[str, Array] = {}
        for node in self.nodes.values():  # so that shared gradients add in node order
            for name, part in parts.get(node.name, {}).items():
                path = f"{node.owner}.{name}"
                total[path] = total[path] + part if path in total else part
        return tuple(owed.get(name) for name in self.inputs), total

    # Using the model

    @property
    def trainable(self) -> frozenset[str]:
        """The paths that training changes: no buffers, nothing frozen."""
        return frozenset(
            path for path, spec in self.specs.items() if spec.trainable and path not in self.frozen
        )

    @property
    def parameter_count(self) -> int:
        """The number of parameters, buffers aside."""
        return sum(self.arrays[path].size for path, spec in self.specs.items() if spec.trainable)

    def freeze(self, *patterns: str) -> list[str]:
        """Keep the arrays whose paths match from being trained; return their paths.

        A pattern matches whole paths or nodes: "conv*" freezes "conv1.weight" and "conv1.bias". A
        node whose arrays are all frozen runs as in evaluation: batch norm keeps and uses its
        running averages.
        """
        paths = matching(self.arrays, patterns)
        self.frozen.update(paths)
        return paths

    def unfreeze(self, *patterns: str) -> list[str]:
        """Train the arrays whose paths match again; return their paths."""
        paths = matching(self.arrays, patterns)
        self.frozen.difference_update(paths)
        return paths

    def predict(self, *xs: Any, batch_size: int = 256, probabilities: bool = False) -> Array:
        """Return the outputs for inputs (N, ...), in evaluation: logits, as the model gives them.

        Parameters
        ----------
        *xs : array
            As many as the graph has inputs: ``uint8`` is scaled to [0, 1], floats are taken as they
            are; an image model of one channel also takes (N, H, W).
        batch_size : int
            How many samples run at once.
        probabilities : bool
            Whether to put a softmax over the last axis of the output.
        """
        from minidl.engine import run

        return run.predict(self, xs, batch_size, probabilities)

    def gradients(
        self, x: Any, y: Any, loss: Loss, *, seed: int = 0, step: int = 0
    ) -> tuple[float, Array, dict[str, Array]]:
        """Return ``(value, logits, grads)`` of one training step on a batch.

        ``grads`` holds one gradient for each path in ``trainable``; running averages are updated.
        ``seed`` and ``step`` decide what dropout drops: count ``step`` up in a loop of your own. A
        graph of several inputs takes ``x`` as a tuple.
        """
        from minidl.engine import run

        return run.gradients(self, x if isinstance(x, tuple) else (x,), y, loss, seed, step)

    def check_gradients(
        self,
        x: Any = None,
        y: Any = None,
        loss: Loss | None = None,
        *,
        batch_size: int = 3,
        train: bool = True,
        elementwise: bool = False,
        directions: int = 3,
        step: float = 1e-6,
        tolerance: float = 1e-6,
        seed: int = 0,
    ) -> GradientReport:
        """Check the gradients of this model as it stands, in float64; the model is unchanged.

        Parameters
        ----------
        x : array, or tuple of them, optional
            A batch, as for ``predict``; drawn by default.
        y, loss : array and Loss, optional
            Targets and a loss, whose gradient is then checked as well.
        batch_size, train, elementwise, directions, step, tolerance, seed
            As for ``minidl.gradcheck``. Frozen arrays are left out, and in training their nodes run
            as in evaluation.

        Raises
        ------
        GradientError
            Naming the node whose pullback is wrong, or else the parameter.

        Examples
        --------
        >>> import minidl as dl
        >>> model = dl.models.lenet()
        >>> model.check_gradients(y=[3, 1, 4], loss=dl.SoftmaxCrossEntropy()).error < 1e-6
        True
        """
        from minidl.gradcheck.check import Settings
        from minidl.gradcheck.model import check_gradients

        settings = Settings(elementwise, directions, step, tolerance, seed)
        return check_gradients(self, x, y, loss, batch_size, train, settings)

    def load_weights(self, path: PathLike, *, strict: bool = True) -> WeightReport:
        """Copy the arrays of a model file into this model, by path, and report on them.

        With ``strict=False``, arrays that are missing or do not fit are left as they are; otherwise
        they raise ``ValueError``, and the model is unchanged.
        """
        from minidl.files import load_weights

        return load_weights(self, path, strict)

    def plan(self, batch_size: int = 64, *, workers: int | None = None) -> Plan:
        """Return what a training step will compute, how, and how much memory it takes.

        The optimizer is one that remembers one number of each parameter, as SGD with momentum does.

        Parameters
        ----------
        batch_size : int
            How many samples the step has.
        workers : int, optional
            How many processors train; as many as help by default.

        Examples
        --------
        >>> import minidl as dl
        >>> plan = dl.models.lenet().plan(batch_size=50, workers=1)
        >>> plan.shards
        (13, 13, 12, 12)
        >>> plan.peak < 20e6
        True
        """
        from minidl.engine.plan import plan

        return plan(self, batch_size, workers)

    def summary(self) -> str:
        """Return a table of the nodes: output shape, parameters and FLOPs for one sample."""
        from minidl.summary import summarize

        return summarize(self)
