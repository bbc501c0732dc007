"""Datasets: what they take, refuse and choose, and how they split."""

from __future__ import annotations

import copy
import pickle
import tracemalloc
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minidl.data import Dataset, as_dataset, order, split
from minidl.types import Array


def numbered(count: int) -> Dataset:
    """Return a dataset whose inputs and targets say which sample they are."""
    return Dataset(np.arange(float(count))[:, None], np.arange(count), name="numbered")


# --- what is taken


@pytest.mark.parametrize(
    ("given_dtype", "kept"),
    [
        ("uint8", "uint8"),
        ("float32", "float32"),
        ("float64", "float64"),
        ("float16", "float32"),
        ("bool", "float32"),
        (">f4", "float32"),
        (">f8", "float64"),
    ],
)
def test_dtypes_of_inputs(given_dtype: str, kept: str) -> None:
    inputs = np.array([[0, 1], [1, 0]]).astype(given_dtype)
    data = Dataset(inputs, [0, 1])
    assert data.inputs.dtype == np.dtype(kept)
    assert data.inputs.dtype.isnative
    assert data.inputs.tolist() == [[0, 1], [1, 0]]


@pytest.mark.parametrize(
    ("given_dtype", "kept"),
    [
        ("uint8", "int64"),
        ("bool", "int64"),
        ("uint64", "int64"),
        (">i4", "int64"),
        ("int64", "int64"),
        ("float16", "float32"),
        ("float32", "float32"),
        ("float64", "float64"),
    ],
)
def test_dtypes_of_targets(given_dtype: str, kept: str) -> None:
    targets = np.array([0, 1, 1]).astype(given_dtype)
    data = Dataset(np.zeros((3, 2)), targets)
    assert data.targets.dtype == np.dtype(kept)
    assert data.targets.tolist() == [0, 1, 1]


def test_arrays_are_not_copied() -> None:
    inputs, targets = np.zeros((3, 2), np.float32), np.zeros(3, np.int64)
    data = Dataset(inputs, targets)
    assert np.shares_memory(data.inputs, inputs)
    assert np.shares_memory(data.targets, targets)


def test_a_memory_mapped_file_is_not_copied(tmp_path: Path) -> None:
    np.save(tmp_path / "inputs.npy", np.ones((4_000, 500), np.float32))
    inputs = np.load(tmp_path / "inputs.npy", mmap_mode="r")
    tracemalloc.start()
    try:
        data = Dataset(inputs, np.zeros(4_000, np.int64))[10:3_000]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < inputs.nbytes / 4
    assert np.shares_memory(data.inputs, inputs)


def test_negative_labels_are_left_to_the_loss() -> None:
    assert Dataset([[0.0], [1.0]], [-1, 0], ["only"]).targets.tolist() == [-1, 0]


def test_targets_of_any_shape() -> None:
    assert Dataset([[0.0], [1.0]], [[0.5, 1.0], [1.5, 2.0]]).targets.shape == (2, 2)


def test_class_names_from_an_iterator() -> None:
    data = Dataset([[0.0], [1.0]], [0, 1], (name for name in "ab"))  # type: ignore[arg-type]
    assert data.classes == ("a", "b")


# --- what is refused


@pytest.mark.parametrize("dtype", ["int64", "int32", "int8", "uint16"])
def test_integer_inputs_have_no_known_range(dtype: str) -> None:
    with pytest.raises(TypeError, match=rf'inputs of dtype {dtype} .*\.astype\("float32"\)'):
        Dataset(np.zeros((2, 3), dtype), [0, 1])


@pytest.mark.parametrize("values", [np.zeros(2, complex), ["a", "b"], np.array([None, {}])])
def test_what_is_no_real_number(values: Any) -> None:
    with pytest.raises(TypeError, match=r"inputs must be numbers of at most 64 bits, got dtype"):
        Dataset(values, [0, 1])
    with pytest.raises(TypeError, match=r"targets must be numbers of at most 64 bits, got dtype"):
        Dataset([0.0, 1.0], values)


@pytest.mark.filterwarnings("ignore:Creating an ndarray from ragged")  # NumPy below 1.24
def test_samples_of_different_shapes() -> None:
    with pytest.raises(
        (TypeError, ValueError), match=r"inputs (do not form one array|must be num)"
    ):
        Dataset([[1.0, 2.0], [3.0]], [0, 1])


def test_masked_arrays() -> None:
    with pytest.raises(TypeError, match=r"inputs are a masked array: .*\.filled"):
        Dataset(np.ma.masked_equal([1.0, 2.0], 2.0), [0, 1])


@pytest.mark.parametrize("inputs", [np.zeros((0, 3)), np.zeros((2, 0)), 3.0])
def test_nothing_in_it(inputs: Any) -> None:
    with pytest.raises(
        ValueError, match=r"inputs must hold at least one sample \(N, ...\), got sh"
    ):
        Dataset(inputs, [0, 1])
    with pytest.raises(ValueError, match=r"targets must hold at least one sample"):
        Dataset([[0.0], [1.0]], inputs)


def test_different_lengths() -> None:
    with pytest.raises(ValueError, match="inputs and targets of different length: 3 and 2 samples"):
        Dataset(np.zeros((3, 4)), [0, 1])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [0, 1, 7_777, 19_999])
def test_the_first_sample_that_is_not_finite(bad: float, place: int) -> None:
    inputs = np.zeros((20_000, 5, 5), np.float32)
    inputs[place, 4, 2] = inputs[19_999, 0, 0] = bad
    with pytest.raises(ValueError, match=f"inputs must be finite, .* in sample {place}: leave"):
        Dataset(inputs, np.zeros(20_000))
    with pytest.raises(ValueError, match=f"targets must be finite, .* in sample {place}: leave"):
        Dataset(np.zeros(20_000), inputs)


def test_float16_is_checked_too() -> None:
    with pytest.raises(ValueError, match="inputs must be finite, got NaN or infinity in sample 1"):
        Dataset(np.array([0.0, np.inf], np.float16), [0, 1])


def test_labels_beyond_int64() -> None:
    with pytest.raises(ValueError, match=f"targets must fit into int64, got {2**63}"):
        Dataset([0.0, 1.0], np.array([0, 2**63], np.uint64))


def test_labels_beyond_the_class_names() -> None:
    with pytest.raises(ValueError, match=r"labels must be below 2, .* got 5 in sample 1: name"):
        Dataset(np.zeros(4), [1, 5, 0, 7], ("cat", "dog"))


@pytest.mark.parametrize("classes", ["ab", (0, 1), ["a", None]])
def test_class_names_that_are_no_names(classes: Any) -> None:
    with pytest.raises(TypeError, match=r"classes must be a sequence of names such as"):
        Dataset([0.0, 1.0], [0, 1], classes)


# --- the object


def test_labels_become_rows() -> None:
    data = Dataset(np.zeros((3, 2), np.uint8), [2, 0, 2], ("a", "b", "c", "d"), "abc")
    rows = data.one_hot()
    assert rows.targets.tolist() == [[0, 0, 1, 0], [1, 0, 0, 0], [0, 0, 1, 0]]
    assert rows.targets.dtype == np.float32
    assert rows.inputs is data.inputs
    assert (rows.classes, rows.name) == (data.classes, data.name)
    assert Dataset(np.zeros((3, 2)), [2, 0, 2]).one_hot().targets.shape == (3, 3)


@pytest.mark.parametrize("targets", [[0.5, 1.5], [[0, 1], [1, 0]], [0, -1]])
def test_what_is_no_label_becomes_no_row(targets: Any) -> None:
    with pytest.raises(TypeError, match=r"one_hot needs labels, integers \(N,\) from 0 on, got ta"):
        Dataset(np.zeros((2, 2)), targets).one_hot()


def test_it_is_immutable() -> None:
    data: Any = numbered(3)
    with pytest.raises(AttributeError, match=r"property|attribute"):
        data.inputs = np.zeros(3)
    with pytest.raises(AttributeError, match="has no attribute 'shuffled'"):
        data.shuffled = True


def test_it_says_what_it_holds() -> None:
    images = np.zeros((3, 28, 28, 1), np.uint8)
    assert repr(Dataset(images, [0, 1, 1], ["cat", "dog"], "pets")) == (
        "Dataset('pets', 3 samples, inputs uint8 (28, 28, 1), targets int64 (), 2 classes)"
    )
    assert repr(numbered(1)[0]) == (
        "Dataset('numbered', 1 sample, inputs float64 (1,), targets int64 ())"
    )


@pytest.mark.parametrize(
    "again", [copy.copy, copy.deepcopy, lambda d: pickle.loads(pickle.dumps(d))]
)
def test_it_can_be_copied_and_pickled(again: Any) -> None:
    data = Dataset([[0.0], [1.0]], [0, 1], ["a", "b"], "two")
    other = again(data)
    assert (other.classes, other.name) == (("a", "b"), "two")
    np.testing.assert_array_equal(other.inputs, data.inputs)
    np.testing.assert_array_equal(other.targets, data.targets)


@pytest.mark.parametrize(
    ("index", "chosen"),
    [
        (0, [0]),
        (-1, [4]),
        (np.int32(3), [3]),
        (slice(1, 3), [1, 2]),
        (slice(None, None, -2), [4, 2, 0]),
        ([3, 0, 3, -1], [3, 0, 3, 4]),
        (np.array([2], np.uint8), [2]),
        (np.array([True, False, False, True, False]), [0, 3]),
        (range(3), [0, 1, 2]),
    ],
)
def test_choosing_samples(index: Any, chosen: list[int]) -> None:
    data = numbered(5)[index]
    assert data.targets.tolist() == chosen
    assert data.inputs.tolist() == [[float(number)] for number in chosen]
    assert data.name == "numbered"


@pytest.mark.parametrize("index", [slice(3, 3), [], np.zeros(5, bool), slice(9, None)])
def test_choosing_none(index: Any) -> None:
    with pytest.raises(ValueError, match=r"a dataset needs at least one sample, .* chooses none"):
        numbered(5)[index]


@pytest.mark.parametrize("index", [5, -6, [0, 5]])
def test_choosing_beyond_the_end(index: Any) -> None:
    with pytest.raises(
        IndexError, match=r"sample (5|-6) of a dataset of 5: the last is 4|out of b"
    ):
        numbered(5)[index]


@pytest.mark.parametrize("index", [(0, 1), True, 1.0, [0.0], "name", [[0, 1]], None])
def test_choosing_by_what_is_no_index(index: Any) -> None:
    with pytest.raises(TypeError, match=r"expected one number, slice or array|an index array must"):
        numbered(5)[index]


def test_going_through_it_gives_its_samples() -> None:
    assert [int(sample.targets[0]) for sample in numbered(3)] == [0, 1, 2]  # type: ignore[attr-defined]


# --- as_dataset


def test_a_dataset_stays_what_it_is() -> None:
    data = numbered(3)
    assert as_dataset(data) is data


@pytest.mark.parametrize("kind", [tuple, list])
def test_a_pair_becomes_a_dataset(kind: Any) -> None:
    data = as_dataset(kind([np.zeros((2, 3)), [0, 1]]))
    assert (len(data), data.inputs.shape, data.name) == (2, (2, 3), "")


@pytest.mark.parametrize(
    ("other", "came"),
    [
        (np.zeros((2, 3)), "a ndarray"),
        (([0.0], [0], [1]), "a tuple of 3"),
        ([[0.0]], "a list of 1"),
        ({"x": 1, "y": 2}, "a dict"),
        (None, "a NoneType"),
    ],
)
def test_what_is_no_dataset(other: Any, came: str) -> None:
    with pytest.raises(TypeError, match=rf"Dataset or a pair \(inputs, targets\), got {came}$"):
        as_dataset(other)


# --- split


def labelled(labels: list[int]) -> Dataset:
    return Dataset(np.arange(float(len(labels))), labels)


def counts(data: Dataset) -> Counter[int]:
    return Counter(data.targets.tolist())


@given(
    labels=st.lists(st.integers(-2, 6), min_size=2, max_size=80),
    share=st.floats(0.01, 0.99),
    seed=st.integers(0, 2**64 - 1),
)
def test_a_split_is_fair_and_complete(labels: list[int], share: float, seed: int) -> None:
    held_count = round(share * len(labels))
    if held_count in (0, len(labels)):
        with pytest.raises(ValueError, match="leaves a side empty"):
            split(labelled(labels), share, seed)
        return
    rest, held = split(labelled(labels), share, seed)
    assert len(held) == held_count
    numbers = np.concatenate([rest.inputs, held.inputs])
    assert sorted(numbers.tolist()) == list(range(len(labels)))
    assert rest.targets.tolist() == [labels[int(number)] for number in rest.inputs]

    total = Counter(labels)
    splittable = sum(count > 1 for count in total.values())
    if splittable <= held_count <= len(labels) - len(total):
        for label, count in total.items():
            assert (counts(held)[label] > 0) == (count > 1)
            assert counts(rest)[label] > 0


@given(sizes=st.lists(st.integers(20, 60), min_size=1, max_size=8), share=st.floats(0.2, 0.8))
def test_every_class_gives_its_share(sizes: list[int], share: float) -> None:
    """Hamilton's method stays within one of the exact quota."""
    labels = [label for label, size in enumerate(sizes) for _ in range(size)]
    _, held = split(labelled(labels), share, seed=0)
    for label, size in enumerate(sizes):
        assert abs(counts(held)[label] - size * len(held) / len(labels)) < 1


def test_a_worked_split() -> None:
    """Quotas of 12 held out of 60: 6.2, 3.6, 1.8, 0.4; floors 6 3 1 0; the rest to 1.8 and 3.6."""
    labels = [0] * 31 + [1] * 18 + [2] * 9 + [3] * 2
    _, held = split(labelled(labels), 0.2, seed=3)
    # ... but class 3 has two samples, so it gives one, and the smallest claim, 3.6, goes without.
    assert counts(held) == {0: 6, 1: 3, 2: 2, 3: 1}


def test_a_class_of_one_stays_in_the_rest() -> None:
    rest, held = split(labelled([0] * 5 + [1] + [2] * 4), 0.5, seed=0)
    assert counts(rest)[1] == 1
    assert counts(held)[1] == 0


def test_ties_do_not_favour_low_labels() -> None:
    means = [split(numbered(100), 0.5, seed)[1].targets.mean() for seed in range(20)]
    assert 45 < np.mean(means) < 55


@pytest.mark.parametrize(
    "targets", [np.arange(50) / 7.0, np.arange(100).reshape(50, 2), np.repeat([0, 1], 25)]
)
def test_a_split_is_a_function_of_the_seed(targets: Array) -> None:
    data = Dataset(np.arange(50.0), targets)
    sides = [split(data, 0.3, seed)[1].inputs.tolist() for seed in (0, 0, 1)]
    assert sides[0] == sides[1] != sides[2]
    assert len(sides[0]) == 15
    assert sides[0] == sorted(sides[0])


def test_a_split_shares_no_random_numbers_with_the_epochs() -> None:
    data = Dataset(np.arange(50.0), np.zeros(50))
    held = split(data, 0.3, seed=0)[1].inputs.tolist()
    assert held != sorted(order(50, seed=0, epoch=0)[:15].tolist())


def test_a_split_keeps_names_and_dtypes() -> None:
    data = Dataset(np.zeros((9, 2), np.uint8), [0, 1, 1] * 3, ("a", "b"), "nine")
    for side in split(data, 0.4, seed=0):
        assert (str(side.inputs.dtype), side.classes, side.name) == ("uint8", ("a", "b"), "nine")


@pytest.mark.parametrize("share", [0, 1, -0.1, 1.5, float("nan"), float("inf")])
def test_shares_out_of_range(share: float) -> None:
    with pytest.raises(ValueError, match=f"share must be above 0 and below 1, got {share}"):
        split(numbered(10), share, seed=0)


@pytest.mark.parametrize("share", [True, "0.5", None, [0.5]])
def test_shares_that_are_no_numbers(share: Any) -> None:
    with pytest.raises(TypeError, match="share must be a number above 0 and below 1, got"):
        split(numbered(10), share, seed=0)


@pytest.mark.parametrize(("share", "held"), [(0.04, 0), (0.96, 10)])
def test_shares_that_leave_a_side_empty(share: float, held: int) -> None:
    with pytest.raises(
        ValueError, match=f"{share} holds out {held} of 10 samples and leaves a side"
    ):
        split(numbered(10), share, seed=0)


def test_seeds_out_of_range() -> None:
    with pytest.raises(ValueError, match="seed must be an integer from 0 to 18446744073709551615"):
        split(numbered(10), 0.5, seed=-1)


def test_a_fingerprint_knows_every_value_and_its_place() -> None:
    inputs = np.arange(24, dtype=np.uint8).reshape(4, 6)
    data = Dataset(inputs, [0, 1, 2, 1])
    same = Dataset(np.asfortranarray(inputs), [0, 1, 2, 1], ("a", "b", "c"), "named")
    assert data.fingerprint() == same.fingerprint()
    changed = inputs.copy()
    changed[3, 5] += 1
    others = [
        Dataset(changed, [0, 1, 2, 1]),
        Dataset(inputs, [0, 1, 2, 0]),
        Dataset(inputs.reshape(4, 2, 3), [0, 1, 2, 1]),
        Dataset(inputs.astype(np.float32), [0, 1, 2, 1]),
        data[1:],
        data[[1, 0, 2, 3]],
    ]
    assert len({data.fingerprint(), *(other.fingerprint() for other in others)}) == 7
