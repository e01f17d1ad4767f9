"""The bounds of a YAML text, checked on the parser's events before a value is built.

An alias stands for a whole branch: eight lines in which each names the one before ten times are a document of 10⁸
values. So what aliases stand for is counted, and the depth with it, before anything is made of the text.
"""

import datetime
import re
from dataclasses import dataclass, field
from typing import Any

from polyclinic.errors import Place, UsageError

MOST_CHARACTERS = 1 << 18
MOST_NODES = 20_000
"""Values, with those that aliases stand for; a text counts once for each 100 characters."""
MOST_DEPTH = 40
_DATE = re.compile(r"(\d{4})-(\d\d?)-(\d\d?)(?![\d-])")


def check_bounds(text: str, file: str) -> None:
    """Check a YAML text before it is built.

    Parameters
    ----------
    text
        The whole document.
    file
        Its file, for the error.

    Raises
    ------
    UsageError
        With its line, for a text that is too long, too deep or stands for too many values; for an alias within its own
        branch, a key that is a list or a mapping, a tag, and a date that does not exist.
    ruamel.yaml.error.YAMLError
        Where it is not YAML.
    """
    from ruamel.yaml import YAML

    bounds = _Bounds(file)
    if len(text) > MOST_CHARACTERS:
        bounds.refuse(
            f"the YAML is longer than {MOST_CHARACTERS:,} characters", "see that it is the file that you mean"
        )
    for event in YAML(typ="rt", pure=True).parse(text):
        bounds.line = event.start_mark.line + 1
        match type(event).__name__:
            case "SequenceStartEvent" | "MappingStartEvent" as kind:
                bounds.open_branch(event, mapping=kind == "MappingStartEvent")
            case "SequenceEndEvent" | "MappingEndEvent":
                bounds.close_branch()
            case "ScalarEvent":
                bounds.scalar(event)
            case "AliasEvent":
                bounds.alias(event.anchor)


@dataclass(slots=True)
class _Branch:
    """A list or mapping that is not closed yet."""

    anchor: str | None
    mapping: bool
    nodes: int = 1
    children: int = 0


@dataclass(slots=True)
class _Bounds:
    """What has been read of a document so far.

    sizes: anchor → how many values it stands for, once its branch is closed; scalars: the anchors of single values.
    """

    file: str
    line: int | None = None
    branches: list[_Branch] = field(default_factory=list)
    sizes: dict[str, int] = field(default_factory=dict)
    scalars: set[str] = field(default_factory=set)

    def open_branch(self, event: Any, *, mapping: bool) -> None:
        self.check_tag(event.tag)
        self.add(0, scalar=False)
        self.branches.append(_Branch(event.anchor, mapping))
        if len(self.branches) > MOST_DEPTH:
            self.refuse(f"the YAML is nested more than {MOST_DEPTH} levels deep", "use fewer levels")

    def close_branch(self) -> None:
        closed = self.branches.pop()
        if closed.anchor:
            self.sizes[closed.anchor] = closed.nodes
        if self.branches:
            self.grow(closed.nodes)

    def scalar(self, event: Any) -> None:
        self.check_tag(event.tag)
        nodes = 1 + len(event.value) // 100
        if event.style in (None, ""):  # neither quoted nor a block: it may be read as a date
            self.check_date(event.value)
        if event.anchor:
            self.sizes[event.anchor] = nodes
            self.scalars.add(event.anchor)
        self.add(nodes, scalar=True)

    def alias(self, anchor: str) -> None:
        if anchor not in self.sizes:
            self.refuse(f"the alias *{anchor[:40]} names nothing that stands whole above it", "put its anchor there")
        self.add(self.sizes[anchor], scalar=anchor in self.scalars)

    def add(self, nodes: int, *, scalar: bool) -> None:
        """Count one child of the branch in progress; the children of a mapping are its keys and values in turn."""
        if self.branches:
            branch = self.branches[-1]
            if branch.mapping and branch.children % 2 == 0 and not scalar:
                self.refuse("a key of the YAML is a list or a mapping", "use a word or a number as key")
            branch.children += 1
            self.grow(nodes)

    def grow(self, nodes: int) -> None:
        self.branches[-1].nodes += nodes
        if self.branches[-1].nodes > MOST_NODES:
            what = f"the YAML stands for more than {MOST_NODES:,} values, its aliases written out"
            self.refuse(what, "use fewer aliases")

    def check_tag(self, tag: object) -> None:
        if tag is not None:
            self.refuse(f"the YAML has a tag that is not read: {str(tag)[:40]}", "write the value without a tag")

    def check_date(self, text: str) -> None:
        if match := _DATE.match(text):
            try:
                datetime.date(*map(int, match.groups()))
            except ValueError:
                fix = "write YEAR-MONTH-DAY, or put it in quotes where it is no date"
                self.refuse("a date in the YAML does not exist", fix)

    def refuse(self, what: str, fix: str) -> None:
        raise UsageError(what, at=Place(file=self.file, line=self.line), fix=fix)
