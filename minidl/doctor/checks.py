"""Every check of the doctor, in turn, from what costs nothing to a few steps of training."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from minidl.doctor import duplicates, inputs, labels, model, rates, relation, signals
from minidl.doctor.case import Case
from minidl.doctor.finding import Finding

Check = Callable[[Case], Iterator[Finding]]

QUICK: Final[tuple[Check, ...]] = (
    model.nothing_to_train,
    model.output_activation,
    model.unreachable_targets,
    model.linear_stack,
    model.batch_of_one,
    model.double_precision,
    labels.outputs,
    labels.classes,
    labels.target_scale,
    inputs.equal_inputs,
    inputs.raw_pixels,
    inputs.scale,
    inputs.features,
    duplicates.leaks,
    duplicates.contradictions,
)
"""What costs nothing: the model by itself, and the data."""

STEPS: Final[tuple[Check, ...]] = (
    relation.unrelated_labels,
    signals.first_loss,
    rates.learning_rate,
    signals.dead_units,
    signals.saturated_units,
    signals.gradients,
)
"""What runs the model, on copies; and what looks for a relation in the data."""

FULL: Final = (*QUICK, *STEPS)
