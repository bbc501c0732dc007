"""Batches: every sample once, in an order that the seed and the epoch alone decide."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minidl.augment import Augmentation, Compose, Draw, Noise, Shift
from minidl.data import Dataset, batch_count, batches, order
from minidl.types import Array

DATA = Dataset(np.arange(22, dtype=np.uint8).reshape(11, 2), np.arange(11))


@given(count=st.integers(0, 300), seed=st.integers(0, 2**64 - 1), epoch=st.integers(0, 2**64 - 1))
def test_an_order_visits_every_sample_once(count: int, seed: int, epoch: int) -> None:
    visited = order(count, seed, epoch)
    assert visited.dtype == np.int64
    assert sorted(visited.tolist()) == list(range(count))
    assert order(count, seed, epoch).tolist() == visited.tolist()


def test_orders_are_what_they_have_always_been() -> None:
    """Runs saved by an older version are resumed by a newer one: these numbers stay."""
    assert order(8, seed=0, epoch=0).tolist() == [0, 2, 1, 5, 4, 3, 6, 7]
    assert order(8, seed=0, epoch=1).tolist() == [5, 3, 7, 2, 4, 1, 0, 6]
    assert order(8, seed=2**64 - 1, epoch=3).tolist() == [3, 2, 0, 1, 6, 5, 4, 7]


def test_seeds_and_epochs_give_different_orders() -> None:
    orders = {tuple(order(20, seed, epoch).tolist()) for seed in range(30) for epoch in range(30)}
    assert len(orders) == 900


def test_an_order_is_uniform() -> None:
    """Where sample 0 lands, over 6000 epochs: chi-squared with 9 degrees of freedom, p > 0.001."""
    places = [int(np.argmin(order(10, 7, epoch))) for epoch in range(6_000)]
    seen = np.bincount(places, minlength=10)
    assert ((seen - 600) ** 2 / 600).sum() < 27.88


def test_orders_leave_the_global_state_alone() -> None:
    before = str(np.random.get_state())  # noqa: NPY002
    order(100, 0, 0)
    assert str(np.random.get_state()) == before  # noqa: NPY002


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((-1, 0, 0), "count must be an integer of at least 0, got -1"),
        ((5, -1, 0), "seed must be an integer from 0 to 18446744073709551615, got -1"),
        ((5, 2**64, 0), "seed must be an integer from 0 to 18446744073709551615, got 184"),
        ((5, 0, -1), "epoch must be an integer from 0 to 18446744073709551615, got -1"),
    ],
)
def test_orders_out_of_range(arguments: tuple[int, int, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        order(*arguments)


@pytest.mark.parametrize("seed", [True, 1.0, "1", np.float64(2)])
def test_seeds_that_are_no_integers(seed: Any) -> None:
    with pytest.raises(TypeError, match=r"seed must be an integer from 0 to .* of type "):
        order(5, seed, 0)


@pytest.mark.parametrize(
    ("count", "size", "expected"), [(0, 3, 0), (1, 3, 1), (9, 3, 3), (10, 3, 4), (10, 100, 1)]
)
def test_batch_count(count: int, size: int, expected: int) -> None:
    assert batch_count(count, size) == expected


@pytest.mark.parametrize("size", [1, 3, 4, 11, 100, np.int64(5)])
@pytest.mark.parametrize("seed", [None, 0])
def test_every_sample_once_and_the_last_batch_may_be_short(size: int, seed: int | None) -> None:
    drawn = list(batches(DATA, size, seed=seed))
    assert len(drawn) == batch_count(11, size)
    assert {len(targets) for _, targets in drawn[:-1]} <= {size}
    assert len(drawn[-1][1]) == 11 - (len(drawn) - 1) * size
    for inputs, targets in drawn:
        assert (str(inputs.dtype), str(targets.dtype)) == ("uint8", "int64")
        np.testing.assert_array_equal(inputs[:, 0], 2 * targets)
    assert sorted(np.concatenate([targets for _, targets in drawn]).tolist()) == list(range(11))


def test_without_a_seed_samples_come_in_their_order() -> None:
    assert [targets.tolist() for _, targets in batches(DATA, 6)] == [
        [0, 1, 2, 3, 4, 5],
        [6, 7, 8, 9, 10],
    ]


def test_with_a_seed_they_come_in_the_order_of_the_epoch() -> None:
    for epoch in (0, 5):
        drawn = [targets for _, targets in batches(DATA, 4, seed=3, epoch=epoch)]
        assert np.concatenate(drawn).tolist() == order(11, 3, epoch).tolist()


def test_the_size_of_batches_does_not_change_the_order() -> None:
    small, large = (
        np.concatenate([targets for _, targets in batches(DATA, size, seed=1)]) for size in (2, 7)
    )
    assert small.tolist() == large.tolist()


@pytest.mark.parametrize("seed", [None, 4])
@pytest.mark.parametrize("start", range(4))
def test_going_on_inside_an_epoch(seed: int | None, start: int) -> None:
    whole = [targets.tolist() for _, targets in batches(DATA, 4, seed=seed)]
    late = [targets.tolist() for _, targets in batches(DATA, 4, seed=seed, start=start)]
    assert late == whole[start:]


def test_writing_into_a_batch_never_changes_the_dataset() -> None:
    for inputs, _ in batches(DATA, 4, seed=0):
        inputs[:] = 99
    view, _ = next(batches(DATA, 4))
    with pytest.raises(ValueError, match="read-only"):
        view[:] = 99
    assert DATA.inputs.max() == 21
    assert DATA.inputs.flags.writeable


def test_a_pair_will_do() -> None:
    assert [targets.tolist() for _, targets in batches(([[0.5], [1.5]], [0, 1]), 1)] == [[0], [1]]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, "batch_size must be an integer of at least 1, got 0"),
        ({"batch_size": -3}, "batch_size must be an integer of at least 1, got -3"),
        ({"batch_size": 4, "seed": -1}, "seed must be an integer from 0 to .*, got -1"),
        ({"batch_size": 4, "epoch": -1}, "epoch must be an integer of at least 0, got -1"),
        ({"batch_size": 4, "start": 4}, "start must be an integer from 0 to 3, got 4"),
        ({"batch_size": 4, "start": -1}, "start must be an integer from 0 to 3, got -1"),
    ],
)
def test_numbers_out_of_range(options: dict[str, Any], message: str) -> None:
    """At the call, not when the first batch is asked for."""
    with pytest.raises(ValueError, match=message):
        batches(DATA, **options)


@pytest.mark.parametrize("size", [True, 4.0, "4", None, np.True_, np.array([4])])
def test_sizes_that_are_no_integers(size: Any) -> None:
    with pytest.raises(
        TypeError, match=r"batch_size must be an integer of at least 1, got .* of type"
    ):
        batches(DATA, size)


IMAGES = Dataset(np.arange(11 * 12, dtype=np.uint8).reshape(11, 3, 4, 1), np.arange(11))


class Mark(Augmentation):
    """Writes into each image, as bytes, a number of its own, and counts its calls."""

    calls: ClassVar[list[str]] = []

    def images(self, images: Array, draw: Draw) -> Array:
        self.calls.append(threading.current_thread().name)
        marked = images.copy()
        marked[:, 0, 0, 0] = draw.uniform() * 256
        return marked


def marked(batch_size: int, **options: Any) -> Array:
    found = list(batches(IMAGES, batch_size, seed=5, augment=Mark(), **options))
    return np.concatenate([inputs for inputs, _ in found])


def test_an_augmentation_knows_the_sample_not_the_batch() -> None:
    whole = marked(11, epoch=2)
    assert len(set(whole[:, 0, 0, 0].tolist())) > 5
    for size in (1, 3, 4):
        np.testing.assert_array_equal(marked(size, epoch=2), whole)
        late = marked(size, epoch=2, start=2)
        np.testing.assert_array_equal(late, whole[2 * size :])
    assert (marked(11, epoch=3)[:, 0, 0, 0] != whole[:, 0, 0, 0]).any()
    assert IMAGES.inputs[:, 0, 0, 0].tolist() == list(range(0, 132, 12)), "the data are unchanged"


@pytest.mark.parametrize("prefetch", [1, 2, 30])
def test_batches_made_ahead_are_the_same(prefetch: int) -> None:
    np.testing.assert_array_equal(marked(4, prefetch=prefetch), marked(4))
    ahead = [targets.tolist() for _, targets in batches(IMAGES, 3, seed=1, prefetch=prefetch)]
    assert ahead == [targets.tolist() for _, targets in batches(IMAGES, 3, seed=1)]
    assert sum(len(inputs) for inputs, _ in batches(IMAGES, 3, prefetch=prefetch)) == 11


def test_batches_are_made_ahead_in_a_thread_that_ends() -> None:
    mark = Mark()
    mark.calls.clear()
    parts = batches(IMAGES, 2, seed=0, augment=mark, prefetch=2)
    next(parts)
    deadline = time.monotonic() + 10
    while len(mark.calls) < 3 and time.monotonic() < deadline:
        time.sleep(0.001)
    assert len(mark.calls) == 3, "the one that was asked for, and two more"
    assert all(name.startswith("batches") for name in mark.calls)
    parts.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("batches")]


def test_an_error_in_the_thread_comes_where_the_batch_would() -> None:
    class Broken(Augmentation):
        def images(self, images: Array, draw: Draw) -> Array:
            if len(images) < 7:
                raise ZeroDivisionError("in the second batch")
            return images

    parts = batches(IMAGES, 7, seed=0, augment=Broken(), prefetch=2)
    with pytest.raises(ZeroDivisionError, match="in the second batch"):
        list(parts)


def test_augmentations_are_taken_in_their_order() -> None:
    several = [Shift(2), Noise(0.1)]
    parts = batches(IMAGES, 4, seed=0, augment=several)
    one = batches(IMAGES, 4, seed=0, augment=Compose(several))
    for (found, _), (wanted, _) in zip(parts, one, strict=True):
        assert (found == wanted).all()
    with pytest.raises(TypeError, match="must be augmentations such as Rotate"):
        batches(IMAGES, 4, seed=0, augment=[Shift(2), 3])  # type: ignore[list-item]


def test_augmentation_needs_a_seed() -> None:
    with pytest.raises(ValueError, match="augment needs a seed: pass seed=0, say"):
        batches(IMAGES, 4, augment=Mark())


def test_memory_mapped_arrays_stay_on_disk(tmp_path: Path) -> None:
    path = tmp_path / "images.npy"
    np.save(path, np.arange(50 * 6, dtype=np.uint8).reshape(50, 2, 3, 1))
    mapped = np.load(path, mmap_mode="r")
    data = Dataset(mapped, np.arange(50) % 5)
    assert np.shares_memory(data.inputs, mapped)
    assert np.shares_memory(data[10:40].inputs, mapped)
    inputs, targets = next(batches(data, 7, seed=3))
    assert type(inputs) is np.ndarray, "only a batch is read"
    np.testing.assert_array_equal(inputs, np.asarray(mapped)[order(50, 3, 0)[:7]])
    assert inputs.dtype == np.uint8
    assert targets.tolist() == (order(50, 3, 0)[:7] % 5).tolist()


@pytest.mark.parametrize(
    ("change", "came"),
    [
        (lambda images: images * 1.5, r"images float64 \(11, 3, 4, 1\) of uint8"),
        (lambda images: images[:5], r"images uint8 \(5, 3, 4, 1\) of uint8 \(11,"),
        (lambda images: None, "images None of uint8"),
    ],
)
def test_an_augmentation_that_gives_back_something_else(change: Any, came: str) -> None:
    class Own(Augmentation):
        def images(self, images: Array, draw: Draw) -> Array:
            changed: Array = change(images)
            return changed

    with pytest.raises(ValueError, match=rf"Own\(\) made {came}.*: return an array of the shape"):
        next(batches(IMAGES, 11, seed=0, augment=Own()))
