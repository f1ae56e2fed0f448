"""Leaky integrate-and-fire neurons: delta, current-based and conductance-based synapses."""

from dataclasses import replace

from device_models.neurons import (
    LEAK,
    RESET,
    SYNAPSE,
    THRESHOLD,
    NeuronModel,
    Parameter,
    refractory_time,
    time_constant,
)

LIF = NeuronModel(
    name="lif",
    equations="dv/dt = -v / tau_membrane + i_in : volt",
    parameters={
        "tau_membrane": time_constant(
            10e-3, "Membrane time constant.", setting="tau_membrane", mismatch=LEAK
        ),
        "v_threshold": Parameter(
            value=1.0,
            unit="volt",
            minimum=0.1,
            maximum=10.0,
            meaning="Firing threshold above rest.",
            setting="threshold",
            mismatch=THRESHOLD,
        ),
        "v_reset": Parameter(
            value=0.0,
            unit="volt",
            minimum=-1.0,
            maximum=0.9,
            meaning="Potential above rest that a spike resets to.",
            mismatch=RESET,
        ),
        "t_refractory": refractory_time(),
    },
    threshold="v >= v_threshold",
    resets={"soft": "v -= v_threshold - v_reset", "hard": "v = v_reset"},
    # Exact for a single linear equation, and one exponential cheaper than Brian2's "exact".
    method="exponential_euler",
    membrane="v",
    receives="v",
    time_constant="tau_membrane",
    silent="v_threshold",
    source="Gerstner, Kistler, Naud & Paninski 2014, Neuronal Dynamics, section 1.3",
    description="Leaky integrate-and-fire; an event is a jump of the membrane.",
    refractory="t_refractory",
)

ADAPTIVE_LIF = replace(
    LIF,
    name="adaptive-lif",
    equations="""
    dv/dt = -v / tau_membrane + i_in : volt
    da/dt = -a / tau_adaptation : volt
    """,
    parameters={
        **LIF.parameters,
        "tau_adaptation": time_constant(
            50e-3,
            "Time constant of the threshold's return.",
            setting="tau_adaptation",
            maximum=10.0,
        ),
        "adaptation": Parameter(
            value=0.1,
            unit="volt",
            minimum=0.0,
            maximum=10.0,
            meaning="Rise of the threshold at each spike.",
            setting="adaptation",
        ),
    },
    threshold="v >= v_threshold + a",
    resets={
        "soft": "v -= v_threshold + a - v_reset\na += adaptation",
        "hard": "v = v_reset\na += adaptation",
    },
    source="Bellec, Salaj, Subramoney, Legenstein & Maass 2018, NeurIPS (arXiv 1803.09574), "
    "section 2",
    description="Leaky integrate-and-fire whose threshold rises with each spike and decays.",
)

# -- current-based synapses -------------------------------------------------------------------

LIF_EXP = replace(
    LIF,
    name="lif-exp",
    # s is what the synapses have yet to deliver, so that an event of any time constant moves a
    # membrane without leak by what it added to s.
    equations="""
    dv/dt = -v / tau_membrane + s / tau_synapse + i_in : volt
    ds/dt = -s / tau_synapse : volt
    """,
    parameters={
        **LIF.parameters,
        "tau_synapse": time_constant(
            5e-3,
            "Time constant of the synaptic current.",
            setting="tau_synapse",
            mismatch=SYNAPSE,
            source="Brette et al. 2007, J. Comput. Neurosci. 23:349, benchmark 2",
        ),
    },
    # A Runge-Kutta method keeps linear invariants, here v + s without leak: no charge is lost or
    # gained, whatever the step. "exponential_euler" would deliver dt / (2 tau_synapse) too much,
    # "exact" divides by tau_membrane - tau_synapse.
    method="rk2",
    receives="s",
    source="Gerstner, Kistler, Naud & Paninski 2014, Neuronal Dynamics, sections 1.3 and 3.1",
    description="Leaky integrate-and-fire; an event is a current that decays exponentially.",
    synapse="tau_synapse",
)

LIF_ALPHA = replace(
    LIF_EXP,
    name="lif-alpha",
    # x + s is what the synapses have yet to deliver.
    equations="""
    dv/dt = -v / tau_membrane + s / tau_synapse + i_in : volt
    dx/dt = -x / tau_synapse : volt
    ds/dt = (x - s) / tau_synapse : volt
    """,
    receives="x",
    source="Rotter & Diesmann 1999, Biol. Cybern. 81:381",
    description="Leaky integrate-and-fire; an event is a current that rises and decays.",
    synapse=None,
)

# -- conductance-based synapses ---------------------------------------------------------------

BENCHMARK = "Brette et al. 2007, J. Comput. Neurosci. 23:349, benchmark 1"

LIF_COND_EXP = replace(
    LIF,
    name="lif-cond-exp",
    # Potentials are scaled so that rest is 0 V and the default threshold 1 V. The driving forces
    # are scaled to 1 at rest, so that s_e and s_i are what the synapses have yet to deliver to a
    # membrane held there. "exponential_euler" keeps the membrane between the reversal potentials,
    # however strong the conductances.
    equations="""
    excitation = s_e / tau_e * (e_e - v) / e_e : volt/second
    inhibition = s_i / tau_i * (v - e_i) / (-e_i) : volt/second
    dv/dt = -v / tau_membrane + excitation - inhibition + i_in : volt
    ds_e/dt = -s_e / tau_e : volt
    ds_i/dt = -s_i / tau_i : volt
    """,
    parameters={
        **LIF.parameters,
        "tau_e": time_constant(
            5e-3,
            "Time constant of excitatory synapses.",
            setting="tau_synapse",
            mismatch=SYNAPSE,
            source=BENCHMARK,
        ),
        "tau_i": time_constant(
            10e-3,
            "Time constant of inhibitory synapses.",
            setting="tau_inhibitory",
            mismatch=SYNAPSE,
            source=BENCHMARK,
        ),
        "e_e": Parameter(
            value=6.0,
            unit="volt",
            minimum=1.5,
            maximum=100.0,
            meaning="Reversal potential of excitatory synapses above rest.",
            source=f"{BENCHMARK}: 0 mV, with rest at -60 mV and the threshold at -50 mV",
        ),
        "e_i": Parameter(
            value=-2.0,
            unit="volt",
            minimum=-100.0,
            maximum=-0.1,
            meaning="Reversal potential of inhibitory synapses above rest.",
            source=f"{BENCHMARK}: -80 mV, with rest at -60 mV and the threshold at -50 mV",
        ),
    },
    receives=("s_e", "s_i"),
    source="Gerstner, Kistler, Naud & Paninski 2014, Neuronal Dynamics, section 3.1",
    description="Leaky integrate-and-fire; an event is a conductance that decays exponentially.",
)

LIF_COND_ALPHA = replace(
    LIF_COND_EXP,
    name="lif-cond-alpha",
    equations="""
    excitation = s_e / tau_e * (e_e - v) / e_e : volt/second
    inhibition = s_i / tau_i * (v - e_i) / (-e_i) : volt/second
    dv/dt = -v / tau_membrane + excitation - inhibition + i_in : volt
    dx_e/dt = -x_e / tau_e : volt
    dx_i/dt = -x_i / tau_i : volt
    ds_e/dt = (x_e - s_e) / tau_e : volt
    ds_i/dt = (x_i - s_i) / tau_i : volt
    """,
    receives=("x_e", "x_i"),
    source="Gerstner, Kistler, Naud & Paninski 2014, Neuronal Dynamics, section 3.1, with the "
    "alpha functions of Rotter & Diesmann 1999, Biol. Cybern. 81:381",
    description="Leaky integrate-and-fire; an event is a conductance that rises and decays.",
)
