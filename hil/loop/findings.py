"""Findings about a network, its training or the way to its device: data, then words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from drivers import DeviceInfo, Probe
from hil.learning import rate_estimators
from hil.learning.losses import Source
from hil.loop.health import PATIENCE, Fit, Score, State, Statistics, find_drift, find_still_neurons

Kind = Literal[
    "silent",
    "saturated",
    "dead",
    "stuck",
    "falling",
    "at_full_scale",
    "poor_estimate",
    "coarse_output",
    "slow_line",
    "restarted",
    "part_failed",
    "never_answered",
    "not_above_majority",
]

# Choices, for want of published figures.
CLIPPED = 0.01  # share of a projection's weights at the full scale
FAITHFUL = 0.9  # correlation with measured output rates below which an estimate is not trusted
LINE_SHARE, LINE_SECONDS = 0.5, 1.0  # of an epoch, from which the line is what it waits for
LEARNED_AROUND = 0.1  # share of still neurons in a layer that the others make up for
LISTED = 20  # neurons or classes that are listed one by one

# Of each kind the headline, which says what is amiss without numbers, and the numbers.
WORDS: Mapping[Kind, tuple[str, str]] = {
    "silent": ("{where} is silent", "mean activity {rate:.4f} spikes per step"),
    "saturated": (
        "{where} is saturated",
        "mean activity {rate:.3f} spikes per step, near the most that any of its neurons shows",
    ),
    "dead": (
        "{where} has dead neurons",
        "{count} of {size} ({neurons}) stay at rest whatever the sample",
    ),
    "stuck": (
        "{where} has stuck neurons",
        "{count} of {size} ({neurons}) stay far from rest whatever the sample",
    ),
    "falling": (
        "{where} accuracy is falling",
        "{last:.2f} % against {best:.2f} % after epoch {best_epoch}, beyond chance for "
        f"{PATIENCE} epochs",
    ),
    "at_full_scale": ("weights into {where} stand at the full scale", "{percent:.1f} % of them"),
    "poor_estimate": (
        "hidden rates are estimated poorly",
        "at the output, where spikes are visible, {estimator!r} correlates {correlation:.2f} "
        "with them",
    ),
    "coarse_output": (
        "outputs tell classes apart at few rates",
        "weights are of one sign, so none inhibits, and a hard reset drops what is above the "
        "threshold",
    ),
    "slow_line": (
        "the line takes most of the time",
        "{percent:.0f} % of an epoch ({transfer:.1f} s, device {device:.1f} s, host {host:.1f} s)",
    ),
    "restarted": (
        "the device restarted",
        "{times} in an epoch, and got its network and weights back",
    ),
    "part_failed": ("a part of the device failed, and the rest goes on", "{where}"),
    "never_answered": ("{where} {verb} never answered", "balanced accuracy is {balanced:.2f} %"),
    "not_above_majority": (
        "test accuracy is not above the majority's share",
        "{accuracy:.2f} % (95 %: {low:.2f} to {high:.2f}), where answering class {majority} alone "
        "gives {share:.2f} %",
    ),
}


@dataclass(frozen=True)
class Finding:
    """Something that is amiss.

    Attributes:
        kind: What is.
        where: With what, e.g. `hidden layer 1`; empty for the training as a whole.
        figures: What tells it, by the names in `WORDS`.
        remedy: What can be done about it; empty for nothing.
        epoch: The epoch that showed it, from 1; None for the test.
        is_warning: Whether it costs accuracy or asks for something, and is said while training;
            else it stands on the page alone.
    """

    kind: Kind
    where: str = ""
    figures: Mapping[str, Any] = field(default_factory=dict)
    remedy: str = ""
    epoch: int | None = None
    is_warning: bool = True

    @property
    def headline(self) -> str:
        """Short text of the finding, without numbers."""
        return WORDS[self.kind][0].format(where=self.where, **self.figures)

    @property
    def sign(self) -> str:
        """The headline without the classes that it names, which differ from run to run."""
        if self.kind != "never_answered":
            return self.headline
        return WORDS[self.kind][0].format(where="some classes", verb="are")

    def __str__(self) -> str:
        """One line: when it was found, what, its figures and a remedy."""
        stage = "test" if self.epoch is None else f"epoch {self.epoch}"
        figures = WORDS[self.kind][1].format(where=self.where, **self.figures)
        remedy = f"; {self.remedy}" if self.remedy else ""
        return f"[{stage}] {self.headline}: {figures}{remedy}"

    def as_json(self) -> dict[str, Any]:
        """Return the fields as the JSON of a run's files."""
        return {**vars(self), "headline": self.headline, "text": str(self)}


def list_epoch_findings(findings: Iterable[Finding], epoch: int) -> list[dict[str, Any]]:
    """Findings of an epoch, as its metrics keep them."""
    return [replace(finding, epoch=epoch).as_json() for finding in findings]


def keep_latest(metrics: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Each finding of a run once, as the last epoch that showed it has it.

    Args:
        metrics: Those of its epochs.
    """
    by_subject = {(f["kind"], f["where"]): f for row in metrics for f in row["findings"]}
    return list(by_subject.values())


def layer_name(layer: int, depth: int) -> str:
    """The name of layer `layer` (from 0, the first hidden one) of `depth`."""
    return "output layer" if layer == depth - 1 else f"hidden layer {layer + 1}"


def find_odd_layers(
    layers: Sequence[State], rates: Sequence[float], readout: Source = "counts"
) -> list[Finding]:
    """Find silent and saturated layers.

    Args:
        layers: What each layer is like, the output last.
        rates: Mean activity of each.
        readout: What the output is read by; it may be silent where membranes are.
    """
    findings, depth = [], len(layers)
    for layer, (state, rate) in enumerate(zip(layers, rates, strict=True)):
        last = layer == depth - 1
        if state == "lively" or (state == "silent" and last and readout == "membrane"):
            continue
        change = "raise" if state == "silent" else "lower"
        remedy = f"{change} network.initial_scale or encoding.gain, or set repair.rescale=true"
        if state == "silent" and layer and layers[layer - 1] == "silent":
            remedy = f"it gets nothing from {layer_name(layer - 1, depth)}, so mend that first"
        elif state == "silent" and last:
            remedy = "raise network.initial_scale, or read membranes: readout.source=both"
        findings.append(Finding(state, layer_name(layer, depth), {"rate": rate}, remedy))
    return findings


def find_odd_neurons(statistics: Statistics, layers: Sequence[State]) -> list[Finding]:
    """Find dead and stuck neurons of each layer.

    Args:
        statistics: The sums of an epoch.
        layers: What each layer is like; of a silent one no neuron is named.
    """
    remedies: tuple[tuple[Kind, str], ...] = (
        ("dead", "the others learn around them, more of them in a wider layer"),
        ("stuck", "if they are many, lower network.initial_scale or encoding.gain"),
    )
    return [
        Finding(
            kind,
            layer_name(layer, len(layers)),
            {"count": len(neurons), "size": sums.shape[1], "neurons": _list(neurons.tolist())},
            remedy,
            is_warning=len(neurons) > LEARNED_AROUND * sums.shape[1],
        )
        for layer, (state, sums) in enumerate(zip(layers, statistics.sums, strict=True))
        if state != "silent"
        for (kind, remedy), neurons in zip(
            remedies, find_still_neurons(statistics, layer), strict=True
        )
        if neurons.size
    ]


def find_falling_accuracy(name: str, accuracies: Sequence[float], samples: int) -> list[Finding]:
    """Find an accuracy, such as `validation`, that has been falling beyond chance."""
    best = find_drift(accuracies, samples)
    if best is None:
        return []
    figures = {"last": 100 * accuracies[-1], "best": 100 * accuracies[best], "best_epoch": best + 1}
    remedy = "lower optimiser.learning_rate, or check the device for drift"
    return [Finding("falling", name, figures, remedy)]


def find_full_scale_weights(shares: Sequence[float], depth: int) -> list[Finding]:
    """Find projections with many weights at the full scale.

    Args:
        shares: Of such weights, in each projection; those that recur come last.
        depth: Number of layers of neurons.
    """
    places = [layer_name(layer, depth) for layer in range(depth)]
    places += [f"{name} from itself" for name in places[:-1]]
    remedy = "raise network.full_scale or lower optimiser.learning_rate"
    return [
        Finding("at_full_scale", place, {"percent": 100 * share}, remedy)
        for place, share in zip(places, shares, strict=False)
        if share > CLIPPED
    ]


def find_poor_estimates(
    name: str, fits: Sequence[Mapping[str, float]], spikes_offered: bool
) -> list[Finding]:
    """Find rates of hidden layers that no estimator told well for 3 epochs, as the output shows.

    Where learning only begins, outputs fire too little to tell.

    Args:
        name: The estimator in use.
        fits: Of each epoch so far, correlations with the measured rates of the output by estimator.
        spikes_offered: Whether the device shows hidden spikes.
    """
    correlations, last = fits[-1], fits[-PATIENCE:]
    is_poor = all(fit and max(fit.values()) < FAITHFUL for fit in last)
    if name not in correlations or len(last) < PATIENCE or not is_poor:
        return []
    remedy = "check what the driver states of reset, decay, events and where membranes are sampled"
    remedy = "read measured spikes: observe=spikes" if spikes_offered else f"{remedy}: hil check"
    figures = {"estimator": name, "correlation": correlations[name]}
    return [Finding("poor_estimate", "", figures, remedy)]


def find_coarse_output(info: DeviceInfo, depth: int, spikes_offered: bool) -> list[Finding]:
    """Find outputs that cannot learn what others can, by what the device states of them.

    Args:
        info: What it states.
        depth: Number of layers of neurons.
        spikes_offered: Whether the device shows hidden spikes.
    """
    if info.weight_format(depth - 1).signs == "both" or info.neuron.reset != "hard":
        return []
    remedy = "show 1 - x beside each input x, and run more steps (network.steps)"
    if spikes_offered:
        remedy = f"read measured spikes (observe=spikes), {remedy}"
    return [Finding("coarse_output", "", {}, remedy)]


def find_link_troubles(
    row: Mapping[str, Any], probes: Sequence[Probe], restarts: int, failed: Sequence[str] = ()
) -> list[Finding]:
    """Find a slow line, a device that restarted, and parts of it that failed.

    Args:
        row: Metrics of the epoch: its seconds in the device, on the line and on the host.
        probes: What a learning step asks for.
        restarts: How often the device was brought back.
        failed: Parts of the device that are done without, each with its reason.
    """
    findings = []
    seconds = {name: row[f"{name}_seconds"] for name in ("device", "transfer", "host")}
    total, transfer = sum(seconds.values()), seconds["transfer"]
    if transfer > max(LINE_SHARE * total, LINE_SECONDS):
        figures = {**seconds, "percent": 100 * transfer / total}
        findings.append(Finding("slow_line", "", figures, _how_to_send_less(probes)))
    if restarts:
        figures = {"times": "once" if restarts == 1 else f"{restarts} times"}
        remedy = "check its power and its watchdog"
        findings.append(Finding("restarted", "", figures, remedy))
    return [*findings, *(Finding("part_failed", part) for part in failed)]


def _how_to_send_less(probes: Sequence[Probe]) -> str:
    membranes = [probe for probe in probes if probe.quantity == "membrane"]
    every = [probe.every for probe in membranes if probe.reduce == "none"]
    sparsest = rate_estimators.get("crossings").closest or 1
    advice = ["use a faster line (a higher baud rate)"]
    if every and min(every) < sparsest:
        advice.append(f"sample membranes less often (activity.every={sparsest})")
    if every:
        advice.append("take only their means (activity.estimator=fused)")
    else:
        advice.append("write less often (a larger training.batch)")
    return ", or ".join((", ".join(advice[:-1]), advice[-1]))


def find_missed_classes(score: Score | Fit) -> list[Finding]:
    """Find classes that are never answered, and an accuracy that is worth nothing."""
    if isinstance(score, Fit):
        return []
    findings = []
    if score.never:
        noun, verb = ("class", "is") if len(score.never) == 1 else ("classes", "are")
        where = f"{noun} {_list(score.never)}"
        figures: dict[str, Any] = {"verb": verb, "balanced": 100 * score.balanced_accuracy}
        remedy = "weigh the classes (training.class_weight=balanced), or train longer"
        findings.append(Finding("never_answered", where, figures, remedy))
    low, high = score.interval
    if low <= score.majority_share:
        shares = {"accuracy": score.accuracy, "low": low, "high": high}
        shares["share"] = score.majority_share
        figures = {name: 100 * share for name, share in shares.items()}
        figures["majority"] = score.majority
        findings.append(Finding("not_above_majority", "", figures))
    return findings


def _list(numbers: Sequence[int]) -> str:
    """Numbers in a sentence, the first of many."""
    return ", ".join(map(str, numbers[:LISTED])) + ", ..." * (len(numbers) > LISTED)
