"""Convolution in groups, depthwise and transposed, against naive loops over drawn geometry."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pytest
import reference
from drawn import geometry, normal, windows
from hypothesis import given, settings
from hypothesis import strategies as st
from test_convolution import close

import minidl as dl
from minidl.kernels import conv, grouped
from minidl.module import Context
from minidl.shapes import ShapeError, Window, transposed_window
from minidl.types import Shape

DRAWN = settings(max_examples=60, deadline=None)
FEW = st.integers(1, 3)


@DRAWN
@given(window=windows(), groups=FEW, depth=FEW, each=FEW, samples=st.integers(1, 2))
def test_all_three_products_are_the_definition(
    window: Window, groups: int, depth: int, each: int, samples: int
) -> None:
    x = normal(1, samples, *window.size, groups * depth)
    weight = normal(2, *window.kernel, depth, groups * each)
    dy = normal(3, samples, *window.out, groups * each)
    plan = geometry(window)
    close(
        grouped.forward(x, weight, window, groups),
        reference.conv_forward(x, weight, plan, groups=groups),
    )
    close(
        grouped.input_gradient(dy, weight, window, groups),
        reference.conv_input_gradient(dy, weight, x.shape, plan, groups),
    )
    close(
        grouped.weight_gradient(x, dy, window, groups),
        reference.conv_weight_gradient(dy, x, weight.shape, plan, groups),
    )


@pytest.mark.parametrize("budget", [1, 700, 3000, 10**9])
def test_results_do_not_depend_on_the_block_size(
    budget: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    groups = 2
    window = Window((6, 5), (3, 2), (2, 1), padding=((1, 0), (0, 1)))
    x, weight = normal(1, 7, 6, 5, 4), normal(2, 3, 2, 4 // groups, 4)
    dy = normal(3, 7, *window.out, 4)
    expected = reference.conv_forward(x, weight, geometry(window), groups=groups)
    monkeypatch.setattr(conv, "BLOCK_BYTES", budget)
    close(grouped.forward(x, weight, window, groups), expected)
    close(
        grouped.weight_gradient(x, dy, window, groups),
        reference.conv_weight_gradient(dy, x, weight.shape, geometry(window), groups),
    )
    close(
        grouped.input_gradient(dy, weight, window, groups),
        reference.conv_input_gradient(dy, weight, x.shape, geometry(window), groups),
    )


@DRAWN
@given(
    kernel=st.tuples(FEW, FEW),
    stride=st.tuples(FEW, FEW),
    dilation=st.tuples(FEW, FEW),
    size=st.tuples(FEW, FEW),
    pads=st.tuples(*[st.tuples(st.integers(0, 2), st.integers(0, 2))] * 2),
    groups=st.integers(1, 2),
    data=st.data(),
)
def test_a_transposed_convolution_is_the_adjoint(
    kernel: tuple[int, int],
    stride: tuple[int, int],
    dilation: tuple[int, int],
    size: tuple[int, int],
    pads: tuple[tuple[int, int], tuple[int, int]],
    groups: int,
    data: st.DataObject,
) -> None:
    """<conv x, y> = <x, transposed y>, with the same weights, to 1e-12."""
    extra = (data.draw(st.integers(0, stride[0] - 1)), data.draw(st.integers(0, stride[1] - 1)))
    options = {"stride": stride, "dilation": dilation, "padding": pads, "groups": groups}
    turned = dl.ConvTranspose2d(2 * groups, kernel, output_padding=extra, bias=False, **options)  # type: ignore[arg-type]
    there = dl.Conv2d(3 * groups, kernel, bias=False, **options)  # type: ignore[arg-type]
    shape = (*size, 3 * groups)
    try:
        out = turned.output_shape(shape)
    except ShapeError:
        return
    weight = normal(1, *there.parameters(out)["weight"].shape)
    assert weight.shape == turned.parameters(shape)["weight"].shape
    assert there.output_shape(out) == shape
    x, y = normal(2, 2, *out), normal(3, 2, *shape)
    forward, _ = there.forward({"weight": weight}, x, ctx=Context())
    back, _ = turned.forward({"weight": weight}, y, ctx=Context())
    scale = max(1.0, float(np.abs(forward * y).sum()))
    assert abs((forward * y).sum() - (x * back).sum()) <= 1e-12 * scale


@pytest.mark.parametrize(
    ("module", "shape", "out"),
    [
        (dl.ConvTranspose2d(3, 4, stride=2, padding=1), (7, 5, 2), (14, 10, 3)),
        (dl.ConvTranspose2d(3, 3, stride=2, padding=1, output_padding=1), (7, 5, 2), (14, 10, 3)),
        (dl.ConvTranspose2d(1, 3, stride=3), (2, 2, 1), (6, 6, 1)),
        (dl.ConvTranspose2d(1, 2, stride=4), (2, 2, 1), (6, 6, 1)),
        (dl.ConvTranspose2d(1, 2, stride=4, padding="same"), (2, 3, 1), (8, 12, 1)),
        (dl.ConvTranspose2d(1, 5, stride=2, padding="same"), (3, 4, 1), (6, 8, 1)),
        (dl.ConvTranspose2d(1, 3, padding="full"), (5, 5, 1), (3, 3, 1)),
        (dl.ConvTranspose1d(3, 4, stride=2, padding=(1, 2)), (7, 2), (13, 3)),
        (dl.Conv1d(3, 3, padding="full"), (7, 2), (9, 3)),
        (dl.Conv1d(3, 3, padding=(2, 0), dilation=2), (7, 2), (5, 3)),
    ],
    ids=repr,
)
def test_output_shapes_by_hand(module: dl.Module, shape: Shape, out: Shape) -> None:
    assert module.output_shape(shape) == out


def test_a_sequence_is_an_image_of_one_row() -> None:
    x, weight, bias = normal(1, 2, 7, 4), normal(2, 3, 2, 6), normal(3, 6)
    options = {"stride": 2, "dilation": 2, "groups": 2}
    line = dl.Conv1d(6, 3, padding=(1, 2), **options)  # type: ignore[arg-type]
    image = dl.Conv2d(6, (1, 3), padding=((0, 0), (1, 2)), stride=(1, 2), dilation=(1, 2), groups=2)
    y, _ = line.forward({"weight": weight, "bias": bias}, x, ctx=Context())
    params = {"weight": weight[None], "bias": bias}
    expected, _ = image.forward(params, x[:, None], ctx=Context())
    np.testing.assert_array_equal(y, expected[:, 0])


def test_integers_become_floats_and_do_not_wrap() -> None:
    x = np.full((1, 2, 2, 1), 200, np.uint8)
    weight = np.ones((2, 2, 1, 1), np.float32)
    y, _ = dl.Conv2d(1, 2, bias=False).forward({"weight": weight}, x, ctx=Context())
    assert y.dtype == np.float32
    assert y.item() == 800


def test_fans_of_groups_and_of_transposed_convolutions() -> None:
    assert dl.Conv2d(8, 3, groups=4).parameters((5, 5, 4))["weight"].fans == (9, 18)
    assert dl.ConvTranspose2d(8, 4, stride=2).parameters((5, 5, 6))["weight"].fans == (24, 128)


def test_a_transposed_convolution_keeps_the_size_of_a_signal() -> None:
    """With variance 1 / fan_in, unit inputs give unit outputs, whatever the stride."""
    module = dl.ConvTranspose2d(
        16, 4, stride=2, padding=1, bias=False, weight_init=dl.initializers.LeCunNormal()
    )
    graph = dl.Sequential([module], (16, 16, 32))
    y = graph.predict(normal(1, 8, 16, 16, 32).astype("float32"))
    assert 0.85 < y[:, 2:-2, 2:-2].std() < 1.15


MISTAKES: list[tuple[Callable[[], object], str]] = [
    (lambda: dl.Conv2d(6, 3, groups=4), "groups should divide filters 6, got 4"),
    (lambda: dl.Conv2d(6, 3, groups=0), "groups must be an integer of at least 1, got 0"),
    (
        lambda: dl.Conv2d(6, 3, groups=3).output_shape((5, 5, 4)),
        "groups 3 should divide the 4 channels of the input (5, 5, 4)",
    ),
    (lambda: dl.Conv1d(1, (3, 3)), "kernel_size should be a whole number of at least 1, got"),
    (lambda: dl.Conv1d(1, 3, padding=((1, 1), (1, 1))), "a pair of them (before, after), got"),
    (lambda: dl.Conv1d(1, 3, padding=(-1, 0)), "a pair of them (before, after), got (-1, 0)"),
    (lambda: dl.Conv1d(1, 3).output_shape((5, 5, 1)), "expected a sequence (L, C), got shape"),
    (lambda: dl.Conv2d(1, 3).output_shape((5, 5)), "expected an image (H, W, C), got shape (5, 5)"),
    (
        lambda: dl.Conv1d(1, 5, dilation=2).output_shape((4, 1)),
        "a window of 9 is larger than its input of 4 with padding 'valid': a smaller kernel would"
        " fit, or padding='same', or an input of at least 9",
    ),
    (
        lambda: dl.ConvTranspose2d(1, 3, stride=2, output_padding=2),
        "output_padding should be below the stride 2, got 2",
    ),
    (
        lambda: dl.ConvTranspose2d(1, 3, output_padding=1),
        "output_padding should be below the stride 1, got 1",
    ),
    (
        lambda: dl.ConvTranspose2d(1, 3, stride=2, output_padding=1, padding="same"),
        "output_padding goes with numeric padding",
    ),
    (
        lambda: dl.ConvTranspose2d(1, 3, padding=4).output_shape((2, 9, 1)),
        "padding 4 leaves an output of -4x3 pixels",
    ),
    (lambda: dl.Conv2d(1, 3, padding="causal"), "padding should be 'valid', 'same', 'full' or"),
]


@pytest.mark.parametrize(("make", "message"), MISTAKES)
def test_what_is_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        make()


@DRAWN
@given(window=windows(dilation=2))
def test_a_transposed_window_undoes_the_sizes(window: Window) -> None:
    shape = (*window.out, 1)
    rest = [
        (size + sum(pads) - (k - 1) * d - 1) % s
        for size, pads, k, d, s in zip(
            window.size, window.padding, window.kernel, window.dilation, window.stride
        )
    ]
    found = transposed_window(
        shape, window.kernel, window.stride, window.dilation, window.padding, (rest[0], rest[1])
    )
    assert found == window
