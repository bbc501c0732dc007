"""Who owns an array: what the engine may overwrite, what it gives back, and what it lets go."""

from __future__ import annotations

import gc
import subprocess
import sys

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

import minidl as dl
from minidl.bench import memory
from minidl.engine import lending, limits
from minidl.engine.inference import SIZES
from minidl.engine.memory import Memory
from minidl.engine.program import TrainingProgram
from minidl.types import Array, Arrays, Pullback, Shape


class HalfSquare(dl.Loss):
    """Half the sum of squares, whose gradient is the output itself."""

    def check(self, targets: Array, output_shape: Shape) -> Array:
        return targets

    def __call__(self, output: Array, target: Array) -> tuple[float, Array]:
        return float(np.square(output).sum() / 2), output


class Total(HalfSquare):
    """The sum, whose gradient is one number seen many times."""

    def __call__(self, output: Array, target: Array) -> tuple[float, Array]:
        return float(output.sum()), np.broadcast_to(np.ones((), output.dtype), output.shape)


class Sometimes(dl.Module):
    """Gives its gradient in the first of its calls alone."""

    sample_local = True

    def parameters(self, shape: Shape) -> dict[str, dl.ParameterSpec]:
        return {"shift": dl.ParameterSpec(shape, dl.initializers.Constant(0.0))}

    def forward(
        self, params: Arrays, x: Array, *, ctx: dl.Context
    ) -> tuple[Array, Pullback | None]:
        first = not params["shift"].any()

        def pullback(dy: Array) -> tuple[tuple[Array | None], dict[str, Array]]:
            return (dy,), {"shift": dy.sum(axis=0)} if first else {}

        return x + params["shift"], pullback if ctx.wanted else None


def dense_net(*last: dl.Module) -> dl.Graph:
    return dl.Sequential([dl.Dense(3), *last], (4,), seed=1, dtype="float64")


def data(count: int = 40) -> tuple[Array, Array]:
    return np.random.default_rng(0).standard_normal((count, 4)), np.zeros(count, int)


@pytest.mark.parametrize("loss", [HalfSquare(), Total()])
@pytest.mark.parametrize("last", [dl.BatchNorm(), dl.ReLU(), dl.Dense(2)])
def test_what_a_loss_returns_stays_its_own(loss: dl.Loss, last: dl.Module) -> None:
    model, plain = dense_net(last), dense_net(last)
    x, y = data()
    _, expected, grads = plain.gradients(x, y, loss)
    dl.SGD(0.1).step(plain.arrays, grads)
    with TrainingProgram(model, loss, dl.SGD(0.1), len(x), y, 1) as program:
        _, output = program.step(x, y, 0)
    np.testing.assert_allclose(output, expected, atol=1e-12)
    for path, array in plain.arrays.items():
        np.testing.assert_allclose(model.arrays[path], array, atol=1e-12)


def test_a_gradient_that_does_not_come_is_zero() -> None:
    model = dense_net(Sometimes())
    x, y = data()
    with TrainingProgram(model, HalfSquare(), dl.SGD(0.01), len(x), y, 1) as program:
        program.step(x, y, 0)
        shift = model.arrays["sometimes1.shift"].copy()
        program.step(x, y, 0)
        np.testing.assert_array_equal(model.arrays["sometimes1.shift"], shift)
    assert shift.any()


def test_a_failure_while_lending_leaves_the_arrays(monkeypatch: pytest.MonkeyPatch) -> None:
    model = dense_net()
    before = dict(model.arrays)
    made: list[Array] = []

    def failing(shape: Shape, dtype: object) -> Array:
        if made:
            raise OSError("no more memory to share")
        made.append(np.zeros(shape))
        return made[0]

    monkeypatch.setattr(lending, "shared", failing)
    with pytest.raises(OSError, match="no more memory"), lending.lent(model, dl.SGD(0.1)):
        pass
    assert all(model.arrays[path] is array for path, array in before.items())


def test_evaluating_leaves_the_optimizer_alone() -> None:
    trainer = dl.Trainer(dense_net(), dl.SoftmaxCrossEntropy(), dl.SGD(0.1, momentum=0.9))
    assert trainer.evaluate(data())["loss"] > 0
    assert trainer.optimizer.state.slots == {}
    with pytest.raises(TypeError, match="batch_size must be an integer of at least 1"):
        trainer.evaluate(data(), batch_size=2.5)  # type: ignore[arg-type]


def test_a_batch_larger_than_the_data_is_planned_as_the_data(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("minidl.engine.limits.free_memory", lambda: 50_000_000)
    trainer = dl.Trainer(dense_net(), dl.SoftmaxCrossEntropy(), dl.SGD(0.1))
    trainer.fit(data(), batch_size=10**9, progress=False)
    assert trainer.optimizer.state.steps == 1


def test_a_step_that_does_not_fit_says_what_would(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("minidl.engine.limits.free_memory", lambda: 300_000_000)
    model, x = dl.models.vgg(), np.zeros((2000, 28, 28, 1), np.uint8)
    trainer = dl.Trainer(model, dl.SoftmaxCrossEntropy(), dl.SGD(0.1), workers=1)
    message = r"a training step on 2,000 samples needs about .* MB, and 300 MB are free: a batch of"
    with pytest.raises(MemoryError, match=message) as caught:
        trainer.fit((x, np.zeros(2000, int)), batch_size=2000, progress=False)
    fits = int(str(caught.value).split("a batch of ")[1].split()[0].replace(",", ""))
    assert model.plan(fits, workers=1).peak < 330_000_000


def test_what_is_nested_counts_as_well() -> None:
    layers = [dl.Conv2d(8, 3, padding="same"), dl.ReLU(), dl.Conv2d(4, 3)]
    flat, nested = (
        dl.Sequential(layers, (8, 8, 1)),
        dl.Sequential([dl.Sequential(layers)], (8, 8, 1)),
    )
    assert limits._roughly(nested, 1000) == limits._roughly(flat, 1000)
    assert limits._roughly(flat, 1000) > flat.plan(1000).peak


@pytest.mark.parametrize("module", [dl.Sigmoid(), dl.AvgPool2d(3, stride=1), dl.Dropout(0.5)])
def test_a_plan_counts_what_a_module_keeps_by_itself(module: dl.Module) -> None:
    model = dl.Sequential([dl.Conv2d(8, 1), module, dl.GlobalAvgPool2d()], (20, 20, 1))
    kept = {layer.module: layer.kept for layer in model.plan(64).layers}
    assert kept[type(module).__name__] >= 64 * 18 * 18 * 8 * 4


def test_a_product_of_pixels_works_in_the_same_memory_every_step() -> None:
    model = dl.Sequential([dl.Conv2d(3, 1), dl.BatchNorm(), dl.Conv2d(2, 1)], (4, 4, 2))
    x, y = np.ones((8, 4, 4, 2), np.float32), np.zeros((8, 4, 4, 2), np.float32)
    with TrainingProgram(model, HalfSquare(), dl.SGD(0.01), len(x), y, 1) as program:
        kept = []
        for _ in range(3):
            program.step(x, y, 0)
            kept += [memory.kept_bytes for memory in program._memories.values()]
    assert len(set(kept)) == 1


def test_predictions_lie_as_modules_would_leave_them() -> None:
    model = dl.Sequential([dl.Conv2d(5, 3)], (8, 8, 3))
    assert model.predict(np.zeros((70, 8, 8, 3), np.float32)).flags.c_contiguous


def test_memory_goes_with_its_program() -> None:
    x, y = data()
    model = dense_net()

    def held() -> int:
        return sum(type(one) is Memory and bool(one._once) for one in gc.get_objects())

    before = held()
    gc.disable()
    try:
        for size in range(1, 20):
            model.predict(x[:size])
        assert held() - before == SIZES
        with TrainingProgram(model, HalfSquare(), dl.SGD(0.01), len(x), y, 1) as program:
            program.step(x, y, 0)
            assert held() - before == SIZES + 1
        assert held() - before == SIZES
    finally:
        gc.enable()


def test_blas_stays_at_one_thread_whatever_else_runs() -> None:
    def threads() -> set[int]:
        return {one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"}

    before = threads()
    seen = []

    class Watching(HalfSquare):
        def __call__(self, output: Array, target: Array) -> tuple[float, Array]:
            seen.append(threads())
            return super().__call__(output, target)

    x, y = data()
    with TrainingProgram(dense_net(), Watching(), dl.SGD(0.01), len(x), y, 1) as program:
        program.step(x, y, 0)
        with threadpool_limits(2, user_api="blas"):  # another part of the program
            program.step(x, y, 0)
    assert seen == [{1}, {1}]
    assert threads() == before


MEASURE = """
import sys
import numpy as np
import minidl as dl
from minidl.bench import memory
before = memory.held()
model = getattr(dl.models, sys.argv[1])()
x, y = np.zeros((64, 28, 28, 1), np.uint8), np.zeros(64, int)
from minidl.engine.program import TrainingProgram
optimizer = dl.SGD(0.01, momentum=0.9)
with TrainingProgram(model, dl.SoftmaxCrossEntropy(), optimizer, 64, y, 1) as program:
    for _ in range(3):
        program.step(x, y, 0)
    print(memory.held() - before, model.plan(64, workers=1).peak / 1e6)
"""


@pytest.mark.slow
@pytest.mark.skipif(memory.held() is None, reason="/proc tells nothing")
@pytest.mark.parametrize("name", ["vgg", "resnet"])
def test_the_plan_foretells_the_memory_that_a_step_takes(name: str) -> None:
    command = [sys.executable, "-c", MEASURE, name]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    measured, planned = map(float, done.stdout.split())
    assert planned == pytest.approx(measured, rel=0.15)
