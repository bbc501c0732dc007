"""The drawn digits: what the dataset promises, and the geometry of strokes under it."""

from __future__ import annotations

import subprocess
import sys
import time

import numpy as np
import pytest
from numpy.typing import NDArray

from minidl.data.digits import BOX, HAND, SIZE, Digits, _table, _write, digits, draw
from minidl.data.skeletons import SKELETONS
from minidl.data.strokes import catmull_rom, parse, skeleton

TEXTS = [(digit, text) for digit, texts in SKELETONS.items() for text in texts]


@pytest.fixture(scope="module")
def drawn() -> Digits:
    return draw(2_000, seed=3)


def spans(ink: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the height and width (N, 2) of what is marked in each image (N, H, W)."""
    rows, columns = ink.max(axis=2), ink.max(axis=1)  # (N, 28) each: is there ink?
    return np.stack([SIZE - s.argmax(1) - s[:, ::-1].argmax(1) for s in (rows, columns)], axis=1)


def centres(images: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the centre of mass (N, 2), row and column, of images (N, H, W)."""
    mass = images.sum(axis=(1, 2))
    where = np.arange(SIZE)
    return np.stack([images.sum(2) @ where / mass, images.sum(1) @ where / mass], axis=1)


def test_shapes_and_types() -> None:
    (images, labels), (test_images, test_labels) = digits(train=30, test=20, seed=5)
    assert images.shape == (30, 28, 28, 1)
    assert test_images.shape == (20, 28, 28, 1)
    assert images.dtype == test_images.dtype == np.uint8
    assert labels.shape == (30,)
    assert test_labels.shape == (20,)
    assert labels.dtype == test_labels.dtype == np.int64
    assert images.flags.c_contiguous
    assert images.flags.writeable


def test_the_default_sizes() -> None:
    start = time.perf_counter()
    (images, labels), (_, test_labels) = digits()
    assert (len(images), len(labels), len(test_labels)) == (10_000, 10_000, 2_000)
    assert time.perf_counter() - start < 20  # about 0.4 s on one core of 2025


@pytest.mark.parametrize("count", [0, 1, 7, 251])
def test_any_count(count: int) -> None:
    images, labels = draw(count)
    assert images.shape == (count, 28, 28, 1)
    assert labels.shape == (count,)


def test_the_same_seed_gives_the_same_images() -> None:
    (a, a_labels), (b, b_labels) = draw(40, seed=9), draw(40, seed=9)
    np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(a_labels, b_labels)


def test_another_seed_gives_other_images() -> None:
    (a, a_labels), (b, b_labels) = draw(500, seed=1), draw(500, seed=2)
    assert (a != b).any(axis=(1, 2, 3)).all()
    assert (a_labels != b_labels).any()


def test_more_images_keep_the_first() -> None:
    (few, few_labels), (many, many_labels) = draw(123, seed=4), draw(600, seed=4)
    np.testing.assert_array_equal(few, many[:123])
    np.testing.assert_array_equal(few_labels, many_labels[:123])


def test_training_and_test_images_are_different() -> None:
    (images, _), (test_images, _) = digits(train=1_000, test=1_000, seed=0)
    known = {image.tobytes() for image in images}
    assert len(known) == 1_000
    assert not known & {image.tobytes() for image in test_images}


def test_the_training_set_is_what_draw_gives() -> None:
    (images, labels), _ = digits(train=50, test=0, seed=6)
    again, again_labels = draw(50, seed=6)
    np.testing.assert_array_equal(images, again)
    np.testing.assert_array_equal(labels, again_labels)


def test_one_blas_thread_or_four_give_the_same_images() -> None:
    script = (
        "import hashlib; from minidl.data.digits import draw;"
        "print(hashlib.sha256(draw(500, seed=8)[0].tobytes()).hexdigest())"
    )
    hashes = {
        subprocess.run(
            [sys.executable, "-c", script],
            env={"OPENBLAS_NUM_THREADS": n, "OMP_NUM_THREADS": n, "PYTHONPATH": ":".join(sys.path)},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for n in ("1", "4")
    }
    assert len(hashes) == 1


def test_every_ten_in_a_row_hold_each_digit_once(drawn: Digits) -> None:
    labels = drawn[1].reshape(-1, 10)
    np.testing.assert_array_equal(np.sort(labels, axis=1), np.tile(np.arange(10), (200, 1)))
    assert len({tuple(ten) for ten in labels.tolist()}) > 190  # shuffled, not repeated


def test_global_random_state_is_left_alone() -> None:
    before = np.random.get_state(legacy=False)  # noqa: NPY002
    draw(10)
    after = np.random.get_state(legacy=False)  # noqa: NPY002
    assert str(before) == str(after)


def test_centred_by_mass(drawn: Digits) -> None:
    """As in MNIST within half a pixel of 14, 14, but where ink would leave the image."""
    off = centres(drawn[0][..., 0].astype(np.float64)) - 14.0
    assert (np.abs(off).max(axis=1) <= 0.5 + 1e-9).mean() > 0.95
    assert (np.abs(off).max(axis=1) <= 1.0).mean() > 0.98
    assert np.abs(off).max() < 3
    assert np.abs(off.mean(axis=0)).max() < 0.05


def test_ink_fills_its_box(drawn: Digits) -> None:
    """MNIST's digits are 20 pixels in height or width, whichever is larger."""
    size = spans(drawn[0][..., 0] > 127).max(axis=1)
    assert (size == BOX).mean() > 0.9
    assert size.min() >= BOX - 4  # a pen may lift off before the end
    assert size.max() <= BOX + 1


def test_as_much_ink_as_mnist(drawn: Digits) -> None:
    """MNIST: mean 0.131 of full ink, 81 % of the pixels dark, a bright one in every image."""
    images = drawn[0]
    assert 0.12 < images.mean() / 255 < 0.145
    assert 0.77 < (images == 0).mean() < 0.84
    assert (images.max(axis=(1, 2, 3)) >= 250).mean() > 0.99
    means = [images[drawn[1] == digit].mean() / 255 for digit in range(10)]
    assert np.argmin(means) == 1  # a one has the least ink, in MNIST too
    assert 0.06 < min(means) < 0.09
    assert 0.14 < max(means) < 0.18


def test_pens_are_thin_and_thick(drawn: Digits) -> None:
    ones = drawn[0][drawn[1] == 1].mean(axis=(1, 2, 3))
    thin, thick = np.quantile(ones, [0.05, 0.95])
    assert thick > 1.8 * thin


def test_every_digit_has_many_styles() -> None:
    assert sorted(SKELETONS) == list(range(10))
    assert all(len(texts) >= 11 for texts in SKELETONS.values())


@pytest.mark.parametrize(("digit", "text"), TEXTS)
def test_every_skeleton_lies_in_its_box(digit: int, text: str) -> None:
    style = skeleton(text, 64)
    path = style.weights @ style.control
    assert path.shape == (64, 2)
    assert style.control.min() >= 0
    assert style.control.max() <= 1
    assert path.min() > -0.06  # a smooth curve may swing a little over its control points
    assert path.max() < 1.06
    assert np.ptp(path[:, 1]) > 0.45  # the flattest two; others fill the box's height
    assert 0.85 < style.length < 5


def test_every_skeleton_is_drawn() -> None:
    styles = np.arange(len(TEXTS))
    images = _write(styles, np.random.Generator(np.random.PCG64(0)), HAND)
    assert images.shape == (len(TEXTS), SIZE, SIZE)
    ink = (images > 127).mean(axis=(1, 2))
    assert ink.min() > 0.02
    assert ink.max() < 0.45


def test_every_style_is_chosen() -> None:
    first = _table().first
    assert first[0] == 0
    assert first[-1] == len(TEXTS)
    np.testing.assert_array_equal(np.diff(first), [len(SKELETONS[digit]) for digit in range(10)])


def test_a_steady_hand_draws_the_skeleton_itself() -> None:
    """With no variation but the pen's radius, ink lies where the path says, and only there."""
    steady = HAND.replace(
        jitter=0.0, stroke_jitter=0.0, bend=0.0, stretch=0.0, lean=0.0, slant=0.0, turn=0.0,
        pen=1.5, pen_spread=0.0, thrift=0.0, pressure=0.0, soft=1.0, softest=1.0, ragged=0.0,
    )  # fmt: skip
    straight_one = TEXTS.index((1, "50,2 50,98"))
    image = _write(np.array([straight_one]), np.random.Generator(np.random.PCG64(0)), steady)[0]
    expected = np.zeros((SIZE, SIZE), dtype=int)
    expected[4:24, 13:16] = 255  # 20 high, 3 wide, centred on pixel 14
    assert np.abs(image[6:22].astype(int) - expected[6:22]).max() <= 4  # the round ends aside
    assert image[:4].max() == image[24:].max() == 0
    assert min(image[4, 14], image[23, 14]) > 150


def test_identical_wishes_are_drawn_differently() -> None:
    images = _write(np.zeros(20, dtype=np.int64), np.random.Generator(np.random.PCG64(1)), HAND)
    assert len({image.tobytes() for image in images}) == 20


@pytest.mark.parametrize("value", [-1, -1_000])
def test_negative_numbers_are_refused(value: int) -> None:
    with pytest.raises(ValueError, match=f"count must be an integer of at least 0, got {value}"):
        draw(value)
    with pytest.raises(ValueError, match="seed must be an integer of at least 0, got"):
        draw(1, seed=value)
    with pytest.raises(ValueError, match="train must be an integer of at least 0, got"):
        digits(train=value)
    with pytest.raises(ValueError, match="test must be an integer of at least 0, got"):
        digits(train=0, test=value)


@pytest.mark.parametrize("value", [1.0, "10", None, True])
def test_what_is_no_integer_is_refused(value: object) -> None:
    with pytest.raises(TypeError, match="count must be an integer of at least 0, got"):
        draw(value)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="seed must be an integer of at least 0, got"):
        draw(1, seed=value)  # type: ignore[arg-type]


def test_numpy_integers_are_taken() -> None:
    assert len(draw(np.int64(3), seed=np.uint8(1))[0]) == 3  # type: ignore[arg-type]


def test_parse_reads_strokes_points_and_corners() -> None:
    (bow, corners), (bar, none) = parse("20,10 80,0! 45,100 / 30,50 70,50")
    np.testing.assert_allclose(bow, [[0.2, 0.1], [0.8, 0.0], [0.45, 1.0]])
    np.testing.assert_allclose(bar, [[0.3, 0.5], [0.7, 0.5]])
    assert (corners, none) == ((1,), ())


@pytest.mark.parametrize("text", ["10,20 30", "10,20 101,5", "10,-2 30,30", "1.5,2 3,4", "a,b 1,2"])
def test_bad_points_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected a point 'x,y' or 'x,y!' in percent"):
        parse(text)


@pytest.mark.parametrize("text", ["", "10,20", "10,20 30,40 /", "10,20 30,40 / 50,50"])
def test_short_strokes_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="a stroke needs at least two points"):
        parse(text)


def test_catmull_rom_passes_through_its_control_points() -> None:
    points = np.array([[0.1, 0.2], [0.5, 0.9], [0.6, 0.1], [0.9, 0.4]])
    curve = catmull_rom(points, fine=8) @ points
    assert curve.shape == (25, 2)
    np.testing.assert_allclose(curve[::8], points, atol=1e-12)


def test_catmull_rom_is_smooth_inside_and_moves_with_its_points() -> None:
    points = np.array([[0.1, 0.2], [0.5, 0.9], [0.6, 0.1], [0.9, 0.4]])
    weights = catmull_rom(points, fine=1_000)
    np.testing.assert_allclose(weights.sum(axis=1), 1.0, atol=1e-12)
    steps = np.diff(weights @ points, axis=0)
    angles = np.unwrap(np.arctan2(steps[:, 1], steps[:, 0]))
    assert np.abs(np.diff(angles)).max() < 0.05


def test_a_parabola_stays_one() -> None:
    """Equal chords are equal knots, through which the tangents are exact for a parabola."""
    u = np.array([-1.0, 0.0, 1.0])
    points = np.stack([u, u**2], axis=1)
    curve = catmull_rom(points) @ points
    np.testing.assert_allclose(curve[:, 1], curve[:, 0] ** 2, atol=1e-12)


def test_two_points_make_a_straight_line_of_even_steps() -> None:
    style = skeleton("0,0 60,80", points=4)
    path = style.weights @ style.control
    expected = np.outer([0.125, 0.375, 0.625, 0.875], [0.6, 0.8])
    np.testing.assert_allclose(path, expected, atol=1e-3)
    assert style.length == pytest.approx(1.0)


def test_points_are_evenly_spaced_and_the_lifted_pen_leaves_none() -> None:
    style = skeleton("0,0 100,0 / 0,100 50,100", points=30)
    path = style.weights @ style.control
    assert style.length == pytest.approx(1.5)
    assert set(path[:, 1].round(9)) == {0.0, 1.0}  # nothing between the strokes
    assert (path[:, 1] == 0).sum() == 20
    np.testing.assert_allclose(np.diff(path[:20, 0]), 0.05, atol=2e-3)
    np.testing.assert_array_equal(style.stroke, [0, 0, 1, 1])


def test_a_corner_is_sharp() -> None:
    round_path, sharp_path = (
        style.weights @ style.control
        for style in (skeleton("0,0 100,0 100,100", 400), skeleton("0,0 100,0! 100,100", 400))
    )
    assert sharp_path.max() == pytest.approx(1.0)
    assert round_path.max() > 1.01  # a smooth turn swings out
    turns = np.diff(np.arctan2(*np.diff(sharp_path, axis=0).T[::-1]))
    assert (np.abs(turns) > 0.5).sum() <= 2
    assert np.abs(turns).sum() == pytest.approx(np.pi / 2, abs=1e-6)
