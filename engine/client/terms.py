"""The limits of what an analyst may ask for, checked before anything starts or is sent."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from engine.errors import Refused
from engine.trusted.account import QUINTILLION, add_loss, noise_part
from engine.trusted.epsilon import allowance, loss_for
from engine.trusted.join import is_join
from engine.trusted.plan import Plan
from engine.trusted.records import Loss, Rules
from engine.trusted.selection import phases_of

MOST_PURPOSE = 2_000  # characters of a request's purpose, wherever it is written
LARGEST_DELTA, LEAST_DELTA = Fraction(1, 10**3), Fraction(1, 10**15)


def require_delta(delta: Fraction) -> None:
    """Refused SQL_DELTA_RANGE.

    A delta near one in the number of persons would allow whole rows to be released; below 1e-15 it buys nothing.
    """
    if not LEAST_DELTA <= delta <= LARGEST_DELTA:
        raise Refused("SQL_DELTA_RANGE")


@dataclass(frozen=True, slots=True)
class Price:
    """What one attempt costs at each node: for the answer, and before it for naming the values of a selected key."""

    answer: Loss
    selection: Loss | None = None

    @property
    def total(self) -> Loss:
        return self.answer if self.selection is None else add_loss(self.answer, self.selection)


def price_of(epsilon: Fraction, delta: Fraction, plan: Plan) -> Price:
    """Both phases of a plan with a selected key get half of rho; half of delta pays for keys that one person has. Of a
    private join, half of delta pays for hiding how many persons there are.

    Raises Refused SQL_DELTA_RANGE, SQL_EPSILON_RANGE.
    """
    require_delta(delta)
    if is_join(plan.aggregate):
        price = allowance(epsilon, delta)
        noise_part(price)  # nothing is left of too small a price
        return Price(price)
    if phases_of(plan) == 1:
        return Price(loss_for(epsilon, delta))
    rho = loss_for(epsilon, delta / 2).rho_billionths
    named = Loss(rho // 2, int(delta / 2 * QUINTILLION))
    return Price(Loss(rho - rho // 2, 0), named)


def require_enough_hosts(n_min: int, hosts: tuple[str, ...]) -> None:
    """Refused POLICY_N_MIN_HOSTS when more nodes are asked for than there are."""
    if n_min > len(hosts):
        raise Refused("POLICY_N_MIN_HOSTS", n_min=str(n_min), hosts=", ".join(hosts), count=str(len(hosts)))


def least_nodes(rules: Rules, hosts: tuple[str, ...], asked: int | None, *, joins: bool = False) -> int:
    """The least number of nodes to answer: as asked, else as the rules say; of a private join both.

    Raises Refused POLICY_N_MIN_HOSTS, POLICY_N_MIN_JOIN.
    """
    if joins:
        if asked not in (None, len(hosts)):
            raise Refused("POLICY_N_MIN_JOIN", hosts=", ".join(hosts), count=str(len(hosts)))
        return len(hosts)
    usual = max(min(rules.n_min or len(hosts), len(hosts)), rules.f + 1)
    least = usual if asked is None else asked
    require_enough_hosts(least, hosts)
    return least
