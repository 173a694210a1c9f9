"""The session of benchmarks/accuracy.py with OpenDP on Polars: needs opendp[polars], pyarrow and numpy only.

Run from the folder of this repository's root: PEER/bin/python benchmarks/peers/opendp_session.py people.parquet
"""

from __future__ import annotations

import sys

import numpy as np
import opendp.prelude as dp
import polars as pl

KEYS = (("region",), ("sex",), ("region", "sex"), ())
SESSION = (
    *(("COUNT", keys, where) for where in ("", "old") for keys in KEYS),
    *(("SUM", keys, "") for keys in KEYS),
    *(("SUM", keys, "young") for keys in KEYS[:2]),
    *(("AVG", keys, "") for keys in KEYS),
    *(("AVG", keys, "young") for keys in KEYS[:2]),
)
SESSIONS = 6
RHO = 0.02435597  # what (epsilon 1, delta 1e-6) allows
WHERE = {"old": pl.col("age") >= 65, "young": pl.col("age") < 30}


def figure_of(figure: str) -> list[pl.Expr]:
    income = pl.col("income").fill_null(0)
    if figure == "COUNT":
        return [dp.len().alias("figure")]
    total = income.dp.sum((0, 200_000)).alias("figure")
    return [total] if figure == "SUM" else [total, dp.len().alias("rows")]


def main(path: str) -> None:
    dp.enable_features("contrib")
    frame = pl.read_parquet(path).drop("person_id")
    # the keys are public: what is in the file stands for the published list
    margins = [dp.polars.Margin(by=[pl.col(k) for k in keys], max_length=1_000_000) for keys in KEYS]
    for name, loss in (("Laplace, epsilon 1", dp.loss_of(epsilon=1.0)), (f"zCDP, rho {RHO}", dp.loss_of(rho=RHO))):
        errors: dict[str, list[float]] = {}
        for _ in range(SESSIONS):
            context = dp.Context.compositor(
                data=frame.lazy(),
                privacy_unit=dp.unit_of(contributions=1),
                privacy_loss=loss,
                split_evenly_over=len(SESSION),
                margins=margins,
            )
            for figure, keys, where in SESSION:
                query = context.query()
                exact = frame
                if where:
                    query, exact = query.filter(WHERE[where]), exact.filter(WHERE[where])
                plain = {"COUNT": pl.len(), "SUM": pl.col("income").sum(), "AVG": pl.col("income").mean()}[figure]
                if keys:
                    public = frame.select(keys).unique().lazy()
                    released = query.group_by(*keys).agg(*figure_of(figure)).with_keys(public).release().collect()
                    exact = exact.group_by(*keys).agg(plain.alias("exact"))
                    found = released.join(exact, on=list(keys))
                else:
                    released = query.select(*figure_of(figure)).release().collect()
                    found = pl.concat([released, exact.select(plain.alias("exact"))], how="horizontal")
                noisy = found["figure"].to_numpy().astype(float)
                if figure == "AVG":
                    noisy = np.clip(noisy / np.maximum(found["rows"].to_numpy().astype(float), 1), 0, 200_000)
                rms = float(np.sqrt(np.mean((noisy - found["exact"].to_numpy()) ** 2)))
                errors.setdefault(figure, []).append(rms**2)
        for figure, squares in errors.items():
            per_query = np.array(squares).reshape(SESSIONS, -1)
            print(f"OpenDP {name}: mean RMSE of {figure}: {np.mean(np.sqrt(per_query.mean(axis=0))):.5g}")


if __name__ == "__main__":
    main(sys.argv[1])
