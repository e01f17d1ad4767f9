"""Documents of strangers: regular files of bounded size, JSON of bounded depth, names that are safe as file names.

Whatever was written elsewhere (a package, a summary, a report) is read through here: a crafted file is refused with a
clear error before it can fill the memory or exhaust the parser.
"""

import json
import os
import re
import stat
from itertools import accumulate
from pathlib import Path
from typing import Any

from polyclinic.errors import BadData, Place, UsageError

MOST_BYTES = 64 << 20
"""Bytes of one document. The largest that polyclinic writes itself, a report of many models, has about 2 MB."""
MOST_DEPTH = 64
"""Lists and mappings within each other. Python's own parser gives up at about 1,000 with an error of its own."""
FILE_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}")

# The possessive repeats make the search linear: an unterminated string is taken whole, never tried again.
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)
_NOT_A_BRACKET = bytes(sorted(set(range(256)) - set(b"[]{}")))
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


def check_file_name(name: str, thing: str, *, at: Place | None = None) -> str:
    """A name from a document that becomes part of a path, unchanged.

    Raises
    ------
    UsageError
        Where it holds anything but letters, digits, `.`, `_` and `-`, begins with `.`, or has over 128 characters.
    """
    if not FILE_NAME.fullmatch(name):
        fix = "use letters, digits, `.`, `_` and `-`, with no `.` in front: files are named after it"
        raise UsageError(f"{thing} cannot be called {name[:40]!r}", at=at, fix=fix)
    return name


def read_bytes(path: Path, *, most: int = MOST_BYTES, follow_links: bool = True) -> bytes:
    """The whole of a regular file.

    Parameters
    ----------
    path
        The file.
    most
        Bytes that it may hold.
    follow_links
        Whether `path` may be a link. The folders above it may always be.

    Raises
    ------
    BadData
        Where it is a link (unless links are followed), a pipe, a device or a folder, or too large.
    OSError
        Where it is not there or may not be read.
    """
    at, plain = Place(file=str(path)), "put the file itself there"
    # O_NONBLOCK: opening a pipe that nobody writes to would wait for ever.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | (0 if follow_links else getattr(os, "O_NOFOLLOW", 0))
    if not follow_links and path.is_symlink():
        raise BadData("this is a link, not a file", at=at, fix=plain)
    number = os.open(path, flags)
    try:
        # What was opened is looked at, not the name: that could lead elsewhere by now.
        if not stat.S_ISREG(os.fstat(number).st_mode):
            raise BadData("this is no regular file", at=at, fix=plain)
        with os.fdopen(number, "rb", closefd=False) as stream:
            data = stream.read(most + 1)
    finally:
        os.close(number)
    if len(data) > most:
        raise BadData(f"the file is larger than {most:,} bytes", at=at, fix="see that it is the file that you mean")
    return data


def read_json(path: Path, *, most: int = MOST_BYTES) -> Any:
    """The value of a JSON file.

    Raises
    ------
    BadData
        Where it is too large, nested too deeply, or not JSON.
    OSError
        Where it is not there or may not be read.
    """
    return parse_json(read_bytes(path, most=most), file=str(path))


def parse_json(data: bytes, *, file: str) -> object:
    """The value of JSON bytes (UTF-8); `file` is named in errors. Raises `BadData` as `read_json` does."""
    at = Place(file=file)
    if depth_of(data) > MOST_DEPTH:
        what = f"the JSON is nested more than {MOST_DEPTH} levels deep"
        raise BadData(what, at=at, fix="see that it is the file that you mean")
    try:
        value: object = json.loads(data.decode("utf-8"))
        if _SURROGATE.search(data):  # half a character can be parsed, but neither printed nor written
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError) as error:
        line = error.lineno if isinstance(error, json.JSONDecodeError) else None
        at = Place(file=file, line=line)
        raise BadData("the file cannot be read as JSON", at=at, fix="write or fetch it anew") from error
    return value


def depth_of(data: bytes) -> int:
    """How many lists and mappings stand within each other in JSON bytes; strings do not count. Linear in time."""
    brackets = _STRING.sub(b"", data).translate(None, _NOT_A_BRACKET)
    return max(accumulate((1 if byte in b"[{" else -1 for byte in brackets), initial=0))
