"""What arrays hold. Their shapes stand in docstrings, in square brackets: `float32 [row, channel]`."""

from typing import Any, TypeAlias

import numpy.typing as npt

Array: TypeAlias = npt.NDArray[Any]
"""An array of any kind of element: where the kind matters, the signature or the docstring names it."""
