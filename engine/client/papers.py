"""Finding the agreement that a person means: by its name, or by how its digest begins."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from engine.client.standing import in_force
from engine.errors import Refused, require
from engine.governance.letters import plain
from engine.trusted import wire
from engine.trusted.home import Home
from engine.trusted.messages import FederationDescription
from engine.trusted.records import Agreement, SignedRecord
from engine.trusted.sign import Roster, open_agreement

LEAST_LETTERS = 6
SHOWN_LETTERS = 12
_HEX = frozenset("0123456789abcdef")


def find_agreement(records: Iterable[SignedRecord], home: Home, wanted: str) -> tuple[bytes, Agreement]:
    """The one meant of ``records``, in force or not, with its digest; those that are not signed well do not count."""
    roster, held = home.roster(), dict[bytes, Agreement]()
    for record in records:
        try:
            held[wire.digest(record.payload)] = open_agreement(record, roster)
        except Refused:
            continue
    require(bool(held), "POLICY_AGREEMENT_NAME", name=home.name, wanted=plain(wanted[:60]), agreements="none")
    return meant(held, home.name, wanted)


def usable(described: FederationDescription, roster: Roster, analyst: str, now_ms: int) -> dict[bytes, Agreement]:
    """The agreements in force under which an analyst may ask, by digest."""
    standing = in_force(described, roster, now_ms)
    return {digest: agreement for digest, agreement in standing.items() if analyst in agreement.analysts}


def meant(held: Mapping[bytes, Agreement], name: str, wanted: str | None) -> tuple[bytes, Agreement]:
    """The agreement that is called ``wanted``, else the one whose digest begins so; without one, the only one there is.

    ``name``: who chooses. Refused POLICY_AGREEMENT_NONE of none, _SHORT where the beginning of a digest has fewer than
    six letters, _NAME where nothing is called so, _CHOICE where several are.
    """
    require(bool(held), "POLICY_AGREEMENT_NONE", name=name)
    letters = "" if wanted is None else wanted.lower()
    found = [digest for digest, agreement in held.items() if wanted in (None, agreement.name)]
    if not found and set(letters) <= _HEX:
        found = [digest for digest in held if digest.hex().startswith(letters)]
        short = f"{LEAST_LETTERS}"
        require(not found or len(letters) >= LEAST_LETTERS, "POLICY_AGREEMENT_SHORT", wanted=letters, least=short)
    choice = ", ".join(sorted(_listed(digest, agreement) for digest, agreement in held.items()))
    require(bool(found), "POLICY_AGREEMENT_NAME", name=name, wanted=plain(str(wanted)[:60]), agreements=choice)
    require(len(found) == 1, "POLICY_AGREEMENT_CHOICE", name=name, agreements=choice)
    return found[0], held[found[0]]


def _listed(digest: bytes, agreement: Agreement) -> str:
    return f"{plain(agreement.name)} ({digest.hex()[:SHOWN_LETTERS]}, edition {agreement.edition})"
