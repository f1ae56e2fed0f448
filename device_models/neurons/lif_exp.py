"""Leaky integrate-and-fire with current-based synapses that decay exponentially."""

from device_models.neuron_model import Mismatch, NeuronModel, Parameter
from device_models.neurons.lif import MODEL as LIF

MODEL = NeuronModel(
    name="lif-exp",
    # s is what the synapses have yet to deliver, so that an event of any time constant moves a
    # membrane without leak by what it added to s.
    equations="""
    dv/dt = -v / tau_membrane + s / tau_synapse + i_in : volt
    ds/dt = -s / tau_synapse : volt
    """,
    parameters={
        **LIF.parameters,
        "tau_synapse": Parameter(
            value=5e-3,
            unit="second",
            minimum=1e-3,
            maximum=1.0,
            meaning="Time constant of the synaptic current.",
            setting="tau_synapse",
            mismatch=Mismatch("synapse_tau_cv", "multiply"),
            source="Brette et al. 2007, J. Comput. Neurosci. 23:349, benchmark 2",
        ),
    },
    threshold="v >= v_threshold",
    resets=LIF.resets,
    # A Runge-Kutta method keeps linear invariants, here v + s without leak: no charge is lost or
    # gained, whatever the step. "exponential_euler" would deliver dt / (2 tau_synapse) too much,
    # "exact" divides by tau_membrane - tau_synapse.
    method="rk2",
    membrane="v",
    receives="s",
    time_constant="tau_membrane",
    silent="v_threshold",
    source="Gerstner, Kistler, Naud & Paninski 2014, Neuronal Dynamics, sections 1.3 and 3.1",
    description="Leaky integrate-and-fire; an event is a current that decays exponentially.",
    refractory="t_refractory",
    synapse="tau_synapse",
)
