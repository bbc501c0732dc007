"""What a gradient check tells: a report where all agrees, an error where something does not."""

from __future__ import annotations

from minidl.record import Record

SHOWN = 5


class GradientError(ValueError):
    """A pullback that disagrees with finite differences, or breaks the contract of a module."""


class Kink(Record):
    """A point where the slope to the left is not the slope to the right, as of ReLU at 0.

    ``left`` and ``right`` are the slopes of one value of the output, at ``output``, as ``where``
    changes at ``index``. ``pullback`` is the derivative that the pullback chose: either slope, or
    one between them, which is a subgradient.
    """

    where: str
    index: tuple[int, ...]
    output: tuple[int, ...]
    left: float
    right: float
    pullback: float

    def __str__(self) -> str:
        return (
            f"{self.where} at {self.index}: {self.left:.6g} to the left, {self.right:.6g} to the"
            f" right, {self.pullback:.6g} by the pullback (of output {self.output})"
        )


class GradientReport(Record):
    """What a gradient check that found no error has seen.

    Attributes
    ----------
    name : str
        What was checked.
    error : float
        The largest relative error of a derivative; no more than the tolerance.
    compared : int
        How many derivatives were compared with differences: a direction is one, an element is one.
    kinks : tuple of Kink
        The elements that lie on a kink, where there is no derivative to compare with.
    skipped : int
        How many more elements may lie on kinks: they are too many to look at each.

    Examples
    --------
    >>> kink = Kink("input 0", (0, 2), (0, 2), left=0.0, right=1.0, pullback=0.0)
    >>> print(GradientReport("ReLU", error=2e-11, compared=5, kinks=(kink,)))
    ReLU: 5 derivatives agree, largest relative error 2.0e-11
    1 on a kink, where the pullback has one of the slopes or one between them:
      input 0 at (0, 2): 0 to the left, 1 to the right, 0 by the pullback (of output (0, 2))
    """

    name: str
    error: float
    compared: int
    kinks: tuple[Kink, ...] = ()
    skipped: int = 0

    def __str__(self) -> str:
        lines = [
            f"{self.name}: {self.compared} derivatives agree, largest relative error"
            f" {self.error:.1e}"
        ]
        if self.kinks:
            lines.append(
                f"{len(self.kinks)} on a kink, where the pullback has one of the slopes or one"
                " between them:"
            )
            lines += [f"  {kink}" for kink in self.kinks[:SHOWN]]
        if len(self.kinks) > SHOWN:
            lines.append(f"  and {len(self.kinks) - SHOWN} more")
        if self.skipped:
            lines.append(
                f"{self.skipped} elements near them were not looked at one by one: elementwise=True"
                " looks at each"
            )
        return "\n".join(lines)
