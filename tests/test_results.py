"""Every table of results says what made it, and owns up where defaults have changed since."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

from hil import config, tasks
from hil.learning import rules

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "results.md"
CERTIFICATE = re.compile(
    r"<!-- (?P<command>(?:hil|python) .+?) \| at or before (?P<commit>[0-9a-f]{7}.*?) \| "
    r"(?P<date>\d{4}-\d\d-\d\d(?: to \d{4}-\d\d-\d\d)?) \| defaults (?P<defaults>\w+) -->"
)


def defaults() -> str:
    """Digest of what a bare `hil train` is set to, for every task and rule."""
    found = [
        config.dump(config.build({"task": task, "rule": {"name": rule}}))
        for task in sorted(tasks.names())
        for rule in sorted(rules.names())
    ]
    return hashlib.sha256("\n".join(found).encode()).hexdigest()[:8]


def sections(page: str) -> list[str]:
    return re.split(r"^## ", page, flags=re.M)[1:]


def tables(section: str) -> Iterator[str]:
    """What stands above each table, down from the table before it."""
    above: list[str] = []
    inside = False
    for line in section.splitlines():
        if line.startswith("|") and not inside:
            yield "\n".join(above)
            above = []
        inside = line.startswith("|")
        above.append(line)


def complaints(page: str, today: str) -> list[str]:
    """What a page of results fails to say."""
    found = []
    for section in sections(page):
        title = section.splitlines()[0]
        for number, above in enumerate(tables(section), start=1):
            stated = CERTIFICATE.findall(above)
            if len(stated) != 1:
                found.append(f"{title}, table {number}: no comment with command, commit and date")
            elif stated[0][3] != today and "easured before" not in section:
                found.append(
                    f"{title}, table {number}: defaults are {today}: say 'measured before'"
                )
    return found


def test_every_table_has_its_birth_certificate() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert complaints(page, defaults()) == []
    assert sum(1 for section in sections(page) for _ in tables(section)) > 1
    for command in CERTIFICATE.findall(page):
        words = command[0].split()
        if words[0] == "python":
            assert (ROOT / words[1]).is_file(), command


def test_a_table_without_one_or_with_other_defaults_is_found() -> None:
    born = "<!-- hil train digits | at or before 0123abc | 2026-01-02 | defaults 01234567 -->\n"
    table = "\n| a | b |\n|---|---|\n| 1 | 2 |\n"
    assert complaints(f"## One\n{born}{table}", "01234567") == []
    assert len(complaints(f"## One\n{table}", "01234567")) == 1
    assert len(complaints(f"## One\n{born}{table}{table}", "01234567")) == 1
    assert len(complaints(f"## One\n{born}{table}", "89abcdef")) == 1
    assert complaints(f"## One\nMeasured before.\n{born}{table}", "89abcdef") == []
