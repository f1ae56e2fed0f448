"""BrainScaleS-2 of Heidelberg University, calibrated neuron by neuron."""

from device_models.profile import Cited, Profile
from device_models.profiles.brainscales_2_raw import CODE
from device_models.profiles.brainscales_2_raw import PROFILE as RAW

_CALIX = "calix (github.com/electronicvisions/calix, tests/hw/py"


def _calibrated(nonideality: str, remaining: float) -> Cited:
    """What is left of a spread where a calibration just passes the hardware test of calix."""
    return Cited(
        remaining * RAW.cited[nonideality].value,
        f"{remaining:g} of the spread of brainscales-2-raw, the most that is accepted after "
        f"calibration: {_CALIX}/test_neuron_distribution.py)",
    )


PROFILE = Profile(
    name="brainscales-2",
    description="accelerated analog neurons, calibrated, 6-bit synapses, 8-bit membrane readout",
    neuron=RAW.neuron,
    reset=RAW.reset,
    parameters=RAW.parameters,
    cited={
        **RAW.cited,
        "threshold_cv": _calibrated("threshold_cv", 0.35),
        "leak_cv": _calibrated("leak_cv", 0.45),
        "synapse_tau_cv": _calibrated("synapse_tau_cv", 0.2),
        "reset_sd": _calibrated("reset_sd", 0.2),
        "bias_sd": _calibrated("bias_sd", 0.3),
        "gain_cv": Cited(0.1, "a choice, for want of a published value"),
        "adc_offset_sd": Cited(
            3 * CODE,
            f"3 codes, the most that is accepted after calibration: {_CALIX}/"
            "test_cadc_calibration.py)",
        ),
    },
)
