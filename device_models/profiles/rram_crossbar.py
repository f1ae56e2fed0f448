"""Synapses of resistive memory, two cells to a weight, with digital neurons."""

from device_models.profile import Cited, Profile

_AIHWKIT = (
    "ReRamWan2022NoiseModel of IBM's aihwkit (github.com/IBM/aihwkit, src/aihwkit/inference/"
    "noise/reram.py), read off the figures of Wan et al. 2022, Nature 608, 504"
)

PROFILE = Profile(
    name="rram-crossbar",
    description="weights in pairs of resistive cells that are written with noise",
    cited={
        "differential": Cited(1, f"one cell for each sign; {_AIHWKIT}"),
        "weight_bits": Cited(
            4,
            "as accurate as software of 4-bit weights: Wan et al. 2022, Nature 608, 504, abstract; "
            "that targets lie on such levels is a choice",
        ),
        "programming_noise": Cited(
            0.032,
            "root mean square over targets from 0 to the largest conductance, 1 s after the "
            f"write; {_AIHWKIT}",
        ),
    },
)
