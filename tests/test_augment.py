"""Augmentations: what holds for all of them, and those that leave pixels where they are."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from minidl import ShapeError
from minidl.augment import (
    Augmentation,
    Brightness,
    Compose,
    Contrast,
    Crop,
    Cutout,
    Draw,
    Elastic,
    Flip,
    Mixup,
    Noise,
    Rotate,
    Shear,
    Shift,
    Sometimes,
    Zoom,
    compose,
)
from minidl.types import Array

NAN = float("nan")
ALONE = [
    Shift((2, 1.5)),
    Rotate(20),
    Zoom((0.8, 1.3), fill="edge"),
    Shear(10, fill=0.5),
    Elastic(8, 3),
    Flip(),
    Flip(0.3, vertical=True),
    Crop(2),
    Cutout(3),
    Brightness(0.3),
    Contrast(0.5),
    Noise(0.2),
    Compose([Shift(2), Rotate(10), Elastic(), Flip(), Zoom(0.1), Noise(0.1)]),
    Sometimes(0.5, Compose([Cutout(2), Rotate(90)])),
]
ALL = [*ALONE, Mixup(0.4), Compose([Flip(), Mixup(1), Rotate(5)]), Sometimes(0.5, Mixup(0.3))]


def pictures(count: int, *shape: int, dtype: type = np.uint8) -> Array:
    """Return random images, (N, H, W, C): bytes, or floats from 0 to 1."""
    values = np.random.default_rng(5).integers(0, 256, (count, *shape))
    return values.astype(np.uint8) if dtype is np.uint8 else (values / 255).astype(dtype)


def whole(augmentation: Augmentation, images: Array) -> Array:
    return augmentation.batch(images, np.arange(len(images)), Draw(3, 1, 0, len(images)))[0]


@pytest.mark.parametrize("augmentation", ALL, ids=repr)
@pytest.mark.parametrize("shape", [(28, 28, 1), (32, 32, 3), (5, 7, 2), (1, 1, 1)])
@pytest.mark.parametrize("dtype", [np.uint8, np.float16, np.float32, np.float64])
def test_shape_and_dtype_stay_and_inputs_are_untouched(
    augmentation: Augmentation, shape: tuple[int, ...], dtype: type
) -> None:
    images, targets = pictures(3, *shape, dtype=dtype), np.eye(3, dtype=np.float32)
    images.flags.writeable = targets.flags.writeable = False
    changed, wanted = augmentation.batch(images, targets, Draw(0, 0, 0, 3))
    assert (changed.shape, changed.dtype) == (images.shape, images.dtype)
    assert (wanted.shape, wanted.dtype) == (targets.shape, targets.dtype)
    assert not np.shares_memory(changed, images)
    assert np.isfinite(changed).all()
    np.testing.assert_array_equal(images, pictures(3, *shape, dtype=dtype))
    np.testing.assert_array_equal(targets, np.eye(3))


@pytest.mark.parametrize("augmentation", ALL, ids=repr)
def test_seed_and_epoch_decide(augmentation: Augmentation) -> None:
    images = pictures(40, 9, 8, 1)
    first = augmentation(images, seed=4)
    assert (first == augmentation(images, seed=4)).all()
    assert (first != images).any()
    assert (first != augmentation(images, seed=5)).any()
    assert (first != augmentation(images, seed=4, epoch=1)).any()


@pytest.mark.parametrize("augmentation", ALONE, ids=repr)
@pytest.mark.parametrize("size", [1, 7, 64])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_the_cut_into_batches_changes_nothing(
    augmentation: Augmentation, size: int, dtype: type
) -> None:
    images, targets = pictures(150, 12, 11, 1, dtype=dtype), np.arange(150)
    cut = [
        augmentation.batch(images[at : at + size], targets[at : at + size], draw)
        for at in range(0, 150, size)
        for draw in [Draw(3, 1, at, len(images[at : at + size]))]
    ]
    np.testing.assert_array_equal(
        np.concatenate([one for one, _ in cut]), whole(augmentation, images)
    )
    np.testing.assert_array_equal(np.concatenate([one for _, one in cut]), targets)


@pytest.mark.parametrize("augmentation", ALL, ids=repr)
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_the_layout_in_memory_changes_nothing(augmentation: Augmentation, dtype: type) -> None:
    images = pictures(6, 8, 9, 3, dtype=dtype)
    changed = augmentation(np.asfortranarray(images), seed=2)
    assert changed.flags.c_contiguous
    assert (changed == augmentation(images, seed=2)).all()


def test_uint8_is_the_rounded_float() -> None:
    images = pictures(20, 9, 9, 1)
    for augmentation in (Rotate(30), Zoom(0.2), Elastic(8, 3), Mixup(1), Contrast(0.1)):
        exact = augmentation(images / 255, seed=1) * 255
        difference = augmentation(images, seed=1) - np.clip(exact, 0, 255)
        assert abs(difference).max() < 0.501


def test_parts_of_a_composition_have_numbers_of_their_own() -> None:
    images = np.zeros((50, 8, 8, 1), np.float32)
    one, two = Brightness(0.5), Compose([Brightness(0.5), Brightness(0.5)])
    first = one.images(images, Draw(0, 0, 0, 50).part(0))
    second = one.images(images, Draw(0, 0, 0, 50).part(1))
    np.testing.assert_allclose(two(images), first + second, atol=1e-6)
    assert abs(np.corrcoef(first[:, 0, 0, 0], second[:, 0, 0, 0])[0, 1]) < 0.5


def test_numbers_are_what_they_have_always_been() -> None:
    """Runs saved by an older version are resumed by a newer one: these numbers stay."""
    images = np.arange(40, 65, dtype=np.uint8).reshape(1, 5, 5, 1)
    seen = {
        type(one).__name__: one(images, seed=7).ravel()[[0, 6, 12, 18, 24]].tolist()
        for one in (*ALONE[:5], *ALONE[7:13])
    }
    assert seen == {
        "Shift": [0, 18, 46, 29, 0],
        "Rotate": [22, 45, 52, 59, 34],
        "Zoom": [42, 47, 52, 57, 62],
        "Shear": [64, 46, 52, 58, 82],
        "Elastic": [21, 44, 49, 55, 61],
        "Crop": [0, 0, 60, 0, 0],
        "Cutout": [40, 46, 52, 58, 64],
        "Brightness": [100, 106, 112, 118, 124],
        "Contrast": [35, 44, 52, 60, 69],
        "Noise": [142, 39, 9, 33, 99],
        "Compose": [0, 41, 53, 31, 27],
    }
    flipped = Flip()(images.repeat(8, axis=0), seed=7)[:, 0, 0, 0]
    assert flipped.tolist() == [40, 40, 40, 44, 44, 40, 44, 40]
    drawn = Draw(seed=7, epoch=2, first=5, count=1)
    assert (drawn.uniform(2) * 2**24).tolist() == [[8880016, 2202630]]
    assert (drawn.uniform(2) * 2**24).tolist() == [[4678063, 5788690]]
    assert (drawn.part(3).uniform(2) * 2**24).tolist() == [[1789454, 711687]]


def test_a_batch_without_samples() -> None:
    for augmentation in ALL:
        assert augmentation(np.zeros((0, 4, 4, 1), np.uint8)).shape == (0, 4, 4, 1)


@pytest.mark.parametrize("vertical", [False, True])
def test_flip_mirrors_about_half(vertical: bool) -> None:
    images = pictures(4000, 2, 3, 1, dtype=np.float32)
    changed = Flip(vertical=vertical)(images, seed=1)
    mirrored = images[:, ::-1] if vertical else images[:, :, ::-1]
    flipped = (changed == mirrored).all(axis=(1, 2, 3))
    assert (flipped | (changed == images).all(axis=(1, 2, 3))).all()
    assert abs(flipped.mean() - 0.5) < 0.03  # four deviations
    assert (Flip(1, vertical=vertical)(images) == mirrored).all()
    assert (Flip(0)(images) == images).all()


def test_crop_cuts_every_piece_equally_often() -> None:
    images = np.zeros((9000, 3, 3, 1), np.uint8)
    images[:, 1, 1] = 255
    changed = Crop(1, fill=0)(images, seed=1)
    assert (changed.sum(axis=(1, 2, 3), dtype=int) == 255).all()
    places = np.bincount(changed.reshape(9000, 9).argmax(axis=1), minlength=9)
    assert ((places - 1000) ** 2 / 1000).sum() < 26.1  # chi-squared, 8 degrees, p > 0.001


def test_crop_fills_what_lies_outside() -> None:
    images = np.full((50, 2, 2, 1), 10, np.uint8)
    assert set(Crop(2, fill=0.5)(images).ravel()) == {10, 128}
    assert set(Crop(2, fill="edge")(images).ravel()) == {10}
    assert (Crop(0)(images) == images).all()


def test_cutout_covers_a_square_that_may_stick_out() -> None:
    images = np.ones((500, 10, 12, 2), np.float32)
    covered = (Cutout(3, fill=0.25)(images, seed=1) == 0.25).all(axis=-1)  # (N, H, W)
    heights, widths = covered.any(axis=2).sum(axis=1), covered.any(axis=1).sum(axis=1)
    assert (covered.sum(axis=(1, 2)) == heights * widths).all()
    assert (set(heights), set(widths)) == ({2, 3}, {2, 3})
    assert covered.any(axis=0).all()
    assert abs((heights == 2).mean() - 2 / 10) < 0.08
    assert (Cutout(0)(images) == images).all()


def test_brightness_adds_one_number_to_an_image() -> None:
    images = np.full((2000, 2, 2, 3), 100, np.uint8)
    added = Brightness(0.2)(images, seed=1).astype(int) - 100
    assert (added == added[:, :1, :1, :1]).all()
    assert (added.min(), added.max()) == (-51, 51)
    assert abs(added.mean()) < 3  # four deviations


def test_bytes_saturate() -> None:
    images = np.array([0, 255], np.uint8).reshape(1, 1, 2, 1).repeat(200, axis=0)
    for augmentation in (Brightness(1.0), Noise(0.5), Contrast(0.9)):
        low, high = augmentation(images, seed=1).reshape(200, 2).astype(int).T
        assert (low <= high).mean() > 0.9
        assert {low.min(), high.max()} == {0, 255}


def test_floats_are_not_held_to_a_range() -> None:
    images = np.ones((100, 2, 2, 1), np.float32)
    assert Brightness(0.5)(images).max() > 1.4
    assert Noise(0.5)(images - 1).min() < -1


def test_contrast_keeps_the_mean() -> None:
    images = pictures(2000, 4, 4, 2, dtype=np.float64)
    changed = Contrast(0.3)(images, seed=1)
    np.testing.assert_allclose(changed.mean(axis=(1, 2, 3)), images.mean(axis=(1, 2, 3)))
    factors = changed.std(axis=(1, 2, 3)) / images.std(axis=(1, 2, 3))
    assert 0.7 <= factors.min() < 0.705 < 1.295 < factors.max() <= 1.3


def test_noise_is_normal_and_of_its_own_everywhere() -> None:
    noise = Noise(0.1)(np.zeros((200, 10, 10, 2)), seed=1)
    assert abs(noise.mean()) < 0.002
    assert abs(noise.std() - 0.1) < 0.002
    assert len(np.unique(noise)) > 0.99 * noise.size
    as_bytes = Noise(0.1)(np.full((200, 10, 10, 2), 128, np.uint8), seed=1)
    assert abs(as_bytes.std() - 25.5) < 0.5


def test_mixup_mixes_targets_as_it_mixes_images() -> None:
    images, targets = np.eye(300, dtype=np.float32).reshape(300, 20, 15, 1), np.eye(300)
    mixed, wanted = Mixup(0.4).batch(images, targets, Draw(1, 0, 0, 300))
    np.testing.assert_allclose(wanted.sum(axis=1), 1)
    np.testing.assert_allclose(mixed.reshape(300, 300), wanted, atol=1e-6)
    shares = wanted.diagonal()
    np.testing.assert_allclose(wanted[np.arange(300), np.arange(1, 301) % 300], 1 - shares)
    assert abs(shares.mean() - 0.5) < 0.1
    assert abs(shares.var() - 0.25 / 1.8) < 0.02  # Beta(a, a): 1 / (4 (2 a + 1))


def test_mixup_leaves_a_sample_alone_as_it_is() -> None:
    images, targets = pictures(1, 3, 3, 1), np.array([2.5])
    mixed, wanted = Mixup(1).batch(images, targets, Draw(0, 0, 0, 1))
    assert (mixed == images).all()
    assert wanted == targets


def test_mixup_in_parts_of_others_changes_the_same_targets() -> None:
    images, targets = (
        np.eye(40, dtype=np.float32).reshape(40, 8, 5, 1),
        np.eye(40, dtype=np.float32),
    )
    both = Compose(
        [Noise(0), Sometimes(0.5, Compose([Mixup(1), Noise(0)])), Sometimes(0.3, Mixup(1))]
    )
    mixed, wanted = both.batch(images, targets, Draw(1, 0, 0, 40))
    np.testing.assert_allclose(mixed.reshape(40, 40), wanted, atol=1e-6)
    assert 10 < (wanted.max(axis=1) < 1).sum() < 36


def test_mixup_refuses_labels() -> None:
    with pytest.raises(TypeError, match=r"float targets, got int64 labels: pass train.one_hot\(\)"):
        Compose([Mixup(0.2)]).batch(pictures(2, 3, 3, 1), np.arange(2), Draw(0, 0, 0, 2))


def test_sometimes_changes_some() -> None:
    images = np.zeros((4000, 1, 1, 1), np.float32)
    changed = Sometimes(0.3, Brightness(1))(images, seed=1) != 0
    assert abs(changed.mean() - 0.3) < 0.03
    assert not Sometimes(0, Brightness(1))(images).any()


def test_compose_takes_one_or_several_or_none() -> None:
    assert compose(Flip()) == Flip()
    assert compose([Flip(), Crop(2)]) == Compose((Flip(), Crop(2)))
    assert compose([]) is None
    images = pictures(3, 4, 4, 1)
    assert (Compose([])(images) == images).all()


@pytest.mark.parametrize(
    ("images", "error", "message"),
    [
        (
            np.zeros((10, 28, 28)),
            ShapeError,
            r"\(N, H, W, C\), got .*28\): of one channel, pass images\[..., None\]",
        ),
        (np.zeros((10, 784)), ShapeError, r"\(N, H, W, C\), got shape \(10, 784\): "),
        (np.zeros((28, 28, 3)), ShapeError, r"one image is image\[None\]"),
        ([np.zeros((2, 2, 1))], TypeError, r"must be an array, got list: np.stack\(images\)"),
        (np.zeros((1, 2, 2, 1), np.int64), TypeError, "uint8 .* or floats, got int64"),
    ],
)
def test_images_that_do_not_fit(images: Array, error: type[Exception], message: str) -> None:
    for augmentation in ALL:
        with pytest.raises(error, match=message):
            augmentation(images)
        with pytest.raises(error, match=message):
            augmentation.batch(images, np.zeros(len(images)), Draw(0, 0, 0, len(images)))


@pytest.mark.parametrize(
    ("build", "error", "message"),
    [
        (lambda: Shift(-1), ValueError, "pixels must be at least 0 and finite, got -1"),
        (lambda: Shift((1, 2, 3)), ValueError, r"pixels must be a number or a pair \(vertical"),  # type: ignore[arg-type]
        (lambda: Shift((1, NAN)), ValueError, "pixels must be at least 0 and finite, got nan"),
        (lambda: Shift("2"), TypeError, "pixels must be a number"),  # type: ignore[arg-type]
        (lambda: Shift(2, fill="reflect"), ValueError, "a number or 'edge', got 'reflect'"),  # type: ignore[arg-type]
        (lambda: Crop(2, fill=NAN), ValueError, "fill must be finite, got nan"),
        (lambda: Rotate(NAN), ValueError, "degrees must be at least 0 and finite, got nan"),
        (lambda: Shear(90), ValueError, "degrees must be below 90, got 90"),
        (lambda: Zoom(1), ValueError, "factors must be at least 0 and below 1, got 1"),
        (lambda: Zoom((0, 1)), ValueError, "factors must be positive and finite, got 0"),
        (lambda: Zoom((1.1, 0.9)), ValueError, r"\(low, high\), got \(1.1, 0.9\): swap them"),
        (lambda: Zoom((1.1,)), ValueError, r"factors must be a number or a pair \(low, high\)"),  # type: ignore[arg-type]
        (lambda: Elastic(-1), ValueError, "alpha must be at least 0"),
        (lambda: Elastic(34, 0), ValueError, "sigma must be positive"),
        (lambda: Flip(1.5), ValueError, "probability must be from 0 to 1, got 1.5"),
        (lambda: Flip(vertical=1), TypeError, "vertical must be True or False"),  # type: ignore[arg-type]
        (lambda: Crop(-1), ValueError, "padding must be an integer of at least 0, got -1"),
        (lambda: Crop(1.5), TypeError, "padding must be an integer"),  # type: ignore[arg-type]
        (lambda: Cutout(True), TypeError, "size must be an integer"),
        (lambda: Cutout(3, fill="edge"), TypeError, "fill must be a number"),  # type: ignore[arg-type]
        (lambda: Brightness(-0.1), ValueError, "amount must be at least 0"),
        (lambda: Contrast(1), ValueError, "amount must be at least 0 and below 1"),
        (lambda: Noise(NAN), ValueError, "deviation must be at least 0"),
        (lambda: Mixup(0), ValueError, "alpha must be positive"),
        (lambda: Compose(Flip()), TypeError, "parts must be a list of augmentations, got Flip"),  # type: ignore[arg-type]
        (lambda: Compose([Flip]), TypeError, "parts must be augmentations such as Rotate"),  # type: ignore[list-item]
        (lambda: Sometimes(-1, Flip()), ValueError, "probability must be from 0 to 1"),
        (lambda: Sometimes(0.5, None), TypeError, "augmentation must be augmentations such"),  # type: ignore[arg-type]
        (lambda: Draw(-1, 0, 0, 1), ValueError, "seed must be an integer from 0"),
        (lambda: Draw(0, 2**64, 0, 1), ValueError, "epoch must be an integer from 0"),
    ],
)
def test_bad_arguments(build: Callable[[], object], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        build()


def test_an_augmentation_of_ones_own() -> None:
    class Invert(Augmentation):
        def images(self, images: Array, draw: Draw) -> Array:
            inverted: Array = 255 - images
            return inverted

    images = pictures(2, 3, 3, 1)
    assert (Compose([Invert(), Invert()])(images) == images).all()
    with pytest.raises(NotImplementedError, match="Augmentation should override images"):
        Augmentation()(images)
