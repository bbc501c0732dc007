"""What a damaged file says, by parsers that share nothing with those under test.

Each check takes what a reader returned and the bytes that it read, and returns what is wrong, or
nothing. The parsers are slow and trusting: they run only on files that a reader has accepted.
"""

from __future__ import annotations

import array
import csv
import gzip
import io
import json
import math
import struct
import warnings
import zipfile
from typing import Any

import numpy as np
from numpy.lib import format as npy_format

from minidl import Graph, architecture
from minidl.data import Dataset
from minidl.types import Array

NATIVE = {0x08: "B", 0x09: "b", 0x0B: "h", 0x0C: "i", 0x0D: "f", 0x0E: "d"}
TENSORS = {
    **{"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2"},
    **{"I8": "|i1", "U8": "|u1", "U16": "<u2", "U32": "<u4", "U64": "<u8", "BOOL": "|b1"},
    "C64": "<c8",
}


def same(came: Array, expected: Array) -> bool:
    return (
        came.dtype == expected.dtype
        and came.shape == expected.shape
        and came.tobytes() == expected.tobytes()
    )


def idx_of(content: bytes) -> Array | None:
    """Return the array of an IDX file, None where it holds none."""
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] not in NATIVE:
        return None
    dimensions = content[3]
    start = 4 + 4 * dimensions
    if not 1 <= dimensions <= 32 or len(content) < start:
        return None
    shape = struct.unpack(f">{dimensions}I", content[4:start])
    values = array.array(NATIVE[content[2]])
    if len(content) - start != math.prod(shape) * values.itemsize:
        return None
    values.frombytes(content[start:])
    values.byteswap()
    try:
        return np.array(values, NATIVE[content[2]]).reshape(shape)
    except ValueError:  # an axis of length 0 beside others too long for any array
        return None


def plain(content: bytes) -> bytes:
    """Return what gzip packed, or the bytes themselves; nothing where it is damaged."""
    if content[:2] != b"\x1f\x8b":
        return content
    try:
        return gzip.decompress(content)
    except Exception:
        return b""


def check_idx(came: Array | None, content: bytes) -> str:
    """Accepted or refused (None), an IDX file has one meaning."""
    expected = idx_of(plain(content))
    if came is None or expected is None:
        return "" if came is expected else f"{_short(expected)} expected, got {_short(came)}"
    return "" if same(came, expected) else f"{_short(expected)} expected, got {_short(came)}"


def _short(value: Array | None) -> str:
    return "a refusal" if value is None else f"{value.dtype} {value.shape} {value.ravel()[:8]}"


def npz_of(content: bytes) -> dict[str, Array]:
    arrays = {}
    with zipfile.ZipFile(io.BytesIO(content)) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a header of Python 2's
        for name in archive.namelist():
            stream = io.BytesIO(archive.read(name))
            arrays[name.removesuffix(".npy")] = npy_format.read_array(stream, allow_pickle=False)
    return arrays


def check_npz(came: dict[str, Array], content: bytes) -> str:
    """NumPy's reader, which is trusting but another's, reads the same."""
    expected = npz_of(content)
    if list(came) != list(expected):
        return f"names {list(expected)} expected, got {list(came)}"
    for name, value in came.items():
        wanted = expected[name].astype(expected[name].dtype.newbyteorder("="))
        if not same(value, np.ascontiguousarray(wanted).reshape(wanted.shape)):
            return f"{name}: {_short(wanted)} expected, got {_short(value)}"
    return ""


def check_parts(came: tuple[Dataset, Dataset], content: bytes) -> str:
    """Training and test part together hold every row of the file, and its labels."""
    train, test = came
    arrays = npz_of(content)
    pairs = [part for part in ("_train", "", "_test") if {f"x{part}", f"y{part}"} <= set(arrays)]
    parts = [pairs[0], *(part for part in pairs[1:] if part)]
    rows = _rows([arrays[f"x{part}"] for part in parts])
    found = _rows([train.inputs, test.inputs])
    if not np.array_equal(rows, found):
        return f"inputs of {rows.shape} expected, got {found.shape} or other values"
    names = sorted(str(one) for part in parts for one in arrays[f"y{part}"].ravel().tolist())
    numbers = [*train.targets.tolist(), *test.targets.tolist()]
    known = sorted(train.classes[number] for number in numbers)
    if [_number(one) for one in names] != [_number(one) for one in known]:
        return f"labels {names[:8]} expected, got {known[:8]}"
    return ""


def _rows(parts: list[Array]) -> Array:
    """Return samples as rows in an order of their own: the split has another."""
    flat = [part.reshape(len(part), -1).astype(np.float32) for part in parts]
    rows = np.concatenate(flat)
    return rows[np.lexsort(rows.T)]


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return {"True": 1.0, "False": 0.0}.get(text, text)


def check_csv(came: Dataset, content: bytes) -> str:
    """Python's own csv module finds the same cells."""
    text = plain(content).decode("utf-8-sig")
    lines = [line for line in text.replace("\r\n", "\n").split("\n") if line.strip(" ")]
    bare = "".join(lines[0].split('"')[::2])
    mark = next(mark for mark in "\t;," if mark in bare)
    rows = [[cell.strip() for cell in row] for row in csv.reader(lines, delimiter=mark)]
    if any(len(row) != len(rows[0]) for row in rows):
        return "rows of different length were taken"
    header = len(rows) - len(came)
    if header not in (0, 1):
        return f"{len(rows)} rows, got {len(came)} samples"
    lower = [name.lower() for name in rows[0]]
    column = next((lower.index(n) for n in ("label", "class", "target", "y") if n in lower), 0)
    labels = [row.pop(column) for row in rows][header:]
    if header and all(isinstance(_number(cell), float) for cell in rows[0]):
        counted = [[str(n + start) for n in range(len(rows[0]))] for start in (0, 1)]
        if rows[0] not in counted:
            return f"a first row of numbers, {rows[0]}, was taken for a header"
    values = np.array([[float(cell) for cell in row] for row in rows[header:]])
    if not np.allclose(values, came.inputs, rtol=1e-6, atol=1e-37):
        return f"cells {values.ravel()[:8]} expected, got {came.inputs.ravel()[:8]}"
    targets = came.targets.tolist()
    found = [came.classes[target] for target in targets] if came.classes else targets
    if not all(a == str(b) or _alike(_number(a), _number(str(b))) for a, b in zip(labels, found)):
        return f"labels {labels[:8]} expected, got {found[:8]}"
    return ""


def _alike(a: float | str, b: float | str) -> bool:
    if isinstance(a, str) or isinstance(b, str):
        return a == b
    return math.isclose(a, b, rel_tol=1e-6, abs_tol=1e-37)


def ppm_of(content: bytes) -> Array | None:
    """Return the pixels of a PPM or PGM of 8 bits whose header is plain."""
    words = content.split(maxsplit=4)[:4]
    if len(words) < 4 or words[0] not in (b"P5", b"P6") or b"#" in content[:EDGE]:
        return None
    if not all(word.isdigit() for word in words[1:]) or words[3] != b"255":
        return None
    width, height, channels = int(words[1]), int(words[2]), 1 if words[0] == b"P5" else 3
    start = 0
    for word in words:
        start = content.index(word, start) + len(word)
    pixels = content[start + 1 :][: width * height * channels]
    return np.frombuffer(pixels, np.uint8).reshape(height, width, channels)


EDGE = 64


def bmp_of(content: bytes) -> Array | None:
    """Return the pixels of a BMP of 24 bits a pixel, from its header of 40 bytes."""
    start, header, width, height = struct.unpack("<IIii", content[10:26])
    _planes, bits, packed = struct.unpack("<HHI", content[26:34])
    if (header, bits, packed) != (40, 24, 0) or width <= 0 or start < 54:
        return None
    stride = -(-3 * width // 4) * 4
    rows = [
        np.frombuffer(content, np.uint8, 3 * width, start + row * stride)
        for row in range(abs(height))
    ]
    pixels = np.stack(rows).reshape(abs(height), width, 3)[:, :, ::-1]  # BGR
    return pixels[::-1] if height > 0 else pixels


def check_picture(came: Array, content: bytes) -> str:
    """Every picture has a shape and type; the simple formats are read again."""
    if came.dtype != np.uint8 or came.ndim != 3 or came.shape[2] not in (1, 3):
        return f"{came.dtype} {came.shape} is no picture"
    expected = None
    if content[:1] == b"P":
        expected = ppm_of(content)
    elif content[:2] == b"BM":
        expected = bmp_of(content)
    elif content[:4] == b"\x89PNG":
        width, height = struct.unpack(">II", content[16:24])
        if sorted(came.shape[:2]) != sorted((height, width)):
            return f"{width}x{height} pixels announced, got shape {came.shape}"
    if expected is not None and not same(came, np.ascontiguousarray(expected)):
        return f"{_short(expected)} expected, got {_short(came)}"
    return ""


def header_of(content: bytes) -> tuple[dict[str, Any], dict[str, Array]]:
    """Return the metadata and arrays of a safetensors file."""
    start = 8 + int.from_bytes(content[:8], "little")
    entries = json.loads(content[8:start])
    metadata = entries.pop("__metadata__", {})
    arrays = {}
    for name, entry in entries.items():
        first, end = (start + offset for offset in entry["data_offsets"])
        values = np.frombuffer(content[first:end], TENSORS[entry["dtype"]])
        arrays[name] = values.reshape(entry["shape"])
    return metadata, arrays


def check_weights(came: tuple[Graph, Graph, Any], content: bytes) -> str:
    """The arrays that the report calls loaded are the file's; the others are as they were."""
    model, before, report = came
    arrays = header_of(content)[1]
    for path, value in model.arrays.items():
        expected = arrays[path] if path in report.loaded else before.arrays[path]
        if value.shape != expected.shape or not same(value, _as(value, expected)):
            return f"{path}: {_short(expected)} expected, got {_short(value)}"
    fits = {path for path in model.arrays if _fits(path, model, arrays)}
    return "" if fits == set(report.loaded) else f"{fits} fit, {report.loaded} were loaded"


def _fits(path: str, model: Graph, arrays: dict[str, Array]) -> bool:
    if path not in arrays or arrays[path].dtype.kind != "f":
        return False
    return arrays[path].shape == model.arrays[path].shape


def _as(value: Array, expected: Array) -> Array:
    with np.errstate(all="ignore"):
        return expected.astype(value.dtype)


def check_model(came: Graph, content: bytes) -> str:
    """The model is what its file's architecture says, and has the file's arrays."""
    metadata, arrays = header_of(content)
    if set(came.arrays) != set(arrays):
        return f"arrays {sorted(arrays)} expected, got {sorted(came.arrays)}"
    for path, value in came.arrays.items():
        if arrays[path].dtype.kind != "f" or not same(value, _as(value, arrays[path])):
            return f"{path}: {_short(arrays[path])} expected, got {_short(value)}"
    said = json.loads(metadata["architecture"])
    return differs(said, json.loads(architecture.to_json(came))) or runs(came)


def runs(model: Graph) -> str:
    """A model that loads also runs, unless it is too large to try."""
    shapes = model.shapes or {}
    if max(map(math.prod, shapes.values())) > 10**5 or model.flops(*_inputs(model)) > 10**7:
        return ""
    xs = [np.zeros((2, *shape), model.dtype) for shape in _inputs(model)]
    try:
        with np.errstate(all="ignore"):
            y = model.predict(*xs)
    except Exception as error:
        return f"loaded, but does not run: {error!r:.300}"
    expected = (2, *shapes[model.output])
    return "" if y.shape == expected else f"output {expected} expected, got {y.shape}"


def _inputs(model: Graph) -> list[tuple[int, ...]]:
    shapes = model.shapes or {}
    return [shapes[name] for name in model.inputs]


def differs(said: Any, came: Any, where: str = "architecture") -> str:
    """Return where a document says other than what came of it; what it leaves out is a default."""
    if isinstance(came, dict) and isinstance(said, dict):
        inner = [(said[key], came[key], f"{where}.{key}") for key in came if key in said]
    elif isinstance(came, list) and isinstance(said, list):
        if len(said) != len(came) and not where.endswith((".frozen", ".reads")):
            return f"{where}: {said!r} became {came!r}"
        inner = [(a, b, f"{where}[{n}]") for n, (a, b) in enumerate(zip(said, came))]
    else:
        alike = said == came and isinstance(said, bool) == isinstance(came, bool)
        if where.endswith("dtype"):
            alike = np.dtype(said) == np.dtype(came)
        return "" if alike or ".frozen[" in where else f"{where}: {said!r} became {came!r}"
    return next(filter(None, (differs(*one) for one in inner)), "")
