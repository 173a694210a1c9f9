"""A node's accounts and a federation's promises in the words of the terminal and of pages."""

from __future__ import annotations

from engine.figures import percent
from engine.governance.budget import Balance, Guarantee, Total
from engine.governance.text import day, delta_for, loss_words, nodes_words
from engine.trusted.epsilon import epsilon_of
from engine.trusted.records import AccountScope, Loss

FOOTNOTE = "Rho adds up and is what is charged; epsilon does not: half of the epsilon is about a quarter of the rho."


def account_word(scope: AccountScope) -> str:
    return scope.name.lower().removesuffix("_account")


def period_words(balance: Balance) -> str:
    return f"{balance.period_days} days" if balance.period_days else "lifetime"


def limit_words(loss: Loss | None) -> str:
    """A cap, or that there is none."""
    return loss_words(loss) if loss else "no limit"


def shown(loss: Loss) -> tuple[float | None, float]:
    """Epsilon and the delta it holds at: 1e-6, or more where the loss has more of its own; None: no promise."""
    delta = delta_for(loss)
    return (float(epsilon_of(loss, delta)) if delta < 1 else None), float(delta)


def figure(loss: Loss) -> str:
    """The epsilon of a column headed "epsilon at delta 1e-6"."""
    epsilon, delta = shown(loss)
    if epsilon is None:
        return "no promise"
    return f"{epsilon:.2f}" if delta == 1e-6 else f"{epsilon:.2f} (delta {delta:.0e})"


def left_of(cap: Loss | None, spent: Loss) -> str:
    """What would be left of a cap, as a share of its rho."""
    if cap is None:
        return ""
    left = cap.rho_billionths - spent.rho_billionths
    return "nothing: everything would be refused" if left <= 0 else percent(left / cap.rho_billionths)


def total_sentence(total: Total) -> str:
    """What one person can have lost at a node."""
    whom = f"A person with one {total.identifier}, in {', '.join(total.datasets)} together"
    this = (
        f"{limit_words(total.this_period)} in this period of {total.period_days} days,"
        f" which ends {day(total.ends_ms)}; "
    )
    return (
        f"{whom}, can have lost here: {this if total.this_period else ''}{limit_words(total.ever)} since the beginning."
    )


def promise_sentence(promise: Guarantee) -> str:
    """What the federation's rules promise to one person."""
    whom = f"A person with one {promise.identifier}, who may be at {nodes_words(promise.nodes)}"
    if promise.lifetime is None:
        return f"{whom}: nothing is guaranteed, for no cap names the identifier, and every statement is refused."
    period = (
        f", and {limit_words(promise.period)} in any one period of {promise.period_days} days" if promise.period else ""
    )
    return f"{whom}, can lose at most {limit_words(promise.lifetime)} for ever{period}."
