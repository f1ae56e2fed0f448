"""Intel's first Loihi: a digital chip, the same every time."""

from device_models.profiles import Cited, Profile

PROFILE = Profile(
    name="loihi",
    description="digital neurons in whole numbers, 8-bit weights, no mismatch and no noise",
    neuron="loihi",
    energy=Cited(
        23.6e-12,
        "synaptic operation, least: Davies et al. 2018, IEEE Micro 38(1), 82; not checked there",
    ),
    cited={
        "weight_bits": Cited(
            8,
            "8 bits, one of them the sign where synapses are mixed: Davies et al. 2018, IEEE "
            "Micro 38(1), 82; so in nengo-loihi (github.com/nengo/nengo-loihi, block.py)",
        ),
    },
)
