"""The task of the tests of index times: every hour of a stay, will the pressure fall below 65 within two hours?"""

from __future__ import annotations

from typing import Any


def grid_task(pressure: str = "MAP", begin: str = "IN", end: str = "OUT") -> dict[str, Any]:
    """The document of the task; pressure, begin, end: the codes of its events."""
    return {
        "predicates": {
            "map": {"code": pressure},
            "low": {"code": pressure, "value_max": 65},
            "icu_in": {"code": begin},
            "icu_out": {"code": end},
        },
        "every": {"step": "1h", "while": ["icu_in", "icu_out"], "after": "1h"},
        "windows": {
            "target": {
                "start": "trigger",
                "end": "start + 2h",
                "start_inclusive": False,
                "end_inclusive": True,
                "has": {"map": "(1, None)"},
                "label": "low",
            }
        },
    }
