"""Slots: values that do not live at the same time share memory."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import NamedTuple, TypeVar

Key = TypeVar("Key", bound=Hashable)


class Life(NamedTuple):
    """The first and the last moment at which a value is needed."""

    first: int
    last: int


def slots(lives: Mapping[Key, Life]) -> dict[Key, str]:
    """Give each value the lowest slot that is free all its life.

    >>> slots({"a": Life(0, 1), "b": Life(1, 2), "c": Life(2, 3)})
    {'a': 'slot 0', 'b': 'slot 1', 'c': 'slot 0'}
    """
    given: dict[Key, int] = {}
    for key, life in sorted(lives.items(), key=lambda item: item[1]):
        taken = {
            slot
            for other, slot in given.items()
            if lives[other].last >= life.first and life.last >= lives[other].first
        }
        given[key] = next(slot for slot in range(len(lives)) if slot not in taken)
    return {key: f"slot {slot}" for key, slot in given.items()}
