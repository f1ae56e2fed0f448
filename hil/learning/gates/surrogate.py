"""The derivative of the fast sigmoid (Zenke & Ganguli 2018, Neural Comput. 30, 1514)."""

import numpy as np

from hil.learning.gate import Gate

GATE = Gate(lambda x, drawn: 1 / np.square(1 + np.abs(x)))
