"""Our accounts against Google's dp-accounting (Apache-2.0), which is no dependency: it lives in a venv of its own.

    python -m benchmarks.accounting > plans.json                  # here: 1,000 random plans, their noise and charges
    python3 -m venv /tmp/dpa && /tmp/dpa/bin/pip install dp-accounting
    /tmp/dpa/bin/python benchmarks/accounting.py plans.json       # there: standard library and dp-accounting only

The plans are those of tests/audit/test_accounting.py. For each plan and for sessions of 20, epsilon
at delta 1e-9 as charged, over the one dp-accounting computes from sigma and sensitivity: by Renyi orders (the same
theory: 1.00 to 1.02 is wanted) and by privacy loss distributions (tighter than zCDP: what the choice of zCDP costs).
"""

from __future__ import annotations

import json
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

DELTA = Fraction(1, 10**9)
SESSION = 20


def plans() -> list[dict[str, float]]:
    """For each plan: noise over sensitivity, the rho that is charged, and epsilon by our own conversion."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "audit"))
    from test_accounting import PLANS, random_plans, reach  # type: ignore[import-not-found]

    from engine.trusted.epsilon import epsilon_of

    rows = []
    for priced in random_plans(PLANS):
        found = priced.calibration
        square = Fraction(priced.honest * found.node_sigma**2, reach(priced.plan, priced.catalogue, found.multipliers))
        epsilon = float(epsilon_of(priced.loss, DELTA))
        rows.append({"noise": float(square) ** 0.5, "rho": priced.loss.rho_billionths / 1e9, "epsilon": epsilon})
    return rows


def session_epsilons(rows: list[dict[str, float]]) -> list[float]:
    """Our epsilon of each session's total."""
    from engine.trusted.epsilon import epsilon_of
    from engine.trusted.records import Loss

    totals = [round(sum(r["rho"] for r in rows[i : i + SESSION]) * 10**9) for i in range(0, len(rows), SESSION)]
    return [float(epsilon_of(Loss(total, 0), DELTA)) for total in totals]


def judged(noises: list[float], accountant: Any) -> float:
    """dp-accounting's epsilon of Gaussian mechanisms in a row."""
    import dp_accounting

    for noise in noises:
        accountant.compose(dp_accounting.GaussianDpEvent(noise))
    return float(accountant.get_epsilon(float(DELTA)))


def judge(path: Path) -> None:
    """Prints the least and the largest ratio of our epsilon to theirs."""
    from dp_accounting import pld, rdp

    orders = [1 + 1.005**k / 50 for k in range(1, 3000)]
    kept = json.loads(path.read_text())
    noises = [row["noise"] for row in kept["plans"]]
    sessions = [noises[i : i + SESSION] for i in range(0, len(noises), SESSION)]
    cases = (
        ("plan", [[n] for n in noises], [r["epsilon"] for r in kept["plans"]]),
        ("session", sessions, kept["sessions"]),
    )
    print(f"epsilon at delta 1e-9, ours / dp-accounting's, over {len(noises)} random plans and sessions of {SESSION}")
    for name, groups, ours in cases:
        for kind in ("Renyi orders", "loss distributions"):
            few = slice(None) if kind == "Renyi orders" else slice(0, 40)
            make = (lambda: rdp.RdpAccountant(orders)) if kind == "Renyi orders" else pld.PLDAccountant
            ratios = [mine / judged(group, make()) for group, mine in zip(groups[few], ours[few], strict=True)]
            print(f"{name:8} {kind:20} {min(ratios):.4f} to {max(ratios):.4f}  ({len(ratios)})")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        judge(Path(sys.argv[1]))
    else:
        found = plans()
        json.dump({"plans": found, "sessions": session_epsilons(found)}, sys.stdout)
