"""npz files: what np.savez writes comes back, and what is damaged is never taken for data."""

from __future__ import annotations

import io
import re
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from minidl.data import read_npz
from minidl.types import Array

IMAGES: Array = np.arange(60, dtype=np.uint8).reshape(3, 4, 5)
LABELS: Array = np.array(["cat", "dog", "é"])

any_dtype = st.one_of(
    arrays_of.boolean_dtypes(),
    arrays_of.integer_dtypes(endianness="?"),
    arrays_of.unsigned_integer_dtypes(endianness="?"),
    arrays_of.floating_dtypes(endianness="?"),
    arrays_of.complex_number_dtypes(endianness="?"),
    arrays_of.unicode_string_dtypes(endianness="?", max_len=5),
    arrays_of.byte_string_dtypes(max_len=5),
)
any_array = any_dtype.flatmap(
    lambda dtype: arrays_of.arrays(
        dtype, arrays_of.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)
    )
)


def saved(save: Callable[..., None] = np.savez, **arrays: Any) -> bytes:
    buffer = io.BytesIO()
    save(buffer, **arrays)
    return buffer.getvalue()


def zipped(members: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content, method)
    return buffer.getvalue()


def npy(header: str, content: bytes = b"", version: int = 1) -> bytes:
    length = struct.pack("<H" if version == 1 else "<I", len(header))
    return b"\x93NUMPY" + bytes([version, 0]) + length + header.encode("latin1") + content


def described(descr: str, shape: str, order: str = "False") -> str:
    return f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}\n"


def file_with(folder: Path, content: bytes) -> Path:
    path = folder / "file.npz"
    path.write_bytes(content)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("npz")


@settings(deadline=None)
@given(array=any_array, fortran=st.booleans(), packed=st.booleans())
def test_round_trip(folder: Path, array: Array, fortran: bool, packed: bool) -> None:
    array = np.asfortranarray(array) if fortran else array
    save = np.savez_compressed if packed else np.savez
    back = read_npz(file_with(folder, saved(save, one=array, two=IMAGES)))
    assert list(back) == ["one", "two"]
    one = back["one"]
    assert one.dtype == array.dtype.newbyteorder("=")
    assert one.shape == array.shape
    assert one.dtype.isnative
    assert one.flags.c_contiguous
    assert one.flags.writeable
    assert one.tobytes() == array.astype(one.dtype).tobytes()
    np.testing.assert_array_equal(back["two"], IMAGES)


@pytest.mark.parametrize("version", [1, 2, 3])
@pytest.mark.parametrize(
    "header",
    [
        described("'<i2'", "(2, 3)"),
        described("'<i2'", "(2L, 3L)"),
        '{"shape": (2,3), "fortran_order": False, "descr": "<i2"}',
    ],
)
def test_headers_of_every_version_and_writer(tmp_path: Path, version: int, header: str) -> None:
    content = npy(header, struct.pack("<6h", *range(6)), version)
    array = read_npz(file_with(tmp_path, zipped({"a.npy": content})))["a"]
    np.testing.assert_array_equal(array, np.arange(6, dtype=np.int16).reshape(2, 3))


def test_fortran_order_by_hand(tmp_path: Path) -> None:
    content = npy(described("'>u2'", "(2, 2)", "True"), b"\0\1\0\2\0\3\0\4")
    array = read_npz(file_with(tmp_path, zipped({"a.npy": content})))["a"]
    assert array.tolist() == [[1, 3], [2, 4]]


def test_zip64_and_a_path_like_name(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    archive = zipfile.ZipFile(buffer, "w")
    with archive, archive.open("a.npy", "w", force_zip64=True) as stream:
        np.save(stream, IMAGES)
    np.testing.assert_array_equal(
        read_npz(str(file_with(tmp_path, buffer.getvalue())))["a"], IMAGES
    )


def member(header: str, content: bytes = b"", version: int = 1) -> bytes:
    return zipped({"a.npy": npy(header, content, version)})


def changed(content: bytes, old: bytes, new: bytes) -> bytes:
    assert old in content
    return content.replace(old, new)


PLAIN = saved(images=IMAGES, labels=LABELS)
PACKED = saved(np.savez_compressed, images=np.sqrt(np.arange(2000)), labels=LABELS)
ENCRYPTED = bytearray(member(described("'<i2'", "()"), b"\0\0"))
ENCRYPTED[ENCRYPTED.index(b"PK\1\2") + 8] |= 1


def overlapping() -> bytes:
    """Two entries of the directory for the same bytes."""
    content = bytearray(zipped({"a.npy": npy(described("'|u1'", "(900,)"), b"1" * 900)}))
    start, end = content.index(b"PK\1\2"), content.index(b"PK\5\6")
    entry = bytes(content[start:end])
    tail = bytearray(content[end:])
    tail[8:16] = struct.pack("<2HI", 2, 2, 2 * len(entry))
    return bytes(content[:start]) + entry + entry.replace(b"a.npy", b"b.npy") + bytes(tail)


def lying(packed: bytes, size: int) -> bytes:
    """Write another uncompressed size of the only member into the zip's directory."""
    content = bytearray(packed)
    at = content.index(b"PK\1\2") + 24
    content[at : at + 4] = struct.pack("<I", size)
    return bytes(content)


def twice() -> bytes:
    return changed(
        zipped({"a.npy": npy(described("'|u1'", "()"), b"1"), "b.npy": b"abc"}), b"b.npy", b"a.npy"
    )


BROKEN: dict[str, tuple[bytes, str]] = {
    "empty": (b"", r"not an .npz file, or cut short \(it is empty\): write it with np.savez"),
    "text": (b"a,b,c\n", r"not an .npz file, or cut short \(it starts with b'a,b,c\\n'\)"),
    "npy": (npy(described("'<i2'", "()"), b"\0\0"), r"a single array \(.npy\), .*np.savez\(path"),
    "cut": (PLAIN[:-30], r"not an .npz file, or cut short"),
    "no members": (zipped({}), r"holds no arrays: give np.savez at least one"),
    "no array": (zipped({"a.txt": b"a"}), r"member 'a.txt' is no array \(.npy\)"),
    "twice": (twice(), r"member 'a.npy' is there twice"),
    "encrypted": (bytes(ENCRYPTED), r"member 'a.npy' is encrypted: write it without a password"),
    "bzip2": (zipped({"a.npy": b"1"}, zipfile.ZIP_BZIP2), r"compressed by method 12, expected 0"),
    "overlap": (overlapping(), r"members announce more bytes|[Oo]verlap"),
    "bomb": (
        lying(zipped({"a.npy": npy(described("'|u1'", "(9,)"), b"1" * 9)}, 8), 2**31),
        r"announces 2147483648 bytes, more than its \d+ bytes in the file can hold",
    ),
    "lying size": (
        lying(member(described("'|u1'", "(9,)"), b"1" * 9), 20),
        r"member 'a.npy': .*a header|damaged .npz file",
    ),
    "longer": (
        lying(zipped({"a.npy": npy(described("'|u1'", "(9,)"), b"1" * 9)}, 8), 90),
        r"header announces uint8 of shape \(9,\), 9 bytes, the file \d+: it is damaged",
    ),
    "checksum": (changed(PLAIN, bytes(IMAGES), bytes(IMAGES[::-1])), r"Bad CRC-32 for file"),
    "deflate": (
        PACKED[:1500] + b"\xff" * 90 + PACKED[1590:],
        r"member 'images.npy': damaged .npz file \(.+\): fetch",
    ),
    "objects": (
        saved(labels=np.array(["a", None], object)),
        r"'labels.npy': an array of Python objects, .*np.asarray\(labels, dtype=str\)",
    ),
    "records": (
        saved(a=np.zeros(2, [("x", "f4"), ("y", "i4")])),
        r"'a.npy': an array of records: save each field",
    ),
    "times": (saved(a=np.array(["2020"], "M8[Y]")), r"values of type '<M8\[Y\]', .*convert them"),
    "void": (saved(a=np.zeros(2, "V3")), r"values of type '\|V3', expected numbers or text"),
    "no such type": (member(described("'<i3'", "()"), b"123"), r"values of type '<i3'"),
    "huge type": (member(described("'<U999999999'", "()"), b"123"), r"values of type|announces"),
    "not npy": (zipped({"a.npy": b"abcdefghij"}), r"expected an array, .*got b'abcdefgh'"),
    "version": (zipped({"a.npy": npy("", b"", 4)}), r"version 1, 2 or 3 at byte 0"),
    "no magic": (zipped({"a.npy": b"abc"}), r"'a.npy': damaged .npz file \(it ends 5 bytes early"),
    "long header": (member(" " * 20_000), r"a header of 20000 bytes, expected at most 10000"),
    "header": (member("{'descr': '<i2'}"), r"a damaged header, \"\{'descr': '<i2'\}\": fetch"),
    "key": (member(described("'<i2'", "()").replace("shape", "descr")), r"a damaged header"),
    "order": (member(described("'<i2'", "()", "'1'")), r"a damaged header"),
    "deep": (member("{'descr': " + "[" * 9000), r"an array of records"),
    "shape": (member(described("'<i2'", "(1 2)")), r"a damaged shape, \(1 2\): fetch"),
    "leading zero": (member(described("'<i2'", "(3, 04)")), r"a damaged shape, \(3, 04\)"),
    "long shape": (member(described("'<i2'", f"({'1' * 5000},)")), r"a damaged shape, \(111"),
    "too many": (
        member(described("'|u1'", f"({'1,' * 33})"), b"1"),
        r"33 dimensions, expected at most 32",
    ),
    "impossible": (
        member(described("'<i2'", f"(0, {2**63 - 1})")),
        r"announces int16 of shape \(0, \d+\)",
    ),
    "promise": (
        member(described("'<f8'", "(1000000, 1000000)"), b"1" * 8),
        r"announces float64 of shape \(1000000, 1000000\), 8000000000000 bytes, the file 8:",
    ),
    "boolean": (member(described("'|b1'", "(2,)"), b"\1\2"), r"booleans other than 0 and 1"),
    "surrogate": (
        member(described("'<U1'", "(1,)"), struct.pack("<I", 0xDFFF)),
        r"text that is not Unicode",
    ),
    "beyond": (
        member(described("'<U1'", "(1,)"), struct.pack("<I", 0x110000)),
        r"text that is not Unicode",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_files(tmp_path: Path, case: str) -> None:
    content, message = BROKEN[case]
    path = file_with(tmp_path, content)
    with pytest.raises(ValueError, match=f"^{re.escape(str(path))}: .*({message})"):
        read_npz(path)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"missing\.npz"):
        read_npz(tmp_path / "missing.npz")


def test_every_character_of_unicode_is_text(tmp_path: Path) -> None:
    text = np.array(["\0\ud7ff"[1:], "\ue000", "\U0010ffff", ""])
    np.testing.assert_array_equal(read_npz(file_with(tmp_path, saved(a=text)))["a"], text)


@settings(max_examples=300, deadline=None)
@given(packed=st.booleans(), data=st.data())
def test_mutated_files_are_refused_or_read_right(
    folder: Path, packed: bool, data: st.DataObject
) -> None:
    arrays = {"images": IMAGES, "labels": LABELS}
    content = bytearray(saved(np.savez_compressed, **arrays) if packed else PLAIN)
    if data.draw(st.booleans()):
        for _ in range(data.draw(st.integers(1, 3))):
            content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    else:
        at = data.draw(st.integers(0, len(content) - 1))
        content[at : at + data.draw(st.integers(0, 20))] = data.draw(st.binary(max_size=20))
    path = file_with(folder, bytes(content))
    try:
        back = read_npz(path)
    except ValueError as error:
        assert str(error).startswith(f"{path}: ")  # noqa: PT017
        return
    expected = dict(zip(back, arrays.values()))  # nothing but names may change unseen
    for name, array in back.items():
        np.testing.assert_array_equal(array, expected[name])


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_mutated_headers_with_right_checksums(folder: Path, data: st.DataObject) -> None:
    buffer = io.BytesIO()
    np.save(buffer, np.arange(12, dtype=np.int16).reshape(3, 4))
    content = bytearray(buffer.getvalue())
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, 70))] = data.draw(
            st.one_of(st.sampled_from(b"0123456789'()[]{},LTFO<>|\\ "), st.integers(0, 255))
        )
    path = file_with(folder, zipped({"a.npy": bytes(content)}))
    try:
        back = read_npz(path)["a"]
    except ValueError as error:
        assert str(error).startswith(f"{path}: ")  # noqa: PT017
        return
    reference = np.load(io.BytesIO(bytes(content)), allow_pickle=False)
    assert (back.dtype, back.shape) == (reference.dtype.newbyteorder("="), reference.shape)
    np.testing.assert_array_equal(back, reference)


@pytest.mark.parametrize("case", ["promise", "bomb", "longer", "impossible", "huge type"])
def test_promises_take_no_memory(tmp_path: Path, case: str) -> None:
    path = file_with(tmp_path, BROKEN[case][0])
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=r"file\.npz: "):
            read_npz(path)
        assert tracemalloc.get_traced_memory()[1] < 2e6
    finally:
        tracemalloc.stop()
