"""A Dask cluster as a user would start it: a scheduler and workers, in processes of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def cluster(
    count: int,
    environment: dict[str, str] | None = None,
    resources: Sequence[str] = (),
    options: Sequence[str] = (),
) -> Iterator[str]:
    """A Dask scheduler with workers, in processes of their own.

    Args:
        count: Number of workers.
        environment: Further variables of theirs.
        resources: What each of them declares, as for `dask worker --resources`.
        options: Further ones of the commands of all.
    """
    file = Path(tempfile.gettempdir()) / f"scheduler-{os.getpid()}-{time.monotonic_ns()}"
    own = {**os.environ, **(environment or {})}
    scheduler = [sys.executable, "-m", "distributed.cli.dask_scheduler", *options]
    command = [*scheduler, "--host", "127.0.0.1"]
    started = [
        subprocess.Popen(
            [*command, "--port", "0", "--no-dashboard", "--scheduler-file", str(file)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    ]
    try:
        limit = time.monotonic() + 60
        while not file.exists() or not file.read_text():
            assert time.monotonic() < limit and started[0].poll() is None
            time.sleep(0.05)
        address = str(json.loads(file.read_text())["address"])
        for number in range(count):
            worker = [sys.executable, "-m", "distributed.cli.dask_worker", address, *options]
            if resources:
                worker += ["--resources", resources[number]]
            started.append(
                subprocess.Popen(
                    [*worker, "--nthreads", "1", "--no-dashboard", "--host", "127.0.0.1"],
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    env=own,
                )
            )
        yield address
    finally:
        for process in reversed(started):
            process.terminate()
        for process in started:
            process.wait(30)
        file.unlink(missing_ok=True)
