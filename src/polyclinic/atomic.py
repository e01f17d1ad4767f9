"""Files and folders that appear whole or not at all."""

import errno
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from polyclinic.errors import BadData, Place, UsageError


@contextmanager
def file(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` that takes its name when the block ends well.

    Raises `UsageError` where a folder has that name.
    """
    if path.is_dir():
        what, fix = "this is a folder, and a file is to be written", f"name a file in it: {path / 'NAME'}"
        raise UsageError(what, at=Place(file=str(path)), fix=fix)
    with _beside(path) as part:
        yield part / path.name
        (part / path.name).replace(path)


@contextmanager
def folder(path: Path) -> Iterator[Path]:
    """A temporary folder that replaces `path` when the block ends well."""
    with _beside(path) as part:
        part.chmod(0o755)
        yield part
        if path.exists():
            shutil.rmtree(path)
        part.replace(path)


@contextmanager
def together(path: Path, *, last: str) -> Iterator[Path]:
    """A temporary folder whose files and folders take their places in the folder `path` when the block ends well.

    last: the file that vouches for the others: an older one goes first, and the new one comes last, so that whoever
    stops this halfway leaves none. A folder replaces the one of its name.
    """
    with _beside(path / last) as part:
        yield part
        (path / last).unlink(missing_ok=True)
        for new in sorted(part.iterdir(), key=lambda item: item.name == last):
            if new.is_dir() and (path / new.name).exists():
                shutil.rmtree(path / new.name)
            new.replace(path / new.name)


@contextmanager
def _beside(path: Path) -> Iterator[Path]:
    """A temporary folder beside `path`; a full disk becomes an error that says where and what to do."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
    try:
        yield part
    except OSError as error:
        if error.errno not in {errno.ENOSPC, errno.EDQUOT} and "No space left" not in str(error):
            raise
        what = "no space left on the disk; nothing was left half written"
        fix = "free some space or name another --out; finished steps are kept"
        raise BadData(what, at=Place(file=str(path)), fix=fix) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all."""
    with file(path) as part:
        part.write_text(text, encoding="utf-8")
