"""Graph: modules joined by name into a model that owns its parameters.

``graph.add("join", Add(), "conv2", "skip")`` reads only names that exist, so the order of
definition is an order of execution, and a cycle cannot be written. A graph is itself a module:
nested in another it is its architecture alone, and the outermost graph owns every array under one
path, such as ``block.conv1.weight``.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from minidl.arrays import ArrayMap
from minidl.checks import integer
from minidl.module import Context, Module, ParameterSpec, digest
from minidl.record import Record
from minidl.shapes import ShapeError
from minidl.types import Array, Arrays, Pullback, Shape

if TYPE_CHECKING:
    from minidl.files import PathLike, WeightReport
    from minidl.losses import Loss


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
        self.inputs = tuple(input_shape) if isinstance(input_shape, Mapping) else tuple(inputs)
        self.seed = seed
        self.dtype = _float_type(dtype)
        self.nodes: dict[str, Node] = {}
        self.arrays = ArrayMap()
        self.frozen: set[str] = set()
        self.specs: dict[str, ParameterSpec] = {}
        self.shapes: dict[str, Shape] | None = None
        if input_shape is not None:
            shapes = input_shape if named else {self.inputs[0]: input_shape}
            self.shapes = _checked_shapes(shapes, self.inputs)  # type: ignore[arg-type]

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
        self._check_name(name)
        if not isinstance(module, Module):
            raise TypeError(f"node {name!r} should be a Module, got {module!r}")
        reads = reads or (self.output,)
        for read in reads:
            self._check_known(name, read)
        if module.arity is not None and len(reads) != module.arity:
            raise ValueError(
                f"node {name!r}: {type(module).__name__} reads {module.arity} input(s), got"
                f" {len(reads)}: {', '.join(reads)}"
            )
        held = module.arrays if isinstance(module, Graph) else {}
        frozen = module.frozen if isinstance(module, Graph) else set()
        module = module.architecture() if isinstance(module, Graph) else module
        node = Node(name, module, reads, self._owner_of(name, module, share))
        if self.shapes is not None:
            self._fit(node, held)
            self.frozen |= {f"{name}.{path}" for path in frozen if not share}
        self.nodes[name] = node
        return name

    def _check_name(self, name: str) -> None:
        if not isinstance(name, str) or not name or set(name) & set(".*?[]/ \n"):
            raise ValueError(
                f"a node's name should be text without dots, slashes, spaces or wildcards,"
                f" got {name!r}"
            )
        if name in self.nodes or name in self.inputs:
            raise ValueError(f"there is a node {name!r} already: choose another name")

    def _check_known(self, name: str, read: str) -> None:
        known = (*self.inputs, *self.nodes)
        if read not in known:
            raise ShapeError(
                f"node {name!r} reads {read!r}, which does not exist: the names so far are"
                f" {', '.join(known)}"
            )

    def _owner_of(self, name: str, module: Module, share: str | None) -> str | None:
        """Return the node that really owns what ``share`` names, or None."""
        if share is None:
            return None
        if share not in self.nodes:
            raise ValueError(
                f"node {name!r} shares the parameters of {share!r}, which does not exist: the"
                f" nodes so far are {', '.join(self.nodes) or 'none'}"
            )
        if type(self.nodes[share].module) is not type(module):
            raise ValueError(
                f"node {name!r} is a {type(module).__name__} and cannot share the parameters of"
                f" {share!r}, a {type(self.nodes[share].module).__name__}"
            )
        return self.nodes[share].owner

    def _fit(self, node: Node, held: Arrays) -> None:
        """Check a node's shapes and give it its arrays."""
        assert self.shapes is not None
        shapes = [self.shapes[read] for read in node.reads]
        try:
            self.shapes[node.name] = node.module.output_shape(*shapes)
            specs = node.module.parameters(*shapes)
        except ShapeError as error:
            reads = " and ".join(f"{read!r} {shape}" for read, shape in zip(node.reads, shapes))
            raise ShapeError(f"node {node.name!r} reads {reads}: {error}") from None
        for name, spec in specs.items():
            path = f"{node.owner}.{name}"
            if node.share is None:
                self.specs[path] = spec
                self.arrays.create(path, self._first_values(path, spec, held.get(name)))
            elif self.specs[path].shape != spec.shape:
                raise ShapeError(
                    f"node {node.name!r} cannot share {path}: it needs {spec.shape}, and"
                    f" {node.share!r} has {self.specs[path].shape}"
                )

    def _first_values(self, path: str, spec: ParameterSpec, held: Array | None) -> Array:
        if held is not None and held.shape == spec.shape:
            return held.astype(self.dtype)
        rng = np.random.Generator(np.random.Philox(key=digest("parameter", self.seed, path)))
        return spec.initializer(spec.shape, spec.fans, rng).astype(self.dtype)

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
            if node.share is None:
                for name, spec in node.module.parameters(*reads).items():
                    specs[f"{node.name}.{name}"] = spec

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
            except ShapeError as error:
                raise ShapeError(f"node {node.name!r} inside: {error}") from None
            visit(node, reads)
        return known

    def forward(self, params: Arrays, *xs: Array, ctx: Context) -> tuple[Array, Pullback | None]:
        """Run every node in order and return the output with its pullback."""
        values = dict(zip(self.inputs, xs))
        last = {read: node.name for node in self.nodes.values() for read in node.reads}
        owed = {name for index, name in enumerate(self.inputs) if index in ctx.wanted}
        pullbacks: dict[str, Pullback] = {}
        for node in self.nodes.values():
            own = _under(node.owner, params)
            wanted: frozenset[int | str] = frozenset(
                [name for name in own if f"{node.owner}.{name}" in ctx.wanted]
                + [index for index, read in enumerate(node.reads) if read in owed]
            )
            inner = ctx.child(node.name, node.owner, own, wanted)
            arrays = inner.latest(own) if node.share else own
            reads = [values[read] for read in node.reads]
            values[node.name], pullback = node.module.forward(arrays, *reads, ctx=inner)
            if pullback is not None:
                pullbacks[node.name] = pullback
                owed.add(node.name)
            for read in node.reads:
                if last[read] == node.name:
                    values.pop(read, None)  # nobody reads it again
        y = values[self.output]
        return y, (lambda dy: self._pull(dy, pullbacks)) if pullbacks else None

    def _pull(
        self, dy: Array, pullbacks: Mapping[str, Pullback]
    ) -> tuple[tuple[Array | None, ...], dict[str, Array]]:
        """Send ``dy`` back through the nodes, last first; sum where a value was read twice."""
        owed: dict[str, Array] = {self.output: dy}
        parts: dict[str, dict[str, Array]] = {}
        for node in reversed(self.nodes.values()):
            if node.name in pullbacks and node.name in owed:
                dxs, parts[node.name] = pullbacks[node.name](owed.pop(node.name))
                for read, dx in zip(node.reads, dxs):
                    if dx is not None:
                        owed[read] = owed[read] + dx if read in owed else dx
        dparams: dict[str, Array] = {}
        for node in self.nodes.values():  # so that shared gradients add in node order
            for name, part in parts.get(node.name, {}).items():
                path = f"{node.owner}.{name}"
                dparams[path] = dparams[path] + part if path in dparams else part
        return tuple(owed.get(name) for name in self.inputs), dparams

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
        paths = [path for pattern in patterns for path in self._matching(pattern)]
        self.frozen.update(paths)
        return paths

    def unfreeze(self, *patterns: str) -> list[str]:
        """Train the arrays whose paths match again; return their paths."""
        paths = [path for pattern in patterns for path in self._matching(pattern)]
        self.frozen.difference_update(paths)
        return paths

    def _matching(self, pattern: str) -> list[str]:
        paths = [path for path in self.arrays if _matches(path, pattern)]
        if not paths:
            raise ValueError(
                f"no parameter matches {pattern!r}: the paths are {', '.join(self.arrays)}"
            )
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

    def load_weights(self, path: PathLike, *, strict: bool = True) -> WeightReport:
        """Copy the arrays of a model file into this model, by path, and report on them.

        With ``strict=False``, arrays that are missing or do not fit are left as they are; otherwise
        they raise ``ValueError``, and the model is unchanged.
        """
        from minidl.files import load_weights

        return load_weights(self, path, strict)

    def summary(self) -> str:
        """Return a table of the nodes: output shape, parameters and FLOPs for one sample."""
        from minidl.summary import summarize

        return summarize(self)


def _matches(path: str, pattern: str) -> bool:
    """Whether a pattern matches a path, or a node that the path lies in."""
    parts = path.split(".")
    starts = (".".join(parts[:end]) for end in range(1, len(parts) + 1))
    return any(fnmatch.fnmatchcase(start, pattern) for start in starts)


def _under(node: str, arrays: Arrays) -> dict[str, Array]:
    """Return the arrays whose paths begin with a node, by the rest of the path."""
    start = node + "."
    return {path[len(start) :]: array for path, array in arrays.items() if path.startswith(start)}


def _float_type(dtype: str) -> np.dtype[Any]:
    if np.dtype(dtype) not in (np.float32, np.float64):
        raise ValueError(f"dtype should be 'float32' or 'float64', got {dtype!r}")
    return np.dtype(dtype)


def _checked_shapes(shapes: Mapping[str, Shape], inputs: Sequence[str]) -> dict[str, Shape]:
    if set(shapes) != set(inputs):
        raise ValueError(f"inputs {', '.join(inputs)} need a shape each: pass a mapping")
    for name, shape in shapes.items():
        if not isinstance(shape, tuple):
            raise ValueError(f"the shape of {name!r} should be a tuple, got {shape!r}")
        for size in shape:
            integer(f"each size in the shape {shape} of {name!r}", size, low=1)
    return dict(shapes)
