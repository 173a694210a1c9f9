"""The agreements that the coordinator knows: verified once, when they arrive; revoked ones and older editions.

They lie in its home, where `splittally agreement install` puts them, or were handed in. A later manifest with other
keys does not undo a verified agreement; that it was verified is kept in the store.
"""

from __future__ import annotations

from engine.coordinator.handed import HandedIn
from engine.coordinator.services import Services
from engine.errors import Refused, SplittallyError
from engine.trusted import wire
from engine.trusted.home import Home
from engine.trusted.records import Agreement, RecordKind, SignedRecord
from engine.trusted.sign import open_agreement, require_in_force


class Agreements:
    """Each by the digest of its signed bytes; a new file in the home counts at once."""

    def __init__(self, home: Home, services: Services, handed: HandedIn) -> None:
        self._home, self._services, self._handed = home, services, handed
        self._opened: dict[bytes, Agreement] = {}
        self._files: tuple[str, ...] = ()
        self._installed: tuple[SignedRecord, ...] = ()

    def _in_home(self) -> tuple[SignedRecord, ...]:
        """A file is named by its digest and never changes."""
        names = tuple(sorted(path.name for path in (self._home.path / "agreements").glob("*.agreement")))
        if names != self._files:
            self._installed, self._files = self._home.agreements(), names
        return self._installed

    def records(self) -> tuple[SignedRecord, ...]:
        """All of them, as signed; each once."""
        found = {wire.digest(r.payload): r for r in self._in_home()}
        found |= {wire.digest(r.payload): r for r in self._handed.records(RecordKind.AGREEMENT)}
        return tuple(found[digest] for digest in sorted(found))

    def revocations(self) -> tuple[SignedRecord, ...]:
        return self._handed.records(RecordKind.REVOCATION)

    def take(self, record: SignedRecord) -> Agreement:
        """Verifies and keeps an agreement; Refused POLICY_AGREEMENT_INVALID or POLICY_AGREEMENT_UNSIGNED."""
        agreement, digest = open_agreement(record, self._services.roster), wire.digest(record.payload)
        self._handed.keep(record, digest, self._services.clock.now_ms())
        self._opened[digest] = agreement
        return agreement

    def opened(self, digest: bytes) -> Agreement:
        """The agreement of that digest; Refused POLICY_AGREEMENT_UNKNOWN or POLICY_AGREEMENT_UNSIGNED."""
        if digest in self._opened:
            return self._opened[digest]
        for record in self._handed.records(RecordKind.AGREEMENT, digest):
            self._opened[digest] = wire.decode(Agreement, record.payload)
            return self._opened[digest]
        for record in self._in_home():
            if wire.digest(record.payload) == digest:
                return self.take(record)
        raise Refused("POLICY_AGREEMENT_UNKNOWN")

    def standing(self, digest: bytes, now_ms: int) -> Agreement:
        """The agreement, if it is in force and nobody has revoked it; Refused POLICY_AGREEMENT_* else."""
        agreement = self.opened(digest)
        if self._handed.records(RecordKind.REVOCATION, digest):
            raise Refused("POLICY_AGREEMENT_REVOKED", name=agreement.name)
        require_in_force(agreement, now_ms)
        return agreement

    def require_newest(self, agreement: Agreement) -> None:
        """Refused POLICY_AGREEMENT_SUPERSEDED if a later edition is held."""
        for record in self.records():
            try:
                other = self.opened(wire.digest(record.payload))
            except SplittallyError:  # whatever lies in the home and is not signed supersedes nothing
                continue
            begun = other.from_ms <= self._services.clock.now_ms()
            if other.name == agreement.name and other.edition > agreement.edition and begun:
                raise Refused("POLICY_AGREEMENT_SUPERSEDED", name=agreement.name)
