"""The source of a kernel: the whole time loop of a chip for one sample after another.

What differs between models is put in: the code for one neuron. What differs between networks comes
as arrays, so that a kernel is compiled once for each model.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from textwrap import indent

from device_models.kernel_template import TEMPLATE


@dataclass(frozen=True)
class NeuronCode:
    """Code for one neuron, number `p`, of a layer.

    Attributes:
        update: Statements of a step.
        test: Statements before the threshold test, the last one assigning `fires`.
        reset: Statements after a spike.
    """

    update: str
    test: str
    reset: str


@dataclass(frozen=True)
class Shape:
    """What decides the source of a kernel.

    Attributes:
        codes: The code of each kind of layer that there is.
        states: Variables of neurons, `(B, n)`, sorted.
        constants: Constants of neurons, `(n,)`, sorted.
        membrane: The variable that is the membrane.
        receivers: Those that events add to.
        precision: That of synapses and events, `float32` or `float64`.
        refractory: Whether a neuron is refractory after a spike.
        clamped: Whether events do not reach a refractory neuron.
        whole: Whether the state holds whole numbers.
    """

    codes: tuple[NeuronCode, ...]
    states: tuple[str, ...]
    constants: tuple[str, ...]
    membrane: str
    receivers: tuple[str, ...]
    precision: str
    refractory: bool
    clamped: bool
    whole: bool


# Arguments beside the variables and constants of neurons and the weights of each receiver.
ARGUMENTS = (
    "first, last, steps, begun, past, dt, sizes, kinds, q, table, chance, keys, spread, "
    "flow, flows, spikes_bounds, spikes_channels, spikes_counts, sources, paths, gain, scaled, "
    "columns, bounds, sent_number, sent_where, sent_counts, places, counts, raster, raster_at, "
    "shown, shown_at, converter, channels, channel_keys"
)


def arguments(shape: Shape) -> tuple[str, ...]:
    """Names of the arguments of a kernel."""
    own = [f"X_{n}" for n in shape.states] + [f"c_{n}" for n in shape.constants]
    return (*ARGUMENTS.split(", "), *own, *(f"w_{n}" for n in shape.receivers))


def source(shape: Shape) -> str:
    """The source of a module whose function `kernel` is the kernel, but for `<CACHE>`."""
    views = "".join(f"x_{n} = X_{n}[b]\n" for n in shape.states)
    start = "x_not_refractory[p] = False\nx_lastspike[p] = now\n" if shape.refractory else ""
    text = TEMPLATE
    for mark, value, depth in (
        ("ARGUMENTS", ", ".join(arguments(shape)), 0),
        ("VIEWS", views, 8),
        ("UPDATES", _kinds([_each(c.update) for c in shape.codes]), 16),
        ("TESTS", _kinds([c.test for c in shape.codes], "fires = False"), 20),
        ("FIRED", start, 24),
        ("RESETS", _kinds([c.reset for c in shape.codes]), 20),
        ("RECEIVE", _receive(shape), 20),
        ("DISTURB", _disturb(shape), 28),
        ("REAL", f"np.{shape.precision}", 0),
        ("MEMBRANE", shape.membrane, 0),
    ):
        put = indent(value.rstrip("\n"), " " * depth).lstrip() if depth else value
        text = text.replace(f"<{mark}>", put or "pass")
    return text


def _kinds(parts: list[str], other: str = "pass") -> str:
    """One branch for each kind of layer."""
    lines = []
    for kind, part in enumerate(parts):
        lines.append(f"{'if' if kind == 0 else 'elif'} kind == {kind}:")
        lines.append(indent(part or "pass", "    "))
    return "\n".join([*lines, "else:", f"    {other}"])


def _each(update: str) -> str:
    """Statements for every neuron of a layer.

    The layer's own part of each array is counted from 0: an index that may be negative for all
    that the compiler knows is looked at each time, and nothing is done for several neurons at once.
    """
    names = sorted(set(re.findall(r"\b([xc]_\w+)\[p\]", update)))
    parts = "".join(f"own_{name} = {name}[o:end]\n" for name in names)
    body = re.sub(r"\b([xc]_\w+)\[p\]", r"own_\1[p]", update)
    return f"{parts}for p in range(end - o):\n" + indent(body or "pass", "    ")


def _disturb(shape: Shape) -> str:
    free = " * np.float32(x_not_refractory[p])" if shape.refractory else ""
    noise = f"(table[word & np.uint64(65535)] * spread[p]){free}"
    added = f"np.rint({noise})" if shape.whole else noise
    if shape.precision == "float64":
        added = f"np.float64({added})"
    return f"x_{shape.membrane}[p] += {added}"


def _receive(shape: Shape) -> str:
    """What arrives of a path, added to the variables of its layer."""
    free = f" * np.{shape.precision}(x_not_refractory[o + j])" if shape.clamped else ""
    lines = []
    for name in shape.receivers:
        lines += [
            f"gather(arriving, n, w_{name}, place, dense, at, columns, bounds, "
            "sent_where[b, turn], sent_counts[b, turn], places[s], number)",
            "for j in range(n):",
            "    value = arriving[j]",
            "    if scaled[layer]:",
            "        value = value * gain[o + j]",
            f"    value = value{free}" if free else "    pass",
            f"    x_{name}[o + j] += {'np.rint(value)' if shape.whole else 'value'}",
        ]
    return "\n".join(lines)
