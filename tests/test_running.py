"""Running graphs: what crosses their border, predictions, gradients, freezing, dropout."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from drawn import normal

import minidl as dl
from minidl.module import Context, Run
from minidl.types import Array

MSE = dl.MeanSquaredError()


def identity(shape: tuple[int, ...] = (28, 28, 1), dtype: str = "float32") -> dl.Graph:
    """A model that puts out what comes in, once it has crossed the border."""
    return dl.Sequential([dl.Normalize()], input_shape=shape, dtype=dtype)


def classifier() -> dl.Sequential:
    return dl.Sequential(
        [dl.Conv2d(3, 3), dl.BatchNorm(), dl.ReLU(), dl.Flatten(), dl.Dense(4)], (6, 6, 1), seed=1
    )


# The border


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_uint8_becomes_floats_from_0_to_1(dtype: str) -> None:
    x = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
    y = identity((16, 16, 1), dtype).predict(x)
    assert y.dtype == dtype
    expected = np.arange(256).reshape(1, 16, 16, 1) / 255
    np.testing.assert_allclose(y, expected, rtol=2e-7 if dtype == "float32" else 4e-16)
    assert y.min() == 0
    assert y.max() == 1


def test_floats_pass_as_they_are() -> None:
    x = np.array([[-3.0, 0.5, 255.0]])
    y = identity((3,)).predict(x)
    assert y.tolist() == x.tolist()
    assert y.dtype == np.float32


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_the_channel_of_grey_images_may_be_left_out(dtype: str) -> None:
    x = np.arange(2 * 28 * 28).reshape(2, 28, 28).astype(dtype)
    y = identity().predict(x)
    np.testing.assert_array_equal(y, identity().predict(x[..., None]))
    assert y.shape == (2, 28, 28, 1)


@pytest.mark.parametrize(
    ("shape", "x", "message"),
    [
        (
            (28, 28, 3),
            (5, 3, 28, 28),
            r"^the model reads samples of shape \(28, 28, 3\), got an array \(5, 3, 28, 28\): this"
            r" array has its channels first: pass x.transpose\(0, 2, 3, 1\)",
        ),
        ((28, 28, 1), (5, 1, 28, 28), "this array has its channels first"),
        ((28, 28, 1), (28, 28, 1), r"this is one sample: pass x\[None\]"),
        ((28, 28, 1), (5, 784), r"the first axis is the samples, so pass \(N, 28, 28, 1\)"),
        ((28, 28, 1), (5, 32, 32), r"got an array \(5, 32, 32\): the first axis is the samples"),
        ((28, 28, 1), (), r"got an array \(\): the first axis is the samples"),
    ],
)
def test_inputs_that_do_not_fit(shape: tuple[int, ...], x: tuple[int, ...], message: str) -> None:
    model = identity(shape)
    for run in (model.predict, lambda array: model.gradients(array, array, MSE)):
        with pytest.raises(dl.ShapeError, match=message):
            run(np.zeros(x, np.float32))


@pytest.mark.parametrize("dtype", ["int64", "complex64"])
def test_types_that_do_not_fit(dtype: str) -> None:
    message = rf"inputs should be uint8 \(0 to 255\) or floats, got {dtype}: convert them"
    with pytest.raises(TypeError, match=message):
        identity((3,)).predict(np.zeros((1, 3), dtype))


def two_inputs() -> dl.Graph:
    graph = dl.Graph({"a": (3,), "b": (3,)})
    graph.add("sum", dl.Add(), "a", "b")
    return graph


@pytest.mark.parametrize("count", [1, 3])
def test_another_number_of_inputs(count: int) -> None:
    xs = (np.zeros((2, 3)),) * count
    with pytest.raises(dl.ShapeError, match=rf"the model reads 2 input\(s\), got {count}"):
        two_inputs().predict(*xs)
    with pytest.raises(dl.ShapeError, match=rf"the model reads 2 input\(s\), got {count}"):
        two_inputs().gradients(xs, np.zeros((2, 3)), MSE)


@pytest.mark.parametrize("lengths", [(4, 3), (4, 1), (1, 4)])
def test_inputs_of_different_lengths(lengths: tuple[int, int]) -> None:
    """One sample must not be broadcast over the others."""
    xs = tuple(np.zeros((length, 3)) for length in lengths)
    message = f"{lengths[0]} and {lengths[1]}"
    with pytest.raises(ValueError, match=message):
        two_inputs().predict(*xs)
    with pytest.raises(ValueError, match=message):
        two_inputs().gradients(xs, np.zeros((max(lengths), 3)), MSE)


def test_nothing_to_run_on() -> None:
    with pytest.raises(ValueError, match="the inputs are empty"):
        identity((3,)).predict(np.zeros((0, 3)))
    with pytest.raises(ValueError, match="the inputs are empty"):
        classifier().gradients(
            np.zeros((0, 6, 6, 1)), np.zeros(0, np.int64), dl.SoftmaxCrossEntropy()
        )


def test_a_graph_without_shapes_does_not_run() -> None:
    message = "a graph without input_shape has no parameters to run with: build it with one"
    with pytest.raises(ValueError, match=message):
        dl.Sequential([dl.Dense(2)]).predict(np.zeros((1, 3)))


# Predictions


@pytest.mark.parametrize("batch_size", [1, 2, 3, 7, 8])
def test_batches_give_what_the_whole_gives(batch_size: int) -> None:
    model, x = classifier(), normal(0, 7, 6, 6, 1)
    whole = model.predict(x)
    np.testing.assert_allclose(model.predict(x, batch_size=batch_size), whole, atol=1e-6)


@pytest.mark.parametrize("batch_size", [0, -1])
def test_a_batch_size_below_one(batch_size: int) -> None:
    message = f"batch_size must be an integer of at least 1, got {batch_size}"
    with pytest.raises(ValueError, match=message):
        classifier().predict(np.zeros((1, 6, 6, 1)), batch_size=batch_size)


def test_probabilities_sum_to_one() -> None:
    model, x = classifier(), normal(0, 5, 6, 6, 1)
    probabilities, logits = model.predict(x, probabilities=True), model.predict(x)
    np.testing.assert_allclose(probabilities.sum(axis=1), np.ones(5), rtol=1e-6)
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(probabilities, expected, rtol=1e-5)


def test_predicting_changes_nothing() -> None:
    model, x = classifier(), normal(0, 5, 6, 6, 1)
    before, copy = model.arrays.sha256(), x.copy()
    model.predict(x)
    assert model.arrays.sha256() == before
    np.testing.assert_array_equal(x, copy)


# Gradients


def test_gradients_has_one_for_each_trainable_path_in_order() -> None:
    model = classifier()
    _, logits, grads = model.gradients(
        normal(0, 5, 6, 6, 1), np.array([0, 1, 2, 3, 0]), dl.SoftmaxCrossEntropy()
    )
    assert list(grads) == [path for path in model.arrays if path in model.trainable]
    assert {grad.dtype.name for grad in grads.values()} == {"float32"}
    assert logits.shape == (5, 4)


def test_gradients_updates_running_averages_and_nothing_else() -> None:
    model, x = classifier(), normal(0, 5, 6, 6, 1)
    before = {path: array.copy() for path, array in model.arrays.items()}
    model.gradients(x, np.zeros(5, np.int64), dl.SoftmaxCrossEntropy())
    changed = {path for path in before if not np.array_equal(before[path], model.arrays[path])}
    assert changed == {"batchnorm1.running_mean", "batchnorm1.running_variance"}


def test_shared_gradients_are_summed() -> None:
    """y = w·(w·x): dy/dw = 2·w·x, here for w = 3 and x = 5."""
    graph = dl.Graph((1,), dtype="float64")
    graph.add("a", dl.Dense(1, bias=False))
    graph.add("b", dl.Dense(1, bias=False), share="a")
    graph.add("c", dl.Dense(1, bias=False), share="b")  # shares with a in the end
    graph.arrays["a.weight"] = [[3.0]]
    assert list(graph.arrays) == ["a.weight"]
    assert graph.nodes["c"].share == "a"
    _, y, grads = graph.gradients(np.array([[5.0]]), np.array([[134.5]]), MSE)
    assert y.item() == 135  # 27 · 5, so that the loss's gradient is 2 · 0.5
    assert grads["a.weight"].item() == 3 * 9 * 5  # d(w³x)/dw


def test_a_value_read_twice_gets_both_gradients() -> None:
    graph = dl.Graph((1,), dtype="float64")
    graph.add("w", dl.Dense(1, bias=False))
    graph.add("twice", dl.Add(), "w", "w")
    graph.arrays["w.weight"] = [[2.0]]
    _, y, grads = graph.gradients(np.array([[1.0]]), np.array([[3.5]]), MSE)
    assert (y.item(), grads["w.weight"].item()) == (4.0, 2.0)


@pytest.mark.parametrize("empty", [dl.Sequential([]), dl.Graph()], ids=["sequential", "graph"])
def test_an_empty_graph_passes_gradients_through(empty: dl.Graph) -> None:
    """As the identity it is, or the layers before it would silently not train."""
    model = dl.Sequential({"body": dl.Dense(2), "nothing": empty}, (3,))
    _, _, grads = model.gradients(np.ones((1, 3)), np.ones((1, 2)), MSE)
    assert set(grads) == {"body.weight", "body.bias"}


def test_a_node_that_nothing_reads_has_gradients_of_zero() -> None:
    """The documentation promises one for each trainable path."""
    graph = dl.Graph((2,))
    graph.add("unused", dl.Dense(2))
    graph.add("used", dl.Dense(1), "input")
    grads = graph.gradients(np.ones((1, 2)), np.ones((1, 1)), MSE)[2]
    assert set(grads) == graph.trainable
    assert not grads["unused.weight"].any()


def test_unequal_inputs_and_targets() -> None:
    with pytest.raises(ValueError, match="got 3 outputs and 2 targets: one each is needed"):
        classifier().gradients(
            np.zeros((3, 6, 6, 1)), np.zeros(2, np.int64), dl.SoftmaxCrossEntropy()
        )


# Freezing


def test_freezing_matches_nodes_and_paths() -> None:
    model = dl.Sequential(
        {
            "conv1": dl.Conv2d(2, 3),
            "conv2": dl.Conv2d(2, 3),
            "flat": dl.Flatten(),
            "head": dl.Dense(2),
        },
        (6, 6, 1),
    )
    assert model.freeze("conv*") == ["conv1.weight", "conv1.bias", "conv2.weight", "conv2.bias"]
    assert model.trainable == {"head.weight", "head.bias"}
    assert model.unfreeze("conv2", "*.bias") == [
        "conv1.bias",
        "conv2.weight",
        "conv2.bias",
        "head.bias",
    ]
    assert model.frozen == {"conv1.weight"}
    grads = model.gradients(normal(0, 2, 6, 6, 1), np.array([0, 1]), dl.SoftmaxCrossEntropy())[2]
    assert set(grads) == model.trainable


def test_all_frozen_gives_no_gradients() -> None:
    model = classifier()
    model.freeze("*")
    x, labels = normal(0, 3, 6, 6, 1), np.array([0, 1, 2])
    assert model.gradients(x, labels, dl.SoftmaxCrossEntropy())[2] == {}


def test_a_frozen_batch_norm_uses_and_keeps_its_averages() -> None:
    model = dl.Sequential([dl.BatchNorm(), dl.Dense(2)], (3,))
    x = normal(0, 4, 3) * 5 + 2
    model.gradients(x, np.zeros(4, np.int64), dl.SoftmaxCrossEntropy())
    model.freeze("batchnorm1")
    before = model.arrays.sha256()
    _, logits, grads = model.gradients(x, np.zeros(4, np.int64), dl.SoftmaxCrossEntropy())
    assert model.arrays.sha256() == before
    np.testing.assert_allclose(logits, model.predict(x), rtol=1e-6)
    assert set(grads) == {"dense1.weight", "dense1.bias"}


def test_a_batch_norm_frozen_in_part_still_trains() -> None:
    model = dl.Sequential([dl.BatchNorm()], (3,))
    model.freeze("batchnorm1.weight")
    before = model.arrays["batchnorm1.running_mean"].copy()
    model.gradients(normal(0, 4, 3) + 2, np.zeros((4, 3)), MSE)
    assert (model.arrays["batchnorm1.running_mean"] != before).all()


def test_frozen_averages_stay() -> None:
    model = dl.Sequential([dl.BatchNorm()], (3,))
    model.freeze("*.running_*")
    model.gradients(normal(0, 4, 3) + 2, np.zeros((4, 3)), MSE)
    assert not model.arrays["batchnorm1.running_mean"].any()


# Dropout


def dropped(
    seed: int = 0, step: int = 0, path: str = "", first: int = 0, samples: int = 6
) -> Array:
    """Return what a dropout lets through of ones, a sample a row."""
    ctx = Context(True, run=Run(seed, step, first), path=path)
    return dl.Dropout(0.5).forward({}, np.ones((samples, 3, 7)), ctx=ctx)[0]


def test_dropout_repeats_with_the_same_seed_and_step() -> None:
    np.testing.assert_array_equal(dropped(3, 4, "drop."), dropped(3, 4, "drop."))


@pytest.mark.parametrize("change", [{"seed": 1}, {"step": 1}, {"path": "other."}, {"first": 1}])
def test_dropout_differs_with_everything_else(change: dict[str, Any]) -> None:
    assert not np.array_equal(dropped(), dropped(**change))


def test_dropout_does_not_depend_on_how_the_batch_is_cut() -> None:
    whole = dropped()
    for start, stop in ((0, 1), (1, 4), (4, 6)):
        np.testing.assert_array_equal(dropped(first=start, samples=stop - start), whole[start:stop])


def test_dropout_through_gradients() -> None:
    model = dl.Sequential([dl.Dropout(0.5), dl.Dropout(0.5)], (40,))
    x, target = np.ones((2, 40)), np.zeros((2, 40))
    outputs = {
        key: model.gradients(x, target, MSE, seed=key[0], step=key[1])[1].tobytes()
        for key in ((0, 0), (0, 1), (1, 0))
    }
    assert len(set(outputs.values())) == 3
    again = model.gradients(x, target, MSE, seed=0, step=1)[1].tobytes()
    assert again == outputs[0, 1]


def test_dropout_keeps_the_mean_and_the_share() -> None:
    ctx = Context(True, run=Run())
    y = dl.Dropout(0.3).forward({}, np.ones((200, 500)), ctx=ctx)[0]
    assert set(np.unique(y.round(6))) == {0, round(1 / 0.7, 6)}
    assert (y == 0).mean() == pytest.approx(0.3, abs=0.01)  # 7 standard deviations
    assert y.mean() == pytest.approx(1, abs=0.01)


def test_random_numbers_are_uniform_and_independent_between_samples() -> None:
    numbers = Context(True, run=Run(5)).random((100, 1003))
    assert numbers.dtype == np.float32
    assert 0 <= numbers.min() < numbers.max() < 1
    assert numbers.mean() == pytest.approx(0.5, abs=0.005)
    assert numbers.var() == pytest.approx(1 / 12, abs=0.002)
    assert len(np.unique(numbers[:, 0])) == 100
    correlations = np.corrcoef(numbers) - np.eye(100)
    assert np.abs(correlations).max() < 0.16  # 5 standard deviations


def test_a_module_may_draw_twice() -> None:
    ctx = dl.Context()
    first, second = ctx.random((2, 50)), ctx.random((2, 50))
    assert not np.any(first == second)
    np.testing.assert_array_equal(dl.Context().random((2, 50)), first)


def test_sigmoid_keeps_its_small_values() -> None:
    x = np.array([-80.0, -20.0, 0.0, 20.0], np.float32)
    y = dl.Sigmoid().forward({}, x, ctx=dl.Context())[0]
    np.testing.assert_allclose(y, [1.8048513878454153e-35, 2.0611536181902037e-9, 0.5, 1.0])
