"""The cosine."""

import numpy as np

from hil.learning.gate import Gate

GATE = Gate(lambda x, drawn: np.cos(x))
