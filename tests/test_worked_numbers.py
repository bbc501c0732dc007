"""Numbers that teaching documents print, each recomputed independently of this package.

One-dimensional examples are images of height 1. ``RandomState`` is NumPy's legacy generator, which
the seeded examples were drawn with, in this order.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest

import minidl as dl
from minidl.module import Context
from minidl.types import Array


class Result(NamedTuple):
    """What a module makes of arrays, and what it sends back."""

    y: Array
    dx: Array
    dparams: dict[str, Array]


def run(module: dl.Module, x: Array, dy: Array | None = None, **params: Array) -> Result:
    """Run a module forward and back; ``dy`` is ones unless given: the gradient of the sum."""
    wanted: frozenset[int | str] = frozenset([0, *params])
    y, pullback = module.forward(params, x, ctx=Context(wanted=wanted))
    assert pullback is not None
    (dx,), dparams = pullback(np.ones_like(y) if dy is None else dy)
    assert dx is not None
    return Result(y, dx, dparams)


def rows(*values: list[float]) -> Array:
    """Return a batch of one-dimensional inputs, (N, 1, length, 1)."""
    return np.array(values, np.float64)[:, None, :, None]


def line(x: Array, kernel: list[float], before: int | None = None) -> Result:
    """Slide a kernel over rows with the same padding; its gradients are those of the sum."""
    left = len(kernel) // 2 if before is None else before
    padding = ((0, 0), (left, len(kernel) - 1 - left))
    module = dl.Conv2d(1, (1, len(kernel)), padding=padding, bias=False)
    return run(module, x, weight=np.array(kernel, np.float64).reshape(1, -1, 1, 1))


COUNT = [1.0, 2, 3, 4, 5]
FROM_0, FROM_1 = [0.0, 1, 2, 3, 4, 5, 6], [1.0, 2, 3, 4, 5, 6, 7]


@pytest.mark.parametrize(
    ("inputs", "kernel", "outputs"),
    [
        ([COUNT], [1, 1, 1], [[3, 6, 9, 12, 9]]),
        ([[1, 2, 3, 4, 6]], [1, 1, 1], [[3, 6, 9, 13, 10]]),
        ([list(range(1, 10))], [1, 2, 3], [[8, 14, 20, 26, 32, 38, 44, 50, 26]]),
        ([FROM_0, FROM_1], [1, 1, 1], [[1, 3, 6, 9, 12, 15, 11], [3, 6, 9, 12, 15, 18, 13]]),
        ([COUNT, [0, 1, 2, 3, 4]], [1, 1, 1], [[3, 6, 9, 12, 9], [1, 3, 6, 9, 7]]),
    ],
)
def test_one_dimension(
    inputs: list[list[float]], kernel: list[float], outputs: list[list[float]]
) -> None:
    assert line(rows(*inputs), kernel).y[:, 0, :, 0].tolist() == outputs


@pytest.mark.parametrize(
    ("inputs", "kernel", "total"),
    [
        (COUNT, [1, 1, 1], 39),
        ([1, 2, 3, 4, 6], [1, 1, 1], 41),  # raising the fifth input by one adds 2
        (COUNT, [2, 1, 1], 49),  # raising the first weight by one adds 10
    ],
)
def test_sums_in_one_dimension(inputs: list[float], kernel: list[float], total: float) -> None:
    assert line(rows(inputs), kernel).y.sum() == total


@pytest.mark.parametrize(
    ("inputs", "kernel", "dinput", "dkernel"),
    [
        ([COUNT], [1, 1, 1], [[2, 3, 3, 3, 2]], [10, 15, 14]),
        ([COUNT, [0, 1, 2, 3, 4]], [1, 1, 1], [[2, 3, 3, 3, 2]] * 2, [16, 25, 24]),
        ([[1, 2, 3, 4]], [1, 1, 1], [[2, 3, 3, 2]], [6, 10, 9]),
        ([[90, 23, 43]], [9, 3, 4], [[12, 16, 7]], [113, 156, 66]),
    ],
)
def test_gradients_of_the_sum_in_one_dimension(
    inputs: list[list[float]],
    kernel: list[float],
    dinput: list[list[float]],
    dkernel: list[float],
) -> None:
    result = line(rows(*inputs), kernel)
    assert result.dx[:, 0, :, 0].tolist() == dinput
    assert result.dparams["weight"].ravel().tolist() == dkernel


def test_an_even_kernel_padded_on_the_left() -> None:
    """Often printed as 2 3 3 3 3 3 3, which is the gradient for padding on the right."""
    result = line(rows(FROM_0, FROM_1), [2, 1], before=1)
    assert result.dparams["weight"].ravel().tolist() == [36, 49]
    assert result.dx[:, 0, :, 0].tolist() == [[3, 3, 3, 3, 3, 3, 1]] * 2
    right = line(rows(FROM_0, FROM_1), [2, 1], before=0)
    assert right.dx[:, 0, :, 0].tolist() == [[2, 3, 3, 3, 3, 3, 3]] * 2


def image(values: list[list[float]]) -> Array:
    return np.array(values, np.float64)[None, :, :, None]


def kernel_2d(values: list[list[float]]) -> Array:
    return np.array(values, np.float64)[:, :, None, None]


def test_two_dimensions() -> None:
    x = image([[0, 1, 1], [0, 1, 0], [0, 0, 0]])
    result = run(dl.Conv2d(1, 2, bias=False), x, weight=kernel_2d([[1, 0], [1, 0]]))
    assert result.y[0, :, :, 0].tolist() == [[0, 2], [0, 1]]


def test_two_dimensions_with_same_padding() -> None:
    x = image([[1, 2, 3, 4, 5], [5, 6, 7, 8, 9]])
    weight = kernel_2d([[1, 1, 1], [2, 2, 2], [3, 3, 3]])
    result = run(dl.Conv2d(1, 3, padding="same", bias=False), x, weight=weight)
    assert result.y[0, :, :, 0].tolist() == [[39, 66, 81, 96, 69], [25, 42, 51, 60, 43]]
    assert result.dx[0, :, :, 0].tolist() == [[6, 9, 9, 9, 6], [10, 15, 15, 15, 10]]


def test_output_sizes() -> None:
    assert dl.Conv2d(2, 3).output_shape((24, 24, 4)) == (22, 22, 2)
    assert dl.Flatten().output_shape((22, 22, 2)) == (968,)
    assert dl.Conv2d(1, 2).output_shape((4, 4, 1)) == (3, 3, 1)  # often printed as 2x2
    for odd in (1, 3, 5, 7):
        padding = (odd - 1) // 2
        assert dl.Conv2d(1, odd, padding=padding).output_shape((28, 28, 1)) == (28, 28, 1)
        assert dl.Conv2d(1, odd, padding="same").output_shape((28, 28, 1)) == (28, 28, 1)


@pytest.mark.parametrize(
    ("image_shape", "convolution", "dense", "times"),
    [((4, 50, 1), 288, 1_280_000, 4444.4), ((1, 50, 4), 1_152, 320_000, 277.8)],
)
def test_a_convolution_needs_far_fewer_weights_than_a_dense_layer(
    image_shape: tuple[int, int, int], convolution: int, dense: int, times: float
) -> None:
    """To the same outputs; in the second row the four rows of the image are its channels."""
    conv = dl.Conv2d(32, 3, padding="same", bias=False)
    outputs = int(np.prod(conv.output_shape(image_shape)))
    sparse = dl.Sequential([conv], image_shape)
    full = dl.Sequential([dl.Flatten(), dl.Dense(outputs, bias=False)], image_shape)
    assert sparse.parameter_count == convolution
    assert full.parameter_count == dense
    assert full.parameter_count / sparse.parameter_count == pytest.approx(times, abs=0.05)


# Seeded, channels last


def test_a_seeded_convolution() -> None:
    random = np.random.RandomState(1)
    x, w, b = random.randn(10, 8, 8, 4), random.randn(3, 3, 4, 8), random.randn(1, 1, 1, 8)
    y = run(dl.Conv2d(8, 3, stride=2, padding=2), x, weight=w, bias=b.ravel()).y
    assert y.mean() == pytest.approx(-0.1282614539128993, rel=1e-12)
    expected = [4.98925312, -0.12934609, 6.77487928, -6.44934224]
    expected += [1.80531313, 8.75470928, -2.85387942, -2.65858316]
    np.testing.assert_allclose(y[3, 2, 1], expected, rtol=0, atol=5e-9)


def test_a_seeded_convolution_backward() -> None:
    random = np.random.RandomState(1)
    x, w, b = random.randn(10, 4, 4, 3), random.randn(2, 2, 3, 6), random.randn(1, 1, 1, 6)
    module = dl.Conv2d(6, 2, stride=2, padding=2)
    y = run(module, x, weight=w, bias=b.ravel()).y
    result = run(module, x, dy=y, weight=w, bias=b.ravel())
    assert result.dx.mean() == pytest.approx(-0.9683520023516613, rel=1e-12)
    assert result.dparams["weight"].mean() == pytest.approx(-3.028451139022465, rel=1e-12)
    assert result.dparams["bias"].mean() == pytest.approx(41.04575496729348, rel=1e-12)


MAXIMA = [
    [[1.74481176, 0.90159072, 1.65980218], [1.74481176, 1.6924546, 1.65980218]],
    [[1.13162939, 1.51981682, 2.18557541], [1.13162939, 1.6924546, 2.18557541]],
]
MEANS = [
    [[-0.03010467, -0.00324021, -0.33629886], [0.12893444, 0.22242847, 0.1250676]],
    [[-0.38268052, 0.23257995, 0.6259979], [-0.09525515, 0.268511, 0.46605637]],
]


@pytest.mark.parametrize(
    ("module", "expected"), [(dl.MaxPool2d(3, 2), MAXIMA), (dl.AvgPool2d(3, 2), MEANS)]
)
def test_seeded_pooling(module: dl.Module, expected: list[list[list[float]]]) -> None:
    x = np.random.RandomState(1).randn(1, 5, 5, 3)
    np.testing.assert_allclose(run(module, x).y[0], expected, rtol=0, atol=5e-9)


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        (dl.MaxPool2d(2, 1), [[0, 0], [5.05844394, -1.68282702], [0, 0]]),
        (
            dl.AvgPool2d(2, 1),
            [[0.08485462, 0.2787552], [1.26461098, -0.25749373], [1.17975636, -0.53624893]],
        ),
    ],
)
def test_seeded_pooling_backward(module: dl.Module, expected: list[list[float]]) -> None:
    random = np.random.RandomState(1)
    x, dy = random.randn(5, 5, 3, 2), random.randn(5, 4, 2, 2)
    np.testing.assert_allclose(run(module, x, dy).dx[1, 1], expected, rtol=0, atol=5e-9)


def test_the_average_shares_its_gradient() -> None:
    result = run(dl.AvgPool2d(3), np.zeros((1, 3, 3, 1)), dy=np.full((1, 1, 1, 1), 25.0))
    np.testing.assert_allclose(result.dx, np.full((1, 3, 3, 1), 2.77777778), rtol=0, atol=5e-9)


def test_a_tie_goes_to_the_first_maximum() -> None:
    result = run(dl.MaxPool2d(2), np.ones((1, 2, 2, 1)))
    assert result.dx.ravel().tolist() == [1, 0, 0, 0]
