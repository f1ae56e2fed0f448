"""The DYNAP-SE family of the University of Zurich: analog neurons far below threshold current."""

from device_models.profiles import Cited, Profile

_CV = (
    "0.1 to 0.2 over the silicon neurons of a DYNAP-SE: Zendrikov, Solinas & Indiveri 2023, "
    "Neuromorph. Comput. Eng. 3 034002; which value of that range is a choice"
)
_ROCKPOOL = (
    "30 % at three standard deviations, default of rockpool's mismatch_generator for Dynap-SE2 "
    "(github.com/synsense/rockpool, rockpool/transform/mismatch.py)"
)
_CHOICE = "a choice, for want of a published value"

PROFILE = Profile(
    name="dynap-se",
    description="subthreshold analog neurons with mismatch, a few bits of weight, no calibration",
    neuron="dpi",
    energy=Cited(
        26e-12,
        "synaptic event at 1.3 V: Moradi et al. 2018, IEEE Trans. Biomed. Circuits Syst. 12, 106; "
        "not checked there",
    ),
    cited={
        "threshold_cv": Cited(0.1, _ROCKPOOL),
        "leak_cv": Cited(0.2, _CV),
        "synapse_tau_cv": Cited(0.2, _CV),
        "refractory_cv": Cited(0.2, _CV),
        "gain_cv": Cited(0.2, _CV),
        "weight_cv": Cited(0.1, _ROCKPOOL),
        "weight_bits": Cited(
            5,
            "4-bit mask of weight currents and a sign by the type of synapse, Dynap-SE2: "
            "github.com/synsense/rockpool, rockpool/devices/dynapse",
        ),
        "dead_fraction": Cited(0.01, _CHOICE),
        "membrane_noise": Cited(0.02, _CHOICE),
    },
)
