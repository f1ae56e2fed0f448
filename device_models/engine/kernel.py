"""Source of kernels: the whole time loop of a chip for one sample after another.

What differs between models is put into the source: the code for one neuron. What differs between
networks comes as arrays, so that a kernel is compiled once for each model.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from textwrap import indent
from zlib import crc32

from device_models.engine.kernel_template import TEMPLATE
from device_models.generators import quantiles


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
class KernelSpec:
    """Parts that decide the source of a kernel.

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
    "first, last, steps, begun, past, dt, sizes, kinds, q, chance, keys, spread, "
    "flow, flows, spikes_bounds, spikes_channels, spikes_counts, sources, paths, gain, scaled, "
    "columns, bounds, sent_number, sent_where, sent_counts, places, counts, counts_at, raster, "
    "raster_at, lines, held, samples, samples_at, converter, channels, channel_keys"
)
# And room to work in, which each thread brings.
ROOM = (
    *("arriving", "fired", "kept", "passed", "number_fired"),
    *("marks", "eights", "words", "draws", "out"),
)


def kernel_arguments(spec: KernelSpec) -> tuple[str, ...]:
    """Name the arguments of a kernel but for the room to work in, which comes last."""
    own = [f"X_{n}" for n in spec.states] + [f"c_{n}" for n in spec.constants]
    return (*ARGUMENTS.split(", "), *own, *(f"w_{n}" for n in spec.receivers))


@cache
def write_kernel(spec: KernelSpec) -> str:
    """Write the source of a module whose `function` is the kernel."""
    views = "".join(f"x_{n} = X_{n}[b]\n" for n in spec.states)
    start = "x_not_refractory[p] = False\nx_lastspike[p] = now" if spec.refractory else ""
    text = TEMPLATE
    for mark, value, depth in (
        ("ARGUMENTS", ", ".join((*kernel_arguments(spec), *ROOM)), 0),
        ("VIEWS", views, 8),
        ("UPDATES", _branch_by_kind([_loop_all(c.update) for c in spec.codes]), 16),
        (
            "TESTS",
            _branch_by_kind([_loop_all(f"{c.test}\nmarks[p] = fires") for c in spec.codes]),
            16,
        ),
        ("FIRED", _loop_fired(start), 16),
        ("RESETS", _branch_by_kind([_loop_fired(c.reset) for c in spec.codes]), 16),
        ("RECEIVE", _write_reception(spec), 20),
        ("DISTURB", _write_noise(spec), 20),
        ("REAL", f"np.{spec.precision}", 0),
        ("TABLE", f"{crc32(quantiles().tobytes()):x}", 0),
        ("MEMBRANE", spec.membrane, 0),
    ):
        put = indent(value.rstrip("\n"), " " * depth).lstrip() if depth else value
        text = text.replace(f"<{mark}>", put or "pass")
    return text


def _branch_by_kind(parts: list[str]) -> str:
    """Write one branch for each kind of layer."""
    lines = []
    for kind, part in enumerate(parts):
        lines.append(f"{'if' if kind == 0 else 'elif'} kind == {kind}:")
        lines.append(indent(part or "pass", "    "))
    return "\n".join(lines)


def _loop_all(code: str) -> str:
    """Write statements for every neuron of a layer."""
    return _loop(code, "for p in range(end - o):")


def _loop_fired(code: str) -> str:
    """Write statements for the neurons of a layer that fired."""
    return _loop(f"p = who[k]\n{code}", "for k in range(number):") if code else ""


def _loop(code: str, loop: str) -> str:
    """Write a loop over neurons of a layer.

    The layer's own part of each array is counted from 0: an index that may be negative for all
    that the compiler knows is looked at each time, and nothing is done for several neurons at once.
    """
    of_neurons = r"\b([xc]_\w+|spread|gain)\[p\]"
    names = sorted(set(re.findall(of_neurons, code)))
    parts = "".join(f"own_{name} = {name}[o:end]\n" for name in names)
    body = re.sub(of_neurons, r"own_\1[p]", code)
    return f"{parts}{loop}\n" + indent(body or "pass", "    ")


def _write_noise(spec: KernelSpec) -> str:
    """Write the noise of membranes: each four neurons share the bits of one word."""
    free = " * np.float32(x_not_refractory[p])" if spec.refractory else ""
    noise = f"(TABLE[draws[p]] * spread[p]){free}"
    added = f"np.rint({noise})" if spec.whole else noise
    if spec.precision == "float64":
        added = f"np.float64({added})"
    each = _loop_all(f"x_{spec.membrane}[p] += {added}")
    return f"for k in range((end - o + 3) >> 2):\n    words[k] = mixed(row, k)\n{each}"


def _write_reception(spec: KernelSpec) -> str:
    """Write how arriving events add to the variables of their layer."""
    free = f" * np.{spec.precision}(x_not_refractory[p])" if spec.clamped else ""
    lines = []
    for name in spec.receivers:
        added = "np.rint(value)" if spec.whole else "value"
        lines += [
            f"gather(arriving, n, w_{name}, place, dense, at, begin, columns, bounds, where, many)",
            "if scaled[layer]:",
            indent(_loop_all("arriving[p] = arriving[p] * gain[p]"), "    "),
            _loop_all(f"value = arriving[p]{free}\nx_{name}[p] += {added}"),
        ]
    return "\n".join(lines)
