"""Leaky integrate-and-fire with current-based synapses in the form of alpha functions."""

from device_models.neuron_model import NeuronModel
from device_models.neurons.lif_exp import MODEL as LIF_EXP

MODEL = NeuronModel(
    name="lif-alpha",
    # x + s is what the synapses have yet to deliver; see lif_exp.py.
    equations="""
    dv/dt = -v / tau_membrane + s / tau_synapse + i_in : volt
    dx/dt = -x / tau_synapse : volt
    ds/dt = (x - s) / tau_synapse : volt
    """,
    parameters=LIF_EXP.parameters,
    threshold="v >= v_threshold",
    resets=LIF_EXP.resets,
    method=LIF_EXP.method,
    membrane="v",
    receives="x",
    time_constant="tau_membrane",
    silent="v_threshold",
    source="Rotter & Diesmann 1999, Biol. Cybern. 81:381",
    description="Leaky integrate-and-fire; an event is a current that rises and decays.",
    refractory="t_refractory",
)
