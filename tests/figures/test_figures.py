"""Figures: words for those who do not see them, colours by name, the same bytes for the same numbers."""

from __future__ import annotations

import subprocess
import sys
import xml.etree.ElementTree as ET
from html import escape
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polyclinic.figures.curves import MOST_POINTS, CalibrationBin, Curve, calibration, curves
from polyclinic.figures.flow import FlowStep, flow
from polyclinic.figures.intervals import Line, forest
from polyclinic.figures.numbers import how_many, plural
from polyclinic.figures.overview import overview
from polyclinic.figures.svg import NAMES, spread

SVG = "{http://www.w3.org/2000/svg}"
BINS = [CalibrationBin(0.1, 0.12, 0.08, 0.16), CalibrationBin(0.4, None)]
STEPS = [FlowStep("all <rows>", 90, 30), FlowStep("labelled", "<5", "<5", past_index=True)]
AXES = {"title": "A & B", "axes_names": ("x", "y"), "description": "two curves"}


def drawings() -> dict[str, str]:
    return {
        "forest": forest([Line("gbm", 0.786, 0.761, 0.811, dots=(0.77,)), Line("none")], title="AUROC", axis="AUROC"),
        "zero": forest([Line("a", -0.013, -0.018, -0.008)], title="Difference", axis="difference", zero=True),
        "curves": curves([Curve("gbm", [0, 1], [0, 1], strong=True), Curve("b", [0, 1], [1, 0])], **AXES),
        "calibration": calibration({"as given": BINS}, title="Calibration", unit="rows"),
        "overview": overview([Line("gbm", 0.786, 0.761, 0.811)], title="AUROC", axis="AUROC", right_of_100=47),
        "flow": flow(STEPS, title="Flow", group="patient"),
    }


@pytest.fixture(scope="module")
def drawn() -> dict[str, str]:
    return drawings()


def test_every_figure_has_a_title_and_a_description_that_its_svg_names(drawn):
    for svg in drawn.values():
        root = ET.fromstring(svg)
        named = {root.find(f"{SVG}title").get("id"), root.find(f"{SVG}desc").get("id")}
        assert root.get("role") == "img"
        assert set(root.get("aria-labelledby").split()) == named
        assert root.find(f"{SVG}desc").text


def test_a_description_holds_the_numbers_and_their_intervals(drawn):
    assert "gbm 0.786, 0.761 to 0.811" in drawn["forest"]
    assert "a −0.013, −0.018 to −0.008" in drawn["zero"]
    assert "labelled (looks past the index): &lt;5 rows, &lt;5 patients" in drawn["flow"]
    assert "predicted 0.100, observed 0.120 (0.080 to 0.160)" in drawn["calibration"]


def test_a_flow_has_a_column_of_rows_and_one_of_patients_and_shows_exclusions_as_losses():
    steps = [FlowStep("index times", 90, 30), FlowStep("too late", 7, 4, excluded=True), FlowStep("left", 83, 29)]
    svg = flow(steps, title="t", group="patient")
    spoken = "index times: 90 rows, 30 patients; excluded, too late: 7 rows, 4 patients; left: 83 rows, 29 patients"
    assert spoken in svg
    assert [text in svg for text in (">rows<", ">patients<", ">− 7<", ">of 4<", ">83<", ">29<")] == [True] * 6


@given(st.integers(0, 100))
@settings(max_examples=8, deadline=None)
def test_an_overview_draws_100_alerts_and_says_how_many_are_right(right):
    svg = overview([Line("gbm", 0.7, 0.6, 0.8)], title="t", axis="AUROC", right_of_100=right)
    assert f"Of 100 alerts, {right} are right and {100 - right} are false." in svg
    assert (f">{right} are right<" in svg, f">{100 - right} are false<" in svg) == (True, True)


def test_an_overview_without_alerts_has_the_models_alone():
    assert "alerts" not in overview([Line("unet", 0.86, 0.85, 0.87)], title="t", axis="Dice")


def test_a_flow_without_groups_has_no_column_for_them():
    svg = flow([FlowStep("molecules", 90)], title="t")
    assert "molecules: 90 rows." in svg


def test_numbers_that_are_written_in_a_figure_keep_their_digits(drawn):
    assert ">0.786<" in drawn["forest"]
    assert ">0.761 to 0.811<" in drawn["forest"]


def test_every_colour_is_a_name_that_the_page_sets(drawn):
    for svg in drawn.values():
        assert not any(stand_in in svg for stand_in in NAMES)
        assert "fill: var(--" in svg
        assert "<style" not in svg


@pytest.mark.parametrize("name", ["$$", "$\\frac{1}{0}$", "$x$ & <b>", "\\mathrm{", "a" * 2_000])
def test_a_name_out_of_the_data_is_text_and_never_a_formula(name):
    figures = [
        forest([Line(name, 0.7, 0.6, 0.8)], title="t", axis="a"),
        flow([FlowStep(name, 9, 3)], title="t", group=name[:12]),
        curves([Curve(name, [0, 1], [0, 1])], **AXES),
    ]
    for svg in figures:
        assert escape(name[:8]) in svg
        assert ET.fromstring(svg) is not None


def test_a_figure_of_very_many_lines_says_how_many_are_not_drawn():
    svg = forest([Line(f"level {i}", 0.5, 0.4, 0.6) for i in range(230)], title="t", axis="a")
    assert "and 30 more" in svg
    assert "level 200" not in svg


def test_the_same_numbers_give_the_same_bytes(drawn):
    assert drawings() == drawn


def test_no_two_figures_share_an_id(drawn):
    ids = [e.get("id") for svg in drawn.values() for e in ET.fromstring(svg).iter() if e.get("id")]
    assert len(ids) == len(set(ids))


def test_a_curve_keeps_its_ends_and_at_most_500_points():
    x, y = Curve("a", list(range(10_000)), [0.0] * 9_999 + [float("nan")]).points()
    assert len(x) == len(y) == MOST_POINTS
    assert (x[0], x[-1]) == (0, 9_998)


def test_a_figure_of_nothing_can_still_be_drawn():
    assert "no value" in forest([Line("empty", note="no value")], title="t", axis="a")
    assert ET.fromstring(calibration({}, title="t", unit="rows")) is not None
    assert ET.fromstring(curves([], **AXES)) is not None
    assert ET.fromstring(flow([], title="t")) is not None


@given(st.lists(st.floats(0, 1), max_size=9), st.floats(0.01, 0.1))
def test_labels_stand_apart_in_order_and_inside(wanted, gap):
    placed = spread(wanted, gap, 0.0, 1.0)
    ordered = sorted(placed)
    assert all(b - a >= gap - 1e-9 for a, b in pairwise(ordered))
    assert all(-1e-9 <= at <= 1 + 1e-9 for at in placed)
    assert all(
        a <= b for wa, a in zip(wanted, placed, strict=True) for wb, b in zip(wanted, placed, strict=True) if wa < wb
    )


def test_importing_the_figures_loads_no_matplotlib():
    code = "import sys, polyclinic.figures.curves, polyclinic.figures.flow, polyclinic.figures.intervals; print('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "False"


@pytest.mark.parametrize(
    ("n", "words"),
    [(0, "0 rows"), (1, "1 row"), (2, "2 rows"), (1234, "1,234 rows"), ("<5", "<5 rows"), (None, "– rows")],
)
def test_one_is_singular_and_every_other_count_is_plural(n, words):
    assert how_many(n, "row") == words


def test_the_plural_of_a_name_that_a_study_chose_is_english():
    singular = ["subject", "site", "study", "day", "sex", "class", "batch", "home id", "rows"]
    assert [*map(plural, singular)] == [
        "subjects", "sites", "studies", "days", "sexes", "classes", "batches", "home ids", "rows",
    ]  # fmt: skip
