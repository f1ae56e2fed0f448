"""Snapshot of a trained network for its report, gathered once, at the end of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from drivers import Probe
from hil import streams
from hil.loop.mapping import Batch, nominal_threshold
from hil.loop.observation.probes import limit_offers
from hil.tasks.samples import Signals

if TYPE_CHECKING:
    from hil.loop.controller import Controller
    from hil.tasks import Data

SAMPLES = 6  # inputs shown
TRACES = 5  # membranes shown of each layer: those that move most, of so many
CANDIDATES = 15
SHOWN = -1.5, 1.5  # membranes that a plot shows, in thresholds
CELLS = 20_000  # synapses shown of each projection


def gather(
    controller: Controller, data: Data, predictions: NDArray[Any]
) -> dict[str, NDArray[np.generic]]:
    """Show a few test samples to the device and collect what the report draws.

    Args:
        controller: The trained controller.
        data: The task's samples.
        predictions: `(N_test,)` predicted test classes, or outputs, `(N_test, K)`.

    Returns:
        `test_labels` and `test_predictions` `(N_test,)`; `samples` `(S, n_features)`, or of signals
        `(S, T, n_channels)` with `sample_lengths` `(S,)`; `sample_labels` and `sample_predictions`
        `(S,)` (of real targets `(N_test, K)` and `(S, K)`, in their units); `output_raster`
        `(T, S, C)` where the device shows it; `membrane_LAYER` `(T', S, k)` in thresholds with
        `membrane_every`; `asked_P` and `stored_P`, the same cells of projection P before and after
        storage.
    """
    config, device, depth = controller.config, controller.device, controller.depth
    rng = streams.generator(config.seed, "show")
    rows = np.sort(rng.choice(len(data.y_test), min(SAMPLES, len(data.y_test)), replace=False))
    x = data.batch(data.x_test[rows])
    arrays: dict[str, NDArray[np.generic]] = {
        "test_labels": data.y_test,
        "test_predictions": predictions,
        **_samples_shown(x, data.image_shape or data.preparation.event_sides),
        "sample_labels": data.y_test[rows],
    }
    probes: dict[str, Probe] = {}
    info = limit_offers(device.info, config.observe)
    offer = info.offer("spikes", depth, depth)
    if offer is not None and "none" in offer.reductions:
        probes["output_raster"] = Probe(depth, "spikes")
    offers = {n: info.offer("membrane", n, depth) for n in range(1, depth + 1)}
    every = max((offer.every for offer in offers.values() if offer is not None), default=1)
    arrays["membrane_every"] = np.asarray(every)
    for layer, offer in offers.items():
        if offer is not None and "none" in offer.reductions:
            count = min(CANDIDATES, controller.layers[layer], offer.neurons or CANDIDATES)
            neurons = np.sort(rng.choice(controller.layers[layer], count, replace=False))
            probes[f"membrane_{layer}"] = Probe(
                layer, "membrane", tuple(int(n) for n in neurons), every=every
            )
    controller.begin_series(data.x_test, rows, "show")
    readout = controller.supervised.run(
        controller.stimulus(x, "show"),
        list(dict.fromkeys([*probes.values(), *controller.observer.output_probes])),
        trial=streams.trial(config.seed, "show"),
    )
    scale = nominal_threshold(device)
    for name, probe in probes.items():
        values: NDArray[np.generic] = readout.samples[probe]
        if probe.quantity == "membrane":
            values = device.info.neuron.membrane.in_thresholds(values.astype(np.float32), scale)
            values = values[..., _find_moving(values[:, 0])]
        arrays[name] = values
    arrays["counts"] = readout.counts
    chosen, outputs, _ = controller.answer(readout)
    arrays["sample_predictions"] = outputs if data.is_real else chosen
    if data.is_real:
        for part in ("test", "sample"):
            for name in (f"{part}_labels", f"{part}_predictions"):
                arrays[name] = data.preparation.read_outputs(arrays[name])
    for p, (asked, stored) in enumerate(
        zip(controller.weights, controller.supervised.stored, strict=True)
    ):
        cells = rng.choice(asked.size, min(CELLS, asked.size), replace=False)
        arrays[f"asked_{p}"] = asked.reshape(-1)[cells]
        arrays[f"stored_{p}"] = stored.reshape(-1)[cells]
    return arrays


def _find_moving(traces: NDArray[np.float32]) -> NDArray[np.intp]:
    """Find the membranes `(T', k)` that move most where a plot shows them, in order."""
    swing = np.ptp(np.clip(traces, *SHOWN), axis=0)
    return np.sort(np.argsort(-swing, kind="stable")[:TRACES])


def _samples_shown(x: Batch, image_shape: tuple[int, ...]) -> dict[str, NDArray[np.generic]]:
    """The samples, and what it takes to draw them."""
    shape = {"image_shape": np.asarray(image_shape)}
    if isinstance(x, Signals):
        return shape | {"samples": x.values, "sample_lengths": x.lengths}
    return shape | {"samples": x}
