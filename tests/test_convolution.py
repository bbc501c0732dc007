"""The convolution kernels against naive loops, over drawn geometry."""

from __future__ import annotations

import numpy as np
import pytest
import reference
from drawn import geometry, normal, windows
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import Array

from minidl.kernels import conv
from minidl.kernels.padding import crop, pad
from minidl.shapes import Window

DRAWN = settings(max_examples=60, deadline=None)
COUNTS = st.integers(1, 3)


def close(a: Array, b: Array, tolerance: float = 1e-10) -> None:
    np.testing.assert_allclose(a, b, rtol=0, atol=tolerance * max(1.0, float(np.abs(b).max())))


@DRAWN
@given(window=windows(), samples=COUNTS, channels=COUNTS, filters=COUNTS)
def test_all_three_products_are_the_definition(
    window: Window, samples: int, channels: int, filters: int
) -> None:
    x = normal(1, samples, *window.size, channels)
    weight = normal(2, *window.kernel, channels, filters)
    dy = normal(3, samples, *window.out, filters)
    plan = geometry(window)
    close(conv.forward(x, weight, window), reference.conv_forward(x, weight, plan))
    close(
        conv.input_gradient(dy, weight, window),
        reference.conv_input_gradient(dy, weight, x.shape, plan),
    )
    close(
        conv.weight_gradient(x, dy, window),
        reference.conv_weight_gradient(dy, x, weight.shape, plan),
    )


@DRAWN
@given(window=windows())
def test_the_number_of_windows(window: Window) -> None:
    assert window.out == reference.out_size(window.size, window.kernel, geometry(window))


@DRAWN
@given(window=windows(), samples=COUNTS, channels=COUNTS)
def test_im2col_lays_out_the_patches(window: Window, samples: int, channels: int) -> None:
    x = normal(1, samples, *window.size, channels)
    expected = reference.im2col(x, window.kernel, geometry(window))
    np.testing.assert_array_equal(conv.im2col(x, window), expected)


@DRAWN
@given(window=windows(), samples=COUNTS, channels=COUNTS)
def test_col2im_is_the_adjoint_of_im2col(window: Window, samples: int, channels: int) -> None:
    """<im2col x, c> = <x, col2im c> for any x and c."""
    x = normal(1, samples, *window.size, channels)
    lowered = conv.im2col(x, window)
    cols = normal(2, *lowered.shape)
    back = conv.col2im(cols, window)
    assert back.shape == x.shape
    assert (lowered * cols).sum() == pytest.approx((x * back).sum(), rel=1e-10, abs=1e-10)


@DRAWN
@given(window=windows(), value=st.floats(-5, 5))
def test_crop_is_the_adjoint_of_pad(window: Window, value: float) -> None:
    x = normal(1, 2, *window.size, 2)
    padded = pad(x, window, value)
    assert padded.shape[1:3] == window.padded
    np.testing.assert_array_equal(crop(padded, window), x)
    assert padded.sum() == pytest.approx(x.sum() + value * (padded.size - x.size))


@DRAWN
@given(window=windows(stride=1), channels=COUNTS, filters=COUNTS)
def test_gathering_and_scattering_the_input_gradient_agree(
    window: Window, channels: int, filters: int
) -> None:
    weight = normal(1, *window.kernel, channels, filters)
    dy = normal(2, 2, *window.out, filters)
    close(
        conv.input_gradient(dy, weight, window), conv.scattered_input_gradient(dy, weight, window)
    )


@DRAWN
@given(window=windows())
def test_a_mirrored_window_brings_the_image_back_whole(window: Window) -> None:
    mirror = conv.mirrored(window)
    if mirror is not None:
        assert window.stride == (1, 1)
        assert mirror.out == window.size


@pytest.mark.parametrize(
    ("window", "gathers"),
    [
        (Window((6, 6), (3, 3)), True),
        (Window((6, 6), (3, 3), padding=((2, 2), (2, 2))), True),
        (Window((6, 6), (3, 3), padding=((3, 0), (0, 0))), False),  # would crop dy
        (Window((6, 6), (3, 3), stride=(2, 1)), False),
        (Window((6, 6), (1, 1), padding=((0, 1), (0, 0))), False),
        (Window((6, 6), (2, 3), dilation=(3, 2)), True),
    ],
)
def test_when_the_input_gradient_is_a_convolution(window: Window, gathers: bool) -> None:
    assert (conv.mirrored(window) is not None) == gathers


@given(samples=st.integers(0, 50), budget=st.integers(1, 100_000))
def test_blocks_cover_a_batch_in_order(samples: int, budget: int) -> None:
    window = Window((5, 5), (3, 3))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(conv, "BLOCK_BYTES", budget)
        cut = list(conv.blocks(samples, window, channels=2, itemsize=8))
    covered = [index for block in cut for index in range(block.start, block.stop)]
    assert covered == list(range(samples))
    sample_bytes = 9 * 9 * 2 * 8  # 9 windows of 9 taps, 2 channels, 8 bytes
    for block in cut:
        assert block.stop - block.start == 1 or (block.stop - block.start) * sample_bytes <= budget


@pytest.mark.parametrize("budget", [1, 1000, 3000, 10**9])
def test_results_do_not_depend_on_the_block_size(
    budget: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    window = Window((6, 5), (3, 2), (2, 1), padding=((1, 0), (0, 1)))
    x, weight = normal(1, 7, 6, 5, 3), normal(2, 3, 2, 3, 4)
    dy = normal(3, 7, *window.out, 4)

    def results() -> list[Array]:
        return [
            conv.forward(x, weight, window),
            conv.weight_gradient(x, dy, window),
            conv.input_gradient(dy, weight, window),
        ]

    whole = results()
    monkeypatch.setattr(conv, "BLOCK_BYTES", budget)
    for a, b in zip(results(), whole):
        close(a, b, 1e-13)


@pytest.mark.parametrize("channels", [1, 3])
def test_an_image_that_is_not_contiguous(channels: int) -> None:
    window = Window((4, 5), (2, 3))
    x = normal(1, channels, 5, 2, 4).transpose(2, 3, 1, 0)  # (N, H, W, C) seen through a transpose
    weight = normal(2, 2, 3, channels, 2)
    close(conv.forward(x, weight, window), reference.conv_forward(x, weight))
    np.testing.assert_array_equal(
        conv.im2col(x, window), conv.im2col(np.ascontiguousarray(x), window)
    )


def test_patches_are_a_read_only_view() -> None:
    x = normal(1, 2, 5, 5, 3)
    view = conv.patches(x, Window((5, 5), (3, 3)))
    assert np.shares_memory(view, x)
    with pytest.raises(ValueError, match="read-only"):
        view[0] = 0


def test_nan_reaches_the_windows_that_see_it_and_no_others() -> None:
    x = np.ones((1, 4, 4, 1))
    x[0, 0, 0, 0] = np.nan
    y = conv.forward(x, np.ones((2, 2, 1, 1)), Window((4, 4), (2, 2)))
    assert np.isnan(y[0, 0, 0, 0])
    assert np.isnan(y).sum() == 1
