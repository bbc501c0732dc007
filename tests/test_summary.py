"""The summary table, counted by hand."""

from __future__ import annotations

import pytest

import minidl as dl


def test_a_chain() -> None:
    """6·(5·5·1) + 6 = 156 weights; 2·28·28·25·6 = 235 200 FLOPs; 1176·10 + 10 = 11 770."""
    model = dl.Sequential(
        [
            dl.Conv2d(6, 5, padding="same"),
            dl.ReLU(),
            dl.MaxPool2d(2),
            dl.Flatten(),
            dl.Dense(10),
        ],
        input_shape=(28, 28, 1),
    )
    assert model.summary().splitlines() == [
        "layer     module     output shape  parameters    FLOPs",
        "------------------------------------------------------",
        "input                (28, 28, 1)",
        "conv1     Conv2d     (28, 28, 6)          156  235,200",
        "relu1     ReLU       (28, 28, 6)            0        0",
        "maxpool1  MaxPool2d  (14, 14, 6)            0        0",
        "flatten1  Flatten    (1176,)                0        0",
        "dense1    Dense      (10,)             11,770   23,520",
        "11,926 parameters, 258,720 FLOPs a sample",
    ]


def test_nesting_sharing_and_freezing() -> None:
    """A nested graph's own row sums its parts; shared parameters count once, their FLOPs twice."""
    graph = dl.Graph(input_shape=(3,))
    graph.add("block", dl.residual(dl.Dense(3), dl.BatchNorm()))
    graph.add("again", dl.residual(dl.Dense(3), dl.BatchNorm()), share="block")
    graph.freeze("block.dense1")
    rows = [line.split() for line in graph.summary().splitlines()]
    assert [row for row in rows if row[0] in ("block", "again")] == [
        ["block", "Graph", "(3,)", "18", "18"],
        ["again", "Graph", "(3,)", "=", "block", "18"],
    ]
    assert "  dense1" in graph.summary()
    assert graph.summary().endswith("18 parameters, 12 of them frozen, 36 FLOPs a sample")


def test_two_inputs_have_a_row_each() -> None:
    graph = dl.Graph({"left": (3,), "right": (4,)})
    graph.add("join", dl.Concatenate(), "left", "right")
    lines = graph.summary().splitlines()
    assert [line.split()[0] for line in lines[2:5]] == ["left", "right", "join"]


def test_a_graph_without_shapes_has_no_summary() -> None:
    message = "a graph without input_shape has no shapes to sum up: give it one"
    with pytest.raises(ValueError, match=message):
        dl.Sequential([dl.Dense(2)]).summary()
