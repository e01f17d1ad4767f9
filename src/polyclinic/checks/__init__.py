"""The contracts of models, formats and outcomes, as plain functions that anyone runs in their own tests.

    from polyclinic.checks import model_checks

    @pytest.mark.parametrize("check", model_checks(), ids=lambda check: check.__name__)
    def test_my_model_keeps_its_contract(check, tmp_path):
        check(MyModel(width=8), Binary(), tmp_path)

A check that fails raises `CheckFailed` with a sentence that says what to repair.
"""

from polyclinic.checks.contract import Result, refuse, run
from polyclinic.checks.formats import format_checks
from polyclinic.checks.models import model_checks
from polyclinic.checks.outcomes import outcome_checks

__all__ = ["Result", "format_checks", "model_checks", "outcome_checks", "refuse", "run"]
