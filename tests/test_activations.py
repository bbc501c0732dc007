"""Activations: their definitions, their tails, and what they do at the ends of the number line."""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
from contract import ROWS
from drawn import normal

import minidl as dl
from minidl.kernels import activations, gelu, masks
from minidl.module import Context
from minidl.types import Array

Scalar = Callable[[float], float]
INF, NAN = math.inf, math.nan
DTYPES = pytest.mark.parametrize("dtype", ["float32", "float64"])


def run(module: dl.Module, x: Any, dy: Any = 1.0, **params: Array) -> tuple[Array, Array]:
    """Return the output of a batch, and ``dx``."""
    x = np.asarray(x)
    y, pullback = module.forward(params, x, ctx=Context(wanted=frozenset({0})))
    assert pullback is not None
    (dx,), _ = pullback(np.broadcast_to(np.asarray(dy, y.dtype), y.shape))
    assert dx is not None
    return y, dx


# The definitions, one number at a time


def logistic(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x > -700 else math.exp(x)


def log1p_exp(x: float) -> float:
    return max(x, 0) + math.log1p(math.exp(-abs(x)))


def normal_below(x: float) -> float:
    return math.erfc(-x / math.sqrt(2)) / 2


def density(x: float) -> float:
    return math.exp(-x * x / 2) / math.sqrt(2 * math.pi)


def hard(x: float) -> float:
    return min(max(x + 3, 0), 6) / 6


def inner(x: float) -> float:
    return 2 * math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)


def inner_slope(x: float) -> float:
    return 2 * math.sqrt(2 / math.pi) * (1 + 3 * 0.044715 * x * x)


def silu_slope(x: float) -> float:
    return logistic(x) * (1 + x * logistic(-x))


def gelu_tanh_slope(x: float) -> float:
    s, rest = logistic(inner(x)), logistic(-inner(x))
    return s * (1 + x * rest * inner_slope(x))


def mish_slope(x: float) -> float:
    soft = log1p_exp(x)
    return math.tanh(soft) + x * logistic(x) / math.cosh(min(soft, 300)) ** 2


SELU_SCALE, SELU_ALPHA = 1.0507009873554805, 1.6732632423543772


class Case(NamedTuple):
    """A module, its definition and slope, and both at minus and at plus infinity."""

    module: dl.Module
    value: Scalar
    slope: Scalar
    ends: tuple[float, float]
    slopes: tuple[float, float]


CASES = [
    Case(dl.ReLU(), lambda x: max(x, 0), lambda x: float(x > 0), (0, INF), (0, 1)),
    Case(
        dl.LeakyReLU(0.2),
        lambda x: x if x > 0 else 0.2 * x,
        lambda x: 1 if x > 0 else 0.2,
        (-INF, INF),
        (0.2, 1),
    ),
    Case(
        dl.ELU(0.7),
        lambda x: x if x > 0 else 0.7 * math.expm1(x),
        lambda x: 1 if x > 0 else 0.7 * math.exp(x),
        (-0.7, INF),
        (0, 1),
    ),
    Case(
        dl.SELU(),
        lambda x: SELU_SCALE * (x if x > 0 else SELU_ALPHA * math.expm1(x)),
        lambda x: SELU_SCALE * (1 if x > 0 else SELU_ALPHA * math.exp(x)),
        (-SELU_SCALE * SELU_ALPHA, INF),
        (0, SELU_SCALE),
    ),
    Case(
        dl.GELU(),
        lambda x: x * normal_below(x),
        lambda x: normal_below(x) + x * density(x),
        (0, INF),
        (0, 1),
    ),
    Case(dl.GELU("tanh"), lambda x: x * logistic(inner(x)), gelu_tanh_slope, (0, INF), (0, 1)),
    Case(dl.SiLU(), lambda x: x * logistic(x), silu_slope, (0, INF), (0, 1)),
    Case(dl.Mish(), lambda x: x * math.tanh(log1p_exp(x)), mish_slope, (0, INF), (0, 1)),
    Case(dl.Softplus(), log1p_exp, logistic, (0, INF), (0, 1)),
    Case(
        dl.Softsign(),
        lambda x: x / (1 + abs(x)),
        lambda x: 1 / (1 + abs(x)) ** 2,
        (-1, 1),
        (0, 0),
    ),
    Case(dl.Sigmoid(), logistic, lambda x: logistic(x) * logistic(-x), (0, 1), (0, 0)),
    Case(dl.HardSigmoid(), hard, lambda x: (abs(x) < 3) / 6, (0, 1), (0, 0)),
    Case(
        dl.HardSwish(),
        lambda x: x * hard(x),
        lambda x: x / 3 + 0.5 if abs(x) < 3 else float(x > 0),
        (0, INF),
        (0, 1),
    ),
    Case(dl.Tanh(), math.tanh, lambda x: math.cosh(min(abs(x), 300)) ** -2, (-1, 1), (0, 0)),
]
EACH = pytest.mark.parametrize("case", CASES, ids=[repr(case.module) for case in CASES])
SOFT = [dl.Softmax(), dl.LogSoftmax()]
NAMES = {type(case.module) for case in CASES} | {dl.Softmax, dl.LogSoftmax, dl.PReLU}


def test_every_activation_of_the_table_is_tested_here() -> None:
    rules = [rule for rule in vars(activations).values() if type(rule) is activations.Activation]
    own = [getattr(type(case.module), "rule", None) for case in CASES]
    named = [activations.GELU, activations.GELU_TANH, activations.SOFTMAX, activations.LOG_SOFTMAX]
    assert [rule for rule in rules if rule not in [*own, *named]] == []


def points(dtype: str) -> Array:
    """Numbers of all sizes and both signs, away from kinks."""
    rng = np.random.default_rng(7)
    deep = 80 if dtype == "float32" else 690
    sizes = 10.0 ** rng.uniform(-15, 0, 40)
    parts = [rng.normal(0, 3, 200), rng.uniform(-12, 12, 200), rng.uniform(-deep, deep, 100)]
    return np.concatenate([*parts, sizes, -sizes, [-6.0, -2.5, 9.9, 1e4, -1e4]]).astype(dtype)


@EACH
@DTYPES
def test_values_to_the_last_digits(case: Case, dtype: str) -> None:
    """To a few roundings of the value, and of what it changes by where x is rounded."""
    x, unit = points(dtype), np.finfo(dtype)
    y = run(case.module, x[None])[0][0]
    assert y.dtype == dtype
    expected = np.array([case.value(float(one)) for one in x])
    moved = np.array([abs(one * case.slope(float(one))) for one in x.astype(float)])
    allowed = 3 * float(unit.eps) * (np.abs(expected) + moved) + 10 * float(unit.tiny)
    assert (np.abs(y - expected) <= allowed).all()


@EACH
@DTYPES
def test_slopes_to_the_last_digits(case: Case, dtype: str) -> None:
    x, eps = points(dtype), float(np.finfo(dtype).eps)
    dx = run(case.module, x[None])[1][0]
    expected = np.array([case.slope(float(one)) for one in x])
    np.testing.assert_allclose(dx, expected, rtol=3 * eps, atol=3 * eps)


SMALL_TAILS = [dl.GELU(), dl.GELU("tanh"), dl.SiLU(), dl.Mish(), dl.Softplus(), dl.Sigmoid()]


@pytest.mark.parametrize("case", [c for c in CASES if c.module in SMALL_TAILS], ids=repr)
@DTYPES
def test_slopes_keep_their_digits_in_the_tail(case: Case, dtype: str) -> None:
    x = np.linspace(-9, -5, 101).astype(dtype)
    expected = [case.slope(float(one)) for one in x]
    rounding = 200 * float(np.finfo(dtype).eps)  # of x² and x³ inside an exponential
    np.testing.assert_allclose(run(case.module, x[None])[1][0], expected, rtol=rounding)


@pytest.mark.parametrize(
    ("module", "x", "expected"),
    [
        (dl.Softplus(), -50, 1.9287498479639178e-22),
        (dl.SiLU(), -50, -9.643749239819588e-21),
        (dl.Mish(), -50, -9.643749239819588e-21),
        (dl.Sigmoid(), -50, 1.9287498479639178e-22),
        (dl.GELU(), -6, -5.919525826226e-09),
        (dl.GELU(), -10, -7.6198530241605e-23),
        (dl.Softplus(), 30, 30.0000000000000936),
    ],
)
def test_worked_tails(module: dl.Module, x: float, expected: float) -> None:
    assert run(module, [[float(x)]])[0].item() == pytest.approx(expected, rel=1e-12)
    single = run(module, np.array([[x]], np.float32))[0].item()
    assert single == pytest.approx(expected, rel=5e-6)


@EACH
@DTYPES
@pytest.mark.parametrize("size", [1e4, 1e30])
def test_large_inputs_are_as_good_as_infinite(case: Case, dtype: str, size: float) -> None:
    """There a function is flat, or a line through 0."""
    x = np.array([[-size, size]], dtype)
    y, dx = run(case.module, x)
    expected = np.where(np.isinf(case.ends), x[0] * np.array(case.slopes), case.ends)
    np.testing.assert_allclose(y[0], expected, rtol=1e-3)
    np.testing.assert_allclose(dx[0], case.slopes, rtol=1e-6, atol=1e-7)


@EACH
@DTYPES
def test_infinite_inputs_have_the_limit(case: Case, dtype: str) -> None:
    y, dx = run(case.module, np.array([[-INF, INF]], dtype))
    np.testing.assert_array_equal(y[0], np.array(case.ends, dtype))
    np.testing.assert_array_equal(dx[0], np.array(case.slopes, dtype))


@pytest.mark.parametrize("module", [*(case.module for case in CASES), *SOFT], ids=repr)
@DTYPES
def test_nan_stays_nan(module: dl.Module, dtype: str) -> None:
    x = np.ones((3, 2, 5), dtype)
    x[1, 0] = NAN
    with np.errstate(invalid="ignore"):  # of which NumPy 1.23 warns, in expm1 and log1p
        y, dx = run(module, x, x)
    for found in (y, dx):
        np.testing.assert_array_equal(np.isnan(found), np.isnan(x))


def test_slopes_at_the_kinks() -> None:
    """As PyTorch's: at 0 the one from below, at 3 and -3 the one from outside."""
    zero = np.array([[0.0, -0.0]])
    for module, slope in (
        (dl.ReLU(), 0),
        (dl.LeakyReLU(0.2), 0.2),
        (dl.ELU(0.7), 0.7),
        (dl.SELU(), SELU_SCALE * SELU_ALPHA),
    ):
        np.testing.assert_allclose(run(module, zero)[1], [[slope, slope]])
    ends = np.array([[-3.0, 3.0]])
    np.testing.assert_array_equal(run(dl.HardSigmoid(), ends)[1], [[0, 0]])
    np.testing.assert_array_equal(run(dl.HardSwish(), ends)[1], [[0, 1]])
    near = np.nextafter(ends, 0)
    np.testing.assert_allclose(run(dl.HardSigmoid(), near)[1], [[1 / 6, 1 / 6]])
    np.testing.assert_allclose(run(dl.HardSwish(), near)[1], [[-0.5, 1.5]])


@pytest.mark.parametrize("module", [dl.ReLU(), dl.HardSigmoid()], ids=repr)
@pytest.mark.parametrize("dy", [INF, -INF, NAN])
def test_what_is_flat_passes_no_infinite_gradient(module: dl.Module, dy: float) -> None:
    np.testing.assert_array_equal(run(module, [[-4.0, -5.0]], dy)[1], [[0, 0]])
    np.testing.assert_array_equal(run(module, [[1.0, 2.0]], dy)[1], [[dy, dy]])


def test_leaky_relu_keeps_the_two_sides_apart() -> None:
    _, dx = run(dl.LeakyReLU(0.5), [[-1.0, 1.0, -1.0, 1.0]], [[INF, INF, 3.0, 3.0]])
    np.testing.assert_array_equal(dx, [[INF, INF, 1.5, 3.0]])


@DTYPES
def test_a_slope_of_zero_is_relu(dtype: str) -> None:
    x = np.array([[-INF, -1e4, -1.0, 0.0, 2.0, INF, NAN]], dtype)
    y, dx = run(dl.LeakyReLU(0.0), x)
    expected = run(dl.ReLU(), x)
    np.testing.assert_array_equal(y, expected[0])
    np.testing.assert_array_equal(dx[:, :-1], expected[1][:, :-1])
    np.testing.assert_array_equal(run(dl.ELU(0.0), x[:, :-1])[0], expected[0][:, :-1])


# Softmax


def plain_softmax(row: list[float]) -> list[float]:
    """Of logits with a finite maximum."""
    exps = [math.exp(one - max(row)) for one in row]
    return [one / math.fsum(exps) for one in exps]


@pytest.mark.parametrize("shape", [(1,), (2,), (5,), (3, 4, 7), (2, 63), (2, 64), (301,)])
@pytest.mark.parametrize("scale", [1.0, 30.0, 1e4])
@DTYPES
def test_softmax_by_definition(shape: tuple[int, ...], scale: float, dtype: str) -> None:
    x = (normal(3, 4, *shape) * scale).astype(dtype)
    dy = normal(4, *x.shape).astype(dtype)
    y, dx = run(dl.Softmax(), x, dy)
    logs, dlogs = run(dl.LogSoftmax(), x, dy)
    assert {str(array.dtype) for array in (y, dx, logs, dlogs)} == {dtype}
    eps, tiny = float(np.finfo(dtype).eps), float(np.finfo(dtype).tiny)
    rows = (array.reshape(-1, shape[-1]) for array in (x, dy, y, dx, logs, dlogs))
    for row, grad, found, back, log, dlog in zip(*rows):
        p = np.array(plain_softmax(row.astype(float).tolist()))
        g = grad.astype(float)
        shifted = row.astype(float) - float(row.max())
        allowed = eps * (10 - shifted) * p + tiny * 10  # x - max(x) is rounded before its exp
        assert (np.abs(found - p) <= allowed).all()
        np.testing.assert_allclose(back, p * (g - (p * g).sum()), rtol=0, atol=20 * eps)
        np.testing.assert_allclose(dlog, g - p * g.sum(), rtol=0, atol=20 * eps * len(g))
        others = math.fsum(np.exp(np.delete(row.astype(float), row.argmax()) - row.max()))
        gap = min(-np.sort(shifted)[-2], 100) if len(row) > 1 else 0
        expected = shifted - math.log1p(others)
        np.testing.assert_allclose(log, expected, rtol=(10 + gap) * eps, atol=tiny)


def test_the_surest_class_keeps_its_digits() -> None:
    x = np.array([[0.0, -50.0, -INF], [1e4 - 40, 1e4, -1e4], [2.0, 2.0, 2.0]])
    y, _ = run(dl.LogSoftmax(), x)
    assert y[0, 0] == pytest.approx(-1.9287498479639178e-22, rel=1e-14)
    assert y[1, 1] == pytest.approx(-4.248354255291589e-18, rel=1e-14)
    np.testing.assert_allclose(y[2], -math.log(3), rtol=1e-15)


LIMITS = [
    ([INF, 0.0, -3.0], [1.0, 0.0, 0.0]),
    ([-INF, 0.0, -INF], [0.0, 1.0, 0.0]),
    ([INF, -INF, 0.0], [1.0, 0.0, 0.0]),
    ([-INF, 1.0, 1.0], [0.0, 0.5, 0.5]),
    ([INF, INF, 0.0], [NAN] * 3),
    ([-INF, -INF, -INF], [NAN] * 3),
    ([INF, NAN, 0.0], [NAN] * 3),
    ([0.0, NAN, 0.0], [NAN] * 3),
]


@DTYPES
def test_softmax_at_infinity(dtype: str) -> None:
    """All rows in one batch: none disturbs another."""
    x = np.array([row for row, _ in LIMITS], dtype)
    expected = np.array([row for _, row in LIMITS])
    y, dx = run(dl.Softmax(), x, normal(0, *x.shape))
    np.testing.assert_allclose(y, expected, rtol=1e-6)
    assert (np.isnan(dx) == np.isnan(expected)).all()
    np.testing.assert_array_equal(dx[:3], np.zeros((3, 3)))
    with np.errstate(divide="ignore"):
        np.testing.assert_allclose(run(dl.LogSoftmax(), x)[0], np.log(expected), rtol=1e-6)


def test_the_gradient_of_log_softmax_at_infinity() -> None:
    _, dx = run(dl.LogSoftmax(), [[INF, 0.0], [0.0, -INF]], [[2.0, 3.0], [5.0, 7.0]])
    np.testing.assert_array_equal(dx, [[-3.0, 3.0], [-7.0, 7.0]])


# PReLU


def test_prelu_by_hand() -> None:
    x, dy = np.array([[[-2.0, 3.0], [4.0, -5.0]]]), np.array([[[10.0, 20.0], [30.0, 40.0]]])
    weight = np.array([0.5, -0.1])
    ctx = Context(wanted=frozenset({0, "weight"}))
    y, pullback = dl.PReLU().forward({"weight": weight}, x, ctx=ctx)
    assert pullback is not None
    (dx,), dparams = pullback(dy)
    assert dx is not None
    np.testing.assert_allclose(y, [[[-1.0, 3.0], [4.0, 0.5]]])
    np.testing.assert_allclose(dx, [[[5.0, 20.0], [30.0, -4.0]]])
    np.testing.assert_allclose(dparams["weight"], [-20.0, -200.0])


def test_prelu_with_one_weight_by_hand() -> None:
    x, dy = np.array([[-2.0, 3.0], [4.0, -5.0]]), np.array([[10.0, 20.0], [30.0, 40.0]])
    ctx = Context(wanted=frozenset({"weight"}))
    y, pullback = dl.PReLU(shared=True).forward({"weight": np.array([0.5])}, x, ctx=ctx)
    assert pullback is not None
    (dx,), dparams = pullback(dy)
    np.testing.assert_allclose(y, [[-1.0, 3.0], [4.0, -2.5]])
    assert dx is None
    np.testing.assert_allclose(dparams["weight"], [-220.0])


def test_prelu_starts_at_a_quarter() -> None:
    for module, size in ((dl.PReLU(), 6), (dl.PReLU(shared=True), 1)):
        spec = module.parameters((4, 4, 6))["weight"]
        values = spec.initializer(spec.shape, spec.fans, np.random.default_rng(0))
        np.testing.assert_array_equal(values, [0.25] * size)
        assert spec.trainable


@DTYPES
def test_prelu_at_infinity(dtype: str) -> None:
    """For a weight of 0 the limit is 0; for a negative one it is infinite."""
    weight = np.array([0.25, 0.0, -1.0], dtype)
    y, dx = run(dl.PReLU(), np.array([[-INF] * 3, [INF] * 3], dtype), weight=weight)
    np.testing.assert_array_equal(y, [[-INF, 0, INF], [INF, INF, INF]])
    np.testing.assert_array_equal(dx, [weight, np.ones(3)])


# What all of them promise


@pytest.mark.parametrize("module", [*(case.module for case in CASES), *SOFT], ids=repr)
@pytest.mark.parametrize("dtype", ["uint8", "int8", "int64", "bool", "float16"])
def test_integers_become_floats(module: dl.Module, dtype: str) -> None:
    """None wraps: -(-128) is -128 in int8, and 200 + 100 is 44 in uint8."""
    numbers = {"uint8": [0, 3, 255], "bool": [0, 1, 1]}.get(dtype, [-128, 0, 100])
    x = np.array([numbers], dtype)
    y, dx = run(module, x)
    expected, slopes = run(module, x.astype(np.float64))
    assert y.dtype == dx.dtype == ("float64" if dtype == "int64" else "float32")
    np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(dx, slopes, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("module", [dl.ReLU(), dl.Sigmoid(), dl.Tanh(), dl.Softmax()], ids=repr)
def test_the_output_alone_is_kept(module: dl.Module) -> None:
    x = normal(0, 2, 3)
    _y, pullback = module.forward({}, x, ctx=Context(wanted=frozenset({0})))
    gone = weakref.ref(x)
    del x
    assert gone() is None
    assert pullback is not None


@pytest.mark.parametrize("module", [dl.SiLU(), dl.ELU(), dl.GELU("tanh")], ids=repr)
def test_the_input_alone_is_kept(module: dl.Module) -> None:
    y, pullback = module.forward({}, normal(0, 2, 3), ctx=Context(wanted=frozenset({0})))
    gone = weakref.ref(y)
    del y
    assert gone() is None
    assert pullback is not None


PIXELS = [row for row in ROWS if type(row.module) in NAMES]


@pytest.mark.parametrize("row", PIXELS, ids=[row.name for row in PIXELS])
def test_pixels_may_come_in_any_order(row: Any) -> None:
    """All but the channels: images (N, H, W, C), their transposes, and a mere list of pixels."""
    assert row.module.pixel_local
    x = normal(0, 3, *row.shapes[0])
    params = {
        name: normal(1, *spec.shape) for name, spec in row.module.parameters(*row.shapes).items()
    }
    dy = normal(2, *x.shape)
    y, dx = run(row.module, x, dy, **params)
    flat, channels = (-1, x.shape[-1]), x.shape[-1]
    y_flat, dx_flat = run(row.module, x.reshape(flat), dy.reshape(flat), **params)
    np.testing.assert_allclose(y_flat, y.reshape(flat), rtol=1e-14)
    np.testing.assert_allclose(dx_flat, dx.reshape(flat), rtol=0, atol=1e-14)
    turned = x.reshape(flat)[::-1].reshape(1, -1, 1, channels)
    dturned = dy.reshape(flat)[::-1].reshape(turned.shape)
    y_turned, dx_turned = run(row.module, turned, dturned, **params)
    np.testing.assert_allclose(y_turned.reshape(flat)[::-1], y_flat, rtol=1e-14)
    np.testing.assert_allclose(dx_turned.reshape(flat)[::-1], dx_flat, rtol=0, atol=1e-14)


@pytest.mark.parametrize("module", [*(case.module for case in CASES), *SOFT], ids=repr)
@DTYPES
def test_arrays_with_gaps_and_strides(module: dl.Module, dtype: str) -> None:
    x = normal(0, 6, 4, 10).astype(dtype)[::2, :, ::-3].transpose(1, 0, 2)
    dy = normal(1, 4, 3, 8).astype(dtype)[:, :, ::2]
    found = run(module, x, dy)
    expected = run(module, np.ascontiguousarray(x), np.ascontiguousarray(dy))
    for a, b in zip(found, expected):
        np.testing.assert_allclose(a, b, rtol=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_mask_keeps_bits(dtype: str) -> None:
    x = np.array([[-0.0, INF, NAN], [1e-44, -INF, 3.0]], dtype)
    mask = np.array([[True, False, True], [True, True, False]])
    kept, rest = masks.split(x, mask)
    np.testing.assert_array_equal(kept, np.where(mask, x, 0))
    np.testing.assert_array_equal(rest, np.where(mask, 0, x))
    assert np.signbit(kept[0, 0])
    np.testing.assert_array_equal(masks.keep(x, mask[:, :1]), [x[0], x[1]])


def test_gelu_in_float32_is_within_three_roundings() -> None:
    """Over all of the range in which anything is left, against SciPy's Φ in float64."""
    from scipy.special import ndtr

    x = np.linspace(-12.5, 12.5, 200_001).astype(np.float32)
    wide = x.astype(np.float64)
    expected = wide * ndtr(wide)
    slope = ndtr(wide) + wide * np.exp(-wide * wide / 2) / math.sqrt(2 * math.pi)
    allowed = 3 * 2.0**-23 * (np.abs(expected) + np.abs(wide * slope))
    assert (np.abs(gelu.gelu(x) - expected) <= allowed + 1e-37).all()


@pytest.mark.parametrize(
    ("kind", "option", "error", "message"),
    [
        (dl.LeakyReLU, -0.1, ValueError, "slope must be at least 0 and finite, got -0.1"),
        (dl.LeakyReLU, NAN, ValueError, "slope must be at least 0 and finite, got nan"),
        (dl.LeakyReLU, INF, ValueError, "slope must be at least 0 and finite, got inf"),
        (dl.LeakyReLU, "a", TypeError, "slope must be a number, at least 0"),
        (dl.ELU, -1.0, ValueError, "alpha must be at least 0 and finite, got -1.0"),
        (dl.ELU, True, TypeError, "alpha must be a number, at least 0"),
        (dl.GELU, "erf", ValueError, "approximate must be 'none' or 'tanh', got 'erf'"),
        (dl.GELU, True, ValueError, "approximate must be 'none' or 'tanh', got True"),
        (dl.PReLU, 6, TypeError, "shared must be True or False, got 6"),
    ],
)
def test_refused_options(kind: Any, option: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        kind(option)


def test_prelu_wants_an_initializer() -> None:
    number: Any = 0.25
    with pytest.raises(TypeError, match="weight_init should be an Initializer"):
        dl.PReLU(weight_init=number)
