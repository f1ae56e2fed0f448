"""Synapses of resistive and phase-change memory, two cells to a weight, with digital neurons."""

from device_models.profiles import Cited, Profile

_PCM_NOISE = (
    "PCMLikeNoiseModel of IBM's aihwkit (github.com/IBM/aihwkit, src/aihwkit/inference/noise/"
    "pcm.py), fitted to measured cells: Nandakumar et al. 2019, ICECS; Joshi et al. 2020, "
    "Nat. Commun. 11, 2473"
)

PCM = Profile(
    name="pcm-crossbar",
    description="weights in pairs of phase-change cells that are written with noise and drift",
    energy=Cited(
        0.2e-12,
        "2 operations of 9.76 tera-operations a second and watt: Le Gallo et al. 2023, Nat. "
        "Electron. 6, 680; not checked there",
    ),
    cited={
        "differential": Cited(1, f"one cell for each sign; {_PCM_NOISE}"),
        "weight_bits": Cited(
            5,
            "a choice: levels about two standard deviations of the noise apart, so that a cell is "
            "written anew when its weight has moved by more than that",
        ),
        "programming_noise": Cited(
            0.018, f"1.8 % of the largest conductance at a tenth of it; {_PCM_NOISE}"
        ),
        "programming_noise_relative": Cited(
            0.038, f"4.2 % at the largest conductance, with programming_noise; {_PCM_NOISE}"
        ),
        "drift": Cited(0.049, f"exponent at a quarter of the largest conductance; {_PCM_NOISE}"),
        "drift_cv": Cited(0.23, f"likewise, 0.0114 of 0.049; {_PCM_NOISE}"),
        "drift_start": Cited(20.0, f"20 s; {_PCM_NOISE}"),
        "run_seconds": Cited(2.0, "100 samples of 20 steps of 1 ms one after another, a choice"),
    },
)

_RRAM_NOISE = (
    "ReRamWan2022NoiseModel of IBM's aihwkit (github.com/IBM/aihwkit, src/aihwkit/inference/"
    "noise/reram.py), read off the figures of Wan et al. 2022, Nature 608, 504"
)

RRAM = Profile(
    name="rram-crossbar",
    description="weights in pairs of resistive cells that are written with noise",
    cited={
        "differential": Cited(1, f"one cell for each sign; {_RRAM_NOISE}"),
        "weight_bits": Cited(
            4,
            "as accurate as software of 4-bit weights: Wan et al. 2022, Nature 608, 504, abstract; "
            "that targets lie on such levels is a choice",
        ),
        "programming_noise": Cited(
            0.032,
            "root mean square over targets from 0 to the largest conductance, 1 s after the "
            f"write; {_RRAM_NOISE}",
        ),
    },
)
