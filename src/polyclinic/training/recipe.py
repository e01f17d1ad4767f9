"""How a network is trained: the settings that every torch model carries."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """Settings of the one training loop.

    share: the part of the training rows that each epoch sees, drawn anew; patience: epochs without a better
    validation loss before the fit stops; warmup: share of the steps in which the rate rises;
    class_weights: "balanced" weighs rows of a binary target so that both answers count alike.
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
