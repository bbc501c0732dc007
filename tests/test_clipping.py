"""Clipping: by value, by the global norm, and both."""

from __future__ import annotations

import math

import numpy as np
import pytest
from drawn import normal

import minidl as dl
from minidl.optim.clipping import clip_by_value, norm_scale, sum_of_squares


def moved(optimizer: dl.Optimizer, *grads: float) -> list[float]:
    """Return how far weights of 0 move against gradients."""
    arrays = {str(at): np.zeros(1) for at in range(len(grads))}
    optimizer.step(arrays, {str(at): np.array([grad]) for at, grad in enumerate(grads)})
    return [-array.item() for array in arrays.values()]


def test_by_value() -> None:
    assert moved(dl.SGD(1.0, clip_value=2.0), -5.0, 1.5, 2.5) == [-2.0, 1.5, 2.0]


def test_the_norm_is_that_of_all_arrays() -> None:
    """3 and 4 make 5, which is brought down to 1, and a little more by the 1e-6."""
    found = moved(dl.SGD(1.0, clip_norm=1.0), 3.0, -4.0)
    assert found == pytest.approx([3 / 5.000001, -4 / 5.000001], rel=1e-15)


def test_a_norm_below_the_limit_changes_no_bit() -> None:
    assert moved(dl.SGD(1.0, clip_norm=5.1), 3.0, 4.0) == [3.0, 4.0]


def test_first_the_value_then_the_norm() -> None:
    """40 is cut off to 4, which makes 5 with 3; the norm first would leave nearly nothing of 3."""
    found = moved(dl.SGD(1.0, clip_value=4.0, clip_norm=2.5), 3.0, 40.0)
    assert found == pytest.approx([1.5, 2.0], rel=1e-6)


def test_weight_decay_is_not_clipped() -> None:
    arrays = {"w": np.array([10.0])}
    dl.SGD(1.0, clip_value=1.0, clip_norm=1.0, weight_decay=0.5).step(arrays, {"w": np.zeros(1)})
    assert arrays["w"].item() == 5.0


def test_squares_that_float32_does_not_hold() -> None:
    for size in (np.float32(1e30), np.float32(1e-30)):
        assert sum_of_squares(np.full(4, size)) == pytest.approx(4 * float(size) ** 2)
    found, grad = {"w": np.zeros(4, np.float32)}, np.full(4, 1e30, np.float32)
    dl.SGD(1.0, clip_norm=1.0).step(found, {"w": grad})
    np.testing.assert_allclose(found["w"], -0.5, rtol=1e-6)


def test_a_limit_beyond_the_type_says_nothing() -> None:
    grad = np.array([1.0, -3e38], np.float32)
    before = grad.copy()
    clip_by_value(grad, 1e300)
    np.testing.assert_array_equal(grad, before)


def test_what_is_no_number_stays_so() -> None:
    grad = np.array([np.nan, np.inf, -np.inf])
    clip_by_value(grad, 1.0)
    np.testing.assert_array_equal(grad, [np.nan, 1.0, -1.0])
    assert math.isnan(norm_scale(math.nan, 1.0))
    assert norm_scale(math.inf, 1.0) == 0.0


def test_no_elements_have_no_norm() -> None:
    arrays = {"none": np.zeros((0, 3)), "one": normal(0, 1)}
    dl.SGD(0.1, clip_value=1.0, clip_norm=1.0).step(arrays, dict(arrays))
    assert sum_of_squares(arrays["none"]) == 0.0
