"""The chips that can be emulated: datasheets, and a page that shows what one of them does."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from drivers.emulator import chip_instance
from drivers.emulator.chip_instance import ChipInstance, ParameterSpread
from drivers.emulator.datasheet import TIERS, Datasheet, datasheet, names
from hil.figures import chip_plots
from hil.figures.plots import Line

if TYPE_CHECKING:
    from drivers import Device

__all__ = ["datasheet", "names", "rows", "write_page"]

Array = NDArray[np.float32]

LAYERS = (32, 400, 10)  # of a chip that may have any network
STEPS = 200
DRIVES = 41  # from 0 to 4 times the least current at which the ideal neuron fires
SHOWN = 40  # neurons with a transfer curve
TRACED = 6  # neurons with a membrane
PULSES = (8, 20)  # which of these are shown as a step of current: 0.8 and 2 times that one
PULSE, PULSE_STEPS = (20, 80), 100
SELDOM = 20  # steps between two samples, above which a trace shows nothing
TARGETS = (0.25, 0.5, 1.0)  # weights followed in time, in full scales
YEAR = 3.156e7


def rows(sheet: Datasheet) -> Sequence[tuple[str, ...]]:
    """A datasheet as a table: tier, name, value, unit, allowed range, source."""
    neuron = sheet.neuron
    table = [("neuron", "model", neuron.name, "", "", neuron.source)]
    table += [
        (e.tier, e.name, f"{e.value:g}", e.unit, f"{e.minimum:g} to {e.maximum:g}", e.source)
        for e in (*neuron.parameters, *sheet.nonidealities)
    ]
    if sheet.weight_grid:
        low, high = sheet.weight_grid[0], sheet.weight_grid[-1]
        grid = f"{len(sheet.weight_grid)} values from {low:g} to {high:g}"
        table.append(("storage", "weight_grid", grid, "full scale", "-1 to 1", sheet.name))
    return table


def write_page(name: str, seed: int, path: Path | None) -> Path:
    """Measure one chip and write its page.

    Args:
        name: A profile, or a file of a chip of one's own.
        seed: Which chip.
        path: The page to write; the chip's name in the current folder when None.

    Returns:
        The path.

    Raises:
        ValueError: For an unknown name or a file that is no chip.
        DeviceError: For a seed out of range.
        OSError: When the page cannot be written; one that was there stands untouched.
    """
    import drivers
    from drivers.files.writing import write_text
    from hil.reports.rendering import render

    sheet = datasheet(name)
    path = path or Path(f"{Path(name).stem}.html")
    layers = sheet.layers or LAYERS
    address = f"emulator:{name}?chip={seed}"
    # In order, cell after cell, so that the plots need not sort them.
    asked = np.linspace(-1, 1, layers[0] * layers[1], dtype=np.float32)
    with drivers.open(address) as chip, chip_instance.make_ideal(name) as ideal:
        # One ideal neuron stands for all.
        for device, sizes in ((chip, layers), (ideal, (1, 1))):
            device.configure(drivers.Network.feed_forward(sizes))
            device.write_weights(0, np.ones(sizes[:2], np.float32))
        path.parent.mkdir(parents=True, exist_ok=True)
        drives = np.linspace(0, 4 * _onset(ideal), DRIVES, dtype=np.float32)
        behaviour = {**_transfer(chip, ideal, drives), **_membranes(chip, ideal, drives)}
    inside = chip_instance.inspect(
        name, seed, layers, asked.reshape(layers[:2]), _choose_ages(sheet)
    )
    page = render(
        "chip.html.j2",
        sheet=sheet,
        seed=seed,
        address=address,
        layers=layers,
        dead=inside.dead,
        tiers={tier: [e for e in sheet.nonidealities if e.tier == tier] for tier in TIERS.values()},
        spreads=[_spread(spread) for spread in inside.spreads],
        **_map(inside.spreads),
        **behaviour,
        **_weights(asked, inside),
        **_drift(asked, inside),
    )
    return write_text(path, page)


# -- measured through the contract ------------------------------------------------------------


def _inputs(device: Device, drives: Array) -> Array:
    """Currents that sum up to drives at every neuron: each input has its share."""
    inputs = device.network.layers[0]
    return np.repeat(drives[..., None] / np.float32(inputs), inputs, axis=-1)


def _rates(device: Device, drives: Array) -> Array:
    """Rates of the first layer `(k, n)` under constant drives `(k,)`."""
    from drivers import Probe, Stimulus

    probe = Probe(1, "spikes", reduce="mean")
    stimulus = Stimulus.current(_inputs(device, drives), steps=STEPS)
    return device.run(stimulus, [probe], trial=0).samples[probe].astype(np.float32)


def _onset(ideal: Device) -> float:
    """The least drive at which the ideal neuron fires, to 1 %; 1 when it fires at none."""
    low, high = 2.0**-8, 2.0**3
    for _ in range(2):
        drives = np.geomspace(low, high, DRIVES, dtype=np.float32)
        fires = np.flatnonzero(_rates(ideal, drives)[:, 0])
        if fires.size == 0:
            return 1.0
        low, high = float(drives[max(0, fires[0] - 1)]), float(drives[fires[0]])
    return high


def _transfer(chip: Device, ideal: Device, drives: Array) -> dict[str, Any]:
    rates, nominal = _rates(chip, drives), _rates(ideal, drives)[:, 0]
    half = DRIVES // 2
    return {
        "transfer": chip_plots.plot_transfer(drives, rates[:, :SHOWN], nominal),
        "curves": min(SHOWN, rates.shape[1]),
        "half": {
            "drive": float(drives[half]),
            "ideal": float(nominal[half]),
            "mean": float(rates[half].mean()),
            "sd": round(float(rates[half].std()), 4),
        },
    }


def _membranes(chip: Device, ideal: Device, drives: Array) -> dict[str, Any]:
    pulses = np.zeros((PULSE_STEPS, DRIVES), np.float32)
    pulses[PULSE[0] : PULSE[1]] = drives
    offer = chip.info.offer("membrane", 1, chip.network.depth)
    assert offer is not None  # every emulated chip has a readout
    if offer.every > SELDOM:
        return {"every": offer.every, "pulses": []}
    traced = min(TRACED, chip.network.layers[1], offer.neurons or TRACED)
    traces = _traces(chip, pulses, traced, offer.every)
    nominal = _traces(ideal, pulses, 1, 1)
    times = offer.every * np.arange(1, len(traces) + 1)
    return {
        "traced": traced,
        "every": offer.every,
        "pulses": [
            (
                4 * pulse / (DRIVES - 1),
                chip_plots.plot_pulse(times, traces[:, pulse], nominal[:, pulse, 0], PULSE),
            )
            for pulse in PULSES
        ],
    }


def _traces(device: Device, drives: Array, neurons: int, every: int) -> Array:
    """Membranes of the first neurons `(T // every, B, neurons)`, in nominal thresholds."""
    from drivers import Probe, Stimulus

    probe = Probe(1, "membrane", tuple(range(neurons)), every)
    stimulus = Stimulus.current_trace(_inputs(device, drives))
    samples = device.run(stimulus, [probe], trial=1).samples[probe].astype(np.float32)
    return device.info.neuron.membrane.in_thresholds(samples)


# -- known from inside ------------------------------------------------------------------------


def _spread(spread: ParameterSpread) -> dict[str, Any]:
    alive = spread.values[np.isfinite(spread.values)].astype(np.float64)
    return {
        "name": spread.name,
        "nonideality": spread.nonideality,
        "meaning": spread.meaning,
        "law": spread.law,
        "parts": f"{alive.size} {spread.part}s",
        "mean": chip_plots.format_quantity(float(alive.mean()), spread.unit),
        "sd": chip_plots.format_quantity(float(alive.std()), spread.unit),
        "svg": chip_plots.plot_histogram(
            alive,
            spread.nominal,
            spread.density,
            spread.name,
            spread.unit,
            f"{spread.part}s",
        ),
    }


def _map(spreads: Sequence[ParameterSpread]) -> dict[str, Any]:
    """A layer of neurons by threshold, or by what else differs between them."""
    neurons = [spread for spread in spreads if spread.part == "neuron"]
    if not neurons:
        return {"mapped": None}
    shown = next((s for s in neurons if s.nonideality == "threshold_cv"), neurons[0])
    svg = chip_plots.plot_neuron_map(shown.values, shown.nominal, shown.name, shown.unit)
    return {"mapped": {"name": shown.name, "meaning": shown.meaning, "svg": svg}}


def _weights(asked: Array, inside: ChipInstance) -> dict[str, Any]:
    stored, realised = inside.stored.reshape(-1), inside.realised[0].reshape(-1)
    levels = len(np.unique(stored))
    return {
        "programmed": chip_plots.plot_programmed_weights(asked, stored, realised),
        "levels": levels if levels < asked.size // 4 else None,
        "off": float(np.sqrt(np.mean((realised - stored) ** 2))),
    }


def _choose_ages(sheet: Datasheet) -> NDArray[np.float64]:
    """From a second to a year; from earlier on where weights decay faster."""
    retention = max((e.value for e in sheet.nonidealities if e.name == "retention"), default=0.0)
    return np.geomspace(min(1.0, 0.01 / retention) if retention else 1.0, YEAR, 40)


def _drift(asked: Array, inside: ChipInstance) -> dict[str, Any]:
    if len(inside.ages) == 1:
        return {"drift": None}
    weights = inside.realised[1:].reshape(len(inside.ages) - 1, -1)
    lines, ages = [], inside.ages[1:].tolist()
    for shade, target in enumerate(TARGETS):
        nearest = np.argsort(np.abs(asked - target))[: max(1, asked.size // 50)]
        low, middle, high = np.quantile(weights[:, nearest], (0.05, 0.5, 0.95), axis=1)
        intervals = list(zip(low, high, strict=True))
        lines.append(Line(ages, middle, f"written as {target:g}", shade, intervals))
    return {"drift": chip_plots.plot_drift(lines)}
