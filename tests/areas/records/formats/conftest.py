"""The demo's tables, from a mirror, the cache or their public source."""

from __future__ import annotations

from pathlib import Path

import pytest

from polyclinic import datasets
from polyclinic.errors import PolyclinicError


@pytest.fixture(scope="session")
def clif_tables() -> Path:
    try:
        return datasets.get("clif-demo")
    except PolyclinicError as error:
        pytest.skip(f"needs the tables of the demo: {error.what}")


@pytest.fixture(scope="session")
def clif_timeline(clif_tables, tmp_path_factory):
    from polyclinic.timelines.ingest import ingest

    return ingest("clif", clif_tables, tmp_path_factory.mktemp("clif") / "timeline")
