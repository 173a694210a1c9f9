"""``splittally budget``: what a node's ledger says is spent and left, and what other rules would make of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from engine.cli.options import NODE_HOME, Json

if TYPE_CHECKING:
    from engine.governance.budget import Balance, Guarantee, Total
    from engine.governance.replay import Replayed, WouldRefuse
    from engine.trusted.records import Agreement

app = typer.Typer(help="Show what a node has spent, what is left, and what other rules would change.")
Home_ = Annotated[
    Path, typer.Option("--home", metavar="DIR", help="A node's home; default: ~/.splittally/node.", show_default=False)
]
Rules = Annotated[Path | None, typer.Option(metavar="FILE", help="Rules to try: YAML as in `splittally schema rules`.")]


@app.callback(invoke_without_command=True)
def budget(context: typer.Context, home: Home_ = NODE_HOME, as_json: Json = False) -> None:
    """Show the accounts of a node: loss spent, caps and what is left, each in this period and over the lifetime.

    Loss adds up in rho; epsilon is what all of it together means at delta 1e-6.
    """
    if context.invoked_subcommand is not None:
        return
    from engine.cli.show import console, print_json
    from engine.governance.budget import NEW_PERIOD, balances, totals
    from engine.governance.budget_text import FOOTNOTE, total_sentence
    from engine.trusted.clock import SystemClock
    from engine.trusted.home import Home

    opened = Home.load(home)
    found = balances(opened, SystemClock())
    if as_json:
        print_json([_document(balance) for balance in found])
        return
    if not found:
        console().print("Nothing has been charged yet.")
        return
    _print(found)
    for total in totals(found, opened.manifest().catalogue, opened.name):
        console().print(total_sentence(total), soft_wrap=True)
    console().print(NEW_PERIOD, soft_wrap=True)
    console().print(FOOTNOTE, style="dim")


@app.command("totals")
def totals_(home: Home_ = NODE_HOME, as_json: Json = False) -> None:
    """Show what one person can have lost at a node: this period, since the beginning, over all datasets."""
    from engine.cli.show import console, print_json
    from engine.governance.budget import NEW_PERIOD, balances, totals
    from engine.governance.budget_text import total_sentence
    from engine.trusted.clock import SystemClock
    from engine.trusted.home import Home

    opened = Home.load(home)
    found = totals(balances(opened, SystemClock()), opened.manifest().catalogue, opened.name)
    if as_json:
        print_json([_total(total) for total in found])
        return
    for total in found:
        console().print(total_sentence(total), soft_wrap=True)
    console().print(NEW_PERIOD, soft_wrap=True)


@app.command("guarantee")
def guarantee_(
    home: Annotated[Path, typer.Option(metavar="DIR", help="Any member's home.")],
    as_json: Json = False,
) -> None:
    """Show what the federation promises: the most that one person can lose, over all nodes and datasets."""
    from engine.cli.show import console, print_json
    from engine.governance.budget import NEW_PERIOD, guarantee
    from engine.governance.budget_text import promise_sentence
    from engine.trusted.home import Home

    found = guarantee(Home.load(home).manifest())
    if as_json:
        print_json([_promise(promise) for promise in found])
        return
    for promise in found:
        console().print(promise_sentence(promise), soft_wrap=True)
    console().print(NEW_PERIOD, soft_wrap=True)


@app.command("what-if")
def what_if_(
    rules: Annotated[Path, typer.Option(metavar="FILE", help="Rules to try: YAML as in `splittally schema rules`.")],
    home: Home_ = NODE_HOME,
    as_json: Json = False,
) -> None:
    """Show each account of a node with the cap it would have under other rules. Nothing is changed."""
    from engine.cli.show import console, new_table, print_json
    from engine.governance.budget import balances, difference
    from engine.governance.budget_text import FOOTNOTE, account_word, left_of, limit_words, period_words
    from engine.governance.replay import what_if
    from engine.governance.rules import load_amendment
    from engine.trusted.clock import SystemClock
    from engine.trusted.home import Home

    opened, clock = Home.load(home), SystemClock()
    caps = load_amendment(rules, opened.manifest()).rules.caps
    shown = what_if(balances(opened, clock), caps, clock.now_ms())
    rows = [
        {
            "account": account_word(b.scope),
            "name": b.name,
            "period": period_words(b),
            "spent_rho_billionths": b.spent.rho_billionths,
            "cap_rho_billionths": b.cap.rho_billionths if b.cap else None,
            "new_cap_rho_billionths": cap.rho_billionths if cap else None,
            "would_be_left": difference(cap, b.spent).rho_billionths if cap else None,
        }
        for b, cap in shown
    ]
    if as_json:
        print_json(rows)
        return
    table = new_table()
    for heading in ("account", "name", "period", "spent", "cap now", "cap then", "left then (of rho)"):
        table.add_column(heading)
    for balance, cap in shown:
        cells = [account_word(balance.scope), balance.name, period_words(balance), limit_words(balance.spent)]
        cells += [limit_words(balance.cap), limit_words(cap), left_of(cap, balance.spent)]
        table.add_row(*map(str, cells))
    console().print(table)
    console().print(FOOTNOTE, style="dim")


@app.command("replay")
def replay_(
    home: Home_ = NODE_HOME,
    rules: Rules = None,
    agreement: Annotated[
        Path | None, typer.Option(metavar="FILE", help="An agreement to try in place of its earlier editions.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Dry acceptance: which past charges of a node other rules or a drafted agreement would have refused, and why."""
    from engine.cli.show import console, new_table, print_json
    from engine.governance.budget import journal
    from engine.governance.budget_text import limit_words
    from engine.governance.replay import replay
    from engine.governance.rules import load_amendment
    from engine.governance.text import day
    from engine.trusted.clock import SystemClock
    from engine.trusted.home import Home
    from engine.trusted.wire import digest

    opened = Home.load(home)
    manifest = opened.manifest()
    caps = load_amendment(rules, manifest).rules.caps if rules else manifest.rules.caps
    signed = {digest(record.payload): _read(record.payload) for record in opened.agreements()}
    drafted = _drafted(agreement, opened.path) if agreement else None
    done = replay(journal(opened), manifest.catalogue, caps, signed, SystemClock().now_ms(), drafted)
    if as_json:
        print_json(_replayed(done))
        return
    table = new_table()
    for heading in ("day", "analyst", "agreement", "request", "cost", "would be refused", "by"):
        table.add_column(heading, overflow="fold")
    for r in done.refused:
        request = r.request_digest.hex()[:16]
        table.add_row(day(r.at_ms), r.analyst, r.agreement, request, limit_words(r.loss), r.code, r.account)
    if done.refused:
        console().print(table)
    console().print(f"{len(done.refused)} of {done.charges} past charges would have been refused. What would be left:")
    _print(done.balances)
    if done.refusals:
        said = ", ".join(f"{count} {code}" for code, count in sorted(done.refusals.items()))
        console().print(f"The journal also holds free refusals, whose price it does not say: {said}.", soft_wrap=True)
    console().print("Columns and operations are not judged: they stand in plans, which a journal does not hold.")


def _print(found: tuple[Balance, ...]) -> None:
    from engine.cli.show import console, new_table, percent
    from engine.governance.budget_text import figure, period_words
    from engine.governance.text import day

    table = new_table()
    for heading in ("account", "name", "period"):
        table.add_column(heading)
    for heading in ("spent (epsilon at delta 1e-6)", "of", "left (of rho)", "refreshes"):
        table.add_column(heading, justify="right")
    for balance in found:
        document = _document(balance)
        left = document["left"]
        cells = [document["account"], document["name"], period_words(balance), figure(balance.spent)]
        cells += ["no limit", ""] if balance.cap is None else [figure(balance.cap), percent(float(str(left)))]
        cells += [day(balance.refreshes_ms) if balance.refreshes_ms else "never"]
        table.add_row(*map(str, cells))
    console().print(table)


def _document(balance: Balance) -> dict[str, object]:
    from engine.governance.budget_text import account_word, shown
    from engine.governance.text import day

    cap = balance.cap
    document: dict[str, object] = {
        "account": account_word(balance.scope),
        "name": balance.name,
        "period_days": balance.period_days or None,
        "refreshes": day(balance.refreshes_ms) if balance.refreshes_ms else None,
        "spent_rho_billionths": balance.spent.rho_billionths,
        "spent_epsilon": shown(balance.spent)[0],
    }
    if cap is None or balance.left is None:
        return document | {"cap_rho_billionths": None, "cap_epsilon": None, "left": None}
    return document | {
        "cap_rho_billionths": cap.rho_billionths,
        "cap_epsilon": shown(cap)[0],
        "left": balance.left.rho_billionths / cap.rho_billionths if cap.rho_billionths else 0.0,
    }


def _total(total: Total) -> dict[str, object]:
    from engine.governance.budget_text import limit_words
    from engine.governance.text import day

    period = total.this_period
    return {
        "identifier": total.identifier,
        "datasets": list(total.datasets),
        "period_days": total.period_days or None,
        "period_ends": day(total.ends_ms) if total.ends_ms else None,
        "this_period_rho_billionths": period.rho_billionths if period else None,
        "ever_rho_billionths": total.ever.rho_billionths,
        "ever": limit_words(total.ever),
    }


def _promise(promise: Guarantee) -> dict[str, object]:
    from engine.governance.budget_text import limit_words

    return {
        "identifier": promise.identifier,
        "nodes": promise.nodes,
        "lifetime_rho_billionths": promise.lifetime.rho_billionths if promise.lifetime else None,
        "lifetime": limit_words(promise.lifetime),
        "period_days": promise.period_days or None,
        "period_rho_billionths": promise.period.rho_billionths if promise.period else None,
    }


def _read(payload: bytes) -> Agreement:
    from engine.trusted.records import Agreement
    from engine.trusted.wire import decode

    agreement: Agreement = decode(Agreement, payload)
    return agreement


def _drafted(file: Path, home: Path) -> Agreement:
    from engine.governance.agreement import read_record
    from engine.governance.agreement_form import load_agreement
    from engine.trusted.home import Home

    if file.suffix == ".agreement":
        return _read(read_record(file).payload)
    return load_agreement(file, Home.load(home).manifest())


def _replayed(done: Replayed) -> dict[str, object]:
    def row(r: WouldRefuse) -> dict[str, object]:
        return {
            "at_ms": r.at_ms,
            "analyst": r.analyst,
            "agreement": r.agreement,
            "request": r.request_digest.hex(),
            "rho_billionths": r.loss.rho_billionths,
            "code": r.code,
            "account": r.account,
        }

    return {
        "charges": done.charges,
        "refused": [row(r) for r in done.refused],
        "left": [_document(balance) for balance in done.balances],
        "free_refusals": dict(done.refusals),
    }
