"""1 from the centre on, else 0."""

import numpy as np

from hil.learning.gate import Gate

GATE = Gate(lambda x, drawn: (x >= 0).astype(np.float32))
