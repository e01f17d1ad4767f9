"""From log odds to probabilities."""

import numpy as np
import numpy.typing as npt


def expit(x: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """The logistic function, exact in both tails; SciPy's takes longer to import than a package needs to answer.

    >>> expit([0.0, 800.0]).tolist()
    [0.5, 1.0]
    """
    return np.asarray(np.exp(-np.logaddexp(0, -np.asarray(x, np.float64))))
