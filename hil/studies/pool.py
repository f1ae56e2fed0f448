"""Pools that evaluate trials: this process, several of this machine, or a Dask cluster."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from functools import partial
from itertools import islice
from multiprocessing import get_context, parent_process, resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import TYPE_CHECKING, Any, TypeVar

import drivers
from hil.extensions import Trust, in_force
from hil.sections.trials import Outcome
from hil.studies.plan import Job
from hil.studies.trial import Weights, evaluate

if TYPE_CHECKING:
    from distributed import Client

Answered = TypeVar("Answered")
Request = tuple[Job, Weights | None]
Answer = tuple[Job, Outcome, Weights]
Pool = Callable[[Iterable[Request]], Iterator[Answer]]
"""Evaluates jobs, and gives their results as they come."""

PATIENCE = 30.0  # seconds to wait for a scheduler, and for its first worker
DEATHS = 10  # processes that a trial may end, one after another
PACKAGES = ("spikeloop", "numpy", "scipy", "brian2", "scikit-learn")
KILLED = (
    "a trial killed every worker that took it: it may need more memory than there is, or its "
    "device hangs; ask for fewer workers"
)
MISSING = '--scheduler needs Dask: pip install "spikeloop[dask]"'
THREADS = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
# Python would look for modules in the working folder first, which may be someone else's.
INHERITED = {**THREADS, "PYTHONSAFEPATH": "1"}


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
    if scheduler is not None:
        with _connect(scheduler, devices) as client:
            yield partial(_evaluate_on_cluster, client)
    elif workers > 1:
        with _open_processes(workers) as pool:
            yield pool
    else:
        yield evaluate_here


def evaluate_here(requests: Iterable[Request]) -> Iterator[Answer]:
    """Evaluate in this process, one after another."""
    for job, weights in requests:
        yield job, *evaluate(job, weights)


def _evaluate_through(
    submit: Callable[..., Future[tuple[Outcome, Weights]]],
    workers: int,
    requests: Iterable[Request],
) -> Iterator[Answer]:
    """Submit jobs, two for each worker, so that none is idle, and give results as they come."""
    waiting, in_flight = iter(requests), dict[Future[tuple[Outcome, Weights]], Job]()
    while True:
        for job, weights in islice(waiting, 2 * workers - len(in_flight)):
            in_flight[submit(job, weights)] = job
        if not in_flight:
            return
        for future in wait(in_flight, return_when=FIRST_COMPLETED).done:
            yield in_flight.pop(future), *future.result()


# -- processes of this machine -------------------------------------------------------------------


class _Worker:
    """A process that evaluates one job at a time, begun with the first one, and anew if killed.

    What it says comes through a pipe that nobody else can open.
    """

    def __init__(self, trust: Trust) -> None:
        self._trust, self._lock, self._is_closed = trust, threading.Lock(), False
        self._pipe: Connection | None = None
        self._process: BaseProcess | None = None

    def evaluate(self, job: Job, weights: Weights | None) -> tuple[Outcome, Weights]:
        """Evaluate a job there.

        Raises:
            ValueError: When no process survives it.
        """
        for _ in range(DEATHS):
            try:
                pipe = self._pipe or self._start()
                pipe.send((job, weights))
                answer, error = pipe.recv()
            except (EOFError, OSError):
                self._pipe = None
                continue
            if error is not None:
                raise error
            return answer  # type: ignore[no-any-return]
        raise ValueError(KILLED)

    def close(self) -> None:
        """End the process, whatever it does."""
        with self._lock:
            self._is_closed = True
            if self._process is not None:
                self._process.kill()

    def _start(self) -> Connection:
        context = get_context("spawn")
        ours, theirs = context.Pipe()
        # A Ctrl-C in the terminal is for the coordinator, which ends its workers. Python starts its
        # tracker with the first of them, which would let the signal through again.
        resource_tracker.ensure_running()
        before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
        try:
            with self._lock:
                if self._is_closed:
                    raise EOFError
                self._process = context.Process(target=_serve, args=(theirs, self._trust))
                self._process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            theirs.close()
        self._pipe = ours
        return ours


def _serve(pipe: Connection, trust: Trust) -> None:
    """Evaluate jobs that come through a pipe, until the process at its other end is gone."""
    coordinator = parent_process()
    assert coordinator is not None

    def follow() -> None:
        coordinator.join()
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()
    with trust.in_force():
        while True:
            job, weights = pipe.recv()
            try:
                pipe.send((evaluate(job, weights), None))
            except Exception as error:
                pipe.send((None, error))


@contextmanager
def _open_processes(workers: int) -> Iterator[Pool]:
    """Give each of some threads a worker, which it waits for."""
    own, trust = threading.local(), in_force()
    team = [_Worker(trust) for _ in range(workers)]
    idle = iter(team)

    def hire() -> None:
        own.worker = next(idle)

    def submit(*request: Any) -> Future[tuple[Outcome, Weights]]:
        return threads.submit(lambda: own.worker.evaluate(*request))

    before = {name: os.environ.get(name) for name in INHERITED}
    os.environ.update(INHERITED)
    with ThreadPoolExecutor(workers, initializer=hire) as threads:
        try:
            yield partial(_evaluate_through, submit, workers)
        finally:
            threads.shutdown(wait=False, cancel_futures=True)
            for worker in team:
                worker.close()
            for name, value in before.items():
                os.environ.pop(name) if value is None else os.environ.update({name: value})


# -- a cluster -----------------------------------------------------------------------------------


def _evaluate_on_cluster(client: Client, requests: Iterable[Request]) -> Iterator[Answer]:
    """Evaluate on the workers of a cluster.

    A trial whose worker dies is given to another one, or waits for it where the worker declares the
    device.
    """
    from distributed.scheduler import KilledWorker

    executor: Any = client.get_executor(pure=False)  # the coordinator sees to equal jobs itself

    def submit(job: Job, weights: Weights | None) -> Future[tuple[Outcome, Weights]]:
        needs = required_resources(json.loads(job.config)["device"])
        request = in_force(), evaluate, job, weights
        return executor.submit(_run_with_trust, *request, resources=needs)  # type: ignore[no-any-return]

    try:
        yield from _evaluate_through(submit, max(1, sum(client.nthreads().values())), requests)
    except KilledWorker:
        raise ValueError(KILLED) from None
    finally:
        executor.shutdown(wait=False)


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
        ValueError: As `open_pool`; and whatever it raises.
    """
    with _connect(scheduler, [device]) as client:
        needs = required_resources(device)
        future = client.submit(
            _run_with_trust, in_force(), act, *given, pure=False, resources=needs
        )
        answer: Answered = future.result()
        return answer


@contextmanager
def _connect(address: str, devices: Sequence[str]) -> Iterator[Client]:
    try:
        from distributed import Client
    except ImportError:
        raise ValueError(MISSING) from None
    try:
        client = Client(address, timeout=PATIENCE)
    except (OSError, ValueError, TypeError, TimeoutError) as error:  # TypeError: no certificate
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
        _check_declared(address, client, devices)
        yield client


def _check_versions(address: str, client: Client) -> None:
    """Refuse workers whose results might not be those of this process."""
    versions: Any = client.get_versions(packages=PACKAGES)
    own = versions["client"]["packages"]
    for worker, theirs in versions["workers"].items():
        for name in ("python", *PACKAGES):
            if (other := theirs["packages"].get(name)) != own[name]:
                raise ValueError(
                    f"--scheduler {address}: worker {worker} has {name} {other}, here is "
                    f"{own[name]}: install the same version there"
                )


def _check_declared(address: str, client: Client, devices: Sequence[str]) -> None:
    """Refuse devices that no worker declares in time: their trials would wait for ever."""
    required = [name for device in devices for name in required_resources(device) or ()]
    limit = time.monotonic() + PATIENCE
    while True:
        workers = client.scheduler_info(n_workers=-1)["workers"].values()
        declared = {name for worker in workers for name in worker["resources"]}
        missing = [name for name in required if name not in declared]
        if not missing:
            return
        if time.monotonic() > limit:
            names = ", ".join(sorted(declared)) or "none"
            raise ValueError(
                f"no worker of {address} declares {missing[0]} (declared: {names}): start one "
                f"where it is: dask worker {address} --nthreads 1 --resources '{missing[0]}=1'"
            )
        time.sleep(PATIENCE / 100)
