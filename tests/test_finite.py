"""first_not_finite: it names the first place where NaN or infinity is met."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import minidl as dl
from minidl.training.finite import diagnosis
from minidl.types import Array, Arrays, Pullback

LOSS = dl.SoftmaxCrossEntropy()
LABELS = np.array([0, 1, 2, 0])


class Faulty(dl.Module):
    """Passes values and gradients on, with one of either spoilt where it is told to."""

    forth: float = 0.0
    back: float = 0.0
    sample_local = True
    arity = 1

    def output_shape(self, *shapes: tuple[int, ...]) -> tuple[int, ...]:
        return shapes[0]

    def forward(self, params: Arrays, *xs: Array, ctx: dl.Context) -> tuple[Array, Pullback | None]:
        def pull(dy: Array) -> tuple[tuple[Array | None, ...], dict[str, Array]]:
            return (dy + dy.dtype.type(self.back),), {}

        return xs[0] + xs[0].dtype.type(self.forth), pull if ctx.wanted else None


def model_of(fault: dl.Module, dtype: str = "float32") -> dl.Graph:
    """Return a network whose fault lies in a nested graph."""
    block = dl.Sequential([dl.Conv2d(2, 3), fault, dl.ReLU()])
    layers = [dl.Conv2d(2, 3), dl.BatchNorm(), block, dl.Flatten(), dl.Dropout(0.3), dl.Dense(3)]
    return dl.Sequential(layers, input_shape=(8, 8, 1), dtype=dtype)


def batch(value: float = 1.0) -> Array:
    images = np.random.default_rng(0).normal(size=(4, 8, 8, 1)).astype(np.float32)
    images[2, 3, 3] *= np.float32(value)
    return images


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("fault", "place"),
    [
        (Faulty(), None),
        (Faulty(forth=math.nan), r"the output of node 'sequential1\.faulty1' (Faulty) holds NaN"),
        (Faulty(forth=math.inf), r"the output of node 'sequential1\.faulty1' (Faulty) holds inf"),
        (
            Faulty(back=math.nan),
            r"the gradient that node 'sequential1\.faulty1' (Faulty) sends back holds NaN",
        ),
    ],
)
def test_the_node_is_named(fault: dl.Module, place: str | None, dtype: str) -> None:
    model = model_of(fault, dtype)
    before = model.arrays.sha256()
    found = dl.first_not_finite(model, batch(), LABELS, LOSS)
    assert model.arrays.sha256() == before
    if place is None:
        assert found is None
    else:
        assert found is not None
        assert found.startswith(place.replace("\\", ""))


def test_an_array_is_named_before_what_comes_of_it() -> None:
    model = model_of(Faulty())
    model.arrays["sequential1.conv1.bias"][1] = np.inf
    found = dl.first_not_finite(model, batch(), LABELS, LOSS)
    assert found == "'sequential1.conv1.bias' holds infinity"


def test_a_gradient_that_overflows_is_named() -> None:
    """The output is finite, its gradient by the weight is not: 1e20 · 1e20 in float32."""
    model = dl.Sequential([dl.Dense(1, bias=False)], input_shape=(1,))
    model.arrays["dense1.weight"] = [[1e-20]]
    x, y = np.full((1, 1), 1e20, np.float32), np.full((1, 1), -9e18, np.float32)
    found = dl.first_not_finite(model, x, y, dl.Huber(delta=1e25))
    assert found == "the gradient of 'dense1.weight' holds infinity"


def test_a_loss_that_overflows_is_named() -> None:
    model = dl.Sequential([dl.Dense(1)], input_shape=(1,), dtype="float64")
    x, y = np.ones((1, 1)), np.full((1, 1), 1e200)
    found = dl.first_not_finite(model, x, y, dl.MeanSquaredError())
    assert found == "the loss holds infinity"


def test_dropout_drops_what_the_step_dropped() -> None:
    """What is kept doubles, and overflows; what is dropped does not."""
    model = dl.Sequential([dl.Dropout(0.5), dl.Dense(1)], input_shape=(1,))
    model.arrays["dense1.weight"] = [[1e-30]]
    x, y, loss = np.full((1, 1), 3e38, np.float32), np.zeros((1, 1), np.float32), dl.Huber()
    seen = set()
    for step in range(12):
        with np.errstate(over="ignore"):
            value = model.gradients(x, y, loss, seed=5, step=step)[0]
        found = dl.first_not_finite(model, x, y, loss, seed=5, step=step)
        seen.add(found)
        assert (found is None) == np.isfinite(value)
    assert seen == {None, "the output of node 'dropout1' (Dropout) holds infinity"}


class Unstable(dl.Module):
    """Passes values on, and NaN in a training step's second sample from step 3 on."""

    arity = 1

    def output_shape(self, *shapes: tuple[int, ...]) -> tuple[int, ...]:
        return shapes[0]

    def parameters(self, *shapes: tuple[int, ...]) -> dict[str, dl.ParameterSpec]:
        ones = dl.initializers.Constant(0.0)
        return {"count": dl.ParameterSpec((), ones, trainable=False)}

    def forward(self, params: Arrays, *xs: Array, ctx: dl.Context) -> tuple[Array, Pullback | None]:
        ctx.update("count", params["count"] + 1)
        y = xs[0] * np.float32(np.nan if params["count"] >= 2 else 1)
        return y, (lambda dy: ((dy,), {})) if ctx.wanted else None


@pytest.mark.parametrize("workers", [1, 2])
def test_a_training_run_names_the_node_and_the_step(workers: int) -> None:
    layers = [dl.Dense(2), Unstable(), dl.ReLU(), dl.Dense(1)]
    model = dl.Sequential(layers, input_shape=(1,))
    trainer = dl.Trainer(model, dl.MeanSquaredError(), dl.SGD(0.1), workers=workers)
    x = np.linspace(-1, 1, 8, dtype=np.float32)[:, None]
    message = (
        r"the loss is nan at step 3: the output of node 'unstable1' \(Unstable\) holds NaN first;"
        r" a learning rate lower than 0\.1 would help"
    )
    with pytest.raises(FloatingPointError, match=message):
        trainer.fit((x, x), epochs=9, progress=False)


def test_a_loss_that_explodes_needs_no_place() -> None:
    model = dl.Sequential([dl.Dense(2), dl.Dense(1)], input_shape=(1,))
    trainer = dl.Trainer(model, dl.MeanSquaredError(), dl.SGD(1e12))
    x = np.linspace(-1, 1, 8, dtype=np.float32)[:, None]
    message = r"the loss is inf at step 2: a learning rate lower than 1e\+12 would help"
    with pytest.raises(FloatingPointError, match=message):
        trainer.fit((x, x), epochs=9, progress=False)


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (batch(math.nan), LABELS, "the input of this batch holds NaN: look for it in the data"),
        (batch(), np.array([np.inf]), "the target of this batch holds infinity: look"),
        (batch(), LABELS, r"the output of node 'sequential1.faulty1' .* first; a learning rate"),
    ],
)
def test_what_is_said(x: Array, y: Array, message: str) -> None:
    options: dict[str, Any] = {"seed": 0, "step": 0, "rate": 0.25}
    said = diagnosis(model_of(Faulty(forth=math.nan)), x, y, LOSS, **options)
    with pytest.raises(FloatingPointError, match=message):
        raise FloatingPointError(said)


def test_without_a_place_the_advice_is_left() -> None:
    said = diagnosis(model_of(Faulty()), batch(), LABELS, LOSS, seed=0, step=0, rate=0.25)
    assert said == "a learning rate lower than 0.25 would help, or smaller inputs"
