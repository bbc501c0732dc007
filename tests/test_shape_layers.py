"""Layers that change the shape, resample or merge: by their definitions, without PyTorch."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from drawn import normal
from hypothesis import given, settings
from hypothesis import strategies as st

import minidl as dl
from minidl.kernels.sums import last_sums, sum_to
from minidl.module import Context
from minidl.types import Array, Pullback, Shape

SIZES = st.integers(1, 5)


def out(module: dl.Module, *xs: Array) -> Array:
    return module.forward({}, *xs, ctx=Context())[0]


def pulled(module: dl.Module, *xs: Array) -> tuple[Array, Pullback]:
    y, pullback = module.forward({}, *xs, ctx=Context(wanted=frozenset(range(len(xs)))))
    assert pullback is not None
    return y, pullback


def values(*numbers: float, kind: Any = np.float64) -> Array:
    """Return a sequence of one channel in a batch of one."""
    return np.array(numbers, kind).reshape(1, -1, 1)


# Padding


@settings(max_examples=80, deadline=None)
@given(data=st.data(), mode=st.sampled_from(["constant", "reflect", "edge"]))
def test_pad_is_numpys(data: st.DataObject, mode: str) -> None:
    sizes = [data.draw(SIZES) for _ in range(2)]
    most = [size - 1 if mode == "reflect" else 4 for size in sizes]
    pads = tuple((data.draw(st.integers(0, m)), data.draw(st.integers(0, m))) for m in most)
    value = 3.5 if mode == "constant" else 0.0
    x = normal(0, 2, *sizes, 3)
    options = {"constant_values": value} if mode == "constant" else {}
    expected = np.pad(x, ((0, 0), *pads, (0, 0)), mode, **options)  # type: ignore[call-overload]
    padding: Any = pads
    np.testing.assert_array_equal(out(dl.Pad(padding, mode, value), x), expected)


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("constant", [0, 0, 0, 1, 2, 3, 4, 0, 0]),
        ("reflect", [4, 3, 2, 1, 2, 3, 4, 3, 2]),
        ("edge", [1, 1, 1, 1, 2, 3, 4, 4, 4]),
    ],
)
def test_pad_by_hand(mode: str, expected: list[float]) -> None:
    y, pullback = pulled(dl.Pad((3, 2), mode), values(1, 2, 3, 4))
    assert y.ravel().tolist() == expected
    (dx,), _ = pullback(values(*range(1, 10)))
    assert dx is not None
    sums = {"constant": [4, 5, 6, 7], "reflect": [4, 17, 16, 8], "edge": [10, 5, 6, 24]}
    assert dx.ravel().tolist() == sums[mode]


@pytest.mark.parametrize(
    ("padding", "shape"),
    [
        (1, (5, 6, 2)),
        ((1, 2), (5, 8, 2)),
        (((0, 1), (2, 3)), (4, 9, 2)),
    ],
)
def test_forms_of_padding(padding: Any, shape: Shape) -> None:
    assert dl.Pad(padding).output_shape((3, 4, 2)) == shape


def test_padding_of_a_sequence_is_before_and_after() -> None:
    assert dl.Pad(2).output_shape((3, 1)) == (7, 1)
    assert dl.Pad((0, 3)).output_shape((3, 1)) == (6, 1)


# Upsampling


def nearest(x: Array, scale: tuple[int, int]) -> Array:
    rows, columns = (range(size * times) for size, times in zip(x.shape[1:], scale))
    pixels = [[x[:, i // scale[0], j // scale[1]] for j in columns] for i in rows]
    return np.array(pixels).transpose(2, 0, 1, 3)


def neighbours(place: int, scale: int, size: int) -> list[tuple[int, float]]:
    """Return the pixels around the centre of a new one, and how much each counts."""
    centre = min(max((place + 0.5) / scale - 0.5, 0), size - 1)
    low = int(centre)
    return [(low, 1 - (centre - low)), (min(low + 1, size - 1), centre - low)]


def bilinear(x: Array, scale: tuple[int, int]) -> Array:
    samples, height, width, channels = x.shape
    y = np.zeros((samples, height * scale[0], width * scale[1], channels))
    for i, j in product(range(y.shape[1]), range(y.shape[2])):
        for row, by_row in neighbours(i, scale[0], height):
            for column, by_column in neighbours(j, scale[1], width):
                y[:, i, j] += by_row * by_column * x[:, row, column]
    return y


@settings(max_examples=60, deadline=None)
@given(size=st.tuples(SIZES, SIZES), scale=st.tuples(SIZES, SIZES))
def test_upsampling_is_its_definition(size: tuple[int, int], scale: tuple[int, int]) -> None:
    x = normal(0, 2, *size, 3)
    np.testing.assert_array_equal(out(dl.Upsample(scale), x), nearest(x, scale))
    found = out(dl.Upsample(scale, "bilinear"), x)
    np.testing.assert_allclose(found, bilinear(x, scale), rtol=0, atol=1e-12)


@settings(max_examples=60, deadline=None)
@given(
    size=st.tuples(SIZES, SIZES),
    module=st.sampled_from(
        [
            dl.Upsample((2, 3)),
            dl.Upsample((3, 4), "bilinear"),
            dl.Pad(((0, 3), (2, 1)), "edge"),
            dl.Pad((2, 1)),
        ]
    ),
)
def test_gradients_are_adjoints(size: tuple[int, int], module: dl.Module) -> None:
    """<A x, dy> is <x, A' dy>, for all these layers are linear."""
    x = normal(0, 2, *size, 3)
    y, pullback = pulled(module, x)
    dy = normal(1, *y.shape)
    (dx,), _ = pullback(dy)
    assert dx is not None
    assert (y * dy).sum() == pytest.approx((x * dx).sum(), rel=1e-12, abs=1e-12)


def test_bilinear_by_hand() -> None:
    y = out(dl.Upsample(4, "bilinear"), values(0, 8))
    assert y.ravel().tolist() == [0, 0, 1, 3, 5, 7, 8, 8]


@pytest.mark.parametrize("wrong", [np.inf, np.nan])
def test_an_infinity_stays_where_it_is(wrong: float) -> None:
    """No weight of 0 meets it: not in nearest, nor at the centres of odd scales."""
    x = values(1, wrong, 3)
    np.testing.assert_array_equal(out(dl.Upsample(2), x).ravel(), [1, 1, wrong, wrong, 3, 3])
    by_lines = out(dl.Upsample(3, "bilinear"), x).ravel()
    np.testing.assert_array_equal(by_lines[[0, 1, 7, 8]], [1, 1, 3, 3])
    padded = out(dl.Pad(2, "edge"), x).ravel()
    np.testing.assert_array_equal(padded, [1, 1, 1, wrong, 3, 3, 3])
    _, pullback = pulled(dl.Upsample(2), x)
    (dx,), _ = pullback(values(1, 1, wrong, 1, 1, 1))
    np.testing.assert_array_equal(np.ravel(np.asarray(dx)), [2, wrong, 2])


# Merging


def test_products_and_their_gradients_by_hand() -> None:
    """Also where a factor is 0, by which nothing can be divided."""
    xs = [values(2, 0), values(3, 5), values(4, 7)]
    y, pullback = pulled(dl.Multiply(), *xs)
    assert y.ravel().tolist() == [24, 0]
    dxs, _ = pullback(values(1, 10))
    gradients = [np.ravel(np.asarray(dx)).tolist() for dx in dxs]
    assert gradients == [[12, 350], [8, 0], [6, 0]]


@settings(max_examples=60, deadline=None)
@given(
    shape=st.lists(SIZES, min_size=1, max_size=4),
    mask=st.lists(st.booleans(), min_size=4, max_size=4),
)
def test_sum_to_is_the_adjoint_of_broadcasting(shape: list[int], mask: list[bool]) -> None:
    small = tuple(1 if one else size for size, one in zip(shape, mask))
    axes = tuple(axis for axis, size in enumerate(small) if size == 1)
    x = normal(0, *shape)
    expected = x.sum(axis=axes, keepdims=True)
    np.testing.assert_allclose(sum_to(x, small), expected, rtol=0, atol=1e-12)


def test_float32_sums_of_a_gates_gradient() -> None:
    """Added one after the other, a million times 0.1 would be 100 958."""
    x, gate = np.full((1, 1000, 1000, 2), 0.1, np.float32), np.ones((1, 1, 1, 2), np.float32)
    _, pullback = pulled(dl.Multiply(), x, gate)
    (_, dgate), _ = pullback(np.ones_like(x))
    np.testing.assert_allclose(np.asarray(dgate), 1e5, rtol=1e-5)
    np.testing.assert_allclose(last_sums(x.reshape(2, -1)), 1e5, rtol=1e-5)


def test_integers_do_not_wrap() -> None:
    a, b = values(200, 100, kind=np.uint8), values(100, 3, kind=np.uint8)
    assert out(dl.Add(), a, b).ravel().tolist() == [300, 103]
    assert out(dl.Add(), b, b, a).ravel().tolist() == [400, 106]
    assert out(dl.Multiply(), a, b).ravel().tolist() == [20000, 300]
    signed = values(-1, -2, kind=np.int8)
    assert out(dl.Concatenate(), a, signed).ravel().tolist() == [200, -1, 100, -2]
    assert out(dl.Pad((1, 0), value=-0.5), a).ravel().tolist() == [-0.5, 200, 100]
    assert out(dl.Upsample(2, "bilinear"), a).ravel().tolist() == [200, 175, 125, 100]
    assert out(dl.Normalize(201), a).ravel().tolist() == [-1, -101]


@pytest.mark.parametrize("module", [dl.Add(), dl.Multiply(), dl.Concatenate(), dl.Normalize()])
def test_pixels_wherever_they_lie(module: dl.Module) -> None:
    """What says that it is pixel-local takes images with their samples on any axis."""
    assert module.pixel_local
    count = 1 if module.arity == 1 else 2
    xs = [normal(k, 2, 3, 4, 5) for k in range(count)]
    turned = out(module, *(x.transpose(1, 2, 0, 3) for x in xs))
    np.testing.assert_array_equal(turned.transpose(2, 0, 1, 3), out(module, *xs))


# Shapes, and what is refused


def test_reshape_keeps_the_order_of_numbers() -> None:
    x = np.arange(24.0).reshape(2, 3, 4)
    y, pullback = pulled(dl.Reshape((2, 2, 3)), x)
    np.testing.assert_array_equal(y, np.arange(24.0).reshape(2, 2, 2, 3))
    (dx,), _ = pullback(y)
    np.testing.assert_array_equal(np.asarray(dx), x)


@pytest.mark.parametrize(
    ("shape", "given", "expected"),
    [((-1,), (2, 3), (6,)), ((2, -1, 2), (8,), (2, 2, 2)), ((4, 1), (2, 2), (4, 1))],
)
def test_reshape_fills_in_what_fits(shape: Shape, given: Shape, expected: Shape) -> None:
    assert dl.Reshape(shape).output_shape(given) == expected


@pytest.mark.parametrize(
    ("kind", "options", "error", "message"),
    [
        (
            dl.Reshape,
            {"shape": ()},
            ValueError,
            r"shape must be a tuple of one or more .* got \(\)",
        ),
        (dl.Reshape, {"shape": 6}, ValueError, "shape must be a tuple .* got 6"),
        (dl.Reshape, {"shape": (-1, -1)}, ValueError, "at most one of them -1"),
        (dl.Reshape, {"shape": (0, 2)}, ValueError, "each size of shape must .* got 0"),
        (dl.Reshape, {"shape": (2, -2)}, ValueError, "each size of shape must .* got -2"),
        (dl.Reshape, {"shape": (2.0, 2)}, TypeError, "each size of shape must .* got 2.0"),
        (
            dl.Pad,
            {"padding": -1},
            ValueError,
            "padding should be a whole number of at least 0.* -1",
        ),
        (
            dl.Pad,
            {"padding": 1, "mode": "wrap"},
            ValueError,
            "mode must be 'constant', .* got 'wrap'",
        ),
        (
            dl.Pad,
            {"padding": 1, "mode": "edge", "value": 2.0},
            ValueError,
            "mode 'edge' takes no value, got 2.0",
        ),
        (dl.Pad, {"padding": 1, "value": np.nan}, ValueError, "value must be finite, got nan"),
        (dl.Upsample, {"scale": 0}, ValueError, "scale should be a whole number of at least 1.* 0"),
        (dl.Upsample, {"scale": 1.5}, ValueError, "scale should be a whole number .* 1.5"),
        (
            dl.Upsample,
            {"scale": 2, "mode": "cubic"},
            ValueError,
            "mode must be 'nearest' or .* got 'cubic'",
        ),
    ],
)
def test_options_that_are_refused(
    kind: Any, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        kind(**options)


@pytest.mark.parametrize(
    ("module", "shapes", "message"),
    [
        (dl.Reshape((4, -1)), [(3, 2)], r"the 6 values of \(3, 2\) do not fit in Reshape"),
        (dl.Reshape((4, 2)), [(3, 2)], "give sizes whose product is 6"),
        (dl.Pad(1), [(4,)], r"expected an image \(H, W, C\) or a sequence \(L, C\), got"),
        (dl.Pad(((1, 1), (0, 0))), [(4, 2)], r"padding .* numbers for two axes, the sequence"),
        (dl.Pad(3, "reflect"), [(4, 3, 1)], r"an axis of 3 cannot be reflected .* at most 2"),
        (dl.Pad((0, 4), "reflect"), [(4, 1)], r"an axis of 4 cannot be reflected by .*\(0, 4\)"),
        (dl.Upsample((2, 2)), [(4, 2)], r"scale \(2, 2\) has numbers for two axes"),
        (dl.Upsample(2), [(4,)], r"expected an image \(H, W, C\) or a sequence \(L, C\), got"),
        (dl.Multiply(), [(4, 4, 2)], "Multiply joins two or more inputs, got 1"),
        (dl.Multiply(), [(4, 4, 2), (2,)], r"got \(4, 4, 2\) and \(2,\): a Reshape\(\(1, 1, -1"),
        (dl.Multiply(), [(4, 4, 2), (2, 4, 2)], "Multiply takes inputs of one shape"),
    ],
)
def test_shapes_that_do_not_fit(module: dl.Module, shapes: list[Shape], message: str) -> None:
    with pytest.raises(dl.ShapeError, match=message):
        module.output_shape(*shapes)
