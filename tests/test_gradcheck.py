"""The gradient check finds every kind of wrong pullback, and passes right ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import minidl as dl
from minidl.initializers import Constant
from minidl.module import Context, ParameterSpec
from minidl.types import Array, Arrays, Pullback, Shape

Gradients = tuple[tuple[Array | None, ...], dict[str, Array]]
Wrong = Callable[[Array, dict[str, Array]], Gradients]


class Square(dl.Module):
    """y = weight · x², with a pullback that the test spoils."""

    spoil: Any = None

    def parameters(self, shape: Shape) -> dict[str, ParameterSpec]:
        return {"weight": ParameterSpec(shape, Constant(1.0))}

    def forward(self, params: Arrays, x: Array, *, ctx: Context) -> tuple[Array, Pullback | None]:
        weight = params["weight"]

        def pullback(dy: Array) -> Gradients:
            dx, dparams = dy * weight * 2 * x, {"weight": (dy * x**2).sum(axis=0)}
            return ((dx,), dparams) if self.spoil is None else self.spoil(dx, dparams)

        return weight * x**2, pullback if ctx.wanted else None


def test_right_gradients_pass() -> None:
    assert 0 <= dl.gradcheck(Square(), (4,)) < 1e-8


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (
            lambda dx, dp: ((-dx,), dp),
            "Square: the gradient of input 0 along a random direction is",
        ),
        (lambda dx, dp: ((dx * 1.001,), dp), "the gradient of input 0 along .* nudging gives"),
        (
            lambda dx, dp: ((dx * np.nan,), dp),
            "the gradient of input 0 along a random direction is nan",
        ),
        (lambda dx, dp: ((dx,), {"weight": -dp["weight"]}), "the gradient of parameter 'weight'"),
        (lambda dx, dp: ((None,), dp), r"input 0 has shape \(3, 4\) and needs a gradient .* none"),
        (lambda dx, dp: ((), dp), r"input 0 has shape \(3, 4\) and needs a gradient .* none"),
        (lambda dx, dp: ((dx,), {}), r"parameter 'weight' has shape \(4,\) .* got none"),
        (
            lambda dx, dp: ((dx.sum(axis=0),), dp),
            r"input 0 has shape \(3, 4\) and needs a gradient like it, got one of shape \(4,\)",
        ),
        (
            lambda dx, dp: ((dx,), {"weight": dp["weight"].sum()}),
            r"parameter 'weight' has shape \(4,\) .* got one of shape \(\)",
        ),
    ],
)
def test_wrong_gradients_are_found(spoil: Wrong, message: str) -> None:
    with pytest.raises(dl.GradientError, match=message):
        dl.gradcheck(Square(spoil), (4,))


class Silent(Square):
    """A module that forgot its pullback."""

    def forward(self, params: Arrays, x: Array, *, ctx: Context) -> tuple[Array, Pullback | None]:
        return super().forward(params, x, ctx=ctx)[0], None


def test_a_missing_pullback_is_found() -> None:
    with pytest.raises(dl.GradientError, match="Silent gave no pullback though one was wanted"):
        dl.gradcheck(Silent(), (4,))


def test_a_swapped_gradient_of_two_inputs_is_found() -> None:
    class Product(dl.Module):
        arity = 2

        def forward(
            self, params: Arrays, a: Array, b: Array, *, ctx: Context
        ) -> tuple[Array, Pullback | None]:
            return a * b, (lambda dy: ((dy * a, dy * b), {})) if ctx.wanted else None

    with pytest.raises(dl.GradientError, match="Product: the gradient of input 0"):
        dl.gradcheck(Product(), [(3,), (3,)])


def test_a_graph_is_named_by_path() -> None:
    model = dl.Sequential([Square(lambda dx, dp: ((dx,), {"weight": -dp["weight"]}))])
    with pytest.raises(dl.GradientError, match=r"parameter 'square1.weight'"):
        dl.gradcheck(model, (4,))


@pytest.mark.parametrize("shapes", [(4,), [(4,)], ((4,),)])
def test_one_shape_or_a_list_of_shapes(shapes: Any) -> None:
    assert dl.gradcheck(Square(), shapes) < 1e-8


def test_evaluation_and_training_are_checked_apart() -> None:
    for train in (True, False):
        assert dl.gradcheck(dl.BatchNorm(), (3,), train=train) < 1e-6


def test_the_same_seed_finds_the_same_error() -> None:
    errors = [dl.gradcheck(dl.Tanh(), (5,), seed=seed) for seed in (1, 1, 2)]
    assert errors[0] == errors[1] != errors[2]


class Keeps(dl.Module):
    """Gives a pullback whether or not anything is wanted."""

    def forward(self, params: Arrays, x: Array, *, ctx: dl.Context) -> tuple[Array, Pullback]:
        return 2 * x, lambda dy: ((2 * dy,), {})


def test_a_pullback_that_nobody_wanted_is_found() -> None:
    with pytest.raises(dl.GradientError, match="Keeps returns a pullback where nothing is wanted"):
        dl.gradcheck(Keeps(), (3,))


class Faint(dl.Module):
    """y = x / 10 million, with a pullback five times too large."""

    def forward(self, params: Arrays, x: Array, *, ctx: Context) -> tuple[Array, Pullback | None]:
        return 1e-7 * x, (lambda dy: ((5e-7 * dy,), {})) if ctx.wanted else None


def test_small_gradients_are_held_to_their_own_size() -> None:
    with pytest.raises(dl.GradientError, match="Faint: the gradient of input 0"):
        dl.gradcheck(Faint(), (3,))
