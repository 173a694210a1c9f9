"""The rows of the register: every table of it, field by field. CSV, CSV on the Web, JSON and its schema follow these.

``told`` says of each field what it means, and of texts what form they have: a time (ISO 8601, UTC) or a digest (hex).
A field that is not known is an empty text, or None.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

VERSION = 1
TIME, DIGEST = "time", "digest"


def told(about: str, form: str = "") -> Any:
    return field(metadata={"about": about, "form": form})


@dataclass(frozen=True, slots=True)
class RequestRow:
    """What was asked. Never in the analyst's own words, except for its purpose."""

    request: str = told("SHA-256 of the signed request: its id everywhere", DIGEST)
    analyst: str = told("Who asked")
    body: str = told("The organisation of the analyst")
    purpose: str = told("Why, in the analyst's words")
    agreement: str = told("Digest of the agreement it was asked under", DIGEST)
    agreement_name: str = told("Name of that agreement")
    gateway: str = told("Legal gateway of that agreement")
    datasets: tuple[str, ...] = told("Datasets it is about")
    columns: tuple[str, ...] = told("Columns its answer depends on, as dataset.column")
    english: str = told("What the nodes compute, in English; texts that no catalogue publishes are shown as …")
    sql: str = told("The same as normalised SQL, before noise")
    plan: str = told("SHA-256 of the plan", DIGEST)
    runs: int = told("How often it may be answered, each time from new snapshots")
    most_attempts: int = told("Attempts it may have for one answer")
    price: str = told("Most that one answered attempt costs at each node, as epsilon and delta")
    price_rho_billionths: int = told("The same as zCDP rho, in billionths")
    price_delta_quintillionths: int = told("And its delta, in 1e-18")
    asked: str = told("When it was signed", TIME)
    expires: str = told("Until when it may be answered", TIME)
    agreement_ends: str = told("When its agreement ends by date", TIME)
    state: str = told("How far it is")
    code: str = told("Code of a refusal")
    reason: str = told("Reason of a refusal, in a guardian's words")
    waiting_for: tuple[str, ...] = told("Whom or what it waits for")
    changed: str = told("When the state last changed", TIME)


@dataclass(frozen=True, slots=True)
class DecisionRow:
    """A guardian's yes or no to a request, or its analyst's withdrawal."""

    request: str = told("The request", DIGEST)
    by: str = told("Who decided")
    node: str = told("For which node; empty for a withdrawal")
    decision: str = told("approved, refused or withdrawn")
    reason: str = told("Why, in the words of who decided")
    decided: str = told("When", TIME)
    until: str = told("Until when a yes holds", TIME)
    record: str = told("SHA-256 of the signed record", DIGEST)


@dataclass(frozen=True, slots=True)
class ChargeRow:
    """One charge in a node's journal, and how its round ended there."""

    node: str = told("Whose journal")
    position: int = told("Of the charge in that journal, from 0")
    at: str = told("When", TIME)
    request: str = told("The request", DIGEST)
    round: str = told("The round", DIGEST)
    analyst: str = told("Who asked")
    agreement: str = told("Digest of the agreement", DIGEST)
    datasets: tuple[str, ...] = told("Datasets that were charged")
    rho_billionths: int = told("Loss as zCDP rho, in billionths")
    delta_quintillionths: int = told("And its delta, in 1e-18")
    outcome: str = told("replied, refused, or none so far")
    outcome_position: int | None = told("Of the outcome in that journal")
    code: str = told("Code of a refusal after the charge; the charge stands")


@dataclass(frozen=True, slots=True)
class AgreementRow:
    """One edition of an agreement."""

    agreement: str = told("SHA-256 of the signed agreement", DIGEST)
    name: str = told("Its name; editions of one name share a budget")
    edition: int = told("A later edition replaces the ones before")
    title: str = told("Title")
    purpose: str = told("Purpose")
    gateway: str = told("Legal gateway")
    gateway_detail: str = told("Act and section")
    necessity: str = told("Why it is necessary")
    parties: tuple[str, ...] = told("Organisations")
    analysts: tuple[str, ...] = told("Who may ask")
    datasets: tuple[str, ...] = told("Datasets in scope")
    operations: tuple[str, ...] = told("What may be computed")
    budget: str = told("Budget at each node, as epsilon and delta")
    budget_rho_billionths: int = told("The same as zCDP rho, in billionths")
    budget_delta_quintillionths: int = told("And its delta, in 1e-18")
    starts: str = told("In force from", TIME)
    ends: str = told("In force until", TIME)
    decided_by: str = told("Who decided")
    state: str = told("in force, not yet in force, ended, superseded or revoked")
    revoked: str = told("When it was revoked", TIME)
    revoked_by: str = told("By whom")
    revoked_reason: str = told("Why")


@dataclass(frozen=True, slots=True)
class PauseRow:
    """A guardian stopped a node, or let it go on."""

    node: str = told("The node")
    paused: bool = told("true: stopped; false: it goes on")
    by: str = told("The guardian who decided")
    reason: str = told("Why, in the guardian's words")
    decided: str = told("When", TIME)
    holds: bool = told("It is the newest decision about this node")
    record: str = told("SHA-256 of the signed record", DIGEST)


@dataclass(frozen=True, slots=True)
class PublicationRow:
    """An analyst made a release public."""

    request: str = told("The request", DIGEST)
    run: int = told("Which of its runs")
    analyst: str = told("Who published")
    title: str = told("Title")
    table: str = told("SHA-256 of the published table", DIGEST)
    published: str = told("When", TIME)
    file: str = told("The table in this register, if it was at hand when this was made")
    record: str = told("SHA-256 of the signed record", DIGEST)


@dataclass(frozen=True, slots=True)
class CardRow:
    """One figure of the newest quality card of a dataset, as it was published."""

    dataset: str = told("The dataset")
    column: str = told("The column; empty: the dataset as a whole")
    figure: str = told("What was counted; values that no catalogue publishes are shown as …")
    unit: str = told("Of the figure")
    value: float | None = told("The figure, with noise; a share can lie above 100")
    low: float | None = told("Lower end of its 95 % interval")
    high: float | None = told("Upper end of its 95 % interval")
    nodes: tuple[str, ...] = told("Whose rows were counted")
    older: bool = told("A node has been charged for another snapshot since; false: none that the journals tell of")
    cost: str = told("What it was charged at each node, as epsilon and delta")
    published: str = told("When", TIME)
    analyst: str = told("Who published, and vouches for the figures")
    request: str = told("The request that it answers", DIGEST)
    file: str = told("The table in this register")


@dataclass(frozen=True, slots=True)
class ShareRow:
    """An analyst handed a release on to another analyst of the same agreement; what it says is not public."""

    request: str = told("The request", DIGEST)
    analyst: str = told("Who shared")
    reader: str = told("With whom")
    at: str = told("When", TIME)
    position: int = told("Of the entry in the coordinator's journal")


@dataclass(frozen=True, slots=True)
class AccountRow:
    """What a node has charged to one account: the sum of its charges, and the signed cap."""

    node: str = told("The node")
    scope: str = told("identifier, dataset, agreement, analyst or share")
    name: str = told("Of the account")
    period_days: int = told("Length of the period; 0: since the beginning")
    period_ends: str = told("When the current period ends", TIME)
    charges: int = told("How many charges")
    spent: str = told("Their sum, as epsilon and delta")
    rho_billionths: int = told("The same as zCDP rho, in billionths")
    delta_quintillionths: int = told("And its delta, in 1e-18")
    cap_rho_billionths: int | None = told("The cap's rho, in billionths; empty: no cap")
    cap_delta_quintillionths: int | None = told("And its delta, in 1e-18")


@dataclass(frozen=True, slots=True)
class PersonRow:
    """The most that one person can have lost in the whole federation, over all datasets that can hold that person."""

    identifier: str = told("What names a person")
    datasets: tuple[str, ...] = told("Datasets that can hold that person")
    nodes_at_once: int = told("At how many nodes one person may be")
    spent: str = told("Sum over the most charged of that many nodes, since the beginning, as epsilon and delta")
    rho_billionths: int = told("The same as zCDP rho, in billionths")
    delta_quintillionths: int = told("And its delta, in 1e-18")
    promised: str = told("Most that the federation's rules allow for ever, as epsilon and delta; empty: no cap")


@dataclass(frozen=True, slots=True)
class JournalRow:
    """One member's journal, as it was verified for this register."""

    member: str = told("Whose")
    roles: tuple[str, ...] = told("What the member is")
    state: str = told("sound, forked, unsound or missing")
    size: int = told("Entries")
    root: str = told("Root of the Merkle tree over them", DIGEST)
    newest: str = told("Time of the newest entry", TIME)
    code: str = told("Why it is not sound")


@dataclass(frozen=True, slots=True)
class EntryRow:
    """One journal entry that this register rests on."""

    member: str = told("Whose journal")
    position: int = told("In that journal, from 0")
    at: str = told("When", TIME)
    kind: str = told("What happened")
    request: str = told("The request", DIGEST)
    round: str = told("The round", DIGEST)
    agreement: str = told("Digest of the agreement", DIGEST)
    analyst: str = told("Who asked")
    record: str = told("SHA-256 of the signed record that was stored", DIGEST)
    rho_billionths: int | None = told("Loss of a charge, as zCDP rho in billionths")
    delta_quintillionths: int | None = told("And its delta, in 1e-18")
    code: str = told("Of a refusal")
    detail: str = told("Names; never a value from data")


@dataclass(frozen=True, slots=True)
class ContradictionRow:
    """Two parts of the record that do not fit together, or a part that is not there."""

    kind: str = told("What kind of contradiction")
    member: str = told("Whose journal or record")
    request: str = told("The request", DIGEST)
    subject: str = told("The round, record or agreement", DIGEST)
    says: str = told("What does not fit")


@dataclass(frozen=True, slots=True)
class Register:
    """The whole register at one time."""

    federation: str = told("The federation")
    epoch: int = told("Of its manifest")
    made: str = told("When this register was made", TIME)
    requests: tuple[RequestRow, ...] = told("Newest first")
    decisions: tuple[DecisionRow, ...] = told("Of guardians, and withdrawals")
    charges: tuple[ChargeRow, ...] = told("By node, in the order of its journal")
    agreements: tuple[AgreementRow, ...] = told("By name and edition")
    pauses: tuple[PauseRow, ...] = told("By time")
    publications: tuple[PublicationRow, ...] = told("By time")
    cards: tuple[CardRow, ...] = told("By dataset; those whose tables were at hand when this was made")
    shares: tuple[ShareRow, ...] = told("By time")
    accounts: tuple[AccountRow, ...] = told("By node")
    persons: tuple[PersonRow, ...] = told("By identifier")
    journals: tuple[JournalRow, ...] = told("By member")
    entries: tuple[EntryRow, ...] = told("By member, in the order of its journal")
    contradictions: tuple[ContradictionRow, ...] = told("What does not fit together")
