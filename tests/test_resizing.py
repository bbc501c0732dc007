"""Image arrays fitted to another shape."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

from minidl.data.resizing import fit_images

rng = np.random.default_rng


@pytest.mark.parametrize("shape", [(5, 7, 1), (5, 7, 3), (5, 7, 4)])
def test_images_of_the_shape_are_the_same_array(shape: tuple[int, int, int]) -> None:
    images = rng(0).integers(0, 256, (3, *shape)).astype(np.uint8)
    assert fit_images(images, shape) is images


def test_growing_by_two_is_bilinear_interpolation() -> None:
    # New centres lie a quarter of an old pixel beside old ones; beyond the edge nothing changes.
    images = np.array([[0, 8], [16, 40]], np.float32).reshape(1, 2, 2, 1)
    expected = [[0, 2, 6, 8], [4, 7, 13, 16], [12, 17, 27, 32], [16, 22, 34, 40]]
    np.testing.assert_allclose(fit_images(images, (4, 4, 1))[0, :, :, 0], expected, rtol=1e-6)


def test_height_and_width_are_told_apart() -> None:
    images = np.array([[0, 8], [16, 40]], np.float32).reshape(1, 2, 2, 1)
    wide = fit_images(images, (2, 4, 1))
    assert wide[0, :, :, 0].tolist() == [[0, 2, 6, 8], [16, 22, 34, 40]]
    assert fit_images(images, (4, 2, 1))[0, :, :, 0].tolist() == [
        *([0, 8], [4, 16], [12, 32], [16, 40])
    ]


def test_shrinking_averages_with_a_triangle() -> None:
    ramp = np.arange(8, dtype=np.float32).reshape(1, 1, 8, 1)
    half = fit_images(ramp, (1, 4, 1))[0, 0, :, 0]
    # At half the width a triangle takes 1, 3, 3, 1 eighths; at the edges 3, 3, 1 sevenths.
    assert half.tolist() == pytest.approx([5 / 7, 2.5, 4.5, 7 - 5 / 7])
    step = np.array([0, 0, 0, 0, 8, 0, 0, 0], np.float32).reshape(1, 1, 8, 1)
    assert fit_images(step, (1, 4, 1))[0, 0, :, 0].tolist() == pytest.approx([0, 1, 3, 0])


@pytest.mark.parametrize("size", [(3, 4), (7, 7), (28, 28), (5, 40), (90, 2)])
def test_what_is_constant_stays_so(size: tuple[int, int]) -> None:
    for value, dtype in ((255, np.uint8), (7, np.uint8), (0.3, np.float32), (0.3, np.float64)):
        images = np.full((2, 28, 28, 3), value, dtype)
        fitted = fit_images(images, (*size, 3))
        assert fitted.dtype == dtype
        np.testing.assert_allclose(fitted, images[0, 0, 0, 0], rtol=1e-6)


@pytest.mark.skipif(importlib.util.find_spec("PIL") is None, reason="Pillow is not installed")
@pytest.mark.parametrize("size", [(32, 32), (14, 14), (9, 31), (61, 17), (1, 1), (29, 43)])
def test_it_is_what_pillow_does(size: tuple[int, int]) -> None:
    from PIL import Image

    images = rng(1).integers(0, 256, (2, 29, 43, 3)).astype(np.uint8)
    fitted = fit_images(images, (*size, 3)).astype(int)
    for image, ours in zip(images, fitted):
        theirs = Image.fromarray(image).resize(size[::-1], Image.Resampling.BILINEAR)
        assert np.abs(ours - np.asarray(theirs)).max() <= 1


@pytest.mark.skipif(importlib.util.find_spec("PIL") is None, reason="Pillow is not installed")
def test_colour_becomes_grey_as_with_pillow() -> None:
    from PIL import Image

    images = rng(2).integers(0, 256, (2, 6, 5, 3)).astype(np.uint8)
    grey = fit_images(images, (6, 5, 1)).astype(int)
    for image, ours in zip(images, grey):
        assert np.abs(ours[..., 0] - np.asarray(Image.fromarray(image).convert("L"))).max() <= 1


def test_pure_colours_have_the_weights_of_luma() -> None:
    colours = 100 * np.eye(3, dtype=np.float32).reshape(3, 1, 1, 3)
    assert fit_images(colours, (1, 1, 1)).ravel().tolist() == pytest.approx([29.9, 58.7, 11.4])


def test_grey_becomes_three_equal_channels() -> None:
    images = rng(3).integers(0, 256, (2, 4, 4, 1)).astype(np.uint8)
    np.testing.assert_array_equal(fit_images(images, (4, 4, 3)), np.repeat(images, 3, axis=3))


def test_blocks_make_no_difference() -> None:
    images = rng(4).integers(0, 256, (600, 6, 6, 1)).astype(np.uint8)
    whole = fit_images(images, (4, 5, 3))
    assert whole.shape == (600, 4, 5, 3)
    for start in (0, 255, 256, 511, 512, 599):
        one = fit_images(images[start : start + 1], (4, 5, 3))
        np.testing.assert_array_equal(whole[start : start + 1], one)


def test_bytes_are_rounded() -> None:
    images = np.array([0, 3], np.uint8).reshape(1, 1, 2, 1)
    assert fit_images(images, (1, 4, 1)).ravel().tolist() == [0, 1, 2, 3]  # 0, 0.75, 2.25, 3


@pytest.mark.parametrize(("came", "wanted"), [(4, 3), (3, 4), (2, 1), (1, 2)])
def test_only_grey_and_rgb_are_converted(came: int, wanted: int) -> None:
    images = np.zeros((1, 4, 4, came), np.uint8)
    message = f"images of {came} channels cannot become ones of {wanted}: only grey .1. and RGB"
    with pytest.raises(ValueError, match=message):
        fit_images(images, (4, 4, wanted))
