"""A graph is checked as a whole; where that is unclear, by each of its nodes as well.

A chain of subgradients need not be a subgradient: ``relu(x) - relu(-x)`` has the slope 1 at 0, and
the pullbacks of its nodes give 0. So where nodes lie on kinks, each is held to its own slopes, and
the graph as a whole is compared at a point a small way off.
"""

from __future__ import annotations

import numpy as np

from minidl.engine.threads import blas_threads
from minidl.gradcheck.check import Check, Settings
from minidl.gradcheck.contract import check_contract
from minidl.gradcheck.elements import resolve
from minidl.gradcheck.nudges import generator
from minidl.gradcheck.report import GradientReport
from minidl.gradcheck.subject import Subject
from minidl.graph import Graph
from minidl.module import Context, Module
from minidl.taps import tapped
from minidl.types import Array, Arrays, Pullback

PASSED = (
    "; every node passes by itself, so look at where gradients meet: shared parameters, and values"
    " that are read twice"
)
OFF = "; this is a small way off what was given, which lies on kinks"


def check(subject: Subject, settings: Settings) -> GradientReport:
    """Check a module or a graph; raise ``GradientError`` that names the node where there is one."""
    nested = isinstance(subject.module, Graph)
    with blas_threads(1):  # several only wait for each other on batches as small as these
        checks = (_check_graph if nested else _check_module)(subject, settings)
    return GradientReport(
        subject.name,
        max(check.error for check in checks),
        sum(check.compared for check in checks),
        tuple(kink for check in checks for kink in check.kinks),
        sum(check.skipped for check in checks),
    )


def _check_module(subject: Subject, settings: Settings) -> list[Check]:
    """Check what has no nodes; also off its kinks, where they are too many to look at each."""
    check = Check(subject, settings)
    for case in check.unclear():
        resolve(check, case)
    return [check, _check_off(subject, settings, OFF)] if check.skipped else [check]


def _check_graph(subject: Subject, settings: Settings) -> list[Check]:
    """Check a graph as a whole, and its nodes where that is unclear."""
    nodes = leaves(subject)
    check = Check(subject, settings, PASSED)
    inside: list[Check] = []
    for case in check.unclear():
        inside = inside or [one for node in nodes for one in _check_module(node, settings)]
        if any(one.kinks for one in inside):
            return [_check_off(subject, settings, PASSED + OFF), *inside]
        resolve(check, case)
    return [check, *inside]


def _check_off(subject: Subject, settings: Settings, hint: str) -> Check:
    """Compare a small way off the kinks; those that go along with the point are known already."""
    check = Check(subject.moved(generator("moved", settings.seed)), settings, hint)
    for case in check.unclear():
        if not check.agrees(case.verdict):
            resolve(check, case)
    return check


def leaves(subject: Subject) -> list[Subject]:
    """Return each node of a graph, nested ones too, that has a gradient to give.

    Each has the very values that it reads in the graph. ``GradientError`` names the first that
    breaches the contract, before another stumbles over what it put out.
    """
    log: dict[str, Subject] = {}
    twin = Subject(
        tapped(subject.module, lambda module, path: _Recorder(module, path, log, subject.seed)),
        [subject.arrays[k] for k in subject.inputs],
        {name: subject.arrays[name] for name in subject.names},
        subject.wanted,
        train=subject.train,
        seed=subject.seed,
        frozen=subject.frozen,
    )
    twin.forward(twin.arrays, twin.wanted)
    return list(log.values())


class _Recorder(Module):
    """A module that is checked, and writes down what it is given, before it runs."""

    module: Module
    path: str
    log: dict[str, Subject]
    seed: int

    def forward(self, params: Arrays, *xs: Array, ctx: Context) -> tuple[Array, Pullback | None]:
        """Run the module."""
        node = Subject(
            self.module,
            [np.array(x) for x in xs],  # which nodes further on might change
            {name: np.array(array) for name, array in params.items()},
            ctx.wanted,
            train=ctx.train,
            seed=self.seed,
            path=self.path,
        )
        if ctx.wanted:
            check_contract(node)
            self.log[self.path] = node
        return node.pair(self.module.forward(params, *xs, ctx=ctx))
