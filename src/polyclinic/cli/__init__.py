"""The commands: one file each. A file imports its work inside the function, so that `--help` is at once there."""

import atexit
import gc
import os
import signal
from importlib import import_module

from typer import Exit, Option, Typer

from polyclinic import openmp
from polyclinic.cli import data
from polyclinic.cli.application import CommandGroup

COMMANDS = (
    "demo", "list", "show", "ingest", "describe", "cohort", "run", "evaluate",
    "predict", "report", "verify", "validate", "check",
)  # fmt: skip

app = Typer(
    name="polyclinic",
    cls=CommandGroup,
    epilog="Begin with [bold]polyclinic demo[/bold]. Every command explains itself: polyclinic run --help",
    rich_markup_mode="rich",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(requested: bool) -> None:
    if requested:
        import polyclinic

        print(polyclinic.__version__)
        raise Exit


GARBAGE_AFTER = 10_000
"""New objects after which Python looks for garbage. By its own 700, importing the libraries has it look hundreds of times."""


@app.callback()
def options(
    debug: bool = Option(False, "--debug", help="Show a traceback when something fails; may stand anywhere."),
    version: bool = Option(False, "--version", help="Print the version.", is_eager=True, callback=_print_version),
) -> None:
    """From clinical data as it lies to a validated, portable model."""


for _name in COMMANDS:
    _module = import_module(f"polyclinic.cli.{_name}")
    app.command(_name, epilog=f"Example:  {_module.EXAMPLE}")(_module.command)
app.add_typer(data.app, name="data", epilog="Example:  polyclinic data get clif-demo")


def main() -> None:
    """The `polyclinic` command."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a scheduler's stop is as good as Ctrl-C
    for key, value in openmp.ASLEEP.items():  # for workers, too, whatever they load first
        os.environ.setdefault(key, value)
    gc.set_threshold(GARBAGE_AFTER)
    atexit.register(gc.freeze)  # the system takes the memory back at once; nobody need look through it first
    # Plugins of pydantic are code that nobody here asked for, and looking for them costs a cold start 30 ms.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    app()
