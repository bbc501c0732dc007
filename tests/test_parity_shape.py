"""Shape and merge layers are PyTorch's, in float64: values and all gradients."""

from __future__ import annotations

from functools import reduce
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from parity import F, Twin, agree, torch

import minidl as dl
from minidl.types import Shape

SIZES = st.integers(1, 5)
MODES = {"constant": "constant", "reflect": "reflect", "edge": "replicate"}


@settings(max_examples=150, deadline=None)
@given(data=st.data(), mode=st.sampled_from(list(MODES)), axes=st.integers(1, 2))
def test_pad(data: st.DataObject, mode: str, axes: int) -> None:
    """Sequences and images, each side of each axis by itself."""
    sizes = [data.draw(SIZES) for _ in range(axes)]
    most = [size - 1 if mode == "reflect" else 4 for size in sizes]
    pads = [(data.draw(st.integers(0, m)), data.draw(st.integers(0, m))) for m in most]
    value = data.draw(st.floats(-9, 9)) if mode == "constant" else 0.0
    backwards = [number for pair in reversed(pads) for number in pair]  # the last axis first

    def twin(x: Any) -> Any:
        y = F.pad(x.movedim(-1, 1), backwards, MODES[mode], value or None)
        return y.movedim(1, -1)

    padding: Any = tuple(pads) if axes == 2 else pads[0]
    agree(dl.Pad(padding, mode, value), twin, (*sizes, data.draw(SIZES)))


@settings(max_examples=150, deadline=None)
@given(
    sizes=st.lists(SIZES, min_size=1, max_size=2),
    scales=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    channels=st.integers(1, 3),
    nearest=st.booleans(),
)
def test_upsample(sizes: list[int], scales: tuple[int, int], channels: int, nearest: bool) -> None:
    there = "nearest" if nearest else ["linear", "bilinear"][len(sizes) - 1]

    def twin(x: Any) -> Any:
        scale = scales[: len(sizes)]
        return F.interpolate(x.movedim(-1, 1), scale_factor=scale, mode=there).movedim(1, -1)

    module = dl.Upsample(
        scales if len(sizes) == 2 else scales[0], "nearest" if nearest else "bilinear"
    )
    agree(module, twin, (*sizes, channels))


@settings(max_examples=80, deadline=None)
@given(
    shape=st.lists(SIZES, min_size=1, max_size=3),
    masks=st.lists(st.lists(st.booleans(), min_size=3, max_size=3), min_size=2, max_size=4),
)
def test_multiply(shape: list[int], masks: list[list[bool]]) -> None:
    """From two to four inputs, any axis of each of size 1."""
    shapes = [tuple(1 if one else size for size, one in zip(shape, mask)) for mask in masks]
    agree(dl.Multiply(), lambda *xs: reduce(torch.mul, xs), *shapes)


@settings(max_examples=30, deadline=None)
@given(shape=st.lists(SIZES, min_size=1, max_size=3), count=st.integers(2, 4))
def test_add(shape: list[int], count: int) -> None:
    agree(dl.Add(), lambda *xs: sum(xs), *[tuple(shape)] * count)


@settings(max_examples=30, deadline=None)
@given(
    pixels=st.lists(SIZES, max_size=2), channels=st.lists(st.integers(1, 4), min_size=2, max_size=4)
)
def test_concatenate(pixels: list[int], channels: list[int]) -> None:
    shapes = [(*pixels, count) for count in channels]
    agree(dl.Concatenate(), lambda *xs: torch.cat(xs, dim=-1), *shapes)


@pytest.mark.parametrize(
    ("module", "twin", "shape"),
    [
        (dl.Flatten(), lambda x: x.flatten(1), (3, 2, 2)),
        (dl.Reshape((3, -1)), lambda x: x.reshape(len(x), 3, 4), (2, 2, 3)),
    ],
    ids=["flatten", "reshape"],
)
def test_shapes(module: dl.Module, twin: Twin, shape: Shape) -> None:
    agree(module, twin, shape)


def test_squeeze_and_excitation() -> None:
    """A branch of a graph that says how much each channel of the other counts."""
    gate = dl.Sequential([dl.GlobalAvgPool2d(), dl.Dense(2), dl.ReLU(), dl.Dense(4), dl.Sigmoid()])
    graph = dl.Graph()
    graph.add("gate", gate, "input")
    graph.add("spread", dl.Reshape((1, 1, -1)))
    graph.add("scaled", dl.Multiply(), "input", "spread")

    def twin(x: Any, **params: Any) -> Any:
        first, second = (
            [params[f"gate.dense{k}.{name}"] for name in ("weight", "bias")] for k in (1, 2)
        )
        hidden = torch.relu(x.mean(dim=(1, 2)) @ first[0] + first[1])
        return x * torch.sigmoid(hidden @ second[0] + second[1])[:, None, None]

    agree(graph, twin, (5, 3, 4))
