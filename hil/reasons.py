"""Reasons for which a setting was chosen, or a device cannot have something: data, then words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

WORDS: Mapping[str, str] = {
    # what a device states
    "layers": "this device has {layers} neuron layers, the output included, of {neurons} neurons "
    "at most",
    "synapses": "this device has room for {synapses} synapses in all",
    "fan_in": "this device has room for {fan_in} that reach a neuron",
    "stimuli": "this device takes {stimuli}",
    "steps": "this device takes {steps} steps in a run",
    "no_hidden_membranes": "this device shows no hidden membranes",
    "few_neurons_shown": "this device shows {neurons} at once of a hidden layer: to read all takes "
    "{runs} runs of each batch",
    "no_output_membranes": "this device shows no output membranes",
    "no_recurrence": "this device has no recurrence",
    "no_membrane_steps": "this device does not show membranes step by step",
    "no_time_constant": "this device sets none",
    "hard_reset": "suits a hard reset",
    "resting": "suits a hard reset of neurons that rest after a spike",
    "input_spikes": "suits input by spikes",
    "spikes_per_run": "a neuron of this device fires at most {most} times in a run",
    "few_spikes": "suits neurons that fire few times in a run",
    "positive_weights": "suits weights of one sign",
    "highest_rate": "no output fires in more than {rate:.3g} of the steps",
    # the samples, and other settings
    "encoding": "{encoding} does not take {samples}",
    "real_targets": "suits real numbers, which are to be learned (regression)",
    "signal": "signals of {steps} steps, each held for {hold}, last {needed}",
    "half_of_steps": "half of the {steps} steps",
    "eighth_of_steps": "an eighth of the {steps} steps, since the encoding tells the time",
    "given": "{setting} is chosen already",
    # a network to start from
    "model_time": "{seconds:g} s in a model of steps of {dt:g} s",
    "no_leak": "membranes of the model do not leak",
    "nearest_weights": "what a device stores is then nearest to the weights of the model",
    "no_delayed_weights": "what the model delays has no weights",
    "missing_delays": "its delays, of up to {steps} steps, are left out: network.delays is 0",
    "cut_weights": "{count} of {size} weights of projection {projection} are cut to {most:g} "
    "thresholds, the most that the device stores",
    "current": "a current that is put in acts at once, without the synapses of CubaLIF",
    "not_refractory": "neurons of the model are not refractory",
    "synapse": "an event acts over {seconds:g} s ({setting}), where that of a LIF acts at once",
    "decay": "of a {what} {here:.3g} is left after a step here, {there:.3g} in the model",
    "rounded": "{delay} (Delay): rounded to whole steps of {dt:g} s, by up to {most:.2g} of one",
    # a run that goes on
    "other_device": "{epochs} epochs were trained on {before}",
    # a few runs before the first step
    "response": "they gave {before:.3f} spikes a step, and now give {after:.3f}",
    "fit": "at the output, where spikes are visible, it correlates {correlation:.2f} with them, "
    "{other!r} {other_correlation:.2f}",
}


@dataclass(frozen=True)
class Reason:
    """Ground that something follows from.

    Attributes:
        kind: One of `WORDS`.
        figures: What its words name.
    """

    kind: str
    figures: Mapping[str, Any]

    def __str__(self) -> str:
        """The words."""
        return WORDS[self.kind].format(**self.figures)


def because(kind: str, **figures: Any) -> Reason:
    """Give a reason."""
    return Reason(kind, figures)
