"""The conformance kit: does a driver keep the contract?

from drivers.conformance import CHECKS, Bench, outcome

with Bench(lambda: drivers.open("counter:A7")) as bench:
    outcomes = [outcome(check, bench) for check in CHECKS]
"""

from drivers.conformance.checks import CHECKS
from drivers.conformance.kit.harness import Bench
from drivers.conformance.kit.verdict import Check, Outcome, Verdict, name, outcome, reason

__all__ = ["CHECKS", "Bench", "Check", "Outcome", "Verdict", "name", "outcome", "reason"]
