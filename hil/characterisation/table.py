"""The record of a survey as rows of a table."""

from __future__ import annotations

from typing import Any

HEADER = ("measured", "median", "spread over neurons", "95 % interval of one")
NAMES = {
    "threshold_over_gain": ("threshold over gain", "thresholds", 1.0),
    "time_constant": ("time constant", "ms", 1e3),
    "readout_gain": ("readout gain at threshold", "", 1.0),
    "readout_offset": ("readout offset", "thresholds", 1.0),
    "bias": ("resting bias", "thresholds", 1.0),
    "reset": ("reset level", "thresholds", 1.0),
    "synapse_gain": ("synapse gain", "", 1.0),
}
QUESTIONS = {
    "hard_reset_clears_events": "a hard reset clears the event of its step",
    "events_add": "events of one step add up",
}
PLACES = {"hidden": "hidden layers", "output": "the output"}
MODELS = ("neuron model of the twin", "rate error where it was fitted")
ERRORS = ("rate error on held-out weights and inputs", "output", "hidden")


def rows(record: dict[str, Any]) -> list[tuple[str, str, str, str]]:
    """What was measured, and what could not be.

    Args:
        record: As `characterise` returns it.
    """
    table = []
    for number, layer in enumerate(record["neurons"], 1):
        if layer is None:
            continue
        for key, (name, unit, scale) in NAMES.items():
            value = layer[key]
            if value is not None:
                median, sd, half = (scale * value[part] for part in ("median", "sd", "interval"))
                text = f"{median:.3f} {unit}".rstrip()
                table.append((f"layer {number}: {name}", text, f"{sd:.3f}", f"+- {half:.3f}"))
        for key in ("dead", "tonic"):
            named = ", ".join(map(str, layer[key][:12])) + (", ..." if len(layer[key]) > 12 else "")
            table.append((f"layer {number}: {key} neurons", str(len(layer[key])), named, ""))
    for name, value in record["nonidealities"].items():
        table.append((name, f"{value:.4g}", "", ""))
    timing = record["timing"]
    acts = {"input": "an input event acts", "layer": "an event between layers acts"}
    table += [(text, words(timing[key]), "", "") for key, text in acts.items() if timing[key]]
    for key, text in QUESTIONS.items():
        if timing[key] is not None:
            table.append((text, "yes" if timing[key] else "no", "", ""))
    table.append(("reset", record["reset"], "", ""))
    for place, sampled in timing["sampled"].items():
        if sampled:
            table.append((f"membranes of {PLACES[place]} are sampled", words(sampled), "", ""))
    table += [("stated otherwise", *text.split(": ", 1), "") for text in record["differences"]]
    table += [(what, "not measured", why, "") for what, why in record["skipped"].items()]
    return table


def words(name: str) -> str:
    """A value of the contract, as text."""
    return name.replace("_", " ")


def models(record: dict[str, Any]) -> list[tuple[str, str]]:
    """How far each neuron model is from the device, the chosen one first."""
    found, chosen = record["model"]["errors"], record["model"]["choice"]["neuron"]
    rows = sorted(found.items(), key=lambda model: (model[0] != chosen, model[1]))
    return [(name, f"{error:.4f}") for name, error in rows]


def errors(record: dict[str, Any]) -> list[tuple[str, str, str]]:
    """How far each model is from the device, in spikes per step."""
    return [
        (name, f"{e['output']:.4f}", "not shown" if e["hidden"] is None else f"{e['hidden']:.4f}")
        for name, e in record["rate_error"].items()
    ]


def verdict(record: dict[str, Any]) -> str:
    """How good the twin is beside an ideal model, in one line."""
    twin, ideal = (record["rate_error"][name]["output"] for name in ("twin", "ideal model"))
    model = record["model"]["choice"]["neuron"]
    if twin == ideal == 0:
        return f"the twin ({model}) and an ideal model both do what the device does"
    if twin < ideal:
        return (
            f"the twin ({model}) is {twin / ideal:.0%} as far from the device as an ideal model is"
        )
    return f"the twin ({model}) predicts no better than an ideal model"
