"""BrainScaleS-2 of Heidelberg University, as it comes from the foundry and calibrated."""

from device_models.profiles import Cited, Profile

_CRAMER = "Cramer et al. 2022, PNAS 119 e2109194119"
_CALIX = "calix, the calibration of BrainScaleS-2 (github.com/electronicvisions/calix)"

# Rest, threshold and reset that calix aims at, in codes of the converter (src/cc/ccalix/
# neuron_calib_target.cpp).
_REST, _THRESHOLD, _RESET = 80, 125, 70
# One code, in nominal thresholds.
_CODE = 1 / (_THRESHOLD - _REST)

_MISMATCH = (
    "a choice; the mismatch of an uncalibrated chip is notably below 0.5 of the mean of time "
    f"constants and thresholds: {_CRAMER}"
)
_POTENTIAL = "a choice, below the spread of the threshold"
_CHOICE = "a choice, for want of a published value"
_NOISE = (
    "2 codes of the converter for a multiply-accumulate, default of hxtorch's mock mode "
    "(github.com/electronicvisions/hxtorch, perceptron/constants.h), shared evenly between "
    f"membrane and converter, which is a choice; codes to thresholds by the targets of {_CALIX}"
)
_TIME = f"default target of {_CALIX}, in the time of biology, which is 1000 times as long"
_RANGE = f"codes 0 to 255 with rest at code 80 and threshold at 125, default targets of {_CALIX}"

RAW = Profile(
    name="brainscales-2-raw",
    description="accelerated analog neurons, every parameter set alike and none calibrated",
    neuron="lif-exp",
    reset="hard",
    parameters={
        "tau_membrane": Cited(10e-3, f"10 us, {_TIME}"),
        "tau_synapse": Cited(10e-3, f"10 us, {_TIME}"),
        "t_refractory": Cited(2e-3, f"2 us, {_TIME}"),
        "v_reset": Cited(
            (_RESET - _REST) * _CODE,
            f"code 70 with rest at code 80 and threshold at 125, default targets of {_CALIX}",
        ),
    },
    cited={
        "threshold_cv": Cited(0.3, _MISMATCH),
        "leak_cv": Cited(0.3, _MISMATCH),
        "synapse_tau_cv": Cited(0.3, _MISMATCH),
        "reset_sd": Cited(0.2, _POTENTIAL),
        "bias_sd": Cited(0.2, _POTENTIAL),
        "gain_cv": Cited(0.2, _CHOICE),
        "weight_cv": Cited(0.05, _CHOICE),
        "weight_bits": Cited(7, f"a signed weight merges two 6-bit synapses: {_CRAMER}"),
        "membrane_noise": Cited(2 * _CODE / 2**0.5, _NOISE),
        "adc_bits": Cited(
            8,
            "8-bit parallel converter: github.com/electronicvisions/brainscales2-demos, "
            "fp_brainscales.rst; Pehle et al. 2022, Front. Neurosci. 16:795876",
        ),
        "adc_minimum": Cited(-_REST * _CODE, _RANGE),
        "adc_maximum": Cited((255 - _REST) * _CODE, _RANGE),
        "adc_offset_sd": Cited(
            10 * _CODE,
            "a choice; offsets of channels have to spread by less than 20 codes in the hardware "
            f"test of {_CALIX}, tests/hw/py/test_cadc_calibration.py",
        ),
        "adc_noise": Cited(2 * _CODE / 2**0.5, _NOISE),
    },
)

# -- calibrated neuron by neuron -------------------------------------------------------------

_HARDWARE_TESTS = "calix (github.com/electronicvisions/calix, tests/hw/py"


def _cite_calibrated(nonideality: str, remaining: float) -> Cited:
    """Cite what is left of a spread where a calibration just passes the hardware test of calix."""
    return Cited(
        remaining * RAW.cited[nonideality].value,
        f"{remaining:g} of the spread of brainscales-2-raw, the most that is accepted after "
        f"calibration: {_HARDWARE_TESTS}/test_neuron_distribution.py)",
    )


CALIBRATED = Profile(
    name="brainscales-2",
    description="accelerated analog neurons, calibrated, 6-bit synapses, 8-bit membrane readout",
    neuron=RAW.neuron,
    reset=RAW.reset,
    parameters=RAW.parameters,
    cited={
        **RAW.cited,
        "threshold_cv": _cite_calibrated("threshold_cv", 0.35),
        "leak_cv": _cite_calibrated("leak_cv", 0.45),
        "synapse_tau_cv": _cite_calibrated("synapse_tau_cv", 0.2),
        "reset_sd": _cite_calibrated("reset_sd", 0.2),
        "bias_sd": _cite_calibrated("bias_sd", 0.3),
        "gain_cv": Cited(0.1, "a choice, for want of a published value"),
        "adc_offset_sd": Cited(
            3 * _CODE,
            f"3 codes, the most that is accepted after calibration: {_HARDWARE_TESTS}/"
            "test_cadc_calibration.py)",
        ),
    },
)
