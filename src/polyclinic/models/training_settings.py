"""How a network is trained: the settings that every torch model carries."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """Settings of the one training loop.

    share: the part of the training rows that each epoch sees, drawn anew; patience: epochs without a better
    validation loss before the fit stops; warmup: share of the steps in which the rate rises;
    class_weights: "balanced" weighs rows of a binary target so that both answers count alike.

    precision: the numbers that a fit reckons with; what it leaves answers in single precision. Another processor or
    another build of torch adds up in another order, which changes the last digit. In "single", the gradient of a weight
    that hardly matters is no more than such rounding errors, which Adam, dividing by their own size, makes whole steps
    of: after some dozen steps the fit is another one, as with another seed. In "double", which takes up to twice the
    time, rounding errors stay far below what Adam adds to the divisor, and the fit is the same again.
    """

    epochs: int = 8
    batch: int = 64
    learning_rate: float = 2e-3
    weight_decay: float = 1e-2
    patience: int = 2
    share: float = 1.0
    schedule: Literal["cosine", "constant"] = "cosine"
    warmup: float = 0.0
    clip: float = 1.0
    class_weights: Literal["none", "balanced"] = "none"
    precision: Literal["single", "double"] = "single"
