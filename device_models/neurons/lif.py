"""Leaky integrate-and-fire with delta synapses."""

from device_models.neuron_model import Mismatch, NeuronModel, Parameter

MODEL = NeuronModel(
    name="lif",
    equations="dv/dt = -v / tau_membrane + i_in : volt",
    parameters={
        "tau_membrane": Parameter(
            value=10e-3,
            unit="second",
            minimum=1e-3,
            maximum=1.0,
            meaning="Membrane time constant.",
            setting="tau_membrane",
            mismatch=Mismatch("leak_cv", "divide"),
        ),
        "v_threshold": Parameter(
            value=1.0,
            unit="volt",
            minimum=0.1,
            maximum=10.0,
            meaning="Firing threshold above rest.",
            setting="threshold",
            mismatch=Mismatch("threshold_cv", "multiply"),
        ),
        "v_reset": Parameter(
            value=0.0,
            unit="volt",
            minimum=-1.0,
            maximum=0.9,
            meaning="Potential above rest that a spike resets to.",
            mismatch=Mismatch("reset_sd", "add"),
        ),
        "t_refractory": Parameter(
            value=0.0,
            unit="second",
            minimum=0.0,
            maximum=0.1,
            meaning="Time after a spike in which the membrane is clamped.",
            setting="refractory",
            mismatch=Mismatch("refractory_cv", "multiply"),
        ),
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
