"""Faults as data: what is faulty, where and when, as fault injection for spiking networks has it.

Terms of Raptis, Kapoor & Stratigopoulos 2024, SpikeFI (arXiv 2412.06795).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from numbers import Integral, Real
from pathlib import Path
from typing import Any, Literal, get_args
from zlib import crc32

import numpy as np
from numpy.typing import ArrayLike, NDArray

from drivers.contract.info import DeviceInfo, WeightFormat
from drivers.contract.network import Network
from drivers.errors import SettingError, name_source, nearest, shorten
from drivers.files.bounded import read_toml
from drivers.files.writing import write_text

NeuronFault = Literal[
    "dead_neuron",
    "saturated_neuron",
    "stuck_neuron",
    "threshold_off",
    "leak_off",
    "refractory_off",
    "integration_off",
]
SynapseFault = Literal[
    "dead_synapse", "saturated_synapse", "stuck_synapse", "perturbed_synapse", "flipped_bit"
]
FaultKind = Literal[NeuronFault, SynapseFault]
NEURON_FAULTS: tuple[str, ...] = get_args(NeuronFault)
SYNAPSE_FAULTS: tuple[str, ...] = get_args(SynapseFault)
KINDS = (*NEURON_FAULTS, *SYNAPSE_FAULTS)
# What a kind takes as its value: least, most.
VALUES = {
    "stuck_neuron": (0.0, 1.0),
    "stuck_synapse": (-1.0, 1.0),
    "perturbed_synapse": (-1e3, 1e3),
    "saturated_synapse": (-1.0, 1.0),
}
FACTOR = (1e-3, 1e3)
NOBODY = np.empty(0, np.int64)


@dataclass(frozen=True, eq=False)
class Fault:
    """Neurons of a population, or synapses of a projection, with the same fault.

    Of several at one place each acts on what those before it leave.

    | kind | what is faulty | value |
    |---|---|---|
    | `dead_neuron` | integrates nothing, rests, and fires never | |
    | `saturated_neuron` | its line carries an event in every step, whatever it does | |
    | `stuck_neuron` | its line carries one in a share of steps, evenly spread | the share |
    | `threshold_off` | its threshold, above rest | factor |
    | `leak_off` | its leak, which is the inverse of the time constant | factor |
    | `refractory_off` | its refractory time | factor |
    | `integration_off` | its input gain | factor |
    | `dead_synapse` | transmits nothing | |
    | `saturated_synapse` | transmits the full scale | its sign |
    | `stuck_synapse` | transmits a value of its own | in full scales |
    | `perturbed_synapse` | transmits too much or too little | factor |
    | `flipped_bit` | the code it stores: steps of the format, as a two's complement | |

    Attributes:
        kind: What is the matter.
        place: Population, counted from 1, or projection, from 0; None for all projections, or all
            populations but the output.
        where: Numbers of the neurons, or of the synapses among the weights of the projection in C
            order; empty to draw them by `rate`.
        value: What the kind needs.
        bit: Bit that is flipped, 0 being the least.
        steps: First step since reset in which they are faulty, and the first in which no more;
            None for all.
        chance: Chance that each of them is faulty in a run: below 1 it is intermittent.
        rate: Chance that each at the place is drawn; a higher rate keeps those of a lower one.
        seed: Names the draw, together with the device.
    """

    kind: str
    place: int | None = None
    where: ArrayLike = ()
    value: float = 1.0
    bit: int = 0
    steps: tuple[int, int] | None = None
    chance: float = 1.0
    rate: float = 0.0
    seed: int = 0


TYPES = {  # of the fields of a `Fault`
    "kind": (str, "a text"),
    **dict.fromkeys(("place", "where", "bit", "seed"), (Integral, "whole numbers")),
    "steps": (Integral, "two whole numbers"),
    **dict.fromkeys(("value", "chance", "rate"), (Real, "a number")),
}


def check_faults(faults: Sequence[Fault], info: DeviceInfo) -> None:
    """Refuse faults that a device cannot have, whatever its network.

    Raises:
        SettingError: Naming what is allowed.
    """
    if not isinstance(faults, Sequence) or isinstance(faults, str | bytes):
        given = shorten(repr(faults))
        raise SettingError(f"faults = {given}: give a list of `Fault`, [] for none")
    for fault in faults:
        _check_types(fault)
        kind = fault.kind
        if kind not in info.abilities.faults:
            remedy = nearest(kind, info.abilities.faults)
            raise SettingError(f"fault {kind!r} of {info.identity.name}: {remedy}")
        low, high = VALUES.get(kind, FACTOR)
        for name, value, least, most in (
            ("value", fault.value, low, high),
            ("chance", fault.chance, 0, 1),
            ("rate", fault.rate, 0, 1),
            ("seed", fault.seed, 0, 2**63 - 1),
        ):
            if not least <= value <= most:  # NaN is neither
                raise SettingError(f"{kind}: {name} = {value}: give {least:g} to {most:g}")
        if fault.steps is not None and not 0 <= fault.steps[0] < fault.steps[1]:
            raise SettingError(f"{kind}: steps = {fault.steps}: give a first and a later step")
        if not (np.size(fault.where) or fault.rate) or (np.size(fault.where) and fault.rate):
            raise SettingError(f"{kind}: give either where, or a rate above 0")
        if np.size(fault.where) and fault.place is None:
            raise SettingError(f"{kind}: give the place of what is faulty")


def _check_types(fault: Fault) -> None:
    if not isinstance(fault, Fault):
        raise SettingError(f"{shorten(repr(fault))} is no `Fault`")
    for name, (kind, what) in TYPES.items():
        given = getattr(fault, name)
        if given is None and name in ("place", "steps"):
            continue
        is_list = name in ("where", "steps")
        values = np.asarray(given, object).ravel().tolist() if is_list else [given]
        fits = all(isinstance(v, kind) and not isinstance(v, bool) for v in values)
        if not fits or (name == "steps" and len(values) != 2):
            raise SettingError(f"{fault.kind}: {name} = {shorten(repr(given))}: give {what}")


def complete_faults(
    faults: Iterable[Fault], network: Network, info: DeviceInfo
) -> tuple[Fault, ...]:
    """Find out which neurons and synapses of a network are faulty.

    Args:
        faults: Checked by `check_faults`.
        network: The network, complete.
        info: The device; its name and serial decide, with the seeds, what is drawn.

    Returns:
        Faults of one place each, with `where` as int64, ascending, and no rate.

    Raises:
        SettingError: For a place or a number that the network has not, or a bit that weights have
            not.
    """
    return tuple(part for fault in faults for part in _divide(fault, network, info))


def _divide(fault: Fault, network: Network, info: DeviceInfo) -> Iterator[Fault]:
    sizes = {number: size for number, size in enumerate(network.layers) if number}
    if fault.kind in SYNAPSE_FAULTS:
        sizes = {number: int(np.prod(shape)) for number, shape in enumerate(network.shapes)}
    if fault.place is not None and fault.place not in sizes:
        axes = ", ".join(map(str, sizes))
        raise SettingError(f"{fault.kind}: place = {fault.place}: give one of {axes}")
    places = sizes if fault.kind in SYNAPSE_FAULTS else [*sizes][:-1]
    for place in places if fault.place is None else (fault.place,):
        size = sizes[place]
        where = np.unique(np.asarray(fault.where))
        if fault.rate:
            names = [crc32(f"{fault.kind} of {info.identity}".encode()), fault.seed, place]
            where = np.flatnonzero(np.random.default_rng(names).random(size) < fault.rate)
        elif where.dtype.kind not in "iu" or where[0] < 0 or where[-1] >= size:
            given = where[0] if where[0] < 0 else where[-1]
            raise SettingError(
                f"{fault.kind}: where = {given}: give whole numbers from 0 to {size - 1}"
            )
        if fault.kind == "flipped_bit":
            bits = count_bits(info.weight_format(place))
            if not 0 <= fault.bit < bits:
                raise SettingError(
                    f"flipped_bit: bit = {fault.bit}: give 0 to {bits - 1}"
                    if bits
                    else "flipped_bit: weights of this device are no codes"
                )
        if fault.kind in SYNAPSE_FAULTS and not info.capacity.sparse:
            synapses = network.projections[place].synapses
            if synapses is not None:  # to the driver it is dense
                where = synapses.pre[where] * network.ends[place][1] + synapses.post[where]
        yield replace(fault, place=place, where=where.astype(np.int64), rate=0.0)


def count_bits(form: WeightFormat) -> int:
    """Count the bits of a stored weight; 0 where it is no code."""
    return 0 if form.levels is None else (form.levels - 1).bit_length()


def apply_to_weights(
    fault: Fault, weights: NDArray[np.float32], form: WeightFormat, full_scale: float
) -> NDArray[np.float32]:
    """Make a fault of synapses out of weights that are written: what they would store with it.

    Args:
        fault: Complete.
        weights: What is to be stored without it, any shape.
        form: Format of the projection.
        full_scale: Its full scale.
    """
    faulty, where = weights.copy(), np.asarray(fault.where)
    own = faulty.reshape(-1)[where]
    if fault.kind == "perturbed_synapse":
        own *= np.float32(fault.value)
    elif fault.kind == "flipped_bit":
        step, bits = form.step(full_scale), count_bits(form)
        codes = np.floor(own / step + 1e-3).astype(np.int64)
        signed = -1 if fault.bit == bits - 1 and form.signs == "both" else 1
        change = np.where(codes >> fault.bit & 1, -signed, signed) * (1 << fault.bit)
        own += (change * step).astype(np.float32)
    elif fault.kind == "dead_synapse":
        own[:] = 0
    else:
        share = np.sign(fault.value) if fault.kind == "saturated_synapse" else fault.value
        own[:] = share * full_scale
    faulty.reshape(-1)[where] = own
    return faulty


def read_faults(text: str) -> tuple[Fault, ...]:
    """Read what the option `faults` of an address names.

    Args:
        text: A `.toml` file with tables `[[fault]]` of the fields of `Fault`, or `KIND@RATE`
            or `KIND@RATE@SEED`, several of them with commas between; or nothing.

    Raises:
        SettingError: Naming what is wrong, and what is allowed.
        FileFormatError: When the file is missing, too large or no TOML.
    """
    if not text.endswith(".toml"):
        return tuple(_read_rate(part) for part in text.split(",") if text)
    tables = read_toml(Path(text))
    entries = tables.get("fault")
    if [*tables] != ["fault"] or not isinstance(entries, list):
        raise SettingError(f"{text}: give tables [[fault]], and nothing else")
    return tuple(_read_entry(entry, f"{text}: fault {n}") for n, entry in enumerate(entries, 1))


def describe_fault(fault: Fault) -> dict[str, Any]:
    """Put what a fault says in plain values, as a table of a file has it."""
    plain = {**vars(fault), "where": np.asarray(fault.where).tolist()}
    return {
        each.name: plain[each.name] for each in fields(Fault) if plain[each.name] != each.default
    }


def write_faults(faults: Iterable[Fault], path: Path) -> Path:
    """Write a file of faults, `.toml`, as `read_faults` reads it.

    Raises:
        OSError: When the folder cannot be written.
    """
    import tomli_w

    return write_text(path, tomli_w.dumps({"fault": [describe_fault(each) for each in faults]}))


def _read_rate(text: str) -> Fault:
    kind, _, drawn = text.partition("@")
    rate, _, seed = drawn.partition("@")
    try:
        return Fault(kind, rate=float(rate), seed=int(seed or 0))
    except ValueError:
        raise SettingError(
            f"faults = {text!r}: give a .toml file, or KIND@RATE as in dead_neuron@0.1"
        ) from None


def _read_entry(entry: Any, name: str) -> Fault:
    if not isinstance(entry, dict):
        raise SettingError(f"{name} is no table: write [[fault]]")
    own = [field.name for field in fields(Fault)]
    if unknown := sorted({*entry} - {*own}):
        raise SettingError(f"{name}: {unknown[0]!r}: {nearest(unknown[0], own)}")
    if "kind" not in entry:
        raise SettingError(f"{name}: kind is missing: give one of {', '.join(KINDS)}")
    fault = Fault(**entry)
    with name_source(name, kind=SettingError):
        _check_types(fault)
    return fault
