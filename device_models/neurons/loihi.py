"""The digital leaky integrate-and-fire neuron of Loihi, in whole numbers."""

import math

from device_models.neurons import THRESHOLD, Mantissa, NeuronModel, Parameter

LEVEL = 100 * 64.0
SHORTEST, LONGEST = 1e-4, 1e3  # seconds
AT_ONCE = 1e-6  # seconds; nothing of a current is left after a step
LOIHI = "default of `brian2-loihi`"


def _decode_decay(share: int, dt: float, shortest: float) -> float:
    """Find the time constant, in seconds, whose decay is so many 4096ths a step."""
    if share == 4096:
        return shortest
    return LONGEST if share == 0 else max(-dt / math.log1p(-share / 4096), shortest)


MODEL = NeuronModel(
    name="loihi",
    equations="""
    v : 1
    u : 1
    """,
    # Decays are whole 4096ths for each step, and what decays is rounded away from zero. A spike
    # leaves v at 0, where it stays while the neuron is not free.
    update="""
    bias = floor(i_in * dt + 0.5)
    decay_v = floor(8192 / (1 + 1 / tanh(dt / (2 * tau_membrane))) + 0.5)
    decay_u = floor(8192 / (1 + 1 / tanh(dt / (2 * tau_synapse))) + 0.5)
    free = int(timestep(t - lastspike, dt) >= timestep(t_refractory, dt))
    v = free * (v - sign(v) * ceil(abs(v) * decay_v / 4096) + u + bias)
    u = u - sign(u) * ceil(abs(u) * decay_u / 4096)
    """,
    parameters={
        "tau_membrane": Parameter(
            value=10e-3,
            unit="second",
            minimum=SHORTEST,
            maximum=LONGEST,
            meaning="Membrane time constant; a step takes 1 - exp(-dt / tau), in whole 4096ths.",
            setting="tau_membrane",
            source="A choice: as in `lif`",
        ),
        "tau_synapse": Parameter(
            value=AT_ONCE,
            unit="second",
            minimum=AT_ONCE,
            maximum=LONGEST,
            meaning="Time constant of the synaptic current, which decays likewise.",
            setting="tau_synapse",
            source=f"{LOIHI}: a current lasts one step",
        ),
        "v_threshold": Parameter(
            value=LEVEL,
            unit="1",
            minimum=64.0,
            maximum=131071 * 64.0,
            meaning="Firing threshold, a mantissa of 17 bits times 2^6.",
            setting="threshold",
            mismatch=THRESHOLD,
            source=LOIHI,
        ),
        "t_refractory": Parameter(
            value=1e-3,
            unit="second",
            minimum=1e-3,
            maximum=64e-3,
            meaning="Time after a spike in which the membrane is clamped; one step is none.",
            setting="refractory",
            source=LOIHI,
        ),
    },
    threshold="v > 64 * floor(v_threshold / 64 + 0.5)",
    resets={"hard": "v = 0"},
    method="euler",
    membrane="v",
    receives="u",
    time_constant="tau_membrane",
    silent="v_threshold",
    source="Davies et al. 2018, IEEE Micro 38(1):82; Michaelis, Lehr, Oed & Tetzlaff 2022, Front. "
    "Neuroinform. 16:1015624 (`brian2-loihi`)",
    description="Digital leaky integrate-and-fire of Loihi, in whole numbers.",
    unit="1",
    level=LEVEL,
    refractory="t_refractory",
    weight_unit=64.0,
    # As Lava has them (`lava.proc.lif`): the chip's decay of a current is 1 more than `du`.
    mantissas={
        "vth": Mantissa("v_threshold", 131071, lambda mantissa, dt: 64.0 * mantissa),
        "du": Mantissa("tau_synapse", 4095, lambda du, dt: _decode_decay(du + 1, dt, AT_ONCE)),
        "dv": Mantissa("tau_membrane", 4095, lambda dv, dt: _decode_decay(dv, dt, SHORTEST)),
    },
    precision="double",
)
