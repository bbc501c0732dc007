"""The examination: every check in turn, from what costs nothing to a few steps of training."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from minidl.data import Data
from minidl.doctor import duplicates, inputs, labels, model, rates, relation, signals
from minidl.doctor.case import Case
from minidl.doctor.finding import Finding
from minidl.engine.threads import blas_threads
from minidl.graph import Graph
from minidl.losses import Loss
from minidl.optim import Optimizer

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


def doctor(
    model: Graph,
    loss: Loss,
    data: Data,
    optimizer: Optimizer | None = None,
    validation: Data | None = None,
    *,
    batch_size: int = 64,
    seed: int = 0,
    quick: bool = False,
) -> tuple[Finding, ...]:
    """Examine a model, its data and its first steps; return what is wrong, each with its fix.

    Nothing is printed and nothing is changed: steps are taken on copies, and only where model and
    data by themselves show no error, from which others would follow. The doctor is slow to accuse:
    that nothing is found is no proof that all is well.

    Parameters
    ----------
    model : Graph
        A model of one input, as it is before training.
    loss, data, optimizer, validation, batch_size, seed
        As they will be given to ``Trainer`` and ``fit``. Without an optimizer no steps are taken; a
        schedule is tried at its highest rate (of ``optimizer.state.total`` steps, if that is set).
    quick : bool
        Whether to look at the model and the data alone, in a fraction of a second.

    Raises
    ------
    ValueError, TypeError
        Where data and model do not fit, as ``fit`` does; labels beyond the outputs are a finding.

    Examples
    --------
    >>> import numpy as np, minidl as dl
    >>> model = dl.Sequential([dl.Dense(3), dl.Softmax()], input_shape=(2,))
    >>> x = np.random.default_rng(0).standard_normal((90, 2))
    >>> data = (x, [0, 1, 2] * 30)
    >>> for finding in dl.doctor(model, dl.SoftmaxCrossEntropy(), data, quick=True):
    ...     print(finding.where, finding.fix)
    softmax1 remove Softmax: SoftmaxCrossEntropy takes logits
    """
    case = Case(model, loss, data, optimizer, validation, batch_size, seed)
    with blas_threads(1):  # several only wait for each other on batches as small as these
        found = [finding for check in QUICK for finding in check(case)]
        if not any(finding.severity == "error" for finding in found):
            case.check_targets()
            if not quick:
                found += [finding for check in STEPS for finding in check(case)]
    return tuple(found)
