"""The page: whole in one file, honest about what is not there, readable on a phone, by day and by night."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any

import pytest
from tests.reports.sample_reports import constant, imaging, molecules, records, score, section

from polyclinic.models.naive import Naive
from polyclinic.packages.fitted import Fitted
from polyclinic.packages.limits import InputLimits, Limits
from polyclinic.packages.package import ModelPackage
from polyclinic.packages.parts import NamedPart
from polyclinic.packages.question import Question
from polyclinic.reports.card import card
from polyclinic.reports.document import ReportDocument
from polyclinic.reports.page import render
from polyclinic.reports.publishing import in_words
from polyclinic.reports.wording import plain
from polyclinic.state import State

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
KINDS = {"records": records, "molecules": molecules, "imaging": imaging}


def page_of(report: dict[str, Any]) -> str:
    return render(in_words(ReportDocument.of(report)))


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    return {name: page_of(make()) for name, make in KINDS.items()}


def test_the_page_needs_nothing_but_itself(pages):
    for html in pages.values():
        links = re.findall(r'(?:src|href)="([^"]*)"', html)
        assert all(link.startswith(("#", "data:")) for link in links)
        assert "<script" not in html
        assert len(html.encode()) < 3_000_000


def test_the_same_report_gives_the_same_page(pages):
    assert page_of(molecules()) == pages["molecules"]


def test_sections_without_content_are_left_out(pages):
    assert 'id="calibration"' in pages["records"]
    for absent in ("calibration", "usefulness", "subgroups", "training", "sanity", "cohort"):
        assert f'<section id="{absent}"' not in pages["imaging"]


def test_nothing_is_said_of_patients_where_there_are_none(pages):
    assert "patients" in pages["records"]
    assert "patient" not in pages["molecules"].lower()
    assert "patient" not in pages["imaging"].lower()


def test_the_finding_stands_first(pages):
    html = pages["records"]
    assert html.index("The chosen model, gbm,") < html.index("<svg")


def test_a_step_that_looks_past_the_index_is_marked(pages):
    assert "looks past the index time: labels only" in pages["records"]


def test_what_is_too_small_is_named_and_not_hidden(pages):
    assert "too small (4 patients)" in pages["records"]


def test_every_gate_stands_with_its_state(pages):
    assert "✓ passed" in pages["records"]
    assert "○ not tested" in pages["records"]


def test_a_check_that_warns_stands_before_the_sections_and_first_among_the_checks():
    leak = {"check": "near_leak", "applies": True, "why": "Known by then?", "result": "column <x> has AUROC 0.996"}
    silent = {"check": "shuffled labels", "applies": True, "why": "w", "result": score(0.51)}
    top, checks = page_of(records() | {"sanity": [silent, leak]}).split('<section id="sanity"')
    caution = "<b>Near leak.</b> column &lt;x&gt; has AUROC 0.996. Known by then?"
    assert top.index(caution) < top.index('<section id="cohort"')
    assert checks.index("near leak") < checks.index("shuffled labels")


def test_notes_are_shown_with_their_step():
    note = {"check": "levels not seen in training", "result": "2 of 14", "why": "They count as missing.", "step": "fit"}
    html = page_of(records() | {"notes": [note]})
    assert all(text in html for text in ("levels not seen in training", "2 of 14", "They count as missing."))


def test_a_model_that_answers_all_alike_is_explained_and_has_no_slope():
    html = page_of(constant(records(), "transformer"))
    assert "one answer for all" in html
    assert "transformer gives every row of a fold the same answer: its rank score is chance by definition" in html
    rows = [row for row in html.split("<tr>") if "after recalibration, one answer for all" in row]
    assert [row.count("–</td>") for row in rows] == [1]


def test_the_flow_adds_up():
    report = molecules()
    steps = [("predictions", 90, False), ("predictions without a label", 7, True), ("scored", 80, False)]
    report["cohort"]["attrition"] = [{"step": s, "rows": n, "excluded": out} for s, n, out in steps]
    html = page_of(report)
    assert "excluded, predictions without a label: 7 rows; excluded, for another reason: 3 rows; scored: 80" in html


def test_one_figure_stands_beside_the_finding_with_every_model_and_100_alerts(pages):
    first, rest = pages["records"].split("<nav", 1)
    assert first.count("<svg") == 1
    assert "gbm 0.786, 0.761 to 0.811" in first
    assert "Of 100 alerts, 44 are right and 56 are false." in first
    assert "Of 100 alerts" not in pages["imaging"].split("<nav", 1)[0]
    assert rest.count("<svg") > 5


def test_shifted_dates_are_explained(pages):
    assert "moved all dates by years" in pages["records"]
    plain = records()
    plain["cohort"]["time"] = {"first": "2015-01-01", "last": "2019-12-31"}
    assert "moved all dates" not in page_of(plain)


def test_how_the_outcome_was_ascertained_and_which_inputs_matter_are_shown(pages):
    html = pages["records"]
    assert "How the outcome was ascertained" in html
    assert "cut by leaving" in html
    assert "VITAL, map +0.090, 0.080 to 0.100" in html


def test_inputs_that_the_model_does_not_read_are_named_and_have_no_bar():
    report = records()
    nothing = {"inputs": "LAB", "outcome": "hypotension", "score": "auroc", "loss": {"value": 0.0}, "use": "not read"}
    of_old = {**nothing, "inputs": "MEDICATION", "use": None}
    section(report, "input_importance")["importances"] += [nothing, of_old]
    html = page_of(report)
    assert "does not read LAB: what it makes of a row is the same whatever they are" in html
    assert "No answer of gbm changes with MEDICATION." in html
    assert "LAB 0.000" not in html


def test_prevalence_stands_beside_auprc_and_brier(pages):
    assert "without any model, AUPRC is 0.185 and Brier score is 0.151" in pages["records"]


def test_the_most_missing_stands_first(pages):
    html = pages["records"]
    assert html.index("lactate") < html.index("heart rate")


def test_table_1_shows_rows_with_per_cent_and_patients(pages):
    assert '4,101<small style="display:block">41.5\u00a0%, 60\u00a0patients</small>' in pages["records"]


def test_the_command_that_repeats_the_run_is_shown():
    assert "<code>polyclinic run hypotension</code>" in page_of(records() | {"command": "polyclinic run hypotension"})


def test_no_id_stands_twice(pages):
    for html in pages.values():
        ids = re.findall(r'\bid="([^"]+)"', html)
        assert len(ids) == len(set(ids))


def test_a_name_that_is_markup_stays_text():
    report = molecules()
    report["title"] = "<script>alert(1)</script>"
    report["cohort"]["attrition"][0]["step"] = "<img src=x>"
    html = page_of(report)
    assert "<script>" not in html
    assert "<img" not in html


@pytest.mark.parametrize("name", ["$$", "$x", "$x$", "\\frac{1}{0}", "$\\frac{1}{0}$", "_a^b", "{}"])
def test_no_name_is_read_as_mathematics(name):
    report = records()
    for subgroup in report["subgroups"]:
        subgroup |= {"column": name, "level": name}
    section(report, "input_importance")["importances"][0]["inputs"] = name
    report["cohort"]["attrition"][0]["step"] = name
    text = json.dumps(report).replace('"gbm"', json.dumps(name))
    html = page_of(json.loads(text))
    assert html.count(escape(plain(name))) > 5


def test_the_least_report_that_the_schema_allows_can_be_drawn():
    report: dict[str, Any] = {"study": "least", "cohort": {"attrition": [], "rows": 0, "groups": {}, "targets": {}}}
    report |= {key: {} for key in ("models", "calibration", "chosen", "environment", "data")}
    report |= {key: [] for key in ("comparisons", "subgroups", "sanity", "gates")} | {"seed": 0}
    assert "This report, “least”, is about predictions for 0 rows." in page_of(report)


def test_a_card_says_what_the_package_is_for_and_whether_it_is_portable():
    column = InputLimits(kind="dense", present=0.9, ranges={"last": (50.0, 120.0)})
    limits = Limits(rows=100, inputs={"map": column})
    part = NamedPart("a-rule", lambda values, arrays, settings: values)
    members = [Fitted(Naive(), State(), [part], name="atlas")] * 5
    about = {"title": "Hypotension", "data": "clif-demo", "data_licence": "ODbL"}
    text = card(ModelPackage(Question(inputs={}), members, about, limits=limits), {"auroc": 0.78})
    assert text.startswith("# Hypotension\n")
    assert "Portable: no" in text
    assert "Licence of the data: ODbL; commercial use: unknown" in text
    assert "estimate the procedure" in text
    assert "Fitted in single precision" not in text
    assert "`map`: dense, 90 % present, last 50.0 to 120." in text


def test_a_card_names_the_levels_of_a_category_and_no_numbers_for_them():
    column = InputLimits(kind="category", present=1.0, ranges={"male": (0.0, 1.0), "female": (0.0, 1.0)})
    members = [Fitted(Naive(), State(), [], name="gbm")]
    package = ModelPackage(Question(inputs={}), members, {}, limits=Limits(rows=9, inputs={"sex": column}))
    text = card(package, {})
    assert "`sex`: category, 100 % present, levels female and male" in text


def test_a_card_holds_no_html_no_link_and_no_picture_out_of_what_it_quotes():
    hostile = "<script>alert(1)</script> ![x](https://example.org/x.png) `b`\n# Heading"
    about = {"title": hostile, "data": hostile, "intended_use": hostile}
    members = [Fitted(Naive(), State(), [], name="`<b>`")]
    text = card(ModelPackage(Question(inputs={}), members, about), {})
    outside_code = re.sub(r"`[^`\n]*`", "", text)
    assert "<" not in outside_code
    assert "![x](" not in outside_code
    assert [line for line in text.splitlines() if line.startswith("# ")] == [text.splitlines()[0]]


# -- in a browser ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("needs Chromium (apt-get install chromium)")
    api = pytest.importorskip("playwright.sync_api")
    with api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def written(pages, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("pages")
    for name, html in pages.items():
        (folder / f"{name}.html").write_text(html, encoding="utf-8")
    return folder


def opened(browser: Any, path: Path, *, width: int = 1100, scheme: str = "light") -> tuple[Any, list[str]]:
    """A page, its requests to the network and its errors."""
    page = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 900}).new_page()
    problems: list[str] = []
    page.on("request", lambda r: problems.append(r.url) if not r.url.startswith(("file:", "data:")) else None)
    page.on("console", lambda m: problems.append(m.text))
    page.on("pageerror", lambda e: problems.append(str(e)))
    page.goto(path.as_uri())
    return page, problems


@pytest.mark.parametrize("kind", KINDS)
def test_on_a_phone_nothing_is_wider_than_the_screen_and_nothing_is_fetched(browser, written, kind):
    page, problems = opened(browser, written / f"{kind}.html", width=360)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert problems == []


WIDER = "[...document.querySelectorAll('.scroll')].filter(e => e.scrollWidth > e.clientWidth + 1).map(e => e.ariaLabel)"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("width", [390, 1100])
def test_no_table_has_to_be_scrolled_sideways(browser, written, kind, width):
    page, _ = opened(browser, written / f"{kind}.html", width=width)
    assert page.evaluate(WIDER) == []


def test_a_table_of_many_columns_is_a_stack_of_cards_on_a_phone(browser, tmp_path):
    report = records()
    use = section(report, "usefulness")
    use["points"] = [use["points"][0] | {"model": f"model-{i}"} for i in range(7)]
    (tmp_path / "wide.html").write_text(page_of(report), encoding="utf-8")
    page, _ = opened(browser, tmp_path / "wide.html", width=390)
    assert page.evaluate(WIDER) == []
    heads = "[...document.querySelectorAll('.wide td')].map(e => getComputedStyle(e, '::before').content)"
    assert '"model-6"' in page.evaluate(heads)


CLIPPED = """() => [...document.querySelectorAll('svg')].flatMap(svg => {
  const box = svg.getBoundingClientRect();
  return [...svg.querySelectorAll('text')].filter(text => {
    const t = text.getBoundingClientRect();
    return t.left < box.left - 1 || t.right > box.right + 1 || t.top < box.top - 2 || t.bottom > box.bottom + 2;
  }).map(text => svg.querySelector('title').textContent + ': ' + text.textContent);
})"""


@pytest.mark.parametrize("kind", KINDS)
def test_no_word_in_a_figure_is_cut_off(browser, written, kind):
    page, _ = opened(browser, written / f"{kind}.html", width=360)
    assert page.evaluate(CLIPPED) == []


TONES = """() => {
  const tone = name => {
    const probe = document.createElement('i');
    probe.style.color = `var(--${name})`;
    document.body.append(probe);
    const parts = getComputedStyle(probe).color.match(/[0-9.]+/g).slice(0, 3).map(Number);
    probe.remove();
    return parts;
  };
  return Object.fromEntries(['paper', 'ground', 'ink', 'muted', 'accent', 'second', 'third', 'fourth', 'warn'].map(n => [n, tone(n)]));
}"""


def contrast(a: list[float], b: list[float]) -> float:
    """The contrast ratio of WCAG 2.2, from 1 to 21."""

    def light(colour: list[float]) -> float:
        parts = [c / 255 for c in colour]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((light(a), light(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_light_and_dark_differ_and_every_colour_of_words_can_be_read_in_both(browser, written):
    tones = {s: opened(browser, written / "records.html", scheme=s)[0].evaluate(TONES) for s in ("light", "dark")}
    assert tones["light"]["paper"] != tones["dark"]["paper"]
    for colours in tones.values():
        words = {name: tone for name, tone in colours.items() if name not in ("paper", "ground")}
        assert all(contrast(tone, colours[ground]) >= 4.5 for tone in words.values() for ground in ("paper", "ground"))


def test_finding_cautions_and_figure_begin_on_the_first_screen(browser, written):
    page, _ = opened(browser, written / "records.html", width=1280)
    top = "selector => document.querySelector(selector).getBoundingClientRect()"
    assert page.evaluate(f"({top})('.cautions').top") < 700
    assert page.evaluate(f"({top})('#finding figure').bottom") < 800


def test_figures_take_the_colours_of_the_page(browser, written):
    fills = {}
    for scheme in ("light", "dark"):
        page, _ = opened(browser, written / "records.html", scheme=scheme)
        fills[scheme] = page.evaluate("getComputedStyle(document.querySelector('svg text')).fill")
    assert fills["light"] != fills["dark"]


def test_in_print_no_section_begins_at_the_foot_of_a_page_without_its_content(browser, written):
    page, _ = opened(browser, written / "records.html", width=680)
    page.emulate_media(media="print")
    style = "e => { const s = getComputedStyle(e); return [s.breakAfter, s.breakInside] }"
    heads = page.evaluate(f"[...document.querySelectorAll('.head')].map({style})")
    assert heads
    assert all(head == ["avoid", "avoid"] for head in heads)
    assert page.evaluate("[...document.querySelectorAll('.parts')].every(e => getComputedStyle(e).display == 'block')")


def test_print_is_light_even_by_night_and_shows_every_table_whole(browser, written):
    page, _ = opened(browser, written / "records.html", width=680, scheme="dark")
    page.emulate_media(media="print")
    assert page.evaluate(TONES)["paper"] == [255, 255, 255]
    wide = (
        "[...document.querySelectorAll('table')].filter(t => t.getBoundingClientRect().right > innerWidth + 1).length"
    )
    assert page.evaluate(wide) == 0
