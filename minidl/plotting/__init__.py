"""Pictures of what training did, what a model sees, and what it costs.

Every function returns a ``matplotlib.figure.Figure`` and never shows or saves it:
``figure.savefig("curves.png")`` writes it, a notebook shows it. The ground is white, and the
colours can be told apart by colour-blind readers. matplotlib is imported when a function is
called; ``pyplot``, with its global figures and its windows, is left alone. Where matplotlib is not
installed, every function raises ``ImportError``.
"""

from __future__ import annotations

from minidl.plotting.arrays import arrays
from minidl.plotting.attributions import saliency
from minidl.plotting.confusion import confusion
from minidl.plotting.curves import curves
from minidl.plotting.features import features
from minidl.plotting.filters import filters
from minidl.plotting.finder import finder
from minidl.plotting.gradients import gradients
from minidl.plotting.mistakes import mistakes
from minidl.plotting.ratios import ratios

__all__ = [
    "arrays",
    "confusion",
    "curves",
    "features",
    "filters",
    "finder",
    "gradients",
    "mistakes",
    "ratios",
    "saliency",
]
