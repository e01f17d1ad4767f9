"""The JSON Schema of `report.json`, generated from the report document and from the section types of polyclinic.

`python -m polyclinic.reports.schema` writes it to `report.schema.json`, which ships; a test holds the two together.
"""

import json
from functools import cache
from importlib.resources import files
from pathlib import Path

from polyclinic import registry
from polyclinic.reports.document import ReportDocument
from polyclinic.reports.section import registered

REFERENCES = "#/$defs/{model}"


@cache
def shipped() -> dict[str, object]:
    """The schema that ships with this version."""
    return dict(json.loads(files("polyclinic.reports").joinpath("report.schema.json").read_bytes()))


def generated() -> dict[str, object]:
    """The schema of the document as it is written, with the section types that polyclinic itself registers.

    A section of a kind that is not listed is allowed, since areas of others bring their own.
    """
    schema = ReportDocument.model_json_schema(mode="serialization", ref_template=REFERENCES)
    definitions, known = schema["$defs"], []
    for kind, entry in registry.entries("sections").items():
        section = registered(kind)
        if section is None or entry.distribution != "polyclinic":
            continue
        own = section.model.model_json_schema(mode="serialization", ref_template=REFERENCES)
        definitions |= own.pop("$defs", {})
        definitions[section.model.__name__] = own
        of_this_kind = {"properties": {"kind": {"const": kind}}}
        known.append({"if": of_this_kind, "then": {"$ref": REFERENCES.format(model=section.model.__name__)}})
    schema["properties"]["sections"]["items"] = {"type": "object", "required": ["kind"], "allOf": known}
    schema["$defs"] = dict(sorted(definitions.items()))
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "report.json of a polyclinic run"}
    return head | {key: value for key, value in schema.items() if key != "title"}


def text() -> str:
    """The schema as it stands in `report.schema.json`."""
    return json.dumps(generated(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    Path(str(files("polyclinic.reports").joinpath("report.schema.json"))).write_text(text(), encoding="utf-8")
