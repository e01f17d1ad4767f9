"""Training: how the loss fell in each fit, and how long fits took."""

from itertools import groupby
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from polyclinic.figures.curves import Curve, curves
from polyclinic.figures.numbers import count, number
from polyclinic.figures.svg import ACCENT, MUTED
from polyclinic.reports.document import ReportDocument
from polyclinic.reports.page_section import PageSection, SectionType
from polyclinic.reports.quantities import Name, Number, Record
from polyclinic.reports.section import Section


class Epoch(Record):
    """The losses of one epoch; a training loop may add numbers of its own."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, float | int | Name | None] = Field(init=False)

    epoch: Number | None = None
    train: Number | None = None
    validation: Number | None = None


class Fit(Record):
    """One fit of one model on one fold.

    Attributes
    ----------
    best
        The epoch whose weights were kept; None where there are no epochs.
    seconds
        How long it took when it was made.
    """

    model: Name
    fold: Name
    seconds: Number | None = None
    best: Number | None = None
    curve: Annotated[list[Epoch], Field(max_length=10_000)] = Field(default_factory=list)

    def losses(self, part: Literal["train", "validation"]) -> dict[float, float]:
        """Epoch → loss on a part."""
        pairs = ((e.epoch, e.train if part == "train" else e.validation) for e in self.curve)
        return {epoch: loss for epoch, loss in pairs if epoch is not None and loss is not None}

    @property
    def can_be_drawn(self) -> bool:
        """Whether there is a curve of more than one epoch."""
        return max(len(self.losses("train")), len(self.losses("validation"))) > 1


class TrainingCurves(Section):
    """Every fit of the study."""

    kind: Literal["training"] = "training"
    fits: Annotated[list[Fit], Field(max_length=2_000)]


def show(section: TrainingCurves, report: ReportDocument, page: PageSection) -> None:  # noqa: ARG001
    """A figure for each model that has epochs, and a table of all fits."""
    rows: list[list[object]] = []
    for model, of_model in groupby(sorted(section.fits, key=lambda fit: fit.model), lambda fit: fit.model):
        fits = [*of_model]
        if drawn := [fit for fit in fits if fit.can_be_drawn]:
            page.lead = "Loss by epoch, one line for each fit; the dot is the epoch whose weights were kept."
            _draw(page, model, drawn)
        best = ", ".join(count(fit.best) for fit in fits if fit.best is not None)
        seconds = [fit.seconds for fit in fits if fit.seconds is not None]
        rows.append([model, len(fits), best or "–", sum(seconds) if seconds else None])
    page.tabulate(rows, ["model", "fits", "best epoch of each", "seconds, all fits"], "Fits")


def _draw(page: PageSection, model: str, fits: list[Fit]) -> None:
    drawn = []
    for fit in fits:
        is_last = fit is fits[-1]
        validation, train = fit.losses("validation"), fit.losses("train")
        marks = [fit.best] if fit.best is not None else []
        drawn.append(Curve("validation", [*validation], [*validation.values()], is_last, not is_last, ACCENT, marks))
        drawn.append(Curve("train", [*train], [*train.values()], False, not is_last, MUTED))
    lowest = ", ".join(number(min(c.y)) for c in drawn if c.y and c.label == "validation")
    figure = curves(
        drawn,
        title=f"Training of {model}",
        axes_names=("epoch", "loss"),
        description=f"Loss of {len(fits)} fits of {model} by epoch. Lowest validation loss: {lowest}.",
        height=240,
    )
    page.draw(f"Training of {model}", figure)


SECTION = SectionType(model=TrainingCurves, title="Training", place=100, show=show)
