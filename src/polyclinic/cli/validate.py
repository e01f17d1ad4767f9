"""`polyclinic validate`: read a study, check every key, and print it with all defaults written out."""

from polyclinic.cli import output
from polyclinic.cli.run import AllowCode
from polyclinic.cli.run import Study as Name

EXAMPLE = "polyclinic validate my.study.yaml"


def command(
    study: Name, settings: output.Settings = None, allow_code: AllowCode = False, as_json: output.AsJson = False
) -> None:
    """Check a study and print it with every default written out.

    Its files must be there, and its target, inputs, groups and subgroups be columns of the source."""
    from polyclinic import config
    from polyclinic.studies.study_parser import load_study

    document = load_study(study, settings or [], allow_code=allow_code, check_sources=True).document()
    output.show_json(document) if as_json else print(config.dump(document), end="")
