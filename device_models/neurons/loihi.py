"""The digital leaky integrate-and-fire neuron of Loihi, in whole numbers."""

from device_models.neuron_model import THRESHOLD, NeuronModel, Parameter, time_constant

LEVEL = 100 * 64.0
LOIHI = "default of `brian2-loihi`"

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
    decay_v = floor(4096 * dt / tau_membrane + 0.5)
    decay_u = floor(4096 * dt / tau_synapse + 0.5)
    free = int(timestep(t - lastspike, dt) >= timestep(t_refractory, dt))
    v = free * (v - sign(v) * ceil(abs(v) * decay_v / 4096) + u + bias)
    u = u - sign(u) * ceil(abs(u) * decay_u / 4096)
    """,
    parameters={
        "tau_membrane": time_constant(
            10e-3,
            "Membrane time constant; the decay is dt / tau_membrane in whole 4096ths.",
            setting="tau_membrane",
            source="A choice: as in `lif`",
        ),
        "tau_synapse": time_constant(
            1e-3,
            "Time constant of the synaptic current; the decay is dt / tau_synapse.",
            setting="tau_synapse",
            source=f"{LOIHI}: a current lasts one step of 1 ms",
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
    precision="double",
)
