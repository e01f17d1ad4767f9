"""SMILES tables: what is read, what is refused and why, and that nothing is lost."""

from __future__ import annotations

import polars as pl
import pytest

pytest.importorskip("rdkit", reason="rdkit comes with the extra `molecules`")
smiles = pytest.importorskip("polyclinic.areas.molecules.formats.smiles", reason="the area `molecules` is away")

from polyclinic.checks.formats import format_checks  # noqa: E402
from polyclinic.errors import BadData, UnknownName  # noqa: E402
from polyclinic.timelines.ingest import detect, ingest  # noqa: E402

ASPIRIN = "CC(=O)Oc1ccccc1C(=O)O"


@pytest.fixture
def table(tmp_path):
    """Six rows: two good ones written differently, a pentavalent carbon, a torn ring, nothing, a lone ion."""
    path = tmp_path / "drugs.csv"
    names = [ASPIRIN, "C(C)(C)(C)(C)C", "C1CC", "", "[Na+]", "OC(=O)c1ccccc1OC(C)=O"]
    pl.DataFrame({"SMILES": names, "active": [1, 0, 1, 0, 1, 0]}).write_csv(path)
    return path


def test_a_molecule_is_read_and_everything_else_refused_with_its_row_and_reason(table):
    (chunk,) = smiles.Smiles().read(table)
    assert chunk.frame["row_id"].to_list() == [0, 4, 5]
    assert chunk.frame["active"].to_list() == [1, 1, 0]
    assert dict(zip(chunk.refused["row"], chunk.refused["reason"], strict=True)) == {
        1: "an atom has more bonds than it can have: pattern 'a(a)(a)(a)(a)a'",
        2: "not a SMILES: pattern 'a9aa'",
        3: "no SMILES",
    }
    assert chunk.rows_in == chunk.used + chunk.refused.height == 6
    assert chunk.refused_rows.rows() == [(1, "C(C)(C)(C)(C)C", 0), (2, "C1CC", 1), (3, None, 0)]


def test_a_molecule_written_in_two_ways_is_noted_and_both_rows_are_kept(table):
    (chunk,) = smiles.Smiles().read(table)
    assert chunk.noted == {"a molecule that stands in an earlier row too": 1}


def test_repeats_are_found_across_the_pieces_of_a_table(tmp_path, monkeypatch):
    monkeypatch.setattr(smiles, "ROWS", 2)
    path = tmp_path / "drugs.parquet"
    pl.DataFrame({"smiles": ["CCO", "CC", "OCC", "C1CC", "OCC"]}).write_parquet(path)
    chunks = list(smiles.Smiles().read(path))
    assert sum(sum(c.noted.values()) for c in chunks) == 2
    assert [r for c in chunks for r in c.frame["row_id"]] == [0, 1, 2, 4]
    assert [r for c in chunks for r in c.refused["row"]] == [3]


def test_rdkit_says_nothing_on_the_screen(table, capfd):
    list(smiles.Smiles().read(table))
    assert capfd.readouterr() == ("", "")


def test_lines_without_a_header_give_a_structure_and_a_name(tmp_path):
    path = tmp_path / "drugs.smi"
    path.write_text("CCO ethanol\n\nc1ccccc1\tring of six\n")
    (chunk,) = smiles.Smiles().read(path)
    assert chunk.frame.rows() == [(0, "CCO", "ethanol"), (2, "c1ccccc1", "ring of six")]
    assert chunk.refused["row"].to_list() == [1]


def test_the_column_is_the_one_named_smiles_or_the_one_in_the_settings(tmp_path):
    path = tmp_path / "two.csv"
    pl.DataFrame({"smiles_in": ["C"], "smiles_out": ["CC"]}).write_csv(path)
    assert not smiles.Smiles().sniff(path)
    with pytest.raises(UnknownName, match="column of SMILES"):
        list(smiles.Smiles().read(path))
    (chunk,) = smiles.Smiles(column="smiles_out").read(path)
    assert chunk.used == 1


def test_a_table_with_smiles_is_known_before_a_plain_table(table):
    assert detect(table) == "smiles"


def test_a_table_cut_short_is_an_error_that_names_the_file(tmp_path):
    path = tmp_path / "cut.parquet"
    pl.DataFrame({"smiles": ["CCO"] * 500}).write_parquet(path)
    path.write_bytes(path.read_bytes()[:-60])
    assert not smiles.Smiles().sniff(path)
    with pytest.raises(BadData, match=r"cut\.parquet"):
        list(smiles.Smiles().read(path))


def test_more_refused_than_allowed_stops_the_ingest(table, tmp_path):
    with pytest.raises(BadData):
        ingest("smiles", table, tmp_path / "out")


@pytest.mark.parametrize("check", format_checks(), ids=lambda check: check.__name__)
def test_the_format_keeps_the_contract(check, table, tmp_path):
    check(smiles.Smiles(), table, tmp_path / "checked")
