"""Packages that a stranger made: whatever lies in one is refused with one clear error, or is as good as any."""

from __future__ import annotations

import json
import os
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from polyclinic.errors import BadPackage
from polyclinic.packages import contents, onnx_graph
from polyclinic.packages.package import ModelPackage
from polyclinic.packages.predict import predict
from polyclinic.packages.verify import seal, verify
from polyclinic.reports.report import Report


@pytest.fixture
def package(finished: Report, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished.package, tmp_path / "package"))


def change(package: Path, name: str, edit: Callable[[Any], Any]) -> None:
    """Edit one JSON file of a package and write new checksums, as whoever alters a package on purpose would."""
    path = package / name
    path.write_text(json.dumps(edit(json.loads(path.read_text()))))
    (package / "checksums.json").unlink()
    seal(package)


# -- files -----------------------------------------------------------------------------------------------------------


def a_link(package: Path) -> None:
    (package / "extra.json").symlink_to("/etc/hostname")


def a_link_to_a_folder(package: Path) -> None:
    (package / "extra").symlink_to("/etc")


def a_pipe(package: Path) -> None:
    os.mkfifo(package / "extra")


def a_file_swapped_for_a_link(package: Path) -> None:
    (package / "card.md").rename(package.parent / "card.md")
    (package / "card.md").symlink_to(package.parent / "card.md")


def a_folder_swapped_for_a_link(package: Path) -> None:
    (package / "state").rename(package.parent / "state")
    (package / "state").symlink_to(package.parent / "state")


def a_hidden_file(package: Path) -> None:
    (package / ".DS_Store").write_text("")


def a_name_with_a_space(package: Path) -> None:
    (package / "a b").write_text("")


@pytest.mark.parametrize(
    "crime",
    [
        a_link,
        a_link_to_a_folder,
        a_pipe,
        a_file_swapped_for_a_link,
        a_folder_swapped_for_a_link,
        a_hidden_file,
        a_name_with_a_space,
    ],
)
def test_what_is_no_file_of_the_package_is_refused(package: Path, crime: Callable[[Path], None]) -> None:
    crime(package)
    with pytest.raises(BadPackage):
        verify(package)
    with pytest.raises(BadPackage):
        ModelPackage.open(package)


def test_a_package_of_too_many_bytes_or_files_is_not_read(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contents, "MOST_FILES", 3)
    with pytest.raises(BadPackage, match="more than 3 files"):
        verify(package)
    monkeypatch.undo()
    with (package / "state" / "large").open("wb") as stream:
        stream.truncate(contents.MOST_BYTES + 1)
    with pytest.raises(BadPackage, match="cannot be read"):
        verify(package)


# -- zips ------------------------------------------------------------------------------------------------------------


def packed(package: Path, edit: Callable[[zipfile.ZipFile], None] = lambda archive: None) -> Path:
    path = package.with_suffix(".zip")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(p for p in package.rglob("*") if p.is_file()):
            archive.write(file, file.relative_to(package).as_posix())
        edit(archive)
    return path


def test_a_zip_that_unpacks_to_a_hundred_times_its_size_is_refused_before_it_is_unpacked(
    package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = packed(package, lambda archive: archive.writestr("state/zeros", b"\0" * (contents.SMALL * 2)))
    monkeypatch.setattr(zipfile.ZipFile, "open", lambda *_: pytest.fail("unpacked"))
    with pytest.raises(BadPackage, match="over 100 times its size"):
        verify(path)


@pytest.mark.parametrize("name", ["../outside", "/etc/outside", "state/../../outside", "C:\\outside", "a/b/c/d/e/f"])
def test_a_name_that_leads_elsewhere_is_refused_and_writes_nothing(package: Path, name: str) -> None:
    path = packed(package, lambda archive: archive.writestr(name, b""))
    before = sorted(package.parent.rglob("*"))
    with pytest.raises(BadPackage, match="not part of the package"):
        verify(path)
    assert sorted(package.parent.rglob("*")) == before


def test_a_link_in_a_zip_is_refused(package: Path) -> None:
    link = zipfile.ZipInfo("state/link")
    link.external_attr = 0o120777 << 16
    with pytest.raises(BadPackage, match="a link or a device"):
        verify(packed(package, lambda archive: archive.writestr(link, "/etc/hostname")))


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_that_stands_twice_in_a_zip_is_refused(package: Path) -> None:
    with pytest.raises(BadPackage, match="twice"):
        verify(packed(package, lambda archive: archive.writestr("card.md", "")))


def test_a_zip_that_was_packed_in_another_way_is_refused(package: Path) -> None:
    lzma = zipfile.ZipInfo("state/lzma")
    lzma.compress_type = zipfile.ZIP_LZMA
    with pytest.raises(BadPackage, match="packed in a way"):
        verify(packed(package, lambda archive: archive.writestr(lzma, b"x" * 100)))


def test_a_damaged_zip_is_one_error_wherever_the_damage_is(package: Path) -> None:
    data, whole = packed(package).read_bytes(), contents.read_contents(packed(package))
    broken = package.parent / "broken.zip"
    rng = np.random.default_rng(0)
    for _ in range(60):
        copy = bytearray(data[: rng.integers(30, len(data))] if rng.random() < 0.3 else data)
        for at in rng.integers(0, len(copy), rng.integers(1, 9)):
            copy[at] = rng.integers(0, 256)
        broken.write_bytes(copy)
        try:
            files = contents.read_contents(broken)
            verify(broken)
        except BadPackage:
            continue
        assert files == whole  # only a time or a comment of the archive was changed


# -- documents that were sealed again --------------------------------------------------------------------------------

MALFORMED: list[tuple[str, Callable[[Any], Any]]] = [
    ("recipe.json", lambda d: [d]),
    ("recipe.json", lambda d: {**d, "members": 10**9}),
    ("recipe.json", lambda d: {**d, "members": ["../../x"]}),
    ("recipe.json", lambda d: {**d, "more": 1}),
    ("recipe.json", lambda d: {**d, "question": None}),
    ("recipe.json", lambda d: {**d, "question": {**d["question"], "inputs": {"os:system": {}}}}),
    ("recipe.json", lambda d: {**d, "question": {**d["question"], "target": {"kind": ["a"]}}}),
    ("recipe.json", lambda d: {**d, "question": {**d["question"], "target": {"kind": "voxels"}}}),
    ("recipe.json", lambda d: {**d, "needs": {"--index-url=http://example.org x": "1"}}),
    ("recipe.json", lambda d: {k: v for k, v in d.items() if k != "about"}),
    ("combine.json", lambda d: {**d, "decision": {"name": "threshold", "settings": {"value": "high", "rule": {}}}}),
    ("combine.json", lambda d: {**d, "decision": {"name": "os:system", "settings": {}}}),
    ("combine.json", lambda d: {**d, "adjustment": {"name": "recalibration", "settings": {"slope": [1]}}}),
    ("limits.json", lambda d: {**d, "inputs": {"age": {"kind": "dense", "present": 1, "ranges": {"0": [1]}}}}),
    ("state/0/model.json", lambda d: {**d, "model": "os:system"}),
    ("state/0/model.json", lambda d: {**d, "model": None}),
    ("state/0/model.json", lambda d: {**d, "settings": {"nothing": 1}}),
    ("state/0/model.json", lambda d: {**d, "parts": [{"kind": "named", "name": "os:system"}]}),
    ("state/0/model.json", lambda d: {**d, "parts": [{"kind": "onnx", "outputs": ["raw"], "file": "../x"}]}),
    ("state/0/model.json", lambda d: {**d, "batch": 0}),
    ("state/0/state.json", lambda d: 3),
]


@pytest.mark.parametrize(("name", "edit"), MALFORMED)
def test_a_malformed_document_is_refused_when_the_package_is_opened(
    package: Path, name: str, edit: Callable[[Any], Any]
) -> None:
    change(package, name, edit)
    with pytest.raises(BadPackage):
        ModelPackage.open(package)


@pytest.mark.parametrize("name", ["parts/0/0.onnx", "state/0/state.safetensors"])
@pytest.mark.parametrize(
    "data", [b"", b"\xff" * 100, b"\x08" + b"\xff" * 5, b"{}"], ids=["empty", "ff", "varint", "{}"]
)
def test_a_file_of_weights_that_is_none_is_refused(finished: Report, package: Path, name: str, data: bytes) -> None:
    (package / name).write_bytes(data)
    (package / "checksums.json").unlink()
    seal(package)
    rows = pl.read_parquet(finished.folder / "source.parquet").drop("died").head(3)
    with pytest.raises(BadPackage):
        predict(package, rows)


def test_a_state_that_lacks_what_the_model_reads_is_the_fault_of_the_package(finished: Report, package: Path) -> None:
    change(package, "state/0/state.json", lambda d: {})
    rows = pl.read_parquet(finished.folder / "source.parquet").drop("died").head(3)
    with pytest.raises(BadPackage, match="the package cannot answer: KeyError"):
        predict(package, rows)


# -- graphs ----------------------------------------------------------------------------------------------------------


def test_a_graph_whose_data_lie_in_another_file_is_refused(finished: Report) -> None:
    onnx = pytest.importorskip("onnx")
    (path, *_) = sorted(finished.package.rglob("*.onnx"))
    onnx_graph.check_graph(path.read_bytes(), "0.onnx")
    tensor = onnx.TensorProto(name="w", data_type=1, dims=[1], data_location=1)
    tensor.external_data.add(key="location", value="/etc/passwd")
    value = onnx.helper.make_tensor_value_info("w", 1, [1])
    node = onnx.helper.make_node("Constant", [], ["w"], value=tensor)
    inner = onnx.helper.make_graph([node], "inner", [], [value])
    branch = onnx.helper.make_node("If", ["c"], ["w"], then_branch=inner, else_branch=inner)
    condition = onnx.helper.make_tensor_value_info("c", 9, [])
    trees = onnx.helper.make_node("Trees", [], ["w"], ids=range(300), at=[0.5] * 300, hidden=tensor)
    graphs = [
        onnx.helper.make_graph([trees], "g", [], [value]),
        onnx.helper.make_graph([], "g", [], [value], initializer=[tensor]),
        onnx.helper.make_graph([node], "g", [], [value]),
        onnx.helper.make_graph([branch], "g", [condition], [value]),
    ]
    for graph in graphs:
        with pytest.raises(BadPackage, match="lies in another file"):
            onnx_graph.check_graph(onnx.helper.make_model(graph).SerializeToString(), "0.onnx")
