"""The one training loop. What varies is the model's settings and its `draw`; what comes out is a `Fitted`."""

import copy
import inspect
import math
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol, Self, TypeAlias, TypeVar, runtime_checkable

import numpy as np

from polyclinic import dependencies, openmp, progress, seeds
from polyclinic.arrays import Array
from polyclinic.errors import BadData, UsageError
from polyclinic.models.model import Augmented, InParts, Model, Network, OwnLoop, Session
from polyclinic.models.training_settings import Training
from polyclinic.outcomes.outcome import Outcome, Prepared
from polyclinic.packages.fitted import Fitted, History
from polyclinic.samples import File, Ragged, Samples
from polyclinic.samples.columns import Index
from polyclinic.samples.samples import of_rows
from polyclinic.state import State

if TYPE_CHECKING:
    from torch import Tensor, nn

T = TypeVar("T")
Batch: TypeAlias = dict[str, Array]
"""Encoded rows, by the names that the model gave them, and `target`."""
WEIGHT = "weight of the row"
"""The key of a batch under which the weights of its rows stand, where they do not all count one."""
SOME = 4


@runtime_checkable
class TorchModel(Network, Protocol):
    """A network with the settings of its training."""

    @property
    def training(self) -> Training: ...


def fit(model: Model, train: Samples, validation: Samples, outcome: Outcome, session: Session) -> Fitted:
    """Fit a model: by its own loop where it brings one, by this one where it gives a network.

    train, validation: labelled rows; what the outcome learns from the first is what the model sees of it. Raises
    `BadData` where one of them is empty, `UsageError` where the model is neither of the two.
    """
    for name, rows in (("training", train), ("validation", validation)):
        if len(rows) == 0:
            raise BadData(f"no {name} rows are left", fix="use fewer folds or a larger share for that part")
    prepared = Prepared(outcome, outcome.prepare(train))
    return replace(_fit(model, train, validation, prepared, session), outcome_state=prepared.state)


def _fit(model: Model, train: Samples, validation: Samples, outcome: Prepared, session: Session) -> Fitted:
    if isinstance(model, OwnLoop):
        return model.fit(train, validation, outcome, session)
    if not isinstance(model, TorchModel):
        fix = "write `fit`, or `network` and a field `training: Training`, as the page 'your own model' shows"
        raise UsageError(f"{type(model).__name__} cannot be fitted: it has neither `fit` nor `network`", fix=fix)
    return fit_torch(model, train, validation, outcome, session)


@dataclass(frozen=True, eq=False)
class LabelledRows:
    """Rows and their targets, encoded batch by batch.

    in_memory: all of them encoded, where the budget of memory allows it.
    """

    model: TorchModel
    state: State
    rows: Samples
    outcome: Prepared
    in_memory: Batch | None = None

    def within(self, budget: int) -> Self:
        """The same with all rows encoded, where they take at most so many bytes; else each batch is encoded anew."""
        return replace(self, in_memory=self.encoded(np.arange(len(self.rows)))) if self.size() <= budget else self

    def size(self) -> int:
        """About how many bytes all rows take when they are encoded: estimated from a few of them, the longest included."""
        some = np.linspace(0, len(self.rows) - 1, SOME, dtype=int)
        ragged = of_rows(self.rows, Ragged).values()
        longest = [int(np.argmax(column.lengths)) for column in ragged if len(column)]
        if self.files:  # of one shape each: no file is read twice
            return len(self.rows) * max(_bytes(self.encoded(some[i : i + 1])) for i in range(len(some)))
        some = np.unique([*some, *longest])
        return len(self.rows) * _bytes(self.encoded(some)) // len(some)

    @property
    def files(self) -> bool:
        """Whether rows name files: pictures or waveforms."""
        return bool(of_rows(self.rows, File))

    def encoded(self, at: Index) -> Batch:
        """What the model makes of the rows at these positions, and their targets."""
        rows = self.rows.take(at)
        values = {**self.model.encode(rows.without_targets(), self.state), "target": self.outcome.target(rows)}
        return {**values, WEIGHT: rows.weights} if rows.having("weight") else values

    def batch(self, at: Index, rng: np.random.Generator | None) -> Batch:
        """The rows at these positions as the network reads them."""
        batch = self.encoded(at) if self.in_memory is None else {name: v[at] for name, v in self.in_memory.items()}
        return self.model.draw(batch, rng) if isinstance(self.model, Augmented) else batch

    def batches(self, order: Index, size: int, rng: np.random.Generator | None) -> Iterator[Batch]:
        """Batches in that order; the next one is made while the last is learned from."""
        chunks = [order[i : i + size] for i in range(0, len(order), size)]
        with ThreadPoolExecutor(max_workers=1) as worker:
            coming = worker.submit(self.batch, chunks[0], rng)
            for chunk in chunks[1:]:
                ready, coming = coming.result(), worker.submit(self.batch, chunk, rng)
                yield ready
            yield coming.result()


def _bytes(batch: Batch) -> int:
    """The size of encoded rows in memory; an object array holds one array a row."""
    arrays = (v for value in batch.values() for v in (value if value.dtype == object else [value]))
    return sum(np.asarray(v).nbytes for v in arrays)


def fit_torch(model: TorchModel, train: Samples, validation: Samples, outcome: Prepared, session: Session) -> Fitted:
    """Fit a torch model and export it to ONNX."""
    torch = dependencies.need("torch", extra="train", to="train a network")
    from polyclinic.training.export import to_onnx

    torch.set_num_threads(openmp.threads("torch", session.threads))
    torch.manual_seed(session.seed)
    state = model.prepare(train)
    fastest = "cuda" if torch.cuda.is_available() else "cpu"
    device = fastest if session.device == "auto" else session.device
    numbers = torch.float64 if model.training.precision == "double" else torch.float32
    net = model.network(state, outcome.head(train)).to(device, numbers)
    learn = LabelledRows(model, state, train, outcome).within(session.memory)
    left = session.memory - (0 if learn.in_memory is None else learn.size())
    watch = LabelledRows(model, state, validation, outcome).within(left)
    history = _epochs(net, learn, watch, model.training, seeds.generator(session.seed, "batches"))
    example = learn.batch(np.arange(min(2, len(train))).repeat(2)[:2], None)
    onnx = to_onnx(net.cpu().float().eval(), arguments(net, example), getattr(model, "dynamic", {}))
    parts = model.parts(onnx, state) if isinstance(model, InParts) else [onnx]
    return Fitted(model, state, parts, batch=getattr(model, "answers", 4096), history=history)


def _epochs(
    net: "nn.Module", learn: LabelledRows, watch: LabelledRows, training: Training, rng: np.random.Generator
) -> History:
    """Train until validation no longer gains; the network is left with its best weights."""
    drawn = max(1, round(training.share * len(learn.rows)))
    step = stepper(net, learn, training, training.epochs * math.ceil(drawn / training.batch))
    weights = net.state_dict()
    history: list[dict[str, float]] = []
    for epoch in progress.track(range(1, training.epochs + 1), text="epochs", total=training.epochs):
        net.train()
        order = rng.permutation(len(learn.rows))[:drawn]
        losses = [step(batch) for batch in learn.batches(order, training.batch, rng)]
        loss = validation_loss(net, watch, training)
        if not math.isfinite(loss):
            what = f"the validation loss is {loss} after epoch {epoch}, so nothing can be learned"
            fix = "lower `training.learning_rate`, or look for extreme inputs and missing targets"
            raise BadData(what, fix=fix)
        history.append({"epoch": epoch, "train": float(np.mean(losses)), "validation": loss})
        best = min(history, key=lambda h: h["validation"])["epoch"]
        if best == epoch:
            weights = copy.deepcopy(net.state_dict())
        elif epoch - best >= training.patience:
            break
    net.load_state_dict(weights)
    return history


def stepper(net: "nn.Module", learn: LabelledRows, training: Training, steps: int) -> Callable[[Batch], float]:
    """What learns from one batch and gives its loss; `steps` of it are to come."""
    import torch

    optimiser = torch.optim.AdamW(net.parameters(), lr=training.learning_rate, weight_decay=training.weight_decay)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, rate(training, steps))
    weigh = row_weights(learn, training)

    def step(batch: Batch) -> float:
        losses, tensors = losses_of(net, batch, learn.outcome)
        loss = (losses * weigh(tensors["target"]) * tensors.get(WEIGHT, 1.0)).mean()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), training.clip)
        optimiser.step()
        schedule.step()
        return float(loss.detach())

    return step


def validation_loss(net: "nn.Module", watch: LabelledRows, training: Training) -> float:
    """Mean loss a row over the validation rows, each with its weight; nothing random."""
    import torch

    net.eval()
    size = training.batch * (1 if watch.files else 8)
    with torch.inference_mode():
        total = 0.0
        for batch in watch.batches(np.arange(len(watch.rows)), size, None):
            losses, tensors = losses_of(net, batch, watch.outcome)
            total += float((losses * tensors.get(WEIGHT, 1.0)).sum())
        return total / float(watch.rows.weights.sum())


def losses_of(net: "nn.Module", batch: Batch, outcome: Prepared) -> tuple["Tensor", Mapping[str, "Tensor"]]:
    """The loss of each row of a batch, and the batch as tensors on the network's device."""
    import torch

    like = next(net.parameters())
    numbers = {name: v for name, v in batch.items() if getattr(v, "dtype", None) != np.dtype(object)}
    tensors = {name: torch.as_tensor(np.ascontiguousarray(v)).to(like.device) for name, v in numbers.items()}
    tensors = {name: v.to(like.dtype) if v.is_floating_point() else v for name, v in tensors.items()}
    return outcome.loss(net(**arguments(net, tensors)), tensors), tensors


def arguments(net: "nn.Module", batch: Mapping[str, T]) -> dict[str, T]:
    """The values that the network's forward takes, by name, in its order."""
    return {name: batch[name] for name in inspect.signature(net.forward).parameters if name in batch}


def rate(training: Training, steps: int) -> Callable[[int], float]:
    """The learning rate's factor at each step: warm-up, then constant or a cosine to zero."""
    warm = max(1, round(training.warmup * steps))

    def factor(step: int) -> float:
        rising = min(1.0, (step + 1) / warm)
        falling = 0.5 * (1 + math.cos(math.pi * min(1.0, step / steps))) if training.schedule == "cosine" else 1.0
        return rising * falling

    return factor


def row_weights(learn: LabelledRows, training: Training) -> Callable[["Tensor"], "Tensor | float"]:
    """Target → weight of its row: 1, or what makes all classes of the target count alike.

    Raises `UsageError` where the target has no classes.
    """
    if training.class_weights == "none":
        return lambda target: 1.0
    family = learn.outcome.family
    classes = 2 if family is None or family.distribution == "bernoulli" else family.channels
    if family is None or (family.distribution, family.channels) not in (("bernoulli", 1), ("categorical", classes)):
        what = f"`class_weights: balanced` needs one class a row; {learn.outcome.kind!r} has none"
        raise UsageError(what, fix="leave `training.class_weights` out")
    import torch

    target = np.asarray(learn.outcome.target(learn.rows), np.float64).ravel()
    counts = np.bincount(target[~np.isnan(target)].astype(np.int64), learn.rows.weights[~np.isnan(target)], classes)
    weights = torch.as_tensor(counts.sum() / (classes * np.maximum(counts, 1e-9)))

    def of_class(target: "Tensor") -> "Tensor":
        numbers = target.dtype if target.is_floating_point() else torch.float32
        return weights.to(target.device)[target.long()].to(numbers)

    return of_class
