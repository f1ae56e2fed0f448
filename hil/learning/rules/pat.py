"""Physics-aware training (Wright et al. 2022, Nature 601, 549).

The forward pass is the device's, the backward pass that of a model of it: the model is shown the
same stimulus with the weights that the device stores, and the device's error travels back through
what the model did, by the surrogate gradients of `bptt`:

    G = (derivative of the model's output by the weights, at the same input)^T e

It sees of the device the output and what is stored, and no hidden layer. It assumes that the model
is like the device: `model` is the address of any device that shows membranes step by step, the
ideal chip unless another is named, such as the twin that `hil characterise` has fitted
(`emulator:twin.toml`). `bptt` is the same with the device's own membranes in the place of a model.
"""

from __future__ import annotations

from dataclasses import replace

from pydantic import Field

from hil.learning.optimisers import Optimiser
from hil.learning.rule import Rule, RuleFamily
from hil.learning.rules import bptt


class Settings(bptt.Settings):
    """The model, and assumptions about its spikes."""

    model: str = Field(
        "emulator:ideal", min_length=1, description="Address of the device that is the model."
    )


def build(settings: Settings, optimiser: Optimiser) -> Rule:
    """Make the rule."""
    through = bptt.build(settings, optimiser)
    return replace(through, name="pat", model=settings.model)


RULE = RuleFamily(build, Settings)
