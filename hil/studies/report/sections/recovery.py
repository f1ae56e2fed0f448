"""What training with the chip in the loop recovers of what deployment lost."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean, median

from hil.statistics import FEWEST, Ratio, holm, ratio
from hil.studies.report import naming, wording
from hil.studies.report.section import SectionContent, SectionKind, SectionSettings, Table
from hil.studies.report.wording import CONFIDENCE, SIGNIFICANCE, Claim
from hil.studies.schema import Study
from hil.studies.table import Row, Rows, by_unit, grouped

NOTE = (
    "Lost: the usual severity deployed, less this one deployed. Recovered: the share of that which "
    "each other mode regains on the same chip; above 100 % it is better than the network was "
    f"without the severity. In brackets Fieller's {CONFIDENCE} interval over the repetitions; too "
    "few to say: there is none, since the loss cannot be told from none. Claims are about the "
    "middle severities: the interval ends, and p of the t-test of what is regained is below "
    f"{SIGNIFICANCE:g}, adjusted by Holm for all of them."
)
LEAST = 0.01  # of an accuracy: less than this lost, there is nothing to recover


class Settings(SectionSettings):
    """What the severity is, and which factor holds the training modes."""

    severity: str
    factor: str = "mode"
    reference: str = "deploy"
    by: tuple[str, ...] = ()


@dataclass(frozen=True)
class Regained:
    """What one mode regains of what is lost at the middle severity of one thing.

    Attributes:
        name: The mode, as the subject of a sentence.
        place: The severity in a sentence.
        share: The share, of more than `LEAST` lost.
    """

    name: str
    place: str
    share: Ratio


def build(settings: Settings, study: Study, rows: Rows) -> SectionContent:
    """One row for each part, severity and mode."""
    table, results, told = [], [], list[Regained]()
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
                losses = [start[u] - deployed[u] for u in common]
                lost = fmean(losses) if losses else None
                share = None
                if lost is not None and lost >= LEAST:
                    share = ratio([other[u] - deployed[u] for u in common], losses)
                known = None if share is None else share.interval
                results.append([what[0], severity, mode, lost, share and share.value, known])
                cells = [" · ".join(filter(None, what)), severity]
                cells += [wording.value(lost, settings.measure), mode, _text(share)]
                table.append([*cells, str(len(common))])
                if number == len(severities) // 2 and share is not None:
                    name = naming.subject(own, [settings.factor])
                    place = naming.place(study, own, [settings.severity, *settings.by])
                    told.append(Regained(name, place, share))
    points, modes = wording.points(settings.measure), naming.quantity(rows, settings.factor)
    header = ("what", "severity", f"{points} lost", modes, f"recovered ({CONFIDENCE})", "units")
    adjusted = _adjusted(told)
    return SectionContent(
        settings.title or "What training on the chip recovers",
        settings.note or NOTE,
        claims=[_claim(one, p, len(told)) for one, p in zip(told, adjusted, strict=True)],
        answer=_answer(told, adjusted),
        tables=[Table("", header, table, frozenset({2, 5}))],
        data={"recovered": results},
    )


def _of(rows: list[Row], settings: Settings, mode: str) -> dict[int, float]:
    return by_unit((r for r in rows if r.text(settings.factor) == mode), settings.measure)


def _text(share: Ratio | None) -> str:
    if share is None or share.value is None:
        return "nothing lost"
    text = f"{100 * share.value:.0f} %"
    if share.interval is None:
        return f"{text} (too few to say)"
    low, high = share.interval
    return f"{text} ({100 * low:.0f} to {100 * high:.0f})"


def _adjusted(told: list[Regained]) -> list[float]:
    """p of what is regained, adjusted; 1 where there is no test."""
    return holm([1.0 if one.share.test is None else one.share.test for one in told])


def claimed(share: Ratio, p: float) -> bool:
    """Whether the results say that something is recovered, or lost on top.

    Args:
        share: What is recovered.
        p: p of its numerators, adjusted.
    """
    if share.interval is None or share.units < FEWEST:
        return False
    low, high = share.interval
    return p < SIGNIFICANCE and not low <= 0 <= high


def _claim(one: Regained, p: float, family: int) -> Claim:
    share = one.share
    tests = f" adjusted for {family} tests" if family > 1 else ""
    detail = f"{share.units} units, p = {p:.2g}{tests}"
    if not claimed(share, p) or share.value is None or share.interval is None:
        text = f"what {one.name} recovers of what deployment loses {one.place}"
        return Claim(f"too few to say {text}: {_text(share)}, {detail}", False)
    verb, value, (low, high) = "recovers", share.value, share.interval
    if value < 0:
        verb, value, (low, high) = "loses another", -value, (-high, -low)
    bounds = f"{CONFIDENCE}: {100 * low:.0f} to {100 * high:.0f} %; {detail}"
    lost = f"of what deployment loses {one.place}"
    return Claim(f"{one.name} {verb} {100 * value:.0f} % {lost} ({bounds})", True)


def _answer(told: list[Regained], adjusted: list[float]) -> str:
    """What each mode recovers, in the median of the middle severities where that can be told."""
    sentences = []
    for name in dict.fromkeys(one.name for one in told):
        own = [(one.share, p) for one, p in zip(told, adjusted, strict=True) if one.name == name]
        shares = [s.value for s, p in own if claimed(s, p) and s.value is not None]
        for verb, found in (
            ("recovers", [share for share in shares if share > 0]),
            ("loses another", [-share for share in shares if share < 0]),
        ):
            if found:
                span = f", from {100 * min(found):.0f} to {100 * max(found):.0f} %"
                sentences.append(
                    f"{name} {verb} {100 * median(found):.0f} % of what deployment loses at "
                    f"{len(found)} of {len(own)} middle severities with a loss"
                    f"{span if len(found) > 1 else ''}"
                )
        if not shares:
            sentences.append(
                f"what {name} recovers of what deployment loses, too few repetitions say at any "
                f"of {len(own)} middle severities with a loss"
            )
    return "; ".join(sentences)


SECTION = SectionKind(build, Settings)
