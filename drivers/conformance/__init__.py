"""The conformance kit: does a driver keep the contract?

from drivers.conformance import CHECKS, Harness, run_check

with Harness(lambda: drivers.open("counter:A7")) as harness:
    outcomes = [run_check(check, harness) for check in CHECKS]
"""

from drivers.conformance.checks import CHECKS
from drivers.conformance.harness import (
    Check,
    Harness,
    Outcome,
    Verdict,
    check_name,
    check_reason,
    run_check,
)

__all__ = [
    "CHECKS",
    "Harness",
    "Check",
    "Outcome",
    "Verdict",
    "check_name",
    "check_reason",
    "run_check",
]
