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


# Keeps the numbers of those that fire, without a branch that no processor could foresee.
COMPACT = "who[number] = p\nnumber += fires"

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
    start = "x_not_refractory[p] = False\nx_lastspike[p] = now" if shape.refractory else ""
    text = TEMPLATE
    for mark, value, depth in (
        ("ARGUMENTS", ", ".join(arguments(shape)), 0),
        ("VIEWS", views, 8),
        ("UPDATES", _kinds([_every(c.update) for c in shape.codes]), 16),
        ("TESTS", _kinds([_every(f"{c.test}\n{COMPACT}") for c in shape.codes]), 16),
        ("FIRED", _fired(start), 16),
        ("RESETS", _kinds([_fired(c.reset) for c in shape.codes]), 16),
        ("RECEIVE", _receive(shape), 20),
        ("DISTURB", _disturb(shape), 20),
        ("REAL", f"np.{shape.precision}", 0),
        ("MEMBRANE", shape.membrane, 0),
    ):
        put = indent(value.rstrip("\n"), " " * depth).lstrip() if depth else value
        text = text.replace(f"<{mark}>", put or "pass")
    return text


def _kinds(parts: list[str]) -> str:
    """One branch for each kind of layer."""
    lines = []
    for kind, part in enumerate(parts):
        lines.append(f"{'if' if kind == 0 else 'elif'} kind == {kind}:")
        lines.append(indent(part or "pass", "    "))
    return "\n".join(lines)


def _every(code: str) -> str:
    """Statements for every neuron of a layer."""
    return _own(code, "for p in range(end - o):")


def _fired(code: str) -> str:
    """Statements for the neurons of a layer that fired."""
    return _own(f"p = who[k]\n{code}", "for k in range(number):") if code else ""


def _own(code: str, loop: str) -> str:
    """A loop over neurons of a layer.

    The layer's own part of each array is counted from 0: an index that may be negative for all
    that the compiler knows is looked at each time, and nothing is done for several neurons at once.
    """
    of_neurons = r"\b([xc]_\w+|spread|gain)\[p\]"
    names = sorted(set(re.findall(of_neurons, code)))
    parts = "".join(f"own_{name} = {name}[o:end]\n" for name in names)
    body = re.sub(of_neurons, r"own_\1[p]", code)
    return f"{parts}{loop}\n" + indent(body or "pass", "    ")


def _disturb(shape: Shape) -> str:
    """Noise of membranes: each four neurons share the bits of one word."""
    free = " * np.float32(x_not_refractory[p])" if shape.refractory else ""

    def one(neuron: str, word: str) -> str:
        noise = f"(table[{word} & LOW] * spread[p]){free}"
        added = f"np.rint({noise})" if shape.whole else noise
        if shape.precision == "float64":
            added = f"np.float64({added})"
        return f"p = {neuron}\nx_{shape.membrane}[p] += {added}\n"

    four = "".join(one(f"4 * k + {i}", f"(word >> np.uint64({16 * i}))") for i in range(4))
    every = _own(f"word = mixed(row, k)\n{four}", "for k in range((end - o) >> 2):")
    rest = _own(
        one("r", "word") + "word = word >> np.uint64(16)", "for r in range(whole, end - o):"
    )
    return f"{every}whole = (end - o) & ~3\nword = mixed(row, whole >> 2)\n{rest}"


def _receive(shape: Shape) -> str:
    """What arrives of a path, added to the variables of its layer."""
    free = f" * np.{shape.precision}(x_not_refractory[p])" if shape.clamped else ""
    lines = []
    for name in shape.receivers:
        added = "np.rint(value)" if shape.whole else "value"
        lines += [
            f"gather(arriving, n, w_{name}, place, dense, at, columns, bounds, where, many)",
            "if scaled[layer]:",
            indent(_every("arriving[p] = arriving[p] * gain[p]"), "    "),
            _every(f"value = arriving[p]{free}\nx_{name}[p] += {added}"),
        ]
    return "\n".join(lines)
