"""The progress of a run in a terminal, a notebook or a log."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from minidl.training.events import Callback, EpochEnd, FitEnd, FitStart, StepEnd
from minidl.training.history import describe

if TYPE_CHECKING:
    from tqdm import tqdm


class ProgressBar(Callback):
    """A bar over the images of an epoch, with the loss and the metrics so far.

    Each epoch leaves one line standing. Where there is no terminal, only these lines are written.
    """

    def __init__(self) -> None:
        self._bar: tqdm[NoReturn] | None = None
        self._last = self._samples = self._done = 0

    def on_fit_start(self, event: FitStart) -> None:
        """Learn how much there will be."""
        self._samples, self._done = event.samples, event.done
        self._last = len(event.trainer.history) + event.epochs

    def on_step_end(self, event: StepEnd) -> None:
        """Move the bar."""
        bar = self._bar = self._bar or self._begin(event.epoch)
        if not bar.disable:
            numbers = [f"{name} {value:.4f}" for name, value in event.row.items()]
            bar.set_postfix_str(", ".join(numbers), refresh=False)
        bar.update(event.samples)

    def _begin(self, epoch: int) -> tqdm[NoReturn]:
        from tqdm import tqdm

        class Bar(tqdm):  # type: ignore[type-arg]
            disable = True  # so that one interrupted while it is made can still be closed
            monitor_interval = 0  # no thread of its own: workers may have to be forked

        return Bar(
            total=self._samples,
            initial=self._done,
            desc=f"epoch {epoch}/{self._last}",
            unit=" img",
            bar_format="{desc} {percentage:3.0f}%|{bar}| {elapsed}<{remaining} {rate_fmt}{postfix}",
            unit_scale=True,
            leave=False,
            disable=None,  # where there is no terminal
            dynamic_ncols=True,
        )

    def on_epoch_end(self, event: EpochEnd) -> None:
        """Replace the bar by a line."""
        self._close()
        print(describe(event.row), flush=True)

    def on_fit_end(self, event: FitEnd) -> None:
        """Leave a clean line behind, whatever happened."""
        self._close()

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar, self._done = None, 0
