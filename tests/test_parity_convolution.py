"""Convolutions are PyTorch's, values and gradients, in float64."""

from __future__ import annotations

from typing import Any

import pytest
from drawn import normal, windows
from hypothesis import given, settings
from hypothesis import strategies as st
from parity import F, agree, filters_first, first, last, torch

import minidl as dl
from minidl.shapes import ShapeError, Window

FEW = st.integers(1, 3)
DRAWN = settings(max_examples=150, deadline=None)


def padded(x: Any, window: Window) -> Any:
    (top, bottom), (left, right) = window.padding
    return F.pad(first(x), (left, right, top, bottom))


@DRAWN
@given(window=windows(), groups=FEW, depth=FEW, each=FEW, bias=st.booleans(), batch=FEW)
def test_conv2d(window: Window, groups: int, depth: int, each: int, bias: bool, batch: int) -> None:
    options = {"stride": window.stride, "dilation": window.dilation, "groups": groups}

    def twin(x: Any, weight: Any, bias: Any = None) -> Any:
        return last(F.conv2d(padded(x, window), filters_first(weight), bias, **options))

    module = dl.Conv2d(
        groups * each,
        window.kernel,
        padding=window.padding,
        bias=bias,
        **options,  # type: ignore[arg-type]
    )
    agree(module, twin, (*window.size, groups * depth), batch=batch)


@DRAWN
@given(window=windows(kernel=5), groups=FEW, depth=FEW, each=FEW, bias=st.booleans())
def test_conv1d(window: Window, groups: int, depth: int, each: int, bias: bool) -> None:
    (_, length), pads = window.size, window.padding[1]
    options = {"stride": window.stride[1], "dilation": window.dilation[1], "groups": groups}

    def twin(x: Any, weight: Any, bias: Any = None) -> Any:
        line = F.pad(x.permute(0, 2, 1), pads)
        return F.conv1d(line, weight.permute(2, 1, 0).contiguous(), bias, **options).permute(
            0, 2, 1
        )

    module = dl.Conv1d(
        groups * each,
        window.kernel[1],
        padding=pads,
        bias=bias,
        **options,  # type: ignore[arg-type]
    )
    agree(module, twin, (length, groups * depth))


@DRAWN
@given(
    size=st.tuples(FEW, FEW),
    kernel=st.tuples(FEW, FEW),
    stride=st.tuples(FEW, FEW),
    dilation=st.tuples(FEW, FEW),
    padding=st.tuples(st.integers(0, 2), st.integers(0, 2)),
    groups=FEW,
    depth=FEW,
    each=FEW,
    data=st.data(),
)
def test_conv_transpose2d(
    size: tuple[int, int],
    kernel: tuple[int, int],
    stride: tuple[int, int],
    dilation: tuple[int, int],
    padding: tuple[int, int],
    groups: int,
    depth: int,
    each: int,
    data: st.DataObject,
) -> None:
    extra = tuple(data.draw(st.integers(0, step - 1)) for step in stride)
    options: dict[str, Any] = {"stride": stride, "dilation": dilation, "groups": groups}
    options |= {"padding": padding, "output_padding": extra}

    def twin(x: Any, weight: Any, bias: Any) -> Any:
        kernels = weight.permute(3, 2, 0, 1).contiguous()  # (C, F / groups, kh, kw)
        return last(F.conv_transpose2d(first(x), kernels, bias, **options))

    module = dl.ConvTranspose2d(groups * each, kernel, **options)
    try:
        module.output_shape((*size, groups * depth))
    except ShapeError:
        x, weight = normal(1, 1, *size, groups * depth), normal(2, *kernel, each, groups * depth)
        with pytest.raises(RuntimeError, match="Output size is too small"):
            twin(torch.tensor(x), torch.tensor(weight), None)
        return
    agree(module, twin, (*size, groups * depth))


@settings(max_examples=100, deadline=None)
@given(
    length=st.integers(1, 5),
    kernel=st.integers(1, 4),
    stride=FEW,
    dilation=FEW,
    groups=FEW,
    depth=FEW,
    data=st.data(),
)
def test_conv_transpose1d(
    length: int,
    kernel: int,
    stride: int,
    dilation: int,
    groups: int,
    depth: int,
    data: st.DataObject,
) -> None:
    reach = dilation * (kernel - 1)
    options: dict[str, Any] = {"stride": stride, "dilation": dilation, "groups": groups}
    options |= {"output_padding": data.draw(st.integers(0, stride - 1))}
    options |= {"padding": data.draw(st.integers(0, reach // 2))}

    def twin(x: Any, weight: Any, bias: Any) -> Any:
        kernels = weight.permute(2, 1, 0).contiguous()  # (C, F / groups, k)
        return F.conv_transpose1d(x.permute(0, 2, 1), kernels, bias, **options).permute(0, 2, 1)

    agree(dl.ConvTranspose1d(groups * 2, kernel, **options), twin, (length, groups * depth))


@settings(max_examples=50, deadline=None)
@given(kernel=st.integers(1, 5), dilation=st.integers(1, 2), size=st.integers(5, 9))
def test_same_padding_is_pytorchs_at_stride_1(kernel: int, dilation: int, size: int) -> None:
    def twin(x: Any, weight: Any, bias: Any) -> Any:
        span = dilation * (kernel - 1)
        pads = (span // 2, span - span // 2) * 2
        kernels = filters_first(weight)
        y = F.conv2d(F.pad(first(x), pads), kernels, bias, dilation=dilation)
        if kernel % 2:  # for even ones PyTorch warns that it pads by hand
            y = F.conv2d(first(x), kernels, bias, padding="same", dilation=dilation)
        return last(y)

    agree(dl.Conv2d(2, kernel, padding="same", dilation=dilation), twin, (size, size, 2))
