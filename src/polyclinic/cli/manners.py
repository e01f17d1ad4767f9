"""How the commands behave when something goes wrong: what, where, what to do, and an exit code."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperGroup

from polyclinic.errors import Interrupted, Place, PolyclinicError

OWN_FAULT = 70
"""Exit code of a fault in polyclinic itself (EX_SOFTWARE), so that it is never taken for a finding."""


class Polite(TyperGroup):
    """Takes `--debug` anywhere on the line, and turns every failure into a few plain lines and an exit code."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Take `--debug` out, wherever it stands."""
        self.debug = "--debug" in args
        return super().parse_args(ctx, [word for word in args if word != "--debug"])

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as stop:
            kept = "what was finished is kept; run the same command again and it goes on from there"
            raise self._leave(Interrupted("stopped", fix=kept), stop) from None
        except PolyclinicError as error:
            raise self._leave(error, error) from None
        except OSError as error:
            raise self._leave(_of_the_system(error), error) from None
        except Exception as error:
            if type(error).__module__.startswith("typer"):
                raise
            raise self._leave(_of_our_own(error), error, OWN_FAULT) from None

    def _leave(self, error: PolyclinicError, cause: BaseException, code: int | None = None) -> typer.Exit:
        if getattr(self, "debug", False):
            traceback.print_exception(cause)
        tell(error)
        return typer.Exit(error.exit_code if code is None else code)


def tell(error: PolyclinicError) -> None:
    """Print an error for a person: what in red, where and what to do below it."""
    from rich.console import Console
    from rich.text import Text

    where = f"\n  where       {error.at}" if error.at and str(error.at) else ""
    todo = f"\n  what to do  {error.fix}" if error.fix else ""
    Console(stderr=True, highlight=False, soft_wrap=True).print(
        Text(error.what, "bold red") + Text(where + todo)
    )


def _of_the_system(error: OSError) -> PolyclinicError:
    file = str(error.filename) if error.filename else None
    return PolyclinicError(
        f"the system refused: {(error.strerror or type(error).__name__).lower()}",
        at=Place(file=file),
        fix="check that the path exists and that you may read or write there",
    )


def _of_our_own(error: Exception) -> PolyclinicError:
    """A fault of ours. Its message is not shown: a library's message may quote a patient's value."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    name = f" of {error.name}" if isinstance(error, ImportError) else ""
    return PolyclinicError(
        f"polyclinic itself failed here: {type(error).__name__}{name}",
        at=Place(file=Path(last.filename).name, line=last.lineno),
        fix="run it again with --debug; before you send the traceback to anyone, see that no patient's data stand in it",
    )
