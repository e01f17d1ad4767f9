"""Arrays by the kind of their elements. Shapes stand in docstrings, in square brackets: `float32 [row, channel]`."""

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[Any]
"""An array of any kind of element; where the kind matters, the docstring names it."""
Floats: TypeAlias = npt.NDArray[np.float64]
Floats32: TypeAlias = npt.NDArray[np.float32]
Ints: TypeAlias = npt.NDArray[np.int64]
"""Counts, positions, or instants in microseconds since 1970."""
Mask: TypeAlias = npt.NDArray[np.bool_]
