"""How large the gradients of a batch are, parameter by parameter."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import numpy as np

from minidl.graph import Graph
from minidl.losses import Loss


def gradient_norms(model: Graph, x: Any, y: Any, loss: Loss, *, seed: int = 0) -> dict[str, float]:
    """Return the length ``sqrt(sum g²)`` of each trained parameter's gradient, by path.

    The gradients are those of one training step, dropout and all; the model is left as it is, its
    running averages too.

    Parameters
    ----------
    model, x, y, loss, seed
        As for ``Graph.gradients``.

    Examples
    --------
    >>> import minidl as dl
    >>> model = dl.models.mlp()
    >>> norms = gradient_norms(model, np.ones((2, 28, 28, 1)), [3, 1], dl.SoftmaxCrossEntropy())
    >>> list(norms)
    ['dense1.weight', 'dense1.bias', 'dense2.weight', 'dense2.bias']
    """
    twin = deepcopy(model)  # because a training step moves running averages
    grads = twin.gradients(x, y, loss, seed=seed)[2]
    return {path: float(np.linalg.norm(grad.astype(np.float64))) for path, grad in grads.items()}
