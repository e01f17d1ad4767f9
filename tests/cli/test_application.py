"""A command that fails says what, where and what to do, and never shows a traceback or a value."""

from __future__ import annotations

import signal

import pytest
import typer
from typer.testing import CliRunner

from polyclinic import cli
from polyclinic.cli.application import INTERNAL_ERROR, CommandGroup
from polyclinic.errors import BadData, CheckFailed, Interrupted, Place, PolyclinicError, UsageError

SECRET = "Rosalind Franklin"
CAUSES = {
    "bad": BadData("not a number: pattern '<9'", at=Place(file="labs.csv", row=7), fix="correct it"),
    "usage": UsageError("no such thing", fix="try another"),
    "wanting": CheckFailed("a gate did not hold", fix="read the report"),
    "stopped": Interrupted("stopped", fix="run it again"),
    "ctrl-c": KeyboardInterrupt(),
    "no-file": FileNotFoundError(2, "No such file or directory", "labs.csv"),
    "memory": MemoryError(),
    "ours": ValueError(f"cannot parse {SECRET}"),
    "panic": type("Panic", (BaseException,), {})(f"unwrap on {SECRET}"),
}
CODES = {
    "bad": 3,
    "usage": 2,
    "wanting": 1,
    "stopped": 4,
    "ctrl-c": 4,
    "no-file": 3,
    "memory": 3,
    "ours": INTERNAL_ERROR,
    "panic": INTERNAL_ERROR,
}


@pytest.fixture
def app() -> typer.Typer:
    app = typer.Typer(cls=CommandGroup, pretty_exceptions_enable=False)

    @app.command()
    def fail(cause: str) -> None:
        raise CAUSES[cause]

    @app.command()
    def other() -> None:
        """Two commands make a group."""

    return app


@pytest.mark.parametrize("cause", CODES)
def test_each_kind_of_failure_has_its_exit_code_and_no_traceback(app, cause):
    done = CliRunner().invoke(app, ["fail", cause])
    assert done.exit_code == CODES[cause]
    assert "Traceback" not in done.output
    assert "what to do" in done.output


def test_the_place_of_a_failure_is_named(app):
    assert "labs.csv, row 7" in CliRunner().invoke(app, ["fail", "bad"]).output
    assert "labs.csv" in CliRunner().invoke(app, ["fail", "no-file"]).output


def test_ctrl_c_says_that_the_same_command_goes_on(app):
    output = CliRunner().invoke(app, ["fail", "ctrl-c"]).output
    assert "what was finished is kept; run the same command again" in output


def test_the_message_of_a_library_is_not_shown_since_it_may_quote_a_patient(app):
    output = CliRunner().invoke(app, ["fail", "ours"]).output
    assert "ValueError" in output
    assert SECRET not in output


@pytest.mark.parametrize("words", [["--debug", "fail", "bad"], ["fail", "bad", "--debug"]])
def test_debug_shows_the_traceback_wherever_it_stands(app, words):
    assert "Traceback" in CliRunner().invoke(app, words).output


def test_every_error_class_has_an_exit_code_that_is_documented():
    classes = {PolyclinicError, *PolyclinicError.__subclasses__()}
    assert {cls.exit_code for cls in classes} <= {1, 2, 3, 4}


def test_a_scheduler_s_stop_is_as_good_as_ctrl_c(monkeypatch):
    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(cli, "app", lambda: signal.raise_signal(signal.SIGTERM))
    try:
        with pytest.raises(KeyboardInterrupt):
            cli.main()
    finally:
        signal.signal(signal.SIGTERM, before)
