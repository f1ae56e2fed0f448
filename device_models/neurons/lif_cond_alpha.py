"""Leaky integrate-and-fire with conductance-based synapses in the form of alpha functions."""

from device_models.neuron_model import NeuronModel
from device_models.neurons.lif_cond_exp import MODEL as LIF_COND_EXP

MODEL = NeuronModel(
    name="lif-cond-alpha",
    # Scaled as in lif_cond_exp.py.
    equations="""
    excitation = s_e / tau_e * (e_e - v) / e_e : volt/second
    inhibition = s_i / tau_i * (v - e_i) / (-e_i) : volt/second
    dv/dt = -v / tau_membrane + excitation - inhibition + i_in : volt
    dx_e/dt = -x_e / tau_e : volt
    dx_i/dt = -x_i / tau_i : volt
    ds_e/dt = (x_e - s_e) / tau_e : volt
    ds_i/dt = (x_i - s_i) / tau_i : volt
    """,
    parameters=LIF_COND_EXP.parameters,
    threshold="v >= v_threshold",
    resets=LIF_COND_EXP.resets,
    method=LIF_COND_EXP.method,
    membrane="v",
    receives=("x_e", "x_i"),
    time_constant="tau_membrane",
    silent="v_threshold",
    source="Gerstner, Kistler, Naud & Paninski 2014, Neuronal Dynamics, section 3.1, with the "
    "alpha functions of Rotter & Diesmann 1999, Biol. Cybern. 81:381",
    description="Leaky integrate-and-fire; an event is a conductance that rises and decays.",
    refractory="t_refractory",
)
