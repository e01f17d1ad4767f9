"""Files and folders that appear whole or not at all."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from polyclinic.errors import BadData, Place


@contextmanager
def file(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` that takes its name when the block ends well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=path.suffix)
    os.close(handle)
    part = Path(name)
    part.chmod(0o644)
    try:
        with disk_space(path):
            yield part
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def folder(path: Path) -> Iterator[Path]:
    """A temporary folder that replaces `path` when the block ends well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
    part.chmod(0o755)
    try:
        with disk_space(path):
            yield part
        if path.exists():
            shutil.rmtree(path)
        part.replace(path)
    finally:
        shutil.rmtree(part, ignore_errors=True)


@contextmanager
def disk_space(path: Path) -> Iterator[None]:
    """Turn a full disk into an error that says where and what to do."""
    try:
        yield
    except OSError as error:
        if error.errno not in {errno.ENOSPC, errno.EDQUOT} and "No space left" not in str(error):
            raise
        raise BadData(
            "no space left on the disk; nothing was left half written",
            at=Place(file=str(path)),
            fix="free some space or name another --out; finished steps are kept",
        ) from error


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all."""
    with file(path) as part:
        part.write_text(text, encoding="utf-8")
