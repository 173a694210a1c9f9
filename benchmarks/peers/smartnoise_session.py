"""The session of benchmarks/accuracy.py with SmartNoise SQL on pandas: needs smartnoise-sql and pyarrow only.

    PEER/bin/python benchmarks/peers/smartnoise_session.py people.parquet

Epsilon a query is the largest for which the package's own odometer stays at or below epsilon 1 for the whole session.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pandas as pd
import snsql
from snsql import Privacy

KEYS = ("region", "sex", "region, sex", "")
SESSION = (
    *(("COUNT(*)", keys, where) for where in ("", "age >= 65") for keys in KEYS),
    *(("SUM(income)", keys, "") for keys in KEYS),
    *(("SUM(income)", keys, "age < 30") for keys in KEYS[:2]),
    *(("AVG(income)", keys, "") for keys in KEYS),
    *(("AVG(income)", keys, "age < 30") for keys in KEYS[:2]),
)
SESSIONS = 6
DELTA = 1e-6
META: dict[str, Any] = {
    "": {
        "public": {
            "people": {
                "row_privacy": True,
                "rows": 100_000,
                "censor_dims": False,
                "clamp_counts": False,
                "region": {"type": "string"},
                "sex": {"type": "string"},
                "age": {"type": "int", "lower": 0, "upper": 110},
                "income": {"type": "int", "lower": 0, "upper": 200_000},
            }
        }
    }
}


def text(figure: str, keys: str, where: str) -> str:
    columns = ", ".join(filter(None, (keys, f"{figure} AS figure")))
    made = f"SELECT {columns} FROM public.people" + (f" WHERE {where}" if where else "")
    return made + (f" GROUP BY {keys}" if keys else "")


def exact_of(people: pd.DataFrame, figure: str, keys: str, where: str) -> dict[tuple[str, ...], float]:
    held = people.query(where) if where else people
    named = {"COUNT(*)": "size", "SUM(income)": "sum", "AVG(income)": "mean"}[figure]
    if not keys:
        return {(): float(len(held) if named == "size" else getattr(held["income"], named)())}
    columns = keys.split(", ")
    found = held.groupby(columns)["income"].agg(named)
    return {k if isinstance(k, tuple) else (k,): float(v) for k, v in found.items()}


def reader_of(people: pd.DataFrame, epsilon: float) -> Any:
    return snsql.from_df(people, privacy=Privacy(epsilon=epsilon, delta=DELTA / len(SESSION)), metadata=META)


def affordable(people: pd.DataFrame) -> float:
    low, high = 0.0, 1.0
    for _ in range(20):
        middle = (low + high) / 2
        spent, _ = reader_of(people, middle).get_privacy_cost([text(*asked) for asked in SESSION])
        low, high = (middle, high) if spent <= 1 else (low, middle)
    return low


def main(path: str) -> None:
    people = pd.read_parquet(path).drop(columns="person_id")
    epsilon = affordable(people)
    print(f"SmartNoise SQL: epsilon {epsilon:.4f} a query spends 1 in a session, by its odometer")
    errors: dict[str, list[float]] = {}
    for figure, keys, where in SESSION:
        exact, squares = exact_of(people, figure, keys, where), []
        for _ in range(SESSIONS):
            rows = reader_of(people, epsilon).execute(text(figure, keys, where))[1:]
            found = {tuple(row[:-1]): float(row[-1]) for row in rows if row[-1] is not None}
            squares += [(found.get(key, 0.0) - value) ** 2 for key, value in exact.items()]
        errors.setdefault(figure, []).append(float(np.sqrt(np.mean(squares))))
    for figure, found_errors in errors.items():
        print(f"SmartNoise SQL: mean RMSE of {figure}: {np.mean(found_errors):.5g}")


if __name__ == "__main__":
    main(sys.argv[1])
