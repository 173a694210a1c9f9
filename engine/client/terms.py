"""The limits of what an analyst may ask for, checked before anything starts or is sent."""

from __future__ import annotations

from fractions import Fraction

from engine.errors import Refused
from engine.trusted.records import Rules

LARGEST_DELTA, LEAST_DELTA = Fraction(1, 10**3), Fraction(1, 10**15)


def require_delta(delta: Fraction) -> None:
    """Refused SQL_DELTA_RANGE.

    A delta near one in the number of persons would allow whole rows to be released; below 1e-15 it buys nothing.
    """
    if not LEAST_DELTA <= delta <= LARGEST_DELTA:
        raise Refused("SQL_DELTA_RANGE")


def require_enough_hosts(n_min: int, hosts: tuple[str, ...]) -> None:
    """Refused POLICY_N_MIN_HOSTS when more nodes are asked for than there are."""
    if n_min > len(hosts):
        raise Refused("POLICY_N_MIN_HOSTS", n_min=str(n_min), hosts=", ".join(hosts), count=str(len(hosts)))


def least_nodes(rules: Rules, hosts: tuple[str, ...], asked: int | None) -> int:
    """The least number of nodes to answer: as asked, else as the rules say. Refused POLICY_N_MIN_HOSTS."""
    usual = max(min(rules.n_min or len(hosts), len(hosts)), rules.f + 1)
    least = usual if asked is None else asked
    require_enough_hosts(least, hosts)
    return least
