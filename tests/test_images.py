"""Pictures of one's own: right pixels from every mode and format, and what broken files get."""

from __future__ import annotations

import os
import struct
import sys
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from minidl.data import read_image, read_images
from minidl.data.images import image_files, image_shapes
from minidl.data.picture import image_shape
from minidl.types import Array

Image = pytest.importorskip("PIL.Image", reason="pip install 'minidl[images]'")
drawn = pytest.importorskip("pictures")

RED, GREEN, BLUE, WHITE, BLACK = (
    (255, 0, 0),
    (0, 255, 0),
    (0, 0, 255),
    (255, 255, 255),
    (0, 0, 0),
)
SEEN: NDArray[np.uint8] = np.array(
    [[RED, GREEN, BLUE], [(10, 20, 30), (200, 100, 50), WHITE]], np.uint8
)  # (2, 3, 3)
GREY: NDArray[np.uint8] = np.array([[0, 1, 127], [128, 254, 255]], np.uint8)


def saved(path: Path, pixels: Array, **options: object) -> Path:
    Image.fromarray(pixels).save(path, **options)
    return path


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def same(path: Path, expected: Array) -> None:
    """Hold a file to its pixels, as they are and as its header announces them."""
    image = read_image(path)
    assert image.dtype == np.uint8
    np.testing.assert_array_equal(image, expected)
    assert image_shape(path) == expected.shape


# Right pixels


@pytest.mark.parametrize("ending", ["png", "bmp", "tif", "ppm", "webp"])
def test_colour(tmp_path: Path, ending: str) -> None:
    same(saved(tmp_path / f"a.{ending}", SEEN, lossless=True), SEEN)


@pytest.mark.parametrize("ending", ["png", "bmp", "tif", "pgm"])
def test_grey(tmp_path: Path, ending: str) -> None:
    same(saved(tmp_path / f"a.{ending}", GREY), GREY[..., None])


def test_jpeg_is_near_what_was_stored(tmp_path: Path) -> None:
    smooth = np.linspace(0, 255, 32 * 48).reshape(32, 48).astype(np.uint8)
    grey = read_image(saved(tmp_path / "grey.jpg", smooth, quality=95))
    assert grey.shape == (32, 48, 1)
    assert np.abs(grey[..., 0].astype(int) - smooth).max() <= 4
    colour = np.stack([smooth, 255 - smooth, smooth // 2], 2)
    path = saved(tmp_path / "colour.jpg", colour, quality=95, subsampling=0)
    assert np.abs(read_image(path).astype(int) - colour).max() <= 8


def test_one_bit(tmp_path: Path) -> None:
    bits = np.array([[True, False, True], [False, False, True]])
    same(saved(tmp_path / "a.png", bits), np.where(bits, 255, 0)[..., None])


def test_transparency_lies_on_white(tmp_path: Path) -> None:
    """By hand: alpha 51 is one fifth, alpha 102 two fifths."""
    rgba = np.array([[(*RED, 255), (*RED, 0), (0, 100, 200, 51), (*BLACK, 102)]], np.uint8)
    expected = [[RED, WHITE, (204, 224, 244), (153, 153, 153)]]
    same(saved(tmp_path / "a.png", rgba), np.array(expected))


def test_grey_transparency_lies_on_white(tmp_path: Path) -> None:
    la = np.array([[(7, 255), (7, 0), (0, 51), (100, 51)]], np.uint8)
    same(saved(tmp_path / "a.png", la), np.array([[[7], [255], [204], [224]]]))


def test_palettes_count_as_colour(tmp_path: Path) -> None:
    indices = np.array([[0, 1, 2], [2, 1, 0]])
    colors = [RED, (9, 9, 9), (1, 2, 3)]
    drawn.palette_image(indices, colors).save(tmp_path / "a.png")
    same(tmp_path / "a.png", np.array(colors)[indices])
    drawn.palette_image(indices, colors).save(tmp_path / "a.gif")
    np.testing.assert_array_equal(read_image(tmp_path / "a.gif"), np.array(colors)[indices])


@pytest.mark.parametrize(("clear", "second"), [(1, WHITE), (b"\xff\x33", (206, 207, 208))])
def test_palettes_with_transparency(
    tmp_path: Path, clear: int | bytes, second: tuple[int, int, int]
) -> None:
    """One colour that is not shown, or an alpha for each: 0.8 · 255 + 0.2 · (10, 15, 20)."""
    image = drawn.palette_image(np.array([[0, 1]]), [RED, (10, 15, 20)])
    image.save(tmp_path / "a.png", transparency=clear)
    same(tmp_path / "a.png", np.array([[RED, second]]))


@pytest.mark.parametrize(
    ("name", "picture", "expected"),
    [
        (
            "1 bit",
            drawn.png(2, 1, 1, 0, b"\0\x40", drawn.chunk(b"tRNS", b"\0\0")),
            [[[255], [255]]],
        ),
        (
            "grey",
            drawn.png(2, 1, 8, 0, b"\0\x05\x06", drawn.chunk(b"tRNS", b"\0\5")),
            [[[255], [6]]],
        ),
        (
            "16 bit",
            drawn.png(2, 1, 16, 0, b"\0\x01\x01\x02\x02", drawn.chunk(b"tRNS", b"\1\1")),
            [[[255], [2]]],
        ),
        (
            "colour",
            drawn.png(2, 1, 8, 2, b"\0" + bytes(6 * [3]), drawn.chunk(b"tRNS", b"\0\3\0\3\0\3")),
            [[WHITE, WHITE]],
        ),
    ],
)
def test_one_clear_value(
    tmp_path: Path, name: str, picture: bytes, expected: list[list[list[int]]]
) -> None:
    """PNG's chunk tRNS names one grey or colour that is not shown."""
    same(written(tmp_path / f"{name}.png", picture), np.array(expected))


@pytest.mark.parametrize("ending", ["png", "tif", "pgm"])
def test_16_bit_grey_is_scaled(tmp_path: Path, ending: str) -> None:
    """And not clipped: 65535 is 255, and halves go to the nearest."""
    deep = np.array([[0, 128, 129, 257], [30_000, 32_896, 65_406, 65_407]])
    path = tmp_path / f"a.{ending}"
    if ending == "png":
        rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in deep)
        written(path, drawn.png(4, 2, 16, 0, rows))
    elif ending == "pgm":
        written(path, b"P5 4 2 65535\n" + deep.astype(">u2").tobytes())
    else:
        Image.fromarray(deep.astype(np.uint16)).save(path)
    same(path, np.array([[0, 0, 1, 1], [117, 128, 254, 255]])[..., None])


def test_16_bit_colour(tmp_path: Path) -> None:
    row = np.array([[0, 0x80FF, 0xFFFF]], ">u2").tobytes()
    same(
        written(tmp_path / "a.png", drawn.png(1, 1, 16, 2, b"\0" + row)),
        np.array([[[0, 128, 255]]]),
    )


def test_cmyk(tmp_path: Path) -> None:
    """(255 - ink) · (255 - black) / 255: cyan, magenta, yellow, black, half black."""
    inks = [(255, 0, 0, 0), (0, 255, 0, 0), (0, 0, 255, 0), (0, 0, 0, 255), (0, 0, 0, 128)]
    blocks = np.repeat(np.repeat(np.array([inks], np.uint8), 16, 0), 16, 1)  # (16, 80, 4)
    drawn.cmyk_image(blocks).save(tmp_path / "a.jpg", quality=100, subsampling=0)
    image = read_image(tmp_path / "a.jpg")
    expected = [[0, 255, 255], [255, 0, 255], [255, 255, 0], [0, 0, 0], [127, 127, 127]]
    assert np.abs(image[8, 8::16].astype(int) - expected).max() <= 2


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("ending", ["png", "webp", "tif"])
def test_turned_cameras(tmp_path: Path, ending: str, orientation: int) -> None:
    drawn.turned(SEEN, orientation).save(tmp_path / f"a.{ending}", lossless=True)
    same(tmp_path / f"a.{ending}", SEEN)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_turned_cameras_of_phones(tmp_path: Path, orientation: int) -> None:
    blocks = np.repeat(np.repeat(SEEN, 16, 0), 16, 1)  # (32, 48, 3)
    path = tmp_path / "a.jpg"
    drawn.turned(blocks, orientation).save(path, quality=95, subsampling=0)
    assert image_shape(path) == (32, 48, 3)
    assert np.abs(read_image(path)[8::16, 8::16].astype(int) - SEEN).max() <= 6
    small = read_image(path, shape=(2, 3, 3))
    assert np.abs(small.astype(int) - SEEN).max() <= 80  # the filter reaches the neighbours
    assert small.reshape(6, 3).argmax(1)[:3].tolist() == [0, 1, 2]


def test_a_turned_picture_that_is_see_through_and_a_turned_grey_one(tmp_path: Path) -> None:
    alpha = np.full((2, 3, 1), 255, np.uint8)
    drawn.turned(np.concatenate([SEEN, alpha], 2), 6).save(tmp_path / "a.png")
    same(tmp_path / "a.png", SEEN)
    drawn.turned(GREY, 8).save(tmp_path / "b.png")
    same(tmp_path / "b.png", GREY[..., None])


def test_an_orientation_that_does_not_exist(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 9
    same(saved(tmp_path / "a.png", SEEN, exif=exif.tobytes()), SEEN)


def test_exif_behind_the_pixels(tmp_path: Path) -> None:
    """Where a PNG may have it too."""
    saved(tmp_path / "a.png", drawn.STORED[6](SEEN))
    note = drawn.turned(SEEN, 6).exif.removeprefix(b"Exif\0\0")
    content = (tmp_path / "a.png").read_bytes()
    end = drawn.chunk(b"IEND", b"")
    written(tmp_path / "a.png", content.removesuffix(end) + drawn.chunk(b"eXIf", note) + end)
    same(tmp_path / "a.png", SEEN)


def test_the_first_frame(tmp_path: Path) -> None:
    first, second = Image.fromarray(GREY), Image.fromarray(255 - GREY)
    for name in ("a.gif", "a.tif", "a.png"):
        first.save(tmp_path / name, save_all=True, append_images=[second])
        image = read_image(tmp_path / name)
        np.testing.assert_array_equal(image.max(-1), GREY)


# The shape that a model reads


def test_colour_becomes_grey_by_luma(tmp_path: Path) -> None:
    """ITU-R 601 by hand: 0.299 · 200 + 0.587 · 100 + 0.114 · 50 = 124.2, and so on."""
    grey = read_image(saved(tmp_path / "a.png", SEEN), shape=(2, 3, 1))
    assert grey[..., 0].tolist() == [[76, 150, 29], [18, 124, 255]]


def test_grey_becomes_colour(tmp_path: Path) -> None:
    colour = read_image(saved(tmp_path / "a.png", GREY), shape=(2, 3, 3))
    np.testing.assert_array_equal(colour, np.repeat(GREY[..., None], 3, 2))


def test_shrinking_averages(tmp_path: Path) -> None:
    """A fine chequer becomes even grey: without a filter it would stay black and white."""
    chequer = (np.indices((64, 96)).sum(0) % 2 * 255).astype(np.uint8)
    small = read_image(saved(tmp_path / "a.png", chequer), shape=(8, 6, 1))
    assert small.shape == (8, 6, 1)
    assert np.abs(small.astype(int) - 127).max() <= 4


def test_stretching_keeps_places(tmp_path: Path) -> None:
    quarter = np.zeros((20, 40), np.uint8)
    quarter[10:, :20] = 255  # lower left
    grown = read_image(saved(tmp_path / "a.png", quarter), shape=(40, 10, 1))[..., 0]
    assert grown[30, 2] == 255
    assert grown[30, 7] == grown[10, 2] == grown[10, 7] == 0


def test_large_jpegs_shrink_as_any_picture(tmp_path: Path) -> None:
    """Though they are decoded at a fraction of their size."""
    y, x = np.mgrid[:600, :800]
    large = np.stack([x // 4, y // 3, (x + y) // 8], 2).astype(np.uint8)
    saved(tmp_path / "a.png", large)
    saved(tmp_path / "a.jpg", large, quality=95, subsampling=0)
    whole = read_image(tmp_path / "a.png", shape=(24, 32, 3)).astype(int)
    assert np.abs(read_image(tmp_path / "a.jpg", shape=(24, 32, 3)) - whole).max() <= 4


def test_jpegs_are_decoded_finely_enough(tmp_path: Path) -> None:
    chequer = (np.indices((64, 128)) // 8).sum(0) % 2 * 255
    saved(tmp_path / "a.jpg", chequer.astype(np.uint8), quality=95)
    small = read_image(tmp_path / "a.jpg", shape=(32, 64, 1))[..., 0].astype(int)
    assert np.abs(small[1::4, 1::4] - chequer[4::8, 4::8]).max() <= 40


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((28, 28), r"shape must be \(height, width, channels\) such as .*, got \(28, 28\)"),
        (28, r"shape must be .*, got 28"),
        ((28, 28, 4), r"1 \(grey\) or 3 \(RGB\) channels, got shape \(28, 28, 4\)"),
        ((0, 28, 1), "height must be an integer of at least 1, got 0"),
        ((10_000, 10_000, 1), "over 64 million pixels"),
    ],
)
def test_shapes_that_no_picture_has(tmp_path: Path, shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_image(tmp_path / "a.png", shape=shape)
    with pytest.raises(ValueError, match=message):
        read_images(tmp_path, shape=shape)


# Folders


def folder_of(path: Path, *names: str) -> Path:
    """Write a grey picture for each name, all different: the k-th is k everywhere."""
    for number, name in enumerate(names):
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        saved(path / name, np.full((4, 5), number, np.uint8))
    return path


def test_a_folder_is_a_dataset(tmp_path: Path) -> None:
    root = folder_of(
        tmp_path / "pets", "dog/b.png", "dog/A.PNG", "cat/10.png", "cat/9.png", "cat/8/z.png"
    )
    data = read_images(root)
    assert data.name == "pets"
    assert data.classes == ("cat", "dog")
    assert data.targets.tolist() == [0, 0, 0, 1, 1]
    assert data.inputs.shape == (5, 4, 5, 1)
    assert data.inputs[:, 0, 0, 0].tolist() == [2, 4, 3, 1, 0]  # "10" < "8" < "9", "A" < "b"
    names, files = image_files(root)
    assert names == data.classes
    assert [path.name for path, _ in files] == ["10.png", "z.png", "9.png", "A.PNG", "b.png"]
    assert [label for _, label in files] == data.targets.tolist()


def test_the_folder_may_be_text_or_the_current_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = folder_of(tmp_path / "pets", "dog/b.png", "cat/a.png")
    assert len(read_images(str(root))) == 2
    monkeypatch.chdir(root)
    assert read_images(".").name == "pets"


def test_colour_among_grey_makes_colour(tmp_path: Path) -> None:
    root = folder_of(tmp_path, "a/1.png", "b/1.png")
    saved(root / "b/2.png", np.full((4, 5, 3), (1, 2, 3), np.uint8))
    data = read_images(root)
    assert data.inputs.shape == (3, 4, 5, 3)
    assert data.inputs[:, 3, 4].tolist() == [[0, 0, 0], [1, 1, 1], [1, 2, 3]]
    assert image_shapes(root) == [(4, 5, 1), (4, 5, 1), (4, 5, 3)]
    assert read_images(root, shape=(2, 2, 1)).inputs.shape == (3, 2, 2, 1)


def test_labels_in_the_order_that_a_model_knows(tmp_path: Path) -> None:
    root = folder_of(tmp_path, "cat/1.png", "dog/1.png")
    data = read_images(root, classes=["dog", "bird", "cat"])
    assert data.classes == ("dog", "bird", "cat")
    assert data.targets.tolist() == [2, 0]
    message = r"has a folder 'dog', which is none of the classes bird, cat: rename or remove it"
    with pytest.raises(ValueError, match=message):
        read_images(root, classes=["bird", "cat"])


def test_one_class_of_those_that_a_model_knows(tmp_path: Path) -> None:
    root = folder_of(tmp_path, "cat/1.png")
    assert read_images(root, classes=["bird", "cat"]).targets.tolist() == [1]
    assert image_shapes(root, classes=["bird", "cat"]) == [(4, 5, 1)]
    with pytest.raises(ValueError, match="has only one class, 'cat': add a folder for another"):
        read_images(root)


def test_what_is_left_alone(tmp_path: Path) -> None:
    root = folder_of(tmp_path, "cat/1.png", "dog/1.png", ".hidden/1.png", "__MACOSX/1.png")
    folder_of(root, "beside.png", "cat/.thumb.png", "cat/__MACOSX/1.png", "cat/.git/1.png")
    for name in ("Thumbs.db", ".DS_Store", "labels.csv", "readme.txt", "plain"):
        written(root / "cat" / name, b"no picture")
    (root / "dog" / "folder.png").mkdir()
    assert len(read_images(root)) == 2


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights")
def test_links_are_followed_once(tmp_path: Path) -> None:
    root = folder_of(tmp_path / "pets", "cat/1.png", "dog/1.png")
    folder_of(tmp_path / "elsewhere", "2.png")
    (root / "cat" / "loop").symlink_to(root)
    (root / "cat" / "more").symlink_to(tmp_path / "elsewhere")
    (root / "cat" / "again").symlink_to(tmp_path / "elsewhere")
    (root / "cat" / "broken.png").symlink_to(tmp_path / "nowhere.png")
    os.mkfifo(root / "dog" / "pipe.png")
    assert [path.name for path, _ in image_files(root)[1]] == ["1.png", "2.png", "1.png"]


def test_drawn_folders_hold_every_kind(tmp_path: Path) -> None:
    root = drawn.draw_folder(tmp_path / "shapes", per_class=len(drawn.KINDS))
    data = read_images(root, shape=(16, 16, 1))
    assert data.classes == drawn.SHAPES
    assert len(data) == 3 * len(drawn.KINDS)
    middle = data.inputs[data.targets == 2, 6:10, 6:10].mean((1, 2, 3))
    corner = data.inputs[data.targets == 2, :2, :2].mean((1, 2, 3))
    assert (middle > corner + 50).all()  # bright squares on dark in every mode
    assert len(set(image_shapes(root))) > 5


# Bad folders


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no folder .*absent: expected one with a sub"):
        read_images(tmp_path / "absent")
    with pytest.raises(NotADirectoryError, match=r"no folder .*a\.png: expected one with a sub"):
        read_images(saved(tmp_path / "a.png", GREY))


@pytest.mark.parametrize("names", [[], ["1.png", "2.png"]])
def test_no_class_folders(tmp_path: Path, names: list[str]) -> None:
    with pytest.raises(ValueError, match=r"has no subfolders: put .* of each class into a folder"):
        read_images(folder_of(tmp_path, *names))


def test_parts_are_no_classes(tmp_path: Path) -> None:
    root = folder_of(tmp_path, "Test/cat/1.png", "train/cat/1.png")
    with pytest.raises(ValueError, match=r"holds Test, train, parts rather than .*Test first"):
        read_images(root)


def test_a_class_without_pictures(tmp_path: Path) -> None:
    root = folder_of(tmp_path, "cat/1.png", "dog/.1.png")
    written(root / "dog" / "notes.txt", b"")
    with pytest.raises(
        ValueError, match=r"no pictures in .*dog: files ending in \.png .* are read"
    ):
        read_images(root)


def test_pictures_of_other_formats_are_not_skipped(tmp_path: Path) -> None:
    root = folder_of(tmp_path, "cat/1.png", "dog/1.png")
    written(root / "dog" / "IMG_1.HEIC", b"")
    with pytest.raises(ValueError, match=r"IMG_1\.HEIC: \.HEIC is not read: convert it to JPEG"):
        read_images(root)


def test_different_sizes_are_named(tmp_path: Path) -> None:
    root = folder_of(tmp_path, "cat/1.png", "dog/1.png")
    saved(root / "dog" / "2.png", np.zeros((7, 9), np.uint8))
    message = r"cat.1\.png has 5x4 pixels, .*dog.2\.png 9x7: pass a shape such as shape=\(32, 32"
    with pytest.raises(ValueError, match=message):
        read_images(root)


@pytest.mark.skipif(sys.platform != "linux", reason="names are text elsewhere")
def test_names_that_are_not_utf8(tmp_path: Path) -> None:
    root = folder_of(tmp_path, "cat/1.png", "dog/1.png")
    odd = os.fsdecode(b"\xff.png")
    saved(root / "cat" / "2.png", GREY[:, :2]).rename(root / "cat" / odd)
    with pytest.raises(ValueError, match=r"cat/\\xff\.png 2x2: pass a shape"):
        read_images(root)
    assert len(read_images(root, shape=(2, 2, 1))) == 3
    (root / "cat").rename(root / os.fsdecode(b"\xfe"))
    with pytest.raises(ValueError, match=r"\\xfe: the name of a class must be UTF-8 text: rename"):
        read_images(root)


@pytest.mark.parametrize("shape", [None, (4, 4, 1)])
def test_broken_files_are_counted_and_named(
    tmp_path: Path, shape: tuple[int, int, int] | None
) -> None:
    root = folder_of(tmp_path, "cat/1.png", *(f"dog/{number}.png" for number in range(9)))
    for number in range(1, 8):
        written(root / "dog" / f"{number}.png", b"" if number == 3 else b"text")
    with pytest.raises(ValueError, match=r"^7 of 10 pictures cannot be read:") as caught:
        read_images(root, shape=shape)
    parts = str(caught.value).split(" read: ")[1].split("; ")
    assert [part.split(": ")[0][-5:] for part in parts] == [
        *(f"{number}.png" for number in (1, 2, 3, 4, 5)),
        "...",
    ]
    assert "3.png: empty file of 0 bytes: fetch or save it again" in parts[2]


# Bad files


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"absent\.png"):
        read_image(tmp_path / "absent.png")
    with pytest.raises(ValueError, match="expected a picture file, this is something else"):
        read_image(tmp_path)


def test_a_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = folder_of(tmp_path, "cat/1.png", "dog/1.png")

    def refuse(path: Path, _mode: str) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(ValueError, match=r"2 of 2 .*1\.png: Permission denied"):
        read_images(root)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty file of 0 bytes: fetch or save it again"),
        (b"a text", r"no whole picture of a format that is read \(PNG, JPEG, BMP, .* convert it"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "no whole picture of a format"),
        (b"Pf 1 1 -1\n\0\0\0\0", "no whole picture|whose range is unknown"),
        (b"P5 0 4 255\n", "of 0x4 pixels: remove it|no whole picture|damaged picture"),
        (drawn.png(10_000, 10_000, 8, 0, b""), "10000x10000 pixels, over 64 million pixels: make"),
        (drawn.png(20_000, 20_000, 8, 0, b""), "over 64 million pixels: make the picture smaller"),
        (drawn.png(3000, 3000, 8, 0, b""), "announces 3000x3000 pixels in .* bytes, no picture"),
        (drawn.png(2, 2, 8, 0, b"\0\0\0"), r"damaged picture \(.*\): fetch or save it again"),
        (b"P6 4000 4000 255\n", "announces 4000x4000 pixels in 17 bytes"),
    ],
)
def test_broken_files(tmp_path: Path, content: bytes, message: str) -> None:
    path = written(tmp_path / "a.png", content)
    with pytest.raises(ValueError, match=rf"a\.png: .*({message})"):
        read_image(path)


def test_memory_is_what_the_file_announces(tmp_path: Path) -> None:
    path = written(tmp_path / "a.png", b"P6 7900 7900 255\n")
    tracemalloc.start()
    with pytest.raises(ValueError, match="announces 7900x7900"):
        read_image(path)
    assert tracemalloc.get_traced_memory()[1] < 10_000_000
    tracemalloc.stop()


@pytest.mark.parametrize("mode", ["I", "F"])
def test_numbers_of_unknown_range(tmp_path: Path, mode: str) -> None:
    Image.new(mode, (2, 2)).save(tmp_path / "a.tif")
    message = rf"pixels of mode '{mode}', whose range is unknown or not read: save the picture"
    with pytest.raises(ValueError, match=message):
        read_image(tmp_path / "a.tif")
    with pytest.raises(ValueError, match=message):
        image_shape(tmp_path / "a.tif")


def tiff(bits: int, photometric: int, rows: bytes) -> bytes:
    """Return a TIFF file of 2x1 pixels by hand, as section 2 of its specification has it."""
    values = [(256, 2), (257, 1), (258, bits), (259, 1), (262, photometric), (273, 110)]
    values += [(277, 1), (278, 1)]
    entries = b"".join(struct.pack("<HHII", tag, 3, 1, value) for tag, value in values)
    end = struct.pack("<HHII", 279, 3, 1, len(rows)) + bytes(4)
    head = b"II*\0" + struct.pack("<IH", 8, len(values) + 1) + entries + end
    return head.ljust(110, b"\0")[:122] + bytes(max(0, 122 - len(head))) + rows


@pytest.mark.parametrize(("bits", "photometric", "rows"), [(16, 0, bytes(4)), (12, 1, bytes(3))])
def test_tiffs_whose_numbers_pillow_takes_for_others(
    tmp_path: Path, bits: int, photometric: int, rows: bytes
) -> None:
    """White as 0, and 12 bits: both come from Pillow as if they were 16 bits with black as 0."""
    path = written(tmp_path / "a.tif", tiff(bits, photometric, rows))
    with pytest.raises(
        ValueError, match=r"range is unknown or not read: save .* as PNG|no whole pict"
    ):
        read_image(path)


def cuts(content: bytes) -> list[int]:
    return [*range(0, len(content), max(1, len(content) // 40))]


@pytest.mark.parametrize("ending", ["png", "jpg", "gif", "bmp", "tif", "webp", "ppm"])
def test_truncated_files_are_never_taken_for_others(tmp_path: Path, ending: str) -> None:
    """Where a cut is not noticed, nothing that is shown may be missing."""
    noise = np.random.default_rng(0).integers(0, 256, (24, 24, 3)).astype(np.uint8)
    path = saved(tmp_path / f"a.{ending}", noise)
    whole, content, refused = read_image(path), path.read_bytes(), 0
    for cut in cuts(content):
        written(path, content[:cut])
        try:
            np.testing.assert_array_equal(read_image(path), whole)
        except ValueError as error:
            assert str(path) in str(error)  # noqa: PT017
            refused += 1
    assert refused >= 35


def test_a_damaged_png_is_never_taken_for_another(tmp_path: Path) -> None:
    """Pillow alone does not look at the checksums of the pixels."""
    noise = np.random.default_rng(0).integers(0, 256, (12, 12)).astype(np.uint8)
    path = saved(tmp_path / "a.png", noise)
    content = path.read_bytes()
    for place in range(len(content)):
        written(path, content[:place] + bytes([content[place] ^ 4]) + content[place + 1 :])
        with pytest.raises(ValueError, match=r"a\.png: "):
            read_image(path)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (2, 5), (5, 2), (9, 13), (17, 8)])
def test_interlaced_pngs(tmp_path: Path, height: int, width: int) -> None:
    """Adam7: seven small pictures, each of pixels from the eighth parts of 8x8 squares."""
    seen = np.random.default_rng(0).integers(0, 256, (height, width), dtype=np.uint8)
    passes = [seen[::8, ::8], seen[::8, 4::8], seen[4::8, ::4], seen[::4, 2::4], seen[2::4, ::2]]
    passes += [seen[::2, 1::2], seen[1::2]]
    rows = b"".join(b"\0" + row.tobytes() for part in passes for row in part if row.size)
    path = tmp_path / "a.png"
    same(written(path, drawn.png(width, height, 8, 0, rows, interlaced=True)), seen[..., None])
    written(path, drawn.png(width, height, 8, 0, rows[:-1], interlaced=True))
    with pytest.raises(ValueError, match=rf"{len(rows) - 1} of {len(rows)} bytes of pixels"):
        read_image(path)


def test_without_pillow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = folder_of(tmp_path, "cat/1.png", "dog/1.png")
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(ImportError, match=r"needs Pillow: pip install 'minidl\[images\]'"):
        read_images(root)


@pytest.mark.parametrize(
    ("depth", "colour", "row", "clear", "seen"),
    [
        (1, 0, b"\x50", b"\0\1", [0, 255, 0, 255, 0, 0, 0, 0]),
        (2, 0, b"\x1b\x1b", b"\0\1", [0, 255, 170, 255, 0, 255, 170, 255]),
        (4, 0, b"\x5a\xa5\x00\x5a", b"\0\5", [255, 170, 170, 255, 0, 0, 255, 170]),
        (16, 2, b"\x12\x34\x56\x78\x9a\xbc" * 8, b"\x12\x34\x56\x78\x9a\xbc", [255] * 24),
    ],
)
def test_a_transparent_colour_of_another_depth_shows_white(
    tmp_path: Path, depth: int, colour: int, row: bytes, clear: bytes, seen: list[int]
) -> None:
    header = struct.pack(">IIBBBBB", 8, 1, depth, colour, 0, 0, 0)
    chunks = {b"IHDR": header, b"tRNS": clear, b"IDAT": zlib.compress(b"\0" + row), b"IEND": b""}
    content = b"\x89PNG\r\n\x1a\n"
    for kind, data in chunks.items():
        content += struct.pack(">I", len(data)) + kind + data
        content += struct.pack(">I", zlib.crc32(kind + data))
    (tmp_path / "clear.png").write_bytes(content)
    assert read_image(tmp_path / "clear.png").ravel().tolist() == seen
