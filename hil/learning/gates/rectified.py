"""Linear above the centre, else 0."""

import numpy as np

from hil.learning.gate import Gate

GATE = Gate(lambda x, drawn: np.maximum(x, 0))
