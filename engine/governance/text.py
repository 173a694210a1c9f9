"""Records in English, one heading and one sentence a line: to be read, compared and signed by people."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from fractions import Fraction

from engine.governance.application import fingerprint_of
from engine.trusted.account import QUINTILLION
from engine.trusted.epsilon import epsilon_of
from engine.trusted.records import AccountCap, AccountScope, FederationManifest, Loss, Member, Rules

Line = tuple[str, str]  # heading, sentence
DELTA = Fraction(1, 10**6)  # of a budget
PLAN_DELTA = Fraction(1, 10**9)  # of one statement
ACCOUNTS = {
    AccountScope.IDENTIFIER: "identifier",
    AccountScope.DATASET: "dataset",
    AccountScope.AGREEMENT_ACCOUNT: "agreement",
    AccountScope.ANALYST_ACCOUNT: "analyst",
    AccountScope.SHARE_ACCOUNT: "one analyst's share of dataset",
}


def day(ms: int) -> str:
    return datetime.fromtimestamp(ms // 1000, UTC).date().isoformat()


def delta_for(loss: Loss, least: Fraction = DELTA) -> Fraction:
    """The delta that a loss is shown with: ``least``, or twice its own if that is more."""
    return max(least, 2 * Fraction(loss.delta_quintillionths, QUINTILLION))


def loss_words(loss: Loss, least: Fraction = DELTA) -> str:
    """What a loss means; one that means nothing any more, for its delta is a half or above, says so."""
    delta = delta_for(loss, least)
    if delta >= 1:
        return "no promise at all"
    return f"epsilon {float(epsilon_of(loss, delta)):.3g} at delta {float(delta):.3g}"


def nodes_words(count: int) -> str:
    return "1 node" if count == 1 else f"{count} nodes"


def member_lines(members: Sequence[Member]) -> tuple[Line, ...]:
    return tuple((f"member {m.name}", f"{_roles(m)} of {m.body}; keys {fingerprint_of(m)}") for m in members)


def _roles(member: Member) -> str:
    roles = " and ".join(role.name.lower().replace("_", " ") for role in member.roles)
    return f"{roles} for {member.department}" if member.department else roles


def cap_line(cap: AccountCap) -> Line:
    whose = f"{ACCOUNTS[cap.scope]} {cap.name}" if cap.name else f"each {ACCOUNTS[cap.scope]}"
    period = f"{loss_words(cap.period)} in {cap.period_days} days; " if cap.period else ""
    return f"cap of {whose}", f"{period}{loss_words(cap.lifetime)} for ever"


def rule_lines(rules: Rules) -> tuple[Line, ...]:
    return (
        ("n_min", str(rules.n_min) if rules.n_min else "all hosts of the plan"),
        ("f", str(rules.f)),
        ("committee", f"{rules.committee} members, the analyst among them"),
        ("most values of a key", f"{rules.max_keys:,}"),
        ("most cells of a statement", f"{rules.max_cells:,}"),
        *map(cap_line, rules.caps),
    )


def manifest_lines(manifest: FederationManifest) -> tuple[Line, ...]:
    """Everything a manifest says but its epoch and date of issue."""
    roots = tuple((f"root key {root.name}", root.signing_key.hex()) for root in manifest.root_keys)
    datasets = tuple(
        (f"dataset {d.name}", f"held by {', '.join(d.hosts)}; {len(d.columns)} columns; {_shape(d)}")
        for d in manifest.catalogue.datasets
    )
    return (
        ("valid until", f"{day(manifest.until_ms)}, and {manifest.grace_seconds / 86_400:g} days of grace"),
        ("root signatures needed", str(manifest.root_threshold)),
        *roots,
        *member_lines(manifest.members),
        *rule_lines(manifest.rules),
        *datasets,
    )


def _shape(dataset: object) -> str:
    """Short mark of a definition: changes if anything in it does."""
    from engine.trusted.wire import digest, encode

    return f"definition {digest(encode(dataset)).hex()[:16]}"


def differences(before: Sequence[Line], after: Sequence[Line]) -> tuple[str, ...]:
    """What changed from one list of lines to the next, one sentence a heading."""
    old, new = _grouped(before), _grouped(after)
    said = []
    for heading in dict.fromkeys((*old, *new)):
        was, is_ = old.get(heading), new.get(heading)
        if was is None:
            said.append(f"new: {heading}: {is_}")
        elif is_ is None:
            said.append(f"gone: {heading}: {was}")
        elif was != is_:
            said.append(f"changed: {heading}: {is_} (before: {was})")
    return tuple(said)


def _grouped(lines: Sequence[Line]) -> dict[str, str]:
    found: dict[str, str] = {}
    for heading, sentence in lines:
        found[heading] = f"{found[heading]}; {sentence}" if heading in found else sentence
    return found
