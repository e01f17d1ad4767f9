"""Calibration: whether of all rows with a probability of 80 %, 80 % are positive, before and after recalibration."""

from collections.abc import Iterable

from polyclinic.figures.curves import CalibrationBin, calibration
from polyclinic.figures.html import with_small
from polyclinic.reports.calibration_words import calibration_verdict
from polyclinic.reports.document import ReportDocument
from polyclinic.reports.outcome_results import OutcomeResults, outcomes
from polyclinic.reports.page_section import PageSection, score_cell
from polyclinic.reports.results import CalibrationResult
from polyclinic.reports.sections.model_scores import ONE_ANSWER

RIGHT = (
    "Right are: observed : expected 1 and calibration-in-the-large 0 (the level), slope 1 (the spread), mean error 0."
)
HEADS = ["model", "observed : expected", "in the large", "slope", "mean error"]


def show(report: ReportDocument, page: PageSection) -> None:
    """The curve of the chosen model, and a table of all models."""
    rows: list[list[object]] = []
    for o in outcomes(report):
        for model in o.models:
            rows += _rows(o, model)
        calibrations = o.calibration(o.chosen)
        bins = {words: _bins(result) for words, result in calibrations.by_name.items()}
        if bins:
            title = o.titled(f"Calibration of {o.chosen}")
            page.draw(title, calibration(bins, title=title, unit="rows"))
        verdict = calibration_verdict(o.chosen, calibrations)
        if verdict and o.chosen not in o.constant:
            page.say(verdict.sentence)
    if rows:
        page.say(RIGHT)
    page.tabulate(rows, HEADS, "Calibration of each model")


def _bins(result: CalibrationResult) -> list[CalibrationBin]:
    return [CalibrationBin(p.predicted, p.observed, p.low, p.high) for p in result.curve]


def _rows(o: OutcomeResults, model: str) -> Iterable[list[object]]:
    """Before recalibration first. One answer for all rows has no slope: what pooled folds give is none."""
    for words, result in reversed(o.calibration(model).by_name.items()):
        constant = model in o.constant
        slope = None if constant else score_cell(result.slope)
        level = [score_cell(result.observed_expected), score_cell(result.in_the_large)]
        name = f"{words}, {ONE_ANSWER}" if constant else words
        yield [with_small(model, name), *level, slope, score_cell(result.ece)]
