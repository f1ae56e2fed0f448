"""The ideal chip."""

from device_models.profile import Profile

PROFILE = Profile(
    name="ideal",
    description="every neuron and synapse as nominal, exact weights, no noise",
    cited={},
)
