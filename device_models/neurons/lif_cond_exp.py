"""Leaky integrate-and-fire with conductance-based synapses that decay exponentially."""

from device_models.neuron_model import Mismatch, NeuronModel, Parameter
from device_models.neurons.lif import MODEL as LIF

BENCHMARK = "Brette et al. 2007, J. Comput. Neurosci. 23:349, benchmark 1"

MODEL = NeuronModel(
    name="lif-cond-exp",
    # Potentials are scaled so that rest is 0 V and the default threshold 1 V. The driving forces
    # are scaled to 1 at rest, so that s_e and s_i are what the synapses have yet to deliver to a
    # membrane held there.
    equations="""
    excitation = s_e / tau_e * (e_e - v) / e_e : volt/second
    inhibition = s_i / tau_i * (v - e_i) / (-e_i) : volt/second
    dv/dt = -v / tau_membrane + excitation - inhibition + i_in : volt
    ds_e/dt = -s_e / tau_e : volt
    ds_i/dt = -s_i / tau_i : volt
    """,
    parameters={
        **LIF.parameters,
        "tau_e": Parameter(
            value=5e-3,
            unit="second",
            minimum=1e-3,
            maximum=1.0,
            meaning="Time constant of excitatory synapses.",
            setting="tau_synapse",
            mismatch=Mismatch("synapse_tau_cv", "multiply"),
            source=BENCHMARK,
        ),
        "tau_i": Parameter(
            value=10e-3,
            unit="second",
            minimum=1e-3,
            maximum=1.0,
            meaning="Time constant of inhibitory synapses.",
            setting="tau_inhibitory",
            mismatch=Mismatch("synapse_tau_cv", "multiply"),
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
    threshold="v >= v_threshold",
    resets=LIF.resets,
    # Keeps the membrane between the reversal potentials, however strong the conductances.
    method="exponential_euler",
    membrane="v",
    receives=("s_e", "s_i"),
    time_constant="tau_membrane",
    silent="v_threshold",
    source="Gerstner, Kistler, Naud & Paninski 2014, Neuronal Dynamics, section 3.1",
    description="Leaky integrate-and-fire; an event is a conductance that decays exponentially.",
    refractory="t_refractory",
)
