"""The engine: the same bits for any number and kind of workers, and the same as a plain loop."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar, NamedTuple, TypeAlias

import numpy as np
import pytest
from contract import ROWS, Row
from test_crew import alone as alone_for

import minidl as dl
from minidl.engine.program import TrainingProgram
from minidl.initializers import Constant
from minidl.types import Array, Arrays, Pullback, Shape

alone = partial(alone_for, seconds=20.0)

Crew: TypeAlias = tuple[int, str]
SOLO: Crew = (1, "threads")
CREWS: list[Crew] = [(size, kind) for kind in ("threads", "processes") for size in (2, 3, 4)]
SOME = CREWS[::4]  # the plain run tries these, the slow one the others
FEW = pytest.mark.parametrize("crew", [SOLO, (3, "threads"), (3, "processes")])
SIZES = (50, 7, 1)
"""More shards than members and fewer, of unequal sizes; at last one of one sample."""

SEED = 2**64 - 1
Batch: TypeAlias = tuple[Array, Array]
Result: TypeAlias = "tuple[Array, Pullback | None]"


# Modules of a user's own


class Image(dl.Module):
    """A vector as an image of some shape."""

    shape: Shape
    sample_local = True

    def output_shape(self, shape: Shape) -> Shape:
        return self.shape

    def forward(self, params: Arrays, x: Array, *, ctx: dl.Context) -> Result:
        y = x.reshape(len(x), *self.shape)
        return y, (lambda dy: ((dy.reshape(x.shape),), {})) if ctx.wanted else None


class Centre(dl.Module):
    """Takes the batch's mean away and scales: no output depends on its own sample alone."""

    def parameters(self, shape: Shape) -> dict[str, dl.ParameterSpec]:
        return {
            "scale": dl.ParameterSpec(shape[-1:], Constant(1.0)),
            "seen": dl.ParameterSpec(shape[-1:], Constant(0.0), trainable=False),
        }

    def forward(self, params: Arrays, x: Array, *, ctx: dl.Context) -> Result:
        centred = x - x.mean(axis=0)
        axes = tuple(range(x.ndim - 1))
        if ctx.train:
            ctx.update("seen", params["seen"] + x.mean(axis=axes))

        def pullback(dy: Array) -> tuple[tuple[Array], dict[str, Array]]:
            scaled = dy * params["scale"]
            dparams = {"scale": (dy * centred).sum(axis=axes)} if "scale" in ctx.wanted else {}
            return (scaled - scaled.mean(axis=0),), dparams

        return centred * params["scale"], pullback if ctx.wanted else None


class Noise(dl.Module):
    """Adds random numbers in training, on the whole batch."""

    def forward(self, params: Arrays, x: Array, *, ctx: dl.Context) -> Result:
        noise = ctx.random(x.shape).astype(x.dtype) if ctx.train else x.dtype.type(0)
        return x + noise, (lambda dy: ((dy,), {})) if ctx.wanted else None


class Steps(dl.Module):
    """Counts the steps in a buffer; sample by sample."""

    sample_local = True

    def parameters(self, shape: Shape) -> dict[str, dl.ParameterSpec]:
        return {"steps": dl.ParameterSpec((1,), Constant(0.0), trainable=False)}

    def forward(self, params: Arrays, x: Array, *, ctx: dl.Context) -> Result:
        if ctx.train:
            ctx.update("steps", params["steps"] + 1)
        return x * 1, (lambda dy: ((dy,), {})) if ctx.wanted else None


class Broken(dl.Module):
    """Raises where an input is above 50: forward, or on the way back."""

    place: str

    def forward(self, params: Arrays, x: Array, *, ctx: dl.Context) -> Result:
        def check(place: str) -> None:
            if place == self.place and (x > 50).any():
                raise ArithmeticError("a broken part")

        def pullback(dy: Array) -> tuple[tuple[Array], dict[str, Array]]:
            check("pullback")
            return (dy,), {}

        check("forward")
        return x * 1, pullback if ctx.wanted else None


class BrokenLocal(Broken):
    """The same, sample by sample."""

    sample_local = True


class Unit(dl.Optimizer):
    """Steps of one length for each array, which cannot be cut."""

    lr: float | dl.schedules.Schedule = 0.01
    elementwise = False
    slots: ClassVar[tuple[str, ...]] = ("total",)

    def update(
        self, array: Array, grad: Array, slots: dict[str, Array], rate: float, step: int
    ) -> None:
        slots["total"] += grad
        array -= rate * slots["total"] / (np.linalg.norm(slots["total"]) + 1e-3)


# Graphs


def _graph(shape: Shape, dtype: str, *nodes: tuple[Any, ...]) -> dl.Graph:
    """Nodes as (name, module, what it reads or, after "=", shares)."""
    graph = dl.Graph(shape, dtype=dtype, seed=1)
    for name, module, *rest in nodes:
        share = next((one[1:] for one in rest if one[0] == "="), None)
        graph.add(name, module, *(one for one in rest if one[0] != "="), share=share)
    return graph


def _rows(dtype: str, rows: list[Row]) -> dl.Graph:
    """Rows of the contract table, each behind layers that learn, side by side."""
    graph = dl.Graph((4,), dtype=dtype, seed=2)
    ends = []
    for at, row in enumerate(rows):
        fronts = []
        for index, shape in enumerate(row.shapes):
            graph.add(f"dense{at}_{index}", dl.Dense(math.prod(shape)), "input")
            fronts.append(graph.add(f"front{at}_{index}", Image(shape)))
        graph.add(f"node{at}", row.module, *fronts)
        ends.append(graph.add(f"flat{at}", dl.Flatten()))
    graph.add("all", dl.Concatenate(), *ends, *ends[:1])
    return graph


def _shared(dtype: str) -> dl.Graph:
    """Stages of every kind, arrays used several times, and values that several nodes read."""
    conv = dl.Conv2d(3, 3, padding="same")
    return _graph(
        (5, 4, 2),
        dtype,
        *(("noise", Noise()), ("conv", conv), ("one", dl.BatchNorm()), ("relu", dl.ReLU())),
        *(("again", conv), ("two", dl.BatchNorm(), "=one"), ("three", conv, "=again")),
        *(("centre", Centre()), ("fork", dl.Concatenate(), "relu", "centre", "two", "input")),
        *(("steps", Steps()), ("noise2", Noise()), ("flat", dl.Flatten()), ("centre2", Centre())),
        *(("wide", dl.Dense(300)), ("drop", dl.Dropout(0.3)), ("narrow", dl.Dense(220))),
        *(("tanh", dl.Tanh()), ("more", dl.Dense(300), "=wide"), ("sigmoid", dl.Sigmoid())),
        ("out", dl.Dense(4)),
    )


def _model(name: str, dtype: str) -> dl.Graph:
    """A model of ``minidl.models`` in either type, on small images."""
    shape = (16, 16, 1) if name == "lenet" else (8, 8, 1)
    return _graph(shape, dtype, ("model", getattr(dl.models, name)(shape, 4)))


def _frozen(dtype: str, *patterns: str) -> dl.Graph:
    model = _shared(dtype)
    for index, (path, array) in enumerate(model.arrays.items()):
        model.arrays[path] = array + 0.05 * np.random.default_rng(index).normal(size=array.shape)
    model.freeze(*patterns)
    return model


GRAPHS: dict[str, Callable[[str], dl.Graph]] = {
    **{name: partial(_model, name) for name in ("lenet", "mlp", "resnet", "vgg")},
    **{f"rows {at}": partial(_rows, rows=ROWS[at::5]) for at in range(5)},
    "shared": _shared,
    "frozen first": lambda dtype: _frozen(dtype, "conv", "one", "wide.bias"),
    "frozen averages": lambda dtype: _frozen(dtype, "one.running_*", "centre.seen", "again.weight"),
    "frozen scales": lambda dtype: _frozen(dtype, "one.weight", "one.bias", "centre.scale", "out"),
    "frozen all": lambda dtype: _frozen(dtype, "*"),
}
EVERY = pytest.mark.parametrize("name", GRAPHS)


# Runs


class Outcome(NamedTuple):
    """What a run leaves, by name."""

    losses: list[float]
    arrays: dict[str, Array]


def batches(model: dl.Graph, sizes: tuple[int, ...] = SIZES) -> list[Batch]:
    assert model.shapes is not None
    rng, shape = np.random.default_rng(5), model.shapes["input"]
    out = model.output_shape(shape)
    return [
        (rng.standard_normal((n, *shape)).astype(model.dtype), rng.standard_normal((n, *out)))
        for n in sizes
    ]


def opened(
    model: dl.Graph, optimizer: dl.Optimizer, crew: Crew, data: list[Batch], most: int = 0
) -> TrainingProgram:
    most = most or max(len(x) for x, _ in data)
    return TrainingProgram(model, dl.MeanSquaredError(), optimizer, most, data[0][1], *crew)


def outcome(
    model: dl.Graph, optimizer: dl.Optimizer, steps: list[tuple[float, Array]], evaluated: Array
) -> Outcome:
    slots = {
        f"{name} of {path}": slot
        for path in sorted(model.trainable)
        for name, slot in optimizer.state.slots.get(path, {}).items()
    }
    outputs = {f"output {at}": output for at, (_, output) in enumerate(steps)}
    arrays = {**model.arrays, **slots, **outputs, "evaluation": evaluated}
    return Outcome([value for value, _ in steps], arrays)


def engine(
    model: dl.Graph, optimizer: dl.Optimizer, crew: Crew, sizes: tuple[int, ...] = SIZES
) -> Outcome:
    """Train and evaluate by the engine; room for more samples than come changes nothing."""
    data = batches(model, sizes)
    with opened(model, optimizer, crew, data, max(sizes) + 17 * crew[0] - 17) as program:
        steps = [program.step(x, target, SEED) for x, target in data]
        evaluated = program.evaluate(data[0][0])
    return outcome(model, optimizer, steps, evaluated)


def plain_step(
    model: dl.Graph, optimizer: dl.Optimizer, step: int, batch: Batch
) -> tuple[float, Array]:
    loss = dl.MeanSquaredError()
    value, output, grads = model.gradients(*batch, loss, seed=SEED, step=step)
    optimizer.step(model.arrays, grads)
    return value, output


def plain(model: dl.Graph, optimizer: dl.Optimizer, sizes: tuple[int, ...] = SIZES) -> Outcome:
    """Train and evaluate in a loop of one's own."""
    data = batches(model, sizes)
    steps = [plain_step(model, optimizer, step, batch) for step, batch in enumerate(data)]
    evaluated, _ = model.forward(model.arrays, data[0][0], ctx=dl.Context())
    return outcome(model, optimizer, steps, evaluated)


def same(found: Outcome, expected: Outcome, what: object) -> None:
    """Fail unless every bit agrees."""
    assert found.losses == expected.losses, what
    assert list(found.arrays) == list(expected.arrays)
    for name, array in expected.arrays.items():
        assert found.arrays[name].dtype == array.dtype
        np.testing.assert_array_equal(found.arrays[name], array, err_msg=f"{what}: {name}")


def close(found: Outcome, expected: Outcome, tolerance: float = 1e-11) -> None:
    """Fail where arrays differ by more than rounding, each by its own size."""
    np.testing.assert_allclose(found.losses, expected.losses, rtol=tolerance)
    assert list(found.arrays) == list(expected.arrays)
    for name, array in expected.arrays.items():
        ours = found.arrays[name]
        assert (ours.shape, ours.dtype) == (array.shape, array.dtype), name
        worst = float(np.abs(ours - array).max(initial=0))
        assert worst <= tolerance * max(1.0, float(np.abs(array).max(initial=0))), (name, worst)


# The same bits, and the same as the plain loop


@EVERY
@alone
def test_any_crew_gives_the_same_bits(name: str) -> None:
    _any_crew_gives_the_same_bits(name, SOME)


@pytest.mark.slow
@EVERY
@alone
def test_every_other_crew_gives_the_same_bits(name: str) -> None:
    _any_crew_gives_the_same_bits(name, [crew for crew in CREWS if crew not in SOME])


def _any_crew_gives_the_same_bits(name: str, crews: list[Crew]) -> None:
    first = engine(GRAPHS[name]("float32"), dl.Adam(), SOLO)
    for crew in crews:
        same(engine(GRAPHS[name]("float32"), dl.Adam(), crew), first, crew)


@EVERY
def test_it_agrees_with_the_plain_loop(name: str) -> None:
    cases: dict[str, tuple[dl.Optimizer, float]] = {
        "float64": (dl.Adam(epsilon=1e-2), 1e-11),  # rounding alone is to be no whole step
        "float32": (dl.SGD(0.01, momentum=0.9, weight_decay=1e-3), 1e-3),
    }
    for dtype, (optimizer, tolerance) in cases.items():
        expected = plain(GRAPHS[name](dtype), optimizer.replace())
        close(engine(GRAPHS[name](dtype), optimizer.replace(), SOLO), expected, tolerance)


@pytest.mark.parametrize("make", [Unit, dl.Adam])
@alone
def test_large_arrays_are_updated_in_tiles_where_they_can_be(make: type[Unit | dl.Adam]) -> None:
    def model() -> dl.Graph:
        layers = [dl.Dense(300), dl.BatchNorm(), dl.Tanh(), dl.Dense(2)]
        return dl.Sequential(layers, (400,), dtype="float64")

    first = engine(model(), make(), SOLO, (20, 5))
    close(first, plain(model(), make(), (20, 5)), 1e-9)
    for crew in CREWS:
        same(engine(model(), make(), crew, (20, 5)), first, crew)


@FEW
@alone
def test_a_loss_that_is_not_finite_updates_nothing(crew: Crew) -> None:
    """It counts as a step all the same, so that the next one drops other numbers."""
    model, optimizer = _shared("float32"), dl.Adam()
    (x, target), *_ = data = batches(model, (40,))
    wrong = np.where(np.arange(len(x)) == 39, math.nan, target.T).T
    with opened(model, optimizer, crew, data) as program:
        program.step(x, target, 0)
        now = outcome(model, optimizer, [], x)
        before = Outcome([], {name: array.copy() for name, array in now.arrays.items()})
        value, output = program.step(x, wrong, 0)
        assert math.isnan(value)
        assert np.isfinite(output).all()
        same(now, before, "after NaN")
        assert optimizer.state.steps == 2
        assert math.isfinite(program.step(x, target, 0)[0])
        assert model.arrays["steps.steps"] == 2


@FEW
@alone
def test_what_is_frozen_may_change_between_steps(crew: Crew) -> None:
    ours, theirs = (_shared("float64") for _ in range(2))
    optimizers = [dl.Adam(epsilon=1e-2) for _ in range(2)]
    data, found, expected = batches(ours, (40, 40, 7, 40)), [], []
    with opened(ours, optimizers[0], crew, data) as program:
        for step, batch in enumerate(data):
            for model in (ours, theirs) if step else ():
                model.unfreeze("*")
                model.freeze(*(("one", "wide") if step == 1 else ("wide", "conv.weight", "out")))
            found.append(program.step(*batch, SEED))
            expected.append(plain_step(theirs, optimizers[1], step, batch))
    expected_outcome = outcome(theirs, optimizers[1], expected, data[0][0])
    close(outcome(ours, optimizers[0], found, data[0][0]), expected_outcome)


# What is lent comes back


@alone
def test_programs_one_after_the_other_are_one() -> None:
    """Each gives the arrays of the model and the optimizer back, and the next goes on from them."""
    sizes = (40,) * (len(CREWS) + 1)
    expected = engine(_shared("float32"), dl.Adam(), SOLO, sizes)
    model, optimizer, steps = _shared("float32"), dl.Adam(), []
    own, data = dict(model.arrays), batches(model, sizes)
    for batch, crew in zip(data, [SOLO, *CREWS]):
        with opened(model, optimizer, crew, data) as program:
            steps.append(program.step(*batch, SEED))
            evaluated = program.evaluate(data[0][0])
        program.close()  # twice is once
        assert list(model.arrays) == list(own)
        assert all(model.arrays[path] is array for path, array in own.items())
        slots = [slot for named in optimizer.state.slots.values() for slot in named.values()]
        assert all(slot.flags.owndata and slot.flags.writeable for slot in slots)
    assert set(optimizer.state.slots) == set(model.trainable)
    same(outcome(model, optimizer, steps, evaluated), expected, "one after the other")


@FEW
@alone
def test_a_program_inside_another_leaves_its_memory(crew: Crew) -> None:
    """As where a callback evaluates: momentum goes on as it was, on every member."""
    model, optimizer = _shared("float32"), dl.Adam()
    data, steps = batches(model), []
    with opened(model, optimizer, crew, data) as program:
        for batch in data:
            steps.append(program.step(*batch, SEED))
            with opened(model, optimizer, crew, data) as inner:
                evaluated = inner.evaluate(data[0][0])
    found = outcome(model, optimizer, steps, evaluated)
    same(found, engine(_shared("float32"), dl.Adam(), SOLO), crew)


@pytest.mark.parametrize("workers", [0, -1, 10_000])
def test_a_program_that_cannot_be_made_leaves_the_model(workers: int) -> None:
    model = _shared("float32")
    own, before = dict(model.arrays), model.arrays.sha256()
    message = f"workers must be an integer from 1 to 256, got {workers}"
    with pytest.raises(ValueError, match=message):
        opened(model, dl.SGD(0.1), (workers, "threads"), batches(model, (4,)))
    assert all(model.arrays[path] is array for path, array in own.items())
    assert model.arrays.sha256() == before


# Errors and warnings


@FEW
@pytest.mark.parametrize("place", ["forward", "pullback"])
@pytest.mark.parametrize("kind", [Broken, BrokenLocal])
@alone
def test_an_error_in_a_module_surfaces_once_with_its_node(
    crew: Crew, place: str, kind: type[Broken]
) -> None:
    """From the first member or the last; it does not count as a step, and the program goes on."""
    model, optimizer = dl.Graph((5,)), dl.SGD(0.1, momentum=0.9)
    model.add("dense", dl.Dense(5))
    model.add("inner", dl.Sequential({"unlucky": kind(place), "norm": dl.BatchNorm()}))
    (x, target), *_ = data = batches(model, (37,))
    with opened(model, optimizer, crew, data) as program:
        for who in (0, -1):
            program.step(x, target, 0)
            before, steps, bad = model.arrays.sha256(), optimizer.state.steps, x.copy()
            bad[who] = np.linalg.solve(model.arrays["dense.weight"].T, np.full(5, 1e3))
            with pytest.raises(ArithmeticError, match=r"^node 'inner.unlucky': a broken part$"):
                program.step(bad, target, 0)
            assert (model.arrays.sha256(), optimizer.state.steps) == (before, steps)


@FEW
@alone
def test_inputs_that_do_not_fit_are_refused_and_it_goes_on(crew: Crew) -> None:
    model = _shared("float32")
    (x, target), *_ = data = batches(model, (20,))
    with opened(model, dl.SGD(0.1), crew, data) as program:
        before = model.arrays.sha256()
        with pytest.raises(dl.ShapeError, match="the model reads samples of shape"):
            program.step(x[:, 1:], target, 0)
        with pytest.raises(ValueError, match="could not broadcast"):
            program.step(np.concatenate([x, x]), np.concatenate([target, target]), 0)
        assert model.arrays.sha256() == before
        assert math.isfinite(program.step(x, target, 0)[0])


@FEW
@alone
def test_what_overflows_shows_in_the_loss_and_nowhere_else(crew: Crew) -> None:
    """Warnings are errors here; what nothing reads may overflow as it likes."""
    stem, huge = ("stem", dl.Dense(3)), ("huge", dl.Normalize(0.0, 1e-38), "stem")
    nodes = (stem, huge, ("dead", Centre(), "huge"), ("out", dl.Dense(2), "stem"))
    model = _graph((3,), "float32", *nodes)
    (x, target), *_ = data = batches(model, (60,))
    with opened(model, dl.SGD(0.1), crew, data) as program:
        assert math.isfinite(program.step(x * np.float32(1e3), target, 0)[0])
        assert np.isfinite(model.arrays["stem.weight"]).all()
        assert not math.isfinite(program.step(x * np.float32(1e38), target, 0)[0])
