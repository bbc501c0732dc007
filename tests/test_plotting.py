"""Pictures: what is drawn, what is written beside it, and what is said where nothing can be."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import minidl as dl
from minidl import explain, plotting
from minidl.plotting import figures
from minidl.types import Array

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ROWS = [
    {"epoch": 1, "loss": 2.0, "accuracy": 0.5, "val_loss": 1.0, "val_accuracy": 0.75},
    {"epoch": 2, "loss": 0.5, "accuracy": 0.9, "val_loss": 0.6, "val_accuracy": 0.8},
    {"epoch": 3, "loss": 0.25, "accuracy": 1.0, "val_loss": 0.7, "val_accuracy": 0.85},
]
RATES = [{**row, "lr": 0.1 / row["epoch"], "seconds": 2.0} for row in ROWS]


def drawn(figure: Figure) -> dict[str, dict[str, list[tuple[float, float]]]]:
    """Return the points of a figure: axes by the label of y, lines by their own."""
    return {
        axes.get_ylabel(): {
            str(line.get_label()): [(float(x), float(y)) for x, y in np.asarray(line.get_xydata())]
            for line in axes.get_lines()
        }
        for axes in figure.axes
    }


def written(figure: Figure) -> list[str]:
    """Return every text of a figure but those along its axes."""
    axes = [text.get_text() for axis in figure.axes for text in (axis.title, *axis.texts)]
    return [text for text in (figure.get_suptitle(), figure.get_supxlabel(), *axes) if text]


def save(figure: Figure) -> tuple[int, int]:
    """Write a figure as a PNG, which finds what cannot be drawn; return its width and height."""
    picture = io.BytesIO()
    figure.savefig(picture, format="png")
    header = picture.getvalue()[:24]
    assert header[:8] == b"\x89PNG\r\n\x1a\n"
    return int.from_bytes(header[16:20], "big"), int.from_bytes(header[20:24], "big")


def overlapping(figure: Figure) -> list[tuple[str, str]]:
    """Return the pairs of titles and tick labels of one axis that lie on each other."""
    figure.draw_without_rendering()
    groups = [[axes.title for axes in figure.axes]]
    groups += [axis.get_ticklabels() for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)]
    pairs = []
    for group in groups:
        boxes = [(text.get_text(), text.get_window_extent()) for text in group if text.get_text()]
        for at, (one, box) in enumerate(boxes):
            pairs += [(one, other) for other, second in boxes[at + 1 :] if box.overlaps(second)]
    return pairs


def outside(figure: Figure) -> list[str]:
    """Return the texts that are cut off at the edge of a figure."""
    from matplotlib.text import Text

    figure.draw_without_rendering()
    width, height = figure.canvas.get_width_height()
    texts = [text for text in figure.findobj(Text) if isinstance(text, Text) and text.get_text()]
    hidden = set()  # labels of ticks beyond the end of their axis, which are not drawn
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            ticks = axis.get_major_ticks()
            hidden |= {id(tick.label1) for tick in ticks if not low <= tick.get_loc() <= high}
    boxes = [
        (text.get_text(), text.get_window_extent())
        for text in texts
        if id(text) not in hidden and text.get_visible() and (text.axes is None or text.axes.axison)
    ]
    return [
        text
        for text, box in boxes
        if box.x0 < -1 or box.y0 < -1 or box.x1 > width + 1 or box.y1 > height + 1
    ]


def shown(figure: Figure, place: int) -> Array:
    """Return what the last image drawn at a place shows."""
    return np.asarray(figure.axes[place].images[-1].get_array())


def digits(samples: int = 6) -> Array:
    return np.random.default_rng(0).random((samples, 28, 28, 1)).astype(np.float32)


@pytest.fixture
def matplotlib_installed() -> None:
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")


needs_matplotlib = pytest.mark.usefixtures("matplotlib_installed")


# arrays


@needs_matplotlib
def test_arrays_hold_their_numbers_and_frames() -> None:
    row = {"x": np.array([1.0, -2.5, np.nan]), "weight": np.array([[0.12345], [1e6]])}
    figure = plotting.arrays(
        {**row, "y": np.array(7)}, {"z": [3]}, marked={"x": [False, True, False]}
    )
    (axes,) = figure.axes
    texts = [text.get_text() for text in axes.texts]
    assert texts == ["1", "−2.5", "x", "0.123", "1e+06", "weight", "7", "y", "3", "z"]
    frames = [patch for patch in axes.patches if not patch.get_fill()]
    assert [patch.get_path().get_extents().bounds for patch in frames] == [(0, 0, 1, 1)]
    left, bottom, width, height = frames[0].get_window_extent().bounds
    x, y = axes.texts[1].get_window_extent().get_points().mean(axis=0)
    assert left < x < left + width
    assert bottom < y < bottom + height
    assert not outside(figure)


@needs_matplotlib
def test_the_colour_of_a_number_is_its_sign_and_share() -> None:
    from matplotlib.colors import to_rgb

    figure = plotting.arrays({"x": [-0.0, 5, 10, -10, np.inf]})
    reds, _, blues = zip(*(to_rgb(patch.get_facecolor()) for patch in figure.axes[0].patches))
    assert list(reds[:3]) == [1, 1, 1]
    assert blues[4] == blues[2]
    assert [text.get_text() for text in figure.axes[0].texts][::4] == ["0", "inf"]
    assert blues[0] == 1 > blues[1] > blues[2]
    assert reds[3] < blues[3]


@needs_matplotlib
def test_digits_of_arrays_are_a_whole_number() -> None:
    with pytest.raises(ValueError, match="digits"):
        plotting.arrays({"x": [1]}, digits=0)
    with pytest.raises(TypeError, match="digits"):
        plotting.arrays({"x": [1]}, digits=1.5)  # type: ignore[arg-type]
    figure = plotting.arrays({"x": [1.25]}, digits=2)
    assert figure.axes[0].texts[0].get_text() == "1.2"


@needs_matplotlib
def test_names_of_arrays_do_not_meet() -> None:
    names = ["a name longer than its array", "another long name", "c"]
    figure = plotting.arrays(dict.fromkeys(names, 1.0), {"wide": np.ones(25)})
    figure.draw_without_rendering()
    boxes = [t.get_window_extent() for t in figure.axes[0].texts if t.get_text() in names]
    assert len(boxes) == 3
    assert boxes[0].x1 < boxes[1].x0
    assert boxes[1].x1 < boxes[2].x0
    assert figure.get_size_inches()[0] <= 8


@needs_matplotlib
@pytest.mark.parametrize(
    ("rows", "marked", "message"),
    [
        ([], {}, r"there is nothing to draw"),
        ([{"x": np.zeros((2, 2, 2))}], {}, r"'x' should be .*, got shape \(2, 2, 2\)"),
        ([{"x": [[]]}], {}, r"'x' should be .*, got shape \(1, 0\)"),
        ([{}, {"x": [1]}], {}, r"there is nothing to draw"),
        ([{"x": [1]}, {"x": [1, 2]}], {}, r"each array needs a name of its own, got 'x' twice"),
        ([{"x": [1]}], {"y": [True]}, r"marked names 'y', which is not drawn: x"),
        ([{"x": [1]}], {"x": [True] * 2}, r"the marks of 'x' are \(1, 2\), the array \(1, 1\)"),
    ],
)
def test_arrays_that_cannot_be_drawn_are_refused(
    rows: list[dict[str, Any]], marked: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        plotting.arrays(*rows, marked=marked)


# curves


@needs_matplotlib
def test_curves_show_training_and_validation() -> None:
    assert drawn(plotting.curves(dl.History(RATES))) == {
        "loss": {
            "training": [(1, 2.0), (2, 0.5), (3, 0.25)],
            "validation": [(1, 1.0), (2, 0.6), (3, 0.7)],
            "lowest, epoch 2": [(2, 0.6)],
        },
        "accuracy (share right)": {
            "training": [(1, 0.5), (2, 0.9), (3, 1.0)],
            "validation": [(1, 0.75), (2, 0.8), (3, 0.85)],
        },
        "learning rate\n(at the epoch's start)": {
            "rate": [(1, 0.1), (2, 0.05), (3, 0.1 / 3)],
        },
    }


@needs_matplotlib
def test_curves_of_one_epoch_without_validation() -> None:
    figure = plotting.curves(dl.History([{"epoch": 1, "loss": 2.0, "seconds": 1.0}]))
    assert drawn(figure) == {"loss": {"training": [(1, 2.0)]}}
    line = figure.axes[0].get_lines()[0]
    assert line.get_marker() != "None"  # or one point would not be seen
    low, high = figure.axes[0].get_xlim()
    assert [tick for tick in figure.axes[0].get_xticks() if low <= tick <= high] == [1]


@needs_matplotlib
def test_validation_may_begin_late() -> None:
    rows = [{"epoch": 1, "loss": 2.0}, {"epoch": 2, "loss": 1.0, "val_loss": 1.5}]
    assert drawn(plotting.curves(dl.History(rows)))["loss"]["validation"] == [(2, 1.5)]


@needs_matplotlib
def test_curves_of_a_run_that_failed() -> None:
    bad = {"loss": float("nan"), "val_loss": float("inf")}
    figure = plotting.curves(dl.History([ROWS[0], {**ROWS[1], **bad}, {**ROWS[2], **bad}]))
    assert save(figure)
    assert drawn(figure)["loss"]["lowest, epoch 1"] == [(1, 1.0)]
    assert save(plotting.curves(dl.History([{"epoch": 1, **bad}])))


@needs_matplotlib
@pytest.mark.parametrize(("metrics", "size"), [(0, (800, 340)), (1, (800, 340)), (2, (800, 640))])
def test_the_curves_have_a_known_size(metrics: int, size: tuple[int, int]) -> None:
    row = {"epoch": 1.0, "loss": 2.0, **{f"metric{number}": 0.5 for number in range(metrics)}}
    assert save(plotting.curves(dl.History([row]))) == size


@needs_matplotlib
def test_curves_are_labelled() -> None:
    figure = plotting.curves(dl.History(ROWS))
    assert figure.get_suptitle() == "Learning curves"
    for axes, names in zip(figure.axes, (["training", "validation", "lowest, epoch 2"], None)):
        assert axes.get_xlabel() == "epoch"
        legend = axes.get_legend()
        assert legend is not None
        assert [text.get_text() for text in legend.get_texts()] == (
            names or ["training", "validation"]
        )


def test_an_empty_history_is_refused() -> None:
    with pytest.raises(ValueError, match="nothing to draw: the history has no epochs"):
        plotting.curves(dl.History())


# confusion


@needs_matplotlib
def test_a_confusion_matrix_shows_counts_names_and_shares() -> None:
    figure = plotting.confusion(np.array([[6, 2], [0, 10]]), ["cat", "dog"])
    axes = figure.axes[0]
    places = {tuple(text.get_position()): text.get_text() for text in axes.texts}
    assert places == {(0, 0): "6", (1, 0): "2", (1, 1): "10"}  # (column, row); none for 0
    np.testing.assert_array_equal(axes.images[0].get_array(), [[0.75, 0.25], [0, 1]])
    for axis in (axes.xaxis, axes.yaxis):
        assert [label.get_text() for label in axis.get_ticklabels()] == ["cat", "dog"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("predicted class", "true class")
    assert figure.get_suptitle() == "Confusion matrix: 16 of 18 right (88.9%)"


@pytest.mark.slow
@needs_matplotlib
@pytest.mark.parametrize("classes", [2, 10, 21, 100])
def test_a_confusion_matrix_is_readable_with_many_classes(classes: int) -> None:
    counts = np.eye(classes, dtype=np.int64) * 12_345
    figure = plotting.confusion(counts, [f"a class numbered {n}" for n in range(classes)])
    assert overlapping(figure) == []
    assert outside(figure) == []
    count = figure.axes[0].texts[0].get_window_extent()
    cell = figure.axes[0].get_window_extent().width / classes
    assert count.width < cell
    assert max(save(figure)) < 6000


@needs_matplotlib
def test_a_matrix_of_too_many_numbers_is_left_to_its_colours() -> None:
    assert len(plotting.confusion(np.ones((50, 50), int)).axes[0].texts) == 2500
    assert len(plotting.confusion(np.ones((51, 51), int)).axes[0].texts) == 0


@needs_matplotlib
def test_a_class_that_never_occurs_has_an_empty_row() -> None:
    figure = plotting.confusion(np.array([[1, 0], [0, 0]]))
    np.testing.assert_array_equal(figure.axes[0].images[0].get_array(), [[1, 0], [0, 0]])


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        (np.ones((2, 3), int), r"a square matrix \(classes, classes\), got shape \(2, 3\)"),
        (np.ones((2, 2)), "whole numbers of at least 0, got float64 from 1.0"),
        (-np.ones((2, 2), int), "whole numbers of at least 0, got int64 from -1"),
    ],
)
def test_what_is_no_confusion_matrix_is_refused(counts: Array, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        plotting.confusion(counts)


# filters


@needs_matplotlib
def test_grey_filters_are_drawn_on_one_scale_around_0() -> None:
    model = dl.models.lenet()
    figure = plotting.filters(model)
    weight = model.arrays["conv1.weight"]
    limit = float(np.abs(weight).max())
    images = [axes.images[0] for axes in figure.axes[:6]]
    for number, image in enumerate(images):
        np.testing.assert_array_equal(image.get_array(), weight[:, :, 0, number])
        assert image.get_clim() == (-limit, limit)
    assert "Filters of conv1: 6 of 5x5 pixels, by number, on one scale" in written(figure)
    assert figure.axes[-1].get_ylabel() == "weight"  # the scale itself


@needs_matplotlib
def test_rgb_filters_are_drawn_in_colour_with_grey_for_0() -> None:
    model = dl.models.vgg((8, 8, 3))
    model.arrays["conv1.weight"] = np.linspace(-2, 2, 3 * 3 * 3 * 32).reshape(3, 3, 3, 32)
    figure = plotting.filters(model)
    first = np.asarray(figure.axes[0].images[0].get_array())
    np.testing.assert_allclose(first, 0.5 + model.arrays["conv1.weight"][..., 0] / 4)
    assert "weights: grey is 0, a channel at its brightest +2" in written(figure)


@pytest.mark.slow
@needs_matplotlib
def test_the_filters_of_any_convolution_each_channel_alone() -> None:
    model = dl.models.resnet((16, 16, 1))
    figure = plotting.filters(model, "residual2.conv1")
    assert "Filters of residual2.conv1: 64 of 1024 of 3x3 pixels, by number, on one scale" in (
        written(figure)
    )
    weight = model.arrays["residual2.conv1.weight"]  # (3, 3, 32, 32)
    place = figure.axes[33]
    assert place.get_title() == "1, channel 1"
    np.testing.assert_array_equal(place.images[0].get_array(), weight[:, :, 1, 1])
    assert outside(figure) == []


@needs_matplotlib
def test_filters_that_are_all_0() -> None:
    model = dl.models.lenet()
    model.arrays["conv1.weight"] = np.zeros((5, 5, 1, 6))
    assert save(plotting.filters(model))


def test_filters_that_do_not_exist_are_refused() -> None:
    with pytest.raises(ValueError, match="no convolution of images, so there are no filters"):
        plotting.filters(dl.models.mlp())
    with pytest.raises(ValueError, match="no convolution 'conv9': there are conv1, conv2"):
        plotting.filters(dl.models.lenet(), "conv9")


# features


@needs_matplotlib
def test_feature_maps_a_row_a_node() -> None:
    model, image = dl.models.lenet(), digits(1)[0]
    figure = plotting.features(model, image, maps=8)
    rows = [figure.axes[start : start + 8] for start in range(0, len(figure.axes), 8)]
    assert [row[0].get_ylabel() for row in rows] == [
        "image\n28x28x1",
        *("conv1\nConv2d\n28x28x6", "relu1\nReLU\n28x28x6", "maxpool1\nMaxPool2d\n14x14x6"),
        *("conv2\nConv2d\n10x10x16", "relu2\nReLU\n10x10x16", "maxpool2\nMaxPool2d\n5x5x16"),
    ]
    assert [sum(len(axes.images) for axes in row) for row in rows] == [1, 6, 6, 6, 8, 8, 8]
    found = explain.activations(model, image[None])["relu2"][0, :, :, 7]
    np.testing.assert_array_equal(rows[5][7].images[0].get_array(), found)
    assert outside(figure) == []


@needs_matplotlib
def test_deep_networks_are_drawn_in_part() -> None:
    layers = [dl.Conv2d(1, 1), dl.ReLU()] * 20
    figure = plotting.features(dl.Sequential(layers, (4, 4, 1)), np.zeros((4, 4)), maps=1)
    names = [axes.get_ylabel().split("\n")[0] for axes in figure.axes]
    assert (len(names), names[0], names[1], names[-1]) == (25, "image", "conv1", "relu20")
    assert figure.get_suptitle().endswith("layer by layer, 24 of 40 nodes")


def test_feature_maps_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match=r"no convolution, pooling or activation that puts out"):
        plotting.features(dl.models.mlp(), np.zeros((28, 28, 1)))
    with pytest.raises(dl.ShapeError, match=r"samples of shape \(28, 28, 1\), got an array"):
        plotting.features(dl.models.lenet(), np.zeros((32, 32, 3)))


# mistakes


@needs_matplotlib
def test_the_worst_mistakes_come_first_with_both_names() -> None:
    logits = np.log(np.array([[0.25, 0.75], [0.125, 0.875], [0.75, 0.25]]))
    images = digits(3)
    figure = plotting.mistakes(images, np.array([0, 0, 0]), logits, ["cat", "dog"])
    assert [axes.get_title() for axes in figure.axes] == [
        "is cat (12.5%)\ntaken for dog\n(87.5%)",
        "is cat (25.0%)\ntaken for dog\n(75.0%)",
        "is cat\nright (75.0%)",
    ]
    assert [axes.get_xlabel() for axes in figure.axes] == [
        *("image 1, loss 2.08", "image 0, loss 1.39", "image 2, loss 0.29"),
    ]
    np.testing.assert_allclose(shown(figure, 0), images[1, :, :, 0])
    assert figure.get_suptitle() == "The 3 images with the highest loss; 2 of 3 are mistaken"
    wrong, right = figure.axes[1].title.get_color(), figure.axes[2].title.get_color()
    assert wrong != right


@pytest.mark.slow
@needs_matplotlib
@pytest.mark.parametrize(
    "name", ["AMERICAN BULLDOG {}", "a class numbered {}", "WWWWWWWWWWWWWWW{}"]
)
def test_long_class_names_do_not_meet(name: str) -> None:
    rng = np.random.default_rng(0)
    classes = [name.format(number) for number in range(100)]
    images, labels = rng.integers(0, 256, (20, 16, 12, 3)).astype(np.uint8), np.arange(20)
    figure = plotting.mistakes(images, labels, rng.normal(size=(20, 100)), classes)
    assert overlapping(figure) == []
    assert outside(figure) == []
    model = dl.models.lenet((16, 16, 3), 100)
    model.classes = tuple(classes)
    figure = plotting.saliency(model, rng.random((6, 16, 16, 3)), labels[:6])
    assert overlapping(figure) == []
    assert outside(figure) == []


def test_mistakes_of_what_does_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match=r"images should be \(N, H, W, C\), one for each of 3"):
        plotting.mistakes(digits(2), np.zeros(3, int), np.zeros((3, 2)))
    with pytest.raises(ValueError, match="labels should lie between 0 and 1"):
        plotting.mistakes(digits(2), np.array([0, 2]), np.zeros((2, 2)))


# saliency


@needs_matplotlib
def test_saliency_shows_the_image_the_slopes_and_the_evidence() -> None:
    model, images = dl.models.lenet(), digits(3)
    figure = plotting.saliency(model, images, [1, 2, 3])
    assert [axes.get_ylabel() for axes in figure.axes[::3]] == ["image", "saliency", "Grad-CAM"]
    np.testing.assert_array_equal(shown(figure, 1), images[1, :, :, 0])
    np.testing.assert_array_equal(shown(figure, 4), explain.saliency(model, images)[1])
    np.testing.assert_array_equal(shown(figure, 7), explain.grad_cam(model, images)[1])
    assert tuple(figure.axes[7].images[1].get_extent()) == (-0.5, 27.5, 27.5, -0.5)  # all of it
    assert figure.axes[0].get_title().startswith("is 1 (")
    assert outside(figure) == []


@needs_matplotlib
def test_saliency_without_convolutions_labels_or_square_images() -> None:
    model = dl.models.mlp((8, 24, 3), 2)
    model.classes = ("cat", "dog")
    figure = plotting.saliency(model, np.zeros((1, 8, 24, 3), np.uint8))
    assert [len(axes.images) for axes in figure.axes] == [1, 0, 1, 0]
    assert figure.axes[0].get_title() == "taken for cat\n(50.0%)"
    assert save(figure)


def test_saliency_of_the_wrong_images_is_refused() -> None:
    with pytest.raises(dl.ShapeError, match=r"got an array \(28, 28, 1\): this is one sample"):
        plotting.saliency(dl.models.lenet(), digits(1)[0])
    with pytest.raises(ValueError, match="logits should be"):
        plotting.saliency(dl.models.mlp(), digits(2), [1, 2, 3])


# gradients and rates


@needs_matplotlib
def test_gradients_are_bars_by_path_and_what_has_no_length_is_told() -> None:
    norms = {"conv1.weight": 1e-6, "conv1.bias": 0.0, "head.weight": 2.0, "head.bias": float("nan")}
    figure = plotting.gradients(norms)
    axes = figure.axes[0]
    ends = [bar.get_x() + bar.get_width() for bar in axes.patches]  # type: ignore[attr-defined]
    assert ends == [pytest.approx(1e-6), pytest.approx(2.0)]
    assert [label.get_text() for label in axes.get_yticklabels()] == list(norms)
    assert [text.get_text().strip() for text in axes.texts] == ["1e-06", "0", "2", "nan"]
    assert axes.get_xscale() == "log"
    assert axes.yaxis_inverted()  # the input on top
    assert outside(figure) == []


@needs_matplotlib
def test_gradients_that_are_all_0_are_drawn() -> None:
    assert save(plotting.gradients({"dense1.weight": 0.0}))


def test_no_gradients_are_refused() -> None:
    with pytest.raises(ValueError, match="nothing to draw: no parameter of the model is trained"):
        plotting.gradients({})


@needs_matplotlib
def test_the_finder_shows_loss_by_rate_and_cuts_what_explodes() -> None:
    figure = plotting.finder([0.001, 0.01, 0.1, 1.0], [2.0, 1.0, 50.0, np.nan], chosen=0.01)
    axes = figure.axes[0]
    assert np.asarray(axes.get_lines()[0].get_xydata())[:3].tolist() == [
        [0.001, 2.0],
        [0.01, 1.0],
        [0.1, 50.0],
    ]
    assert (axes.get_xscale(), axes.get_ylim()[1]) == ("log", 4.0)
    legend = axes.get_legend()
    assert legend is not None
    assert legend.get_texts()[0].get_text() == "chosen: 0.01"
    assert save(figure) == (800, 450)


def test_what_is_no_search_for_a_rate_is_refused() -> None:
    with pytest.raises(ValueError, match=r"as many of both.*got shapes \(1,\) and \(2,\)"):
        plotting.finder([0.1], [1.0, 2.0])
    with pytest.raises(ValueError, match=r"rates should be above 0, got 0\.0"):
        plotting.finder([0.0, 0.1], [1.0, 2.0])


# What all have in common


@pytest.mark.parametrize(
    ("image", "wanted"),
    [
        (np.array([[[0], [255]]], np.uint8), [[0, 1]]),
        (np.array([[[0.25], [0.5]]]), [[0.25, 0.5]]),  # is shown as it is
        (np.array([[[-1.0], [3.0]]]), [[0, 1]]),  # is stretched
        (np.array([[[0.0, 1.0], [0.5, 1.0]]]), [[0.5, 0.75]]),  # two channels: their mean
        (np.array([[[np.nan], [np.inf], [4.0]]]), [[0, 0, 1]]),
        (np.full((1, 1, 1), 7.0), [[0]]),
    ],
)
def test_images_of_every_kind_are_seen(image: Array, wanted: list[list[float]]) -> None:
    np.testing.assert_allclose(figures.seen(image), wanted)
    assert figures.seen(np.zeros((2, 2, 3))).shape == (2, 2, 3)


@needs_matplotlib
def test_names_are_written_as_they_are() -> None:
    """A formula would be drawn as such, or fail."""
    figure = plotting.confusion(np.eye(2, dtype=int), ["$a$", "$\\bad{$ b$"])
    save(figure)
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == [
        r"\$a\$",  # which matplotlib writes as $a$
        r"\$\bad{\$ b\$",
    ]


@needs_matplotlib
def test_pictures_are_white_whatever_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    import matplotlib

    monkeypatch.setitem(matplotlib.rcParams, "figure.facecolor", "black")
    assert plotting.curves(dl.History(ROWS)).get_facecolor() == (1, 1, 1, 1)


@needs_matplotlib
def test_pyplot_is_left_alone() -> None:
    code = (
        "import sys, minidl as dl\n"
        "from minidl.plotting import curves\n"
        "assert 'matplotlib' not in sys.modules\n"
        "curves(dl.History([{'epoch': 1, 'loss': 2.0}]))\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    path = str(Path(dl.__file__).parents[1])
    subprocess.run([sys.executable, "-c", code], check=True, cwd=path)


CALLS: dict[str, Callable[[], Any]] = {
    "arrays": lambda: plotting.arrays({"x": [1.0]}),
    "confusion": lambda: plotting.confusion(np.eye(2, dtype=int)),
    "curves": lambda: plotting.curves(dl.History(ROWS)),
    "features": lambda: plotting.features(dl.models.lenet(), digits(1)[0]),
    "filters": lambda: plotting.filters(dl.models.lenet()),
    "finder": lambda: plotting.finder([0.1], [1.0]),
    "gradients": lambda: plotting.gradients({"a": 1.0}),
    "mistakes": lambda: plotting.mistakes(digits(2), np.array([0, 0]), np.eye(2)),
    "ratios": lambda: plotting.ratios({"step": {"lenet": 0.5}}),
    "saliency": lambda: plotting.saliency(dl.models.lenet(), digits(1)),
}


def test_every_picture_is_tried_without_matplotlib() -> None:
    assert list(CALLS) == sorted(plotting.__all__)


@pytest.mark.parametrize("name", CALLS)
def test_what_is_said_without_matplotlib(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r"needs matplotlib: pip install 'minidl\[plot\]'"):
        CALLS[name]()
