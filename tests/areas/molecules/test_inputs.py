"""Molecules as columns: atoms, bonds, numbers, scaffolds."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("rdkit", reason="rdkit comes with the extra `molecules`")
inputs = pytest.importorskip("polyclinic.areas.molecules.inputs", reason="the area `molecules` is away")

DRUGS = (
    "CC(=O)Oc1ccccc1C(=O)O",
    "C[C@H](N)C(=O)O",
    "F/C=C/F",
    "[Na+].[O-]C(=O)c1ccccc1",
    "[2H]C([2H])([2H])O",
    "C[N+](C)(C)CCO",
    "CN1C=NC2=C1C(=O)N(C)C(=O)N2C",
)


def columns(*smiles):
    rows = pl.DataFrame({"smiles": pl.Series(smiles, dtype=pl.String)})
    return inputs.MoleculesInputs().columns(None, rows, None)


def names(column, field, row=0):
    return [column.levels[field][i] for i in column.rows(field)[row]]


def written_anew(smiles: str, seed: int) -> str:
    """The same molecule with its atoms in another order."""
    from rdkit import Chem

    return Chem.MolToRandomSmilesVect(Chem.MolFromSmiles(smiles), 1, randomSeed=seed)[0]


def picture(molecules) -> list[tuple]:
    """The bonds of the first molecule with the atoms at their ends, whatever their order."""
    atoms, bonds = molecules.columns["atoms"], molecules.columns["bonds"]
    atom = list(zip(*(names(atoms, f) for f in atoms.levels), strict=True))
    kind = list(zip(*(names(bonds, f) for f in bonds.levels), strict=True))
    ends = zip(bonds.rows("source")[0], bonds.rows("target")[0], strict=True)
    return sorted((k, *sorted((atom[a], atom[b]))) for k, (a, b) in zip(kind, ends, strict=True))


def test_atoms_and_bonds_say_what_the_structure_says():
    input_columns = columns("C[N+](C)(C)CC#N")
    atoms, bonds = input_columns.columns["atoms"], input_columns.columns["bonds"]
    assert names(atoms, "element") == ["C", "N", "C", "C", "C", "C", "N"]
    assert names(atoms, "charge") == ["+0", "+1", "+0", "+0", "+0", "+0", "+0"]
    assert names(atoms, "hydrogens") == ["3", "0", "3", "3", "2", "0", "0"]
    assert names(bonds, "order") == ["SINGLE"] * 5 + ["TRIPLE"]
    assert bonds.of == "atoms"


def test_bonds_count_their_ends_from_the_first_atom_of_their_own_molecule():
    bonds = columns("CCO", "c1ccccc1").columns["bonds"]
    assert bonds.rows("source")[1].min() == 0
    assert max(bonds.rows("source")[1].max(), bonds.rows("target")[1].max()) == 5


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(DRUGS), st.integers(1, 10_000))
def test_how_a_molecule_was_written_changes_nothing(smiles, seed):
    one, other = columns(smiles), columns(written_anew(smiles, seed))
    assert picture(one) == picture(other)
    for name in ("scaffold", "molecule"):
        assert one.groups[name] == other.groups[name]
    for name in ("fingerprint", "descriptors"):
        assert np.allclose(one.columns[name].values, other.columns[name].values, rtol=1e-4, atol=1e-3)


def test_mirror_images_and_the_two_sides_of_a_double_bond_differ():
    assert picture(columns("C[C@H](N)C(=O)O")) != picture(columns("C[C@@H](N)C(=O)O"))
    assert picture(columns("F/C=C/F")) != picture(columns("F/C=C\\F"))


def test_a_molecule_of_one_atom_has_no_bonds_and_finite_numbers():
    input_columns = columns("[Na+]")
    assert (input_columns.columns["atoms"].lengths[0], input_columns.columns["bonds"].lengths[0]) == (1, 0)
    assert np.isfinite(input_columns.columns["descriptors"].values).all()
    assert input_columns.strata["size"][0] == "1-15 atoms"


def test_a_huge_molecule_keeps_every_atom():
    assert columns("C" * 3000).columns["atoms"].lengths[0] == 3000


def test_a_row_without_a_molecule_has_no_atoms_and_says_why():
    rows = pl.DataFrame({"smiles": ["CCO", "C1CC", "", None]})
    input_columns = inputs.MoleculesInputs().columns(None, rows, None)
    assert input_columns.columns["atoms"].lengths.tolist() == [3, 0, 0, 0]
    assert input_columns.columns["fingerprint"].present.tolist() == [True, False, False, False]
    why = inputs.MoleculesInputs().unreadable(rows)
    assert why == {1: "not a SMILES: pattern 'a9aa'", 2: "no SMILES", 3: "no SMILES"}


def test_scaffolds_are_rings_with_their_linkers_and_ringless_molecules_share_one():
    groups = columns("CC(=O)Oc1ccccc1C(=O)O", "Cc1ccccc1", "CCO", "CC#N").groups["scaffold"]
    assert groups.tolist() == ["c1ccccc1", "c1ccccc1", "acyclic", "acyclic"]


def test_no_rows_give_the_same_columns():
    input_columns = columns()
    assert (
        len(input_columns.columns["atoms"])
        == len(input_columns.columns["fingerprint"])
        == len(input_columns.groups["scaffold"])
        == 0
    )


def test_the_real_set_has_its_known_counts(shared):
    rows = pl.read_parquet(shared / "data/molecules/moleculenet/bbbp.parquet")
    assert len(inputs.MoleculesInputs().unreadable(rows)) == 11
    input_columns = columns(*rows["smiles"])
    answers = pl.DataFrame({"molecule": input_columns.groups["molecule"], "answer": rows["p_np"]})
    repeated = answers.filter(pl.col("molecule") != "").group_by("molecule").agg(pl.len(), pl.col("answer").n_unique())
    assert len(np.unique(input_columns.groups["scaffold"])) == 1026  # 1,025, and "" for what is no molecule
    assert repeated.filter(pl.col("len") > 1).height == 60
    assert repeated.filter(pl.col("answer") > 1).height == 10


def mapped(smiles: str, first: int = 1) -> str:
    """The same molecule with a number on every atom, as tools for reactions write it."""
    from rdkit import Chem

    numbered = Chem.MolFromSmiles(smiles)
    for atom in numbered.GetAtoms():
        atom.SetAtomMapNum(first + atom.GetIdx())
    return Chem.MolToSmiles(numbered)


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(DRUGS), st.integers(1, 900))
def test_atom_map_numbers_change_nothing(smiles, first):
    one, other = columns(smiles), columns(mapped(smiles, first))
    assert ":" in mapped(smiles, first)
    assert picture(one) == picture(other)
    for name in ("scaffold", "molecule"):
        assert one.groups[name] == other.groups[name]
    for name in ("fingerprint", "descriptors"):
        assert np.allclose(one.columns[name].values, other.columns[name].values, rtol=1e-4, atol=1e-3)


def test_two_groups_that_differ_by_their_numbers_alone_make_no_stereo_centre():
    assert picture(columns("[CH3:1][C@H:2]([CH3:3])[OH:4]")) == picture(columns("CC(C)O"))


def test_with_and_without_numbers_a_molecule_stands_in_one_fold():
    from polyclinic.samples import Dense, Samples
    from polyclinic.samples.splits import Split, split

    rings = [f"C{'C' * n}c1ccc(O)cc1CC{'N' * (n % 2)}C1CCCC1{'O' * (n % 3)}" for n in range(6)]
    rings += [f"c1ccc2c(c1){'C' * n}CC2{'F' * (n % 2)}" for n in range(1, 7)]
    smiles = [way for ring in rings for way in (ring, mapped(ring))]
    input_columns = columns(*smiles)
    target = {"y": Dense(np.tile([1.0, 1.0, 0.0, 0.0], 6).astype(np.float32))}
    roles = {**dict.fromkeys(input_columns.columns, "input"), "y": "target"}
    rows = Samples(np.arange(len(smiles)), {**input_columns.columns, **target}, roles, input_columns.groups)
    for fold in split(rows, Split(separate=("scaffold",), folds=3), 1):
        learned = {input_columns.groups["molecule"][row] for row in (*fold.train, *fold.validation)}
        assert not learned & {input_columns.groups["molecule"][row] for row in fold.test}
