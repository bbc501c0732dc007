"""Augmentations that move pixels: against closed forms, and composed against one by one."""

from __future__ import annotations

import numpy as np
import pytest

from minidl.augment import (
    Augmentation,
    Compose,
    Draw,
    Elastic,
    Flip,
    Rotate,
    Shear,
    Shift,
    Zoom,
)
from minidl.augment.values import Fill
from minidl.types import Array

RANDOM = np.random.default_rng(8)
BYTES = RANDOM.integers(0, 256, (3, 7, 7, 2)).astype(np.uint8)


class Fixed(Draw):
    """Every uniform number is the same: 1 for the most, 0 for minus the most, 0.5 for none."""

    def __init__(self, number: float, count: int) -> None:
        super().__init__(0, 0, 0, count)
        self.number = number

    def part(self, _index: int) -> Draw:
        return self

    def uniform(self, *shape: int) -> Array:
        return np.full((self.count, *shape), self.number, np.float32)


def most(augmentation: Augmentation, images: Array, number: float = 1) -> Array:
    return augmentation.images(images, Fixed(number, len(images)))


def smooth(count: int, height: int, width: int) -> Array:
    """Return a smooth bump each, of height 1, in float64."""
    down, right = np.arange(height)[:, None], np.arange(width)
    middles = np.array([height, width]) / 2 + RANDOM.uniform(-1, 1, (count, 2))
    distances = [(down - y) ** 2 / 14 + (right - x) ** 2 / 9 for y, x in middles]
    return np.exp(-0.5 * np.array(distances))[..., None]


@pytest.mark.parametrize("images", [BYTES, BYTES.astype(np.float64)], ids=["bytes", "floats"])
@pytest.mark.parametrize("quarters", [1, 2, 3, -1])
def test_quarter_turns(images: Array, quarters: int) -> None:
    turned = most(Rotate(90 * abs(quarters)), images, number=float(quarters > 0))
    np.testing.assert_allclose(turned, np.rot90(images, quarters, axes=(1, 2)), atol=2e-4)


@pytest.mark.parametrize("fill", [0, 0.4, "edge"])
@pytest.mark.parametrize("shift", [(2, 3), (0, 1), (9, 0)])
def test_shift_by_whole_pixels(fill: Fill, shift: tuple[int, int]) -> None:
    down, right = shift
    level = {"constant_values": round(255 * fill)} if fill != "edge" else {}
    mode = "edge" if fill == "edge" else "constant"
    sides = [(0, 0), (down, 0), (right, 0), (0, 0)]
    moved = np.pad(BYTES, sides, mode=mode, **level)[:, :7, :7]  # type: ignore[call-overload]
    np.testing.assert_array_equal(most(Shift(shift, fill), BYTES), moved)
    back = most(Shift(shift, fill), BYTES[:, ::-1, ::-1], number=0)
    np.testing.assert_array_equal(back[:, ::-1, ::-1], moved)


def test_shift_by_half_a_pixel_is_the_mean_of_two() -> None:
    images = np.array([0.0, 4, 2]).reshape(1, 1, 3, 1)
    assert most(Shift((0, 0.5)), images).ravel().tolist() == [0, 2, 3]
    assert most(Shift((0, 0.5)), images, number=0).ravel().tolist() == [2, 3, 1]
    assert most(Shift((0, 0.5), fill=10), images).ravel().tolist() == [5, 2, 3]
    assert most(Shift((0, 0.5), fill="edge"), images + 1).ravel().tolist() == [1, 3, 4]


def test_zoom_by_two_and_by_half() -> None:
    images = np.array([1.0, 2, 3, 4, 5]).reshape(1, 1, 5, 1)
    wide = [2, 2.5, 3, 3.5, 4]
    assert most(Zoom((1, 2)), images.repeat(3, axis=1))[0, 1, :, 0].tolist() == wide
    narrow = [0, 1, 3, 5, 0]
    assert most(Zoom((0.5, 1)), images, number=0).ravel().tolist() == narrow


def test_shear_slides_rows() -> None:
    images = np.zeros((1, 5, 7, 1))
    images[0, :, 3] = 1
    slanted = most(Shear(45), images)[0, :, :, 0]
    np.testing.assert_allclose(slanted, np.eye(7)[1:6][::-1], atol=1e-6)
    np.testing.assert_allclose(most(Shear(45), images, 0)[0, :, :, 0], slanted[::-1], atol=1e-6)


@pytest.mark.parametrize(
    "augmentation",
    [Shift(3), Rotate(70), Zoom(0.3), Shear(20), Elastic(20, 2), Compose([Zoom(0.2), Shift(1)])],
    ids=repr,
)
def test_the_middle_of_each_range_changes_nothing(augmentation: Augmentation) -> None:
    for images in (BYTES, RANDOM.normal(size=(2, 5, 8, 1)).astype(np.float32)):
        np.testing.assert_allclose(most(augmentation, images, number=0.5), images, atol=1e-6)


def test_numbers_are_uniform_and_centred() -> None:
    draw = Draw(1, 2, 0, 4000)
    matrices = Rotate(30).matrices(draw)
    angles = np.degrees(np.arctan2(matrices[:, 0, 1], matrices[:, 0, 0]))
    assert -30 <= angles.min() < -29.9 < 29.9 < angles.max() <= 30
    counts = np.histogram(angles, bins=10, range=(-30, 30))[0]
    assert ((counts - 400) ** 2 / 400).sum() < 27.88  # chi-squared, 9 degrees, p > 0.001
    shifts = Shift((4, 2)).matrices(draw)[:, :, 2]
    assert (abs(shifts).max(axis=0) <= (4, 2)).all()
    assert (abs(shifts.mean(axis=0)) < (0.15, 0.08)).all()  # four deviations
    assert abs(np.corrcoef(shifts.T)[0, 1]) < 0.07
    factors = 1 / Zoom((0.5, 2)).matrices(draw)[:, 0, 0]
    assert 0.5 <= factors.min() < 0.51 < 1.99 < factors.max() <= 2
    leans = np.degrees(np.arctan(Shear(40).matrices(draw)[:, 1, 0]))
    assert 39.8 < abs(leans).max() <= 40


@pytest.mark.parametrize(
    "parts",
    [
        [Shift(3), Rotate(30)],
        [Rotate(30), Shift(3)],
        [Zoom(0.3), Shear(20), Shift((2, 1)), Rotate(45)],
        [Shift(3), Elastic(20, 4)],
        [Rotate(40), Zoom(0.2), Elastic(30, 4)],
        [Shift(1), Elastic(30, 4), Rotate(60)],
    ],
    ids=repr,
)
def test_composed_warps_are_those_applied_one_by_one(parts: list[Augmentation]) -> None:
    images, draw = smooth(20, 24, 21), Draw(5, 0, 0, 20)
    one_by_one = images
    for index, part in enumerate(parts):
        one_by_one = part.images(one_by_one, draw.part(index))
    once = Compose(parts).images(images, draw)
    assert abs(once - one_by_one).max() < 0.1  # each interpolation flattens the tops a little
    assert abs(once - images).max() > 0.3
    backwards = Compose(parts[::-1]).images(images, draw)
    assert abs(once - backwards).max() > 0.2


def test_composed_warps_are_sampled_once() -> None:
    images = RANDOM.uniform(size=(4, 9, 9, 1))
    halves = Compose([Shift((0, 0.5)), Shift((0, 0.5))])
    np.testing.assert_allclose(most(halves, images), most(Shift((0, 1)), images), atol=1e-7)
    apart = Compose([Shift((0, 0.5)), Flip(0), Shift((0, 0.5))])
    assert abs(most(apart, images) - most(halves, images)).max() > 0.1


def test_warps_of_another_fill_are_sampled_apart() -> None:
    images = np.full((2, 5, 5, 1), 100, np.uint8)
    both = most(Compose([Shift((2, 0), fill=0), Shift((0, 1), fill=1)]), images)
    assert both[0, :, :, 0].tolist() == [[255, 0, 0, 0, 0]] * 2 + [[255, 100, 100, 100, 100]] * 3


def test_elastic_fields_have_the_strength_and_smoothness_of_theory() -> None:
    """Noise of variance 1/3 through a Gaussian: deviation alpha / (sqrt(3) 2 sigma sqrt(pi))."""
    field = Elastic(34, 4).field(Draw(1, 0, 0, 600), 28, 26)  # (N, 2, H, W)
    assert field.shape == (600, 2, 28, 26)
    expected = 34 / (np.sqrt(3) * 2 * 4 * np.sqrt(np.pi))
    spread = field.std(axis=(0, 1))
    assert abs(spread / expected - 1).max() < 0.15  # everywhere, at the borders too
    assert abs(spread.mean() / expected - 1) < 0.02
    assert abs(field.mean()) < 0.1
    # Two places d apart in the middle correlate by exp(-d²/4σ²).
    near, middle, far = field[:, :, 13, [14, 13, 7]].reshape(-1, 3).T
    assert abs(np.corrcoef(near, middle)[0, 1] - np.exp(-1 / 64)) < 0.02
    assert abs(np.corrcoef(far, middle)[0, 1] - np.exp(-36 / 64)) < 0.1


def test_elastic_scales_with_alpha() -> None:
    draw = Draw(1, 0, 0, 3)
    one, two = Elastic(1, 3).field(draw, 9, 9), Elastic(2, 3).field(draw.again(), 9, 9)
    np.testing.assert_allclose(two, 2 * one, rtol=1e-4, atol=1e-6)
    assert (Elastic(0)(BYTES) == BYTES).all()


def test_elastic_moves_pixels_by_its_field() -> None:
    """A ramp shows where each pixel came from."""
    rows, columns = np.indices((12, 15)).astype(float)
    ramp = np.stack([rows, columns], axis=-1)[None]  # (1, H, W, 2)
    part = Elastic(6, 3, fill="edge")
    field = part.field(Draw(1, 0, 0, 1), 12, 15)
    expected = np.stack([rows + field[0, 0], columns + field[0, 1]], axis=-1).clip(0, (11, 14))
    np.testing.assert_allclose(part(ramp, seed=1)[0], expected, atol=1e-5)


def test_far_places_are_outside() -> None:
    images = np.full((1, 4, 4, 1), 9, np.uint8)
    assert not most(Shift(1e12), images).any()
    assert (most(Shift(1e12, fill="edge"), images) == 9).all()
    assert (most(Shift(2, fill=7), images)[0, 0] == 255).all()
    assert (most(Shift(2, fill=-1), images)[0, 0] == 0).all()


def test_blocks_do_not_show() -> None:
    """More pixels than one block of the sampler holds."""
    images = RANDOM.integers(0, 256, (5, 64, 96, 1)).astype(np.uint8)
    changed = Rotate(20)(images, seed=3)
    for index in range(5):
        alone = Rotate(20).images(images[index : index + 1], Draw(3, 0, index, 1))
        np.testing.assert_array_equal(changed[index], alone[0])
