"""Pages: each one file that needs no network, made from a template."""

from __future__ import annotations

from typing import Any


def render(template: str, **content: Any) -> str:
    """Fill in a template.

    Args:
        template: Name of a file in `hil/reports/templates/`.
        content: What it shows, by name.

    Returns:
        The page.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("hil.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,  # of an included part
    )
    environment.filters |= {"percent": lambda share: f"{100 * share:.2f}", "duration": _duration}
    return environment.get_template(template).render(content)


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
