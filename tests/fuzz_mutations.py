"""Ways to damage a file: blindly, or knowing its format, so that the damage passes its checks.

Everything is drawn from the ``Random`` that is passed, so an input can be made again.
"""

from __future__ import annotations

import gzip
import io
import json
import struct
import zipfile
import zlib
from collections.abc import Callable
from random import Random
from typing import Any

import numpy as np

Mutator = Callable[[Random, bytes, bytes], bytes]
"""Makes a damaged file of a whole one and, where it needs another, of that."""

NUMBERS = (0, 1, 2, 3, 127, 128, 255, 256, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1, 2**63)
EDGE = 64  # bytes at either end, where headers and directories are


def place(random: Random, content: bytes) -> int:
    """Return a place in a file, often one near its ends."""
    size = len(content)
    where = random.random()
    if where < 0.35:
        return random.randrange(min(size, EDGE) + 1)
    if where < 0.55:
        return random.randrange(max(0, size - EDGE), size + 1)
    return random.randrange(size + 1)


def piece(random: Random, content: bytes) -> tuple[int, int]:
    """Return where a part of a file begins and ends."""
    start = place(random, content)
    return start, min(len(content), start + random.choice((1, 2, 4, 8, 16, 60, 200, 1000)))


def flip(random: Random, content: bytes, other: bytes) -> bytes:
    damaged = bytearray(content)
    for _ in range(random.choice((1, 1, 1, 2, 5)) if content else 0):
        damaged[min(place(random, content), len(content) - 1)] ^= 1 << random.randrange(8)
    return bytes(damaged)


def set_byte(random: Random, content: bytes, other: bytes) -> bytes:
    start = place(random, content)
    value = random.choice((0, 1, 127, 128, 254, 255, random.randrange(256)))
    return content[:start] + bytes([value]) + content[start + 1 :]


def set_number(random: Random, content: bytes, other: bytes) -> bytes:
    start, width = place(random, content), random.choice((1, 2, 4, 8))
    number = random.choice(NUMBERS) + random.choice((-1, 0, 0, 1))
    order: Any = random.choice(("big", "little"))
    value: bytes = (number % 256**width).to_bytes(width, order)
    return content[:start] + value + content[start + width :]


def insert(random: Random, content: bytes, other: bytes) -> bytes:
    start, count = place(random, content), random.choice((1, 2, 4, 33, 300))
    return content[:start] + filling(random, count) + content[start:]


def delete(random: Random, content: bytes, other: bytes) -> bytes:
    start, end = piece(random, content)
    return content[:start] + content[end:]


def duplicate(random: Random, content: bytes, other: bytes) -> bytes:
    start, end = piece(random, content)
    return content[:end] + content[start:end] * random.choice((1, 1, 2, 30)) + content[end:]


def truncate(random: Random, content: bytes, other: bytes) -> bytes:
    return content[: place(random, content)]


def extend(random: Random, content: bytes, other: bytes) -> bytes:
    return content + random.choice((filling(random, random.randrange(1, 200)), content, other))


def splice(random: Random, content: bytes, other: bytes) -> bytes:
    return content[: place(random, content)] + other[place(random, other) :]


def swap(random: Random, content: bytes, other: bytes) -> bytes:
    a, b, c, d = sorted(place(random, content) for _ in range(4))
    return content[:a] + content[c:d] + content[b:c] + content[a:b] + content[d:]


def filling(random: Random, count: int) -> bytes:
    kinds: list[bytes] = [bytes(count), b"\xff" * count, random.randbytes(count)]
    return random.choice(kinds)


BLIND: tuple[Mutator, ...] = (
    *(flip, set_byte, set_number, insert, delete),
    *(duplicate, truncate, extend, splice, swap),
)


def blindly(random: Random, content: bytes, other: bytes) -> bytes:
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        content = random.choice(BLIND)(random, content, other)
    return content


# IDX


def idx_header(random: Random, content: bytes, other: bytes) -> bytes:
    """Announce another type, number of dimensions, or size; sometimes one that fits."""
    damaged, dimensions = bytearray(content), content[3]
    if random.random() < 0.2:
        damaged[2] = random.choice((8, 9, 11, 12, 13, 14, 10, 0))
    for axis in random.sample(range(dimensions), random.randint(1, dimensions)):
        size = random.choice((*NUMBERS[:-1], 4, 5, 6, 12, 20))
        damaged[4 + 4 * axis : 8 + 4 * axis] = struct.pack(">I", size)
    if random.random() < 0.3:
        sizes = [prod_left(content, dimensions)] + [1] * (dimensions - 1)
        random.shuffle(sizes)
        damaged[4 : 4 + 4 * dimensions] = struct.pack(f">{dimensions}I", *sizes)
    return bytes(damaged)


def prod_left(content: bytes, dimensions: int) -> int:
    """Return how many values an IDX file holds."""
    width = {0x08: 1, 0x09: 1, 0x0B: 2, 0x0C: 4, 0x0D: 4, 0x0E: 8}[content[2]]
    return (len(content) - 4 - 4 * dimensions) // width


def beneath_gzip(inner: tuple[Mutator, ...]) -> Mutator:
    """Return what damages the content of a gzip file and compresses it again."""

    def mutate(random: Random, content: bytes, other: bytes) -> bytes:
        damaged = random.choice((blindly, *inner))(
            random, gzip.decompress(content), gzip.decompress(other)
        )
        if random.random() < 0.1:
            damaged += bytes(random.choice((10**5, 10**6)))  # what gzip makes small
        return gzip.compress(damaged, mtime=0)

    return mutate


# npz

DTYPES = (
    *("<f4", ">f4", "<f8", "|u1", "|i1", "<i8", ">i2", "|b1", "<c8", "<f2", "<U3", "|S4", "<U0"),
    *("|O", "|V8", "<M8[s]", "<U999999999", "f", "<i3", "=f4", "<f16", "<S2147483647"),
)


def npy(random: Random, array: np.ndarray[Any, Any]) -> bytes:
    """Return an ``.npy`` file whose header lies, or tells another truth."""
    sizes = list(array.shape)
    if sizes and random.random() < 0.7:
        sizes[random.randrange(len(sizes))] = random.choice((*NUMBERS, 10**18, 10**30, -1))
    elif random.random() < 0.5:
        sizes = random.choice(([], [array.size], [1] * 33, [array.size, 1], [0, 2**62, 2**62]))
    descr = random.choice(DTYPES) if random.random() < 0.4 else array.dtype.str
    order = random.choice((True, False, False, "'x'"))
    comma = "," * (len(sizes) == 1)
    shape = f"({', '.join(map(str, sizes))}{comma})"
    text = f"{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}\n"
    length = random.choice(NUMBERS) % 2**16 if random.random() < 0.1 else len(text)
    return b"\x93NUMPY\1\0" + struct.pack("<H", length) + text.encode() + array.tobytes()


def npz_members(random: Random, content: bytes, other: bytes) -> bytes:
    """Damage one array of the file, beneath the checksum of the zip."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    chosen = random.choice(list(members))
    if random.random() < 0.7:
        members[chosen] = npy(random, np.load(io.BytesIO(members[chosen])))
    else:
        members[chosen] = blindly(random, members[chosen], members[chosen])
    method = random.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, member in members.items():
            name = random.choice((name, name, name, name, "x.npy", "../x.npy", "é.npy", "x"))
            if name not in archive.namelist():
                archive.writestr(zipfile.ZipInfo(name), member, method)
    return buffer.getvalue()


# Fields in the directory of a zip, from its signature on: place and width; APPNOTE 4.3.12.
ENTRY = ((8, 2), (10, 2), (16, 4), (20, 4), (24, 4), (28, 2), (30, 2), (32, 2), (42, 4))
END = ((8, 2), (10, 2), (12, 4), (16, 4), (20, 2))


def zip_numbers(random: Random, content: bytes, other: bytes) -> bytes:
    """Write other numbers into the directory: sizes, offsets, methods, flags."""
    damaged = bytearray(content)
    for _ in range(random.choice((1, 1, 2, 3))):
        sign, fields = random.choice(((b"PK\1\2", ENTRY), (b"PK\5\6", END)))
        starts = [n for n in range(len(content)) if content.startswith(sign, n)]
        at, width = random.choice(fields)
        start = random.choice(starts) + at
        old = int.from_bytes(content[start : start + width], "little")
        new = random.choice((*NUMBERS, old + 1, old - 1, 2 * old, len(content)))
        damaged[start : start + width] = (new % 256**width).to_bytes(width, "little")
    return bytes(damaged)


# csv

CELLS = (
    *("", "nan", "inf", "-1", "256", "1e999", "1_000", "٣", "0x10", '"', "1e5", "9" * 30, "True"),
    *(" 7 ", "0,5", "\0", "é", "#", "1.", ".5", "-0", "1e-400", "cat", "255", "\ufeff1", "1;2"),
    *("9" * 19, "-9223372036854775808", "00012", '"7"', "1.5", "\t", "\r", "+3", "label"),
)


def csv_cells(random: Random, content: bytes, other: bytes) -> bytes:
    """Replace, remove or add cells and rows."""
    text = content.decode("utf-8-sig")
    mark = next(mark for mark in "\t;," if mark in text)
    rows = [line.split(mark) for line in text.splitlines()]
    for _ in range(random.choice((1, 1, 2, 4))):
        row = random.choice(rows)
        cell = random.randrange(len(row))
        what = random.random()
        if what < 0.6:
            row[cell] = random.choice(CELLS)
        elif what < 0.8:
            row.insert(cell, random.choice(CELLS))
        elif len(row) > 1:
            del row[cell]
        if random.random() < 0.2:
            rows.insert(random.randrange(len(rows)), list(row))
    ends = random.choice(("\n", "\n", "\r\n", "\r", "\n\n", " \n"))
    mark = random.choice((mark, mark, mark, ";", "\t", " "))
    return ends.join(mark.join(row) for row in rows).encode()


# Pictures


def png_chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png_chunks(content: bytes) -> list[tuple[bytes, bytes]]:
    chunks, start = [], 8
    while start < len(content):
        size = int.from_bytes(content[start : start + 4], "big")
        chunks.append((content[start + 4 : start + 8], content[start + 8 : start + 8 + size]))
        start += 12 + size
    return chunks


def png_fields(random: Random, content: bytes, other: bytes) -> bytes:
    """Damage chunks of a PNG, beneath right checksums: sizes, depths, rows, order."""
    chunks = png_chunks(content)
    for _ in range(random.choice((1, 1, 2))):
        number = random.choice((0, 0, random.randrange(len(chunks))))
        name, body = chunks[number]
        what = random.random()
        if name == b"IHDR" and len(body) == 13 and what < 0.8:
            body = png_header(random, body)
        elif name == b"IDAT" and what < 0.5:
            rows = zlib.decompress(png_chunks(content)[-2][1])  # whole, whatever came before
            body = zlib.compress(blindly(random, rows, rows))
        elif what < 0.9:
            body = blindly(random, body, body)
        chunks[number] = (name, body)
    if random.random() < 0.1:
        random.shuffle(chunks)
    return content[:8] + b"".join(png_chunk(name, body) for name, body in chunks)


def png_header(random: Random, body: bytes) -> bytes:
    fields = list(struct.unpack(">IIBBBBB", body))
    which = random.choice((0, 0, 1, 1, 2, 3, 4, 5, 6))
    small = (0, 1, 2, 3, 4, 6, 8, 16, 255)
    fields[which] = random.choice((*NUMBERS[:-1], 9, 31, 60_000) if which < 2 else small)
    return struct.pack(">IIBBBBB", *fields)


def ppm_words(random: Random, content: bytes, other: bytes) -> bytes:
    """Replace a word of the header: the kind, width, height or the largest value."""
    words = content.split(maxsplit=4)
    kinds = (b"P1", b"P2", b"P3", b"P4", b"P5", b"P6", b"P7", b"Pf")
    which = random.randrange(4)
    number = str(random.choice((*NUMBERS, 10**30, -1, "x", "#"))).encode()
    words[which] = random.choice(kinds) if which == 0 else number
    return b"\n".join(words)


def number_fields(random: Random, content: bytes, other: bytes) -> bytes:
    """Write numbers into the first bytes, where headers have theirs."""
    for _ in range(random.choice((1, 2, 3))):
        start, width = random.randrange(EDGE), random.choice((1, 2, 4))
        order: Any = random.choice(("big", "little"))
        value = random.choice(NUMBERS) % 256**width
        content = content[:start] + value.to_bytes(width, order) + content[start + width :]
    return content


# Model files

DEEP = '"@deep@"'
VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2, 3, 7, 64, 10**9, 10**18, -(10**18), 10**400, 2**31, 2**63),
    *(0.5, -0.5, 1e308, 1e-308, float("nan"), float("inf"), -0.0, 2.0, "", "x", "input", "Graph"),
    *([], {}, [1], [[]], [0, 0], [10**18, 10**18], [2, 3], "@deep@", "same", "valid", [-1, 2]),
)


def json_places(value: Any) -> list[tuple[Any, Any]]:
    """Return every container in a document with each key or index in it."""
    keys = list(value) if isinstance(value, dict) else range(len(value))
    inner = [(value, key) for key in keys]
    for key in keys:
        if isinstance(value[key], dict | list):
            inner += json_places(value[key])
    return inner


def mutate_json(random: Random, document: Any, types: tuple[str, ...]) -> None:
    """Change one to three places of a document: other values, types and names, fewer or more."""
    for _ in range(random.choice((1, 1, 2, 3))):
        places = json_places(document)
        if not places:
            return
        holder, key = random.choice(places)
        old, what = holder[key], random.random()
        if what < 0.4:
            holder[key] = random.choice(VALUES)
        elif what < 0.5 and isinstance(old, int):
            holder[key] = old + random.choice((-1, 1, 2 * old))
        elif what < 0.6:
            del holder[key]
        elif what < 0.7:
            from_holder, from_key = random.choice(places)
            holder[key] = json.loads(json.dumps(from_holder[from_key]))
        elif what < 0.8 and isinstance(old, str):
            holder[key] = random.choice((*types, old + "x", old.upper(), "\ud800", "a.b"))
        elif what < 0.9 and isinstance(old, list):
            holder[key] = old * random.choice((2, 3)) if random.random() < 0.5 else old[::-1]
        else:
            holder[key] = random.choice(([old], {"type": "Graph", "nodes": old}, str(old)))


def unpacked(content: bytes) -> tuple[dict[str, Any], bytes]:
    """Return the header and the data of a safetensors file."""
    length = int.from_bytes(content[:8], "little")
    return json.loads(content[8 : 8 + length]), content[8 + length :]


def packed(header: dict[str, Any], data: bytes) -> bytes:
    deep = "[" * 20_000 + "]" * 20_000
    text = json.dumps(header).replace(DEEP, deep).replace(DEEP.replace('"', '\\"'), deep).encode()
    return struct.pack("<Q", len(text)) + text + data


def architecture(types: tuple[str, ...]) -> Mutator:
    """Return what changes the architecture in a model file, as JSON that is whole."""

    def mutate(random: Random, content: bytes, other: bytes) -> bytes:
        header, data = unpacked(content)
        plan = json.loads(header["__metadata__"]["architecture"])
        mutate_json(random, plan, types)
        header["__metadata__"]["architecture"] = json.dumps(plan)
        return packed(header, data)

    return mutate


def tensors(random: Random, content: bytes, other: bytes) -> bytes:
    """Change what a model file says of its arrays: types, shapes, offsets, names."""
    header, data = unpacked(content)
    name = random.choice([name for name in header if name != "__metadata__"])
    entry, what = header[name], random.random()
    if what < 0.25:
        kinds = ("F64", "F32", "F16", "BF16", "I64", "I32", "I8", "U8", "BOOL", "F8_E5M2", "C64")
        entry["dtype"] = random.choice(kinds)
    elif what < 0.5:
        entry["shape"] = random.choice((entry["shape"][::-1], [0], [], [2**63], [10**18, 0]))
    elif what < 0.75:
        side = random.randrange(2)
        entry["data_offsets"][side] = random.choice((*NUMBERS, 10**30, -1, len(data)))
    elif what < 0.85:
        header[random.choice(("x", "", "a" * 3000, "é"))] = header.pop(name)
    else:
        mutate_json(random, header, ("F32", "F64"))
    return packed(header, data)


def header_length(random: Random, content: bytes, other: bytes) -> bytes:
    length = int.from_bytes(content[:8], "little")
    new = random.choice((*NUMBERS, 2**64 - 1, 10**8, 10**8 + 1, length + 1, length - 1, 2 * length))
    return struct.pack("<Q", new) + content[8:]
