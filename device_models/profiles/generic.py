"""Chips of no maker: an ideal one, and a mixed-signal one with spreads as such chips show."""

from device_models.profiles import Cited, Profile

IDEAL = Profile(
    name="ideal",
    description="every neuron and synapse as nominal, exact weights, no noise",
    cited={},
)

_DYNAP = (
    "coefficients of variation of 0.1 to 0.2 over the silicon neurons of a DYNAP-SE: Zendrikov, "
    "Solinas & Indiveri 2023, Neuromorph. Comput. Eng. 3 034002"
)
_BSS2 = "BrainScaleS-2: Pehle et al. 2022, Front. Neurosci. 16:795876"
_CHOICE = "a choice, for want of a published value"

MIXED_SIGNAL = Profile(
    name="mixed-signal",
    description="analog neurons with mismatch, 6-bit weights, 8-bit membrane readout, noise",
    energy=Cited(
        26e-12,
        "a choice, as of a DYNAP-SE at 1.3 V: Moradi et al. 2018, IEEE Trans. Biomed. Circuits "
        "Syst. 12, 106; not checked there",
    ),
    cited={
        "threshold_cv": Cited(0.1, _DYNAP),
        "leak_cv": Cited(0.2, _DYNAP),
        "gain_cv": Cited(0.1, _DYNAP),
        "weight_cv": Cited(0.2, _DYNAP),
        "reset_sd": Cited(0.05, _CHOICE),
        "dead_fraction": Cited(0.01, _CHOICE),
        "weight_bits": Cited(6, f"6-bit synaptic weights; {_BSS2}"),
        "programming_noise": Cited(0.01, _CHOICE),
        "membrane_noise": Cited(0.02, _CHOICE),
        "spike_loss": Cited(0.001, _CHOICE),
        "adc_bits": Cited(8, f"8-bit parallel converter of membranes; {_BSS2}"),
        "adc_gain_cv": Cited(0.05, _CHOICE),
        "adc_offset_sd": Cited(0.02, _CHOICE),
        "adc_noise": Cited(0.02, _CHOICE),
    },
)
