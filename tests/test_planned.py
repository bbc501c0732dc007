"""Planned kernels: each op held to its module, each rule to what it may rewrite, and their memory.

The engine takes one step on a linear loss at a rate of 1, so that the change of a parameter is its
gradient; ``Graph.gradients``, which runs ``Module.forward``, and the naive loops say what it has
to be.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, ClassVar, NamedTuple

import numpy as np
import pytest
import reference
from drawn import geometry, normal, windows
from hypothesis import given, settings
from hypothesis import strategies as st
from test_engine import Centre

import minidl as dl
from minidl.engine import units
from minidl.engine.border import input_shapes
from minidl.engine.cut import LARGEST, batched, shards, tiles
from minidl.engine.leaves import unfold
from minidl.engine.memory import LINE, Memory
from minidl.engine.passes import Task, wanted_tasks
from minidl.engine.planned import winograd
from minidl.engine.planned.convolution import ByLowering, ByWinograd, Pixelwise, convolve
from minidl.engine.planned.lowered import small_rows
from minidl.engine.planned.op import Op, Room
from minidl.engine.program import TrainingProgram
from minidl.engine.slots import Life, slots
from minidl.engine.units import Unit
from minidl.initializers import Constant
from minidl.shapes import Window
from minidl.types import Array, Arrays, Pullback, Shape

CHANNELS = st.sampled_from([1, 3, 6, 16, 17, 24, 48])
MANY, FEWER = winograd.CHANNELS, winograd.CHANNELS - 1
MANY_CHANNELS = st.sampled_from([MANY, MANY + 1, MANY + 8, 48])
SAMPLES = st.sampled_from([1, 2, 7, 8, 13, 16, 32])


# One step, by the engine and by the modules


class Linear(dl.Loss):
    """The sum of outputs times targets, whose gradient is the target."""

    def check(self, target: Array, output_shape: Shape) -> Array:
        return target

    def __call__(self, output: Array, target: Array) -> tuple[float, Array]:
        return float((output * target).sum()), target.astype(output.dtype)


class Probe(dl.Module):
    """Hands its input on, and notes the gradients that come back to it."""

    seen: ClassVar[list[Array]] = []
    sample_local = True

    def parameters(self, *shapes: Shape) -> dict[str, dl.ParameterSpec]:
        return {"count": dl.ParameterSpec((1,), Constant(0.0))}

    def forward(
        self, params: Arrays, x: Array, *, ctx: dl.Context
    ) -> tuple[Array, Pullback | None]:
        def pullback(dy: Array) -> tuple[tuple[Array | None], dict[str, Array]]:
            self.seen.append(dy.copy())
            return (dy if 0 in ctx.wanted else None,), {"count": np.zeros(1, dy.dtype)}

        return x.copy(), pullback if ctx.wanted else None


class Step(NamedTuple):
    """What a step shows: outputs in training and in evaluation, and gradients."""

    y: Array
    evaluated: Array
    grads: dict[str, Array]
    dx: Array | None


def data(model: dl.Graph, samples: int, whole: bool) -> tuple[Array, Array]:
    """Inputs and output gradients; ``whole`` numbers tie, and add up without rounding."""
    (shape,) = input_shapes(model)
    both = [normal(1, samples, *shape), normal(2, samples, *model.output_shape(shape))]
    x, dy = ((2 * array).round() if whole else array for array in both)
    return x.astype(model.dtype), dy.astype(model.dtype)


def by_engine(model: dl.Graph, x: Array, dy: Array, workers: int = 1) -> Step:
    before = {path: array.copy() for path, array in model.arrays.items()}
    Probe.seen.clear()
    with TrainingProgram(model, Linear(), dl.SGD(1.0), len(x), dy, workers, "threads") as program:
        evaluated = program.evaluate(x)
        _, y = program.step(x, dy, 0)
    grads = {path: before[path] - model.arrays[path] for path in model.trainable}
    for path, array in before.items():
        model.arrays[path] = array
    return Step(y, evaluated, grads, np.concatenate(Probe.seen) if Probe.seen else None)


def by_modules(model: dl.Graph, x: Array, dy: Array) -> Step:
    evaluated = model.forward(model.arrays, x, ctx=dl.Context())[0]
    before = {path: array.copy() for path, array in model.arrays.items()}
    Probe.seen.clear()
    _, y, grads = model.gradients(x, dy, Linear())
    for path, array in before.items():
        model.arrays[path] = array
    return Step(y, evaluated, grads, np.concatenate(Probe.seen) if Probe.seen else None)


def close(found: Array, expected: Array, tolerance: float, what: str) -> None:
    assert (found.shape, found.dtype) == (expected.shape, expected.dtype), what
    worst = float(np.abs(found - expected).max(initial=0))
    assert worst <= tolerance * max(1.0, float(np.abs(expected).max(initial=0))), (what, worst)


def agree(model: dl.Graph, samples: int, tolerance: float = 1e-10, whole: bool = False) -> Step:
    """Fail unless the engine's step is that of the modules; return it."""
    x, dy = data(model, samples, whole)
    found, expected = by_engine(model, x, dy), by_modules(model, x, dy)
    close(found.y, expected.y, tolerance, "outputs")
    close(found.evaluated, expected.evaluated, tolerance, "evaluation")
    for path, grad in expected.grads.items():
        close(found.grads[path], grad, tolerance, path)
    if found.dx is not None and expected.dx is not None:
        close(found.dx, expected.dx, tolerance, "dx")
    assert (found.dx is None) == (expected.dx is None)
    return found


def chain(
    shape: Shape, *modules: dl.Module, dtype: str = "float64", probe: bool = True
) -> dl.Graph:
    """Modules one after the other, with a probe before them, and no array at its first values."""
    first = [Probe()] if probe else []
    model = dl.Graph(shape, dtype=dtype)
    for index, module in enumerate([*first, *modules]):
        model.add(f"node{index}", module)
    return nudged(model)


def nudged(model: dl.Graph) -> dl.Graph:
    for index, (path, array) in enumerate(model.arrays.items()):
        model.arrays[path] = array + np.random.default_rng(index).uniform(0.1, 0.4, array.shape)
    return model


# Convolution


def convolution(window: Window, filters: int, bias: bool = True) -> dl.Conv2d:
    return dl.Conv2d(
        filters,
        window.kernel,
        stride=window.stride,
        padding=window.padding,
        dilation=window.dilation,
        bias=bias,
    )


def chosen(model: dl.Graph, samples: int) -> type[Op]:
    """Return the op that runs the last node, a convolution."""
    memory, task = Memory(model.dtype), tasks_of(model)[-1]
    leaf = task.leaf
    room = Room(
        memory,
        0,
        samples,
        batched(leaf.shape, samples),
        lambda: memory.keep(batched(leaf.shape, samples)),
        lambda number: memory.keep(batched(leaf.shapes[number], samples)),
        lambda name: np.zeros_like(task.params[name]),
    )
    return type(convolve(task, room))


def tasks_of(model: dl.Graph) -> list[Task]:
    return wanted_tasks(model, unfold(model, input_shapes(model))[0])


@settings(max_examples=100)
@given(windows(kernel=7), CHANNELS, CHANNELS, SAMPLES, st.booleans(), st.booleans())
def test_convolution_of_any_geometry(
    window: Window, channels: int, filters: int, samples: int, bias: bool, probe: bool
) -> None:
    module = convolution(window, filters, bias)
    agree(chain((*window.size, channels), module, probe=probe), samples)


@st.composite
def plain_windows(draw: st.DrawFn) -> Window:
    """A 3x3 window at stride 1 with at least four outputs each way."""
    pads = draw(st.tuples(*[st.tuples(st.integers(0, 2), st.integers(0, 2))] * 2))
    size = tuple(draw(st.integers(max(2, 6 - sum(pad)), 11)) for pad in pads)
    return Window((size[0], size[1]), (3, 3), padding=(pads[0], pads[1]))


@settings(max_examples=25)
@given(plain_windows(), MANY_CHANNELS, MANY_CHANNELS, st.sampled_from([8, 13, 16, 32]))
def test_convolution_by_winograd(window: Window, channels: int, filters: int, samples: int) -> None:
    model = chain((*window.size, channels), convolution(window, filters))
    assert chosen(model, min(samples, 16)) is ByWinograd
    agree(model, samples)


@pytest.mark.parametrize("frozen", ["node1.weight", "node0", "node1", "node1.bias"])
@pytest.mark.parametrize("shape", [(6, 7, 16), (6, 7, 3)])
def test_convolution_with_something_frozen(shape: Shape, frozen: str) -> None:
    model = chain(shape, dl.Conv2d(16, 3, padding=1))
    model.freeze(frozen)
    agree(model, 16)


@pytest.mark.parametrize("shape", [(31, 30, 17), (40, 37, 3), (65, 64, 16)])
@pytest.mark.parametrize("stride", [1, 2])
def test_convolution_in_several_blocks(shape: Shape, stride: int) -> None:
    """Images whose patches do not fit in the cache at once, with a last block that is smaller."""
    agree(chain(shape, dl.Conv2d(16, 3, stride=stride, padding=1)), 9)


CASES = {
    "pixelwise": (Window((5, 3), (1, 1)), 5, 3, 2),
    "narrow": (Window((6, 5), (3, 2), (2, 1), (1, 2), ((0, 2), (1, 0))), 3, 2, 2),
    "few filters": (Window((5, 4), (2, 3), padding=((1, 0), (1, 1))), 16, 2, 2),
    "padding beyond the kernel": (Window((3, 2), (2, 2), padding=((3, 0), (2, 3))), 16, 2, 1),
    "strided": (Window((5, 4), (3, 2), (2, 2), padding=((1, 0), (0, 1))), 16, 2, 2),
    "winograd": (Window((5, 4), (3, 3), padding=((1, 0), (2, 1))), MANY, MANY, 8),
}
OPS: dict[str, type[Op]] = {"pixelwise": Pixelwise, "winograd": ByWinograd}


@pytest.mark.parametrize("case", CASES)
def test_convolution_is_the_naive_sum(case: str) -> None:
    window, channels, filters, samples = CASES[case]
    model = chain((*window.size, channels), convolution(window, filters))
    assert chosen(model, samples) is OPS.get(case, ByLowering)
    x, dy = data(model, samples, False)
    found, weight = by_engine(model, x, dy), model.arrays["node1.weight"]
    g = geometry(window)
    y = reference.conv_forward(x, weight, g, model.arrays["node1.bias"])
    close(found.y, y, 1e-12, "outputs")
    if case == "winograd":  # too large for more naive loops; its module says the rest
        return
    dweight = reference.conv_weight_gradient(dy, x, weight.shape, g)
    close(found.grads["node1.weight"], dweight, 1e-12, "weight")
    close(found.grads["node1.bias"], dy.sum(axis=(0, 1, 2)), 1e-12, "bias")
    assert found.dx is not None
    close(found.dx, reference.conv_input_gradient(dy, weight, x.shape, g), 1e-12, "dx")


@pytest.mark.parametrize(
    ("window", "channels", "filters", "samples", "op"),
    [
        (Window((6, 6), (1, 1)), 16, 16, 16, Pixelwise),
        (Window((6, 6), (1, 1), padding=((1, 0), (0, 0))), 16, 16, 16, ByLowering),
        (Window((6, 6), (1, 1), (2, 2)), 16, 16, 16, ByLowering),
        (Window((6, 6), (3, 3)), MANY, MANY, 8, ByWinograd),
        (Window((6, 6), (3, 3)), FEWER, MANY, 8, ByLowering),
        (Window((6, 6), (3, 3)), MANY, FEWER, 8, ByLowering),
        (Window((6, 6), (3, 3)), MANY, MANY, 7, ByLowering),
        (Window((6, 5), (3, 3)), MANY, MANY, 8, ByLowering),
        (Window((9, 9), (3, 3), (2, 2)), MANY, MANY, 8, ByLowering),
        (Window((9, 9), (3, 3), (1, 1), (2, 2)), MANY, MANY, 8, ByLowering),
        (Window((9, 9), (3, 3), padding=((3, 3), (3, 3))), MANY, MANY, 8, ByLowering),
        (Window((9, 9), (5, 5), padding=((2, 2), (2, 2))), MANY, MANY, 8, ByLowering),
    ],
)
def test_shapes_choose_the_algorithm(
    window: Window, channels: int, filters: int, samples: int, op: type[Op]
) -> None:
    model = chain((*window.size, channels), convolution(window, filters))
    assert chosen(model, samples) is op
    agree(model, samples)


@pytest.mark.parametrize("rows", [1, 7, 24, 48, 97, 1536, 12289])
@pytest.mark.parametrize("work", [1, 999, 288 * 64, 10**6, 10**7])
def test_small_rows_divide_a_product(rows: int, work: int) -> None:
    piece = small_rows(rows, work)
    assert rows % piece == 0
    assert piece == rows or piece >= 16


# The other ops

SAME = dl.Conv2d(4, 3, padding="same")
CHAINS: dict[str, tuple[Shape, tuple[dl.Module, ...]]] = {
    "max pool": ((6, 4, 3), (dl.MaxPool2d(2),)),
    "max pool of odd sizes": ((7, 5, 3), (dl.MaxPool2d(2),)),
    "max pool that leaves a row": ((5, 4, 16), (dl.MaxPool2d(2),)),
    "max pool of one window": ((2, 3, 1), (dl.MaxPool2d(2),)),
    "max pool, overlapping": ((7, 6, 2), (dl.MaxPool2d(3, 2, padding=1),)),
    "max pool twice": ((9, 8, 2), (dl.MaxPool2d(2), dl.MaxPool2d(2))),
    "max pool in used memory": ((7, 5, 4), (SAME, SAME, dl.MaxPool2d(2), dl.Conv2d(3, 1))),
    "pixels twice": ((3, 4, 2), (dl.Conv2d(4, 1), dl.Conv2d(4, 1), dl.Conv2d(3, 1), SAME)),
    "bias": ((5, 4, 3), (dl.Conv2d(5, 3),)),
    "bias of rows": ((7,), (dl.Dense(5),)),
    "relu of a convolution": ((5, 4, 3), (dl.Conv2d(5, 3), dl.ReLU())),
    "relu of a bare convolution": ((5, 4, 3), (dl.Conv2d(5, 3, bias=False), dl.ReLU())),
    "relu of a dense layer": ((7,), (dl.Dense(5), dl.ReLU())),
    "relu of a bare dense layer": ((7,), (dl.Dense(5, bias=False), dl.ReLU())),
    "relu of a sum": ((3, 2, 4), (dl.residual(dl.Conv2d(4, 1)), dl.ReLU())),
    "relu of rows": ((3, 2, 4), (dl.Flatten(), dl.ReLU())),
    "relu of an average": ((3, 2, 4), (dl.GlobalAvgPool2d(), dl.ReLU())),
    "relu of a module": ((3, 2, 4), (dl.ReLU(),)),
    "relu of relu": ((3, 2, 4), (dl.ReLU(), dl.ReLU(), dl.ReLU())),
    "relu of normalize": ((3, 2, 4), (dl.Normalize(0.1, 2.0), dl.ReLU())),
    "relu of batch norm": ((3, 2, 4), (dl.BatchNorm(), dl.ReLU())),
    "relu of a large dense layer": ((257,), (dl.Dense(256), dl.ReLU())),
    "relu, then a layer that reads it": ((4, 3, 2), (dl.Conv2d(3, 2), dl.ReLU(), dl.Conv2d(2, 2))),
    "block": ((7, 6, 2), (dl.Conv2d(3, 2), dl.ReLU(), dl.MaxPool2d(2), dl.Tanh())),
    "block without ReLU": ((7, 6, 2), (dl.Conv2d(3, 2), dl.MaxPool2d(2))),
    "block with two ReLU": ((7, 6, 2), (dl.Conv2d(3, 2), dl.ReLU(), dl.ReLU(), dl.MaxPool2d(2))),
    "normalize": ((4, 3, 5), (dl.Normalize(0.5, 0.25),)),
    "normalize each channel": ((4, 3, 2), (dl.Normalize((0.5, -1.0), (0.25, 2.0)),)),
    "normalize by one deviation": ((4, 3, 2), (dl.Normalize((0.5, -1.0), 2.0),)),
    "normalize rows": ((3,), (dl.Normalize((0.5, 0.0, 1.0), (0.25, 2.0, 1.0)),)),
    "normalize sequences": ((5, 2), (dl.Normalize((0.5, -1.0), (0.25, 2.0)), dl.ReLU())),
    "batch norm": ((4, 3, 2), (dl.BatchNorm(),)),
    "batch norm of rows": ((3,), (dl.BatchNorm(),)),
    "batch norm of sequences": ((5, 3), (dl.BatchNorm(), dl.ReLU())),
    "batch norm of volumes": ((2, 3, 2, 4), (dl.BatchNorm(), dl.Tanh())),
    "flatten": ((4, 3, 5), (dl.Flatten(),)),
    "flatten a vector": ((4,), (dl.Flatten(),)),
    "flatten a sequence": ((4, 2), (dl.Flatten(), dl.Dense(3))),
    "flatten and multiply": ((4, 3, 2), (dl.Flatten(), dl.Dense(3, bias=False))),
    "multiply by a large matrix": ((256,), (dl.Dense(257, bias=False), dl.Dense(2))),
    "global average": ((5, 3, 4), (dl.GlobalAvgPool2d(),)),
    "global average of a pixel": ((1, 1, 2), (dl.GlobalAvgPool2d(),)),
    "average pool": ((5, 4, 2), (dl.AvgPool2d(2),)),
    "tanh": ((5, 4, 2), (dl.Tanh(),)),
    "sigmoid": ((5,), (dl.Sigmoid(),)),
    "dropout": ((5, 3, 2), (dl.Dropout(0.4),)),
    "dropout of channels": ((5, 3, 2), (dl.Dropout2d(0.4),)),
    "dropout of no channels": ((5, 3, 2), (dl.Dropout2d(0.0),)),
    "dropout of samples": ((5, 3, 2), (dl.DropPath(0.4), dl.Tanh())),
    "group norm": ((5, 4, 6), (dl.GroupNorm(2), dl.Tanh())),
    "group norm of a pixel": ((1, 1, 6), (dl.GroupNorm(3),)),
    "group norm without weights": ((5, 4, 6), (dl.GroupNorm(1, affine=False),)),
    "instance norm": ((5, 4, 3), (dl.InstanceNorm(),)),
    "instance norm with weights": ((5, 4, 3), (dl.InstanceNorm(affine=True), dl.ReLU())),
    "pad": ((4, 3, 2), (dl.Pad(((1, 0), (2, 3)), value=-1.5), dl.Tanh())),
    "pad by nothing": ((4, 3, 2), (dl.Pad(0),)),
}


@pytest.mark.parametrize("samples", [1, 40])
@pytest.mark.parametrize("name", CHAINS)
def test_an_op_is_its_module(name: str, samples: int) -> None:
    shape, modules = CHAINS[name]
    agree(chain(shape, *modules), samples, whole=True)
    agree(chain(shape, *modules, probe=False), samples)


@pytest.mark.parametrize("name", CHAINS)
def test_float32_stays_float32(name: str) -> None:
    shape, modules = CHAINS[name]
    agree(chain(shape, *modules, dtype="float32"), 7, tolerance=1e-4)


def test_batch_norm_that_is_frozen_uses_its_averages() -> None:
    for shape in ((4, 3, 2), (5,)):
        model = chain(shape, dl.BatchNorm(), dl.ReLU())
        model.freeze("node1")
        agree(model, 7)


def joined(*reads: str, module: dl.Module) -> dl.Graph:
    """A join of values ``a`` and ``b``, which other nodes read as well."""
    model = dl.Graph((4, 3, 2), dtype="float64")
    model.add("probe", Probe())
    model.add("a", dl.Conv2d(2, 1))
    model.add("b", dl.Conv2d(2, 3, padding="same"), "probe")
    model.add("join", module, *reads)
    model.add("relu", dl.ReLU())
    model.add("last", dl.Add(), "relu" if isinstance(module, dl.Add) else "a", "a", "b")
    return nudged(model)


@pytest.mark.parametrize("reads", [("a", "b"), ("a", "a"), ("b", "a", "b"), ("probe", "a", "b")])
@pytest.mark.parametrize("module", [dl.Add(), dl.Concatenate()])
def test_joins_of_values_that_others_read(reads: tuple[str, ...], module: dl.Module) -> None:
    agree(joined(*reads, module=module), 20)


def test_ties_in_max_pool_go_to_the_first_row_by_row() -> None:
    model = chain((5, 6, 2), dl.MaxPool2d(2))
    rng = np.random.default_rng(3)
    x = rng.integers(0, 2, (6, 5, 6, 2)).astype(float)
    dy = rng.standard_normal((6, 2, 3, 2))
    found, geometry_ = by_engine(model, x, dy), reference.Geometry(stride=(2, 2))
    np.testing.assert_array_equal(found.y, reference.max_pool(x, (2, 2), geometry_))
    assert found.dx is not None
    expected = reference.max_pool_gradient(dy, x, (2, 2), geometry_)
    np.testing.assert_array_equal(found.dx, expected)


def test_relu_takes_everything_below_zero() -> None:
    """Minus infinity becomes 0, not NaN; NaN stays, so that a loss shows it."""
    model = chain((4,), dl.Normalize(), dl.ReLU())
    x = np.array([[-np.inf, np.nan, np.inf, -0.0]])
    found = by_engine(model, x, np.ones((1, 4)))
    np.testing.assert_array_equal(found.evaluated, [[0.0, np.nan, np.inf, 0.0]])


# Any graph

LOCAL: list[Callable[[], dl.Module]] = [
    lambda: dl.Conv2d(3, 3, padding="same"),
    lambda: dl.Conv2d(3, 1, bias=False),
    dl.ReLU,
    dl.Tanh,
    lambda: dl.Normalize(0.1, 1.5),
    lambda: dl.Dropout(0.3),
    dl.BatchNorm,
    Centre,
    lambda: dl.MaxPool2d(2),
    lambda: dl.MaxPool2d(3, 1, padding=1),
    lambda: dl.residual(dl.Conv2d(3, 1), dl.ReLU()),
]


@st.composite
def graphs(draw: st.DrawFn) -> list[tuple[int, int, int]]:
    """Nodes as numbers: which module, and which two values it or a sum may read."""
    number = st.integers(0, 1000)
    return draw(st.lists(st.tuples(number, number, number), min_size=2, max_size=10))


def drawn_graph(numbers: list[tuple[int, int, int]], dtype: str) -> dl.Graph:
    """A graph of any wiring: values may be read often, or never."""
    graph = dl.Graph((5, 4, 3), dtype=dtype, seed=2)
    graph.add("node", dl.Conv2d(3, 3, padding="same"))
    shapes = {"node": (5, 4, 3)}
    for at, (kind, first, second) in enumerate(numbers):
        read = list(shapes)[-1 - first % min(3, len(shapes))]
        alike = [name for name, shape in shapes.items() if shape == shapes[read]]
        if kind % 3 == 0:
            name = graph.add(f"sum{at}", dl.Add(), read, alike[second % len(alike)])
        else:
            module = LOCAL[kind % len(LOCAL)]()
            if isinstance(module, dl.MaxPool2d) and min(shapes[read][:2]) < 2:
                continue
            name = graph.add(f"node{at}", module, read)
        assert graph.shapes is not None
        height, width, channels = graph.shapes[name]
        shapes[name] = (height, width, channels)
    return graph


@settings(max_examples=30)
@given(graphs())
def test_any_wiring(numbers: list[tuple[int, int, int]]) -> None:
    agree(nudged(drawn_graph(numbers, "float64")), 21, 1e-8)
    model = nudged(drawn_graph(numbers, "float32"))
    x, dy = data(model, 50, False)
    solo, threads = (by_engine(model, x, dy, workers) for workers in (1, 3))
    np.testing.assert_array_equal(threads.y, solo.y)
    for path, grad in solo.grads.items():
        np.testing.assert_array_equal(threads.grads[path], grad)


# The rules


class Line(NamedTuple):
    """A unit as the tests below read it."""

    op: str
    reads: tuple[int, ...]
    writes: int


def lines(
    model: dl.Graph, escaping: tuple[int, ...] = (), lent: tuple[int, ...] = (), rules: int = 2
) -> list[Line]:
    """Return what the first ``rules`` rules make of a model; the input is value 0."""
    leaves, output = unfold(model, input_shapes(model))
    found = units.lower(wanted_tasks(model, leaves))
    for rule in list(units.RULES.values())[:rules]:
        found = rule(found, frozenset({output, *escaping}), frozenset(lent))
    return [Line(_named(unit), unit.reads, unit.writes) for unit in found]


def _named(unit: Unit) -> str:
    return f"{unit.make.__name__}{' in place' if unit.in_place else ''}"


def test_every_rule_is_tested_below() -> None:
    assert list(units.RULES) == ["pool before bias and ReLU", "bias and ReLU in place"]


def test_a_convolution_is_lowered_to_a_product_and_a_bias() -> None:
    model = dl.Sequential([dl.Conv2d(2, 3), dl.Dense(3)][:1], (7, 7, 1))
    assert lines(model, rules=0) == [Line("convolve", (0,), -1), Line("AddBias", (-1,), 1)]


def pooled(*more: dl.Module) -> dl.Graph:
    return chain((7, 6, 2), dl.Conv2d(3, 2), dl.ReLU(), *more, probe=False)


def test_pooling_moves_before_bias_and_relu() -> None:
    assert lines(pooled(dl.MaxPool2d(2)), rules=1) == [
        Line("convolve", (0,), -1),
        Line("MaxPoolInPairs", (-1,), 1),
        Line("AddBias", (1,), 2),
        Line("Rectify", (2,), 3),
    ]


@pytest.mark.parametrize("module", [dl.MaxPool2d(3), dl.MaxPool2d(2, 1), dl.AvgPool2d(2)])
def test_other_pooling_stays_where_it_is(module: dl.Module) -> None:
    ops = [line.op for line in lines(pooled(module), rules=1)]
    assert ops == ["convolve", "AddBias", "Rectify", "ByModule"]


def test_pooling_stays_behind_a_value_that_escapes() -> None:
    model = pooled(dl.MaxPool2d(2))
    assert [line.op for line in lines(model, (2,), rules=1)][-1] == "MaxPoolInPairs"
    ops = [line.op for line in lines(model, (1,), rules=1)]
    assert ops == ["convolve", "AddBias", "MaxPoolInPairs", "Rectify"]


def read_twice(name: str) -> dl.Graph:
    """A block, one value of which is read a second time."""
    model = dl.Graph((7, 6, 2), dtype="float64")
    for node, module in (("conv", dl.Conv2d(3, 2)), ("relu", dl.ReLU()), ("pool", dl.MaxPool2d(2))):
        model.add(node, module)
    model.add("again", dl.MaxPool2d((2, 2), 2, padding=0), name)
    model.add("both", dl.Add(), "pool", "again")
    return nudged(model)


@pytest.mark.parametrize(("name", "after"), [("relu", 2), ("conv", 1)])
def test_pooling_stays_behind_a_value_that_another_reads(name: str, after: int) -> None:
    found = lines(read_twice(name), rules=1)
    assert [line.op for line in found[1:3]] != ["MaxPoolInPairs", "MaxPoolInPairs"]
    assert found[after].op in ("AddBias", "Rectify")
    agree(read_twice(name), 20, whole=True)


def test_pooling_first_changes_no_result(monkeypatch: pytest.MonkeyPatch) -> None:
    model = pooled(dl.MaxPool2d(2), dl.Conv2d(4, 2), dl.Tanh())
    found = agree(model, 20)
    monkeypatch.delitem(units.RULES, "pool before bias and ReLU")
    expected = agree(model, 20)
    close(found.y, expected.y, 1e-14, "outputs")
    for path, grad in expected.grads.items():
        close(found.grads[path], grad, 1e-13, path)


def test_bias_and_relu_are_written_in_place() -> None:
    """One value goes through all three, under its last name."""
    assert lines(pooled(dl.Tanh())) == [
        Line("convolve", (0,), 2),
        Line("AddBias in place", (2,), 2),
        Line("Rectify in place", (2,), 2),
        Line("ByModule", (2,), 3),
    ]


def test_relu_is_not_written_over_what_another_reads() -> None:
    model = chain((4,), dl.Dense(3), probe=False)
    model.add("relu", dl.ReLU())
    model.add("sum", dl.Add(), "node0", "relu")
    ops = [line.op for line in lines(model)]
    assert ops == ["Multiply", "AddBias in place", "ByModule", "Sum"]
    agree(model, 20)


def test_relu_is_not_written_over_what_escapes() -> None:
    model = chain((4,), dl.Dense(3), dl.ReLU(), probe=False)
    assert lines(model, escaping=(1,))[-1] == Line("ByModule", (1,), 2)


def test_relu_is_not_written_over_what_came_from_outside_unless_lent() -> None:
    model = chain((4,), dl.ReLU(), probe=False)
    assert lines(model) == [Line("ByModule", (0,), 1)]
    assert lines(model, lent=(0,)) == [Line("Rectify in place", (0,), 1)]
    model.add("sum", dl.Add(), "input", "node0")
    assert lines(model, lent=(0,))[0] == Line("ByModule", (0,), 1)


def test_relu_is_not_written_over_what_a_module_may_have_kept() -> None:
    model = chain((4,), dl.Tanh(), dl.ReLU(), probe=False)
    assert [line.op for line in lines(model)] == ["ByModule", "ByModule"]


# Slots, shards and memory


def spans() -> st.SearchStrategy[list[tuple[int, int]]]:
    return st.lists(st.tuples(st.integers(0, 12), st.integers(0, 5)), max_size=12)


@given(spans())
def test_values_that_live_together_never_share_a_slot(drawn: list[tuple[int, int]]) -> None:
    lives = {key: Life(first, first + length) for key, (first, length) in enumerate(drawn)}
    given_slots = slots(lives)
    assert set(given_slots) == set(lives)
    for moment in range(20):
        alive = [key for key, life in lives.items() if life.first <= moment <= life.last]
        assert len({given_slots[key] for key in alive}) == len(alive)


@given(spans())
def test_there_are_no_more_slots_than_live_together(drawn: list[tuple[int, int]]) -> None:
    lives = {key: Life(first, first + length) for key, (first, length) in enumerate(drawn)}
    alive = [sum(life.first <= now <= life.last for life in lives.values()) for now in range(20)]
    assert len(set(slots(lives).values())) == max(alive)


def sizes(samples: int) -> list[int]:
    return [cut.stop - cut.start for cut in shards(samples)]


@given(st.integers(1, 5000) | st.integers(1, 300))
def test_shards_are_a_batch_in_nearly_equal_parts(samples: int) -> None:
    cut = shards(samples)
    assert [index for part in cut for index in range(samples)[part]] == list(range(samples))
    assert max(sizes(samples)) - min(sizes(samples)) <= 1
    assert max(sizes(samples)) <= LARGEST
    assert len(cut) <= 2 or len(cut) % 4 == 0


def test_a_larger_batch_never_has_fewer_shards() -> None:
    """So that what is laid out for the largest batch is enough for every other."""
    counts = [len(shards(samples)) for samples in range(1, 1000)]
    assert counts == sorted(counts)


@given(st.integers(0, 100), st.integers(1, 30))
def test_tiles_cover_a_length(length: int, size: int) -> None:
    found = [index for tile in tiles(length, size) for index in range(length)[tile]]
    assert found == list(range(length))


KINDS: tuple[Callable[[Memory, Shape, Any], Array], ...] = (
    lambda memory, shape, dtype: memory.keep(shape, dtype),
    lambda memory, shape, dtype: memory.scratch("purpose", shape, dtype),
)


@pytest.mark.parametrize("make", KINDS, ids=["kept", "scratch"])
@pytest.mark.parametrize("dtype", ["float32", "float64", "bool", None])
def test_memory_starts_at_a_cache_line(
    make: Callable[[Memory, Shape, Any], Array], dtype: str | None
) -> None:
    memory = Memory(np.dtype("float32"))
    for shape in ((), (1,), (3, 5), (7, 2, 9), (0, 4)):
        array = make(memory, shape, dtype)
        assert (array.shape, array.dtype) == (shape, np.dtype(dtype or "float32"))
        assert array.ctypes.data % LINE == 0 or not array.size
        assert array.flags.c_contiguous
        assert array.flags.writeable


def overlaps(arrays: list[Array]) -> Iterator[bool]:
    for index, array in enumerate(arrays):
        yield from (np.shares_memory(array, other) for other in arrays[:index])


def test_scratch_is_shared_by_purpose_and_what_is_kept_by_nobody() -> None:
    memory = Memory(np.dtype("float64"))
    assert all(overlaps([memory.scratch("a", shape) for shape in ((4, 4), (3,), (2, 8))]))
    different = [memory.scratch("a", (4,)), memory.scratch("b", (4,))]
    assert not any(overlaps(different + [memory.keep((4,)) for _ in range(3)]))
    assert (memory.sizes, memory.scratch_bytes) == ({"a": 128, "b": 32}, 160)
    assert memory.kept_bytes == 96


def test_a_second_layout_knows_the_sizes() -> None:
    first = Memory(np.dtype("float32"))
    for size in (3, 50, 7):
        first.scratch("a", (size,))
    second = Memory(first.dtype, first.sizes)
    assert all(overlaps([second.scratch("a", (size,)) for size in (3, 50, 7)]))
    assert second.sizes == first.sizes == {"a": 200}


def test_once_is_once() -> None:
    memory = Memory(np.dtype("float32"))
    made = [memory.once(key, object) for key in ("a", "b", "a")]
    assert made[0] is made[2]
    assert made[0] is not made[1]
