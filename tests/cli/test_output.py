"""What a command prints is what the data, the study and the docstrings say: brackets are no markup."""

from __future__ import annotations

import io
import json

import polars as pl
import pytest
from rich.console import Console as RichConsole
from typer.testing import CliRunner

from polyclinic import progress
from polyclinic.cli import app, output

ODD = ["[bold]x[/bold]", "[/nothing]", "age [years]", "[red]", "a\\[b", ":smile:"]


def call(*words: object):
    return CliRunner().invoke(app, [str(w) for w in words], env={"COLUMNS": "160"})


@pytest.mark.parametrize("text", ODD)
def test_brackets_stay_text_wherever_they_stand(capsys, text):
    output.say(text)
    output.say_paragraph(text)
    output.table([text], [[text]], title=text)
    output.tree({text: {text: text}})
    assert capsys.readouterr().out.count(text) == 8


@pytest.mark.parametrize("text", ODD)
def test_brackets_stay_text_in_a_bar(text, monkeypatch):
    console = progress.Console()
    console.console = RichConsole(file=io.StringIO(), force_terminal=True, width=120)
    with progress.reporting(console):
        for _ in progress.track([1], text=text, total=1):
            console.bars.refresh()
            shown = console.console.file.getvalue()
    assert text in shown


@pytest.mark.parametrize("name", ODD[:4])
def test_columns_with_brackets_are_described(tmp_path, name):
    pl.DataFrame({name: [1, 2]}).write_csv(tmp_path / "t.csv")
    done = call("describe", tmp_path / "t.csv")
    assert done.exit_code == 0
    assert name in done.output


def test_one_row_is_one_row(tmp_path):
    (tmp_path / "t.csv").write_text("age\n50\n")
    assert call("describe", tmp_path / "t.csv").stdout.startswith("1 row, 1 column")


def test_every_registered_name_has_a_whole_line_about_it():
    listed = json.loads(call("list", "--json").output)
    for kind, rows in listed.items():
        for row in rows:
            assert row["about"], (kind, row["name"])
            assert row["about"].count("(") == row["about"].count(")"), (kind, row["name"])
    assert next(r for r in listed["models"] if r["name"] == "unet")["about"].endswith(".")
    assert "2021" in call("list", "models").output


def test_set_of_a_check_is_about_what_is_checked():
    text = " ".join(call("check", "--help").output.split())
    assert "key of the study" not in text
