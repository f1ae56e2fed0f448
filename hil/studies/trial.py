"""One trial: a network is trained and tested on a device, and what matters of it is measured.

It is the loop of `hil train`, without a folder: `evaluate` runs in any process that has this
package, from a configuration to a dictionary of measures. In a campaign the trained network is
tested with one fault after another.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivers import DeviceError, Fault, FileFormatError
from drivers.contract.faults import NEURON_FAULTS, check_faults, count_bits
from drivers.errors import name_source
from hil import streams
from hil.config import Config
from hil.learning.feedback import feedback_matrices
from hil.learning.rules import bp
from hil.loop import costs, findings, mapping
from hil.loop.controller import Controller
from hil.loop.health import Score
from hil.loop.mapping import graph_of
from hil.loop.session import Session
from hil.loop.train_state import StepReport, TrainState
from hil.runs import data as run_data
from hil.sections.trials import FRAMES, PAID, Outcome
from hil.studies.plan import Job
from hil.studies.preparation import calibrate_chip, measure_twin
from hil.studies.schema import Campaign, Service
from hil.studies.service import serve
from hil.tasks import Data

FAILED = "device_failed"
Weights = Mapping[str, NDArray[Any]]


class Unrecorded:
    """Keeps nothing of a training: a trial that is cut off is done again."""

    def save_checkpoint(self, arrays: Mapping[str, object]) -> None:
        """Keep nothing."""

    def save_metrics(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Keep nothing."""


class OverlapMeter:
    """Measures after every step how the rule's gate overlaps with the nominal neuron's slope.

    Attributes:
        overlaps: The overlap of each hidden layer, step by step; empty for a rule without a gate.
    """

    def __init__(self, controller: Controller) -> None:
        """Measure the rule of a controller, with nothing measured yet."""
        self._controller = controller
        self.overlaps: list[float] = []

    def __call__(self, report: StepReport) -> None:
        """Take in what a step of learning gave."""
        gate = self._controller.rule.gate
        if gate is not None:
            state = self._controller.rule_state
            self.overlaps += [overlap(gate(state, z), z) for z in report.membrane[:-1]]

    @property
    def mean(self) -> float | None:
        """Mean over all steps and hidden layers; None where nothing was measured."""
        return float(np.mean(self.overlaps)) if self.overlaps else None


def overlap(g: NDArray[np.float32], z: NDArray[np.float32]) -> float:
    """`|cos(g, f')|` over the membranes of a layer; f' is that of the nominal neuron.

    Args:
        g: What the rule multiplies each error by, `(B, n)`.
        z: Mean membranes `(B, n)`, in thresholds.

    Returns:
        From 0 to 1; 0 where one of the two vanishes.
    """
    a, b = g.astype(np.float64), bp.Settings().slope(z).astype(np.float64)
    size = math.sqrt(float(np.square(a).sum() * np.square(b).sum()))
    return abs(float((a * b).sum())) / size if size else 0.0


def evaluate(job: Job, weights: Weights | None = None) -> tuple[Outcome, Weights]:
    """Do a job.

    Args:
        job: What to do.
        weights: Shadow weights `weights/N` that it starts from, and delays `delays/N`.

    Returns:
        What was measured (`docs/studies.md` says what); with `error` alone where these settings
        do not work; with `FAILED` alone, kind and words of an error, where the device does not. And
        the trained weights, where the job keeps them.

    Raises:
        FileFormatError: When a file that it reads is damaged, or the weights do not fit.
    """
    config = job.configuration
    try:
        with np.errstate(all="ignore"):
            return _evaluate(job, config, weights)
    except FileFormatError:
        raise
    except MemoryError:
        return {"error": "out of memory"}, {}
    except ValueError as error:
        return {"error": " ".join(str(error).split())}, {}
    except DeviceError as error:
        return {FAILED: (type(error).__name__, str(error))}, {}


def _evaluate(job: Job, config: Config, weights: Weights | None) -> tuple[Outcome, Weights]:
    data = run_data.load_for(config)
    if job.samples:
        data = _keep_some(data, job.samples, config)
    # Its settings fit, so what does not is the file of its weights.
    source = partial(name_source, f"weights/{job.start}.npz", ": delete it")
    initial, blame = (None, None) if config.start else (weights, source)
    with ExitStack() as resources:
        folder = Path(resources.enter_context(TemporaryDirectory()))
        layers, paid = mapping.layers(config, data.spec), dict[str, float]()
        if job.calibrate:
            config, paid = calibrate_chip(config, layers, folder)
        if job.twin:
            model, paid = measure_twin(config, layers, folder)
            with Session.open(model, data, job.open_settings) as session:
                session.start_training(session.begin()[0], Unrecorded()).run()
                initial = _collect_weights(session.controller, None)
        session = Session.open(config, data, job.open_settings, initial=initial, blame=blame)
        outcome, kept = _measure(job, resources.enter_context(session))
        return outcome | {name: cost + (outcome[name] or 0) for name, cost in paid.items()}, kept


def _keep_some(data: Data, number: int, config: Config) -> Data:
    """Draw so many of the training samples; what is validated and tested with stays."""
    order = np.arange(len(data.y_train))
    if not config.training.carry:  # where they follow each other, the first ones
        order = streams.generator(config.seed, "show").permutation(len(order))
    order = order[:number]
    return replace(data, x_train=data.x_train[order], y_train=data.y_train[order])


def _measure(job: Job, session: Session) -> tuple[Outcome, Weights]:
    controller, data = session.controller, session.samples
    meter = OverlapMeter(controller)
    if job.train:
        state, _ = session.begin()
        session.start_training(state, Unrecorded()).run(meter)
    else:
        state = TrainState.first(controller.layers)
        controller.write()
    training = costs.sum_up_training(
        controller.supervised.costs,
        session.device,
        session.config.network.steps,
        state.metrics,
    )
    line_bytes = session.device.transfer_bytes
    last = state.metrics[state.kept_epoch - 1] if state.metrics else {}
    test = session.test(data.x_test, data.y_test, metrics=state.metrics)
    tested, inference = test.score, test.costs
    assert isinstance(tested, Score), "a study has no real targets"
    network = costs.describe_network(controller.supervised.stored, session.device, inference)
    validated = last.get("validation_accuracy")
    if not job.train and len(data.y_validation):
        validation = session.test(data.x_validation, data.y_validation, None, [], "validate")
        validated = float(np.mean(validation.predicted == data.y_validation))
    amiss = {finding["headline"] for finding in findings.keep_latest(state.metrics)}
    amiss |= {finding.sign for finding in findings.find_missed_classes(tested)}
    outcome: Outcome = {
        "test_accuracy": tested.accuracy,
        "balanced_accuracy": tested.balanced_accuracy,
        "majority_share": tested.majority_share,
        "validation_accuracy": validated,
        "train_accuracy": last.get("train_accuracy"),
        "curve": [row["validation_accuracy"] for row in state.metrics],
        "shown": session.config.training.count_samples(len(data.y_train)) * len(state.metrics),
        "paid": [{key: row["costs"][of] for key, of in PAID.items()} for row in state.metrics],
        **{measure: training[key] for measure, key in PAID.items()},
        "chip_seconds": (training["samples"] or 0)
        * session.config.network.steps
        * session.device.info.timing.dt,
        "footprint": network["footprint"],
        "connection_sparsity": network["connection_sparsity"],
        "activation_sparsity": network["activation_sparsity"],
        "transfer_bytes": line_bytes,
        "spikes": _spikes(last, controller) if last else None,
        "synaptic_events": inference["synaptic_events"],
        "inference_bytes": inference["line_bytes"],
        "overlap": meter.mean,
        "chosen": {choice.setting: choice.value for choice in session.choices},
        "findings": sorted(amiss),
        "seconds": state.seconds,
        "device_seconds": state.device_seconds,
        "transfer_seconds": state.transfer_seconds,
        "firmware": session.device.info.identity.firmware,
        **{name: session.device.condition.get(name) for name in FRAMES},
    }
    if job.campaign:
        campaign = Campaign.model_validate_json(job.campaign)
        outcome["faults"] = run_campaign(session, campaign, session.config.seed)
    if job.service:
        outcome |= serve(session, Service.model_validate_json(job.service), session.config.seed)
    return outcome, _collect_weights(controller, session.initial) if job.keep else {}


def _collect_weights(controller: Controller, began: Weights | None) -> Weights:
    """Collect what other trials start from: weights, delays, and directions of the feedback."""
    kept = ("ways/", "cells/")
    ways = {name: array for name, array in (began or {}).items() if name.startswith(kept)}
    if controller.rule.learns_feedback:
        learned = feedback_matrices(controller.rule_state)
        ways |= {f"ways/{name}": way for name, way in learned.items()}
    weights = {f"weights/{p}": w for p, w in enumerate(controller.weights)}
    return ways | weights | graph_of(controller.device.network)


def _spikes(last: Mapping[str, Any], controller: Controller) -> float:
    """Spikes of all neurons for a sample in the last epoch, hidden ones as the host sees them."""
    rates = [*last["hidden_rates"], last["output_rate"]]
    a_step = sum(rate * n for rate, n in zip(rates, controller.layers[1:], strict=True))
    return float(a_step * controller.config.network.steps)


Record = list[float]
"""A fault: place, number of the neuron or synapse, bit, and the accuracy with it."""


def run_campaign(session: Session, campaign: Campaign, seed: int) -> list[Record]:
    """Test a network with each fault of a campaign alone.

    All see the same samples in the same trials, so that what differs is the fault's doing.

    Args:
        session: Weights are written, and the device has no faults.
        campaign: What is tried.
        seed: Names the draw of places, where there are more than are tried.

    Raises:
        SettingError: When the device does not take such faults.
    """
    controller, data, device = session.controller, session.samples, session.device
    truth = np.asarray(data.y_test)
    records = []
    try:
        for fault in _list_faults(session, campaign, seed):
            device.set_faults([fault])
            predicted, *_ = controller.classify(data.x_test, "test", 0)
            number = int(np.asarray(fault.where)[0])
            accuracy = float(np.mean(predicted == truth))
            records.append([float(fault.place or 0), float(number), float(fault.bit), accuracy])
    finally:
        device.set_faults([])
    return records


def _list_faults(session: Session, campaign: Campaign, seed: int) -> Iterator[Fault]:
    network, info = session.device.network, session.device.info
    check_faults([Fault(campaign.kind, 0, [0], value=campaign.value)], info)
    of_neurons = campaign.kind in NEURON_FAULTS
    sizes = dict(enumerate(network.layers[1:], start=1))
    if not of_neurons:
        sizes = {place: int(np.prod(shape)) for place, shape in enumerate(network.shapes)}
    for place, size in sizes.items():
        chosen = np.arange(size)
        if campaign.most and size > campaign.most:
            draw = streams.generator(seed, "show", place)
            chosen = np.sort(draw.choice(size, campaign.most, replace=False))
        bits = range(1)
        if campaign.kind == "flipped_bit":
            bits = range(count_bits(info.weight_format(place)))
        for number in chosen:
            for bit in bits:
                yield Fault(campaign.kind, place, [int(number)], value=campaign.value, bit=bit)
