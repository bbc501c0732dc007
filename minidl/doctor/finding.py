"""Finding: one thing that is wrong, and what to do."""

from __future__ import annotations

from typing import Literal

from minidl.record import Record


class Finding(Record):
    """What was found, where, and its fix.

    Parameters
    ----------
    what : str
        Its short name, such as "softmax before the loss".
    where : str
        The node, the array or the part of the data that it concerns.
    message : str
        What was seen, with its number.
    fix : str
        What to do about it.
    severity : "warning" or "error"
        An error keeps the run from learning what it should; a warning makes it worse or slower.

    Examples
    --------
    >>> print(Finding("one class", "targets", "all 500 labels are 3", "read the labels anew"))
    warning: one class (targets): all 500 labels are 3; read the labels anew
    """

    what: str
    where: str
    message: str
    fix: str
    severity: Literal["warning", "error"] = "warning"

    def __str__(self) -> str:
        return f"{self.severity}: {self.what} ({self.where}): {self.message}; {self.fix}"
