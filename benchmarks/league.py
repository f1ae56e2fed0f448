"""Speed of this project beside others of the field, those that are installed, in one run.

    python benchmarks/league.py [--only NAME] [--quick] [--all-cores] [--json] [--plot FILE.png]

One network (784-800-10, 25 steps, 5 % input spikes, batches of 100) with the same weights and the
same input for all. A training step is what makes a batch into new weights; an emulation is the
network alone. All are timed in turn on one core, and their output spikes compared with ours. None
of the others is needed: what is not installed is listed with the command that installs it.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Sequence
from datetime import date
from importlib import metadata
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits

REPEATS = 7
QUICK: dict[str, Any] = {"layers": (64, 32, 10), "steps": 10, "batch": 10}


def main() -> None:
    """Measure, and print a table for each contest."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", default="", metavar="NAME", help="ours and those of this name")
    parser.add_argument(
        "--quick", action="store_true", help="a tiny network, and nobody who compiles first"
    )
    parser.add_argument("--all-cores", action="store_true", help="as many threads as cores")
    parser.add_argument("--json", action="store_true", help="print one object, no tables")
    parser.add_argument("--plot", type=Path, metavar="FILE.png", help="how times grow, drawn")
    asked = parser.parse_args()
    if asked.plot and not (asked.plot.suffix == ".png" and asked.plot.parent.is_dir()):
        parser.error(f"--plot {asked.plot}: give FILE.png in a folder that is there")
    cores = os.cpu_count() or 1
    threads = cores if asked.all_cores else 1
    from league.entrant import found

    try:
        entrants = [e for e in found(asked.only) if not (asked.quick and e.compiles)]
    except ValueError as error:
        parser.error(str(error))
    from league import growth
    from league.contest import held
    from league.network import drawn

    machine = {**measured_on(), "threads": threads}
    with threadpool_limits(limits=threads):
        network = drawn(**(QUICK if asked.quick else {}), threads=threads)
        rows = held(entrants, network, 1 if asked.quick else REPEATS)
    grown: growth.Growth = {}
    if asked.plot:
        grown = growth.measured(entrants, cores, asked.quick)
        growth.draw(grown, asked.plot)
    if asked.json:
        found_rows = [row.json() for row in rows]
        print(json.dumps({"machine": machine, "rows": found_rows, "growth": grown}))
        return
    print(", ".join(f"{name} {value}" for name, value in machine.items()), end="\n\n")
    for contest in dict.fromkeys(row.contest for row in rows):
        print(f"| {contest} | version | ms a sample | over ours | output spikes | what it does |")
        print("|---|---|---|---|---|---|")
        for row in (row for row in rows if row.contest == contest):
            print(f"| {' | '.join(cells(row))} |")
        print()


def cells(row: Any) -> Sequence[str]:
    """Cells of a row of the table."""
    if row.ms is None:
        return (row.name, row.version, "", "", "", row.missing)
    return (row.name, row.version, f"{row.ms:.3g}", f"{row.ratio:.2f}", row.spikes, row.does)


def measured_on() -> dict[str, Any]:
    """The machine, how busy it is, the day, and versions that matter to all."""
    versions = {"Python": platform.python_version()}
    for name in ("numpy", "numba", "torch"):
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = "not installed"
    load = round(os.getloadavg()[0], 1)
    return {"CPU": processor(), "cores": os.cpu_count(), "load": load, **versions} | {
        "date": date.today().isoformat()
    }


def processor() -> str:
    """Name that the processor gives itself."""
    told = Path("/proc/cpuinfo")
    if told.exists():
        for line in told.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or sys.platform


if __name__ == "__main__":
    main()
