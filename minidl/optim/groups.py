"""ParameterGroups: an optimizer for each group of parameters, chosen by path."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, TypeAlias

from minidl.optim.optimizer import Optimizer
from minidl.paths import matching
from minidl.types import Arrays

Patterns: TypeAlias = "str | Sequence[str]"
Group: TypeAlias = tuple[tuple[str, ...], Optimizer]


class ParameterGroups(Optimizer):
    """Updates each parameter by the optimizer of the first group that one of its patterns matches.

    Each group has its own kind, rate, schedule and options; clipping belongs to all of them
    together. The step count is shared, so all schedules run over the same steps.

    Parameters
    ----------
    groups : mapping of patterns to Optimizer
        A pattern or several, as ``Graph.freeze`` takes them: a whole path, or a node that it lies
        in. The order counts.
    clip_value, clip_norm : float, optional
        As in ``Optimizer``; the norm is that of all gradients, whatever their group.

    Raises
    ------
    TypeError, ValueError
        Where a group is no optimizer, or clips by itself. In the first step, where a pattern
        matches no path or no pattern matches a parameter.

    Examples
    --------
    No weight decay on biases and norms:

    >>> import minidl as dl
    >>> sgd = dl.SGD(0.1, momentum=0.9, weight_decay=5e-4)
    >>> free = sgd.replace(weight_decay=0.0)
    >>> groups = dl.ParameterGroups({("*.bias", "*batchnorm*"): free, "*": sgd})
    >>> model = dl.models.resnet()
    >>> trainer = dl.Trainer(model, dl.SoftmaxCrossEntropy(), groups)
    """

    groups: tuple[Group, ...] = ()

    def __init__(
        self,
        groups: Mapping[Any, Optimizer] | Sequence[tuple[Patterns, Optimizer]],
        *,
        clip_value: float | None = None,
        clip_norm: float | None = None,
    ) -> None:
        own = tuple((_patterns(patterns), _fresh(one)) for patterns, one in _pairs(groups))
        if not own:
            raise ValueError("ParameterGroups needs at least one group, got none")
        values = {"lr": own[0][1].lr, "clip_value": clip_value, "clip_norm": clip_norm}
        self.__dict__.update(values, groups=own)
        self.__post_init__()
        for part in self.parts:
            part.__dict__["_state"] = self.state

    @property
    def slots(self) -> tuple[str, ...]:
        """The names of what any group remembers."""
        return tuple(dict.fromkeys(name for part in self.parts for name in part.slots))

    @property
    def parts(self) -> tuple[Optimizer, ...]:
        """The optimizers of the groups."""
        return tuple(part for _, part in self.groups)

    def assigned(self, paths: Collection[str], arrays: Arrays) -> dict[str, int]:
        """Return the index of each path's group."""
        found: dict[str, int] = {}
        for index, (patterns, _) in enumerate(self.groups):
            for path in matching(arrays, patterns):
                found.setdefault(path, index)
        missing = [path for path in arrays if path in paths and path not in found]
        if missing:
            raise ValueError(
                f'no group matches {", ".join(missing)}: a last group "*" takes what is left'
            )
        return {path: found[path] for path in paths}


def _pairs(groups: object) -> list[tuple[object, object]]:
    """Return a mapping's items, or the pairs that a copy is made from."""
    pairs = list(groups.items()) if isinstance(groups, Mapping) else groups
    if isinstance(pairs, (list, tuple)) and all(isinstance(pair, tuple) for pair in pairs):
        return list(pairs)
    raise TypeError(f"ParameterGroups takes a mapping of patterns to optimizers, got {groups!r}")


def _patterns(patterns: object) -> tuple[str, ...]:
    several = patterns if isinstance(patterns, (list, tuple)) else (patterns,)
    if not several or not all(isinstance(one, str) for one in several):
        raise TypeError(f"a group is named by a pattern or several, got {patterns!r}")
    return tuple(several)


def _fresh(part: object) -> Optimizer:
    """Return the optimizer of a group without its memory."""
    if not isinstance(part, Optimizer) or isinstance(part, ParameterGroups):
        raise TypeError(f"a group should have an optimizer such as SGD(0.1), got {part!r}")
    if part.clip_value is not None or part.clip_norm is not None:
        raise ValueError(
            "clipping belongs to all groups: give clip_value and clip_norm to ParameterGroups, not"
            f" to {part!r}"
        )
    return part.replace()
