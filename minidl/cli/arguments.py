"""What the commands' arguments have in common: how mistakes are told, numbers, shared options."""

from __future__ import annotations

import argparse
import math
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NoReturn, TypeAlias, TypeVar

from minidl.checks import perhaps

Commands: TypeAlias = "argparse._SubParsersAction[Parser]"
"""What a command's parser is added to."""

Group: TypeAlias = "argparse._ActionsContainer"
"""What an option is added to: a parser or a group of its options."""

Number = TypeVar("Number", int, float)


class Parser(argparse.ArgumentParser):
    """A parser that raises a ``ValueError`` where the arguments are wrong.

    So they are told like any other mistake: in one line, not with a page of usage.
    Defaults may come from a file that the arguments name: ``read_defaults`` gives them.
    """

    read_defaults: Callable[[Parser, argparse.Namespace], dict[str, Any]] | None = None

    def __init__(self, **options: Any) -> None:
        super().__init__(formatter_class=_Formatter, allow_abbrev=False, **options)
        self.color = False  # which Python 3.14 would put into the help

    def error(self, message: str) -> NoReturn:
        """Raise, with a hint where to read on."""
        raise ValueError(f"{message} (see {self.prog} --help)")

    def parse_known_args(  # which is called for each command below too
        self, args: Iterable[str] | None = None, namespace: Any = None
    ) -> tuple[Any, list[str]]:
        """Parse, and refuse what is not known with the nearest that is."""
        given = None if args is None else list(args)
        found, unknown = super().parse_known_args(given, namespace)
        if unknown:
            self._refuse(unknown)
        if self.read_defaults is not None and (defaults := self.read_defaults(self, found)):
            self.set_defaults(**defaults)
            found, _ = super().parse_known_args(given, namespace)
        return found, []

    def _refuse(self, unknown: Sequence[str]) -> NoReturn:
        options = [text.split("=")[0] for text in unknown if text.startswith("-")]
        if not options:
            self.error(f"unexpected argument {unknown[0]!r}")
        self.error(f"unknown option {options[0]}{perhaps(options[0], self.options())}")

    def options(self) -> dict[str, argparse.Action]:
        """Return what the long options do, by their names with ``--``."""
        return {
            name: action
            for action in self._actions
            for name in action.option_strings
            if name.startswith("--")
        }

    def _check_value(self, action: argparse.Action, value: object) -> None:
        """Refuse a choice that is not given, with the nearest that is."""
        if action.choices is not None and value not in action.choices:
            known = [str(choice) for choice in action.choices]
            what = [*action.option_strings, str(action.metavar).lower()][0]
            hint = perhaps(str(value), known) or f": expected {', '.join(known)}"
            self.error(f"unknown {what} {value!r}{hint}")


class _Formatter(argparse.RawDescriptionHelpFormatter):
    """Help with room for the longest option, so that each takes one line."""

    def __init__(self, prog: str, **options: Any) -> None:
        super().__init__(prog, max_help_position=22, **options)


class ShowVersion(argparse.Action):
    """Print the version and exit; it is looked up only when asked for, which takes a while."""

    def __init__(self, **options: Any) -> None:
        super().__init__(nargs=0, default=argparse.SUPPRESS, **options)

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        """Do so."""
        from minidl.cli.output import version

        print(f"minidl {version()}")
        parser.exit()


def _number(
    kind: Callable[[str], Number], wanted: str, fits: Callable[[Number], bool]
) -> Callable[[str], Number]:
    """Return a reader of numbers that says what was wanted where it gets something else."""

    def read(text: str) -> Number:
        try:
            number = kind(text)
        except ValueError:
            number = None
        if number is None or not fits(number):
            raise argparse.ArgumentTypeError(f"expected {wanted}, got {text!r}")
        return number

    return read


def image_shape(text: str) -> tuple[int, int, int]:
    """Read a shape such as 32x32x3: height, width, and 1 channel (grey) or 3.

    >>> image_shape("28x28x1")
    (28, 28, 1)
    """
    found = re.fullmatch(r"([1-9]\d{0,3})x([1-9]\d{0,3})x([13])", text)
    if found is None:
        raise argparse.ArgumentTypeError(
            f"expected HEIGHTxWIDTHxCHANNELS such as 32x32x3 (1 channel: grey), got {text!r}"
        )
    height, width, channels = map(int, found.groups())
    return height, width, channels


def column(text: str) -> str | int:
    """Read a column: its name, or its number, from the end if it is below 0.

    >>> column("species"), column("-1")
    ('species', -1)
    """
    return int(text) if re.fullmatch(r"-?\d{1,9}", text) else text


COUNT = _number(int, "a whole number of at least 1", lambda number: number >= 1)
COUNT_OR_NONE = _number(int, "a whole number of at least 0", lambda number: number >= 0)
WORKERS = _number(int, "a whole number from 1 to 256", lambda number: 1 <= number <= 256)
SEED = _number(int, "a whole number from 0 to 2**64 - 1", lambda number: 0 <= number < 2**64)
POSITIVE = _number(float, "a number above 0", lambda number: 0 < number < math.inf)
NOT_NEGATIVE = _number(float, "a number of at least 0", lambda number: 0 <= number < math.inf)
SHARE = _number(float, "a number of at least 0 and below 1", lambda number: 0 <= number < 1)


def add_data(group: Group, default: str | None, otherwise: str) -> None:
    """Add the options that choose a data set; ``otherwise`` tells the default."""
    group.add_argument(
        "--data",
        metavar="NAME",
        default=default,
        help=f"digits, mnist, fashion-mnist or your path ({otherwise})",
    )
    group.add_argument(
        "--data-folder",
        metavar="DIR",
        help="that holds mnist/ and so on ($MINIDL_DATA or cache)",
    )
    group.add_argument("--download", action="store_true", help="fetch them if they are missing")
    group.add_argument(
        "--label", metavar="COLUMN", type=column, help="of a table, by name or number from 0 on"
    )


def add_json(group: Group) -> None:
    """Add ``--json``."""
    group.add_argument("--json", action="store_true", help="end with one line of JSON")
