"""What the way to the device does to a training, and what can be done about it."""

from __future__ import annotations

from collections.abc import Sequence

from drivers import Probe
from hil.learning import rate_estimators

# Share of the time, and seconds of an epoch, from which the line is what a training waits for.
MOST, LEAST = 0.5, 1.0


def findings(
    device: float,
    transfer: float,
    host: float,
    probes: Sequence[Probe],
    restarts: int,
    failed: Sequence[str] = (),
) -> list[str]:
    """One sentence each when the line is slow, the device restarted, or a part of it failed.

    Args:
        device: Seconds that an epoch spent in the device.
        transfer: Seconds on the line.
        host: Seconds on the host.
        probes: What a learning step asks for.
        restarts: How often the device was brought back.
        failed: Parts of the device that are done without, each with its reason.
    """
    found = []
    total = device + transfer + host
    if transfer > max(MOST * total, LEAST):
        found.append(
            f"the line takes most of the time: {100 * transfer / total:.0f} % of an epoch "
            f"({transfer:.1f} s, device {device:.1f} s, host {host:.1f} s); {_advice(probes)}"
        )
    if restarts:
        often = "once" if restarts == 1 else f"{restarts} times"
        found.append(
            f"the device restarted: {often} in an epoch, and got its network and weights back; "
            "check its power and its watchdog"
        )
    found += [f"a part of the device failed, and the rest goes on: {each}" for each in failed]
    return found


def _advice(probes: Sequence[Probe]) -> str:
    """How to send less, as far as the probes allow."""
    membranes = [probe for probe in probes if probe.quantity == "membrane"]
    each = [probe.every for probe in membranes if probe.reduce == "none"]
    sparsest = rate_estimators.get("crossings").closest or 1
    advice = ["use a faster line (a higher baud rate)"]
    if each and min(each) < sparsest:
        advice.append(f"sample membranes less often (activity.every={sparsest})")
    if each:
        advice.append("take only their means (activity.estimator=fused)")
    else:
        advice.append("write less often (a larger training.batch)")
    return ", or ".join((", ".join(advice[:-1]), advice[-1]))
