"""Record: a frozen object of declared, typed fields.

It does what ``@dataclass(frozen=True)`` does, from the same class body, and type checkers treat it
so. The reason to have our own is the cost of ``import minidl``: a dataclass compiles source text
for each class (about a millisecond), a Record keeps a signature (about 0.03 ms).
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from inspect import Parameter, Signature, get_annotations, signature
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, TypeVar

import numpy as np

if sys.version_info >= (3, 11):
    from typing import dataclass_transform
elif TYPE_CHECKING:
    from typing_extensions import dataclass_transform
else:

    def dataclass_transform(**_options: object) -> Callable[[Any], Any]:
        """Stand in for the decorator, which means something to type checkers alone."""
        return lambda cls: cls


Self = TypeVar("Self", bound="Record")


@dataclass_transform(frozen_default=True)
class Record:
    """A frozen object of declared fields, equal to another of its class with equal fields.

    A subclass lists its fields as annotations, with or without a default, and may check them in
    ``__post_init__``. Names beginning with an underscore and ``ClassVar`` annotations are no
    fields.

    Examples
    --------
    >>> class Point(Record):
    ...     x: float
    ...     y: float = 0.0
    >>> Point(1.0)
    Point(x=1.0, y=0.0)
    >>> Point(1.0) == Point(1.0, y=0.0)
    True
    """

    __signature__ = Signature()

    positional: ClassVar[int | None] = None
    """How many fields may be given without their names; None for all."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "__init__" in cls.__dict__:  # a graph: it is made in a way of its own
            _self, *given = signature(cls.__init__).parameters.values()
            cls.__signature__ = Signature(given)
            return
        fields = dict(cls.__signature__.parameters)
        for name, annotation in get_annotations(cls).items():
            if not name.startswith("_") and "ClassVar" not in str(annotation):
                default = cls.__dict__.get(name, Parameter.empty)
                place = list({**fields, name: None}).index(name)
                named = cls.positional is not None and place >= cls.positional
                kind = Parameter.KEYWORD_ONLY if named else Parameter.POSITIONAL_OR_KEYWORD
                fields[name] = Parameter(name, kind, default=default)
        cls.__signature__ = Signature(list(fields.values()))

    if not TYPE_CHECKING:

        def __init__(self, *args, **kwargs):
            try:
                bound = self.__signature__.bind(*args, **kwargs)
            except TypeError as error:
                raise TypeError(f"{type(self).__name__}{self.__signature__}: {error}") from None
            bound.apply_defaults()
            for name, value in bound.arguments.items():
                self.__dict__[name] = _plain(value)
            self.__post_init__()

    def __post_init__(self) -> None:
        """Check the fields; called when they are set."""

    def fields(self) -> dict[str, Any]:
        """Return the fields and their values, in the order of their declaration."""
        return {name: getattr(self, name) for name in self.__signature__.parameters}

    def replace(self: Self, **changes: Any) -> Self:
        """Return a copy with some fields changed."""
        return type(self)(**{**self.fields(), **changes})

    def __setattr__(self, name: str, value: Any) -> NoReturn:
        raise AttributeError(
            f"{type(self).__name__} is frozen: build another with .replace({name}=...)"
        )

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"{type(self).__name__} is frozen: {name} stays")

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.fields() == other.fields()

    def __hash__(self) -> int:
        return hash((type(self).__name__, *self.fields().values()))

    def __repr__(self) -> str:
        inside = ", ".join(f"{name}={value!r}" for name, value in self.fields().items())
        return f"{type(self).__name__}({inside})"


def _plain(value: Any) -> Any:
    """Return a field as plain data: NumPy's scalars as Python's, lists as tuples."""
    if type(value) in (list, tuple):
        return tuple(_plain(one) for one in value)
    return value.item() if isinstance(value, np.generic) else value
