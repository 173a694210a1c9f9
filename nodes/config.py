"""From the files of a home to a seat, and, where the member hosts data, to a node.

Claim: nothing in a home is used unverified: the manifest against the pinned root keys, each agreement against the
       manifest, the member's own keys against the manifest's.
Because: Home verifies the manifest; ``take_seat`` opens every agreement and leaves out, and journals, those that fail.
Checked by: tests/nodes/test_config.py::test_an_agreement_that_is_not_signed_by_all_is_journalled_and_ignored
            tests/nodes/test_config.py::test_foreign_keys_do_not_start
"""

from __future__ import annotations

from engine.errors import Refused, require
from engine.trusted import noise, records, sign, wire
from engine.trusted.clock import Clock
from engine.trusted.home import Home
from engine.trusted.random import Randomness
from nodes.answer import Node
from nodes.ledger import Ledger, entry_of
from nodes.log import Log
from nodes.manifest import Keys, Seat
from nodes.sources.duckdb import DuckDBSource
from nodes.tables import cut


def take_seat(home: Home, clock: Clock, randomness: Randomness) -> Seat:
    """The member's seat: keys, verified records and ledger. Raises BadFile FILE_HOME_..., Refused or Unavailable."""
    roster, keys = home.roster(), Keys(home.signing_key(), home.sealing_key())
    member = roster.member(home.name)
    for name, own, known in (
        ("sign", keys.signing.public, member.signing_key),
        ("seal", keys.sealing.public, member.sealing_key),
    ):
        require(own == known, "FILE_HOME_KEY_FOREIGN", path=str(home.path / f"keys/{name}.key"))
    require(home.state_path.exists() or not any(home.path.glob("snapshots/*.json")), "NODE_JOURNAL_DAMAGED")
    ledger = Ledger.open(home.state_path, home.name, clock, roster.manifest.rules.caps, home.seen_head())
    seat = Seat(home.name, roster, _agreements(home, roster, ledger), ledger, clock, randomness, keys)
    write_head(home, seat)
    return seat


def write_head(home: Home, seat: Seat) -> None:
    """Writes down how far the journal has come, beside the ledger: the ledger that opens next has to go on from it.

    Claim: a ledger that is lost, emptied or older than this head does not give its budget back: the node stays closed.
    Because: written durably before a member serves and when it stops; ``Ledger.open`` compares.
    Checked by: tests/nodes/test_config.py::test_a_lost_ledger_does_not_give_its_budget_back
    """
    home.write("journal/head", wire.encode(seat.ledger.head()), secret=True)


def open_node(home: Home, seat: Seat, log: Log) -> Node | None:
    """The node, its snapshots cut and its worker and sampler warm; None for a member that hosts no dataset."""
    if not any(seat.name in dataset.hosts for dataset in seat.catalogue.datasets):
        return None
    source, sampler = DuckDBSource(), noise.ProductionSampler(seat.randomness)
    tables = cut(home.binding(), seat.catalogue, home, randomness=seat.randomness, source=source, tell=log.event)
    source.warm(tables.databases)
    sampler.gaussian(1, 1)
    return Node(seat, tables, source, sampler)


def _agreements(home: Home, roster: sign.Roster, ledger: Ledger) -> dict[bytes, records.Agreement]:
    """The agreements of the home that verify, by digest; each one's fate is journalled."""
    found: dict[bytes, records.Agreement] = {}
    for record in home.agreements():
        name, code = wire.digest(record.payload), ""
        try:
            found[name] = sign.open_agreement(record, roster)
        except Refused as refused:
            code = refused.code
        ledger.record(entry_of(records.JournalKind.AGREEMENT_STORED, agreement_digest=name, code=code))
    return found
