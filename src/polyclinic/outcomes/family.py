"""Families: the few shapes that answers of a row have for models of a matrix."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

Distribution: TypeAlias = Literal["bernoulli", "gaussian", "categorical", "counts", "hazards", "quantiles"]


@dataclass(frozen=True, slots=True)
class Family:
    """How the target of a row is distributed, as far as a model of a matrix must know.

    A model that serves a family serves every outcome of it: it learns `channels` numbers a row on the scale that the
    outcome's head names, and the outcome's link does the rest.

    Attributes
    ----------
    distribution
        `bernoulli`: each channel yes or no by itself, raw log odds; `hazards`: the same, one channel a time bin and
        cause, missing where a row is no longer at risk; `categorical`: one of the channels, raw log scores;
        `gaussian`: a number a channel, raw the number itself, standardised; `counts`: raw the log of the mean;
        `quantiles`: one number, of which each channel gives a quantile (`levels`), standardised.
    channels
        Numbers a row.
    levels
        Of `quantiles`: the level of each channel, from 0 to 1; None is the mean.
    """

    distribution: Distribution
    channels: int = 1
    levels: tuple[float | None, ...] = ()
