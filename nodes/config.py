"""From the files of a home to a seat, and, where the member hosts data, to a node.

Claim: nothing in a home is used unverified: the manifest against the pinned root keys, each agreement against the
       manifest, the member's own keys against the manifest's.
Because: Home verifies the manifest; ``take_seat`` accepts every agreement by the rulebook and leaves out, and
         journals, those that fail.
Checked by: tests/nodes/test_config.py::test_an_agreement_that_is_not_signed_by_all_is_journalled_and_ignored
            tests/nodes/test_config.py::test_foreign_keys_do_not_start
"""

from __future__ import annotations

from engine.errors import Refused, require
from engine.trusted import noise, records, wire
from engine.trusted.clock import Clock
from engine.trusted.home import Home
from engine.trusted.random import Randomness
from nodes.answer import Node
from nodes.ledger import Ledger, entry_of
from nodes.log import Log
from nodes.manifest import Keys, Seat
from nodes.rulebook import accept, recalled
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
    guardians = home.binding().guardians if (home.path / "node.binding").exists() else 0
    began = clock.now_ms()
    seat = Seat(home.name, roster, {}, ledger, clock, randomness, keys, guardians=guardians, started_ms=began)
    seat = recalled(seat)
    for record in home.agreements():
        if wire.digest(record.payload) not in seat.agreements:
            try:
                seat = accept(record, (), seat)
            except Refused as refused:
                refusal = {"agreement_digest": wire.digest(record.payload), "code": refused.code}
                ledger.record(entry_of(records.JournalKind.AGREEMENT_STORED, **refusal))
    write_head(home, seat)
    return seat


def write_head(home: Home, seat: Seat) -> None:
    """Writes down how far the journal has come, beside the ledger: the ledger that opens next has to go on from it.

    Claim: a ledger that is lost, emptied or older than this head does not give its budget back: the node stays closed.
    Because: written durably before a member serves and when it stops; ``Ledger.open`` compares.
    Checked by: tests/nodes/test_config.py::test_a_lost_ledger_does_not_give_its_budget_back
    """
    home.write("journal/head", wire.encode(seat.ledger.head()), secret=True)


def open_node(home: Home, seat: Seat, log: Log, before: Node | None = None) -> Node | None:
    """The node, its snapshots cut and its worker and sampler warm; None for a member that hosts no dataset.

    ``before``: the node as it is; its tables are cut anew, since the owner asked, and its worker goes on.
    """
    if not any(seat.name in dataset.hosts for dataset in seat.catalogue.datasets):
        return None
    source = before.source if before and isinstance(before.source, DuckDBSource) else DuckDBSource()
    sampler, again = noise.ProductionSampler(seat.randomness), before is not None
    binding, randomness = home.binding(), seat.randomness
    tables = cut(binding, seat.catalogue, home, randomness=randomness, source=source, fresh=again, tell=log.event)
    source.warm(tables.databases)
    sampler.gaussian(1, 1)
    return Node(seat, tables, source, sampler)
