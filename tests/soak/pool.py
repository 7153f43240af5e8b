"""Problems tried in other processes, which may hang, crash or grow, and are then replaced.

Processes are spawned, not forked: the engine does not live through a fork.
"""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from types import TracebackType
from typing import Self

from .judge import Failure
from .problems import Problem, problem
from .trial import Outcome, trial

#: Seconds after which a problem is said to hang, and problems after which a process is renewed.
HANG, RENEW = 90.0, 400
#: Seconds of the processor that show that a process does something, however busy the machine is.
_ALIVE = 0.02

Task = Problem | tuple[int, int]


def serve(connection: Connection) -> None:
    """What a process does: problems in, outcomes out."""
    while True:
        task = connection.recv()
        if task is None:
            return
        connection.send(trial(task if isinstance(task, Problem) else problem(*task)))


@dataclass
class _Job:
    task: Task
    number: int
    began: float
    seen: float
    at: float


def processor(pid: int | None) -> float | None:
    """Seconds of the processor that a process has used, where the system tells."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
    except OSError:
        return None
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Worker:
    """One process, started when it is needed."""

    def __init__(self, hang: float = HANG) -> None:
        self.hang = hang
        self.job: _Job | None = None
        self._process: multiprocessing.process.BaseProcess | None = None
        self.connection: Connection | None = None
        self._done = 0

    def give(self, task: Task, number: int = 0) -> None:
        """Start on a task."""
        if self._process is None or not self._process.is_alive() or self._done >= RENEW:
            self.stop()
            context = multiprocessing.get_context("spawn")
            self.connection, other = context.Pipe()
            self._process = context.Process(target=serve, args=(other,), daemon=True)
            self._process.start()
            other.close()
            self._done = 0
        assert self.connection is not None
        self.connection.send(task)
        used = processor(self._process.pid) or 0.0
        self.job = _Job(task, number, used, used, time.monotonic())

    def finished(self) -> Outcome | None:
        """The outcome of the task, if it is done, or past its time."""
        assert self.connection is not None
        assert self.job is not None
        try:
            outcome = self.connection.recv() if self.connection.poll() else None
        except EOFError:
            outcome = Outcome([Failure("crash", "?", "the process ended without a word")])
            self.stop()
        if outcome is None and (said := self._hangs(self.job)):
            outcome = Outcome([Failure("hang", "?", said)])
            self.stop()
        if outcome is not None:
            self._done += 1
            self.job = None
        return outcome

    def _hangs(self, job: _Job) -> str:
        """Whether a task takes too long: by the processor, or because it does nothing at all."""
        used, now = processor(self._process.pid if self._process else None), time.monotonic()
        if used is None:
            return f"no answer in {self.hang:.0f} s" if now - job.at > self.hang else ""
        if used - job.seen > _ALIVE:
            job.seen, job.at = used, now
        if used - job.began > self.hang:
            return f"no answer in {self.hang:.0f} s of the processor"
        return f"asleep for {self.hang:.0f} s" if now - job.at > self.hang else ""

    def stop(self) -> None:
        """End the process, whatever it does."""
        if self._process is not None:
            self._process.kill()
            self._process.join()
        if self.connection is not None:
            self.connection.close()
        self._process = self.connection = None


class Pool:
    """Several processes, each on one problem at a time."""

    def __init__(self, jobs: int, hang: float = HANG) -> None:
        self._workers = [Worker(hang) for _ in range(jobs)]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for worker in self._workers:
            worker.stop()

    def outcomes(self, tasks: Iterable[tuple[int, Task]]) -> Iterator[tuple[int, Outcome]]:
        """Every task with its outcome, in the order in which they end."""
        left = iter(tasks)
        running = [worker for worker in self._workers if self._next(worker, left)]
        while running:
            wait([worker.connection for worker in running if worker.connection is not None], timeout=1.0)
            for worker in list(running):
                assert worker.job is not None
                number, outcome = worker.job.number, worker.finished()
                if outcome is not None:
                    if not self._next(worker, left):
                        running.remove(worker)
                    yield number, outcome

    @staticmethod
    def _next(worker: Worker, left: Iterator[tuple[int, Task]]) -> bool:
        for number, task in left:
            worker.give(task, number)
            return True
        return False


def tester(worker: Worker, failure: Failure) -> Callable[[Problem], bool]:
    """Whether a problem fails as this one did, tried in a process of its own."""

    def fails(candidate: Problem) -> bool:
        worker.give(candidate)
        while (outcome := worker.finished()) is None:
            if worker.connection is not None:
                wait([worker.connection], timeout=1.0)
        return any(found.signature == failure.signature for found in outcome.failures)

    return fails
