"""The package, and what is needed to repeat the run."""

from markupsafe import Markup

from polyclinic.reports.document import ReportDocument
from polyclinic.reports.page_section import PageSection
from polyclinic.reports.wording import in_words, plain

CODE = Markup("<code>{}</code>")


def show_package(report: ReportDocument, page: PageSection) -> None:
    """What leaves: whether it is portable, what is in it, what it is meant for."""
    if report.package is None:
        return
    facts = report.package.model_dump() | {"intended use": report.intended_use}
    rows = [[plain(name), in_words(value)] for name, value in facts.items() if value not in (None, "", [], {})]
    page.tabulate(rows, ["what", "value"], "Package")


def show_provenance(report: ReportDocument, page: PageSection) -> None:
    """The command, the versions, the steps and the hashes."""
    page.say(f"Study {report.study}, seed {report.seed}.")
    command = [["command, in the folder of this report", CODE.format(report.command)]] if report.command else []
    environment = report.environment.model_dump(exclude={"versions"}) | report.environment.versions
    page.tabulate(
        [*command, *([name, value] for name, value in environment.items() if value)], ["what", "value"], "Run"
    )
    steps = [[s.step, s.seconds, "reused" if s.reused else "run"] for s in report.steps]
    page.tabulate(steps, ["step", "seconds", "state"], "Steps")
    hashes = [[name, CODE.format(value)] for name, value in report.data.items()]
    page.tabulate(hashes, ["data", "SHA-256"], "Data")
