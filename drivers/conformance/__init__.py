"""The conformance kit: does a driver keep the contract?

from drivers.conformance import CHECKS, Harness, outcome

with Harness(lambda: drivers.open("counter:A7")) as harness:
    outcomes = [outcome(check, harness) for check in CHECKS]
"""

from drivers.conformance.checks import CHECKS
from drivers.conformance.kit.harness import Harness
from drivers.conformance.kit.verdict import Check, Outcome, Verdict, name, outcome, reason

__all__ = ["CHECKS", "Harness", "Check", "Outcome", "Verdict", "name", "outcome", "reason"]
