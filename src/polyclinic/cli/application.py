"""The group of commands: progress while a command runs, and a few plain lines and an exit code when one fails."""

import os
import sys
import traceback
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperGroup

from polyclinic import progress
from polyclinic.errors import Interrupted, Place, PolyclinicError

INTERNAL_ERROR = 70
"""Exit code of a fault in polyclinic itself (EX_SOFTWARE), so that it is never taken for a finding."""


class CommandGroup(TyperGroup):
    """Takes `--debug` anywhere on the line, shows progress, and turns failures into a few plain lines and an exit code."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Take `--debug` out, wherever it stands."""
        self.debug = "--debug" in args
        return super().parse_args(ctx, [word for word in args if word != "--debug"])

    def invoke(self, ctx: Any) -> object:
        """Run the command."""
        try:
            with progress.reporting(progress.Console()):
                return super().invoke(ctx)
        except BaseException as cause:  # a panic of a library in Rust is no `Exception`
            if isinstance(cause, SystemExit | GeneratorExit) or type(cause).__module__.startswith("typer"):
                raise
            if isinstance(cause, BrokenPipeError):  # the reader, such as `head`, has seen enough
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
                raise typer.Exit(0) from None
            if self.debug:
                traceback.print_exception(cause)
            error = _as_error(cause)
            print_error(error)
            expected = isinstance(cause, KeyboardInterrupt | PolyclinicError | OSError | MemoryError)
            raise typer.Exit(error.exit_code if expected else INTERNAL_ERROR) from None


def print_error(error: PolyclinicError) -> None:
    """Print an error for a person: what in red, where and what to do below it."""
    from rich.console import Console
    from rich.text import Text

    where = f"\n  where       {error.at}" if error.at and str(error.at) else ""
    fix = f"\n  what to do  {error.fix}" if error.fix else ""
    Console(stderr=True, highlight=False, soft_wrap=True).print(Text(error.what, "bold red") + Text(where + fix))


def _as_error(cause: BaseException) -> PolyclinicError:
    """The failure as an error of ours. The message of a library is not shown: it may quote a patient's value."""
    if isinstance(cause, PolyclinicError):
        return cause
    if isinstance(cause, KeyboardInterrupt):
        kept = "what was finished is kept; run the same command again and it goes on from there"
        return Interrupted("stopped", fix=kept)
    if isinstance(cause, MemoryError):
        what = "there is too little memory for this"
        fix = "close other programs, take a larger machine, or begin with a part of the data; finished steps are kept"
        return PolyclinicError(what, fix=fix)
    if isinstance(cause, OSError):
        what = f"the system refused: {(cause.strerror or type(cause).__name__).lower()}"
        fix = "check the path, that you may read or write there, and that a folder is named where one is wanted"
        return PolyclinicError(what, at=Place(file=str(cause.filename or "")), fix=fix)
    last = traceback.extract_tb(cause.__traceback__)[-1]
    name = f" of {cause.name}" if isinstance(cause, ImportError) else ""
    what, at = f"polyclinic itself failed here: {type(cause).__name__}{name}", Path(last.filename).name
    fix = "run it again with --debug; before you send the traceback to anyone, see that no patient's data stand in it"
    return PolyclinicError(what, at=Place(file=at, line=last.lineno), fix=fix)
