"""The inputs: their range and their scale."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from minidl.doctor.case import Case
from minidl.doctor.finding import Finding
from minidl.types import Array

PIXELS = 16  # values of a sample from which on 0 to 255 means pixels: fewer may be a table's
BRIGHT = 100.0  # a sample of pixels from 0 to 255 has some above this, whatever it shows
LARGE = 30.0  # root mean square; standardised data have 1, raw pixels 80 to 140
SMALL = 0.005  # standard deviation; pixels divided by 255 twice have 0.001, at most 0.002
TABLE = 63  # features at most that are looked at one by one: more are pixels, whose rims are 0
APART = 1000.0  # times the smallest spread of a feature: rare 0-or-1 columns are within 100
WIDE = 10.0  # the largest spread, so that pixels from 0 to 1 with quiet corners are left alone


def equal_inputs(case: Case) -> Iterator[Finding]:
    """Look for samples that are all the same."""
    if len(case.data) > 1 and (case.inputs == case.inputs[0]).all():
        seen = f"all of {len(case.inputs):,} samples looked at have the same inputs"
        fix = "look at how they are read: each sample needs its own"
        yield Finding("equal inputs", "inputs", seen, fix, "error")


def raw_pixels(case: Case) -> Iterator[Finding]:
    """Look for pixels from 0 to 255 that are not scaled."""
    if _are_raw_pixels(case):
        high = float(case.inputs.max())
        seen = f"the inputs are floats from 0 to {high:g}, and nothing scales them"
        fix = "divide them by 255, or pass uint8, which the model scales itself"
        yield Finding("raw pixels", "inputs", seen, fix, "error")


def _are_raw_pixels(case: Case) -> bool:
    if case.data.inputs.dtype == np.uint8 or math.prod(case.shape) < PIXELS or not case.raw:
        return False
    return bool(case.inputs.min() >= 0 and BRIGHT < case.inputs.max() <= 255)


def scale(case: Case) -> Iterator[Finding]:
    """Look for inputs that are far larger or smaller than the first weights are made for."""
    if not case.raw or _are_raw_pixels(case):
        return
    size = math.sqrt(np.square(case.inputs, dtype=np.float64).mean())
    spread = float(case.inputs.std(dtype=np.float64))
    if size > LARGE:
        seen = f"the inputs are large, {size:.3g} in the root mean square"
        yield Finding("inputs of a large scale", "inputs", seen, _standardise(case), "error")
    elif 0 < spread < SMALL and not (case.inputs == case.inputs[0]).all():
        seen = f"the inputs hardly vary, with a standard deviation of {spread:.2g}"
        twice = case.data.inputs.dtype == np.uint8 or case.inputs.max() <= 1 / 128
        fix = "were they scaled twice? Scale them once" if twice else _standardise(case)
        yield Finding("inputs of a small scale", "inputs", seen, fix)


def _standardise(case: Case) -> str:
    mean, deviation = float(case.inputs.mean()), float(case.inputs.std())
    if len(case.shape) == 1:
        return "subtract each feature's mean and divide by its deviation (those of training)"
    return f"begin the model with Normalize({mean:.3g}, {deviation:.3g})"


def features(case: Case) -> Iterator[Finding]:
    """Look in a table for features that are constant, or far larger than others."""
    if len(case.shape) != 1 or not 1 < case.shape[0] <= TABLE or not len(case.data) > 1:
        return
    columns = case.data.inputs
    constant = np.flatnonzero((columns == columns[0]).all(axis=0))
    if 0 < len(constant) < len(columns[0]):
        yield _constant(columns, constant)
    spreads = np.delete(case.inputs.std(axis=0, dtype=np.float64), constant)
    spreads = spreads[spreads > 0]
    if case.raw and len(spreads) and spreads.max() > max(WIDE, APART * spreads.min()):
        seen = f"the features' standard deviations go from {spreads.min():.2g} to"
        fix = "subtract each feature's mean and divide by its deviation (those of training)"
        yield Finding(
            "features of different scale", "inputs", f"{seen} {spreads.max():.2g}", fix, "error"
        )


def _constant(columns: Array, which: Array) -> Finding:
    shown = ", ".join(map(str, which[:5])) + (" ..." if len(which) > 5 else "")
    many = len(which) > 1
    seen = f"feature{'s' * many} {shown} {'are' if many else 'is'} the same in every sample"
    fix = "look at how the table is read, or leave such columns out"
    return Finding("a constant feature", f"inputs[:, {which[0]}]", seen, fix)
