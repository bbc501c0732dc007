"""Interrupt: Ctrl-C ends a run after the step, so that it can be resumed."""

from __future__ import annotations

import signal
import threading
from types import FrameType

from minidl.training.events import Callback, EpochEnd, FitEnd, FitStart, StepEnd, Stop


class Interrupt(Callback):
    """Ends the run after the step in which Ctrl-C is pressed; pressed again, at once.

    The trainer adds one to its callbacks. It does nothing outside the main thread, where Python
    allows no signal handlers, nor where the program has a handler of its own or ignores Ctrl-C.
    """

    def __init__(self) -> None:
        self._asked = self._told = self._listens = False

    def on_fit_start(self, event: FitStart) -> Stop | None:
        """Listen."""
        main = threading.current_thread() is threading.main_thread()
        if main and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._hear)
            self._listens = True
        return None

    def _hear(self, number: int, frame: FrameType | None) -> None:
        if self._asked:
            raise KeyboardInterrupt
        self._asked = True

    def on_step_end(self, event: StepEnd) -> Stop | None:
        """End the run where it was asked for."""
        return self._answer()

    def on_epoch_end(self, event: EpochEnd) -> Stop | None:
        """End the run where it was asked for since the last step."""
        return self._answer()

    def _answer(self) -> Stop | None:
        self._told = self._told or self._asked
        return Stop("interrupted", resumable=True) if self._asked else None

    def on_fit_end(self, event: FitEnd) -> None:
        """Listen no more; what came too late to end the run is for the program."""
        if self._listens:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            self._listens = False
            if self._asked and not self._told:
                signal.raise_signal(signal.SIGINT)
