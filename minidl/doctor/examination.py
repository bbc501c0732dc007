"""The examination: the checks in turn, as long as what was found lets them go on."""

from __future__ import annotations

from minidl.data import Data
from minidl.doctor.finding import Finding
from minidl.graph import Graph
from minidl.losses import Loss
from minidl.optim import Optimizer


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
    from minidl.doctor.case import Case  # here, so that importing minidl is quick
    from minidl.doctor.checks import QUICK, STEPS
    from minidl.engine.threads import blas_threads

    case = Case(model, loss, data, optimizer, validation, batch_size, seed)
    with blas_threads(1):  # several only wait for each other on batches as small as these
        found = [finding for check in QUICK for finding in check(case)]
        if not any(finding.severity == "error" for finding in found):
            case.check_targets()
            if not quick:
                found += [finding for check in STEPS for finding in check(case)]
    return tuple(found)
