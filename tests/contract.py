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
        Row("conv full", conv(2, (3, 2), padding="full"), ((3, 4, 2),)),
        Row("conv full, dilated", conv(2, 2, padding="full", dilation=2), ((2, 3, 1),)),
        Row("conv in groups", conv(6, 3, groups=2), ((5, 4, 4),)),
        Row(
            "conv in groups, everything",
            conv(3, (2, 3), stride=(2, 1), padding=((1, 0), (2, 1)), dilation=(1, 2), groups=3),
            ((6, 5, 6),),
        ),
        Row("conv depthwise", conv(3, 3, padding=1, groups=3), ((5, 4, 3),)),
        Row("conv depthwise, strided", conv(2, (3, 2), stride=2, groups=2), ((6, 5, 2),), batch=1),
        Row("conv depthwise of one pixel", conv(2, 1, groups=2, bias=False), ((1, 1, 2),)),
        Row("conv depthwise, two filters a channel", conv(4, 3, groups=2), ((4, 5, 2),)),
    ]


def _sequences() -> list[Row]:
    conv = dl.Conv1d
    return [
        Row("conv of sequences", conv(4, 3), ((7, 3),)),
        Row("conv of sequences, one of each", conv(1, 1), ((1, 1),), batch=1),
        Row("conv of sequences, padded before", conv(2, 2, padding=(1, 0)), ((6, 2),)),
        Row("conv of sequences, same", conv(3, 4, stride=2, padding="same"), ((7, 2),)),
        Row("conv of sequences, in groups", conv(4, 2, dilation=3, groups=2), ((9, 4),)),
        Row("conv of sequences, depthwise", conv(3, 3, padding="full", groups=3), ((2, 3),)),
    ]


def _transposed() -> list[Row]:
    turned = dl.ConvTranspose2d
    return [
        Row("transposed conv", turned(4, 3), ((4, 3, 2),)),
        Row("transposed conv of one pixel", turned(1, 1), ((1, 1, 1),), batch=1),
        Row("transposed conv, strided", turned(2, (4, 3), stride=2, padding=1), ((3, 4, 3),)),
        Row("transposed conv, same", turned(2, 3, stride=(2, 3), padding="same"), ((3, 2, 2),)),
        Row("transposed conv, full", turned(2, 2, padding="full"), ((4, 5, 2),)),
        Row("transposed conv with gaps", turned(2, 2, stride=3, bias=False), ((3, 2, 2),)),
        Row(
            "transposed conv, everything",
            turned(
                6,
                (3, 2),
                stride=(2, 3),
                padding=((1, 0), (0, 2)),
                dilation=(1, 2),
                groups=2,
                output_padding=(1, 2),
            ),
            ((4, 3, 4),),
        ),
        Row("transposed conv, depthwise", turned(3, 3, stride=2, groups=3), ((3, 2, 3),)),
        Row("transposed conv of sequences", dl.ConvTranspose1d(2, 4, stride=2), ((5, 3),)),
        Row(
            "transposed conv of sequences, in groups",
            dl.ConvTranspose1d(4, 3, stride=3, padding=(1, 0), groups=2, output_padding=1),
            ((4, 2),),
        ),
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
        *_more_pools(),
    ]


def _more_pools() -> list[Row]:
    ceil = dl.MaxPool2d((3, 2), 2, padding=((1, 0), (0, 1)), dilation=(1, 2), ceil_mode=True)
    inside = dl.AvgPool2d(3, 2, padding=1, ceil_mode=True, count_include_pad=False)
    return [
        Row("max pool of every option", ceil, ((6, 7, 2),)),
        Row("max pool dilated", dl.MaxPool2d(2, 1, dilation=2), ((5, 4, 1),)),
        Row("max pool of a sequence", dl.MaxPool1d(3, 2, padding=1, ceil_mode=True), ((8, 2),)),
        Row("max pool of pairs", dl.MaxPool1d(2, dilation=3), ((11, 3),), batch=1),
        Row("average pool of every option", inside, ((6, 5, 2),)),
        Row("average pool beyond the padding", dl.AvgPool2d(2, 3, 1, ceil_mode=True), ((5, 3, 1),)),
        Row("average pool of a sequence", dl.AvgPool1d(4, 3, padding=(1, 2)), ((7, 3),)),
        Row("average pool of one number", dl.AvgPool1d(1), ((1, 1),), batch=1),
        Row("global pool of a sequence", dl.GlobalAvgPool1d(), ((7, 3),)),
        Row("global max pool", dl.GlobalMaxPool2d(), ((5, 3, 4),)),
        Row("global max pool of one pixel", dl.GlobalMaxPool2d(), ((1, 1, 2),), batch=1),
        Row("global max pool of a sequence", dl.GlobalMaxPool1d(), ((6, 1),)),
        Row("adaptive average pool", dl.AdaptiveAvgPool2d((3, 2)), ((7, 6, 2),)),
        Row("adaptive average pool of one pixel", dl.AdaptiveAvgPool2d(2), ((1, 1, 1),), batch=1),
        Row("adaptive average pool to one", dl.AdaptiveAvgPool2d(1), ((3, 5, 2),)),
        Row("adaptive average pool of a sequence", dl.AdaptiveAvgPool1d(4), ((6, 3),)),
        Row("adaptive max pool", dl.AdaptiveMaxPool2d((4, 3)), ((6, 5, 2),)),
        Row("adaptive max pool to one", dl.AdaptiveMaxPool2d(1), ((3, 2, 1),), batch=1),
        Row("adaptive max pool of a sequence", dl.AdaptiveMaxPool1d(5), ((3, 2),)),
    ]


def _others() -> list[Row]:
    return [
        Row("dense", dl.Dense(4), ((7,),)),
        Row("dense of one", dl.Dense(1), ((1,),), batch=1),
        Row("dense no bias", dl.Dense(3, bias=False, weight_init=GlorotNormal()), ((5,),)),
    ]


def _norms() -> list[Row]:
    plain = dl.BatchNorm(affine=False)
    return [
        Row("batch norm of images", dl.BatchNorm(), ((3, 5, 2),)),
        Row("batch norm of sequences", dl.BatchNorm(), ((7, 3),)),
        Row("batch norm of vectors", dl.BatchNorm(momentum=0.3, epsilon=1e-3), ((3,),), batch=7),
        Row("batch norm of one sample", dl.BatchNorm(), ((3, 2, 2),), batch=1),
        Row("batch norm alone", plain, ((3, 5, 2),)),
        Row("layer norm of channels", dl.LayerNorm(), ((3, 5, 7),)),
        Row("layer norm of sequences", dl.LayerNorm(epsilon=1e-2), ((5, 3),)),
        Row("layer norm of vectors", dl.LayerNorm(), ((7,),), batch=1),
        Row("layer norm of rows", dl.LayerNorm(2), ((3, 5, 2),)),
        Row("layer norm of samples", dl.LayerNorm(None), ((3, 5, 2),)),
        Row("layer norm alone", dl.LayerNorm(affine=False), ((3, 1, 5),)),
        Row("layer norm of one number", dl.LayerNorm(), ((3, 2, 1),)),
        Row("group norm", dl.GroupNorm(2), ((3, 5, 6),)),
        Row("group norm of sequences", dl.GroupNorm(3, affine=False), ((7, 3),), batch=2),
        Row("group norm of vectors", dl.GroupNorm(2), ((6,),)),
        Row("group norm of one pixel and group", dl.GroupNorm(1), ((1, 1, 3),), batch=1),
        Row("instance norm", dl.InstanceNorm(), ((3, 5, 2),)),
        Row("instance norm of sequences", dl.InstanceNorm(affine=True), ((7, 3),), batch=1),
        Row("instance norm of one pixel", dl.InstanceNorm(affine=True), ((1, 1, 2),)),
        Row("normalize", dl.Normalize(0.13, 0.31), ((4, 3, 1),)),
        Row("normalize by channel", dl.Normalize((0.1, 0.2), (1.5, 2.0)), ((3, 3, 2),)),
    ]


def _shapes() -> list[Row]:
    return [
        Row("flatten", dl.Flatten(), ((3, 5, 2),)),
        Row("flatten a vector", dl.Flatten(), ((4,),), batch=1),
        Row("reshape", dl.Reshape((2, 3, 5)), ((5, 3, 2),)),
        Row("reshape what fits", dl.Reshape((3, -1)), ((12,),), batch=1),
        Row("pad", dl.Pad(((1, 0), (2, 3)), value=-1.5), ((3, 5, 2),)),
        Row("pad sequences", dl.Pad((2, 1)), ((5, 3),)),
        Row("pad by the edge", dl.Pad((2, 3), "edge"), ((3, 1, 2),)),
        Row("pad one pixel by the edge", dl.Pad(2, "edge"), ((1, 1, 1),), batch=1),
        Row("pad sequences by the edge", dl.Pad((0, 3), "edge"), ((2, 3),)),
        Row("pad by reflection", dl.Pad(((2, 1), (0, 4)), "reflect"), ((3, 5, 2),)),
        Row("pad sequences by reflection", dl.Pad((3, 3), "reflect"), ((4, 1),), batch=1),
        Row("pad by nothing", dl.Pad(0, "reflect"), ((1, 2, 1),)),
        Row("upsample", dl.Upsample((2, 3)), ((3, 5, 2),)),
        Row("upsample sequences", dl.Upsample(3), ((5, 1),), batch=1),
        Row("upsample by lines", dl.Upsample((2, 3), "bilinear"), ((3, 5, 2),)),
        Row("upsample one pixel by lines", dl.Upsample(4, "bilinear"), ((1, 1, 1),), batch=1),
        Row("upsample sequences by lines", dl.Upsample(2, "bilinear"), ((5, 3),)),
        Row("upsample by nothing", dl.Upsample(1, "bilinear"), ((3, 1, 2),)),
    ]


def _merges() -> list[Row]:
    return [
        Row("add", dl.Add(), ((3, 2), (3, 2))),
        Row("add three", dl.Add(), ((4, 3, 1),) * 3, batch=1),
        Row("multiply", dl.Multiply(), ((3, 5, 2), (3, 5, 2))),
        Row("multiply three vectors", dl.Multiply(), ((5,),) * 3, batch=1),
        Row("multiply by a gate of channels", dl.Multiply(), ((3, 5, 2), (1, 1, 2))),
        Row("multiply by a gate of pixels", dl.Multiply(), ((3, 5, 1), (3, 5, 4))),
        Row("multiply rows and columns", dl.Multiply(), ((3, 1, 2), (1, 5, 1), (1, 1, 1))),
        Row("concatenate", dl.Concatenate(), ((3, 2, 1), (3, 2, 4))),
        Row("concatenate three vectors", dl.Concatenate(), ((3,), (1,), (2,))),
    ]


def _activations() -> list[Row]:
    return [
        Row("relu", dl.ReLU(), ((5, 3, 2),)),
        Row("leaky relu", dl.LeakyReLU(), ((7, 3),)),
        Row("leaky relu, steep", dl.LeakyReLU(slope=1.5), ((1, 1, 1),), batch=1),
        Row("prelu", dl.PReLU(), ((5, 3, 2),)),
        Row("prelu of vectors", dl.PReLU(), ((3,),), batch=1),
        Row("prelu of one weight", dl.PReLU(shared=True), ((5, 3),)),
        Row("elu", dl.ELU(), ((5, 3, 2),)),
        Row("elu, another alpha", dl.ELU(alpha=0.3), ((7,),)),
        Row("selu", dl.SELU(), ((3, 5, 1),)),
        Row("gelu", dl.GELU(), ((5, 3, 2),)),
        Row("gelu by tanh", dl.GELU(approximate="tanh"), ((7,),)),
        Row("silu", dl.SiLU(), ((5, 3),)),
        Row("mish", dl.Mish(), ((3, 1, 4),)),
        Row("softplus", dl.Softplus(), ((7,),)),
        Row("softsign", dl.Softsign(), ((3, 5, 1),)),
        Row("sigmoid", dl.Sigmoid(), ((7,),)),
        Row("hard sigmoid", dl.HardSigmoid(), ((5, 3, 2),)),
        Row("hard swish", dl.HardSwish(), ((5, 3, 2),)),
        Row("tanh", dl.Tanh(), ((3, 1, 4),)),
        Row("softmax", dl.Softmax(), ((5, 3, 2),)),
        Row("softmax of one channel", dl.Softmax(), ((1, 1, 1),), batch=1),
        Row("softmax of many", dl.Softmax(), ((65,),)),
        Row("log softmax", dl.LogSoftmax(), ((3, 7),)),
        Row("log softmax of vectors", dl.LogSoftmax(), ((5,),), batch=1),
    ]


def _regularization() -> list[Row]:
    return [
        Row("dropout", dl.Dropout(0.4), ((5, 3, 3),), batch=5),
        Row("dropout of nothing", dl.Dropout(0.0), ((7,),)),
        Row("dropout of channels", dl.Dropout2d(0.4), ((5, 3, 3),), batch=5),
        Row("dropout of channels of sequences", dl.Dropout2d(0.4), ((7, 3),)),
        Row("dropout of channels of one pixel", dl.Dropout2d(0.4), ((5,),), batch=1),
        Row("drop path", dl.DropPath(0.4), ((5, 3, 3),), batch=7),
        Row("drop path of vectors", dl.DropPath(0.4), ((3,),), batch=5),
        Row("noise", dl.GaussianNoise(0.5), ((5, 3, 3),)),
        Row("noise on one number", dl.GaussianNoise(0.5), ((1,),), batch=1),
        Row("noise of nothing", dl.GaussianNoise(0.0), ((3, 1, 2),)),
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
        Row("residual by chance", dl.residual(conv, dl.DropPath(0.4)), ((3, 5, 2),), batch=5),
        Row("residual with all", dl.residual(conv, dl.BatchNorm(), dl.Dropout()), ((3, 3, 2),)),
    ]


ROWS = [
    *_convolutions(),
    *_sequences(),
    *_transposed(),
    *_pools(),
    *_others(),
    *_norms(),
    *_shapes(),
    *_merges(),
    *_activations(),
    *_regularization(),
    *_graphs(),
]
