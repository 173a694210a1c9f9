"""Rehearsals that run beside the pages: one at a time, the newest few are kept until the desk closes."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from engine.client.query import Query
from engine.client.rehearse import Rehearsal, require_nodes
from engine.desk.draft import Draft
from engine.errors import Bug, Refused, SplittallyError
from engine.trusted.random import Randomness

MOST = 8


@dataclass(slots=True)
class Job:
    """``draft``: the form it came from. ``said``: what is being done. In the end there is a result, or an error."""

    query: Query
    draft: Draft
    said: str = "starting"
    result: Rehearsal | None = None
    error: SplittallyError | None = None
    thread: threading.Thread | None = field(default=None, repr=False)

    @property
    def ended(self) -> bool:
        return self.result is not None or self.error is not None


class Rehearsals:
    """The jobs of one desk, by key."""

    def __init__(self, randomness: Randomness) -> None:
        self._randomness, self._lock = randomness, threading.Lock()
        self._jobs: dict[str, Job] = {}

    def begin(self, query: Query, draft: Draft) -> str:
        """Starts one; its key. BadFile FILE_REHEARSE_EXTRA; Refused POLICY_REHEARSAL_RUNS while another one runs, for
        each is a federation of its own on this machine; what is wrong with the terms."""
        require_nodes()
        _ = query.price, query.n_min
        with self._lock:
            if any(not job.ended for job in self._jobs.values()):
                raise Refused("POLICY_REHEARSAL_RUNS")
            key, job = self._randomness.bytes(8).hex(), Job(query, draft)
            self._jobs = dict([*self._jobs.items(), (key, job)][-MOST:])
        job.thread = threading.Thread(target=_run, args=(job,), daemon=True)
        job.thread.start()
        return key

    def find(self, key: str) -> Job | None:
        with self._lock:
            return self._jobs.get(key)


def _run(job: Job) -> None:
    def said(words: str) -> None:
        job.said = words

    try:
        job.result = job.query.rehearse(progress=said)
    except SplittallyError as error:
        job.error = error
    except Exception as error:  # shown on the job's page, as the desk shows any bug
        job.error = Bug("BUG_UNEXPECTED", internal=repr(error))
