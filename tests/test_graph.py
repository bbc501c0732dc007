"""Building graphs: names, shapes, sharing, nesting, and what every mistake is told."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import minidl as dl
from minidl.builders import append
from minidl.types import Array, Shape

IMAGE: Shape = (8, 8, 3)


def lenet() -> dl.Sequential:
    return dl.Sequential(
        [dl.Conv2d(6, 3), dl.ReLU(), dl.MaxPool2d(2), dl.Conv2d(4, 3), dl.Flatten(), dl.Dense(10)],
        input_shape=IMAGE,
    )


def exactly(text: str) -> str:
    return f"^{re.escape(text)}"


# Names


def test_a_sequential_names_by_kind_and_count() -> None:
    model = lenet()
    assert list(model.nodes) == ["conv1", "relu1", "maxpool1", "conv2", "flatten1", "dense1"]
    assert list(model.arrays) == [
        "conv1.weight",
        "conv1.bias",
        "conv2.weight",
        "conv2.bias",
        "dense1.weight",
        "dense1.bias",
    ]


def test_a_sequential_takes_names() -> None:
    model = dl.Sequential({"body": dl.Dense(4), "head": dl.Dense(2)}, input_shape=(3,))
    assert list(model.arrays) == ["body.weight", "body.bias", "head.weight", "head.bias"]


def test_append_skips_names_that_are_taken() -> None:
    graph = dl.Graph(input_shape=(3,))
    graph.add("dense1", dl.Dense(3))
    assert append(graph, dl.Dense(3)) == "dense2"
    assert append(graph, dl.Tanh(), "dense1") == "tanh1"
    assert graph.nodes["tanh1"].reads == ("dense1",)


def test_a_residual_names_its_parts() -> None:
    block = dl.residual(dl.Conv2d(4, 3, padding=1), dl.ReLU(), skip=dl.Conv2d(4, 1))
    assert list(block.nodes) == ["conv1", "relu1", "skip", "add"]
    assert block.nodes["add"].reads == ("relu1", "skip")
    model = dl.Sequential({"block": block}, input_shape=IMAGE)
    assert list(model.arrays) == [
        "block.conv1.weight",
        "block.conv1.bias",
        "block.skip.weight",
        "block.skip.bias",
    ]


def test_a_node_reads_the_one_before_unless_told() -> None:
    graph = dl.Graph(input_shape=(3,))
    assert graph.add("a", dl.Dense(3)) == "a"
    graph.add("b", dl.Tanh())
    graph.add("c", dl.Add(), "b", "input")
    assert [node.reads for node in graph.nodes.values()] == [("input",), ("a",), ("b", "input")]
    assert graph.output == "c"
    assert graph.shapes == {"input": (3,), "a": (3,), "b": (3,), "c": (3,)}


def test_a_graph_shows_its_nodes() -> None:
    assert repr(dl.Sequential([dl.Dense(2)], (3,))) == (
        "Sequential(input_shape=(3,), nodes=['dense1'])"
    )
    assert repr(dl.Sequential([dl.Dense(2)])) == "Sequential(nodes=['dense1'])"


# Mistakes


def add(*nodes: tuple[Any, ...], inputs: Any = IMAGE, **options: Any) -> Callable[[], None]:
    """Return what builds a graph of these nodes; ``options`` go to the last."""

    def build() -> None:
        graph = dl.Graph(inputs)
        for node in nodes[:-1]:
            graph.add(*node)
        graph.add(*nodes[-1], **options)

    return build


SHAPE_MISTAKES = {
    "kernel larger than its input": (
        add(("conv", dl.Conv2d(4, 9))),
        "node 'conv' reads 'input' (8, 8, 3): a window of 9x9 is larger than its input of 8x8 with"
        " padding 'valid': a smaller kernel would fit, or padding='same', or an input of"
        " at least 9x9",
    ),
    "dilated kernel larger than its input": (
        add(("conv", dl.Conv2d(4, (3, 5), dilation=2))),
        "node 'conv' reads 'input' (8, 8, 3): a window of 5x9 is larger than its input of 8x8",
    ),
    "pool larger than its input": (
        add(("small", dl.MaxPool2d(4)), ("pool", dl.AvgPool2d(3))),
        "node 'pool' reads 'small' (2, 2, 3): a window of 3x3 is larger than its input of 2x2",
    ),
    "a pool that sees padding alone": (
        add(("pool", dl.MaxPool2d(2, padding=2))),
        "node 'pool' reads 'input' (8, 8, 3): padding 2 leaves windows of 2x2 that see nothing but"
        " padding: it has to be smaller than the window",
    ),
    "dense on an image": (
        add(("dense", dl.Dense(10))),
        "node 'dense' reads 'input' (8, 8, 3): Dense reads vectors, got shape (8, 8, 3): put a"
        " Flatten() before it",
    ),
    "convolution of a vector": (
        add(("flat", dl.Flatten()), ("conv", dl.Conv2d(4, 3))),
        "node 'conv' reads 'flat' (192,): expected an image (H, W, C), got shape (192,)",
    ),
    "global pool of a vector": (
        add(("pool", dl.GlobalAvgPool2d()), inputs=(5,)),
        "node 'pool' reads 'input' (5,): expected an image (H, W, C), got shape (5,)",
    ),
    "add of unequal shapes": (
        add(("conv", dl.Conv2d(4, 3)), ("join", dl.Add(), "conv", "input")),
        "node 'join' reads 'conv' (6, 6, 4) and 'input' (8, 8, 3): Add takes inputs of one shape,"
        " got (6, 6, 4) and (8, 8, 3): a 1x1 Conv2d can match channels, its stride the size",
    ),
    "concatenate of unequal sizes": (
        add(("conv", dl.Conv2d(4, 3)), ("join", dl.Concatenate(), "conv", "input")),
        "node 'join' reads 'conv' (6, 6, 4) and 'input' (8, 8, 3): Concatenate takes inputs that"
        " differ in channels alone, got (6, 6, 4) and (8, 8, 3)",
    ),
    "normalize of other channels": (
        add(("norm", dl.Normalize((0.1, 0.2)))),
        "node 'norm' reads 'input' (8, 8, 3): Normalize has 2 numbers for the 3 channels of"
        " (8, 8, 3): give one, or one for each",
    ),
    "unknown name": (
        add(("a", dl.ReLU()), ("join", dl.Add(), "a", "nowhere")),
        "node 'join' reads 'nowhere', which does not exist: the names so far are input, a",
    ),
    "itself": (
        add(("loop", dl.ReLU(), "loop")),
        "node 'loop' reads 'loop', which does not exist: the names so far are input",
    ),
    "inside a nested graph": (
        add(("block", dl.residual(dl.Conv2d(4, 3)))),
        "node 'block' reads 'input' (8, 8, 3): node 'add' inside: Add takes inputs of one shape",
    ),
    "sharing with another number of channels": (
        add(("a", dl.Conv2d(4, 3)), ("b", dl.Conv2d(4, 3), "a"), share="a"),
        "node 'b' reads 'a' (6, 6, 4): cannot share a.weight: it needs (3, 3, 4, 4), and"
        " 'a' has (3, 3, 3, 4)",
    ),
}


@pytest.mark.parametrize(("build", "message"), SHAPE_MISTAKES.values(), ids=list(SHAPE_MISTAKES))
def test_shapes_that_do_not_fit(build: Callable[[], None], message: str) -> None:
    with pytest.raises(dl.ShapeError, match=exactly(message)):
        build()


MISTAKES = {
    "too many inputs": (
        add(("a", dl.ReLU()), ("b", dl.ReLU(), "a", "input")),
        "node 'b': ReLU reads 1 input(s), got 2: a, input",
    ),
    "too few inputs": (
        add(("a", dl.ReLU()), ("b", dl.Graph(inputs=("x", "y")), "a")),
        "node 'b': Graph reads 2 input(s), got 1: a",
    ),
    "duplicate name": (
        add(("a", dl.ReLU()), ("a", dl.ReLU())),
        "there is a node 'a' already: choose another name",
    ),
    "the name of an input": (add(("input", dl.ReLU())), "there is a node 'input' already"),
    "dotted name": (
        add(("block.conv", dl.ReLU())),
        "a node's name should be text without dots, slashes, spaces or wildcards, got 'block.conv'",
    ),
    "wildcard": (add(("conv*", dl.ReLU())), "a node's name should be text without"),
    "empty name": (add(("", dl.ReLU())), "a node's name should be text without"),
    "sharing with nobody": (
        add(("a", dl.Dense(2)), ("b", dl.Dense(2), "input"), share="c", inputs=(3,)),
        "node 'b' shares the parameters of 'c', which does not exist: the nodes so far are a",
    ),
    "sharing with the input": (
        add(("a", dl.Dense(2)), share="input", inputs=(3,)),
        "node 'a' shares the parameters of 'input', which does not exist: the nodes so far are"
        " none",
    ),
    "sharing with another kind": (
        add(("a", dl.Conv2d(4, 3)), ("b", dl.BatchNorm()), share="a"),
        "node 'b' is a BatchNorm and cannot share the parameters of 'a', a Conv2d",
    ),
    "no modules in a residual": (
        lambda: dl.residual(),
        "residual needs at least one module for its chain",
    ),
    "a shape that is a number": (
        lambda: dl.Graph(28),  # type: ignore[arg-type]
        "the shape of 'input' should be a tuple, got 28",
    ),
    "a size of zero": (
        lambda: dl.Graph((28, 0, 1)),
        "each size in the shape (28, 0, 1) of 'input' must be an integer of at least 1, got 0",
    ),
    "one shape for two inputs": (
        lambda: dl.Graph((3,), inputs=("a", "b")),
        "inputs a, b need a shape each: pass a mapping",
    ),
    "no inputs": (lambda: dl.Graph({}), "a graph needs at least one input"),
    "an input twice": (lambda: dl.Graph(inputs=("a", "a")), "there are two inputs named 'a'"),
    "a dotted input": (lambda: dl.Graph({"a.b": (3,)}), "an input's name should be text without"),
    "whole numbers as type": (
        lambda: dl.Graph((3,), dtype="int32"),
        "dtype should be 'float32' or 'float64', got 'int32'",
    ),
    "a pattern that matches nothing": (
        lambda: lenet().freeze("convolution*"),
        "no parameter matches 'convolution*': the paths are conv1.weight, conv1.bias,",
    ),
}


@pytest.mark.parametrize(("build", "message"), MISTAKES.values(), ids=list(MISTAKES))
def test_mistakes(build: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=exactly(message)):
        build()


def test_what_is_no_module_is_refused() -> None:
    with pytest.raises(TypeError, match="node 'conv' should be a Module, got <class 'minidl"):
        dl.Graph(IMAGE).add("conv", dl.Conv2d)  # type: ignore[arg-type]


@pytest.mark.parametrize("module", [dl.Add(), dl.Concatenate()], ids=lambda m: type(m).__name__)
def test_a_join_of_one_input_is_a_mistake(module: dl.Module) -> None:
    """Forgetting the names must not quietly read the node before."""
    graph = dl.Sequential([dl.Dense(3)], input_shape=(3,))
    with pytest.raises(ValueError, match=r"node 'join'.*two"):
        graph.add("join", module)


def test_several_inputs_are_not_left_to_chance() -> None:
    """Where nothing is named and there is no node before, which of two inputs is meant?"""
    with pytest.raises(ValueError, match=r"node 'a'.*x, y"):
        dl.Graph({"x": (3,), "y": (3,)}).add("a", dl.Dense(2))


def test_sharing_asks_for_every_parameter() -> None:
    """The owner has no bias to share."""
    graph = dl.Graph((3,))
    graph.add("a", dl.Dense(3, bias=False))
    with pytest.raises(ValueError, match=r"'b' reads 'a' \(3,\): cannot share a.bias"):
        graph.add("b", dl.Dense(3), share="a")


def test_sharing_is_checked_inside_nested_graphs() -> None:
    inner = dl.Graph()
    inner.add("a", dl.Dense(4))
    inner.add("b", dl.Dense(4), share="a")  # fits only where the input has 4 values
    assert dl.Sequential([inner], (4,)).predict(np.zeros((1, 4))).shape == (1, 4)
    with pytest.raises(dl.ShapeError, match=r"'b'.*cannot share.*\(4, 4\).*\(3, 4\)"):
        dl.Sequential([inner], (3,))


def test_a_failed_add_leaves_the_graph_as_it_was() -> None:
    graph = dl.Graph(IMAGE)
    graph.add("a", dl.Conv2d(3, 3))
    before = graph.arrays.sha256(), dict(graph.shapes or {}), list(graph.specs), list(graph.nodes)
    for module, share in ((dl.Conv2d(3, 9), None), (dl.Dense(2), None), (dl.Conv2d(9, 3), "a")):
        with pytest.raises(dl.ShapeError, match="node 'b'"):
            graph.add("b", module, share=share)
        now = graph.arrays.sha256(), dict(graph.shapes or {}), list(graph.specs), list(graph.nodes)
        assert now == before
    graph.add("b", dl.ReLU())


@pytest.mark.parametrize("option", ["weight_init", "bias_init"])
def test_an_initializer_is_a_record(option: str) -> None:
    options: dict[str, Any] = {option: "he"}
    for kind, sizes in ((dl.Conv2d, (4, 3)), (dl.Dense, (4,))):
        with pytest.raises(TypeError, match=f"{option} should be an Initializer.*got 'he'"):
            kind(*sizes, **options)


# Seeds


def values(seed: int = 0, dtype: str = "float32") -> dict[str, Array]:
    return dict(dl.Sequential([dl.Dense(4), dl.Dense(4)], (4,), seed=seed, dtype=dtype).arrays)


def test_a_seed_gives_the_same_values_and_another_others() -> None:
    assert values(1)["dense1.weight"].tolist() == values(1)["dense1.weight"].tolist()
    assert values(1)["dense1.weight"].tolist() != values(2)["dense1.weight"].tolist()


def test_two_layers_of_one_shape_start_differently() -> None:
    assert values()["dense1.weight"].tolist() != values()["dense2.weight"].tolist()


def test_values_depend_on_the_path_and_not_on_what_comes_before() -> None:
    alone = dl.Sequential({"head": dl.Dense(4)}, (4,))
    after = dl.Sequential({"body": dl.Dense(4), "head": dl.Dense(4)}, (4,))
    np.testing.assert_array_equal(alone.arrays["head.weight"], after.arrays["head.weight"])


def test_float32_starts_as_float64_rounded() -> None:
    fine, rough = values(dtype="float64"), values()
    np.testing.assert_array_equal(rough["dense1.weight"], fine["dense1.weight"].astype("float32"))


# Arrays


def test_assigning_copies_in_place() -> None:
    model = dl.Sequential([dl.Dense(2)], (3,))
    held = model.arrays["dense1.bias"]
    new = np.array([1.0, 2.0])
    model.arrays["dense1.bias"] = new
    new[0] = 9
    assert model.arrays["dense1.bias"] is held
    assert held.tolist() == [1, 2]
    assert held.dtype == np.float32


def test_assigning_another_shape_is_refused() -> None:
    model = dl.Sequential([dl.Dense(2)], (3,))
    message = r"dense1.bias has shape \(2,\), got values of shape \(1,\)"
    with pytest.raises(dl.ShapeError, match=message):
        model.arrays["dense1.bias"] = [1]


def test_an_unknown_path_lists_the_paths() -> None:
    model = dl.Sequential([dl.Dense(2)], (3,))
    message = "no array 'bias': the paths are dense1.weight, dense1.bias"
    with pytest.raises(KeyError, match=message):
        model.arrays["bias"]
    with pytest.raises(KeyError, match=message):
        model.arrays["bias"] = [1]
    assert "bias" not in model.arrays


def test_the_hash_is_of_every_bit() -> None:
    model, same = lenet(), lenet()
    assert model.arrays.sha256() == same.arrays.sha256()
    same.arrays["dense1.bias"] = np.nextafter(same.arrays["dense1.bias"], np.float32(1))
    assert model.arrays.sha256() != same.arrays.sha256()


def test_parameter_count_leaves_buffers_out() -> None:
    model = dl.Sequential([dl.Conv2d(4, 3), dl.BatchNorm()], IMAGE)
    assert model.parameter_count == 3 * 3 * 3 * 4 + 4 + 2 * 4
    assert model.trainable == {
        "conv1.weight",
        "conv1.bias",
        "batchnorm1.weight",
        "batchnorm1.bias",
    }


# Nesting


def test_nesting_copies_values() -> None:
    body = dl.Sequential([dl.Dense(4), dl.Tanh()], (3,), seed=5)
    model = dl.Sequential({"body": body, "head": dl.Dense(2)}, (3,), seed=6)
    copied = model.arrays["body.dense1.weight"]
    np.testing.assert_array_equal(copied, body.arrays["dense1.weight"])
    body.arrays["dense1.weight"] = np.zeros((3, 4))
    assert copied.any()


def test_nesting_keeps_what_is_frozen() -> None:
    body = dl.Sequential([dl.Dense(4), dl.Dense(3)], (3,))
    body.freeze("dense1")
    model = dl.Sequential({"body": body, "head": dl.Dense(2)}, (3,))
    assert model.frozen == {"body.dense1.weight", "body.dense1.bias"}


def test_a_nested_graph_may_grow_without_its_copy() -> None:
    body = dl.Sequential([dl.Dense(4)], (3,))
    model = dl.Sequential({"body": body}, (3,))
    body.add("more", dl.Dense(7))
    assert model.predict(np.zeros((1, 3))).shape == (1, 4)


def test_values_survive_nesting_in_an_architecture() -> None:
    """A trained body inside a block that has no shapes yet must not start anew."""
    body = dl.Sequential([dl.Dense(3)], (3,), seed=5)
    model = dl.Sequential({"block": dl.residual(body)}, (3,), seed=6)
    (weight,) = (array for path, array in model.arrays.items() if path.endswith("weight"))
    np.testing.assert_array_equal(weight, body.arrays["dense1.weight"])


def test_values_that_cannot_be_copied_are_not_dropped_quietly() -> None:
    body = dl.Sequential([dl.Dense(4)], (3,))
    with pytest.raises(dl.ShapeError, match=r"body.*\(3, 4\).*\(5, 4\)"):
        dl.Sequential({"body": body}, (5,))


def test_a_graph_without_shapes_fits_inputs_of_any_size() -> None:
    block = dl.residual(dl.Conv2d(3, 3, padding=1))
    for shape in ((4, 4, 3), (7, 5, 3)):
        assert block.output_shape(shape) == shape
        assert set(block.parameters(shape)) == {"conv1.weight", "conv1.bias"}


def test_padding_counts_in_what_would_fit() -> None:
    with pytest.raises(dl.ShapeError, match="or an input of at least 3x3"):
        dl.Sequential([dl.Conv2d(1, 5, padding=1)], (2, 2, 1))


def test_a_seed_is_a_whole_number() -> None:
    seed: Any = np.int64(3)
    assert type(dl.Graph((3,), seed=seed).seed) is int
    with pytest.raises(TypeError, match="seed must be an integer of at least 0, got None"):
        dl.Graph((3,), seed=None)  # type: ignore[arg-type]


def test_freezing_is_decided_node_by_node() -> None:
    """A frozen graph that is nested drops as the same nodes do outside."""
    layers = [dl.Dense(50), dl.Dropout(0.5)]
    x, y = np.ones((2, 3)), np.zeros((2, 50))
    for modules in (layers, [dl.Sequential(layers)]):
        model = dl.Sequential(modules, (3,))
        model.freeze("*")
        _, output, _ = model.gradients(x, y, dl.MeanSquaredError())
        assert (output == 0).mean() > 0.2


class Misnamed(dl.Module):
    """Its pullback returns what ``returned`` says."""

    returned: str = "one gradient"

    def parameters(self, shape: tuple[int, ...]) -> dict[str, dl.ParameterSpec]:
        return {"scale": dl.ParameterSpec((), dl.initializers.Constant(1.0))}

    def forward(self, params: Any, x: Array, *, ctx: dl.Context) -> Any:
        name = "scale" if self.returned == "no dx" else "sacle"
        return x, lambda dy: ((dy,)[: self.returned != "no dx"], {name: dy.sum()})


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        ("one gradient", "node 'odd': the pullback of Misnamed returns a gradient of sacle, which"),
        ("no dx", r"node 'odd': the pullback of Misnamed should return .* of 1 input\(s\), got 0"),
    ],
)
def test_pullbacks_return_what_was_asked_for(returned: str, message: str) -> None:
    model = dl.Sequential({"odd": Misnamed(returned)}, (3,))
    with pytest.raises(ValueError, match=message):
        model.gradients(np.ones((2, 3)), np.ones((2, 3)), dl.MeanSquaredError())


def test_signatures_of_graphs_are_their_own() -> None:
    import inspect

    assert list(inspect.signature(dl.Graph).parameters) == [
        "input_shape",
        "inputs",
        "seed",
        "dtype",
    ]
    assert list(inspect.signature(dl.Sequential).parameters)[:2] == ["modules", "input_shape"]


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: dl.Dense(84, 10), r"Dense\(units, \*, bias.*too many positional arguments"),  # type: ignore[arg-type]
        (lambda: dl.BatchNorm(16), r"BatchNorm\(\*, momentum.*too many positional"),
        (lambda: dl.GroupNorm(4, 16), r"GroupNorm\(groups, \*, .*too many positional"),
        (lambda: dl.InstanceNorm(16), r"InstanceNorm\(\*, .*too many positional"),
        (lambda: dl.LayerNorm(1, 1e-3), r"LayerNorm\(axes=1, \*, .*too many positional"),
        (lambda: dl.Conv2d(3, 8, 3), r"Conv2d\(filters, kernel_size, \*, .*too many positional"),
        (lambda: dl.Dense(10, bias="relu"), "bias must be True or False, got 'relu'"),  # type: ignore[arg-type]
        (lambda: dl.Sequential(dl.Dense(3)), "put the modules into a list"),  # type: ignore[arg-type]
        (lambda: dl.residual([dl.Dense(3)]), "give the modules one by one"),  # type: ignore[arg-type]
    ],
)
def test_habits_from_other_frameworks(build: Callable[[], object], message: str) -> None:
    """What would be understood otherwise here is refused."""
    with pytest.raises(TypeError, match=message):
        build()


class Bare(dl.Module):
    """Returns no pair, forward or backward."""

    back: bool = False

    def forward(self, params: Any, x: Array, *, ctx: dl.Context) -> Any:
        return (x, lambda dy: dy) if self.back else x


@pytest.mark.parametrize(
    ("back", "message"),
    [
        (False, r"node 'odd': Bare.forward should return \(output, pullback\), got ndarray"),
        (True, r"node 'odd': the pullback of Bare should return \(dxs, dparams\).*got ndarray"),
    ],
)
def test_modules_return_pairs(back: bool, message: str) -> None:
    model = dl.Sequential({"first": dl.Dense(3), "odd": Bare(back)}, (3,))
    with pytest.raises(TypeError, match=message):
        model.gradients(np.ones((2, 3)), np.ones((2, 3)), dl.MeanSquaredError())


def test_arrays_show_their_paths_and_shapes() -> None:
    model = dl.Sequential([dl.Dense(2)], (3,))
    assert repr(model.arrays) == "ArrayMap(dense1.weight (3, 2), dense1.bias (2,))"
