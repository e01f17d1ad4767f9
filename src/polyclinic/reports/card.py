"""The model card: what a package is for, which data it was made from, how well it did, and where it must not be used."""

import re
from collections.abc import Callable, Mapping
from importlib.resources import files

from polyclinic.figures.numbers import count, number, percent
from polyclinic.packages.limits import CATEGORY, InputLimits
from polyclinic.packages.package import ModelPackage
from polyclinic.reports.wording import in_words, listed


def card(package: ModelPackage, validation: Mapping[str, float], flattery: tuple[float, float] | None = None) -> str:
    """The card as Markdown, for `card.md` of a package; its words stand in `reports/card.md`.

    Parameters
    ----------
    package
        What the card is of.
    validation
        Title of a score → value on validation rows. Without folds the card holds nothing of the test rows, so that a package is
        the same whatever they say; their scores stand in the report.
    flattery
        The outcome's first score on rows held out in turn: of the chosen model, and where each fold chooses anew. None
        without folds.
    """
    from jinja2 import Environment

    environment = Environment(trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True, finalize=_plain)
    filters: dict[str, Callable[..., str]] = {"number": number, "count": count, "in_words": in_words}
    filters |= {"limit": _limit, "code": _code}
    environment.filters.update(filters)
    words = files("polyclinic.reports").joinpath("card.md").read_text(encoding="utf-8")
    return environment.from_string(words).render(package=package, validation=validation, flattery=flattery)


class _Code(str):
    """Markdown that stands as it is."""

    __slots__ = ()


def _code(value: object) -> str:
    """A name between backticks: in such a span neither Markdown nor HTML means anything."""
    return _Code(f"`{' '.join(str(value).split()).replace('`', chr(39))}`")


def _plain(value: object) -> str:
    """Text from a study or a data set, without the power to be HTML, a link or a picture."""
    if isinstance(value, _Code):
        return value
    text = " ".join(str(value).split()).replace("&", "&amp;").replace("<", "&lt;").replace("`", "'")
    return re.sub(r"([\[\]\\])", r"\\\1", text)


def _limit(limits: InputLimits) -> str:
    """What an input looked like when it learned."""
    words = [limits.kind, f"{percent(limits.present, 0)} present"]
    if limits.length:
        words.append(f"length {number(limits.length[0], 0)} to {number(limits.length[1], 0)}")
    if limits.kind == CATEGORY:  # each level is a number, 0 or 1, whose bounds say nothing
        return ", ".join([*words, *(["levels " + listed(sorted(limits.ranges))] if limits.ranges else [])])
    words += [f"{name} {number(low)} to {number(high)}" for name, (low, high) in limits.ranges.items()]
    return ", ".join(words)
