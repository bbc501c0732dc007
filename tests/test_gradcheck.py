"""The gradient check finds every kind of wrong pullback, passes right ones, and knows kinks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import minidl as dl
from minidl.initializers import Constant
from minidl.module import Context, ParameterSpec
from minidl.types import Array, Arrays, Gradients, Pullback, Shape

Wrong = Callable[[Array, dict[str, Array]], Any]
BOTH = pytest.mark.parametrize("elementwise", [False, True], ids=["directions", "elements"])


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


class Slope(dl.Module):
    """Elementwise: ``function`` and ``derivative`` are names of functions below."""

    function: Any
    derivative: Any

    sample_local = True

    def forward(self, params: Arrays, x: Array, *, ctx: Context) -> tuple[Array, Pullback | None]:
        def pullback(dy: Array) -> Gradients:
            return (dy * self.derivative(x),), {}

        return self.function(x), pullback if ctx.wanted else None


def hard_sigmoid(derivative_at_kink: float) -> Slope:
    """clip(x + 1/2, 0, 1), with kinks at -1/2 and 1/2."""
    return Slope(
        lambda x: np.clip(x + 0.5, 0, 1),
        lambda x: np.where(np.abs(x) == 0.5, derivative_at_kink, 1.0 * (np.abs(x) < 0.5)),
    )


def leaky(above: float = 1.0, below: float = 0.01, at_zero: float = 0.01) -> Slope:
    return Slope(
        lambda x: np.where(x > 0, x, 0.01 * x),
        lambda x: np.where(x > 0, above, np.where(x < 0, below, at_zero)),
    )


class Taps(dl.Module):
    """y[t] = sum over k of weight[k] · x[t + k], on (N, L); ``late`` is by how much dx is off."""

    late: int = 0
    turned: bool = False

    def output_shape(self, shape: Shape) -> Shape:
        return (shape[0] - 2,)

    def parameters(self, shape: Shape) -> dict[str, ParameterSpec]:
        return {"weight": ParameterSpec((3,), Constant(1.0))}

    def forward(self, params: Arrays, x: Array, *, ctx: Context) -> tuple[Array, Pullback | None]:
        weight, length = params["weight"], x.shape[1] - 2
        used = weight[::-1] if self.turned else weight

        def pullback(dy: Array) -> Gradients:
            dx = np.zeros_like(x)
            for k in range(3):
                dx[:, k : k + length] += used[k] * dy
            dweight = [float((dy * x[:, k : k + length]).sum()) for k in range(3)]
            return (np.roll(dx, self.late, axis=1),), {"weight": np.array(dweight)}

        y = sum(weight[k] * x[:, k : k + length] for k in range(3))
        return np.asarray(y), pullback if ctx.wanted else None


class Scale(dl.Module):
    """y = weight · x, with one weight; the pullback is wrong on vectors of ``wrong_at``."""

    wrong_at: int = 0

    def parameters(self, shape: Shape) -> dict[str, ParameterSpec]:
        return {"weight": ParameterSpec((), Constant(1.0))}

    def forward(self, params: Arrays, x: Array, *, ctx: Context) -> tuple[Array, Pullback | None]:
        factor = 2.0 if x.shape[1] == self.wrong_at else 1.0

        def pullback(dy: Array) -> Gradients:
            return (dy * params["weight"],), {"weight": np.asarray(factor * (dy * x).sum())}

        return params["weight"] * x, pullback if ctx.wanted else None


def numbers(*shape: int) -> Array:
    return np.random.default_rng(0).standard_normal(shape)


# Right gradients


@BOTH
def test_right_gradients_pass(elementwise: bool) -> None:
    report = dl.gradcheck(Square(), (4,), elementwise=elementwise)
    assert 0 <= report.error < 1e-8
    assert report.compared == (12 + 4 if elementwise else 2 * 3)
    assert (report.name, report.kinks, report.skipped) == ("Square", (), 0)


def test_directions_are_counted() -> None:
    assert dl.gradcheck(Square(), (4,), directions=5).compared == 10


@pytest.mark.parametrize("shapes", [(4,), [(4,)], ((4,),)])
def test_one_shape_or_a_list_of_shapes(shapes: Any) -> None:
    assert dl.gradcheck(Square(), shapes).error < 1e-8


def test_evaluation_and_training_are_checked_apart() -> None:
    for train in (True, False):
        assert dl.gradcheck(dl.BatchNorm(), (3,), train=train).error < 1e-6


def test_the_same_seed_finds_the_same_error() -> None:
    errors = [dl.gradcheck(dl.Tanh(), (5,), seed=seed).error for seed in (1, 1, 2)]
    assert errors[0] == errors[1] != errors[2]


def test_a_report_says_what_was_compared() -> None:
    text = str(dl.GradientReport("ReLU", 2e-11, 6))
    assert text == "ReLU: 6 derivatives agree, largest relative error 2.0e-11"


def test_a_report_lists_a_few_kinks_and_counts_the_rest() -> None:
    kink = dl.Kink("input 0", (1,), (1,), 0.0, 1.0, 0.0)
    text = str(dl.GradientReport("ReLU", 0.0, 6, (kink,) * 7, skipped=8))
    assert text.splitlines()[1:] == [
        "7 on a kink, where the pullback has one of the slopes or one between them:",
        *["  input 0 at (1,): 0 to the left, 1 to the right, 0 by the pullback (of output (1,))"]
        * 5,
        "  and 2 more",
        "8 elements near them were not looked at one by one: elementwise=True looks at each",
    ]


# Wrong gradients


@BOTH
@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda dx, dp: ((-dx,), dp), r"Square: the gradient of input 0 at \(\d, \d\) is"),
        (lambda dx, dp: ((dx * 1.001,), dp), r"input 0 at \(\d, \d\) is .* and nudging gives"),
        (lambda dx, dp: ((dx * np.nan,), dp), r"the gradient of input 0 at \(0, 0\) is nan"),
        (lambda dx, dp: ((dx + 1e-4,), dp), "the gradient of input 0 at"),
        (lambda dx, dp: ((dx * 0,), dp), "the gradient of input 0 at .* is 0, and nudging gives"),
        (lambda dx, dp: ((dx[::-1],), dp), "the gradient of input 0 at"),
        (lambda dx, dp: ((dx,), {"weight": -dp["weight"]}), r"of parameter 'weight' at \(\d,\) is"),
        (lambda dx, dp: ((dx,), {"weight": dp["weight"] / 3}), "of parameter 'weight' at"),
    ],
)
def test_wrong_gradients_are_found(spoil: Wrong, message: str, elementwise: bool) -> None:
    with pytest.raises(dl.GradientError, match=message):
        dl.gradcheck(Square(spoil), (4,), elementwise=elementwise)


def off_at(*index: int) -> Wrong:
    def spoil(dx: Array, dparams: dict[str, Array]) -> Gradients:
        dx[index] *= 1.001
        return (dx,), dparams

    return spoil


@BOTH
def test_one_wrong_element_is_found_and_named(elementwise: bool) -> None:
    off = np.ones((3, 5))
    off[1, 3] = 1.001
    x, square = np.full((3, 5), 2.0), Slope(lambda x: x**2, lambda x: 2 * x * off)
    message = (
        r"^Slope: the gradient of input 0 at \(1, 3\) is 4.004, and nudging gives 4 \(where dy is"
        r" 1 at \(1, 3\) and 0 elsewhere; elements looked at: 15\)$"
    )
    with pytest.raises(dl.GradientError, match=message):
        dl.gradcheck(square, inputs=x, elementwise=elementwise)


def test_one_wrong_element_of_many_is_found_by_halving() -> None:
    x = numbers(3, 2000) + 3
    with pytest.raises(
        dl.GradientError, match=r"input 0 at \(2, 1234\) is .* looked at: \d+ of 6000\)$"
    ):
        dl.gradcheck(Square(off_at(2, 1234)), inputs=x)


def test_the_worst_element_is_named() -> None:
    x = np.array([[1.0, 1.0, 5.0, 1.0]])
    with pytest.raises(dl.GradientError, match=r"input 0 at \(0, 2\) is .* looked at: 4\)"):
        dl.gradcheck(Square(lambda dx, dp: ((1.001 * dx,), dp)), inputs=x)


def test_the_example_of_a_leaky_relu() -> None:
    x = numbers(2, 4)
    x[1, 3] = -2
    message = (
        r"^Slope: the gradient of input 0 at \(.*\) is 1, and nudging gives 0.01 \(where dy is 1"
        r" at .* and 0 elsewhere; elements looked at: 8\)$"
    )
    with pytest.raises(dl.GradientError, match=message):
        dl.gradcheck(leaky(below=1.0), inputs=x)


@BOTH
@pytest.mark.parametrize(
    ("module", "message"),
    [
        (Taps(late=1), r"Taps: the gradient of input 0 at \(\d, \d\)"),
        (Taps(turned=True), r"Taps: the gradient of input 0 at \(\d, \d\)"),
    ],
    ids=["a tap late", "a turned kernel"],
)
def test_windows_that_are_off_are_found(module: Taps, message: str, elementwise: bool) -> None:
    assert dl.gradcheck(Taps(), (7,), elementwise=elementwise).error < 1e-8
    with pytest.raises(dl.GradientError, match=message):
        dl.gradcheck(module, (7,), elementwise=elementwise)


def test_a_transposed_gradient_is_found() -> None:
    class Product(dl.Module):
        def parameters(self, shape: Shape) -> dict[str, ParameterSpec]:
            return {"weight": ParameterSpec((shape[0], shape[0]), Constant(0.0))}

        def forward(
            self, params: Arrays, x: Array, *, ctx: Context
        ) -> tuple[Array, Pullback | None]:
            def pullback(dy: Array) -> Gradients:
                return (dy @ params["weight"].T,), {"weight": dy.T @ x}

            return x @ params["weight"], pullback if ctx.wanted else None

    with pytest.raises(dl.GradientError, match=r"Product: the gradient of parameter 'weight' at"):
        dl.gradcheck(Product(), (4,))


def test_the_gradient_of_the_wrong_input_is_found() -> None:
    class Product(dl.Module):
        arity = 2

        def forward(
            self, params: Arrays, a: Array, b: Array, *, ctx: Context
        ) -> tuple[Array, Pullback | None]:
            return a * b, (lambda dy: ((dy * a, dy * b), {})) if ctx.wanted else None

    with pytest.raises(dl.GradientError, match="Product: the gradient of input 0"):
        dl.gradcheck(Product(), [(3,), (3,)])


def test_small_gradients_are_held_to_their_own_size() -> None:
    faint = Slope(lambda x: 1e-7 * x, lambda x: 5e-7)
    with pytest.raises(dl.GradientError, match=r"the gradient of input 0 at .* is 5e-07"):
        dl.gradcheck(faint, (3,))


def test_a_pullback_that_is_not_linear_is_found() -> None:
    class Twisted(dl.Module):
        def forward(
            self, params: Arrays, x: Array, *, ctx: Context
        ) -> tuple[Array, Pullback | None]:
            return x + 0, (lambda dy: ((dy**3,), {})) if ctx.wanted else None

    with pytest.raises(
        dl.GradientError, match=r"dy is random; .* the pullback is not linear in dy"
    ):
        dl.gradcheck(Twisted(), (3,))


def test_tolerance_is_relative() -> None:
    wrong = Square(lambda dx, dp: ((dx * 1.001,), dp))
    assert 1e-4 < dl.gradcheck(wrong, (4,), tolerance=2e-3).error < 2e-3
    with pytest.raises(dl.GradientError, match="input 0"):
        dl.gradcheck(wrong, (4,), tolerance=5e-4, elementwise=True)


def test_errors_that_only_a_direction_shows_are_told_where_elements_are_many() -> None:
    """Errors of 0.95 tolerances each may add up; single elements are the better evidence."""
    sign = np.random.default_rng(4).choice([-1.0, 1.0], (1, 1000))
    square = Slope(lambda x: x**2, lambda x: 2 * x * (1 + 0.95e-6 * sign[:, : x.size]))
    with pytest.raises(
        dl.GradientError,
        match=r"along a random direction is .* nudging gives .* though \d+ of 1000 elements agree",
    ):
        dl.gradcheck(square, inputs=np.ones((1, 1000)), directions=20)
    dl.gradcheck(square, inputs=np.ones((1, 100)), directions=20)


def test_single_elements_are_held_to_the_root_mean_square() -> None:
    off = np.ones((1, 100))
    off[0, 70] += 3e-6
    square = Slope(lambda x: x**2, lambda x: 2 * x * off)
    with pytest.raises(dl.GradientError, match=r"input 0 at \(0, 70\) is 2.000006, and nudging"):
        dl.gradcheck(square, inputs=np.ones((1, 100)), elementwise=True)


def test_a_function_may_end_inside_the_first_step() -> None:
    logarithm = Slope(lambda x: np.log(x), lambda x: 1 / x)
    for elementwise in (False, True):
        report = dl.gradcheck(logarithm, inputs=[[1e-7, 1.0]], elementwise=elementwise)
        assert report.kinks == ()


# Kinks


@BOTH
def test_relu_at_zero_is_a_kink(elementwise: bool) -> None:
    report = dl.gradcheck(dl.ReLU(), inputs=np.zeros((2, 3)), elementwise=elementwise)
    assert {kink.index for kink in report.kinks} == set(np.ndindex(2, 3))
    for kink in report.kinks:
        assert (kink.where, kink.output, kink.pullback) == ("input 0", kink.index, 0.0)
        assert (kink.left, kink.right) == pytest.approx((0, 1))
    assert report.compared == 0
    assert str(report).count("0 to the left, 1 to the right, 0 by the pullback") == 5


@BOTH
def test_only_elements_on_a_kink_are_kinks(elementwise: bool) -> None:
    x = np.array([[-1.0, 0.0, 1e-3, 2.0]])
    report = dl.gradcheck(dl.ReLU(), inputs=x, elementwise=elementwise)
    assert [kink.index for kink in report.kinks] == [(0, 1)]
    assert report.compared >= 1


def test_ties_in_a_max_pool_are_kinks() -> None:
    x = np.zeros((1, 2, 2, 1))
    report = dl.gradcheck(dl.MaxPool2d(2), inputs=x)
    assert {kink.index for kink in report.kinks} == set(np.ndindex(1, 2, 2, 1))
    assert sorted(kink.pullback for kink in report.kinks) == [0, 0, 0, 1]


def test_a_tie_below_the_maximum_is_no_kink() -> None:
    x = np.array([1.0, 1.0, 2.0, 0.0]).reshape(1, 2, 2, 1)
    assert dl.gradcheck(dl.MaxPool2d(2), inputs=x).kinks == ()


@BOTH
@pytest.mark.parametrize("at_kink", [0.0, 0.3, 1.0])
def test_subgradients_of_a_hard_sigmoid_pass(at_kink: float, elementwise: bool) -> None:
    x = np.array([[-0.5, 0.5, 0.0, 3.0]])
    report = dl.gradcheck(hard_sigmoid(at_kink), inputs=x, elementwise=elementwise)
    found = {kink.index: (kink.left, kink.right, kink.pullback) for kink in report.kinks}
    assert set(found) == {(0, 0), (0, 1)}
    assert found[0, 0] == pytest.approx((0, 1, at_kink))
    assert found[0, 1] == pytest.approx((1, 0, at_kink))


@BOTH
@pytest.mark.parametrize("at_kink", [-0.001, 1.001, -1.0, 2.0])
def test_values_outside_both_slopes_fail(at_kink: float, elementwise: bool) -> None:
    x = np.array([[-0.5, 0.5, 0.0, 3.0]])
    message = (
        rf"Slope: the gradient of input 0 at \(0, [01]\) is {at_kink:g}, on a kink where nudging"
        r" gives .* to the left and .* to the right \(where dy is 1 at \(0, [01]\) and 0"
        r" elsewhere\): it should be one of them or between them"
    )
    with pytest.raises(dl.GradientError, match=message):
        dl.gradcheck(hard_sigmoid(at_kink), inputs=x, elementwise=elementwise)


@pytest.mark.parametrize("module", [leaky(), leaky(at_zero=1.0), leaky(at_zero=0.5)])
def test_a_leaky_relu_at_zero(module: Slope) -> None:
    (kink,) = dl.gradcheck(module, inputs=np.array([[0.0, 1.0, -1.0]])).kinks
    assert (kink.left, kink.right) == pytest.approx((0.01, 1))


@BOTH
@pytest.mark.parametrize("where", [1e-3, 1e-7, 3e-9, -3e-9, -1e-7, -1e-3])
def test_a_kink_a_little_off_is_stepped_around(where: float, elementwise: bool) -> None:
    report = dl.gradcheck(dl.ReLU(), inputs=np.array([[where, 1.0]]), elementwise=elementwise)
    assert report.kinks == ()


@BOTH
@pytest.mark.parametrize("where", [1e-3, 1e-7, 3e-9])
@pytest.mark.parametrize("above", [0.5, 1.001, 0.999, 0.0])
def test_next_to_a_kink_nothing_is_excused(where: float, above: float, elementwise: bool) -> None:
    x = np.array([[where, 1.0, 0.0]])
    with pytest.raises(dl.GradientError, match=rf"at \(0, [01]\) is {above:g}, and nudging gives"):
        dl.gradcheck(leaky(above=above), inputs=x, elementwise=elementwise)


def test_no_distance_from_a_kink_makes_it_fail() -> None:
    rng = np.random.default_rng(1)
    for seed in range(50):
        x = 10 ** rng.uniform(-12, -5, (2, 3)) * rng.choice([-1, 1], (2, 3))
        dl.gradcheck(dl.ReLU(), inputs=x, seed=seed)


@BOTH
@pytest.mark.parametrize("curvature", [1e2, 1e4, 1e6, 1e8])
def test_a_strong_curve_is_no_kink(curvature: float, elementwise: bool) -> None:
    bowl = Slope(lambda x: curvature * x**2, lambda x: 2 * curvature * x)
    for x in (np.zeros((1, 3)), np.array([[0.0, 1.0, -0.3]])):
        assert dl.gradcheck(bowl, inputs=x, elementwise=elementwise).kinks == ()


def test_a_quick_wave_is_no_kink() -> None:
    wave = Slope(lambda x: np.sin(1e4 * x), lambda x: 1e4 * np.cos(1e4 * x))
    for offset in (0.0, np.pi / 2e4, 0.3):
        assert dl.gradcheck(wave, inputs=np.full((1, 3), offset)).kinks == ()


def test_a_wrong_curve_is_no_kink() -> None:
    bowl = Slope(lambda x: 1e6 * x**2, lambda x: 2e6 * x + 0.5)
    with pytest.raises(dl.GradientError, match=r"at \(0, \d\) is 0.5, and nudging gives"):
        dl.gradcheck(bowl, inputs=np.zeros((1, 3)))


@pytest.mark.slow
@BOTH
@pytest.mark.parametrize("factor", [1.001, -1.0, 0.0])
def test_kinks_do_not_excuse_their_neighbours(factor: float, elementwise: bool) -> None:
    x = numbers(4, 300)
    x[x < 0.3] = 0
    x[2, 100] = 1.5

    def derivative(x: Array) -> Array:
        slope = 1.0 * (x > 0)
        slope[2, 100] = factor
        return slope

    relu = Slope(lambda x: np.maximum(x, 0), derivative)
    with pytest.raises(dl.GradientError, match=r"input 0 at \(2, 100\) is .* nudging gives 1 "):
        dl.gradcheck(relu, inputs=x, elementwise=elementwise)


class Beside(dl.Module):
    """(N, 1) to relu(x), 3 relu(x) and x, side by side."""

    factor: float = 1.0

    def output_shape(self, shape: Shape) -> Shape:
        return (3,)

    def forward(self, params: Arrays, x: Array, *, ctx: Context) -> tuple[Array, Pullback | None]:
        positive = np.maximum(x, 0)

        def pullback(dy: Array) -> Gradients:
            slopes = np.concatenate([x > 0, 3 * (x > 0), np.full(x.shape, self.factor)], axis=1)
            return ((dy * slopes).sum(axis=1, keepdims=True),), {}

        y = np.concatenate([positive, 3 * positive, x], axis=1)
        return y, pullback if ctx.wanted else None


def test_an_element_may_have_outputs_with_and_without_a_kink() -> None:
    (kink,) = dl.gradcheck(Beside(), inputs=[[0.0]]).kinks
    assert kink.output == (0, 1)
    assert (kink.left, kink.right) == pytest.approx((0, 3))
    message = r"is 1.001, and nudging gives 1 \(where dy is 1 at \(0, 2\) and 0 elsewhere"
    with pytest.raises(dl.GradientError, match=message):
        dl.gradcheck(Beside(1.001), inputs=[[0.0]])


@pytest.mark.slow
def test_too_many_kinks_are_counted_and_checked_a_small_way_off() -> None:
    report = dl.gradcheck(dl.ReLU(), inputs=np.zeros((2, 300)))
    assert (len(report.kinks), report.skipped) == (256, 600 - 256)
    assert report.compared > 0
    wrong = Slope(lambda x: np.maximum(x, 0), lambda x: 1.001 * (x > 0))
    with pytest.raises(dl.GradientError, match="a small way off what was given, which lies on kin"):
        dl.gradcheck(wrong, inputs=np.zeros((2, 300)))
    every = dl.gradcheck(dl.ReLU(), inputs=np.zeros((2, 300)), elementwise=True)
    assert (len(every.kinks), every.skipped) == (600, 0)


# Inputs


def test_integers_are_converted() -> None:
    assert dl.gradcheck(Square(), inputs=np.array([[1, 2, 3]], np.uint8)).error < 1e-8
    assert dl.gradcheck(Square(), inputs=[[True, False]]).error < 1e-8


def test_several_inputs_are_a_tuple() -> None:
    assert dl.gradcheck(dl.Add(), inputs=(numbers(2, 3), numbers(2, 3))).compared == 6


def test_given_inputs_are_not_changed() -> None:
    x = np.zeros((1, 2))
    dl.gradcheck(dl.ReLU(), inputs=x)
    assert (x == 0).all()


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({}, ValueError, "give either input_shapes, to draw inputs of, or inputs"),
        ({"input_shapes": (3,), "inputs": [[1.0]]}, ValueError, "give either input_shapes"),
        ({"inputs": [["a"]]}, TypeError, "input 0 should be an array of real numbers, got <U1"),
        ({"inputs": ([[1.0]], [[1j]])}, TypeError, "input 1 should be .* got complex128"),
        ({"inputs": 3.0}, dl.ShapeError, r"input 0 should hold samples \(N, ...\), got shape \(\)"),
        ({"inputs": np.zeros((0, 3))}, dl.ShapeError, r"got shape \(0, 3\)"),
        ({"input_shapes": (3,), "target": [1]}, ValueError, "nothing else takes one"),
        ({"input_shapes": (3,), "batch_size": 0}, ValueError, "batch_size must be an integer"),
        ({"input_shapes": (3,), "directions": 0}, ValueError, "directions must be an integer"),
        ({"input_shapes": (3,), "step": 0.0}, ValueError, "step must be positive"),
        ({"input_shapes": (3,), "tolerance": -1.0}, ValueError, "tolerance must be positive"),
        ({"input_shapes": (3,), "seed": -1}, ValueError, "seed must be an integer"),
        ({"input_shapes": (3,), "train": 1}, TypeError, "train must be True or False"),
        ({"input_shapes": (3,), "elementwise": "no"}, TypeError, "elementwise must be True or"),
    ],
)
def test_bad_options(options: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        dl.gradcheck(dl.Tanh(), **options)


# What else a module promises


class Breach(dl.Module):
    """y = x, with a forward that the test writes: (x, wanted) to what forward returns."""

    run: Any

    def parameters(self, shape: Shape) -> dict[str, ParameterSpec]:
        return {"weight": ParameterSpec(shape, Constant(1.0))}

    def forward(self, params: Arrays, x: Array, *, ctx: Context) -> Any:
        return self.run(x, params["weight"], ctx.wanted)


def gives(result: Callable[[Array], Any]) -> Breach:
    """A right forward with a pullback of the test's."""
    return Breach(lambda x, weight, wanted: (x * weight, result if wanted else None))


def spoils(part: str) -> Breach:
    """A forward or pullback that changes in place what it is given."""

    def run(x: Array, weight: Array, wanted: frozenset[int | str]) -> Any:
        def pullback(dy: Array) -> Gradients:
            gradients = ((dy * weight,), {"weight": (dy * x).sum(axis=0)})
            if part == "dy":
                dy *= 2
            if part == "pullback":
                x[...] = 0
            return gradients

        y = x * weight
        if part == "x":
            x += 1
        if part == "weight":
            weight += 1
        return y, pullback if wanted else None

    return Breach(run)


BREACHES = [
    (Breach(lambda x, w, wanted: x), r"forward should return \(output, pullback\), got ndarray"),
    (Breach(lambda x, w, wanted: (x, None, 1)), "forward should return .* got 3 values"),
    (Breach(lambda x, w, wanted: (x, None)), "forward gives no pullback though one is wanted"),
    (Breach(lambda x, w, wanted: (x, lambda dy: 0)), "a pullback where nothing is wanted: return"),
    (
        Breach(lambda x, w, wanted: (x.astype("float32"), None)),
        "the output is float32 for float64 inputs",
    ),
    (Breach(lambda x, w, wanted: (3.0, None)), "the output is float for float64 inputs"),
    (
        Breach(lambda x, w, wanted: (np.where(x < x.max(), x, np.inf), None)),
        r"the output is inf at \(\d, \d\): check it at inputs where it is finite",
    ),
    (gives(lambda dy: dy), r"the pullback should return \(dxs, dparams\), got ndarray"),
    (gives(lambda dy: (dy, {})), r"should return a tuple of 1 input gradient\(s\), got ndarray"),
    (gives(lambda dy: ((), {})), r"should return a tuple of 1 input gradient\(s\), got 0"),
    (gives(lambda dy: ((dy, dy), {})), r"should return a tuple of 1 input gradient\(s\), got 2"),
    (
        gives(lambda dy: ((dy,), {"wieght": dy})),
        "returns a gradient of 'wieght', which is no parameter of it: those are weight",
    ),
    (
        gives(lambda dy: ((None,), {"weight": dy[0]})),
        r"input 0 has shape \(3, 4\) and needs a gradient like it, got none",
    ),
    (gives(lambda dy: ((dy,), {})), r"'weight' has shape \(4,\) and needs .* got none"),
    (
        gives(lambda dy: ((dy,), {"weight": dy})),
        r"parameter 'weight' has shape \(4,\) .* got one of shape \(3, 4\)",
    ),
    (
        gives(lambda dy: ((dy.astype("float32"),), {"weight": dy[0]})),
        "the gradient of input 0 is float32 where all else is float64",
    ),
    (spoils("x"), "forward changes input 0 in place: others read it too"),
    (spoils("weight"), "forward changes parameter 'weight' in place: others read it too"),
    (spoils("pullback"), "the pullback changes input 0 in place: others read it too"),
    (spoils("dy"), "the pullback changes dy in place: others read it too"),
]


@pytest.mark.parametrize(("module", "message"), BREACHES)
def test_a_breach_of_the_contract_is_named(module: Breach, message: str) -> None:
    with pytest.raises(dl.GradientError, match=f"^Breach: .*{message}"):
        dl.gradcheck(module, (4,))


@pytest.mark.parametrize(("module", "message"), BREACHES)
def test_a_breach_inside_a_graph_is_named_by_its_node(module: Breach, message: str) -> None:
    inner = dl.Sequential({"tanh": dl.Tanh(), "bad": module, "last": dl.Tanh()})
    graph = dl.Sequential({"first": dl.Dense(4), "block": inner})
    with pytest.raises(dl.GradientError, match=rf"^node 'block.bad' \(Breach\): .*{message}"):
        dl.gradcheck(graph, (4,))


def test_a_forward_that_does_not_repeat_is_named() -> None:
    rng = np.random.default_rng(0)

    class Noise(dl.Module):
        def forward(
            self, params: Arrays, x: Array, *, ctx: Context
        ) -> tuple[Array, Pullback | None]:
            y = x + 0.1 * rng.standard_normal(x.shape)
            return y, (lambda dy: ((dy,), {})) if ctx.wanted else None

    message = "two runs of forward on the same inputs differ: draw random numbers from ctx.random"
    with pytest.raises(dl.GradientError, match=f"^Noise: {message}"):
        dl.gradcheck(Noise(), (4,))
    graph = dl.Sequential({"one": dl.Tanh(), "noise": Noise()})
    with pytest.raises(dl.GradientError, match=rf"^node 'noise' \(Noise\): {message}"):
        dl.gradcheck(graph, (4,))


# Graphs


def test_a_graph_that_is_right_passes() -> None:
    report = dl.gradcheck(dl.Sequential([Square(), dl.Tanh()]), (4,))
    assert report.name == "Sequential"
    assert report.compared == 6


def test_a_wrong_node_is_named_with_its_path() -> None:
    block = dl.Sequential({"scale": Scale(), "act": leaky(below=1.0)})
    graph = dl.Sequential({"first": dl.Dense(6), "block": block, "last": dl.Dense(2)})
    message = (
        r"^node 'block.act' \(Slope\): the gradient of input 0 at \(\d, \d\) is 1, and nudging"
        r" gives 0.01 \(where dy is 1 at \(\d, \d\) and 0 elsewhere; elements looked at: 18\)$"
    )
    with pytest.raises(dl.GradientError, match=message):
        dl.gradcheck(graph, (4,))


def test_a_wrong_parameter_of_a_node_is_named() -> None:
    bad = Square(lambda dx, dp: ((dx,), {"weight": -dp["weight"]}))
    with pytest.raises(dl.GradientError, match=r"node 'square1' \(Square\): .* parameter 'weight'"):
        dl.gradcheck(dl.Sequential([bad]), (4,))


def shared(wrong_at: int) -> dl.Graph:
    """One weight used on vectors of 6 and of 3."""
    graph = dl.Graph()
    graph.add("first", Scale(wrong_at))
    graph.add("narrow", dl.Dense(3))
    graph.add("second", Scale(wrong_at), share="first")
    return graph


def test_a_wrong_second_use_of_shared_weights_is_named() -> None:
    assert dl.gradcheck(shared(0), (6,)).error < 1e-6
    with pytest.raises(dl.GradientError, match=r"node 'second' \(Scale\): .*'weight' at \(\) is"):
        dl.gradcheck(shared(3), (6,))


def test_where_every_node_passes_the_parameter_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def forgetful(*arguments: Any) -> Gradients:
        dxs, dparams = pull(*arguments)
        return dxs, {path: 0.5 * gradient for path, gradient in dparams.items()}

    pull = dl.Graph._pull
    monkeypatch.setattr(dl.Graph, "_pull", forgetful)
    message = (
        r"^Graph: the gradient of parameter 'first.weight' at \(\) is .* every node passes by"
        " itself, so look at where gradients meet: shared parameters, and values that are read"
        " twice$"
    )
    with pytest.raises(dl.GradientError, match=message):
        dl.gradcheck(shared(0), (6,))


def test_kinks_in_a_graph_are_named_by_node_and_its_plumbing_still_checked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    graph = dl.Sequential([dl.Dense(4, bias=False), dl.ReLU(), dl.Dense(2)])
    report = dl.gradcheck(graph, inputs=np.zeros((2, 3)))
    assert {kink.where for kink in report.kinks} == {"node 'relu1' (ReLU): input 0"}
    assert len(report.kinks) == 8
    assert report.compared > 0

    pull = dl.Graph._pull

    def wrong(*arguments: Any) -> Gradients:
        dxs, dparams = pull(*arguments)
        return tuple(None if dx is None else 1.001 * dx for dx in dxs), dparams

    monkeypatch.setattr(dl.Graph, "_pull", wrong)
    with pytest.raises(dl.GradientError, match=r"^Sequential: .* input 0 at .* a small way off"):
        dl.gradcheck(graph, inputs=np.zeros((2, 3)))


def test_a_chain_of_subgradients_need_not_be_one() -> None:
    """relu(x) - relu(-x) is x, and its pullback at 0 says 0: the nodes' kinks, no error."""
    minus = Slope(lambda x: -x, lambda x: -1.0)
    graph = dl.Graph()
    graph.add("up", dl.ReLU(), "input")
    graph.add("turned", minus, "input")
    graph.add("down", dl.ReLU())
    graph.add("back", minus)
    graph.add("sum", dl.Add(), "up", "back")
    report = dl.gradcheck(graph, inputs=np.zeros((1, 2)))
    assert {kink.where.split("'")[1] for kink in report.kinks} == {"up", "down"}


def test_a_node_that_nothing_reads_has_no_gradient() -> None:
    graph = dl.Graph()
    graph.add("dead", dl.Dense(3), "input")
    graph.add("out", dl.Dense(2), "input")
    assert dl.gradcheck(graph, (4,)).error < 1e-6


# A model with its own arrays


def net(**options: Any) -> dl.Sequential:
    modules = [
        *(dl.Conv2d(3, 3), dl.BatchNorm(), dl.ReLU(), dl.MaxPool2d(2)),
        *(dl.Dropout(0.3), dl.Flatten(), dl.Dense(4)),
    ]
    return dl.Sequential(modules, (6, 6, 1), **options)


@pytest.mark.parametrize("train", [True, False])
def test_a_model_is_checked_as_it_stands_and_not_changed(train: bool) -> None:
    model = net(seed=3)
    before = model.arrays.sha256()
    report = model.check_gradients(train=train, batch_size=4)
    assert report.error < 1e-6
    assert report.compared == 3 * (1 + 6)
    assert model.arrays.sha256() == before
    assert model.arrays["conv1.weight"].dtype == np.float32


def test_a_models_own_arrays_are_used() -> None:
    class Above(Scale):
        """Wrong for weights above 5."""

        def forward(
            self, params: Arrays, x: Array, *, ctx: Context
        ) -> tuple[Array, Pullback | None]:
            wrong = 3 if params["weight"] > 5 else 0
            return Scale(wrong).forward(params, x, ctx=ctx)

    model = dl.Sequential([Above()], (3,))
    assert model.check_gradients().error < 1e-6
    model.arrays["above1.weight"] = 6
    with pytest.raises(dl.GradientError, match=r"node 'above1' \(Above\): .* parameter 'weight'"):
        model.check_gradients()


def test_frozen_arrays_are_left_out() -> None:
    model = net()
    model.freeze("conv1", "batchnorm1")
    assert model.check_gradients().compared == 3 * (1 + 2)
    model.arrays["batchnorm1.running_mean"] = [5.0, 5.0, 5.0]  # which a frozen node uses
    assert model.check_gradients().error < 1e-6


def test_a_node_whose_arrays_are_frozen_runs_as_in_evaluation() -> None:
    class Trained(Scale):
        """Changes what it should not, in training alone."""

        def forward(
            self, params: Arrays, x: Array, *, ctx: Context
        ) -> tuple[Array, Pullback | None]:
            if ctx.train:
                x += 1
            return super().forward(params, x, ctx=ctx)

    model = dl.Sequential([dl.Tanh(), Trained()], (3,))
    with pytest.raises(dl.GradientError, match=r"^node 'trained1' \(Trained\): forward changes"):
        model.check_gradients()
    assert model.check_gradients(train=False).error < 1e-6
    model.freeze("trained1")
    assert model.check_gradients().compared == 3


@pytest.mark.parametrize("loss", [dl.SoftmaxCrossEntropy(), dl.MeanSquaredError()])
def test_a_loss_is_checked_with_the_model(loss: dl.Loss) -> None:
    x = np.random.default_rng(0).integers(0, 256, (3, 6, 6), np.uint8)
    y = [0, 3, 1] if isinstance(loss, dl.SoftmaxCrossEntropy) else numbers(3, 4)
    assert net().check_gradients(x, y, loss).error < 1e-6
    assert net().check_gradients(y=y, loss=loss, elementwise=True).error < 1e-6


class Doubled(dl.MeanSquaredError):
    """A loss whose gradient is twice too large."""

    def __call__(self, output: Array, target: Array) -> tuple[float, Array]:
        value, gradient = super().__call__(output, target)
        return value, 2 * gradient


class Absolute(dl.MeanSquaredError):
    """mean |output - target|, with the derivative ``at_zero`` where they are equal."""

    at_zero: float = 0.0

    def __call__(self, output: Array, target: Array) -> tuple[float, Array]:
        difference = output - target
        slope = np.where(difference == 0, self.at_zero, np.sign(difference))
        return float(np.abs(difference).mean()), slope / difference.size


def test_a_wrong_loss_is_named() -> None:
    with pytest.raises(dl.GradientError, match=r"node 'the loss' \(Doubled\): .* input 0 at \("):
        net().check_gradients(y=numbers(3, 4), loss=Doubled())


def test_a_loss_by_itself() -> None:
    target = numbers(5, 4)
    report = dl.gradcheck(dl.MeanSquaredError(), (4,), target=target)
    assert report.name == "MeanSquaredError"
    assert report.error < 1e-8
    with pytest.raises(dl.GradientError, match=r"^Doubled: the gradient of input 0 at \(\d, \d\)"):
        dl.gradcheck(Doubled(), (4,), target=target)
    with pytest.raises(ValueError, match="a loss needs a target"):
        dl.gradcheck(dl.MeanSquaredError(), (4,))


@BOTH
def test_the_kinks_of_an_absolute_error(elementwise: bool) -> None:
    target = numbers(2, 5)
    x = target + (np.arange(10).reshape(2, 5) % 4 > 0)
    report = dl.gradcheck(Absolute(), inputs=x, target=target, elementwise=elementwise)
    assert {kink.index for kink in report.kinks} == {(0, 0), (0, 4), (1, 3)}
    assert {kink.pullback for kink in report.kinks} == {0.0}
    assert [kink.right for kink in report.kinks] == pytest.approx([0.1] * 3)
    with pytest.raises(dl.GradientError, match=r"is 0.2, on a kink where nudging gives -0.1"):
        dl.gradcheck(Absolute(at_zero=2.0), inputs=x, target=target, elementwise=elementwise)


def test_kinks_of_a_loss_do_not_excuse_the_rest_of_it() -> None:
    class Worse(Absolute):
        def __call__(self, output: Array, target: Array) -> tuple[float, Array]:
            value, gradient = super().__call__(output, target)
            gradient[1, 2] *= 1.001
            return value, gradient

    target = numbers(2, 5)
    x = target + (np.arange(10).reshape(2, 5) > 5)
    with pytest.raises(dl.GradientError, match=r"^Worse: the gradient of input 0 at \(1, 2\) is"):
        dl.gradcheck(Worse(), inputs=x, target=target)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"y": [1, 2, 3]}, ValueError, "give both targets y and a loss, or neither"),
        ({"loss": dl.SoftmaxCrossEntropy()}, ValueError, "give both targets y and a loss"),
        ({"x": np.zeros((3, 6, 6), int)}, TypeError, "inputs should be uint8 .* got int64"),
        ({"x": np.zeros((3, 5, 5, 1))}, dl.ShapeError, "the model reads samples of shape"),
        ({"batch_size": 0}, ValueError, "batch_size must be an integer of at least 1"),
        ({"tolerance": 0}, ValueError, "tolerance must be positive"),
    ],
)
def test_bad_arguments_of_a_model(arguments: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        net().check_gradients(**arguments)


def test_a_model_without_arrays_is_refused() -> None:
    with pytest.raises(ValueError, match="a graph without input_shape has no parameters"):
        dl.Sequential([dl.Tanh()]).check_gradients()


@pytest.mark.slow
def test_a_lenet_on_images_with_dark_corners() -> None:
    """Zero inputs and zero biases put the first layer on kinks; the check still goes through."""
    x = np.zeros((2, 16, 16, 1))
    x[:, 6:10, 6:10] = 0.5
    report = dl.models.lenet((16, 16, 1)).check_gradients(x, [1, 2], dl.SoftmaxCrossEntropy())
    assert report.error < 1e-6
    assert {kink.where.split("'")[1] for kink in report.kinks} >= {"relu1"}
