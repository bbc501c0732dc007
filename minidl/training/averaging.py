"""WeightAverage: an average of the weights along the run, which often does better than the last."""

from __future__ import annotations

from typing import Any

from minidl.checks import flag, share
from minidl.training.events import (
    Callback,
    FitEnd,
    FitStart,
    StepEnd,
    Stop,
    ValidationEnd,
    ValidationStart,
)
from minidl.types import Array


class WeightAverage(Callback):
    """Keeps an exponential moving average of every array of the model, buffers too.

    After each step ``average = average + (1 - decay) · (array - average)``; the first step's arrays
    are copied (Polyak and Juditsky 1992, in the exponential form; PyTorch's ``AveragedModel`` with
    ``get_ema_multi_avg_fn`` and ``use_buffers=True``). Training itself is the same with it and
    without. The validation measures the averages, and when ``fit`` ends, however it does, the model
    holds them, as with Keras's ``SwapEMAWeights``. Each ``fit`` averages anew.

    Parameters
    ----------
    decay : float
        How much of the average stays in a step, at least 0 and below 1.
    warm_up : bool
        Whether update ``t``, counted from 0, keeps no more than ``(1 + t) / (10 + t)``, so that a
        short run forgets its first weights (TensorFlow's ``num_updates``).

    Attributes
    ----------
    arrays : dict of str to array
        The averages by path; empty before the first step.

    Examples
    --------
    >>> import numpy as np, minidl as dl
    >>> x = np.linspace(-1, 1, 64, dtype="float32")[:, None]
    >>> model = dl.Sequential([dl.Dense(1)], input_shape=(1,))
    >>> average = WeightAverage(0.9)
    >>> trainer = dl.Trainer(model, dl.MeanSquaredError(), dl.SGD(0.5), callbacks=[average])
    >>> history = trainer.fit((x, 3 * x + 1), epochs=20, progress=False)
    >>> bool((model.arrays["dense1.weight"] == average.arrays["dense1.weight"]).all())
    True
    """

    def __init__(self, decay: float = 0.999, *, warm_up: bool = False) -> None:
        self.decay, self.warm_up = share("decay", decay), flag("warm_up", warm_up)
        self.arrays: dict[str, Array] = {}
        self._updates = 0
        self._running = False
        self._raw: dict[str, Array] = {}

    def on_fit_start(self, event: FitStart) -> Stop | None:
        """Begin anew."""
        self.arrays, self._updates, self._running = {}, 0, True
        return None

    def on_step_end(self, event: StepEnd) -> Stop | None:
        """Move the averages."""
        model = event.trainer.model
        if not self._updates:
            self.arrays = model.arrays.copies()
        else:
            gain = 1 - self._decay()
            for path, average in self.arrays.items():
                average += gain * (model.arrays[path] - average)
        self._updates += 1
        return None

    def _decay(self) -> float:
        risen = (1 + self._updates) / (10 + self._updates)
        return min(self.decay, risen) if self.warm_up else self.decay

    def on_validation_start(self, event: ValidationStart) -> None:
        """Put the averages into the model, and the weights aside."""
        self._raw = event.trainer.model.arrays.copies()
        event.trainer.model.arrays.fill(self.arrays)

    def on_validation_end(self, event: ValidationEnd) -> None:
        """Put the weights back."""
        event.trainer.model.arrays.fill(self._raw)
        self._raw = {}

    def on_fit_end(self, event: FitEnd) -> None:
        """Put the averages into the model; nothing where ``fit`` did not begin."""
        if self._running:
            event.trainer.model.arrays.fill(self.arrays)
        self._running = False

    def state(self) -> dict[str, Any]:
        """Return the averages and the number of updates."""
        return {"arrays": self.arrays, "updates": self._updates}

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on averaging."""
        self.arrays, self._updates = state["arrays"], state["updates"]
