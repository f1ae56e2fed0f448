"""Leaky integrate-and-fire whose threshold rises with each spike and decays."""

from device_models.neuron_model import NeuronModel, Parameter
from device_models.neurons.lif import MODEL as LIF

MODEL = NeuronModel(
    name="adaptive-lif",
    equations="""
    dv/dt = -v / tau_membrane + i_in : volt
    da/dt = -a / tau_adaptation : volt
    """,
    parameters={
        **LIF.parameters,
        "tau_adaptation": Parameter(
            value=50e-3,
            unit="second",
            minimum=1e-3,
            maximum=10.0,
            meaning="Time constant of the threshold's return.",
            setting="tau_adaptation",
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
    method="exponential_euler",
    membrane="v",
    receives="v",
    time_constant="tau_membrane",
    silent="v_threshold",
    source="Bellec, Salaj, Subramoney, Legenstein & Maass 2018, NeurIPS (arXiv 1803.09574), "
    "section 2",
    description="Leaky integrate-and-fire whose threshold rises with each spike and decays.",
    refractory="t_refractory",
)
