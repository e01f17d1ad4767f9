"""Gates, which were set before the run, checks of the data and the evaluation, and notes made on the way."""

from markupsafe import Markup

from polyclinic.figures.html import with_small
from polyclinic.reports.document import ReportDocument
from polyclinic.reports.page_section import PageSection
from polyclinic.reports.wording import in_words, plain

LEVELS = ("serious", "notable", "detail")
MARKS = {"passed": "✓", "failed": "✗", "undecided": "?", "not tested": "○", "warning": "!"}
STATES = (
    "Conditions that were written before the run. Undecided: the interval reaches beyond what is wanted, or there is "
    "none. Not tested: nothing was measured. Too little evidence is never counted as passed."
)


def show_gates(report: ReportDocument, page: PageSection) -> None:
    """The gates with their states."""
    page.say(STATES)
    rows = [[with_small(plain(g.gate), g.why), state(g.state), g.measured, plain(g.wanted)] for g in report.gates]
    page.tabulate(rows, ["gate", "state", "measured", "wanted"], "Gates")


def show_checks(report: ReportDocument, page: PageSection) -> None:
    """Checks that should find nothing, those that warn first; and the notes, the serious ones first."""
    checks = sorted(report.sanity, key=lambda check: not check.warns)
    rows = [
        [plain(c.check), state("warning") if c.warns else in_words(c.applies), in_words(c.result), c.why]
        for c in checks
    ]
    page.tabulate(rows, ["check", "applies", "result", "why"], "Checks of the data and the evaluation")
    ranked = sorted(report.notes, key=lambda note: LEVELS.index(note.level))
    notes = [[with_small(plain(n.check), n.step), n.result, n.why] for n in ranked]
    page.tabulate(notes, ["note", "result", "what it means"], "Notes made during the run")


def state(name: str) -> Markup:
    """A state with its mark."""
    return Markup('<span class="state {}">{} {}</span>').format(name.replace(" ", "-"), MARKS.get(name, ""), name)
