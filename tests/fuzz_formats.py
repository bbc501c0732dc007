"""The formats that are fuzzed: whole files, ways to damage them, the reader, and its limits."""

from __future__ import annotations

import gzip
import io
import tempfile
from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import contract
import fuzz_mutations as mutations
import fuzz_oracles as oracles
import numpy as np

import minidl as dl
from minidl import layers
from minidl.data import read_csv, read_idx, read_image, read_npz, write_idx
from minidl.data.picture import image_shape

MB = 2**20
SPARE = 4 * MB  # what a reader may take whatever the file's size: chunks, modules, tables


class Format(NamedTuple):
    """One format: how its files are made, damaged, read, and what a reader may do with them."""

    files: Callable[[], tuple[bytes, ...]]
    aware: tuple[mutations.Mutator, ...]
    read: Callable[[Path], Any]
    check: Callable[[Any, bytes], str]
    most: int  # bytes of memory for each byte of the file
    suffix: str = ""
    checksum: bool = False  # whether a blindly damaged file may only mean what a whole one means
    spare: int = SPARE
    refusals: bool = False  # whether ``check`` also judges refusals, given None
    pillow: bool = False


def damaged(form: Format, random: Random) -> tuple[bytes, bool]:
    """Return a damaged file, and whether the damage is such that checksums must find it."""
    files = form.files()
    content, other = random.choice(files), random.choice(files)
    if form.aware and random.random() < 0.5:
        content = random.choice(form.aware)(random, content, other)
        if random.random() < 0.9:
            return content, False
        return mutations.blindly(random, content, other), False
    return mutations.blindly(random, content, other), form.checksum


@lru_cache
def idx_files() -> tuple[bytes, ...]:
    random = np.random.default_rng(0)
    arrays = (
        random.integers(0, 256, (6, 5, 4)).astype(np.uint8),
        random.integers(0, 10, 60).astype(np.uint8),
        random.normal(size=(4, 5)).astype(np.float32),
        random.integers(-9, 9, (3, 4, 1, 2)).astype(np.int16),
    )
    return tuple(_written(partial(write_idx, array=array)) for array in arrays)


def _written(write: Callable[[Path], Any], suffix: str = "") -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"file{suffix}")
        write(path)
        return path.read_bytes()


def zipped(files: tuple[bytes, ...]) -> tuple[bytes, ...]:
    return tuple(gzip.compress(content, mtime=0) for content in files)


@lru_cache
def npz_files() -> tuple[bytes, ...]:
    random = np.random.default_rng(1)
    first = {
        "images": random.integers(0, 256, (6, 4, 4)).astype(np.uint8),
        "labels": np.array(["cat", "dog", "é"] * 2),
    }
    second = {
        "floats": random.normal(size=(3, 5)),
        "fortran": np.asfortranarray(random.normal(size=(4, 3)).astype(">f4")),
        "flags": np.array([True, False, True]),
        "one": np.array(7 + 2j),
        "none": np.zeros((0, 3), np.int64),
        "bytes": np.array([b"ab", b"c"]),
    }
    return tuple(
        _npz(save, each) for save in (np.savez, np.savez_compressed) for each in (first, second)
    )


def _npz(save: Callable[..., None], arrays: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    save(buffer, **arrays)
    return buffer.getvalue()


@lru_cache
def own_files() -> tuple[bytes, ...]:
    random = np.random.default_rng(2)
    x = random.integers(0, 256, (12, 8, 8)).astype(np.uint8)
    rows = random.normal(size=(10, 3)).astype(np.float32)
    texts = np.array(["cat", "dog"] * 5)
    parts = {
        "x_train": x[:8],
        "y_train": np.arange(8) % 2,
        "x_test": x[8:],
        "y_test": np.arange(4) % 2,
    }
    return (
        _npz(np.savez, {"x": x, "y": np.arange(12) % 3}),
        _npz(np.savez_compressed, {"x": rows, "y": texts}),
        _npz(np.savez, parts),
    )


def csv_files() -> tuple[bytes, ...]:
    return (
        b"weight,height,class\n4.1,25,cat\n20,60.5,dog\n3,-24e-1,cat\n30,70,dog\n",
        b"\xef\xbb\xbflabel;p0;p1;p2\r\n1;0;255;7\r\n0;3;4;5\r\n1;6;7;8\r\n",
        b"0\t1\t2\t3\n1\t10\t20\t30\n\n2\t200\t9223372036854775807\t5\n",
        '"y","a b","é"\n0.5,1,2\n1.25,"3",4\n-2,5,6\n'.encode(),
    )


@lru_cache
def pictures(kind: str, **options: Any) -> tuple[bytes, ...]:
    from PIL import Image

    random = np.random.default_rng(3)
    modes: dict[str, Any] = {
        "RGB": random.integers(0, 256, (9, 7, 3)).astype(np.uint8),
        "L": random.integers(0, 256, (5, 11)).astype(np.uint8),
    }
    if kind in ("PNG", "TIFF", "WEBP"):
        modes["RGBA"] = random.integers(0, 256, (6, 6, 4)).astype(np.uint8)
    if kind in ("PNG", "TIFF"):
        modes["I;16"] = random.integers(0, 65536, (4, 6)).astype(np.uint16)
    images = [Image.fromarray(pixels) for pixels in modes.values()]
    if kind in ("PNG", "GIF", "BMP", "TIFF"):
        images += [images[0].convert("P"), images[1].convert("1")]
    if kind == "TIFF":
        return tuple(
            _picture(image, kind, compression=way)
            for image in images
            for way in ("raw", "tiff_lzw", "tiff_adobe_deflate")
        )
    return tuple(_picture(image, kind, **options) for image in images)


def _picture(image: Any, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def network(seed: int) -> dl.Graph:
    """Return a small model with nested and shared nodes and several kinds of modules."""
    inner = dl.Graph(inputs=("a", "b"))
    inner.add("sum", dl.Add(), "a", "b")
    inner.add("relu", dl.ReLU())
    graph = dl.Graph({"x": (6, 6, 2)}, seed=seed)
    graph.add("scale", dl.Normalize(0.5, 0.25))
    graph.add("conv", dl.Conv2d(2, 3, padding="same"))
    graph.add("norm", dl.BatchNorm())
    graph.add("again", dl.Conv2d(2, 3, padding="same"), share="conv")
    graph.add("join", inner, "norm", "again")
    graph.add("pool", dl.MaxPool2d(2))
    graph.add("drop", dl.Dropout(0.25))
    graph.add("flat", dl.Flatten())
    graph.add("out", dl.Dense(3))
    graph.classes = ("cat", "dog", "é")
    graph.freeze("conv*")
    return graph


@lru_cache
def zoo_files() -> tuple[bytes, ...]:
    """Return a model of each row of the contract table that has arrays."""
    return (*network_files(), *(_saved(model) for model in map(_row, contract.ROWS)))


def _row(row: contract.Row) -> dl.Graph:
    graph = dl.Graph({f"in{number}": shape for number, shape in enumerate(row.shapes)})
    graph.add("module", row.module, *graph.inputs)
    graph.add("last", dl.PReLU())  # so that every model has arrays
    return graph


@lru_cache
def network_files() -> tuple[bytes, ...]:
    return tuple(_saved(network(seed)) for seed in (1, 2))


def _saved(model: dl.Graph) -> bytes:
    return _written(lambda path: dl.save(model, path))


def read_weights(path: Path) -> Any:
    model, before = network(5), network(5)
    strict = path.stat().st_size % 2 == 0
    return model, before, model.load_weights(path, strict=strict)


def read_picture(path: Path) -> Any:
    pixels = read_image(path)
    shape = image_shape(path)
    if shape != pixels.shape:
        raise RuntimeError(f"the header says {shape}, the pixels are {pixels.shape}")
    return pixels


TYPES = (*layers.__all__, "Graph", "Constant", "HeNormal", "Orthogonal", "TruncatedNormal")
MODEL = (
    *(mutations.architecture(TYPES), mutations.architecture(TYPES)),
    *(mutations.tensors, mutations.header_length),
)
PIXELS = 16 * 4_000_000  # the reader lets any file announce four million


def picture(kind: str, *aware: mutations.Mutator, **rules: Any) -> Format:
    return Format(
        *(lambda: pictures(kind), aware, read_picture, oracles.check_picture),
        most=16 * 10_000,
        spare=SPARE + PIXELS,
        pillow=True,
        **rules,
    )


IDX = (mutations.idx_header,)
NPZ = (mutations.npz_members, mutations.npz_members, mutations.zip_numbers)
CSV = (mutations.csv_cells,)
DEFLATE = 3 * 1032

FORMATS: dict[str, Format] = {
    "idx": Format(idx_files, IDX, read_idx, oracles.check_idx, 3, refusals=True),
    "idx.gz": Format(
        *(lambda: zipped(idx_files()), (mutations.beneath_gzip(IDX),), read_idx),
        *(oracles.check_idx, DEFLATE),
        checksum=True,
        refusals=True,
    ),
    "npz": Format(npz_files, NPZ, read_npz, oracles.check_npz, DEFLATE, checksum=True),
    "load-npz": Format(own_files, NPZ, dl.data.load, oracles.check_parts, DEFLATE, ".npz"),
    "csv": Format(csv_files, CSV, read_csv, oracles.check_csv, 300),
    "csv.gz": Format(
        *(lambda: zipped(csv_files()), (mutations.beneath_gzip(CSV),), read_csv),
        *(oracles.check_csv, 100 * DEFLATE),
    ),
    "png": picture("PNG", mutations.png_fields, mutations.png_fields, checksum=True),
    "jpeg": picture("JPEG", mutations.number_fields),
    "bmp": picture("BMP", mutations.number_fields),
    "gif": picture("GIF", mutations.number_fields),
    "tiff": picture("TIFF", mutations.number_fields),
    "webp": picture("WEBP", mutations.number_fields),
    "ppm": picture("PPM", mutations.ppm_words),
    "model": Format(zoo_files, MODEL, dl.load, oracles.check_model, 24),
    "weights": Format(network_files, MODEL, read_weights, oracles.check_weights, 24),
}
