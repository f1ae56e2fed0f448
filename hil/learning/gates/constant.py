"""1 everywhere: the error passes as it is."""

import numpy as np

from hil.learning.gate import Gate

GATE = Gate(lambda x, drawn: np.ones_like(x))
