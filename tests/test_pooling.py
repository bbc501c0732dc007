"""Pools against naive loops, over drawn geometry, with many ties; and what they refuse."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import reference
from drawn import geometry, normal
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from reference import Array

import minidl as dl
from minidl.engine.planned.pooling import in_pairs
from minidl.module import Context
from minidl.shapes import Window

DRAWN = settings(max_examples=80, deadline=None)
LEVELS = st.sampled_from([1, 2, 1000])  # how many different values: 1 is a flat image
SIDE, STEP = st.tuples(st.integers(1, 7), st.integers(1, 7)), st.integers(1, 3)
PADS = st.tuples(st.integers(0, 3), st.integers(0, 3))


def pixels(levels: int, *shape: int) -> Array:
    """Negative whole numbers, so that a padding of zeros would win."""
    return -np.random.default_rng(levels).integers(1, levels + 1, shape).astype(np.float64)


def run(module: dl.Module, x: Array, dy: Array | None = None) -> tuple[Array, Array]:
    """Return ``y`` and ``dx``, of a ``dy`` of ones unless one is given."""
    y, pullback = module.forward({}, x, ctx=Context(True, frozenset([0])))
    assert pullback is not None
    (dx,), _ = pullback(np.ones_like(y) if dy is None else dy)
    assert dx is not None
    return y, dx


@st.composite
def plans(draw: st.DrawFn) -> dict[str, Any]:
    names = {"kernel_size": STEP, "stride": STEP}
    plan: dict[str, Any] = {name: draw(st.tuples(one, one)) for name, one in names.items()}
    return {**plan, "padding": (draw(PADS), draw(PADS)), "ceil_mode": draw(st.booleans())}


def fitted(module: Any, size: tuple[int, int]) -> Window:
    """Return the window; what is refused is no example."""
    try:
        found: Window = module.window((*size, 2))
    except dl.ShapeError:
        assume(False)
    return found


def near(a: Array, b: Array) -> None:
    np.testing.assert_allclose(a, b, rtol=0, atol=1e-12)


@DRAWN
@given(size=SIDE, plan=plans(), gaps=st.tuples(STEP, STEP), levels=LEVELS)
def test_max_pooling(
    size: tuple[int, int], plan: dict[str, Any], gaps: tuple[int, int], levels: int
) -> None:
    module = dl.MaxPool2d(**plan, dilation=gaps)
    window = fitted(module, size)
    x, dy = pixels(levels, 2, *size, 2), normal(3, 2, *window.out, 2)
    y, dx = run(module, x, dy)
    np.testing.assert_array_equal(y, reference.max_pool(x, window.kernel, geometry(window)))
    near(dx, reference.max_pool_gradient(dy, x, window.kernel, geometry(window)))


@DRAWN
@given(size=SIDE, plan=plans(), counts=st.booleans())
def test_average_pooling(size: tuple[int, int], plan: dict[str, Any], counts: bool) -> None:
    module = dl.AvgPool2d(**plan, count_include_pad=counts)
    window = fitted(module, size)
    x, dy = normal(1, 2, *size, 2), normal(2, 2, *window.out, 2)
    y, dx = run(module, x, dy)
    near(y, reference.average_pool(x, window.kernel, geometry(window), counts))
    expected = reference.average_pool_gradient(dy, x.shape, window.kernel, geometry(window), counts)
    near(dx, expected)
    assert (y * dy).sum() == pytest.approx((x * dx).sum(), rel=1e-10, abs=1e-10)  # adjoint


@DRAWN
@given(size=st.tuples(st.integers(1, 12), st.integers(1, 12)), out=SIDE, levels=LEVELS)
def test_adaptive_pooling(size: tuple[int, int], out: tuple[int, int], levels: int) -> None:
    x, dy = pixels(levels, 2, *size, 2), normal(2, 2, *out, 2)
    means, dmeans, maxima, dmaxima = reference.adaptive_pools(x, dy)
    for module, y, dx in (
        (dl.AdaptiveAvgPool2d(out), means, dmeans),
        (dl.AdaptiveMaxPool2d(out), maxima, dmaxima),
    ):
        for found, expected in zip(run(module, x, dy), (y, dx)):
            near(found, expected)


PAIRS: list[tuple[dl.Module, dl.Module]] = [
    (
        dl.MaxPool1d(3, 2, (1, 0), dilation=2),
        dl.MaxPool2d((1, 3), (1, 2), ((0, 0), (1, 0)), dilation=(1, 2)),
    ),
    (dl.AvgPool1d(3, 2, 1, ceil_mode=True), dl.AvgPool2d((1, 3), (1, 2), (0, 1), ceil_mode=True)),
    (dl.AdaptiveAvgPool1d(4), dl.AdaptiveAvgPool2d((1, 4))),
    (dl.AdaptiveMaxPool1d(4), dl.AdaptiveMaxPool2d((1, 4))),
    (dl.GlobalAvgPool1d(), dl.GlobalAvgPool2d()),
    (dl.GlobalMaxPool1d(), dl.GlobalMaxPool2d()),
]


@pytest.mark.parametrize(("sequence", "image"), PAIRS)
def test_a_sequence_is_an_image_of_one_row(sequence: dl.Module, image: dl.Module) -> None:
    x = pixels(3, 2, 10, 3)
    for one, two in zip(run(sequence, x), run(image, x[:, None])):
        np.testing.assert_array_equal(one.ravel(), two.ravel())


EVERY: list[Any] = [
    dl.MaxPool2d(2),
    dl.MaxPool2d(3, 1, 1),
    dl.AvgPool2d(2),
    dl.AvgPool2d(3, 1, 1, count_include_pad=False),
    dl.GlobalMaxPool2d(),
    dl.GlobalAvgPool2d(),
    dl.AdaptiveMaxPool2d(2),
    dl.AdaptiveMaxPool2d(3),
    dl.AdaptiveAvgPool2d(3),
]


@pytest.mark.parametrize("module", EVERY)
def test_bytes_do_not_wrap(module: dl.Module) -> None:
    x = np.full((1, 4, 4, 1), 250, np.uint8)
    y, dx = run(module, x)
    assert y.dtype == dx.dtype == np.float32
    np.testing.assert_allclose(y, 250, rtol=1e-6)


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("module", EVERY)
def test_nan_and_infinity_are_seen_where_they_are_alone(module: dl.Module, value: float) -> None:
    x = normal(1, 1, 4, 4, 2)
    clean, _ = run(module, x)
    x[0, 0, 0, 0] = value
    y, dx = run(module, x)
    assert not np.isfinite(y[..., 0]).all()
    hurt = ~np.isfinite(y)
    assert not hurt[..., 1].any()
    np.testing.assert_array_equal(y[~hurt], clean[~hurt])
    assert hurt.ndim == 2 or not hurt[0, -1, -1].any()
    assert np.isfinite(dx).all()


def test_minus_infinity_wins_over_padding() -> None:
    """The gradient stays in the image, though padding counts as minus infinity too."""
    y, dx = run(dl.MaxPool2d(3, 1, 1), np.full((1, 2, 2, 1), -np.inf))
    assert (y == -np.inf).all()
    assert dx[0, :, :, 0].tolist() == [[4, 0], [0, 0]]


def test_a_global_mean_keeps_its_digits() -> None:
    x = np.full((1, 1000, 1000, 1), 0.1, np.float32)
    for module in (dl.GlobalAvgPool2d(), dl.AdaptiveAvgPool2d(1), dl.AdaptiveAvgPool2d(3)):
        np.testing.assert_allclose(run(module, x)[0], 0.1, rtol=1e-6)


REFUSED = [
    (lambda: dl.MaxPool2d(0), "kernel_size should be a whole number of at least 1"),
    (lambda: dl.MaxPool1d((2, 2)), "kernel_size should be a whole number of at least 1, got"),
    (lambda: dl.AvgPool1d(2, (1, 1)), "stride should be a whole number"),
    (lambda: dl.MaxPool2d(2, dilation=0), "dilation should be a whole number of at least 1"),
    (lambda: dl.MaxPool2d(2, padding="reflect"), "padding should be 'valid', 'same'"),
    (lambda: dl.MaxPool2d(2, ceil_mode=1), "ceil_mode must be True or False, got 1"),  # type: ignore[arg-type]
    (lambda: dl.AvgPool2d(2, ceil_mode=None), "ceil_mode must be True or False, got None"),  # type: ignore[arg-type]
    (lambda: dl.AvgPool2d(2, count_include_pad=0), "count_include_pad must be True or False"),  # type: ignore[arg-type]
    (lambda: dl.AdaptiveAvgPool2d((3, None)), "output_size should be a whole number of at least 1"),  # type: ignore[arg-type]
    (lambda: dl.AdaptiveMaxPool1d(0), "output_size should be a whole number of at least 1"),
    (lambda: dl.MaxPool2d(2, 2, 0, 1), "too many positional arguments"),
    (lambda: dl.GlobalMaxPool1d().output_shape((4, 4, 1)), "expected a sequence"),
    (lambda: dl.AdaptiveAvgPool2d(2).output_shape((4, 1)), "expected an image"),
    (lambda: dl.MaxPool2d(2, padding=2).output_shape((5, 5, 1)), "see nothing but padding"),
    (lambda: dl.AvgPool1d(2, padding=2).output_shape((5, 1)), "windows of 2 that see nothing but"),
    (
        lambda: dl.MaxPool1d(2, 1, 2, dilation=3).output_shape((1, 1)),
        "a dilation no larger than the image",
    ),
]


@pytest.mark.parametrize(("act", "message"), REFUSED)
def test_refusals(act: Any, message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        act()


def test_only_plain_pairs_are_planned() -> None:
    assert in_pairs(Window((4, 4), (2, 2), (2, 2)))
    assert not in_pairs(Window((4, 4), (2, 2), (2, 2), (1, 2)))
    assert not in_pairs(dl.MaxPool2d(2, ceil_mode=True).window((5, 4, 1)))


def test_a_flat_background_sends_each_gradient_to_the_first_pixel() -> None:
    dy = np.array([[[[1.0], [2.0]]]])
    _, dx = run(dl.MaxPool2d(2), np.zeros((1, 2, 4, 1)), dy)
    assert dx[0, :, :, 0].tolist() == [[1, 0, 2, 0], [0, 0, 0, 0]]


@pytest.mark.parametrize("module", [dl.MaxPool2d(2), dl.GlobalMaxPool2d(), dl.AdaptiveMaxPool2d(1)])
def test_the_first_maximum_is_the_first_row_by_row(module: dl.Module) -> None:
    """A tie between (0, 1) and (1, 0): the upper row comes first, though its column is later."""
    _, dx = run(module, np.array([[0.0, 9.0], [9.0, 0.0]]).reshape(1, 2, 2, 1))
    assert dx[0, :, :, 0].tolist() == [[0, 1], [0, 0]]


def test_overlapping_windows_add_up() -> None:
    x = np.array([0.0, 5.0, 0.0]).reshape(1, 3, 1)
    _, dx = run(dl.MaxPool1d(2, 1), x, np.array([1.0, 2.0]).reshape(1, 2, 1))
    assert dx.ravel().tolist() == [0, 3, 0]


def test_padding_counts_in_averages_or_not() -> None:
    x, padding = np.full((1, 1, 1, 1), 8.0), ((0, 1), (0, 1))
    assert run(dl.AvgPool2d(2, padding=padding), x)[0].item() == 2.0
    assert run(dl.AvgPool2d(2, padding=padding, count_include_pad=False), x)[0].item() == 8.0
