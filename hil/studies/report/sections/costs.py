"""What a training costs: times, device runs, samples, bytes, spikes, events and writes."""

from __future__ import annotations

from hil.studies.report import naming, wording
from hil.studies.report.estimates import mean
from hil.studies.report.section import SectionContent, SectionKind, SectionSettings, Table
from hil.studies.schema import Study
from hil.studies.table import TIMES, Rows, by_unit, grouped

NOTE = (
    f"Means over the repetitions with Student's {wording.CONFIDENCE} interval. Times are those of "
    "this machine and of what else ran on it; time and bytes on the line are 0 for an emulated "
    "device."
)
SHOWN = (
    *TIMES,
    "device_runs",
    "samples",
    "transfer_bytes",
    "spikes",
    "synaptic_events",
    "cell_writes_mean",
    "cell_writes_max",
)


class Settings(SectionSettings):
    """What tells the trainings apart."""

    by: tuple[str, ...]


def build(settings: Settings, study: Study, rows: Rows) -> SectionContent:
    """One row for each combination of the levels of `by`."""
    table = []
    for group in grouped(rows, settings.by).values():
        cells = []
        for measure in SHOWN:
            values = list(by_unit(group, measure).values())
            result = mean(values, measure) if values else None
            if result is None:
                cells.append("")
            elif result.interval is None:
                cells.append(wording.value(result.value, measure))
            else:
                bounds = wording.interval(result.interval, measure)
                cells.append(f"{wording.value(result.value, measure)} ({bounds})")
        table.append([*naming.levels(group, settings.by), *cells])
    header = (
        *naming.quantities(rows, settings.by),
        *(f"{wording.name(m)}, {wording.unit(m)}" for m in SHOWN),
    )
    return SectionContent(
        settings.title or "Costs", settings.note or NOTE, tables=[Table("", header, table)]
    )


SECTION = SectionKind(build, Settings)
