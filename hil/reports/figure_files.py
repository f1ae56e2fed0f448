"""Figures and tables of a page as files for a paper: SVG and PDF, CSV and LaTeX."""

from __future__ import annotations

import base64
import csv
import io
import re
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from drivers.files.writing import replace_file, write_text
from hil.figures.svg import COLUMN, WIDTH, Figure, make_stand_alone
from hil.plain_text import make_visible
from hil.reports.rendering import Attempts
from hil.reports.run_page import build_sections, read_preparation, read_record
from hil.runs.folder import Run
from hil.sections import PageSection, Plot, Table

PAGE = 2 * COLUMN  # width of a page of a journal, in mm
HIGHER = 1.25  # a figure as wide as the page against one as wide as a column
SPECIAL = {character: f"\\{character}" for character in "&%$#_{}"} | {
    "\\": "\\textbackslash{}",
    "~": "\\textasciitilde{}",
    "^": "\\textasciicircum{}",
}


def write_run_figures(run: Run, folder: Path, attempts: Attempts | None = None) -> list[Path]:
    """Write the figures and tables of the page of a run, as `write_figures` does."""
    attempts = attempts or Attempts()
    record = read_record(run, read_preparation(run, attempts))
    return write_figures(folder, build_sections(record, attempts), attempts)


def write_figures(folder: Path, sections: Sequence[PageSection], attempts: Attempts) -> list[Path]:
    """Write the figures and tables of sections.

    Args:
        folder: For the files; made where there is none.
        sections: Those of a page.
        attempts: Learns what could not be made.

    Returns:
        The files: each figure as wide as a column (85 mm) and as a page (170 mm), as SVG and,
        where svglib is installed, PDF, its numbers as CSV; each table as CSV and LaTeX.

    Raises:
        OSError: When one cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number, section in enumerate(sections, 1):
        for place, plot in enumerate(section.plots, 1):
            name = f"{number:02}-{place:02}-{_make_name(section.title, plot.title)}"
            files = attempts.make(f"figure {plot.title!r}", partial(_draw_files, plot))
            for ending, content in (files or {}).items():
                with replace_file(folder / f"{name}{ending}") as file:
                    file.write(content)
                paths.append(folder / f"{name}{ending}")
        for place, table in enumerate(section.tables, 1):
            name = f"{number:02}-{place:02}-{_make_name(section.title, table.caption or 'table')}"
            paths.append(write_text(folder / f"{name}.csv", format_csv(table)))
            paths.append(write_text(folder / f"{name}.tex", format_latex(table)))
    return paths


def format_csv(table: Table) -> str:
    """Write a table as CSV, its header first."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([table.header, *table.rows])
    return text.getvalue()


def format_latex(table: Table) -> str:
    """Write a table as `tabular` of LaTeX, with the lines of its package `booktabs`."""
    columns = "".join("r" if n in table.numbers else "l" for n in range(len(table.header)))
    head, *body = (
        " & ".join("".join(SPECIAL.get(c, c) for c in make_visible(cell)) for cell in row) + " \\\\"
        for row in (table.header, *table.rows)
    )
    lines = [f"\\begin{{tabular}}{{{columns}}}", "\\toprule", head, "\\midrule", *body]
    return "\n".join([*lines, "\\bottomrule", "\\end{tabular}", ""])


def _draw_files(plot: Plot) -> dict[str, bytes]:
    """Draw a plot at both widths; contents by the ending of the file."""
    figure, files = plot.draw(), {}
    for width, height in ((COLUMN, 1.0), (PAGE, HIGHER)):
        laid_out = figure
        if isinstance(figure, Figure):  # text of one size, whatever the width
            pixels = WIDTH * width / COLUMN
            laid_out = replace(figure, width=pixels, height=height * figure.height)
        alone = make_stand_alone(str(laid_out), width)
        files[f"-{width}mm.svg"] = alone.encode()
        pdf = _convert_to_pdf(alone)
        if pdf:
            files[f"-{width}mm.pdf"] = pdf
    if isinstance(figure, Figure):
        files[".csv"] = figure.to_csv().encode()
    return files


def _convert_to_pdf(svg: str) -> bytes | None:
    """Convert a figure to PDF; None without svglib."""
    try:
        from PIL import Image
        from reportlab.graphics import renderPDF
        from svglib.svglib import svg2rlg
    except ImportError:
        return None

    def make_opaque(data: re.Match[str]) -> str:
        """Put pixels on white paper: what converts them knows no opacity."""
        with Image.open(io.BytesIO(base64.b64decode(data[1]))) as image:
            paper = Image.new("RGBA", image.size, "white")
            file = io.BytesIO()
            Image.alpha_composite(paper, image).convert("RGB").save(file, "PNG")
        return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"

    opaque = re.sub(r"data:image/png;base64,([\w+/=]+)", make_opaque, svg)
    pdf: bytes = renderPDF.drawToString(svg2rlg(io.StringIO(opaque)))
    return pdf


def _make_name(*titles: str) -> str:
    """Make a file's name of titles."""
    return re.sub(r"\W+", "-", " ".join(titles).lower()).strip("-")[:60]
