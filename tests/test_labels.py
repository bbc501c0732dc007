"""Labels of any kind become 0..n-1, and back by name."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minidl.data import encode_labels

NAN = float("nan")


@pytest.mark.parametrize(
    ("labels", "targets", "classes"),
    [
        ([0, 2, 1], [0, 2, 1], ("0", "1", "2")),
        ([1, 3, 2, 1], [0, 2, 1, 0], ("1", "2", "3")),
        ([10, 9, -1], [2, 1, 0], ("-1", "9", "10")),
        (["10", "9"], [0, 1], ("10", "9")),
        (["b", "a", "É", "b"], [1, 0, 2, 1], ("a", "b", "É")),
        ([b"dog", b"cat"], [1, 0], ("cat", "dog")),
        (["é".encode(), b"z"], [1, 0], ("z", "é")),
        ([2.0, 1.0, -0.0], [2, 1, 0], ("0", "1", "2")),
        ([True, False], [1, 0], ("False", "True")),
        (np.array([[7], [5]], np.uint8), [1, 0], ("5", "7")),
        (np.array([2**64 - 1, 3], np.uint64), [1, 0], ("3", "18446744073709551615")),
        (np.array([300, 1], ">i2"), [1, 0], ("1", "300")),
    ],
)
def test_classes_are_the_sorted_labels(
    labels: Any, targets: list[int], classes: tuple[str, ...]
) -> None:
    numbers, names = encode_labels(labels)
    assert numbers.dtype == np.int64
    assert numbers.tolist() == targets
    assert names == classes


@pytest.mark.parametrize(
    ("labels", "classes", "targets"),
    [
        (["dog", "dog"], ("dog", "cat"), [0, 0]),
        ([3, 1], ["1", "2", "3"], [2, 0]),
        ([3.0, 1.0], ["1", "2", "3"], [2, 0]),
        ([False], ("True", "False"), [1]),
        ([b"b"], ("a", "b"), [1]),
        (["b"], (), [0]),
    ],
)
def test_labels_are_matched_to_given_classes(labels: Any, classes: Any, targets: list[int]) -> None:
    numbers, names = encode_labels(labels, classes)
    assert numbers.tolist() == targets
    assert names == (tuple(classes) or ("b",))


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), min_size=1))
def test_names_give_the_labels_back(labels: list[str]) -> None:
    labels = [label for label in labels if label.strip() and "\0" not in label] or ["a"]
    numbers, names = encode_labels(labels)
    assert [names[number] for number in numbers] == labels
    assert list(names) == sorted(set(labels))
    again, _ = encode_labels(labels, names)
    assert again.tolist() == numbers.tolist()


@pytest.mark.parametrize(
    ("labels", "kind", "message"),
    [
        ([0.0, 1.5], ValueError, r"label 1.5 of sample 1 has a fraction, .*regression.*Dataset"),
        ([0.0, NAN], ValueError, r"label nan of sample 1 is no finite number"),
        ([0.0, float("inf")], ValueError, r"label inf of sample 1 is no finite number: name"),
        ([2.0**60], ValueError, r"of sample 0 is too large .*: turn them into text"),
        (["a", "", "b"], ValueError, r"label of sample 1 is missing: name its class"),
        (["a", " "], ValueError, r"label of sample 1 is missing"),
        ([b"a", b"\xff"], ValueError, r"label b'\\xff' of sample 1 is not UTF-8: decode"),
        (np.eye(3), ValueError, r"\(N,\) or \(N, 1\), got shape \(3, 3\): .*argmax\(axis=1\)"),
        (np.zeros((2, 1, 1)), ValueError, r"got shape \(2, 1, 1\)"),
        (3, ValueError, r"got shape \(\)"),
        ([], ValueError, r"at least one, got none"),
        (np.zeros((0, 1), int), ValueError, r"at least one, got none"),
        ([None, "a"], TypeError, r"got dtype object: turn them into text, np.asarray\(labels, "),
        ([1j], TypeError, r"got dtype complex128"),
        (np.array(["2020-01-01"], "M8[D]"), TypeError, r"got dtype datetime64"),
        (np.ma.array([1, 2], mask=[False, True]), TypeError, r"masked array: leave"),
    ],
)
def test_what_no_label_is(labels: Any, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        encode_labels(labels)


@pytest.mark.parametrize(
    ("labels", "classes", "kind", "message"),
    [
        (
            ["cat", "cow"],
            ("cat", "dog"),
            ValueError,
            r"^unknown label 'cow' in sample 1, expected one of 'cat', 'dog': correct it",
        ),
        ([0], ("cat", "dog"), ValueError, r"unknown label '0' in sample 0"),
        (["a"], tuple("bcdefghijklmnop"), ValueError, r"'m' and 3 more: correct"),
        (["a"], "abc", TypeError, r"classes must be a sequence of names .* got 'abc'"),
        (["a"], [1], TypeError, r"classes must be a sequence of names .* got \[1\]"),
        (["a"], ("a", "b", "a"), ValueError, r"different names, got 'a' twice: rename one"),
    ],
)
def test_what_given_classes_do_not_hold(
    labels: Any, classes: Any, kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind, match=message):
        encode_labels(labels, classes)


@pytest.mark.filterwarnings("ignore:Creating an ndarray from ragged")  # NumPy below 1.24
def test_labels_of_different_shapes() -> None:
    with pytest.raises(
        (TypeError, ValueError), match=r"labels (do not form one array|must be int.*dtype object)"
    ):
        encode_labels([[1], [2, 3]])
