"""What comes from a stranger is bounded before it is parsed: JSON, YAML, files that are no files, names in paths."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyclinic import config
from polyclinic.documents import MOST_DEPTH, check_file_name, depth_of, parse_json, read_bytes, read_json
from polyclinic.errors import BadData, UsageError
from polyclinic.yaml_bounds import MOST_NODES, check_bounds

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


def depth(value: object) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inner is None else 1 + max(map(depth, inner), default=0)


@given(VALUES, st.booleans())
def test_json_is_read_as_it_was_written_and_its_depth_is_counted_outside_of_texts(value, ascii_only):
    text = json.dumps(value, ensure_ascii=ascii_only)
    try:
        data = text.encode()
    except UnicodeEncodeError:
        return
    assert depth_of(data) == depth(value)
    if not any(0xD800 <= ord(c) < 0xE000 for c in text):
        try:
            assert parse_json(data, file="x") == value
        except BadData:
            assert "\\ud" in text.lower()  # half a character


@pytest.mark.parametrize(
    "data",
    [b"[" * 1_000_000, b'{"a":' * 1_000_000, b"1" * 10_000, b'{"a": 1', b"\xff\xfe", b"", b'"\\ud800"', b'"' * 99],
    ids=["deep lists", "deep mappings", "digits", "cut short", "UTF-16", "empty", "half a character", "quotes"],
)
def test_json_that_cannot_be_read_is_one_error(tmp_path, data):
    (tmp_path / "a.json").write_bytes(data)
    with pytest.raises(BadData):
        read_json(tmp_path / "a.json")


def test_json_within_the_depth_is_read():
    assert parse_json(b"[" * MOST_DEPTH + b"]" * MOST_DEPTH, file="x")


def test_what_is_no_regular_file_is_not_read(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe", Path("/dev/zero")):
        with pytest.raises(BadData, match="no regular file"):
            read_bytes(path)


def test_a_link_is_followed_only_where_it_may_be(tmp_path: Path):
    (tmp_path / "file").write_bytes(b"abc")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    assert read_bytes(tmp_path / "link") == b"abc"
    with pytest.raises(BadData, match="link"):
        read_bytes(tmp_path / "link", follow_links=False)


def test_a_file_that_is_too_large_is_not_read_to_its_end(tmp_path: Path):
    with (tmp_path / "large").open("wb") as stream:
        stream.truncate(1 << 40)
    with pytest.raises(BadData, match="larger than 100 bytes"):
        read_bytes(tmp_path / "large", most=100)


@pytest.mark.parametrize("name", ["gbm", "a-b_c.1", "x" * 128])
def test_a_name_that_becomes_a_path_is_plain(name):
    assert check_file_name(name, "a model") == name


@pytest.mark.parametrize("name", ["", ".", "..", ".hidden", "a/b", "a\\b", "a b", "a\0b", "ü", "x" * 129, "a\n"])
def test_any_other_name_is_refused(name):
    with pytest.raises(UsageError, match="a model cannot be called"):
        check_file_name(name, "a model")


# -- YAML ------------------------------------------------------------------------------------------------------------

ALIASES = "a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{new}: &{new} [{','.join([f'*{old}'] * 10)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "why", "line"),
    [
        (ALIASES, "stands for more than", 5),
        ("name: x\nin: &x [*x]", "names nothing that stands whole", 2),
        ("name: x\n? [a]\n: b", "a key of the YAML is a list", 2),
        ("{{a: 1}: 2}", "a key of the YAML is a list", 1),
        ("name: x\nsince: 2020-13-01", "a date in the YAML does not exist", 2),
        ("a: !!python/object/apply:os.system [x]", "a tag that is not read", 1),
        ("[" * 100, "nested more than", 1),
        ("x" * 300_000, "longer than", None),
        ("a: 2001-12-14t25:99:43Z", "not what it looks like", None),
        ("a: " + "1" * 5000, "not what it looks like", None),
        ("a: b: c", "cannot be read as YAML", 1),
    ],
)
def test_yaml_out_of_bounds_is_one_error_with_its_line(text, why, line):
    with pytest.raises(UsageError, match=why) as error:
        config.parse(text, "s.yaml")
    assert error.value.at.line == line


def test_what_aliases_stand_for_is_counted_and_no_more():
    few = f"a: &a {list(range(100))}\nb: &b [{','.join(['*a'] * 100)}]"
    check_bounds(few, "x")
    assert config.parse(few)["b"][99][99] == 99
    with pytest.raises(UsageError, match="stands for more"):
        check_bounds(few + f"\nc: [{','.join(['*b'] * (MOST_NODES // 10_000))}]", "x")


def test_a_merged_mapping_is_read_and_a_date_is_text():
    text = "a: &a {x: 1}\nb:\n  <<: *a\n  y: '2'\nday: 2020-02-29"
    assert config.plain(config.parse(text)) == {"a": {"x": 1}, "b": {"x": 1, "y": "2"}, "day": "2020-02-29"}


def test_a_yaml_that_is_not_written_in_utf_8_says_so(tmp_path):
    (tmp_path / "s.yaml").write_bytes("name: Übung".encode("latin-1"))
    with pytest.raises(UsageError, match="UTF-8"):
        config.read(tmp_path / "s.yaml")
