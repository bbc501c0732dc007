"""Datasets by name: where their files are looked for, and what is said where they are not."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType, ModuleType

import numpy as np
import pytest

from minidl.data import Dataset, data_folder, load, write_idx
from minidl.data.sources import _user_cache
from minidl.types import Array

REAL = os.environ.get("MINIDL_DATA", "")
FILES = {
    "train-images-idx3-ubyte": np.arange(3 * 784, dtype=np.uint32)
    .astype(np.uint8)
    .reshape(3, 28, 28),
    "train-labels-idx1-ubyte": np.array([7, 0, 9], np.uint8),
    "t10k-images-idx3-ubyte": np.full((2, 28, 28), 5, np.uint8),
    "t10k-labels-idx1-ubyte": np.array([1, 2], np.uint8),
}


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("MINIDL_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "cache"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


def collection(
    folder: Path, suffix: str = ".gz", changed: Mapping[str, Array] = MappingProxyType({})
) -> Path:
    """Write the four files, some of them changed (by the part of their names before "-idx")."""
    folder.mkdir(parents=True)
    for stem, array in FILES.items():
        part = stem.split("-idx")[0]
        write_idx(folder / f"{stem}{suffix}", changed.get(part, array))
    return folder.parent


@pytest.mark.parametrize("suffix", [".gz", ""])
@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_four_files_make_two_datasets(tmp_path: Path, name: str, suffix: str) -> None:
    train, test = load(name, collection(tmp_path / name, suffix))
    assert (train.name, test.name) == (name, name)
    assert train.inputs.dtype == np.uint8
    assert train.inputs.shape == (3, 28, 28, 1)
    np.testing.assert_array_equal(train.inputs[..., 0], FILES["train-images-idx3-ubyte"])
    assert train.targets.dtype == np.int64
    assert train.targets.tolist() == [7, 0, 9]
    assert test.targets.tolist() == [1, 2]
    assert test.inputs.max() == test.inputs.min() == 5


def test_class_names(tmp_path: Path) -> None:
    train, test = load("mnist", collection(tmp_path / "mnist"))
    assert train.classes == test.classes == tuple("0123456789")
    fashion, _ = load("fashion-mnist", collection(tmp_path / "fashion-mnist"))
    assert ", ".join(fashion.classes) == (
        "T-shirt/top, Trouser, Pullover, Dress, Coat, Sandal, Shirt, Sneaker, Bag, Ankle boot"
    )


def test_the_folder_comes_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINIDL_DATA", str(collection(tmp_path / "there" / "mnist")))
    assert len(load("mnist")[0]) == 3


def test_the_folder_is_the_argument_the_variable_or_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    assert data_folder() == tmp_path / "cache" / "minidl"
    monkeypatch.setenv("MINIDL_DATA", "")
    assert data_folder() == tmp_path / "cache" / "minidl"
    monkeypatch.setenv("MINIDL_DATA", "/data/shared")
    assert data_folder() == Path("/data/shared")
    assert data_folder("other") == Path("other")
    assert data_folder(tmp_path) == tmp_path


def test_a_tilde_is_the_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    monkeypatch.setenv("MINIDL_DATA", "~/data")
    assert data_folder() == tmp_path / "home" / "data"
    assert data_folder("~/more") == tmp_path / "home" / "more"


@pytest.mark.parametrize(
    ("platform", "variables", "folder"),
    [
        ("linux", {}, "home/.cache"),
        ("linux", {"XDG_CACHE_HOME": "{root}xdg"}, "xdg"),
        ("linux", {"XDG_CACHE_HOME": "relative"}, "home/.cache"),
        ("linux", {"XDG_CACHE_HOME": ""}, "home/.cache"),
        ("win32", {"LOCALAPPDATA": "{root}local"}, "local"),
        ("win32", {}, "home/AppData/Local"),
        ("darwin", {"XDG_CACHE_HOME": "{root}xdg"}, "home/Library/Caches"),
    ],
)
def test_the_cache_of_each_platform(platform: str, variables: dict[str, str], folder: str) -> None:
    root = Path(os.path.abspath(os.sep))
    given = {name: value.format(root=root) for name, value in variables.items()}
    assert _user_cache(platform, given, root / "home") == root / folder


def test_missing_files_are_named_with_what_to_do(tmp_path: Path) -> None:
    root = collection(tmp_path / "mnist")
    (tmp_path / "mnist" / "t10k-labels-idx1-ubyte.gz").unlink()
    (tmp_path / "mnist" / "train-images-idx3-ubyte.gz").unlink()
    with pytest.raises(FileNotFoundError, match="or put them there") as caught:
        load("mnist", root)
    message = str(caught.value)
    assert "'mnist' needs train-images-idx3-ubyte.gz, t10k-labels-idx1-ubyte.gz (or" in message
    assert f"in {tmp_path / 'mnist'}: run 'minidl data fetch mnist' or pass download=" in message
    assert "MINIDL_DATA" in message
    assert "'digits' needs no files" in message


def test_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"needs train-images.*t10k-labels-idx1-ubyte\.gz"):
        load("fashion-mnist", tmp_path / "absent")


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("minst", ": perhaps 'mnist'\\?"),
        ("MNIST", ": perhaps 'mnist'\\?"),
        ("fashion_mnist", ": perhaps 'fashion-mnist'\\?"),
        ("Digit", ": perhaps 'digits'\\?"),
        ("imagenet-22k", ""),
    ],
)
def test_unknown_names(name: str, hint: str) -> None:
    known = "expected one of digits, mnist, fashion-mnist, or the path of a folder, .npz or .csv"
    expected = f"^unknown dataset '{name}', {known} file that is there{hint}$"
    with pytest.raises(ValueError, match=expected):
        load(name)


@pytest.mark.parametrize(
    ("part", "array", "message"),
    [
        (
            "train-images",
            np.zeros((3, 32, 32), np.uint8),
            r"uint8 \(N, 28, 28\), got uint8 \(3, 32",
        ),
        ("train-images", np.zeros((3, 28, 28), np.float32), r"got float32 \(3, 28, 28\)"),
        (
            "train-images",
            np.zeros(3, np.uint8),
            r"images uint8 \(N, 28, 28\), got uint8 \(3,",
        ),
        (
            "train-labels",
            np.zeros(4, np.uint8),
            r"a uint8 label for each of 3 images, got uint8 \(4,",
        ),
        ("train-labels", np.zeros((3, 1), np.uint8), r"of 3 images, got uint8 \(3, 1\): fetch"),
        ("train-labels", np.zeros(3, np.int32), r"a uint8 label for each .*, got int32 \(3,\)"),
        ("train-labels", np.array([1, 10, 3], np.uint8), r"labels from 0 to 9, got 10: fetch"),
    ],
)
def test_files_that_hold_something_else(
    tmp_path: Path, part: str, array: Array, message: str
) -> None:
    root = collection(tmp_path / "mnist", changed={part: array})
    with pytest.raises(ValueError, match=rf"{part}-idx.*: expected .*{message}"):
        load("mnist", root)


def test_files_without_samples(tmp_path: Path) -> None:
    empty = {"train-images": np.zeros((0, 28, 28), np.uint8), "train-labels": np.zeros(0, np.uint8)}
    root = collection(tmp_path / "mnist", changed=empty)
    with pytest.raises(ValueError, match="inputs must hold at least one sample"):
        load("mnist", root)


def test_digits_need_no_files(monkeypatch: pytest.MonkeyPatch) -> None:
    images, labels = np.zeros((4, 28, 28, 1), np.uint8), np.array([1, 2, 3, 4])
    drawn = ModuleType("minidl.data.digits")
    drawn.digits = lambda: ((images, labels), (images[:2], labels[:2]))  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "minidl.data.digits", drawn)
    train, test = load("digits")
    assert repr(train) == (
        "Dataset('digits', 4 samples, inputs uint8 (28, 28, 1), targets int64 (), 10 classes)"
    )
    assert len(test) == 2


@pytest.mark.parametrize(("name", "pixel_mean"), [("mnist", 0.1307), ("fashion-mnist", 0.2860)])
def test_the_real_files(name: str, pixel_mean: float) -> None:
    """The means are those that everyone normalises with."""
    if not (REAL and (Path(REAL) / name).is_dir()):
        pytest.skip(f"MINIDL_DATA names no folder that holds {name}/")
    train, test = load(name, REAL)
    assert [*map(len, (train, test))] == [60_000, 10_000]
    assert train.inputs.mean() / 255 == pytest.approx(pixel_mean, abs=5e-5)
    assert np.bincount(test.targets).min() >= 892
    assert isinstance(train, Dataset)


def test_names_with_a_dot_are_found_too(tmp_path: Path) -> None:
    """As some mirrors have them."""
    folder = collection(tmp_path / "mnist")
    for file in list((folder / "mnist").iterdir()):
        file.rename(file.with_name(file.name.replace("-idx", ".idx")))
    assert load("mnist", folder)[0].targets.tolist() == [7, 0, 9]
