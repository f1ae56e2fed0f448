"""What a shell completes: names of tasks, rules, devices, chips and studies."""

from __future__ import annotations

from collections.abc import Iterable


def tasks(incomplete: str) -> list[str]:
    """Tasks, and the formats of files that are tasks."""
    from hil import tasks
    from hil.tasks import formats

    return _beginning(incomplete, [*tasks.names(), *(f"{name}:" for name in formats.names())])


def rules(incomplete: str) -> list[str]:
    """Learning rules."""
    from hil.learning import rules

    return _beginning(incomplete, rules.names())


def devices(incomplete: str) -> list[str]:
    """Addresses that a driver offers, or its scheme where it offers none."""
    from drivers import registry

    return _beginning(incomplete, registry.addresses())


def chips(incomplete: str) -> list[str]:
    """Chips that can be emulated."""
    from hil.reports import chip_page

    return _beginning(incomplete, [sheet.name for sheet in chip_page.datasheets()])


def studies(incomplete: str) -> list[str]:
    """Studies that come with the package."""
    from hil.studies import loader

    return _beginning(incomplete, loader.names())


def _beginning(incomplete: str, names: Iterable[str]) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]
