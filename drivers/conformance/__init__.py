"""The conformance kit: does a driver keep the contract?"""

from drivers.conformance.bench import Bench

__all__ = ["Bench"]
