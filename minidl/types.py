"""The few type aliases that every file shares."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]
"""Any NumPy array; shapes are given in docstrings."""

Shape: TypeAlias = tuple[int, ...]
"""A shape; that of one sample where it describes a module's input or output."""

Arrays: TypeAlias = Mapping[str, Array]
"""Arrays by name: parameters, buffers, gradients."""

Gradients: TypeAlias = tuple[tuple[Array | None, ...], dict[str, Array]]
Pullback: TypeAlias = Callable[[Array], Gradients]
"""Takes ``dy`` to ``(dxs, dparams)``: the gradients of the inputs and of the parameters."""
