"""The geometry of windows: sizes by hand and by counting, and the numbers that are refused."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from drawn import geometry, windows
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import out_size

import minidl as dl
from minidl.shapes import Padding, Window, output_size, pair, window


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "dilation", "padding", "expected"),
    [
        (28, 5, 1, 1, (0, 0), 24),
        (28, 5, 1, 1, (2, 2), 28),
        (7, 3, 2, 1, (0, 0), 3),
        (8, 3, 2, 1, (0, 0), 3),  # the last column is left out
        (8, 3, 2, 1, (0, 1), 4),
        (7, 3, 1, 3, (0, 0), 1),
        (6, 3, 1, 3, (0, 0), 0),
        (1, 9, 2, 1, (0, 0), 0),
    ],
)
def test_output_size(
    size: int, kernel: int, stride: int, dilation: int, padding: tuple[int, int], expected: int
) -> None:
    assert output_size(size, kernel, stride, dilation, padding) == expected


@settings(max_examples=100, deadline=None)
@given(
    size=st.integers(1, 12),
    kernel=st.integers(1, 5),
    stride=st.integers(1, 4),
    dilation=st.integers(1, 3),
)
def test_same_padding_keeps_the_size_over_the_stride(
    size: int, kernel: int, stride: int, dilation: int
) -> None:
    """As few zeros as give ceil(size / stride), the odd one after."""
    found = window((size, 1, 1), (kernel, 1), (stride, 1), (dilation, 1), "same")
    before, after = found.padding[0]
    assert found.out == (-(-size // stride), 1)
    assert after - before in (0, 1)
    if after:
        assert output_size(size, kernel, stride, dilation, (before, after - 1)) < found.out[0]


@pytest.mark.parametrize(
    ("padding", "expected"),
    [
        ("valid", ((0, 0), (0, 0))),
        ("same", ((1, 1), (2, 2))),
        ("full", ((2, 2), (4, 4))),
        (1, ((1, 1), (1, 1))),
        ((2, 0), ((2, 2), (0, 0))),
        (((0, 1), (2, 3)), ((0, 1), (2, 3))),
    ],
)
def test_every_way_to_write_padding(padding: Padding, expected: object) -> None:
    assert window((6, 6, 1), (3, 5), (1, 1), (1, 1), padding).padding == expected


@settings(max_examples=60, deadline=None)
@given(found=windows())
def test_taps_lie_inside_the_padded_image(found: Window) -> None:
    assert found.out == out_size(found.size, found.kernel, geometry(found))
    taps = list(found.taps())
    assert len(taps) == found.area
    for _, _, *slices in taps:
        for along, count, padded in zip(slices, found.out, found.padded):
            places = range(along.start, along.stop, along.step)
            assert len(places) == count
            assert 0 <= places[0] <= places[-1] < padded


@settings(max_examples=100, deadline=None)
@given(found=windows(pooling=True), axis=st.sampled_from([0, 1]), stride=st.integers(1, 4))
def test_ceil_takes_every_window_that_begins_before_the_end(
    found: Window, axis: int, stride: int
) -> None:
    found = found.replace(stride=(stride, stride))
    whole = window(
        (*found.size, 1), found.kernel, found.stride, found.dilation, found.padding, ceil=True
    )
    (before, after), size = found.padding[axis], found.size[axis]
    reach = found.dilation[axis] * (found.kernel[axis] - 1) + 1
    last = size + before + after - reach  # where a window may stand that fits
    starts = [at for at in range(0, size + before, stride) if at <= last or at - stride < last]
    assert whole.out[axis] == len(starts)


def test_a_pair_is_rows_and_columns() -> None:
    assert pair(3, "size") == (3, 3)
    assert dl.Conv2d(1, (2, 5)).output_shape((6, 6, 1)) == (5, 2, 1)


MISTAKES: list[tuple[Callable[[], object], str]] = [
    (
        lambda: dl.Conv2d(1, 0),
        "kernel_size should be a whole number of at least 1, or a pair of them (rows, columns),"
        " got 0",
    ),
    (lambda: dl.Conv2d(1, 3, stride=0), "stride should be a whole number of at least 1"),
    (lambda: dl.Conv2d(1, 3, dilation=(1, 0)), "dilation should be a whole number of at least 1"),
    (lambda: dl.Conv2d(1, 2.5), "kernel_size should be a whole number of at least 1"),  # type: ignore[arg-type]
    (lambda: dl.Conv2d(1, True), "kernel_size should be a whole number of at least 1"),
    (lambda: dl.MaxPool2d((2, 2, 2)), "kernel_size should be a whole number of at least 1"),  # type: ignore[arg-type]
    (lambda: dl.MaxPool2d(2, stride=-1), "stride should be a whole number of at least 1"),
    (
        lambda: dl.Conv2d(1, 3, padding="reflect"),
        "padding should be 'valid', 'same', 'full' or numbers, got 'reflect'",
    ),
    (
        lambda: dl.Conv2d(1, 3, padding=-1),
        "padding should be a whole number of at least 0, or a pair of them (rows, columns), got -1",
    ),
    (
        lambda: dl.Conv2d(1, 3, padding=((1, 1), (0, -1))),
        "padding (columns) should be a whole number of at least 0",
    ),
    (
        lambda: dl.Conv2d(1, 3, padding=((1, 2), (3, 4), (5, 6))),  # type: ignore[arg-type]
        "padding should be a number, a pair or a pair of pairs, got ((1, 2), (3, 4), (5, 6))",
    ),
]


@pytest.mark.parametrize(("make", "message"), MISTAKES)
def test_numbers_that_are_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        make()
