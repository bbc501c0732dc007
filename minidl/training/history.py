"""History: one plain row of numbers for each epoch."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TypeAlias

from minidl.files import PathLike, write_whole

Row: TypeAlias = dict[str, float]
"""A line of the history, or of an evaluation, by column."""


class History:
    """What training measured: a row an epoch, read as columns.

    ``loss`` and the metrics are means over the epoch's training batches, taken while the weights
    still changed; those with ``val_`` are measured after it. ``lr`` is the last rate, ``seconds``
    the time of training and ``val_seconds`` that of validation.

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

    >>> describe({"epoch": 2, "loss": 0.25, "accuracy": 0.9, "images_per_second": 5000.0})
    'epoch 2  loss 0.2500  accuracy 0.9000  5,000 images/s'
    """
    parts = []
    for name, value in row.items():
        if name == "epoch":
            parts.append(f"epoch {value:.0f}")
        elif name == "images_per_second":
            parts.append(f"{value:,.0f} images/s")
        elif name not in ("lr", "seconds", "val_seconds"):
            parts.append(f"{name} {value:.4f}")
    return "  ".join(parts)
