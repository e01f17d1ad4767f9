"""`polyclinic validate`: read a study, check every key, and print it with all defaults written out."""

from polyclinic.cli import screen
from polyclinic.cli.run import AllowCode
from polyclinic.cli.run import Study as Name

EXAMPLE = "polyclinic validate my.study.yaml"


def command(
    study: Name, settings: screen.Settings = None, allow_code: AllowCode = False, as_json: screen.AsJson = False
) -> None:
    """Check a study and print it with every default written out."""
    from polyclinic import config
    from polyclinic.studies.study import Study

    document = Study.load(study, settings or [], allow_code=allow_code).document()
    screen.show_json(document) if as_json else print(config.dump(document), end="")
