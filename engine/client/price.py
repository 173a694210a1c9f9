"""What a signed request may cost, in words: one attempt, one run, and the most that can ever be charged."""

from __future__ import annotations

from fractions import Fraction

from engine.errors import Refused
from engine.trusted.account import QUINTILLION
from engine.trusted.epsilon import epsilon_of
from engine.trusted.records import Loss


def times(loss: Loss, count: int) -> Loss:
    return Loss(loss.rho_billionths * count, loss.delta_quintillionths * count)


def epsilon_words(loss: Loss, delta: Fraction) -> str:
    """``epsilon 1.23 at delta 1e-09``; the delta grows where the loss's own would leave nothing of it."""
    delta = max(delta, 2 * Fraction(loss.delta_quintillionths, QUINTILLION))
    try:
        return f"epsilon {float(epsilon_of(loss, delta)):.4g} at delta {float(delta):g}"
    except Refused:
        return f"more than any useful epsilon at delta {float(delta):g}"


def price_lines(loss: Loss, attempts: int, runs: int, delta: Fraction) -> list[str]:
    """``loss``: of one attempt, at each node. A second attempt is charged only if a round was lost."""

    def line(what: str, count: int) -> str:
        total = times(loss, count)
        return f"{what} {epsilon_words(total, delta)} (rho {total.rho_billionths}e-9) at each node."

    lines = [line("One attempt costs", 1)]
    if runs > 1:
        lines.append(line(f"{runs} runs, one for each new snapshot, cost", runs))
    most = f"{runs} x {attempts}" if runs > 1 else str(attempts)
    lines.append(line(f"The most that can be charged, for {most} attempts, is", runs * attempts))
    return lines
