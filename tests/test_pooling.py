"""The pooling kernels against naive loops, over drawn geometry, with many ties."""

from __future__ import annotations

import numpy as np
import pytest
import reference
from drawn import geometry, normal, windows
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import Array

from minidl.kernels import pool
from minidl.shapes import Window

DRAWN = settings(max_examples=60, deadline=None)
POOLS = windows(dilation=1, pooling=True)
LEVELS = st.sampled_from([1, 2, 1000])  # how many different values: 1 is a flat image


def pixels(levels: int, *shape: int) -> Array:
    """Negative whole numbers, so that a padding of zeros would win."""
    return -np.random.default_rng(levels).integers(1, levels + 1, shape).astype(np.float64)


def max_gradient(dy: Array, x: Array, window: Window) -> Array:
    y, saved = pool.max_forward(x, window)
    return pool.max_gradient(dy, y, saved, window)


@DRAWN
@given(window=POOLS, levels=LEVELS)
def test_max_pooling(window: Window, levels: int) -> None:
    x = pixels(levels, 2, *window.size, 2)
    dy = normal(3, 2, *window.out, 2)
    plan = geometry(window)
    y, _ = pool.max_forward(x, window)
    np.testing.assert_array_equal(y, reference.max_pool(x, window.kernel, plan))
    np.testing.assert_allclose(
        max_gradient(dy, x, window),
        reference.max_pool_gradient(dy, x, window.kernel, plan),
        rtol=0,
        atol=1e-12,
    )


@DRAWN
@given(window=POOLS)
def test_average_pooling(window: Window) -> None:
    x = normal(1, 2, *window.size, 2)
    dy = normal(2, 2, *window.out, 2)
    plan = geometry(window)
    y, dx = pool.average_forward(x, window), pool.average_gradient(dy, window)
    np.testing.assert_allclose(
        y, reference.average_pool(x, window.kernel, plan), rtol=0, atol=1e-12
    )
    expected = reference.average_pool_gradient(dy, x.shape, window.kernel, plan)
    np.testing.assert_allclose(dx, expected, rtol=0, atol=1e-12)
    assert (y * dy).sum() == pytest.approx((x * dx).sum(), rel=1e-10, abs=1e-10)  # adjoint


def test_a_flat_background_sends_each_gradient_to_the_first_pixel() -> None:
    window = Window((2, 4), (2, 2), (2, 2))
    dx = max_gradient(np.array([[[[1.0], [2.0]]]]), np.zeros((1, 2, 4, 1)), window)
    assert dx[0, :, :, 0].tolist() == [[1, 0, 2, 0], [0, 0, 0, 0]]


def test_the_first_maximum_is_the_first_row_by_row() -> None:
    """A tie between (0, 1) and (1, 0): the upper row comes first, though its column is later."""
    x = np.array([[0.0, 9.0], [9.0, 0.0]]).reshape(1, 2, 2, 1)
    dx = max_gradient(np.ones((1, 1, 1, 1)), x, Window((2, 2), (2, 2)))
    assert dx[0, :, :, 0].tolist() == [[0, 1], [0, 0]]


def test_overlapping_windows_add_up() -> None:
    x = np.array([0.0, 5.0, 0.0]).reshape(1, 1, 3, 1)
    dx = max_gradient(np.array([1.0, 2.0]).reshape(1, 1, 2, 1), x, Window((1, 3), (1, 2)))
    assert dx.ravel().tolist() == [0, 3, 0]


def test_nan_propagates_through_both() -> None:
    """A broken image is seen, not skipped: every window over a NaN is NaN, the others are not."""
    x = normal(1, 1, 4, 4, 1)
    x[0, 1, 1, 0] = np.nan
    window = Window((4, 4), (2, 2), (2, 2))
    for y in (pool.max_forward(x, window)[0], pool.average_forward(x, window)):
        assert np.isnan(y[0, :, :, 0]).tolist() == [[True, False], [False, False]]


def test_padding_never_wins() -> None:
    x = np.full((1, 2, 2, 1), -7.0, np.float32)
    window = Window((2, 2), (3, 3), (1, 1), padding=((1, 1), (1, 1)))
    y, _ = pool.max_forward(x, window)
    assert y.dtype == np.float32
    assert (y == -7).all()


def test_padding_counts_in_averages() -> None:
    window = Window((1, 1), (2, 2), padding=((0, 1), (0, 1)))
    assert pool.average_forward(np.full((1, 1, 1, 1), 8.0), window).item() == 2.0
