"""Minus 1 below the centre, 1 above it."""

import numpy as np

from hil.learning.gate import Gate

GATE = Gate(lambda x, drawn: np.sign(x))
