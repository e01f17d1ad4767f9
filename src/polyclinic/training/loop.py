"""The one training loop. What varies is the model's settings and its `draw`; what comes out is a `Fitted`."""

from __future__ import annotations

import copy
import inspect
import math
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from polyclinic import dependencies, progress, seeds
from polyclinic.errors import BadData
from polyclinic.models.model import Session
from polyclinic.outcomes.outcome import Outcome
from polyclinic.packages.fitted import Fitted
from polyclinic.packages.state import State
from polyclinic.samples import File, Samples
from polyclinic.samples.samples import of_rows
from polyclinic.training.recipe import Training

Batch = dict[str, Any]
HELD = 1 << 30
SOME = 4


def fit(model: Any, train: Samples, validation: Samples, outcome: Outcome, session: Session) -> Fitted:
    """Fit a model: by its own loop where it brings one, by this one where it gives a network.

    train, validation: labelled rows. Raises `BadData` where one of them is empty.
    """
    for name, rows in (("training", train), ("validation", validation)):
        if len(rows) == 0:
            raise BadData(f"no {name} rows are left", fix="use fewer folds or a larger share for that part")
    if hasattr(model, "fit"):
        return model.fit(train, validation, outcome, session)  # type: ignore[no-any-return]
    return fit_network(model, train, validation, outcome, session)


@dataclass(frozen=True, eq=False)
class Source:
    """Encoded rows and their targets, handed out by position; files too large to hold are read at each use."""

    model: Any
    state: State
    rows: Samples
    outcome: Outcome
    held: Mapping[str, Any] | None

    @classmethod
    def of(cls, model: Any, state: State, rows: Samples, outcome: Outcome) -> Source:
        """Hold everything encoded, unless the rows are files that would take more than `HELD` bytes."""
        whole = cls(model, state, rows, outcome, None)
        some = np.linspace(0, len(rows) - 1, SOME, dtype=int) if of_rows(rows, File) else []
        large = len(rows) * max((_bytes(whole.encoded(rows.take([at]))) for at in some), default=0) > HELD
        return whole if large else replace(whole, held=whole.encoded(rows))

    def batch(self, at: Any, rng: np.random.Generator | None) -> Batch:
        """The rows at these positions as the network will see them."""
        if self.held is None:
            batch = self.encoded(self.rows.take(at))
        else:
            batch = {name: values[at] for name, values in self.held.items()}
        return self.model.draw(batch, rng) if hasattr(self.model, "draw") else batch

    def encoded(self, rows: Samples) -> Batch:
        """What the model makes of rows, and their targets."""
        seen = self.model.encode(rows.without_targets(), self.state)
        return {**seen, "target": self.outcome.target(rows)}

    def batches(self, order: Any, size: int, rng: np.random.Generator | None) -> Iterator[Batch]:
        """Batches in that order; the next one is made while the last is learned from."""
        chunks = [order[i : i + size] for i in range(0, len(order), size)]
        with ThreadPoolExecutor(max_workers=1) as worker:
            coming = worker.submit(self.batch, chunks[0], rng)
            for chunk in chunks[1:]:
                ready, coming = coming.result(), worker.submit(self.batch, chunk, rng)
                yield ready
            yield coming.result()


def _bytes(encoded: Batch) -> int:
    """What one row's arrays take."""
    return sum(v[0].nbytes for v in encoded.values())


def fit_network(
    model: Any, train: Samples, validation: Samples, outcome: Outcome, session: Session
) -> Fitted:
    """Fit a torch model and export it to ONNX."""
    torch = dependencies.need("torch", extra="train", to="train a network")
    from polyclinic.training.export import to_onnx

    torch.set_num_threads(session.threads)
    torch.manual_seed(session.seed)
    state = model.prepare(train)
    net = model.network(state, outcome.head(train)).to(_device(torch, session.device))
    learn = Source.of(model, state, train, outcome)
    watch = Source.of(model, state, validation, outcome)
    history, best = _epochs(torch, net, learn, watch, model.training, outcome, session)
    net.load_state_dict(best)
    example = learn.batch(np.arange(min(2, len(train))).repeat(2)[:2], None)
    onnx = to_onnx(net.cpu().eval(), arguments(net, example), getattr(model, "dynamic", {}))
    parts = model.parts(onnx, state) if hasattr(model, "parts") else [onnx]
    return Fitted(model, state, parts, batch=getattr(model, "answers", 4096), history=history)


def _epochs(
    torch: Any, net: Any, learn: Source, watch: Source, how: Training, outcome: Outcome, session: Session
) -> tuple[list[dict[str, float]], Any]:
    rng = seeds.generator(session.seed, "batches")
    drawn = max(1, round(how.share * len(learn.rows)))
    steps = how.epochs * math.ceil(drawn / how.batch)
    optimiser = torch.optim.AdamW(net.parameters(), lr=how.learning_rate, weight_decay=how.weight_decay)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, rate(how, steps))
    weigh = row_weights(learn, how)
    history: list[dict[str, float]] = []
    best, weights = math.inf, copy.deepcopy(net.state_dict())
    for epoch in progress.track(range(how.epochs), text="epochs", total=how.epochs):
        order = rng.permutation(len(learn.rows))[:drawn]
        losses = [
            _step(torch, net, batch, optimiser, schedule, how, outcome, weigh)
            for batch in learn.batches(order, how.batch, rng)
        ]
        loss = validation_loss(torch, net, watch, how, outcome)
        if not math.isfinite(loss):
            raise BadData(
                f"the validation loss is {loss} after epoch {epoch + 1}, so nothing can be learned",
                fix="lower `training.learning_rate`; if it still fails, look for extreme inputs or missing targets",
            )
        history.append({"epoch": epoch + 1, "train": float(np.mean(losses)), "validation": loss})
        if loss < best:
            best, weights = loss, copy.deepcopy(net.state_dict())
        elif epoch - int(np.argmin([h["validation"] for h in history])) >= how.patience:
            break
    return history, weights


def _step(
    torch: Any,
    net: Any,
    batch: Batch,
    optimiser: Any,
    schedule: Any,
    how: Training,
    outcome: Outcome,
    weigh: Any,
) -> float:
    net.train()
    tensors = to_tensors(torch, net, batch)
    loss = (outcome.loss(forward(net, tensors), tensors) * weigh(tensors["target"])).mean()
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(net.parameters(), how.clip)
    optimiser.step()
    schedule.step()
    return float(loss.detach())


def validation_loss(torch: Any, net: Any, watch: Source, how: Training, outcome: Outcome) -> float:
    """Mean loss a row over the validation rows, nothing random."""
    net.eval()
    total, order = 0.0, np.arange(len(watch.rows))
    with torch.inference_mode():
        for batch in watch.batches(order, how.batch * (1 if of_rows(watch.rows, File) else 8), None):
            tensors = to_tensors(torch, net, batch)
            total += float(outcome.loss(forward(net, tensors), tensors).sum())
    return total / len(watch.rows)


def rate(how: Training, steps: int) -> Callable[[int], float]:
    """The learning rate's factor at each step: warm-up, then constant or a cosine to zero."""
    warm = max(1, round(how.warmup * steps))

    def factor(step: int) -> float:
        rising = min(1.0, (step + 1) / warm)
        falling = 0.5 * (1 + math.cos(math.pi * min(1.0, step / steps))) if how.schedule == "cosine" else 1.0
        return rising * falling

    return factor


def row_weights(learn: Source, how: Training) -> Callable[[Any], Any]:
    """Target → weight of its row: 1, or what makes both answers of a binary target count alike."""
    if how.class_weights == "none":
        return lambda target: 1.0
    share = float(np.clip(np.mean(np.asarray(learn.outcome.target(learn.rows), float)), 1e-6, 1 - 1e-6))
    return lambda target: target * (0.5 / share) + (1 - target) * (0.5 / (1 - share))


def arguments(net: Any, batch: Batch) -> Batch:
    """The values that the network's forward takes, by name, in its order."""
    return {name: batch[name] for name in inspect.signature(net.forward).parameters if name in batch}


def forward(net: Any, tensors: Batch) -> Any:
    """Raw answers of a batch."""
    return net(**arguments(net, tensors))


def to_tensors(torch: Any, net: Any, batch: Batch) -> Batch:
    """Arrays → tensors on the network's device."""
    device = next(net.parameters()).device
    return {
        name: torch.as_tensor(np.ascontiguousarray(v)).to(device)
        for name, v in batch.items()
        if getattr(v, "dtype", None) != np.dtype(object)
    }


def _device(torch: Any, wanted: str) -> Any:
    if wanted != "auto":
        return torch.device(wanted)
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
