"""The words of the language: units, constants, what a neuron knows of itself, and free names."""

from __future__ import annotations

import builtins
import keyword
import re

from device_models.language.parser import FUNCTIONS
from device_models.naming import shown

_BASES = (
    *("volt", "amp", "second", "hertz", "siemens", "ohm", "farad", "coulomb", "joule"),
    *("watt", "metre", "meter", "mole", "pascal"),
)
# In which a variable may be declared.
BASE_UNITS = frozenset((*_BASES, "kelvin"))
# With which a number may be multiplied, besides.
UNITS = BASE_UNITS | {prefix + base for prefix in "fpnumkMG" for base in _BASES}
UNITS |= {"mV", "mA", "uA", "nA", "pA", "pF", "nF", "uF", "nS", "uS", "ms", "us"}
UNITS |= {"Hz", "kHz", "MHz", "cm", "mm", "um"}
CONSTANTS = frozenset(("pi", "e", "inf"))
# What Brian2 and the engine know of a neuron: time, step, last spike, and the input.
GIVEN = frozenset(("t", "dt", "lastspike", "not_refractory", "i_in"))
# What Brian2 means something else by, its other functions, and what its numpy code is written with.
TAKEN = frozenset(("i", "j", "N", "xi", "t_in_timesteps", "refractory", "unless", "boolean"))
TAKEN |= {"integer", "mod", "rand", "randn", "poisson", "binomial"}
TAKEN |= {"logical_not", "LazyArange", "numpy_True", "numpy_False"}
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]*(?:_[A-Za-z0-9]+)*")
LONGEST_NAME = 40


def free(name: str) -> str:
    """A name, if it may be given to a variable or a parameter.

    Raises:
        ValueError: When it is none, or means something already.
    """
    if len(name) > LONGEST_NAME or not _NAME.fullmatch(name):
        raise ValueError(
            f"name {shown(name)}: give up to {LONGEST_NAME} letters, digits and single "
            "underscores, a letter first"
        )
    words = UNITS | CONSTANTS | GIVEN | TAKEN | FUNCTIONS.keys()
    pythons = hasattr(builtins, name) or keyword.iskeyword(name)
    if name in words or name.startswith("xi_") or pythons:
        raise ValueError(f"name {name!r} means something already: choose another")
    return name


def unit(text: str) -> str:
    """A unit in which a variable may be declared, written anew.

    Args:
        text: `1`, or units of the list with `*`, `/` and `**` of a digit, e.g. `volt/second`.

    Raises:
        ValueError: For anything else.
    """
    factor = rf"(?:{'|'.join(sorted(BASE_UNITS, key=len, reverse=True))})(?: *\*\* *-?[1-9])?"
    if len(text) > 100 or not re.fullmatch(rf"(?:1|{factor})(?: *[*/] *{factor})*", text):
        raise ValueError(
            f"unit {shown(text)}: give 1, or units such as volt, second, amp and hertz with *, / "
            "and ** between them"
        )
    return text.replace(" ", "")
