"""Where trials are evaluated: in this process, or in those of a Dask cluster."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from hil.extensions import Trust, in_force
from hil.studies.plan import Job
from hil.studies.trial import Outcome, Weights, evaluate

if TYPE_CHECKING:
    from distributed import Client

Request = tuple[int, Job, Weights | None]
Answer = tuple[int, Outcome, Weights]
Pool = Callable[[Iterable[Request]], Iterator[Answer]]
"""Evaluates numbered jobs, and gives their results as they come."""

PATIENCE = 10.0  # seconds to wait for a scheduler, and for its first worker
PACKAGES = ("spikeloop", "numpy", "scipy", "brian2", "scikit-learn")


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def pool(workers: int, scheduler: str | None = None) -> Iterator[Pool]:
    """Open a place to evaluate trials.

    Args:
        workers: How many processes of this machine; 1 is this process itself.
        scheduler: Address of a Dask scheduler to use instead.

    Yields:
        The pool.

    Raises:
        ValueError: When there is no such scheduler, or its workers differ from this process.
    """
    if scheduler is None and workers == 1:
        yield in_process
        return
    with _local(workers) if scheduler is None else _existing(scheduler) as client:
        yield lambda requests: on_cluster(client, requests)


def in_process(requests: Iterable[Request]) -> Iterator[Answer]:
    """Evaluate in this process, one after another."""
    for number, job, weights in requests:
        yield number, *evaluate(job, weights)


def on_cluster(client: Client, requests: Iterable[Request]) -> Iterator[Answer]:
    """Evaluate on the workers of a cluster.

    A trial whose worker dies is given to another one. Two trials for each thread are under way,
    so that none is idle.
    """
    from distributed import as_completed
    from distributed.scheduler import KilledWorker

    threads = sum(client.nthreads().values())
    waiting, numbers = iter(requests), dict[Any, int]()
    under_way: Any = as_completed()

    def submit() -> None:
        for number, job, weights in waiting:
            # Pure would take two jobs of equal key for one; the coordinator sees to that itself.
            future = client.submit(_evaluated, in_force(), job, weights, pure=False)
            numbers[future] = number
            under_way.add(future)
            return

    for _ in range(2 * max(1, threads)):
        submit()
    for future in under_way:
        number = numbers.pop(future)
        try:
            outcome, kept = future.result()
        except KilledWorker:
            raise ValueError(
                f"trial {number} killed every worker that took it: it may need more memory than "
                "there is, or its device hangs; ask for fewer --workers"
            ) from None
        submit()
        yield number, outcome, kept


def _evaluated(trust: Trust, job: Job, weights: Weights | None) -> tuple[Outcome, Weights]:
    """Do a job in a process that does not know yet what may run."""
    with trust.in_force():
        return evaluate(job, weights)


@contextmanager
def _local(workers: int) -> Iterator[Client]:
    import logging

    import dask
    from distributed import Client, LocalCluster

    # Dask's own settings return memory to the system all the time, and profile every 10 ms.
    threads = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    settings = {
        "logging.distributed": "error",
        "distributed.scheduler.allowed-failures": 10,
        "distributed.nanny.pre-spawn-environ": dict.fromkeys(threads, 1),
        "distributed.worker.profile.enabled": False,
    }
    with dask.config.set(settings):
        with _ignoring_interrupt():
            cluster = LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                processes=True,
                host="127.0.0.1",
                scheduler_kwargs={"dashboard": False, "dashboard_address": "127.0.0.1:0"},
                memory_limit=0,
                silence_logs=logging.CRITICAL,
            )
        with cluster, Client(cluster) as client:
            yield client


@contextmanager
def _ignoring_interrupt() -> Iterator[None]:
    """Start processes that ignore a Ctrl-C in the terminal: the coordinator ends them."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)


@contextmanager
def _existing(address: str) -> Iterator[Client]:
    from distributed import Client

    try:
        client = Client(address, timeout=PATIENCE)
    except (OSError, ValueError, TimeoutError) as error:
        reason = str(error).split("\n")[0]
        raise ValueError(
            f"--scheduler {address}: no scheduler there ({reason}): start one with dask scheduler"
        ) from None
    with client:
        try:
            client.wait_for_workers(1, timeout=PATIENCE)
        except TimeoutError:
            raise ValueError(
                f"--scheduler {address} has no workers: start one with dask worker {address}"
            ) from None
        _same_versions(address, client)
        yield client


def _same_versions(address: str, client: Client) -> None:
    """Refuse workers whose results might not be those of this process."""
    own = versions()
    try:
        by_worker = client.run(versions)
    except Exception as error:
        raise ValueError(
            f"--scheduler {address}: its workers cannot run spikeloop ({error}): install the same "
            "version there"
        ) from None
    for worker, theirs in by_worker.items():
        for name, version in own.items():
            if theirs.get(name) != version:
                raise ValueError(
                    f"--scheduler {address}: worker {worker} has {name} "
                    f"{theirs.get(name)}, here is {version}: install the same version there"
                )


def versions() -> dict[str, str]:
    """Versions that results depend on."""
    import platform
    from importlib.metadata import PackageNotFoundError, version

    known = {"python": ".".join(platform.python_version_tuple()[:2])}
    for name in PACKAGES:
        try:
            known[name] = version(name)
        except PackageNotFoundError:
            known[name] = "not installed"
    return known
