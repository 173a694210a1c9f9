"""Finding the agreement that a person means."""

from __future__ import annotations

from collections.abc import Iterable

from engine.errors import Refused, require
from engine.trusted import wire
from engine.trusted.home import Home
from engine.trusted.records import Agreement, SignedRecord
from engine.trusted.sign import open_agreement

LEAST_LETTERS = 6


def find_agreement(records: Iterable[SignedRecord], home: Home, wanted: str) -> tuple[bytes, Agreement]:
    """Among ``records`` the agreement of that name, or whose digest begins so, with its digest.

    Refused POLICY_AGREEMENT_NAME when there is none, POLICY_AGREEMENT_CHOICE when several editions are called so.
    """
    roster, known, meant = home.roster(), list[str](), dict[bytes, Agreement]()
    for record in records:
        try:
            agreement, digest = open_agreement(record, roster), wire.digest(record.payload)
        except Refused:
            continue
        known.append(f"{agreement.name} ({digest.hex()[:12]}, edition {agreement.edition})")
        begins = len(wanted) >= LEAST_LETTERS and digest.hex().startswith(wanted.lower())
        if agreement.name == wanted or begins:
            meant[digest] = agreement
    names = ", ".join(sorted(known)) or "none"
    require(bool(meant), "POLICY_AGREEMENT_NAME", name=home.name, wanted=wanted[:60], agreements=names)
    require(len(meant) == 1, "POLICY_AGREEMENT_CHOICE", name=home.name, agreements=names)
    return next(iter(meant.items()))
