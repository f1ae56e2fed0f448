"""Learning curves: validation accuracy over epochs, the mean of the repetitions with a band."""

from __future__ import annotations

from functools import partial

from hil.studies.report import naming, wording
from hil.studies.report.estimates import mean
from hil.studies.report.plots import CurveWithInterval, line_plot
from hil.studies.report.section import Picture, SectionContent, SectionKind, SectionSettings
from hil.studies.schema import Study
from hil.studies.table import Row, Rows, grouped

NOTE = (
    "Mean validation accuracy over the repetitions after each epoch, with Student's "
    f"{wording.CONFIDENCE} band."
)


class Settings(SectionSettings):
    """Which lines, and in how many plots."""

    lines: tuple[str, ...]
    by: tuple[str, ...] = ()


def build(settings: Settings, study: Study, rows: Rows) -> SectionContent:
    """One figure for each combination of the levels of `by`."""
    names = list(grouped(rows, settings.lines))
    pictures = []
    for group in grouped(rows, settings.by).values():
        lines = [
            line
            for key, trials in grouped(group, settings.lines).items()
            if (line := _line(trials, naming.series(trials, settings.lines), names.index(key)))
            is not None
        ]
        if lines:
            heading = naming.legend(rows, settings.lines)
            draw = partial(
                line_plot, lines, "epoch", "validation accuracy", percent=True, heading=heading
            )
            pictures.append(Picture(naming.series(group, settings.by) or "All trials", draw))
    return SectionContent(settings.title or "Learning", settings.note or NOTE, pictures=pictures)


def _line(trials: list[Row], label: str, shade: int) -> CurveWithInterval | None:
    curves = [row.outcome.get("curve", []) for row in trials]
    curves = [curve for curve in curves if curve and None not in curve]
    if not curves:
        return None
    means = [mean(values, "validation_accuracy") for values in zip(*curves, strict=False)]
    return CurveWithInterval(
        x=range(1, len(means) + 1),
        y=[m.value for m in means],
        intervals=[m.interval for m in means],
        label=label,
        shade=shade,
    )


SECTION = SectionKind(build, Settings)
