"""Adaptive exponential integrate-and-fire, in physical volts."""

from device_models.neurons import (
    LEAK,
    RESET,
    THRESHOLD,
    NeuronModel,
    Parameter,
    refractory_time,
    time_constant,
)

# The second is where the upstroke overcomes the leak, the adaptation still at rest: an event that
# lifts the membrane to V_T alone is lost.
REST, LEVEL = -70e-3, -45e-3

MODEL = NeuronModel(
    name="adex",
    # The published equation divided by C, with the adaptation current w as w / g_L, in volt. Above
    # the cut-off a neuron fires at once, so that the upstroke need not grow there; in float32 the
    # exponential would overflow where events lift the membrane far above V_T.
    equations="""
    m = clip(v, -inf*volt, v_cut) : volt
    upstroke = delta_t * exp((m - v_threshold) / delta_t) : volt
    dv/dt = (e_leak - v + upstroke - w) / tau_membrane + i_in : volt
    dw/dt = (a * (v - e_leak) - w) / tau_adaptation : volt
    """,
    parameters={
        "tau_membrane": time_constant(
            20e-3, "Membrane time constant, C / g_L.", setting="tau_membrane", mismatch=LEAK
        ),
        "e_leak": Parameter(
            value=REST,
            unit="volt",
            minimum=-0.1,
            maximum=-0.05,
            meaning="Reversal potential of the leak, E_L.",
        ),
        "v_threshold": Parameter(
            value=-50e-3,
            unit="volt",
            minimum=-0.06,
            maximum=-0.03,
            meaning="Threshold of the upstroke, V_T.",
            setting="upstroke_threshold",
            mismatch=THRESHOLD,
        ),
        "delta_t": Parameter(
            value=2e-3,
            unit="volt",
            minimum=1e-3,
            maximum=10e-3,
            meaning="Slope factor of the upstroke, Delta_T.",
        ),
        "v_cut": Parameter(
            value=-40e-3,
            unit="volt",
            minimum=-0.06,
            maximum=0.0,
            meaning="Cut-off: the membrane that counts as a spike.",
            mismatch=THRESHOLD,
            source="V_T + 5 Delta_T, as in Brian2's example of the model; from there to 0 mV the "
            "upstroke takes 0.1 ms",
        ),
        "v_reset": Parameter(
            value=-58e-3,
            unit="volt",
            minimum=-0.1,
            maximum=-0.04,
            meaning="Membrane after a spike, V_r.",
            mismatch=RESET,
        ),
        "a": Parameter(
            value=0.2,
            unit="1",
            minimum=-1.0,
            maximum=10.0,
            meaning="Adaptation below threshold, a / g_L.",
        ),
        "b": Parameter(
            value=0.0,
            unit="volt",
            minimum=0.0,
            maximum=0.1,
            meaning="Adaptation at each spike, b / g_L.",
            setting="adaptation",
        ),
        "tau_adaptation": time_constant(
            30e-3, "Time constant of the adaptation, tau_w.", setting="tau_adaptation", maximum=10.0
        ),
        "t_refractory": refractory_time(),
    },
    threshold="v >= v_cut",
    resets={"hard": "v = v_reset\nw += b"},
    method="euler",
    membrane="v",
    receives="v",
    time_constant="tau_membrane",
    silent="v_cut",
    source="Brette & Gerstner 2005, J. Neurophysiol. 94:3637; values of tonic spiking in Naud, "
    "Marcille, Clopath & Gerstner 2008, Biol. Cybern. 99:335, table 1",
    description="Adaptive exponential integrate-and-fire, in physical volts.",
    rest=REST,
    level=LEVEL,
    initial={"v": "e_leak"},
    refractory="t_refractory",
)
