"""Izhikevich's simple model, in physical volts and seconds."""

from device_models.neurons import RESET, THRESHOLD, NeuronModel, Parameter, refractory_time

MODEL = NeuronModel(
    name="izhikevich",
    # The published equations, whose numbers are in mV and ms. Outside -75 to 30 mV the parabola
    # goes on as its tangent. Below, its slope passes -1 / ms, and a step of 1 ms would throw an
    # inhibited membrane over the threshold; above, a spike is under way.
    equations="""
    m = clip(v, -75*mV, 30*mV) : volt
    parabola = 0.04*m**2/mV + 5*m + 140*mV + (0.08*m/mV + 5) * (v - m) : volt
    dv/dt = (parabola - u)/ms + i_in : volt
    du/dt = a * (b*v - u) : volt
    """,
    parameters={
        "a": Parameter(
            value=20.0,
            unit="hertz",
            minimum=1.0,
            maximum=1000.0,
            meaning="Rate of the recovery, 0.02 / ms.",
        ),
        "b": Parameter(
            value=0.2,
            unit="1",
            minimum=0.0,
            maximum=0.3,
            meaning="Sensitivity of the recovery to the membrane.",
        ),
        "c": Parameter(
            value=-65e-3,
            unit="volt",
            minimum=-80e-3,
            maximum=-40e-3,
            meaning="Membrane after a spike.",
            mismatch=RESET,
        ),
        "d": Parameter(
            value=8e-3,
            unit="volt",
            minimum=0.0,
            maximum=50e-3,
            meaning="Rise of the recovery at each spike.",
            setting="adaptation",
        ),
        "v_peak": Parameter(
            value=30e-3,
            unit="volt",
            minimum=0.0,
            maximum=100e-3,
            meaning="Membrane that counts as a spike.",
            mismatch=THRESHOLD,
        ),
        "tau_membrane": Parameter(
            value=1 / 600,
            unit="second",
            minimum=1 / 600,
            maximum=1 / 600,
            meaning="Time constant of a small deviation from rest, which scales membrane noise.",
            source="Slope of the parabola at -70 mV: 0.08 * (-70) + 5 = -0.6 / ms",
        ),
        "t_refractory": refractory_time(source="The published model has none"),
    },
    threshold="v >= v_peak",
    resets={"hard": "v = c\nu += d"},
    method="euler",
    membrane="v",
    receives="v",
    time_constant="tau_membrane",
    silent="v_peak",
    source="Izhikevich 2003, IEEE Trans. Neural Netw. 14:1569; values of regular spiking",
    description="Izhikevich's simple model, in physical volts.",
    # For b = 0.2: the stable equilibrium, and above it the zero of the parabola with the recovery
    # still at rest (u = -14 mV). An event is faster than the recovery, whose own equilibrium
    # would put the threshold at -50 mV.
    rest=-70e-3,
    level=-55e-3,
    initial={"v": "-70*mV", "u": "-70*mV * b"},
    refractory="t_refractory",
    precision="double",
)
