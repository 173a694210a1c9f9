"""NODE_: a node, helper or coordinator that cannot serve now."""

from __future__ import annotations

from engine.error_codes.row import ErrorCode

CODES: dict[str, ErrorCode] = {
    "NODE_UNREACHABLE": ErrorCode("The coordinator cannot be reached.", "Check the address and try again."),
    "NODE_ROUND_LOST": ErrorCode(
        "The node stopped between the charge and its reply; the round is lost and its charge stands.",
        "Open a new round.",
    ),
    "NODE_CLOCK_BACK": ErrorCode(
        "The node's clock stands before the time of its last record.", "Set the clock right and try again."
    ),
    "NODE_LEDGER_FAILED": ErrorCode(
        "The node could not write its ledger.", "Its operator has to look at the disk; nothing was released."
    ),
    "NODE_JOURNAL_DAMAGED": ErrorCode(
        "The node's ledger is missing or older than it was, or its journal does not match its own hashes.",
        "Its operator has to restore the newest copy of state.db; the node stays closed. A new home is no way out: it"
        " would forget what was spent.",
    ),
    "NODE_PAUSED": ErrorCode(
        "A department has paused its node.",
        "Ask the department; a guardian lets it go on with `splittally node resume`.",
    ),
    "NODE_WITNESSES_MISSING": ErrorCode(
        "The node has just started, and too few other members have vouched for its record.",
        "Try again when the other nodes and helpers are connected.",
    ),
    "NODE_LEDGER_ROLLED_BACK": ErrorCode(
        "The node's ledger is older than one that other members have seen.",
        "Restore its newest copy; until then the node answers nothing.",
    ),
    "NODE_CLOSING": ErrorCode("The node is being stopped and takes no new rounds.", "Try again later."),
    "NODE_FAILED": ErrorCode(
        "The node failed while it worked on the round.", "Its operator finds the code in the node's log; try again."
    ),
    "NODE_STORE_FAILED": ErrorCode(
        "The coordinator could not use its store.", "Its operator has to look at the disk; try again later."
    ),
    "NODE_JOURNAL_NOT_YET": ErrorCode(
        "The coordinator has not collected the journal of {name} yet.",
        "Ask again when that member has been connected, or export the journal at its home.",
    ),
    "NODE_COORDINATOR_STOPPING": ErrorCode(
        "The coordinator is being stopped and takes no new requests.", "Try again later."
    ),
    "NODE_ADDRESS_TAKEN": ErrorCode(
        "The address {address} cannot be listened on.", "Choose another, or stop what uses it."
    ),
    "NODE_SOURCE_FAILED": ErrorCode(
        "A node's data source did not answer.", "Try again later; the charge of a round that began stays."
    ),
    "NODE_NOT_ATTENDING": ErrorCode(
        "The coordinator serves, but {name} does not attend there.",
        "See that its process runs; its log says `line_lost`, `line_not_dialled` or `not_started`, with a code.",
    ),
    "NODE_SNAPSHOT_WAITS": ErrorCode(
        "{name} has not cut new snapshots yet; it does as soon as it runs and is done.",
        "See that it runs, or wait longer with --wait.",
    ),
    "NODE_SNAPSHOT_NOT_CUT": ErrorCode(
        "{name} could not cut new snapshots, and goes on with those before.",
        "Its log says `snapshot_not_cut` with a code: mend the files, and run this again.",
    ),
    "NODE_DATABASE_UNREACHABLE": ErrorCode(
        "The database {source} cannot be opened: {why}.",
        "Check host, port, database, account and password file in node.toml; a server elsewhere needs TLS with a"
        " certificate that ca_file, or this machine, trusts.",
    ),
    "NODE_DATABASE_FAILED": ErrorCode(
        "The database {source} broke off before everything was read: {why}. What was read before stays as it is.",
        "Mend that, or look into the database's own log, and run this again.",
    ),
    "NODE_SNAPSHOT_MISSING": ErrorCode("A node holds no snapshot of {dataset}.", "Ask the department to cut one."),
    "NODE_NOT_STARTED": ErrorCode(
        "{name} does not run: {why}.", "Nothing was charged; SPLITTALLY_DEBUG=1 shows the end of its log."
    ),
}
