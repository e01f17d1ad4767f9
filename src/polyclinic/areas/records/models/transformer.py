"""A transformer over the newest events of a patient, each one token: what it was, its value, how long ago.

The token is that of STraTS (Tipirneni and Reddy 2022, arXiv:2107.14293) with a weight for each code instead of a
network for the value; the blocks are pre-norm (Xiong et al. 2020, arXiv:2002.04745), pooled by attention. A linear
way around reads what table models read, as in wide and deep learning (Cheng et al. 2016, arXiv:1606.07792). Left out:
pre-training by forecasting.
"""

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from polyclinic.arrays import Array
from polyclinic.cohorts.sorted_times import position
from polyclinic.errors import BadData, Place
from polyclinic.models import encoders
from polyclinic.models.training_settings import Training
from polyclinic.outcomes.raw import Head, Per
from polyclinic.samples import Ragged, Samples
from polyclinic.samples.columns import BLOCK
from polyclinic.samples.samples import of_rows
from polyclinic.state import State

if TYPE_CHECKING:
    from torch import nn

KNOTS = 65
MIDDLE = (
    (3.3871328727963666080, 133.14166789178437745, 1971.5909503065514427, 13731.693765509461125,
     45921.953931549871457, 67265.770927008700853, 33430.575583588128105, 2509.0809287301226727),
    (1.0, 42.313330701600911252, 687.18700749205790830, 5394.1960214247511077,
     21213.794301586595867, 39307.895800092710610, 28729.085735721942674, 5226.4952788528545610),
)  # fmt: skip
TAIL = (
    (1.42343711074968357734, 4.63033784615654529590, 5.76949722146069140550, 3.64784832476320460504,
     1.27045825245236838258, 2.41780725177450611770e-1, 2.27238449892691845833e-2, 7.74545014278341407640e-4),
    (1.0, 2.05319162663775882187, 1.67638483018380384940, 6.89767334985100004550e-1,
     1.48103976427480074590e-1, 1.51986665636164571966e-2, 5.47593808499534494600e-4, 1.05075007164441684324e-9),
)  # fmt: skip
"""Coefficients of AS 241, `normal_quantile`, from the constant up: numerator and denominator."""
MASKED = -1e4


@dataclass(frozen=True)
class Transformer:
    """Reads the newest `events` of each row's window, and beside them all that table models read (dense inputs,
    summaries of codes) by a linear way around.

    column: the timed sequence; hours, coverage: a code is read where so large a share of the training rows has it
    within so many hours, so that what is charted once a day does not crowd out the bedside; width, layers, heads:
    of the network; dropout: share of channels, the same for all tokens of a row; hidden: share of events that
    training hides anew in each epoch.
    """

    column: str = "events"
    events: int = 64
    hours: float = 8.0
    coverage: float = 0.5
    width: int = 64
    layers: int = 2
    heads: int = 2
    dropout: float = 0.2
    hidden: float = 0.15
    training: Training = field(default_factory=Training)
    serves: ClassVar[tuple[Per, ...]] = ("row",)

    def prepare(self, train: Samples) -> State:
        """Which codes count, and where each code's values lie: from the events of training rows alone.

        Raises `BadData` where the samples have no such sequence.
        """
        sequences = dict(encoders.sequences(train))
        if self.column not in sequences:
            what = f"the transformer reads events, and there is no timed sequence {self.column!r}"
            fix = f"name one of the sequences as `column`: {', '.join(sequences) or 'there is none'}"
            raise BadData(what, fix=fix)
        column = sequences[self.column]
        near = encoders.covered(column, train.time, self.coverage, self.hours)
        codes = sorted({*frequent(column, train.groups.get("subject"))} & {*near})
        learned = encoders.learn(train)
        middle, scale = encoders.spread(train, learned)
        arrays = {"knots": knots(column, codes), "middle": middle, "scale": scale}
        return State({"codes": codes, "matrix": learned}, arrays)

    def encode(self, rows: Samples, state: State) -> dict[str, Array]:
        """code int64, value and age float32 [row, event], newest last, code 0 where there is none; beside [row, …]."""
        column = of_rows(rows, Ragged)[self.column]
        tokens = encoders.of_codes(column, list(state.values["codes"]))
        tokens = replace(tokens, start=np.maximum(tokens.start, tokens.stop - self.events))
        scores = normal_scores(tokens.values["value"], tokens.values["code"], state.arrays["knots"])
        read = padded(tokens, scores, rows.time, self.events)
        beside = encoders.matrix(rows, state.values["matrix"])
        scaled = (beside - state.arrays["middle"]) / state.arrays["scale"]
        return {**read, "beside": np.clip(np.nan_to_num(scaled), -5, 5).astype(np.float32)}

    def draw(self, batch: dict[str, Array], rng: np.random.Generator | None) -> dict[str, Array]:
        """Hide a share of the events; nothing where `rng` is None."""
        if rng is None:
            return batch
        hidden = rng.random(batch["code"].shape) < self.hidden
        return {**batch, "code": np.where(hidden, 0, batch["code"])}

    def network(self, state: State, head: Head) -> "nn.Module":
        """Raises `BadData` where the outcome is not one answer a row."""
        if head.per != "row":
            fix = "take a model that is made for this outcome (`polyclinic list models`)"
            raise BadData(f"the transformer answers once a row; this outcome needs {head.per!r}", fix=fix)
        return network(self, len(state.values["codes"]), len(state.arrays["middle"]), head.channels)


def frequent(column: Ragged, subjects: Array | None) -> list[str]:
    """The codes that `min_subjects` subjects have (of the column's spec; in all of them where there are fewer)."""
    who = np.arange(len(column)) if subjects is None else np.unique(subjects, return_inverse=True)[1]
    occurs = np.zeros((who.max(initial=-1) + 1, len(column.levels["code"])), bool)
    for some in column.blocks(BLOCK, len(column)):
        part, _ = encoders.rows_of(column, None, some)
        row, position = part.elements()
        occurs[who[some][row], part.values["code"][position]] = True
    enough = max(1, min(int(column.spec.get("min_subjects", 5)), len(occurs)))
    return sorted(c for c, n in zip(column.levels["code"], occurs.sum(axis=0), strict=True) if n >= enough)


def knots(column: Ragged, codes: list[str]) -> Array:
    """Evenly spaced quantiles of each code's values, each event counted once: float32 [code, knot]; 0 without values."""
    events = encoders.of_codes(column, codes)
    size = len(events.values["code"])
    edges = np.bincount(events.start, minlength=size + 1) - np.bincount(events.stop, minlength=size + 1)
    used = (np.cumsum(edges)[:size] > 0) & ~np.isnan(events.values["value"])
    code, value = events.values["code"][used], events.values["value"][used]
    value = value[np.lexsort((value, code))]
    count = np.bincount(code, minlength=len(codes))
    first = np.cumsum(count) - count
    at = first[:, None] + np.rint(np.linspace(0, 1, KNOTS) * np.maximum(count - 1, 0)[:, None]).astype(int)
    values = np.append(value, 0.0)[np.minimum(at, len(value))]
    return np.where(count[:, None] > 0, values, 0.0).astype(np.float32)


def normal_scores(value: Array, code: Array, knots: Array) -> Array:
    """Value → the standard normal value at its quantile among its code's training values; 0 for NaN: float32.

    Within ± 2.4; values that are often the same lie at the middle of their quantiles.
    """
    known = np.nan_to_num(value.astype(np.float32))
    every, first = knots.ravel(), code * KNOTS
    below, above = (position(every, first, first + KNOTS, known, after=after) - first for after in (False, True))
    low, high = (every[first + np.clip(at, 0, KNOTS - 1)].astype(float) for at in (below - 1, below))
    step = np.divide(known - low, high - low, out=np.zeros(len(known)), where=high > low)
    quantile = np.where(above > below, (below + above - 1) / 2, below - 1 + step) / (KNOTS - 1)
    scores = normal_quantile(np.clip(quantile, 0.5 / KNOTS, 1 - 0.5 / KNOTS))
    flat = (knots[:, 0] == knots[:, -1])[code]
    return np.where(np.isnan(value) | flat, 0.0, scores).astype(np.float32)


def normal_quantile(p: Array) -> Array:
    """The value below which a standard normal variable lies with probability `p`, for p from 1e-10 to 1 − 1e-10.

    Exact to 1e-15 (relative); SciPy has the same, and takes longer to import than a package to answer.

    References
    ----------
    Wichura 1988, Algorithm AS 241 (PPND16), doi:10.2307/2347330.
    """
    q = np.asarray(p, np.float64) - 0.5
    r = np.sqrt(-np.log(np.minimum(p, 1 - np.asarray(p)))) - 1.6
    near = q * _ratio(0.180625 - q * q, *MIDDLE)
    return np.where(np.abs(q) <= 0.425, near, np.sign(q) * _ratio(r, *TAIL))


def _ratio(x: Array, over: tuple[float, ...], under: tuple[float, ...]) -> Array:
    return np.polynomial.polynomial.polyval(x, over) / np.polynomial.polynomial.polyval(x, under)


def padded(tokens: Ragged, scores: Array, index_times: Array | None, length: int) -> dict[str, Array]:
    """Code, score of the value, and age of the events of each row, 0 before the first: [row, length] each.

    Raises `BadData` where a value is infinite.
    """
    row, position = tokens.elements()
    code, infinite = tokens.values["code"][position], np.isinf(tokens.values["value"][position])
    if infinite.any():
        what = f"an event {tokens.levels['code'][code[infinite][0]]!r} has an infinite value"
        raise BadData(what, at=Place(row=int(row[infinite][0])), fix=encoders.FINITE)
    place = position - tokens.stop[row] + length
    hours = np.maximum(encoders.hours_before(tokens, index_times), 0)
    age = np.log1p(hours).astype(np.float32)
    fields = {"code": code.astype(np.int64) + 1, "value": scores[position], "age": age}
    padded = {name: np.zeros((len(tokens), length), v.dtype) for name, v in fields.items()}
    for name, v in fields.items():
        padded[name][row, place] = v
    return padded


def block(model: Transformer) -> "nn.Module":
    """One layer. forward(tokens [row, event, width], mask [row, event]) -> tokens."""
    from torch import Tensor, nn

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            width = model.width
            self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
            self.qkv, self.out_proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
            self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

        def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
            tokens = tokens + self.drop_channels(self.attention(self.norm1(tokens), mask))
            return tokens + self.drop_channels(self.mlp(self.norm2(tokens)))

        def attention(self, tokens: Tensor, mask: Tensor) -> Tensor:
            heads = self.qkv(tokens).unflatten(-1, (3, model.heads, model.width // model.heads))
            query, key, value = heads.permute(2, 0, 3, 1, 4).unbind(0)
            attend = nn.functional.scaled_dot_product_attention
            attended = attend(query, key, value, attn_mask=mask[:, None, None])
            return self.out_proj(attended.transpose(1, 2).flatten(2))

        def drop_channels(self, tokens: Tensor) -> Tensor:
            """One mask for all tokens of a row: as good as one each, and a fifth of a step cheaper."""
            if not self.training:
                return tokens
            ones = tokens.new_ones(len(tokens), 1, tokens.shape[-1])
            return tokens * nn.functional.dropout(ones, model.dropout)

    return Block()


def network(model: Transformer, codes: int, beside: int, channels: int) -> "nn.Module":
    """The module. forward(code, value, age [row, event], beside [row, number]) -> raw [row, channel]."""
    from torch import Tensor, nn

    class EventTransformer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.code_embedding, self.value_embedding = (nn.Embedding(codes + 1, model.width) for _ in range(2))
            self.age_mlp = nn.Sequential(nn.Linear(1, 16), nn.GELU(), nn.Linear(16, model.width))
            self.blocks = nn.ModuleList(block(model) for _ in range(model.layers))
            self.norm, self.pool = nn.LayerNorm(model.width), nn.Linear(model.width, 1)
            self.head, self.wide = nn.Linear(model.width, channels), nn.Linear(beside, channels)

        def forward(self, code: Tensor, value: Tensor, age: Tensor, beside: Tensor) -> Tensor:
            mask = (code == 0).to(value.dtype) * MASKED
            tokens = self.code_embedding(code) + self.value_embedding(code) * value[..., None]
            tokens = tokens + self.age_mlp(age[..., None])
            for layer in self.blocks:
                tokens = layer(tokens, mask)
            tokens = self.norm(tokens)
            weight = (self.pool(tokens)[..., 0] + mask).softmax(-1)
            pooled = (weight[..., None] * tokens).sum(dim=1)
            return self.head(pooled) + self.wide(beside)

    return EventTransformer()
