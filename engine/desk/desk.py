"""The open home that the pages work with: who sits at this desk, and the lines to the federation.

Pages call what the command line calls, with the home's own key; nothing is kept here that the home does not hold, but
the notices that the next page shows, and other wordings of questions that were asked before.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from engine.client.calls import Line
from engine.client.session import Session, connect
from engine.desk.registers import Registers
from engine.desk.rehearsals import Rehearsals
from engine.errors import BadFile
from engine.trusted.clock import Clock
from engine.trusted.home import Home
from engine.trusted.messages import FederationDescription
from engine.trusted.random import Randomness
from engine.trusted.records import FederationManifest, Role
from engine.trusted.sign import Roster

GLANCE_SECONDS = 2.0  # how long a page waits for a coordinator that does not answer
MOST_NOTICES = 32
MOST_WORDINGS = 128
ROLES = {
    "analyst": "Analyst",
    "guardian": "Guardian",
    "policy_officer": "Policy officer",
    "auditor": "Auditor",
}


@dataclass(frozen=True, slots=True)
class Opened:
    """What is read from the home once for each edition of its manifest."""

    manifest_bytes: bytes
    roster: Roster
    session: Session


class Desk:
    """One person's desk. ``node_home``: of the person's own department, on this machine, to read what is left of its
    budgets and what its journal says.

    Raises BadFile FILE_DESK_HOME for a home that is no person's.
    """

    def __init__(self, home: Home, clock: Clock, randomness: Randomness, node_home: Home | None = None) -> None:
        if home.role not in ROLES:
            raise BadFile("FILE_DESK_HOME", path=str(home.path), role=home.role.replace("_", " "))
        self.home, self.clock, self.randomness, self.node_home = home, clock, randomness, node_home
        self.base = f"/desk-{randomness.bytes(8).hex()}"
        self.rehearsals, self.registers = Rehearsals(randomness), Registers()
        self._lock = threading.Lock()
        self._opened: Opened | None = None
        self._notices: dict[str, str] = {}
        self._wordings: dict[str, str] = {}

    @classmethod
    def at(cls, path: Path, clock: Clock, randomness: Randomness, node_home: Path | None = None) -> Desk:
        """The desk of the home in a folder."""
        own = None if node_home is None else Home.load(node_home.expanduser())
        return cls(Home.load(path.expanduser()), clock, randomness, own)

    @property
    def role(self) -> str:
        """As in the home: analyst, guardian, policy_officer or auditor."""
        return self.home.role

    @property
    def role_words(self) -> str:
        return ROLES[self.role]

    @property
    def roster(self) -> Roster:
        """Of the manifest that is installed now, verified when it was first seen here."""
        return self._current().roster

    @property
    def manifest(self) -> FederationManifest:
        return self.roster.manifest

    @property
    def body(self) -> str:
        """The organisation of the person."""
        return self.roster.member(self.home.name).body

    def session(self) -> Session:
        """The person's session; asks and signs as the home's owner. Do not close it: all pages share it."""
        return self._current().session

    def line(self) -> Line:
        """The line to the coordinator; Unavailable NODE_UNREACHABLE if nobody answers within a glance."""
        self.describe()
        return self.session().line

    def describe(self) -> FederationDescription:
        """The federation as the coordinator sees it now; Unavailable NODE_UNREACHABLE as for ``line``."""
        return self.session().line.describe(GLANCE_SECONDS)

    def names(self, role: Role) -> tuple[str, ...]:
        """Members of the federation that have a role."""
        return tuple(member.name for member in self.manifest.members if role in member.roles)

    def leave_notice(self, words: str) -> str:
        """Keeps words for the page that is shown next; the key to fetch them with, once."""
        key = self.randomness.bytes(6).hex()
        with self._lock:
            self._notices[key] = words
            for old in list(self._notices)[:-MOST_NOTICES]:
                del self._notices[old]
        return key

    def take_notice(self, key: str) -> str:
        with self._lock:
            return self._notices.pop(key, "")

    def keep_wording(self, sql: str) -> str:
        """Keeps another statement of a question that was asked before, to show its answer by; the key to it."""
        key = sha256(sql.encode()).hexdigest()[:16]
        with self._lock:
            self._wordings[key] = sql
            for old in list(self._wordings)[:-MOST_WORDINGS]:
                del self._wordings[old]
        return key

    def wording(self, key: str) -> str:
        """The statement of a key; empty for one that is not kept any more."""
        with self._lock:
            return self._wordings.get(key, "")

    def close(self) -> None:
        with self._lock:
            if self._opened is not None:
                self._opened.session.close()
                self._opened = None

    def _current(self) -> Opened:
        """Opened anew when another manifest was installed in the home meanwhile."""
        with self._lock:
            found = (self.home.path / "federation.manifest").read_bytes() if self._opened is not None else b""
            if self._opened is None or self._opened.manifest_bytes != found:
                before, self._opened = self._opened, self._open()
                if before is not None:
                    before.session.close()
            return self._opened

    def _open(self) -> Opened:
        session = connect(self.home, clock=self.clock, randomness=self.randomness)
        return Opened((self.home.path / "federation.manifest").read_bytes(), session.roster, session)
