"""The sine."""

import numpy as np

from hil.learning.gate import Gate

GATE = Gate(lambda x, drawn: np.sin(x))
