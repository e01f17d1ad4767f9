"""One seed a study; every use derives its own from it by name, so that order of work changes nothing."""

import hashlib

import numpy as np


def derive(seed: int, *names: object) -> int:
    """A seed below 2³¹ for one named use."""
    text = "/".join(map(str, (seed, *names)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") >> 1


def generator(seed: int, *names: object) -> np.random.Generator:
    """A NumPy generator for one named use."""
    return np.random.default_rng(derive(seed, *names))
