"""The message-passing network: the contract of every model, and what padding and order may not change."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

pytest.importorskip("rdkit", reason="rdkit comes with the extra `molecules`")
pytest.importorskip("torch", reason="torch comes with the extra `train`")
mpnn = pytest.importorskip("polyclinic.areas.molecules.models.mpnn", reason="the area `molecules` is away")

from polyclinic.areas.molecules.inputs import MoleculesInputs  # noqa: E402
from polyclinic.checks.models import model_checks  # noqa: E402
from polyclinic.errors import BadData  # noqa: E402
from polyclinic.models.model import Session  # noqa: E402
from polyclinic.models.training_settings import Training  # noqa: E402
from polyclinic.outcomes.binary import Binary  # noqa: E402
from polyclinic.outcomes.outcome import Head  # noqa: E402
from polyclinic.samples import Dense, Samples  # noqa: E402
from polyclinic.training.loop import fit  # noqa: E402

SMALL = mpnn.Mpnn(width=16, training=Training(epochs=15, batch=16, learning_rate=1e-2, patience=15))
ALCOHOLS = ["C" * k + "O" for k in range(1, 12)]
ALKANES = ["C" * k for k in range(1, 12)]


def molecules(smiles, answers=None) -> Samples:
    input_columns = MoleculesInputs().columns(None, pl.DataFrame({"smiles": pl.Series(smiles, dtype=pl.String)}), None)
    columns, roles = dict(input_columns.columns), dict.fromkeys(input_columns.columns, "input")
    if answers is not None:
        columns["y"], roles["y"] = Dense(np.asarray(answers, np.float32)), "target"
    return Samples(np.arange(len(smiles)), columns, roles, input_columns.groups)


@pytest.fixture(scope="module")
def fitted():
    rows = molecules(ALCOHOLS + ALKANES, [1] * 11 + [0] * 11)
    model = replace(SMALL, least=1, training=Training(epochs=3, batch=8))
    return fit(model, rows, rows, Binary(), Session(seed=1))


def answers(fitted, *smiles):
    return fitted.raw(molecules(list(smiles))).values[:, 0]


@pytest.mark.parametrize("check", model_checks(), ids=lambda check: check.__name__)
def test_the_network_keeps_the_contract_of_every_model(check, tmp_path):
    check(SMALL, Binary(), tmp_path)


def test_a_molecule_of_one_atom_a_salt_a_huge_one_and_none_are_answered_alone_or_together(fitted):
    odd = ["[Na+]", "[Na+].[Cl-]", "C" * 700, "", "CCO"]
    alone = [answers(fitted, s)[0] for s in odd]
    assert np.isfinite(alone).all()
    assert np.allclose(answers(fitted, *odd), alone, atol=1e-6)


def test_the_order_in_which_atoms_are_written_changes_no_answer(fitted):
    assert np.allclose(answers(fitted, "OCCC(C)=O"), answers(fitted, "CC(=O)CCO"), atol=1e-6)


def test_an_element_that_training_never_showed_adds_nothing():
    rows = molecules(["CC", "CO"])
    state = replace(SMALL, least=1).prepare(rows)
    known = state.values["levels"]["atoms"]["element"]
    assert set(known) == {"C", "O"}
    encoded = SMALL.encode(molecules(["[U]"]), state)["atoms"][0, 0]
    assert encoded[0] == 1
    assert encoded[1 + sorted(rows.columns["atoms"].levels).index("element")] == 0


def test_messages_come_to_an_atom_from_each_of_its_bonds():
    encoded = SMALL.encode(molecules(["CC(C)C", "CC"]), SMALL.prepare(molecules(["CC(C)C"])))
    assert encoded["ends"][0, :3].tolist() == [[0, 1], [1, 2], [1, 3]]
    assert encoded["arriving"][0].tolist() == [[2, 0, 0], [1, 4, 6], [3, 0, 0], [5, 0, 0]]
    assert encoded["arriving"][1, 2:].sum() == 0


def test_a_message_does_not_turn_back_along_its_own_bond():
    """Two atoms, one bond: whatever the depth, nothing comes back, so that one more round changes nothing."""
    import torch

    rows = molecules(["CO", "CC"])
    state = replace(SMALL, least=1).prepare(rows)
    answers = []
    for depth in (2, 6):
        torch.manual_seed(0)
        net = replace(SMALL, depth=depth).network(state, Head("row", 1)).eval()
        batch = {k: torch.as_tensor(v) for k, v in SMALL.encode(rows, state).items()}
        answers.append(net(**batch).detach().numpy())
    assert np.allclose(*answers, atol=1e-6)


def test_rows_without_bonds_of_atoms_are_an_error_that_says_what_is_needed():
    with pytest.raises(BadData, match="join the elements"):
        SMALL.prepare(Binary().planted(10, 0))


def test_an_infinite_number_of_a_molecule_is_refused_by_its_name():
    rows = molecules(["CC", "CCO"])
    values = rows.columns["descriptors"].values.copy()
    values[1, 0] = np.inf
    spoilt = rows.with_column("descriptors", replace(rows.columns["descriptors"], values=values), "input")
    for step in (lambda: SMALL.prepare(spoilt), lambda: SMALL.encode(spoilt, SMALL.prepare(rows))):
        with pytest.raises(BadData, match=r"'descriptors//.*' is infinite in 1 of 2 rows"):
            step()


def test_an_answer_an_atom_is_not_what_it_gives():
    state = SMALL.prepare(molecules(["CC"]))
    with pytest.raises(BadData, match="once a molecule"):
        SMALL.network(state, Head("element:atoms", 1))
