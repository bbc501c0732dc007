"""Records: what ``@dataclass(frozen=True)`` promises, and what it does not."""

from __future__ import annotations

import copy
from typing import Any, ClassVar

import numpy as np
import pytest

from minidl.record import Record


class Point(Record):
    """Two fields, one with a default; the others are none."""

    x: float
    y: float = 0.0

    kind: ClassVar[str] = "point"
    _hidden: int = 3

    def __post_init__(self) -> None:
        if self.x < 0:
            raise ValueError(f"x should not be negative, got {self.x}")


class Pixel(Point):
    """A field more, and another default."""

    color: str = "red"
    y: float = 1.0


class Other(Record):
    """The same fields as Point's, in another class."""

    x: float
    y: float = 0.0


def test_fields_by_place_and_by_name() -> None:
    assert Point(1.0, 2.0).fields() == {"x": 1.0, "y": 2.0}
    assert Point(y=2.0, x=1.0) == Point(1.0, 2.0)
    assert Point(1.0).y == 0.0


def test_a_subclass_adds_fields_behind() -> None:
    assert Pixel(1.0).fields() == {"x": 1.0, "y": 1.0, "color": "red"}
    assert Point(1.0).fields() == {"x": 1.0, "y": 0.0}


def test_a_field_declared_again_keeps_its_place() -> None:
    class Named(Record):
        positional = 1
        x: float
        y: float = 0.0

    class Again(Named):
        x: float = 3.0
        z: float = 0.0

    assert Again().fields() == {"x": 3.0, "y": 0.0, "z": 0.0}
    assert Again(1.0).x == 1.0
    with pytest.raises(TypeError, match=r"Again\(x.*=3.0, \*, y.*: too many positional"):
        Again(1.0, 2.0)


def test_what_it_shows() -> None:
    assert repr(Pixel(1.0, color="blue")) == "Pixel(x=1.0, y=1.0, color='blue')"


@pytest.mark.parametrize(
    ("args", "kwargs", "message"),
    [
        ((), {}, r"Point\(x.*, y.*=0.0\): missing a required argument: 'x'"),
        ((1, 2, 3), {}, "Point.*: too many positional arguments"),
        ((1,), {"z": 3}, "Point.*: got an unexpected keyword argument 'z'"),
        ((1,), {"x": 3}, "Point.*: multiple values for argument 'x'"),
    ],
)
def test_wrong_arguments_show_the_fields(
    args: tuple[Any, ...], kwargs: dict[str, Any], message: str
) -> None:
    with pytest.raises(TypeError, match=message):
        Point(*args, **kwargs)


def test_records_are_frozen() -> None:
    point = Point(1.0)
    with pytest.raises(AttributeError, match=r"Point is frozen: build another with .replace\(x="):
        point.x = 2.0  # type: ignore[misc]
    with pytest.raises(AttributeError, match="Point is frozen"):
        point.new = 2.0
    with pytest.raises(AttributeError, match="Point is frozen"):
        del point.x
    assert point == Point(1.0)


def test_replace_makes_another_and_checks_it() -> None:
    point = Point(1.0, 2.0)
    assert point.replace(y=5.0) == Point(1.0, 5.0)
    assert point == Point(1.0, 2.0)
    with pytest.raises(ValueError, match="x should not be negative, got -1"):
        point.replace(x=-1)
    with pytest.raises(TypeError, match="got an unexpected keyword argument 'z'"):
        point.replace(z=1)


def test_equality_and_hash() -> None:
    assert Point(1.0) == Point(1.0, 0.0)
    assert Point(1.0) != Point(2.0)
    assert Point(1.0) != Other(1.0)
    assert Point(1.0, 1.0) != Pixel(1.0)
    assert Point(1.0) != (1.0, 0.0)
    assert len({Point(1.0), Point(1.0), Point(2.0), Other(1.0)}) == 3


def test_numpy_scalars_become_python_numbers() -> None:
    numbers: Any = np.float32(0.5), np.int64(3)
    point = Point(*numbers)
    assert type(point.x) is float
    assert type(point.y) is int


def test_copies_are_equal() -> None:
    point = Point(1.0, 2.0)
    assert copy.copy(point) == copy.deepcopy(point) == point


def test_a_field_without_default_after_one_with() -> None:
    with pytest.raises(ValueError, match="non-default argument follows default argument"):

        class Wrong(Record):
            a: int = 0
            b: int  # type: ignore[misc]
