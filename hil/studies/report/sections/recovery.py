"""What training with the chip in the loop recovers of what deployment lost."""

from __future__ import annotations

from math import isfinite
from statistics import median

from hil.statistics import FEWEST, bootstrap
from hil.studies.report import naming, wording
from hil.studies.report.section import SectionContent, SectionSettings, Table
from hil.studies.report.wording import Claim
from hil.studies.schema import Study
from hil.studies.table import Row, Rows, by_unit, grouped

NOTE = (
    "Lost: the usual severity deployed, less this one deployed. Recovered: the share of that which "
    "each other mode regains on the same chip; above 100 % it is better than the network was "
    "without the severity. In brackets a 95 % bootstrap interval over the repetitions."
)
LEAST = 0.01  # of an accuracy: less than this lost, there is nothing to recover


class Settings(SectionSettings):
    """What the severity is, and which factor holds the training modes."""

    severity: str
    factor: str = "mode"
    reference: str = "deploy"
    by: tuple[str, ...] = ()


def build(settings: Settings, study: Study, rows: Rows) -> SectionContent:
    """One row for each part, severity and mode."""
    table, claims, results, shares = [], [], [], dict[str, list[float]]()
    for group in grouped(rows, ["part", *settings.by]).values():
        severities = list(grouped(group, [settings.severity]).items())
        if len(severities) < 2:
            continue
        start = _of(severities[0][1], settings, settings.reference)
        what = [naming.quantity(group, settings.severity), *naming.levels(group, settings.by)]
        for number, (_, trials) in enumerate(severities[1:], start=1):
            deployed = _of(trials, settings, settings.reference)
            severity = naming.level(trials, settings.severity)
            for (mode,), own in grouped(trials, [settings.factor]).items():
                if mode == settings.reference:
                    continue
                other = _of(trials, settings, mode)
                common = sorted(start.keys() & deployed.keys() & other.keys())
                units = [[start[u], deployed[u], other[u]] for u in common]
                share = _share(units)
                bounds = bootstrap(units, _share)
                lost = sum(u[0] - u[1] for u in units) / len(units) if units else None
                table.append(
                    [
                        " · ".join(filter(None, what)),
                        severity,
                        wording.value(lost, settings.measure),
                        mode,
                        _text(share, bounds),
                        str(len(units)),
                    ]
                )
                known = None if bounds is None else [b if isfinite(b) else None for b in bounds]
                results.append([what[0], severity, mode, lost, share, known])
                if number == len(severities) // 2:
                    name = naming.subject(own, [settings.factor])
                    place = naming.place(study, own, [settings.severity, *settings.by])
                    claims.append(_claim(name, place, share, bounds, len(units)))
                    if share is not None:
                        shares.setdefault(name, []).append(share)
    header = (
        "what",
        "severity",
        f"{wording.points(settings.measure)} lost",
        naming.quantity(rows, settings.factor),
        "recovered (95 %)",
        "units",
    )
    return SectionContent(
        settings.title or "What training on the chip recovers",
        settings.note or NOTE,
        claims=[claim for claim in claims if claim is not None],
        answer="; ".join(_median(name, own) for name, own in shares.items()),
        tables=[Table("", header, table, frozenset({2, 5}))],
        data={"recovered": results},
    )


def _of(rows: list[Row], settings: Settings, mode: str) -> dict[int, float]:
    return by_unit((r for r in rows if r.text(settings.factor) == mode), settings.measure)


def _share(units: object) -> float | None:
    """Recovered share of what is lost; None where less than `LEAST` is."""
    rows = list(units)  # type: ignore[call-overload]
    if not rows:
        return None
    start, deployed, other = (sum(values) / len(rows) for values in zip(*rows, strict=True))
    return (other - deployed) / (start - deployed) if start - deployed >= LEAST else None


def _text(share: float | None, bounds: tuple[float, float] | None) -> str:
    if share is None:
        return "nothing lost"
    if bounds is None:
        return f"{100 * share:.0f} % (too few units)"
    low, high = (f"{100 * bound:.0f}" if isfinite(bound) else "…" for bound in bounds)
    return f"{100 * share:.0f} % ({low} to {high})"


def _claim(
    name: str,
    place: str,
    share: float | None,
    bounds: tuple[float, float] | None,
    units: int,
) -> Claim | None:
    if share is None:
        return None
    if share < 0:
        low, high = (-bounds[1], -bounds[0]) if bounds else (0.0, 0.0)
        more = _text(-share, (low, high) if bounds else None)
        text = f"{name} loses another {more} of what deployment loses {place}"
    else:
        text = f"{name} recovers {_text(share, bounds)} of what deployment loses {place}"
    if units < FEWEST:
        return Claim(f"{text}: {units} units are too few for a claim", False)
    return Claim(text, bounds is not None and (bounds[0] > 0 or bounds[1] < 0))


def _median(name: str, shares: list[float]) -> str:
    """What is recovered at the middle severities, all of them together."""
    verb = "recovers"
    if median(shares) < 0:
        verb, shares = "loses another", [-share for share in shares]
    text = f"{name} {verb} {100 * median(shares):.0f} % of what deployment loses"
    if len(shares) == 1:
        return f"{text} at the middle severity"
    return (
        f"{text} in the median of {len(shares)} middle severities "
        f"(from {100 * min(shares):.0f} to {100 * max(shares):.0f} %)"
    )
