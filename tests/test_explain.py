"""What a model looks at: against finite differences, closed forms and the model itself."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import minidl as dl
from minidl import explain
from minidl.types import Array


def network() -> dl.Graph:
    """Return a small network with everything that matters: norm, a skip, two convolutions."""
    block = dl.residual(dl.Conv2d(4, 3, padding="same"), dl.BatchNorm(), dl.Tanh())
    layers = [dl.Conv2d(4, 3), block, dl.SiLU(), dl.MaxPool2d(2), dl.Flatten(), dl.Dense(3)]
    model = dl.Sequential(layers, (8, 7, 2), dtype="float64")
    model.arrays["residual1.batchnorm1.running_mean"] = np.linspace(-0.1, 0.1, 4)
    return model


def drawn(samples: int = 3) -> Array:
    return np.random.default_rng(5).normal(size=(samples, 8, 7, 2))


def differences(model: dl.Graph, x: Array, label: int) -> Array:
    """Return d logit / d pixel of one sample by central differences, (H, W, C)."""
    slopes = np.empty(x.shape)
    for place in np.ndindex(x.shape):
        step = np.zeros(x.shape)
        step[place] = 1e-6
        up, down = model.predict(np.stack([x + step, x - step]))
        slopes[place] = (up[label] - down[label]) / 2e-6
    return slopes


# activations


def test_activations_are_those_of_the_model_itself() -> None:
    model, x = network(), drawn()
    found = explain.activations(model, x)
    assert list(found) == [
        *("conv1", "residual1.conv1", "residual1.batchnorm1", "residual1.tanh1", "residual1.add"),
        *("silu1", "maxpool1", "flatten1", "dense1"),
    ]
    np.testing.assert_allclose(found["dense1"], model.predict(x), rtol=1e-12)
    np.testing.assert_array_equal(found["residual1.add"], found["residual1.tanh1"] + found["conv1"])


def test_activations_scale_bytes_and_leave_the_model_as_it_is() -> None:
    model, before = network(), network().arrays.sha256()
    pixels = np.random.default_rng(0).integers(0, 256, (2, 8, 7, 2)).astype(np.uint8)
    found, same = explain.activations(model, pixels), explain.activations(model, pixels / 255)
    np.testing.assert_array_equal(found["dense1"], same["dense1"])
    assert model.arrays.sha256() == before


# saliency


@pytest.mark.parametrize("label", [0, 2])
def test_saliency_is_the_largest_slope_of_the_channels(label: int) -> None:
    model, x = network(), drawn()
    found = explain.saliency(model, x, label)
    wanted = [np.abs(differences(model, sample, label)).max(axis=2) for sample in x]
    np.testing.assert_allclose(found, wanted, atol=1e-7)


def test_saliency_of_the_likeliest_class_and_of_one_each() -> None:
    model, x = network(), drawn(8)
    model.arrays["dense1.bias"] -= model.predict(x).mean(axis=0)
    likeliest = model.predict(x).argmax(axis=1)
    assert len(set(likeliest.tolist())) > 1  # or the next line would say little
    np.testing.assert_array_equal(explain.saliency(model, x), explain.saliency(model, x, likeliest))
    each = explain.saliency(model, x[:3], [2, 0, 1])
    alone = [explain.saliency(model, x[i : i + 1], c)[0] for i, c in enumerate((2, 0, 1))]
    np.testing.assert_allclose(each, alone, rtol=1e-12)


def test_saliency_of_a_linear_model_is_its_weights() -> None:
    model = dl.Sequential([dl.Flatten(), dl.Dense(2)], (2, 2, 3), dtype="float64")
    weight = model.arrays["dense1.weight"][:, 1].reshape(2, 2, 3)
    found = explain.saliency(model, np.ones((1, 2, 2, 3)), 1)
    np.testing.assert_allclose(found[0], np.abs(weight).max(axis=2), rtol=1e-12)


def test_what_hangs_on_nothing_has_no_slope() -> None:
    model = dl.Sequential([dl.ReLU(), dl.Flatten(), dl.Dense(2)], (2, 2, 1))
    assert not explain.saliency(model, -np.ones((1, 2, 2, 1))).any()


# Grad-CAM


def test_grad_cam_of_a_linear_head_in_closed_form() -> None:
    """Behind the global average of the maps, the weights are those of the head over the area."""
    layers = [dl.Conv2d(4, 3, padding="same"), dl.ReLU(), dl.GlobalAvgPool2d(), dl.Dense(3)]
    model = dl.Sequential(layers, (5, 6, 2), dtype="float64")
    x = np.random.default_rng(1).normal(size=(2, 5, 6, 2))
    maps = explain.activations(model, x)["relu1"]  # (2, 5, 6, 4)
    wanted = np.maximum(maps @ model.arrays["dense1.weight"][:, 1] / 30, 0)
    found = explain.grad_cam(model, x, 1)
    assert wanted.any()
    np.testing.assert_allclose(found, wanted, atol=1e-12)


def test_grad_cam_reads_the_slope_with_respect_to_the_maps() -> None:
    """Against differences of what follows the maps, run alone."""
    model, x = network(), drawn(1)
    maps = explain.activations(model, x)["silu1"]
    layers = [dl.MaxPool2d(2), dl.Flatten(), dl.Dense(3)]
    tail = dl.Sequential(layers, maps.shape[1:], dtype="float64")
    for path in tail.arrays:
        tail.arrays[path] = model.arrays[path]
    weights = differences(tail, maps[0], 2).mean(axis=(0, 1))
    wanted = np.maximum(maps[0] @ weights, 0)
    np.testing.assert_allclose(explain.grad_cam(model, x, 2)[0], wanted, atol=1e-8)
    np.testing.assert_allclose(explain.grad_cam(model, x, 2, "silu1")[0], wanted, atol=1e-8)


@pytest.mark.parametrize(
    ("build", "node"), [(dl.models.lenet, "relu2"), (dl.models.resnet, "relu6")]
)
def test_the_maps_that_are_read_by_default(build: Callable[[], dl.Graph], node: str) -> None:
    """The last convolution's, after norm, skip connection and activation; before pooling."""
    x = np.random.default_rng(0).random((2, 28, 28))
    model = build()
    np.testing.assert_array_equal(
        explain.grad_cam(model, x, 3), explain.grad_cam(model, x, 3, node)
    )


def test_any_node_with_maps_may_be_named() -> None:
    model, x = network(), drawn()
    assert explain.grad_cam(model, x, 0, "residual1.conv1").shape == (3, 6, 5)
    with pytest.raises(ValueError, match=r"no node 'dense1' puts out maps .* are conv1, residual1"):
        explain.grad_cam(model, x, 0, "dense1")


# The rest


def test_gradient_norms_are_those_of_a_step_and_change_nothing() -> None:
    model, x, labels = network(), drawn(), np.array([0, 2, 1])
    loss = dl.SoftmaxCrossEntropy()
    before = model.arrays.sha256()
    norms = explain.gradient_norms(model, x, labels, loss)
    assert model.arrays.sha256() == before
    grads = model.gradients(x, labels, loss)[2]
    assert norms == {path: pytest.approx(np.sqrt((g**2).sum())) for path, g in grads.items()}
    assert model.arrays.sha256() != before  # for a step moves the running averages


def test_the_hardest_samples_come_first() -> None:
    logits = np.array([[0.0, 5.0], [0.0, 1.0], [2.0, 0.0], [np.nan, 0.0]])
    numbers, losses = explain.hardest(logits, np.array([0, 0, 0, 1]), 3)
    assert numbers.tolist() == [3, 0, 1]
    np.testing.assert_allclose(losses[1:], [np.log1p(np.exp(5)), np.log1p(np.exp(1))])
    assert len(explain.hardest(logits, np.array([0, 0, 0, 1]), 9)[0]) == 4


def test_convolutions_are_found_in_nested_graphs() -> None:
    assert list(explain.convolutions(network())) == ["conv1", "residual1.conv1"]
    assert list(explain.convolutions(dl.models.mlp())) == []


# What is refused


def test_images_of_the_wrong_shape_are_refused() -> None:
    for function in (explain.activations, explain.saliency, explain.grad_cam):
        with pytest.raises(
            dl.ShapeError, match=r"reads samples of shape \(8, 7, 2\), got an array"
        ):
            function(network(), np.zeros((2, 8, 8, 2)))


def test_models_that_tell_no_classes_or_read_no_images_are_refused() -> None:
    maps = dl.Sequential([dl.Conv2d(3, 1)], (4, 4, 1))
    with pytest.raises(ValueError, match=r"puts out \(4, 4, 3\) a sample, not a logit for each"):
        explain.saliency(maps, np.zeros((1, 4, 4, 1)))
    vectors = dl.Sequential([dl.Dense(2)], (4,))
    with pytest.raises(ValueError, match=r"samples of shape \(4,\), not images \(H, W, C\)"):
        explain.saliency(vectors, np.zeros((1, 4)))
    with pytest.raises(ValueError, match="the model has no convolution of images"):
        explain.grad_cam(dl.models.mlp(), np.zeros((1, 28, 28)))


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        (3, "classes should lie between 0 and 2, got 3 to 3"),
        ([0, 1], r"an integer, or one for each of 3 image\(s\), got int64 \(2,\)"),
        (0.5, r"an integer, or one for each of 3 image\(s\), got float64"),
    ],
)
def test_classes_that_the_model_does_not_know_are_refused(classes: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        explain.saliency(network(), drawn(), classes)


def test_labels_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match=r"labels \(N,\) integers, got \(2, 3\) and int64 \(3,\)"):
        explain.hardest(np.zeros((2, 3)), np.zeros(3, np.int64))
    with pytest.raises(ValueError, match="labels should lie between 0 and 2"):
        explain.hardest(np.zeros((2, 3)), np.array([0, 3]))
