"""The silicon neuron of the DYNAP-SE: a differential-pair integrator with positive feedback."""

from device_models.neurons import (
    LEAK,
    SYNAPSE,
    THRESHOLD,
    NeuronModel,
    Parameter,
    refractory_time,
    time_constant,
)

TEILI = "`teili`, parameters of its DPI neuron"
ROCKPOOL = "`rockpool`, defaults of its DYNAP-SE simulator"

MODEL = NeuronModel(
    name="dpi",
    # The equation of Chicca et al. in its first-order form, for I_mem well above the gain current
    # I_th: there the factor 1 + I_th / I_mem of the time constant is 1, and the positive feedback
    # I_a / I_tau * I_mem / tau is I_mem / tau_feedback. s is the current of the synapses as the
    # charge they have yet to deliver to the membrane (see `lif-exp`). Their net current is
    # rectified: a transistor does not conduct backwards, so inhibition only takes from excitation.
    equations="""
    feedback = 0.5 * (1 + tanh((i_mem - i_feedback) / (2 * i_norm))) : 1
    drive = clip(s / tau_synapse + i_in, 0*amp/second, inf*amp/second) : amp/second
    di_mem/dt = (i_dark - i_mem) / tau_membrane + feedback * i_mem / tau_feedback + drive : amp
    ds/dt = -s / tau_synapse : amp
    """,
    parameters={
        "tau_membrane": time_constant(
            20e-3,
            "Membrane time constant, C U_T / (kappa I_tau).",
            setting="tau_membrane",
            mismatch=LEAK,
            source=ROCKPOOL,
        ),
        "tau_synapse": time_constant(
            10e-3,
            "Time constant of the synaptic current.",
            setting="tau_synapse",
            mismatch=SYNAPSE,
            source=ROCKPOOL,
        ),
        "i_dark": Parameter(
            value=0.5e-12,
            unit="amp",
            minimum=0.0,
            maximum=10e-12,
            meaning="Dark current I_0, to which the membrane decays.",
            source=TEILI,
        ),
        "i_feedback": Parameter(
            value=0.5e-9,
            unit="amp",
            minimum=0.05e-9,
            maximum=0.9e-9,
            meaning="Membrane at which the positive feedback sets in.",
            setting="threshold",
            mismatch=THRESHOLD,
            source=TEILI,
        ),
        "i_norm": Parameter(
            value=10e-12,
            unit="amp",
            minimum=1e-12,
            maximum=100e-12,
            meaning="Width of the onset of the positive feedback.",
            source=TEILI,
        ),
        "tau_feedback": Parameter(
            value=1.06e-3,
            unit="second",
            minimum=0.1e-3,
            maximum=10e-3,
            meaning="Time constant of the upstroke, C U_T / (kappa I_a).",
            source=f"{TEILI}: C = 1.5 pF, U_T = 25 mV, kappa = 0.705, I_a = 50 pA",
        ),
        "i_spike": Parameter(
            value=1e-9,
            unit="amp",
            minimum=0.1e-9,
            maximum=1e-6,
            meaning="Membrane that counts as a spike.",
            mismatch=THRESHOLD,
            source=TEILI,
        ),
        "i_reset": Parameter(
            value=0.6e-12,
            unit="amp",
            minimum=0.0,
            maximum=100e-12,
            meaning="Membrane after a spike.",
            source=TEILI,
        ),
        "t_refractory": refractory_time(1e-3, source=TEILI),
    },
    threshold="i_mem >= i_spike",
    resets={"hard": "i_mem = i_reset"},
    method="euler",
    membrane="i_mem",
    receives="s",
    time_constant="tau_membrane",
    silent="i_spike",
    source="Chicca, Stefanini, Bartolozzi & Indiveri 2014, Proc. IEEE 102:1367; Livi & Indiveri "
    "2009, IEEE ISCAS, 2898",
    description="Silicon neuron of the DYNAP-SE: differential-pair integrator, in amperes.",
    unit="amp",
    rest=0.5e-12,
    level=0.5e-9,
    initial={"i_mem": "i_dark"},
    refractory="t_refractory",
)
