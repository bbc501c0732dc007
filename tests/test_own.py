"""Data of one's own: every form that is read, and what is refused."""

from __future__ import annotations

import gzip
import importlib.util
from pathlib import Path

import numpy as np
import pytest

from minidl.data import Dataset, load, split, write_idx
from minidl.data.own import load_own, read_parts
from minidl.types import Array

needs_pillow = pytest.mark.skipif(
    importlib.util.find_spec("PIL") is None, reason="Pillow is not installed"
)
rng = np.random.default_rng


def images(count: int = 20, height: int = 9, width: int = 9, channels: int = 1) -> Array:
    """Return uint8 images, the first pixel of each being its number."""
    made = rng(0).integers(0, 256, (count, height, width, channels)).astype(np.uint8)
    made[:, 0, 0, 0] = np.arange(count)
    return made


LABELS = np.arange(20) % 2


def npz(path: Path, **arrays: object) -> Path:
    np.savez(path, **arrays)  # type: ignore[arg-type]
    return path


def paint(path: Path, level: int = 100, size: tuple[int, int] = (10, 8), mode: str = "L") -> None:
    """Write a picture of one grey level, ``size`` being width and height."""
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", size, level).convert(mode).save(path)


def pets(folder: Path, count: int = 5, names: tuple[str, ...] = ("cat", "dog")) -> Path:
    """Write dark pictures of the first class, lighter ones of the next, and so on."""
    for level, name in enumerate(names):
        for number in range(count):
            paint(folder / name / f"{number}.png", 60 * level + number)
    return folder


def levels(data: Dataset) -> list[int]:
    """Return the level of each image of ``pets``."""
    return [int(image.flat[0]) for image in data.inputs]


# Folders of pictures


@needs_pillow
def test_a_folder_of_pictures(tmp_path: Path) -> None:
    train, test = load(pets(tmp_path / "my pets"))
    assert train.classes == test.classes == ("cat", "dog")
    assert train.name == test.name == "my pets"
    assert train.inputs.dtype == np.uint8
    assert train.inputs.shape == (8, 8, 10, 1)
    assert sorted(levels(train) + levels(test)) == [*range(5), *range(60, 65)]
    for part in (train, test):
        assert part.targets.tolist() == [level // 60 for level in levels(part)]


@needs_pillow
def test_the_held_fifth_is_of_each_class_and_always_the_same(tmp_path: Path) -> None:
    folder = pets(tmp_path / "pets", 15, ("a", "b", "c"))
    first, again = load(folder), load(folder)
    assert np.bincount(first[1].targets).tolist() == [3, 3, 3]
    assert np.bincount(first[0].targets).tolist() == [12, 12, 12]
    np.testing.assert_array_equal(first[1].inputs, again[1].inputs)
    expected = split(read_parts(folder).train, 0.2, seed=0)[1]
    np.testing.assert_array_equal(first[1].inputs, expected.inputs)


@needs_pillow
@pytest.mark.parametrize(
    ("train", "test"),
    [("train", "test"), ("Train", "VAL"), ("training", "validation"), ("train", "testing")],
)
def test_a_folder_of_parts(tmp_path: Path, train: str, test: str) -> None:
    pets(tmp_path / "pets" / train, 4)
    pets(tmp_path / "pets" / test, 1)
    (tmp_path / "pets" / ".git").mkdir()
    (tmp_path / "pets" / "__MACOSX").mkdir()
    parts = load(tmp_path / "pets")
    assert [len(part) for part in parts] == [8, 2]
    assert {part.name for part in parts} == {"pets"}
    assert {part.classes for part in parts} == {("cat", "dog")}


@needs_pillow
def test_of_test_and_val_the_former_is_the_test_part(tmp_path: Path) -> None:
    for part, count in (("train", 4), ("val", 3), ("test", 2)):
        pets(tmp_path / part, count)
    assert [len(part) for part in load(tmp_path)] == [8, 4]


@needs_pillow
def test_a_train_folder_alone_gives_a_fifth(tmp_path: Path) -> None:
    pets(tmp_path / "train")
    assert read_parts(tmp_path).test is None
    assert [len(part) for part in load(tmp_path)] == [8, 2]


@needs_pillow
def test_classes_may_be_called_like_parts(tmp_path: Path) -> None:
    pets(tmp_path, names=("train", "bus"))
    assert load(tmp_path)[0].classes == ("bus", "train")


@needs_pillow
def test_the_test_part_has_the_classes_of_the_train_part(tmp_path: Path) -> None:
    pets(tmp_path / "train", names=("ant", "cat", "dog"))
    pets(tmp_path / "test", 2, names=("cat",))
    assert load(tmp_path)[1].targets.tolist() == [1, 1]
    pets(tmp_path / "test", 2, names=("eel",))
    with pytest.raises(ValueError, match="test has a folder 'eel', which is none of the classes"):
        load(tmp_path)


@needs_pillow
@pytest.mark.parametrize(
    ("sizes", "shape"),
    [
        ([(10, 8)], (8, 10, 1)),
        ([(64, 64)], (64, 64, 1)),
        ([(65, 20)], (32, 32, 1)),
        ([(20, 65)], (32, 32, 1)),
        ([(10, 8), (8, 10)], (32, 32, 1)),
        ([(100, 100), (10, 10)], (32, 32, 1)),
    ],
)
def test_pictures_keep_a_small_size_that_all_have(
    tmp_path: Path, sizes: list[tuple[int, int]], shape: tuple[int, int, int]
) -> None:
    for name in ("cat", "dog"):
        for number in range(3):
            paint(tmp_path / name / f"{number}.png", size=sizes[number % len(sizes)])
    assert load(tmp_path)[0].inputs.shape[1:] == shape
    assert load(tmp_path, shape=(5, 6, 3))[0].inputs.shape[1:] == (5, 6, 3)


@needs_pillow
def test_one_coloured_picture_makes_all_coloured(tmp_path: Path) -> None:
    paint(pets(tmp_path) / "cat" / "x.png", mode="RGB")
    assert load(tmp_path)[0].inputs.shape[1:] == (8, 10, 3)


@needs_pillow
def test_a_class_of_one_picture_is_refused(tmp_path: Path) -> None:
    paint(pets(tmp_path / "pets") / "eel" / "1.png")
    message = "the class 'eel' of .*pets has one sample, and one to train on and one to test on"
    with pytest.raises(ValueError, match=message):
        load(tmp_path / "pets")
    pets(tmp_path / "pets2" / "train", 1)
    pets(tmp_path / "pets2" / "test", 1)
    assert len(load(tmp_path / "pets2")[0]) == 2  # there are both parts


@needs_pillow
def test_the_order_of_a_models_classes_is_kept(tmp_path: Path) -> None:
    folder, known = pets(tmp_path), ("dog", "eel", "cat")
    data = read_parts(folder, classes=known).train
    assert data.classes == known
    assert data.targets.tolist() == [2] * 5 + [0] * 5
    with pytest.raises(ValueError, match="folder 'dog', which is none of the classes cat, eel"):
        load(folder, classes=("cat", "eel"))


# IDX files


def idx(folder: Path, stem: str, inputs: Array, labels: Array) -> None:
    folder.mkdir(exist_ok=True)
    write_idx(folder / f"{stem}-images-idx{inputs.ndim}-ubyte", inputs)
    write_idx(folder / f"{stem}-labels-idx1-ubyte", labels.astype(np.uint8))


@pytest.mark.parametrize("test", ["t10k", "test"])
def test_a_folder_of_idx_files(tmp_path: Path, test: str) -> None:
    folder = tmp_path / "letters-v1.2"
    idx(folder, "emnist-train", images(20)[..., 0], LABELS + 1)
    idx(folder, f"emnist-{test}", images(4)[..., 0], LABELS[:4] + 1)
    parts = load(folder)
    assert [part.inputs.shape for part in parts] == [(20, 9, 9, 1), (4, 9, 9, 1)]
    assert {part.classes for part in parts} == {("1", "2")}
    assert {part.name for part in parts} == {"letters-v1.2"}
    np.testing.assert_array_equal(parts[0].targets, LABELS)
    np.testing.assert_array_equal(parts[1].inputs, images(4))


def test_idx_files_without_a_test_part(tmp_path: Path) -> None:
    idx(tmp_path, "train", images()[..., 0], LABELS)
    assert [len(part) for part in load(tmp_path)] == [16, 4]


def test_an_idx_file_may_lie_there_compressed_as_well(tmp_path: Path) -> None:
    idx(tmp_path, "train", images()[..., 0], LABELS)
    plain = tmp_path / "train-images-idx3-ubyte"
    Path(f"{plain}.gz").write_bytes(gzip.compress(plain.read_bytes()))
    assert len(load(tmp_path)[0]) == 16
    plain.unlink()
    assert len(load(tmp_path)[0]) == 16


def test_idx_files_that_do_not_belong_together(tmp_path: Path) -> None:
    idx(tmp_path, "train", images()[..., 0], LABELS[:19])
    message = r"train part: inputs and targets of different length: 20 and 19 samples"
    with pytest.raises(ValueError, match=message):
        load(tmp_path)
    (tmp_path / "train-labels-idx1-ubyte").unlink()
    message = "expected one IDX file with train-labels in its name, found none"
    with pytest.raises(ValueError, match=message):
        load(tmp_path)
    for name in ("a", "b"):
        idx(tmp_path, f"{name}-train", images()[..., 0], LABELS)
    with pytest.raises(ValueError, match="found a-train-images-idx3-ubyte, b-train-images-idx3-"):
        load(tmp_path)


# .npz


@pytest.mark.parametrize(
    "names",
    [
        ("x", "y"),
        ("images", "labels"),
        ("Data", "Targets"),
        ("x_train", "y_train"),
        ("train_images", "train_labels"),
    ],
)
def test_names_of_arrays(tmp_path: Path, names: tuple[str, str]) -> None:
    x, y = names
    path = npz(tmp_path / "own.npz", **{x: images(), y: LABELS, "notes": np.zeros(3)})
    parts = read_parts(path)
    assert parts.test is None
    assert parts.train.name == "own"
    np.testing.assert_array_equal(parts.train.inputs, images())
    np.testing.assert_array_equal(parts.train.targets, LABELS)


@pytest.mark.parametrize(
    "names",
    [
        ("x_train", "y_train", "x_test", "y_test"),
        ("train_images", "train_labels", "val_images", "val_labels"),
        ("x", "y", "x_val", "y_val"),
    ],
)
def test_arrays_of_two_parts(tmp_path: Path, names: tuple[str, ...]) -> None:
    arrays = (images(20), LABELS, images(6), LABELS[:6])
    train, test = load(npz(tmp_path / "own.npz", **dict(zip(names, arrays))))
    assert (len(train), len(test)) == (20, 6)
    np.testing.assert_array_equal(test.inputs, images(6))


@pytest.mark.parametrize(
    "labels",
    [LABELS[:, None], np.eye(2)[LABELS], np.eye(2, dtype=bool)[LABELS], LABELS.astype(float)],
    ids=["column", "one-hot", "booleans", "floats"],
)
def test_labels_of_other_shapes(tmp_path: Path, labels: Array) -> None:
    data = read_parts(npz(tmp_path / "own.npz", x=images(), y=labels)).train
    np.testing.assert_array_equal(data.targets, LABELS)
    assert data.classes == ("0", "1")


def test_labels_are_numbered_and_named(tmp_path: Path) -> None:
    words = np.array(["dog", "cat"])[LABELS]
    for labels in (words, words[:, None]):
        data = read_parts(npz(tmp_path / "own.npz", x=images(), y=labels)).train
        assert (data.classes, data.targets.tolist()) == (("cat", "dog"), (1 - LABELS).tolist())
    data = read_parts(tmp_path / "own.npz", classes=("dog", "cat", "eel")).train
    assert (data.classes, data.targets.tolist()) == (("dog", "cat", "eel"), LABELS.tolist())
    with pytest.raises(ValueError, match=r"own.npz, train part: unknown label 'cat' in sample 1"):
        read_parts(tmp_path / "own.npz", classes=("dog", "eel"))


def test_the_test_part_knows_the_classes_of_the_train_part(tmp_path: Path) -> None:
    arrays = {"x_train": images(), "y_train": LABELS + 5, "x_test": images(2)}
    path = npz(tmp_path / "own.npz", **arrays, y_test=np.array([6, 6]))
    assert load(path)[1].targets.tolist() == [1, 1]
    npz(path, **arrays, y_test=np.array([6, 7]))
    with pytest.raises(ValueError, match=r"own\.npz, test part: unknown label '7' in sample 1"):
        load(path)


@pytest.mark.parametrize("dtype", [np.int64, np.int32, np.uint16])
def test_pixels_of_wider_integers_are_bytes(tmp_path: Path, dtype: type) -> None:
    data = read_parts(npz(tmp_path / "own.npz", x=images().astype(dtype), y=LABELS)).train
    assert data.inputs.dtype == np.uint8
    np.testing.assert_array_equal(data.inputs, images())


@pytest.mark.parametrize("beyond", [-1, 256])
def test_integers_that_are_no_bytes_are_refused(tmp_path: Path, beyond: int) -> None:
    wide = images().astype(np.int64)
    wide[3, 2, 1] = beyond
    with pytest.raises(ValueError, match="train part: inputs of dtype int64 have no known range"):
        load(npz(tmp_path / "own.npz", x=wide, y=LABELS))


def test_floats_stay(tmp_path: Path) -> None:
    floats = images().astype(np.float32) / 255
    data = read_parts(npz(tmp_path / "own.npz", x=floats, y=LABELS)).train
    assert data.inputs.dtype == np.float32
    np.testing.assert_array_equal(data.inputs, floats)
    floats[4, 0, 0] = np.nan
    with pytest.raises(ValueError, match="must be finite, got NaN or infinity in sample 4"):
        load(npz(tmp_path / "own.npz", x=floats, y=LABELS))


def test_rows_of_bytes_are_square_images(tmp_path: Path) -> None:
    rows = images(20, 28, 28).reshape(20, 784)
    data = read_parts(npz(tmp_path / "own.npz", x=rows, y=LABELS)).train
    np.testing.assert_array_equal(data.inputs, images(20, 28, 28))
    wide = read_parts(tmp_path / "own.npz", shape=(14, 56, 1)).train  # as told
    np.testing.assert_array_equal(wide.inputs, rows.reshape(20, 14, 56, 1))
    fitted = read_parts(tmp_path / "own.npz", shape=(32, 32, 3)).train
    assert fitted.inputs.shape == (20, 32, 32, 3)


@pytest.mark.parametrize("columns", [4, 16, 49, 65, 783])
def test_other_rows_are_no_images(tmp_path: Path, columns: int) -> None:
    rows = rng(1).integers(0, 256, (20, columns)).astype(np.uint8)
    data = read_parts(npz(tmp_path / "own.npz", x=rows, y=LABELS)).train
    np.testing.assert_array_equal(data.inputs, rows)
    assert read_parts(tmp_path / "own.npz", shape=(columns,)).train.inputs.shape == (20, columns)


def test_rows_of_floats_are_images_where_a_shape_is_asked_for(tmp_path: Path) -> None:
    rows = rng(1).random((20, 64), np.float32)
    path = npz(tmp_path / "own.npz", x=rows, y=LABELS)
    assert read_parts(path).train.inputs.shape == (20, 64)
    np.testing.assert_array_equal(
        read_parts(path, shape=(8, 8, 1)).train.inputs, rows.reshape(20, 8, 8, 1)
    )


def test_images_without_channels_get_one_and_all_are_fitted(tmp_path: Path) -> None:
    path = npz(tmp_path / "own.npz", x=images()[..., 0], y=LABELS)
    assert read_parts(path).train.inputs.shape == (20, 9, 9, 1)
    assert read_parts(path, shape=(12, 10, 3)).train.inputs.shape == (20, 12, 10, 3)


def test_channels_first_are_refused(tmp_path: Path) -> None:
    path = npz(tmp_path / "own.npz", x=images(20, 9, 9, 3).transpose(0, 3, 1, 2), y=LABELS)
    message = r"own.npz, train part: images \(20, 3, 9, 9\) have their channels first: save them as"
    with pytest.raises(ValueError, match=message):
        load(path)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": images(), "z": LABELS}, "holds the arrays x, z: expected x and y, or x_train, y_"),
        ({"x_test": images(), "y_test": LABELS}, "holds the arrays x_test, y_test: expected x and"),
        ({"x": images(), "y": LABELS[:9]}, "of different length: 20 and 9 samples"),
        ({"x": images(), "y": np.zeros((20, 3))}, "labels must be one for each sample"),
        ({"x": images(), "y": LABELS + 0.5}, "label 0.5 of sample 0 has a fraction"),
        ({"x": images(), "y": LABELS.astype(object)}, "'y.npy': an array of Python objects"),
        ({"x": images()[:0], "y": LABELS[:0]}, "labels must hold at least one, got none"),
    ],
)
def test_what_is_wrong_in_an_npz_is_told(
    tmp_path: Path, arrays: dict[str, Array], message: str
) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        load(npz(tmp_path / "own.npz", **arrays))
    assert "own.npz" in str(caught.value)


def test_a_class_of_one_sample_is_refused(tmp_path: Path) -> None:
    labels = LABELS.copy()
    labels[7] = 4
    with pytest.raises(ValueError, match=r"the class '4' of .*own.npz has one sample"):
        load_own(npz(tmp_path / "own.npz", x=images(), y=labels))


def test_one_class_is_refused(tmp_path: Path) -> None:
    path = npz(tmp_path / "own.npz", x=images(), y=np.full(20, "cat"))
    with pytest.raises(
        ValueError, match=r"own\.npz has only one class, 'cat': there is nothing to"
    ):
        load(path)
    assert len(read_parts(path).train) == 20


# Tables


TABLE = "class,height,width\n" + "".join(
    f"{'cat' if number % 2 else 'dog'},{number}.5,{number}\n" for number in range(20)
)


@pytest.mark.parametrize("name", ["pets.csv", "pets.csv.gz", "pets.CSV"])
def test_a_table(tmp_path: Path, name: str) -> None:
    content = TABLE.encode()
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    train, test = load(tmp_path / name)
    assert (len(train), len(test)) == (16, 4)
    assert train.name == test.name == "pets"
    assert train.inputs.dtype == np.float32
    assert train.inputs.shape == (16, 2)
    assert np.bincount(test.targets).tolist() == [2, 2]
    assert test.targets.tolist() == [1 - number % 2 for number in test.inputs[:, 1].astype(int)]
    known = read_parts(tmp_path / name, classes=("dog", "eel", "cat")).train
    assert known.targets.tolist() == [0, 2] * 10


def test_a_table_of_pixels(tmp_path: Path) -> None:
    rows = np.concatenate([LABELS[:, None] + 1, images(20, 8, 8).reshape(20, 64)], axis=1)
    np.savetxt(tmp_path / "own.csv", rows, "%d", delimiter=",")
    data = read_parts(tmp_path / "own.csv").train
    np.testing.assert_array_equal(data.inputs, images(20, 8, 8))
    assert data.classes == ("1", "2")
    assert read_parts(tmp_path / "own.csv", shape=(16, 8, 3)).train.inputs.shape[1:] == (16, 8, 3)


def test_a_table_of_values_to_predict_is_refused(tmp_path: Path) -> None:
    (tmp_path / "own.csv").write_text("y,a\n0.5,1\n1.5,2\n", encoding="utf-8")
    message = r"own.csv: expected labels that name classes, got numbers such as 0.5"
    with pytest.raises(ValueError, match=message):
        load(tmp_path / "own.csv")


# Paths


@pytest.mark.parametrize("path", ["no/pets", "pets.npz", "./pets", Path("pets")])
def test_a_path_that_is_not_there(path: str | Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no file or folder '.*pets.*': expected a folder"):
        load(path)


def test_a_file_of_no_known_kind(tmp_path: Path) -> None:
    (tmp_path / "pets.txt").touch()
    message = r"pets.txt is of no kind that is read: expected a folder with a subfolder of pictures"
    with pytest.raises(ValueError, match=message):
        load(tmp_path / "pets.txt")


def test_paths_may_begin_at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    npz(tmp_path / "own.npz", x=images(), y=LABELS)
    assert len(load("~/own.npz")[0]) == 16


def test_a_name_goes_before_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("digits").mkdir()
    Path("pets").mkdir()
    assert load("digits")[0].name == "digits"
    with pytest.raises(ValueError, match="pets has no subfolders: put the pictures of each class"):
        load("pets")


def test_the_named_sets_are_fitted_too() -> None:
    train, test = load("digits", shape=(14, 14, 3))
    assert train.inputs.shape[1:] == test.inputs.shape[1:] == (14, 14, 3)
    assert train.inputs.dtype == np.uint8
    assert train.name == "digits"


@needs_pillow
def test_parts_beside_something_else_are_asked_about(tmp_path: Path) -> None:
    for part in ("train", "test"):
        pets(tmp_path / "scans" / part)
    paint(tmp_path / "scans" / "extra" / "1.png")
    with pytest.raises(ValueError, match=r"scans holds extra, test, train: are they classes, or"):
        load(tmp_path / "scans")


def test_inputs_to_test_without_labels_are_asked_about(tmp_path: Path) -> None:
    path = npz(tmp_path / "a.npz", x_train=images(), y_train=np.arange(20) % 2, x_test=images())
    with pytest.raises(ValueError, match="holds the arrays x_train, y_train, x_test: expected x"):
        load(path)


def test_the_test_part_takes_the_shape_of_the_train_part(tmp_path: Path) -> None:
    labels = np.arange(20) % 2
    given = {"x_train": images(), "y_train": labels, "y_test": labels}
    _, test = load(npz(tmp_path / "a.npz", **given, x_test=images(20, 12, 6)))
    assert test.inputs.shape == (20, 9, 9, 1)
    with pytest.raises(ValueError, match=r"a.npz, test part: inputs float64, and the train part"):
        load(npz(tmp_path / "a.npz", **given, x_test=images() / 255))


def test_one_hot_columns_keep_their_place(tmp_path: Path) -> None:
    rows = np.eye(4)[np.array([0, 1, 3] * 10)]  # of class 2 there is none
    train, _ = load(npz(tmp_path / "a.npz", x=images(30), y=rows))
    assert train.classes == ("0", "1", "2", "3")
    assert set(train.targets.tolist()) == {0, 1, 3}


def test_a_shape_that_rows_cannot_take(tmp_path: Path) -> None:
    path = npz(tmp_path / "a.npz", x=images(20).reshape(20, 81)[:, :50], y=np.arange(20) % 2)
    with pytest.raises(ValueError, match=r"samples of shape \(50,\) cannot become \(9, 9, 1\)"):
        load(path, shape=(9, 9, 1))


def test_the_column_of_labels(tmp_path: Path) -> None:
    rows = [f"{n},{n % 7},{'cat' if n % 2 else 'dog'}" for n in range(20)]
    (tmp_path / "pets.tsv").write_text("\n".join(["a,b,species", *rows]))
    with pytest.raises(ValueError, match=r"pets.tsv: which column holds the labels\?"):
        load(tmp_path / "pets.tsv")
    train, _ = load(tmp_path / "pets.tsv", label="species")
    assert train.classes == ("cat", "dog")
    assert train.name == "pets"
