"""Where trials are evaluated: in this process, or in those of a Dask cluster."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import drivers
from hil.extensions import Trust, in_force
from hil.sections.trials import Outcome
from hil.studies.plan import Job
from hil.studies.trial import Weights, evaluate

if TYPE_CHECKING:
    from distributed import Client

Answered = TypeVar("Answered")
Request = tuple[int, Job, Weights | None]
Answer = tuple[int, Outcome, Weights]
Pool = Callable[[Iterable[Request]], Iterator[Answer]]
"""Evaluates numbered jobs, and gives their results as they come."""

PATIENCE = 10.0  # seconds to wait for a scheduler, and for its first worker
PACKAGES = ("spikeloop", "numpy", "scipy", "brian2", "scikit-learn")


def count_cores() -> int:
    """Count the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def open_pool(
    workers: int, scheduler: str | None = None, devices: Sequence[str] = ()
) -> Iterator[Pool]:
    """Open a place to evaluate trials.

    Args:
        workers: How many processes of this machine; 1 is this process itself.
        scheduler: Address of a Dask scheduler to use instead.
        devices: Addresses of those that trials take in turn, each of which is there once.

    Yields:
        The pool.

    Raises:
        ValueError: When there is no such scheduler, its workers differ from this process, or none
            of them declares one of the devices.
    """
    if scheduler is None and workers == 1:
        yield evaluate_here
        return
    with _start_local(workers) if scheduler is None else _connect(scheduler) as client:
        if scheduler is not None:
            _check_declared(scheduler, client, devices)
        yield lambda requests: evaluate_on_cluster(client, requests)


def evaluate_here(requests: Iterable[Request]) -> Iterator[Answer]:
    """Evaluate in this process, one after another."""
    for number, job, weights in requests:
        yield number, *evaluate(job, weights)


def evaluate_on_cluster(client: Client, requests: Iterable[Request]) -> Iterator[Answer]:
    """Evaluate on the workers of a cluster.

    A trial whose worker dies is given to another one, or waits for it where the worker declares the
    device. Two trials for each thread are in flight, so that none is idle.
    """
    from distributed import as_completed
    from distributed.scheduler import KilledWorker

    threads = sum(client.nthreads().values())
    waiting, numbers = iter(requests), dict[Any, int]()
    in_flight: Any = as_completed()

    def submit() -> None:
        for number, job, weights in waiting:
            # Pure would take two jobs of equal key for one; the coordinator sees to that itself.
            needs = required_resources(json.loads(job.config)["device"])
            given = in_force(), evaluate, job, weights
            future = client.submit(_run_with_trust, *given, pure=False, resources=needs)
            numbers[future] = number
            in_flight.add(future)
            return

    for _ in range(2 * max(1, threads)):
        submit()
    for future in in_flight:
        number = numbers.pop(future)
        try:
            outcome, weights = future.result()
        except KilledWorker:
            raise ValueError(
                f"trial {number} killed every worker that took it: it may need more memory than "
                "there is, or its device hangs; ask for fewer --workers"
            ) from None
        submit()
        yield number, outcome, weights


def _run_with_trust(trust: Trust, act: Callable[..., Answered], *given: object) -> Answered:
    """Do something in a process that does not know yet what may run."""
    with trust.in_force():
        return act(*given)


def required_resources(device: str) -> dict[str, int] | None:
    """Name what a trial on a device takes of its worker: the device, where it is there once.

    Args:
        device: Its address; the resource has its name without options.
    """
    return None if drivers.independent(device) else {device.partition("?")[0]: 1}


def run_beside(
    scheduler: str, device: str, act: Callable[..., Answered], *given: object
) -> Answered:
    """Do something on the worker of a cluster that declares a device.

    Args:
        scheduler: Address of the scheduler.
        device: Address of the device.
        act: What to do.
        given: What it is given.

    Returns:
        What it gives.

    Raises:
        ValueError: As `pool`; and whatever it raises.
    """
    with _connect(scheduler) as client:
        _check_declared(scheduler, client, [device])
        future = client.submit(
            _run_with_trust,
            in_force(),
            act,
            *given,
            pure=False,
            resources=required_resources(device),
        )
        answer: Answered = future.result()
        return answer


def _check_declared(scheduler: str, client: Client, devices: Sequence[str]) -> None:
    """Refuse devices that no worker declares: their trials would wait for ever."""
    workers = client.scheduler_info(n_workers=-1)["workers"].values()
    declared = {name for worker in workers for name in worker["resources"]}
    for device in devices:
        for name in required_resources(device) or ():
            if name not in declared:
                names = ", ".join(sorted(declared)) or "none"
                raise ValueError(
                    f"no worker of {scheduler} declares {name} (declared: {names}): start one "
                    f"where it is: dask worker {scheduler} --nthreads 1 --resources '{name}=1'"
                )


@contextmanager
def _start_local(workers: int) -> Iterator[Client]:
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
def _connect(address: str) -> Iterator[Client]:
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
        _check_versions(address, client)
        yield client


def _check_versions(address: str, client: Client) -> None:
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

    installed = {"python": ".".join(platform.python_version_tuple()[:2])}
    for name in PACKAGES:
        try:
            installed[name] = version(name)
        except PackageNotFoundError:
            installed[name] = "not installed"
    return installed
