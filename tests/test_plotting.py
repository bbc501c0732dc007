"""Pictures: what is drawn from a history, and what is said where nothing can be."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

import minidl as dl
from minidl import plotting

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ROWS = [
    {"epoch": 1, "loss": 2.0, "accuracy": 0.5, "val_loss": 1.0, "val_accuracy": 0.75, "lr": 0.1},
    {"epoch": 2, "loss": 0.5, "accuracy": 0.9, "val_loss": 0.6, "val_accuracy": 0.8, "lr": 0.1},
    {"epoch": 3, "loss": 0.25, "accuracy": 1.0, "val_loss": 0.7, "val_accuracy": 0.85, "lr": 0.1},
]


def drawn(figure: Figure) -> dict[str, dict[str, list[tuple[float, float]]]]:
    """Return the points of a figure: axes by title, lines by label."""
    return {
        axes.get_title(): {
            str(line.get_label()): [(float(x), float(y)) for x, y in np.asarray(line.get_xydata())]
            for line in axes.get_lines()
        }
        for axes in figure.axes
    }


@pytest.fixture
def matplotlib_installed() -> None:
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")


@pytest.mark.usefixtures("matplotlib_installed")
def test_curves_show_training_and_validation() -> None:
    assert drawn(plotting.curves(dl.History(ROWS))) == {
        "loss": {
            "training": [(1, 2.0), (2, 0.5), (3, 0.25)],
            "validation": [(1, 1.0), (2, 0.6), (3, 0.7)],
        },
        "accuracy": {
            "training": [(1, 0.5), (2, 0.9), (3, 1.0)],
            "validation": [(1, 0.75), (2, 0.8), (3, 0.85)],
        },
    }


@pytest.mark.usefixtures("matplotlib_installed")
def test_curves_of_one_epoch_without_validation() -> None:
    figure = plotting.curves(dl.History([{"epoch": 1, "loss": 2.0, "seconds": 1.0}]))
    assert drawn(figure) == {"loss": {"training": [(1, 2.0)]}}
    line = figure.axes[0].get_lines()[0]
    assert line.get_marker() != "None"  # or one point would not be seen
    low, high = figure.axes[0].get_xlim()
    assert [tick for tick in figure.axes[0].get_xticks() if low <= tick <= high] == [1]


@pytest.mark.usefixtures("matplotlib_installed")
def test_validation_may_begin_late() -> None:
    rows = [{"epoch": 1, "loss": 2.0}, {"epoch": 2, "loss": 1.0, "val_loss": 1.5}]
    assert drawn(plotting.curves(dl.History(rows)))["loss"]["validation"] == [(2, 1.5)]


@pytest.mark.usefixtures("matplotlib_installed")
@pytest.mark.parametrize(("metrics", "size"), [(0, (800, 400)), (1, (800, 400)), (2, (800, 800))])
def test_the_picture_has_a_known_size(tmp_path: Path, metrics: int, size: tuple[int, int]) -> None:
    row = {"epoch": 1.0, "loss": 2.0, **{f"metric{number}": 0.5 for number in range(metrics)}}
    plotting.curves(dl.History([row])).savefig(tmp_path / "curves.png")
    header = (tmp_path / "curves.png").read_bytes()[:24]
    assert header[:8] == b"\x89PNG\r\n\x1a\n"
    assert (int.from_bytes(header[16:20], "big"), int.from_bytes(header[20:24], "big")) == size


@pytest.mark.usefixtures("matplotlib_installed")
def test_axes_are_labelled() -> None:
    for axes in plotting.curves(dl.History(ROWS)).axes:
        assert axes.get_xlabel() == "epoch"
        legend = axes.get_legend()
        assert legend is not None
        assert [text.get_text() for text in legend.get_texts()] == ["training", "validation"]


@pytest.mark.usefixtures("matplotlib_installed")
def test_pyplot_is_left_alone() -> None:
    code = (
        "import sys, minidl as dl\n"
        "from minidl.plotting import curves\n"
        "assert 'matplotlib' not in sys.modules\n"
        "curves(dl.History([{'epoch': 1, 'loss': 2.0}]))\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    path = str(Path(dl.__file__).parents[1])
    subprocess.run([sys.executable, "-c", code], check=True, cwd=path)


def test_an_empty_history_is_refused() -> None:
    with pytest.raises(ValueError, match="nothing to draw: the history has no epochs"):
        plotting.curves(dl.History())


def test_what_is_said_without_matplotlib(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r"needs matplotlib: pip install 'minidl\[plot\]'"):
        plotting.curves(dl.History(ROWS))
