"""What a trained model looks at: numbers first, for ``plotting`` and for anybody else.

All of these run the model in evaluation and leave it as it is.
"""

from __future__ import annotations

from minidl.explain.attribution import grad_cam, saliency
from minidl.explain.gradients import gradient_norms
from minidl.explain.mistakes import hardest
from minidl.explain.nodes import convolutions, nodes
from minidl.explain.trace import activations

__all__ = [
    "activations",
    "convolutions",
    "grad_cam",
    "gradient_norms",
    "hardest",
    "nodes",
    "saliency",
]
