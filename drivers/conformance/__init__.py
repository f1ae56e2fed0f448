"""The conformance kit: does a driver keep the contract?

from drivers.conformance import CHECKS, Harness, run_check

with Harness(lambda: drivers.open("counter:A7")) as harness:
    outcomes = [run_check(check, harness) for check in CHECKS]
"""

from drivers.conformance.checking import Check, Outcome, Verdict, run_check
from drivers.conformance.checks import CHECKS
from drivers.conformance.harness import Harness

__all__ = ["CHECKS", "Harness", "Check", "Outcome", "Verdict", "run_check"]
