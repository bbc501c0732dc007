"""Normalisation: the definition, the running averages, float32 where variance is hard to keep."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import reference
from drawn import normal

import minidl as dl
from minidl.engine.program import TrainingProgram
from minidl.module import Context, Run
from minidl.types import Array, Shape


def params(channels: int, dtype: str = "float64") -> dict[str, Array]:
    ones, zeros = np.ones(channels, dtype), np.zeros(channels, dtype)
    return {"weight": ones, "bias": zeros, "running_mean": zeros, "running_variance": ones}


def test_batch_norm_is_the_definition() -> None:
    x, dy = normal(0, 2, 3, 2, 3) * 2 + 1, normal(1, 2, 3, 2, 3)
    weight, bias = normal(2, 3), normal(3, 3)
    values = {**params(3), "weight": weight, "bias": bias}
    wanted: frozenset[int | str] = frozenset([0, "weight", "bias"])
    y, pullback = dl.BatchNorm(epsilon=1e-3).forward(values, x, ctx=Context(True, wanted))
    assert pullback is not None
    (dx,), dparams = pullback(dy)
    rows, drows = x.reshape(12, 3), dy.reshape(12, 3)
    expected = reference.batch_norm(rows, weight, bias, 1e-3)
    np.testing.assert_allclose(y.reshape(12, 3), expected, rtol=0, atol=1e-12)
    assert dx is not None
    expected = reference.batch_norm_input_gradient(drows, rows, weight, 1e-3)
    np.testing.assert_allclose(dx.reshape(12, 3), expected, rtol=0, atol=1e-12)
    normalized = reference.batch_norm(rows, np.ones(3), np.zeros(3), 1e-3)
    np.testing.assert_allclose(dparams["bias"], drows.sum(axis=0), atol=1e-12)
    np.testing.assert_allclose(dparams["weight"], (drows * normalized).sum(axis=0), atol=1e-12)


Labels = Callable[..., Array]
"""Which numbers are normalised together: those of one label, of places (n, h, w, c)."""

NORMS: dict[str, tuple[dl.Module, Labels]] = {
    "batch": (dl.BatchNorm(), lambda n, h, w, c: c),
    "batch alone": (dl.BatchNorm(affine=False), lambda n, h, w, c: c),
    "layer": (dl.LayerNorm(), lambda n, h, w, c: (n * 10 + h) * 10 + w),
    "layer of rows": (dl.LayerNorm(2), lambda n, h, w, c: n * 10 + h),
    "layer of samples": (dl.LayerNorm(None), lambda n, h, w, c: n),
    "group": (dl.GroupNorm(2), lambda n, h, w, c: n * 10 + c // 2),
    "instance": (dl.InstanceNorm(affine=True), lambda n, h, w, c: n * 10 + c),
    "instance alone": (dl.InstanceNorm(), lambda n, h, w, c: n * 10 + c),
}
EACH = pytest.mark.parametrize(("module", "labels"), NORMS.values(), ids=NORMS)


def run(module: dl.Module, x: Array, dy: Array, train: bool = True) -> dict[str, Array]:
    """Return the output and all gradients, with parameters that are neither 1 nor 0."""
    specs = module.parameters(x.shape[1:])
    values = {name: 1 + 0.1 * normal(len(name), *spec.shape) for name, spec in specs.items()}
    values = {name: array.astype(x.dtype) for name, array in values.items()}
    trained = [name for name, spec in specs.items() if spec.trainable]
    ctx = Context(train, frozenset([0, *trained]))
    y, pullback = module.forward(values, x, ctx=ctx)
    assert pullback is not None
    (dx,), dparams = pullback(dy)
    assert dx is not None
    return {"y": y, "dx": dx, **{f"d{name}": array for name, array in dparams.items()}, **values}


@EACH
def test_each_norm_is_its_definition(module: dl.Module, labels: Labels) -> None:
    x, dy = normal(0, 2, 3, 2, 4) * 2 + 1, normal(1, 2, 3, 2, 4)
    found = run(module, x, dy)
    weight, one = found.get("weight", np.ones(4)), np.ones(1)
    normalized, dx = np.zeros(x.shape), np.zeros(x.shape)
    places = labels(*np.indices(x.shape))
    for label in np.unique(places):
        here = places == label
        column, dcolumn = x[here][:, None], (dy * weight)[here][:, None]
        normalized[here] = reference.batch_norm(column, one, 0 * one, 1e-5)[:, 0]
        dx[here] = reference.batch_norm_input_gradient(dcolumn, column, one, 1e-5)[:, 0]
    expected = {"y": normalized * weight + found.get("bias", 0), "dx": dx}
    if "weight" in found:
        leading = tuple(range(4 - weight.ndim))
        expected["dweight"] = (dy * normalized).sum(axis=leading)
        expected["dbias"] = dy.sum(axis=leading)
    for name, array in expected.items():
        np.testing.assert_allclose(found[name], array, rtol=0, atol=1e-10, err_msg=name)


@EACH
def test_float32_far_from_zero(module: dl.Module, labels: Labels) -> None:
    """At a mean of 10 000 and a deviation of 0.01, values and gradients are those of float64.

    A float32 is known to 0.001 there; the rounded inputs are taken as they are.
    """
    x = (10_000 + 0.01 * normal(0, 9, 8, 8, 16)).astype(np.float32)
    dy = normal(1, *x.shape).astype(np.float32)
    rough, fine = (run(module, x.astype(kind), dy.astype(kind)) for kind in ("f4", "f8"))
    for name, array in fine.items():
        assert rough[name].dtype == np.float32
        size = np.abs(array).max()
        np.testing.assert_allclose(rough[name], array, rtol=0, atol=2e-5 * size, err_msg=name)


@EACH
def test_large_numbers_give_no_warnings(module: dl.Module, labels: Labels) -> None:
    x = (1e4 * np.sign(normal(0, 3, 5, 3, 4))).astype(np.float32)
    for train in (True, False):
        found = run(module, x, np.ones_like(x), train)
        assert all(np.isfinite(array).all() for array in found.values())


@pytest.mark.parametrize(
    ("module", "shape"),
    [
        (dl.BatchNorm(), (3,)),
        (dl.LayerNorm(), (4, 4, 1)),
        (dl.GroupNorm(3), (3,)),
        (dl.InstanceNorm(), (1, 1, 3)),
    ],
)
def test_a_single_number_is_its_own_mean(module: dl.Module, shape: Shape) -> None:
    x = normal(0, 1, *shape).astype(np.float32) + 7
    found = run(module, x, np.ones_like(x))
    bias = np.broadcast_to(found.get("bias", np.float32(0)), x.shape)
    np.testing.assert_array_equal(found["y"], bias)
    np.testing.assert_array_equal(found["dx"], 0)


@pytest.mark.parametrize(
    "module", [dl.LayerNorm(), dl.LayerNorm(None), dl.GroupNorm(2), dl.InstanceNorm()]
)
@pytest.mark.parametrize("wrong", [np.nan, np.inf])
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_what_is_wrong_in_a_sample_stays_there(module: dl.Module, wrong: float) -> None:
    x, dy = normal(0, 3, 4, 5, 6), normal(1, 3, 4, 5, 6)
    whole = run(module, x, dy)
    x[1, 2, 3, 4] = wrong
    found = run(module, x, dy)
    for name in ("y", "dx"):
        assert np.isnan(found[name][1, 2, 3, 4])
        np.testing.assert_array_equal(found[name][[0, 2]], whole[name][[0, 2]])


def test_channels_of_a_pixel_wherever_it_lies() -> None:
    """Layer norm of one axis takes any arrays (..., C), with the samples on any axis."""
    x, dy = normal(0, 3, 4, 5, 6), normal(1, 3, 4, 5, 6)
    assert dl.LayerNorm().pixel_local
    assert not dl.LayerNorm(2).pixel_local
    assert not dl.LayerNorm(None).pixel_local
    values = {"weight": normal(2, 6), "bias": normal(3, 6)}
    wanted: frozenset[int | str] = frozenset([0, "weight", "bias"])
    results = []
    for order in ((0, 1, 2, 3), (1, 2, 0, 3)):
        y, pullback = dl.LayerNorm().forward(values, x.transpose(order), ctx=Context(True, wanted))
        assert pullback is not None
        (dx,), dparams = pullback(dy.transpose(order))
        assert dx is not None
        back = np.argsort(order)
        results.append([y.transpose(back), dx.transpose(back), *dparams.values()])
    for a, b in zip(*results):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", [np.uint8, np.int64, np.bool_])
@EACH
def test_integers_are_taken_as_floats(module: dl.Module, labels: Labels, kind: Any) -> None:
    x = (np.arange(2 * 3 * 2 * 4).reshape(2, 3, 2, 4) * 5 % 250).astype(kind)
    values = {k: np.ones(s.shape) for k, s in module.parameters(x.shape[1:]).items()}
    y, _ = module.forward(values, x, ctx=Context(True))
    expected, _ = module.forward(values, x.astype(np.float64), ctx=Context(True))
    np.testing.assert_allclose(y, expected, rtol=0, atol=1e-5)


def test_batch_norm_alone_in_a_network() -> None:
    """The engine, too, runs it as one whose weights are 1 and whose biases are 0: bit for bit."""
    x, labels = normal(0, 7, 6, 6, 2).astype(np.float32), np.array([0, 1, 2, 0, 1, 2, 0])
    loss, results = dl.SoftmaxCrossEntropy(), []
    for affine in (True, False):
        norm = dl.BatchNorm(affine=affine)
        layers = [dl.Conv2d(3, 3), norm, dl.ReLU(), dl.Flatten(), norm, dl.Dense(3)]
        model = dl.Sequential(layers, (6, 6, 2), seed=1)
        found = {"predicted": model.predict(x)}
        with TrainingProgram(model, loss, dl.SGD(0.1), 7, labels, 1, "threads") as program:
            found["logits"] = program.step(x, labels, 0)[1].copy()
        of_norms = ("norm1.weight", "norm1.bias", "norm2.weight", "norm2.bias")
        found |= {path: a for path, a in model.arrays.items() if not path.endswith(of_norms)}
        results.append(found)
    assert results[0].keys() == results[1].keys()
    assert len(results[0]) == 2 + 4 + 4
    for name, array in results[0].items():
        np.testing.assert_array_equal(array, results[1][name], err_msg=name)


def test_running_means_are_right_to_the_last_digit() -> None:
    """The mean of the deviations is added to a mean that float32 sums only know roughly."""
    x = (10_000 + normal(0, 999, 64)).astype(np.float32)
    run = Run()
    module = dl.BatchNorm(momentum=1.0, affine=False)
    module.forward(params(64, "float32"), x, ctx=Context(True, run=run))
    exact = x.astype(np.float64).mean(axis=0).astype(np.float32)
    np.testing.assert_array_equal(run.updates["running_mean"], exact)


def test_float32_with_a_large_mean_and_a_small_deviation() -> None:
    """At 10 000 a float32 is known to 0.001, and the deviation is 0.01.

    E[x²] - E[x]² would be of the order of ±8, where 0.0001 is right. The rounded inputs are taken
    as they are, so float64 knows the answer.
    """
    x = (10_000 + 0.01 * normal(0, 64, 8, 8, 2)).astype(np.float32)
    run = Run()
    y, _ = dl.BatchNorm(momentum=1.0).forward(params(2, "float32"), x, ctx=Context(True, run=run))
    fine = x.astype(np.float64)
    centred = fine - fine.mean(axis=(0, 1, 2))
    variance = np.square(centred).mean(axis=(0, 1, 2))
    expected = centred / np.sqrt(variance + 1e-5)
    assert y.dtype == np.float32
    np.testing.assert_allclose(y, expected, rtol=0, atol=1e-3)
    unbiased = variance * 4096 / 4095
    np.testing.assert_allclose(run.updates["running_variance"], unbiased, rtol=1e-3)
    np.testing.assert_allclose(run.updates["running_mean"], fine.mean(axis=(0, 1, 2)), rtol=1e-7)


def test_a_constant_channel_gives_zeros() -> None:
    x = np.full((3, 2, 2, 1), 0.1, np.float32)
    y, _ = dl.BatchNorm().forward(params(1, "float32"), x, ctx=Context(True))
    np.testing.assert_allclose(y, 0, atol=1e-5)


def test_running_averages_by_hand() -> None:
    """Of 1 and 3 the mean is 2 and the unbiased variance 2; a quarter of the new is taken."""
    run = Run()
    x = np.array([[1.0], [3.0]])
    dl.BatchNorm(momentum=0.25).forward(params(1), x, ctx=Context(True, run=run))
    assert run.updates["running_mean"].tolist() == [0.25 * 2]
    assert run.updates["running_variance"].tolist() == [0.75 * 1 + 0.25 * 2]


def test_a_shared_batch_norm_takes_in_both_its_inputs() -> None:
    """The second node goes on from the first: 0 to 1 by a mean of 2, then to 2.5 by one of 4."""
    graph = dl.Graph({"a": (1,), "b": (1,)})
    graph.add("one", dl.BatchNorm(momentum=0.5), "a")
    graph.add("two", dl.BatchNorm(momentum=0.5), "b", share="one")
    graph.add("sum", dl.Add(), "one", "two")
    a, b = np.array([[1.0], [3.0]]), np.array([[4.0], [4.0]])
    graph.gradients((a, b), np.zeros((2, 1)), dl.MeanSquaredError())
    assert graph.arrays["one.running_mean"].tolist() == [2.5]
    assert graph.arrays["one.running_variance"].tolist() == [(1 + 2) / 2 / 2]


def test_evaluation_uses_the_running_averages() -> None:
    values = {**params(1), "running_mean": np.array([2.0]), "running_variance": np.array([4.0])}
    y, _ = dl.BatchNorm(epsilon=1e-9).forward(values, np.array([[6.0]]), ctx=Context())
    assert y.item() == pytest.approx(2)


def test_normalize_by_hand() -> None:
    x = np.array([[[[1.0, 10.0]]]])
    y, _ = dl.Normalize((1.0, 4.0), (2.0, 3.0)).forward({}, x, ctx=Context())
    assert y.ravel().tolist() == pytest.approx([0, 2])


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        (dl.BatchNorm, {"momentum": 1.5}, "momentum must be from 0 to 1, got 1.5"),
        (dl.BatchNorm, {"epsilon": 0.0}, "epsilon must be positive and finite, got 0.0"),
        (dl.LayerNorm, {"axes": 0}, "axes must be an integer of at least 1, got 0"),
        (dl.LayerNorm, {"epsilon": -1.0}, "epsilon must be positive and finite, got -1.0"),
        (dl.GroupNorm, {"groups": 0}, "groups must be an integer of at least 1, got 0"),
        (dl.GroupNorm, {"groups": 1, "epsilon": 0}, "epsilon must be positive and finite, got 0"),
        (dl.InstanceNorm, {"epsilon": float("inf")}, "epsilon must be positive and finite, got"),
        (dl.Normalize, {"mean": float("nan")}, "mean must be finite, got nan"),
        (dl.Normalize, {"deviation": 0.0}, "deviation must be positive and finite, got 0.0"),
        (dl.Normalize, {"deviation": (1.0, -1.0)}, "deviation must be positive and finite, got -1"),
        (dl.Dropout, {"rate": 1.0}, "rate must be at least 0 and below 1, got 1.0"),
        (dl.Dense, {"units": 0}, "units must be an integer of at least 1, got 0"),
        (dl.Conv2d, {"filters": 0, "kernel_size": 3}, "filters must be an integer of at least 1"),
    ],
)
def test_options_out_of_range(kind: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        kind(**options)


@pytest.mark.parametrize("kind", [dl.BatchNorm, dl.LayerNorm, dl.InstanceNorm])
def test_affine_is_yes_or_no(kind: Any) -> None:
    with pytest.raises(TypeError, match="affine must be True or False, got 1"):
        kind(affine=1)


@pytest.mark.parametrize(
    ("module", "shape", "message"),
    [
        (dl.LayerNorm(3), (4, 2), r"LayerNorm of 3 axes cannot read \(4, 2\): give fewer axes"),
        (dl.GroupNorm(4), (5, 5, 6), r"the 6 channels of \(5, 5, 6\) into 4 groups of one size"),
        (dl.InstanceNorm(), (4,), r"expected an image .* or a sequence .*, got shape \(4,\)"),
    ],
)
def test_shapes_that_do_not_fit(module: dl.Module, shape: Shape, message: str) -> None:
    with pytest.raises(dl.ShapeError, match=message):
        module.output_shape(shape)


@pytest.mark.parametrize("numbers", [[0.1, 0.2], np.array([0.1, 0.2])], ids=["list", "array"])
def test_normalize_takes_its_numbers_from_anything(numbers: Any) -> None:
    """As tuples, so that modules stay plain data that compares, hashes and saves."""
    module = dl.Normalize(mean=numbers)
    assert module == dl.Normalize((0.1, 0.2))
    assert hash(module) == hash(dl.Normalize((0.1, 0.2)))


def test_float32_sums_of_many_pixels() -> None:
    """Adding 0.1 a million times in float32, one after the other, ends at 0.10099."""
    x = np.full((1, 1024, 1024, 3), 0.1, np.float32)
    means = dl.GlobalAvgPool2d().forward({}, x, ctx=dl.Context())[0]
    np.testing.assert_allclose(means, 0.1, rtol=1e-5)


def test_evaluation_is_right_at_a_large_mean() -> None:
    """In float32, at a mean of 10 000 and a deviation of 0.01, in the engine too."""
    graph = dl.Sequential([dl.BatchNorm()], (3, 3, 2))
    x = (10_000 + 0.01 * normal(1, 8, 3, 3, 2)).astype("float32")
    exact = x.astype("float64")
    graph.arrays["batchnorm1.running_mean"] = exact.mean(axis=(0, 1, 2))
    graph.arrays["batchnorm1.running_variance"] = exact.var(axis=(0, 1, 2))
    mean, variance = (
        graph.arrays[f"batchnorm1.running_{name}"].astype("float64")
        for name in ("mean", "variance")
    )
    expected = (exact - mean) / np.sqrt(variance + 1e-5)
    np.testing.assert_allclose(graph.predict(x), expected, atol=1e-5)
