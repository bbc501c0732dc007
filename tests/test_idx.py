"""IDX files: what is written comes back, and what is damaged is never taken for data."""

from __future__ import annotations

import contextlib
import gzip
import re
import struct
import tracemalloc
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from minidl.data import read_idx, write_idx
from minidl.types import Array

DTYPES = [np.uint8, np.int8, np.int16, np.int32, np.float32, np.float64]
IMAGES: Array = np.arange(2 * 3 * 5, dtype=np.uint8).reshape(2, 3, 5)
# By hand, from the format's description: two zeros, uint8, three dimensions, 2 · 3 · 5.
IMAGES_FILE = bytes.fromhex("00000803 00000002 00000003 00000005") + bytes(range(30))

any_array = st.sampled_from(DTYPES).flatmap(
    lambda dtype: arrays_of.arrays(
        dtype, arrays_of.array_shapes(min_dims=1, max_dims=5, min_side=0, max_side=6)
    )
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("idx")


def file_with(folder: Path, content: bytes, name: str = "file") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


@given(array=any_array, name=st.sampled_from(["a.idx", "a.idx.gz"]))
def test_round_trip(folder: Path, array: Array, name: str) -> None:
    write_idx(folder / name, array)
    back = read_idx(folder / name)
    assert back.dtype == array.dtype
    assert back.dtype.isnative
    assert back.shape == array.shape
    assert back.tobytes() == array.tobytes()
    assert (folder / name).read_bytes().startswith(b"\x1f\x8b") == name.endswith(".gz")


def test_the_bytes_are_those_of_the_format(tmp_path: Path) -> None:
    write_idx(tmp_path / "images", IMAGES)
    assert (tmp_path / "images").read_bytes() == IMAGES_FILE
    write_idx(tmp_path / "numbers", np.array([-2, 258], np.int16))
    assert (tmp_path / "numbers").read_bytes() == b"\0\0\x0b\x01\0\0\0\x02" + b"\xff\xfe\x01\x02"


@pytest.mark.parametrize(
    ("code", "letter", "dtype"),
    [
        (8, "B", "u1"),
        (9, "b", "i1"),
        (11, "h", "i2"),
        (12, "i", "i4"),
        (13, "f", "f4"),
        (14, "d", "f8"),
    ],
)
def test_every_type_is_read_as_struct_packs_it(
    tmp_path: Path, code: int, letter: str, dtype: str
) -> None:
    content = bytes([0, 0, code, 1]) + struct.pack(f">I3{letter}", 3, 1, 2, 120)
    array = read_idx(file_with(tmp_path, content))
    assert array.dtype == np.dtype(dtype)
    assert array.tolist() == [1, 2, 120]


def test_compression_is_seen_in_the_content_not_in_the_name(tmp_path: Path) -> None:
    packed = file_with(tmp_path, gzip.compress(IMAGES_FILE), "no-suffix")
    plain = file_with(tmp_path, IMAGES_FILE, "plain.gz")
    np.testing.assert_array_equal(read_idx(packed), IMAGES)
    np.testing.assert_array_equal(read_idx(plain), IMAGES)


def test_a_gzip_file_of_several_members_is_one_file(tmp_path: Path) -> None:
    halves = gzip.compress(IMAGES_FILE[:20]) + gzip.compress(IMAGES_FILE[20:])
    np.testing.assert_array_equal(read_idx(file_with(tmp_path, halves)), IMAGES)


def test_the_array_can_be_written_to(tmp_path: Path) -> None:
    for array in (IMAGES, IMAGES.astype(np.int32)):
        write_idx(tmp_path / "a", array)
        assert read_idx(tmp_path / "a").flags.writeable


def test_the_same_array_gives_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_idx(tmp_path / "first.gz", IMAGES)
    monkeypatch.setattr("time.time", lambda: 4e9)
    write_idx(tmp_path / "second.gz", np.asfortranarray(IMAGES))
    assert (tmp_path / "first.gz").read_bytes() == (tmp_path / "second.gz").read_bytes()


def test_arrays_in_any_byte_order_and_layout_are_written(tmp_path: Path) -> None:
    array = np.arange(24, dtype=">i4").reshape(4, 6)[::2, ::-3]
    write_idx(tmp_path / "a", array)
    assert read_idx(tmp_path / "a").tolist() == [[5, 2], [17, 14]]


@pytest.mark.parametrize("dtype", ["int64", "bool", "uint16", "complex64", "object", "float16"])
def test_writing_another_dtype(tmp_path: Path, dtype: str) -> None:
    with pytest.raises(TypeError, match=f"uint8, int8, .*, float64, got {dtype}: convert"):
        write_idx(tmp_path / "a", np.zeros(3, dtype))
    assert not (tmp_path / "a").exists()


def test_writing_a_number(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"1 to 32 dimensions below 2\*\*32, got shape \(\)"):
        write_idx(tmp_path / "a", np.float32(1.0))  # type: ignore[arg-type]


def test_writing_an_axis_too_long(tmp_path: Path) -> None:
    array = np.broadcast_to(np.uint8(0), (2**32,))
    with pytest.raises(ValueError, match=r"below 2\*\*32, got shape \(4294967296,\)"):
        write_idx(tmp_path / "a", array)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no file .*absent\.idx: check the path"):
        read_idx(tmp_path / "absent.idx")


@pytest.mark.parametrize(("there", "asked"), [("a", "a.gz"), ("a.gz", "a")])
def test_no_file_but_the_other_one(tmp_path: Path, there: str, asked: str) -> None:
    file_with(tmp_path, IMAGES_FILE, there)
    with pytest.raises(FileNotFoundError, match=f"no file .*{asked}: there is .*{there}$"):
        read_idx(tmp_path / asked)


BROKEN = {
    "empty": (b"", r"not an IDX file.* got b''"),
    "a web page": (b"<!DOCTYPE html>", r"two zero bytes.* at byte 0, got b'<!DO'"),
    "half a magic": (b"\0\0\x08", r"not an IDX file.* got b'\\x00\\x00\\x08'"),
    "type": (
        b"\0\0\x0a\x01\0\0\0\0",
        r"unknown type code 0x0a at byte 2, expected one of 0x08, 0x",
    ),
    "no dimensions": (b"\0\0\x08\0\x07", r"0 dimensions at byte 3, expected 1 to 32"),
    "many dimensions": (b"\0\0\x08\x21" + b"\0\0\0\1" * 33, r"33 dimensions at byte 3"),
    "header": (IMAGES_FILE[:14], r"3 dimensions needs 16 bytes, the file ends after 14: it is cut"),
    "too short": (
        IMAGES_FILE[:-1],
        r"uint8 of shape \(2, 3, 5\), 30 bytes from byte 16 on, .* only 29",
    ),
    "no values": (IMAGES_FILE[:16], r"the file holds only 0: it is damaged, fetch it again"),
    "too long": (IMAGES_FILE + b"\0", r"30 bytes from byte 16 on, the file holds more"),
    "impossible": (
        b"\0\0\x0e\x03" + b"\xff" * 12,
        r"float64 of shape .* more than any array can hold",
    ),
    "none of many": (b"\0\0\x08\x04\0\0\0\0" + b"\xff" * 12, r"more than any array can hold"),
}


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("case", BROKEN)
def test_broken_files(tmp_path: Path, case: str, packed: bool) -> None:
    content, message = BROKEN[case]
    path = file_with(tmp_path, gzip.compress(content) if packed else content)
    with pytest.raises(ValueError, match=f"^{re.escape(str(path))}: .*{message}"):
        read_idx(path)


PACKED = gzip.compress(IMAGES_FILE, mtime=0)
MASKS = sorted({*(1 << bit for bit in range(8)), *range(3, 256, 7)})
DAMAGED = {
    "cut in the header": PACKED[:7],
    "cut in the values": PACKED[:30],
    "cut in the checksum": PACKED[:-5],
    "checksum": PACKED[:-8] + bytes([PACKED[-8] ^ 1]) + PACKED[-7:],
    "length": PACKED[:-1] + b"\1",
    "method": PACKED[:2] + b"\7" + PACKED[3:],
    "block type": PACKED[:10] + b"\xff" + PACKED[11:],
    "something after it": PACKED + b"PK\3\4",
}


@pytest.mark.parametrize("case", DAMAGED)
def test_damaged_compression(tmp_path: Path, case: str) -> None:
    path = file_with(tmp_path, DAMAGED[case])
    with pytest.raises(ValueError, match=r"file: damaged gzip file \(.+\): fetch it again"):
        read_idx(path)


def cut_and_changed(content: bytes, size: int) -> Iterator[bytes]:
    """Every shorter file, and every file with one of the first ``size`` bytes changed."""
    yield from (content[:end] for end in range(len(content)))
    for at in range(size):
        for mask in MASKS:
            yield content[:at] + bytes([content[at] ^ mask]) + content[at + 1 :]


def test_no_cut_or_change_of_a_compressed_file_changes_the_values(tmp_path: Path) -> None:
    """A checksum guards all values; what may change unseen is gzip's own header (time, system)."""
    cases, read = 0, 0
    for content in cut_and_changed(PACKED, len(PACKED)):
        cases += 1
        with contextlib.suppress(ValueError):
            array = read_idx(file_with(tmp_path, content))
            read += 1
            assert array.dtype == IMAGES.dtype
            np.testing.assert_array_equal(array, IMAGES)
    assert cases > 2_000
    assert read < 8 * len(MASKS)  # flags' text bit, 4 bytes of time, compression level, system


def test_no_cut_or_change_of_a_header_gives_other_values(tmp_path: Path) -> None:
    """Nothing but its length guards an uncompressed file: one type may pass for another."""
    cases, read = 0, []
    for content in cut_and_changed(IMAGES_FILE, 16):
        cases += 1
        with contextlib.suppress(ValueError):
            read.append(read_idx(file_with(tmp_path, content)))
    assert cases > 700
    assert [str(array.dtype) for array in read] == ["int8"]
    assert read[0].tolist() == IMAGES.tolist()


def as_the_format_says(content: bytes) -> tuple[str, tuple[int, ...], bytes]:
    """Return what an uncompressed file says, read by hand: its dtype, shape and values."""
    dtype = {8: "uint8", 9: "int8", 11: "int16", 12: "int32", 13: "float32", 14: "float64"}
    start = 4 + 4 * content[3]
    return dtype[content[2]], struct.unpack(f">{content[3]}I", content[4:start]), content[start:]


@settings(max_examples=300, deadline=None)
@given(array=any_array, data=st.data())
def test_mutated_files_are_refused_or_say_what_is_read(
    folder: Path, array: Array, data: st.DataObject
) -> None:
    """Without a checksum, a changed value, or a type of the same width, is another valid file.

    So a mutated file may be read only if every one of its bytes is accounted for.
    """
    write_idx(folder / "mutated", array)
    content = bytearray((folder / "mutated").read_bytes())
    if data.draw(st.booleans()):
        at = data.draw(st.integers(0, min(len(content) - 1, 40)))
        content[at] ^= data.draw(st.integers(1, 255))
    else:
        del content[data.draw(st.integers(0, len(content) - 1)) :]
        content += data.draw(st.binary(max_size=20))
    path = file_with(folder, bytes(content), "mutated")
    try:
        back = read_idx(path)
    except ValueError:
        return
    dtype, shape, values = as_the_format_says(bytes(content))
    assert (back.dtype, back.shape) == (np.dtype(dtype), shape)
    assert back.astype(back.dtype.newbyteorder(">")).tobytes() == values


def test_a_header_that_promises_much_takes_no_memory(tmp_path: Path) -> None:
    promise = b"\0\0\x08\x02" + struct.pack(">2I", 2**31, 2**31)
    assert peak_of_refused(file_with(tmp_path, promise + b"\0" * 100)) < 5e6
    assert peak_of_refused(file_with(tmp_path, gzip.compress(promise + b"\0" * 100))) < 5e6


def test_a_gzip_bomb_is_not_inflated(tmp_path: Path) -> None:
    packer = zlib.compressobj(wbits=31)
    bomb = packer.compress(IMAGES_FILE) + packer.compress(b"\0" * 100_000_000) + packer.flush()
    assert peak_of_refused(file_with(tmp_path, bomb)) < 2e6


def peak_of_refused(path: Path) -> int:
    """Return the most memory in bytes that refusing the file took."""
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="the file holds"):
            read_idx(path)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
