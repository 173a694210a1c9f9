"""What a person gets: the answer, who gave it, what it cost, and the proof."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from importlib import import_module
from typing import TYPE_CHECKING, Any

from engine.errors import BadFile
from engine.trusted.records import Loss

if TYPE_CHECKING:
    import pyarrow

    from engine.client.plot import Chart
    from engine.sql.finish import Answer


@dataclass(frozen=True, slots=True)
class Release:
    """A released answer. ``repeated``: it was released before, and giving it again cost nothing.

    ``request_id``: hex digest of the signed request. ``receipt``: bytes of a Receipt. ``participants`` were charged
    ``loss`` each; the answer is over the ``survivors`` among them.
    """

    request_id: str
    answer: Answer
    survivors: tuple[str, ...]
    participants: tuple[str, ...]
    receipt: bytes
    loss: Loss
    epsilon: Fraction
    delta: Fraction
    repeated: bool
    run: int = 1

    @property
    def intervals(self) -> tuple[Mapping[str, tuple[float, float]], ...]:
        """One mapping a row: column -> (low, high) at 95 %, for the columns with noise."""
        return self.answer.intervals

    @property
    def table(self) -> pyarrow.Table:
        """The answer as an Arrow table, typed as the statement says; decimals as doubles, NULLs as nulls."""
        from engine.client.arrow import answer_table

        return answer_table(self.answer)

    @property
    def with_intervals(self) -> pyarrow.Table:
        """The answer with two more columns behind each estimate, the ends of its 95 % interval."""
        from engine.client.arrow import widened_table

        return widened_table(self.answer)

    def plot(self, x: str | None = None, y: str | None = None, colour: str | None = None) -> Chart:
        """A chart with error bars, drawn by notebooks; see plot.py. Refused SQL_PLOT for names that do not fit."""
        from engine.client.plot import chart_of

        return chart_of(self.answer, repr(self), x, y, colour)

    def __repr__(self) -> str:
        from engine.client.shown import release_grid

        return release_grid(self).as_text()

    def _repr_html_(self) -> str:
        from engine.client.shown import release_grid

        return release_grid(self).as_html()

    def to_pandas(self) -> Any:
        """The answer as a pandas.DataFrame; BadFile FILE_PACKAGE without the package pandas."""
        _installed("pandas")
        return self.table.to_pandas()

    def to_polars(self) -> Any:
        """The answer as a polars.DataFrame; BadFile FILE_PACKAGE without the package polars."""
        return _installed("polars").from_arrow(self.table)

    @property
    def cost(self) -> Mapping[str, object]:
        """What this answer cost: epsilon and delta as asked, rho exactly, and rho in 1e-9 charged at each node."""
        spent = 0 if self.repeated else self.loss.rho_billionths
        return {
            "epsilon": 0.0 if self.repeated else float(self.epsilon),
            "delta": 0.0 if self.repeated else float(self.delta),
            "rho_billionths": spent,
            "per_node": dict.fromkeys(self.participants, spent),
        }


def _installed(package: str) -> Any:
    try:
        return import_module(package)
    except ImportError:
        raise BadFile("FILE_PACKAGE", package=package) from None
