"""The contract table: every exported Module, in rows of options and awkward shapes.

``test_contract.py`` runs each row through the same tests. A new module needs a row here, and
nothing else to be tested for everything that a module promises.
"""

from __future__ import annotations

from typing import NamedTuple

import minidl as dl
from minidl.initializers import GlorotNormal
from minidl.types import Shape


class Row(NamedTuple):
    """A module, the shapes of one sample of each of its inputs, and how many samples to run."""

    name: str
    module: dl.Module
    shapes: tuple[Shape, ...]
    batch: int = 3


def _shared() -> dl.Graph:
    """One convolution used at two sizes of image."""
    graph = dl.Graph()
    graph.add("first", dl.Conv2d(3, 3, padding=1))
    graph.add("small", dl.AvgPool2d(2))
    graph.add("second", dl.Conv2d(3, 3, padding=1), share="first")
    return graph


def _shared_norm() -> dl.Graph:
    """One batch norm used twice: the second continues the running averages of the first."""
    graph = dl.Graph()
    graph.add("one", dl.BatchNorm(), "input")
    graph.add("curve", dl.Tanh())
    graph.add("two", dl.BatchNorm(), share="one")
    return graph


def _siamese() -> dl.Graph:
    """Two inputs through one tower, which is a nested graph."""
    tower = dl.Sequential([dl.Conv2d(2, 2), dl.ReLU(), dl.Flatten(), dl.Dense(3)])
    graph = dl.Graph(inputs=("left", "right"))
    graph.add("tower", tower, "left")
    graph.add("twin", tower, "right", share="tower")
    graph.add("both", dl.Concatenate(), "tower", "twin")
    return graph


def _fan_out() -> dl.Graph:
    """A value that three nodes read, one of them twice."""
    graph = dl.Graph()
    graph.add("stem", dl.Conv2d(2, 3, padding="same"))
    graph.add("curve", dl.Tanh(), "stem")
    graph.add("twice", dl.Add(), "stem", "stem")
    graph.add("all", dl.Concatenate(), "curve", "twice", "stem", "input")
    return graph


def _deep() -> dl.Graph:
    """A graph in a graph in a graph."""
    inner = dl.Sequential([dl.Dense(4), dl.Tanh()])
    return dl.Sequential([dl.Flatten(), dl.Sequential([inner, dl.Dense(3)]), dl.Sigmoid()])


def _convolutions() -> list[Row]:
    conv = dl.Conv2d
    return [
        Row("conv", conv(4, 3), ((7, 5, 3),)),
        Row("conv of one pixel, channel and sample", conv(1, 1), ((1, 1, 1),), batch=1),
        Row("conv as large as its image", conv(2, (4, 3)), ((4, 3, 2),), batch=1),
        Row("conv same", conv(3, 5, padding="same"), ((6, 7, 1),)),
        Row("conv same, even kernel", conv(2, (2, 4), padding="same"), ((5, 5, 2),)),
        Row("conv same, strided", conv(2, 3, stride=2, padding="same"), ((7, 6, 2),)),
        Row("conv strides that leave a rest", conv(3, 3, stride=(2, 3)), ((8, 10, 2),)),
        Row("conv stride beyond its kernel", conv(2, 1, stride=3), ((8, 7, 2),)),
        Row("conv dilated", conv(2, 3, dilation=(2, 3)), ((9, 8, 2),)),
        Row("conv asymmetric padding", conv(2, 3, padding=((0, 2), (1, 0))), ((5, 4, 3),)),
        Row("conv padding wider than its kernel", conv(2, 2, padding=3), ((3, 4, 2),)),
        Row(
            "conv everything",
            conv(3, (3, 2), stride=(2, 1), padding=(1, 2), dilation=(1, 2)),
            ((6, 5, 2),),
            batch=2,
        ),
        Row("conv no bias", conv(2, 3, bias=False, weight_init=GlorotNormal()), ((4, 4, 2),)),
    ]


def _pools() -> list[Row]:
    return [
        Row("max pool", dl.MaxPool2d(2), ((6, 4, 3),)),
        Row("max pool that leaves a rest", dl.MaxPool2d(2), ((7, 5, 2),)),
        Row("max pool overlapping", dl.MaxPool2d(3, 2, padding="same"), ((6, 7, 2),)),
        Row("max pool with gaps", dl.MaxPool2d((1, 2), (2, 3), ((0, 0), (1, 0))), ((5, 6, 1),)),
        Row("max pool of one pixel", dl.MaxPool2d(1), ((1, 1, 1),), batch=1),
        Row("average pool", dl.AvgPool2d(2), ((6, 4, 3),)),
        Row("average pool that leaves a rest", dl.AvgPool2d((3, 2)), ((7, 5, 2),)),
        Row("average pool overlapping", dl.AvgPool2d(3, 1, padding=((1, 0), (2, 1))), ((4, 4, 2),)),
        Row("average pool of one pixel", dl.AvgPool2d(1), ((1, 1, 1),), batch=1),
        Row("global pool", dl.GlobalAvgPool2d(), ((5, 3, 4),)),
        Row("global pool of one pixel", dl.GlobalAvgPool2d(), ((1, 1, 2),), batch=1),
    ]


def _others() -> list[Row]:
    return [
        Row("flatten", dl.Flatten(), ((3, 5, 2),)),
        Row("flatten a vector", dl.Flatten(), ((4,),), batch=1),
        Row("dense", dl.Dense(4), ((7,),)),
        Row("dense of one", dl.Dense(1), ((1,),), batch=1),
        Row("dense no bias", dl.Dense(3, bias=False, weight_init=GlorotNormal()), ((5,),)),
        Row("relu", dl.ReLU(), ((5, 3, 2),)),
        Row("sigmoid", dl.Sigmoid(), ((7,),)),
        Row("tanh", dl.Tanh(), ((3, 1, 4),)),
        Row("dropout", dl.Dropout(0.4), ((5, 3, 3),), batch=5),
        Row("dropout of nothing", dl.Dropout(0.0), ((7,),)),
        Row("batch norm of images", dl.BatchNorm(), ((3, 5, 2),)),
        Row("batch norm of vectors", dl.BatchNorm(momentum=0.3, epsilon=1e-3), ((3,),), batch=7),
        Row("batch norm of one sample", dl.BatchNorm(), ((3, 2, 2),), batch=1),
        Row("normalize", dl.Normalize(0.13, 0.31), ((4, 3, 1),)),
        Row("normalize by channel", dl.Normalize((0.1, 0.2), (1.5, 2.0)), ((3, 3, 2),)),
        Row("add", dl.Add(), ((3, 2), (3, 2))),
        Row("add three", dl.Add(), ((4, 3, 1),) * 3, batch=1),
        Row("concatenate", dl.Concatenate(), ((3, 2, 1), (3, 2, 4))),
        Row("concatenate three vectors", dl.Concatenate(), ((3,), (1,), (2,))),
    ]


def _graphs() -> list[Row]:
    conv = dl.Conv2d(2, 3, padding="same")
    chain = [dl.Conv2d(2, 3), dl.BatchNorm(), dl.ReLU(), dl.Dropout(0.3), dl.Flatten()]
    return [
        Row("graph that shares a convolution", _shared(), ((6, 5, 3),)),
        Row("graph that shares a batch norm", _shared_norm(), ((3, 2, 2),)),
        Row("graph of two inputs and one tower", _siamese(), ((4, 4, 1), (4, 4, 1))),
        Row("graph that fans out", _fan_out(), ((4, 3, 2),)),
        Row("graph three deep", _deep(), ((3, 2, 1),)),
        Row("sequential", dl.Sequential([*chain, dl.Dense(3)]), ((5, 6, 2),), batch=4),
        Row("sequential of samples alone", dl.Sequential([conv, dl.Dropout(0.3)]), ((3, 3, 1),)),
        Row("residual", dl.residual(conv, dl.ReLU(), conv), ((5, 4, 2),)),
        Row("residual with a skip", dl.residual(conv, skip=dl.Conv2d(2, 1)), ((4, 4, 3),)),
        Row("residual with all", dl.residual(conv, dl.BatchNorm(), dl.Dropout()), ((3, 3, 2),)),
    ]


ROWS = [*_convolutions(), *_pools(), *_others(), *_graphs()]
