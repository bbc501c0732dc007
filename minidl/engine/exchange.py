"""Exchange: a value of the whole batch in memory that all members see."""

from __future__ import annotations

from typing import Any

from minidl.engine.crew import shared
from minidl.engine.passes import Pass, inward
from minidl.types import Array, Shape


class Exchange:
    """Rows (N, ...) of a whole batch: shards put theirs in, all can read."""

    def __init__(self, batch: int, shape: Shape, dtype: Any) -> None:
        self.rows = shared((batch, *shape), dtype)

    def put_values(self, run: Pass, number: int) -> None:
        """Copy the value of every shard of this member in."""
        for shard in run.mine:
            inward(self.rows[run.cut[shard]])[...] = run.values[shard][number]

    def put_owed(self, run: Pass, number: int) -> None:
        """Copy the gradient of a value in, for every shard of this member; zeros where none is."""
        for shard in run.mine:
            inward(self.rows[run.cut[shard]])[...] = run.owed[shard].pop(number, 0)

    def shard(self, run: Pass, shard: int) -> Array:
        """Return the rows of a shard, images as (H, W, n, C)."""
        return inward(self.rows[run.cut[shard]])
