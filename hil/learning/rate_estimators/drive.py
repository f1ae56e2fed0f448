"""What the nominal neuron does under the drive, where nothing is seen of a layer.

As good as what is stated of the neurons and stored in the synapses: the fixed pattern of a chip
stays unknown. At the output, which shows its spikes, this estimate too is held against the truth.
"""

from __future__ import annotations

import numpy as np

from hil.learning.nominal_neuron import look_up, nearest, placed, table
from hil.learning.rate_estimator import Estimate, Estimator, LayerReading
from hil.learning.rate_estimators.fused import variance_of


def estimate(reading: LayerReading) -> Estimate:
    """Rates from the drive alone."""
    neuron, drive = reading.neuron, reading.drive
    values, rows = table(neuron), nearest(neuron, reading.spread)
    deviation = np.sqrt(variance_of(drive, reading.doubt))
    low, at, high = (placed(neuron, d, rows) for d in (drive - deviation, drive, drive + deviation))
    rate = np.clip(look_up(values["rate"], at), 0, neuron.most)
    rise = look_up(values["rate"], high) - look_up(values["rate"], low)
    doubt = rise**2 / np.float32(4) + np.float32(2e-4)
    return Estimate(rate, look_up(values["mean_before"], at), doubt)


ESTIMATOR = Estimator("drive", "nothing", estimate)
