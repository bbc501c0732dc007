"""History: one plain row of numbers for each epoch."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Final, TypeAlias

from minidl.files import PathLike, write_whole

Row: TypeAlias = dict[str, float]
"""A line of the history, or of an evaluation, by column."""

CLOCK: Final = ("seconds", "images_per_second")
"""The columns that are read off a clock: all others are the same in a run that is repeated."""


class History:
    """What training measured: a row an epoch, read as columns.

    ``loss`` and the metrics are means over the epoch's training batches, taken while the weights
    still changed; those with ``val_`` are measured after it. (A loss whose reduction is "sum" is
    the sum.) ``lr`` is the rate at the epoch's start, ``seconds`` the time of its training steps.

    >>> history = History([{"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": 0.25}])
    >>> history["loss"]
    [0.5, 0.25]
    """

    def __init__(self, rows: list[Row] | None = None) -> None:
        self.rows: list[Row] = rows or []

    def __getitem__(self, column: str) -> list[float]:
        if not any(column in row for row in self.rows):
            raise KeyError(f"no column {column!r}: there are {', '.join(self.columns) or 'none'}")
        return [row[column] for row in self.rows if column in row]

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)

    def __repr__(self) -> str:
        return "\n".join(["History of no epochs"] if not self.rows else map(describe, self.rows))

    @property
    def columns(self) -> list[str]:
        """The names of the columns, in the order of their first appearance."""
        return list(dict.fromkeys(name for row in self.rows for name in row))

    def save(self, path: PathLike) -> None:
        """Write the rows as JSON."""
        write_whole(path, (json.dumps(self.rows, indent=1) + "\n").encode())


def describe(row: Row) -> str:
    """Return a row as one line of text.

    >>> describe({"epoch": 2, "loss": 0.25, "val_loss": 0.3, "images_per_second": 5000.0})
    'epoch 2  loss 0.2500 (val 0.3000)  5,000 img/s'
    """
    quiet = ("epoch", "lr", *CLOCK)
    parts = [f"epoch {row['epoch']:.0f}"] if "epoch" in row else []
    for name, value in row.items():
        if name in quiet or name.startswith("val_"):
            continue
        held = f" (val {row[f'val_{name}']:.4f})" if f"val_{name}" in row else ""
        parts.append(f"{name} {value:.4f}{held}")
    if "images_per_second" in row:
        parts.append(f"{row['images_per_second']:,.0f} img/s")
    return "  ".join(parts)
