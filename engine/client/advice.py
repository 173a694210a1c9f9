"""What would make a poor forecast better, or a good one cheaper: each piece of advice is a forecast of its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from math import inf

from engine.client.assumed import Assumption
from engine.client.forecast import ColumnError, Forecast, errors_of
from engine.client.terms import Price, price_of
from engine.errors import Refused
from engine.sql import prepare
from engine.sql.statement import Statement
from engine.trusted.catalogue import Bounds, Catalogue, Column
from engine.trusted.plan import Type
from engine.trusted.records import Loss, Rules
from engine.trusted.selection import selected_key
from engine.trusted.walk import names_in
from engine.trusted.wording import number_text

POOR, FINE = 0.10, 0.02  # half of the 95 % interval by the figure
HELPS = 0.95  # advice has to make the error at least 5 % smaller
EPSILONS = tuple(Fraction(n) for n in ("0.05", "0.1", "0.2", "0.5", "1", "2", "5", "10"))
MERGES = (2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 50, 100, 200, 500, 1_000)


@dataclass(frozen=True, slots=True)
class Advice:
    """What to change; ``before``, ``after``: the ``column``'s half width by its figure. None: no usable figure."""

    words: str
    column: str
    before: float | None
    after: float


def advise(statement: Statement, catalogue: Catalogue, rules: Rules, found: Forecast) -> tuple[Advice, ...]:
    """Advice about the worst column of the finest grouping; none where the error is fit for use and not wasteful."""
    worst = worst_of(found.columns)
    if worst is None:
        return ()
    asking = _Asking(statement, catalogue, rules, found, worst)
    if asking.before <= FINE:
        return tuple(asking.cheaper())
    if asking.before <= POOR:
        return tuple(asking.nodes())
    return (*asking.nodes(), *asking.narrower(), *asking.merged(), *asking.dearer())


def worst_of(columns: tuple[ColumnError, ...]) -> ColumnError | None:
    """The column of the largest error by its figure, in the grouping of most cells."""
    most = max((c.cells for c in columns), default=0)
    finest = [c for c in columns if c.cells == most and (c.relative is not None or c.half_width is None)]
    return max(finest, key=_size, default=None)


def _size(column: ColumnError) -> float:
    return inf if column.relative is None else column.relative


@dataclass(frozen=True, slots=True)
class _Asking:
    """A statement and its worst column; each method asks it otherwise."""

    statement: Statement
    catalogue: Catalogue
    rules: Rules
    found: Forecast
    worst: ColumnError

    @property
    def before(self) -> float:
        return _size(self.worst)

    def nodes(self) -> Iterator[Advice]:
        """n_min = all hosts."""
        hosts = len(self.found.cost.nodes)
        if self.found.n_min < hosts:
            after = self._after(n_min=hosts)
            if self._helps(after):
                yield self._advice(f"Ask with n_min = {hosts}, so that every host has to answer", after)

    def narrower(self) -> Iterator[Advice]:
        """Half the published bounds of a column that is summed."""
        used = (m.expression for m in self.statement.plan.aggregate.measures if m.clamp is not None and m.expression)
        names = frozenset[str]().union(*map(names_in, used))
        for dataset in self.catalogue.datasets:
            for column in dataset.columns:
                halved = _halved(column)
                if column.name not in names or halved is None or column.bounds is None:
                    continue
                columns = tuple(replace(c, bounds=halved) if c is column else c for c in dataset.columns)
                others = (replace(d, columns=columns) if d is dataset else d for d in self.catalogue.datasets)
                after = self._after(catalogue=replace(self.catalogue, datasets=tuple(others)))
                if self._helps(after):
                    wide, narrow = _ends(column.bounds), _ends(halved)
                    words = f"Narrow the bounds of {column.name} from {wide} to {narrow}, if few values lie beyond"
                    yield self._advice(f"{words} (in SQL: {_cut(column.name, column.bounds, halved)})", after)

    def merged(self) -> Iterator[Advice]:
        """Fewer, larger groups: the fewest into one that make the error fit for use."""
        after, words = inf, ""
        if selected_key(self.statement.plan.aggregate) is not None:
            return
        for times in (*(t for t in MERGES if t < self.worst.cells), self.worst.cells):
            assumption = self.found.assumption
            larger = Assumption(assumption.rows * times, assumption.persons * times, assumption.words)
            after, words = self._after(assumption=larger), f"Merge these groups, {times} into one"
            if after <= POOR:
                break
        if words and self.worst.cells > 1 and self._helps(after):
            yield self._advice(words, after)

    def dearer(self) -> Iterator[Advice]:
        """The least epsilon of the list that makes the error fit for use, or the last."""
        after, chosen = inf, Fraction(0)
        for chosen in (e for e in EPSILONS if e > self.found.cost.epsilon):
            after = self._after(loss=self._priced(chosen).answer)
            if after <= POOR:
                break
        if chosen and self._helps(after):
            yield self._advice(
                f"Ask with epsilon {float(chosen):g}, for {self._price(chosen):.2g} times the budget", after
            )

    def cheaper(self) -> Iterator[Advice]:
        """The least epsilon of the list that keeps the error fit for use."""
        for epsilon in (e for e in EPSILONS if e < self.found.cost.epsilon):
            after = self._after(loss=self._priced(epsilon).answer)
            if after <= POOR / 2:
                part = 100 * self._price(epsilon)
                yield self._advice(f"Epsilon {float(epsilon):g} would do, for {part:.2g} % of the budget", after)
                return

    def _helps(self, after: float) -> bool:
        return after < inf and after <= HELPS * self.before

    def _priced(self, epsilon: Fraction) -> Price:
        return price_of(epsilon, self.found.cost.delta, self.statement.plan)

    def _price(self, epsilon: Fraction) -> float:
        """Rho of another epsilon by that of the one asked with."""
        return self._priced(epsilon).total.rho_billionths / self.found.cost.loss.rho_billionths

    def _after(
        self,
        loss: Loss | None = None,
        n_min: int | None = None,
        assumption: Assumption | None = None,
        catalogue: Catalogue | None = None,
    ) -> float:
        """The same column asked otherwise: half width by figure; infinite where that is refused or tells nothing.

        Under narrower bounds the assumed figure is another, and the error is held against the one before.
        """
        try:
            statement = self.statement if catalogue is None else prepare(self.statement.sql, catalogue, self.rules)
            columns = errors_of(
                statement,
                catalogue or self.catalogue,
                loss or self._priced(self.found.cost.epsilon).answer,
                (n_min or self.found.n_min, self.rules.f),
                assumption or self.found.assumption,
            )
        except Refused:
            return inf
        found = next((c for c in columns if (c.column, c.keys) == (self.worst.column, self.worst.keys)), None)
        if found is None or found.half_width is None:
            return inf
        if catalogue is not None and self.worst.figure:
            return found.half_width / abs(self.worst.figure)
        return _size(found)

    def _advice(self, words: str, after: float) -> Advice:
        before = None if self.before == inf else self.before
        instead = "instead of no usable figure" if before is None else f"instead of ±{_percent(before)}"
        return Advice(
            f"{words}: {self.worst.column} within ±{_percent(after)} {instead}.", self.worst.column, before, after
        )


def _halved(column: Column) -> Bounds | None:
    """Both ends halved towards zero; where zero lies outside, the middle half. None for what is no number."""
    if column.bounds is None or column.type not in (Type.INTEGER, Type.DECIMAL):
        return None
    lower, upper = column.bounds.lower, column.bounds.upper
    quarter = (upper - lower) / 4
    ends = (lower / 2, upper / 2) if lower <= 0 <= upper else (lower + quarter, upper - quarter)
    step = column.step or Fraction(1)
    return Bounds(*(round(end / step) * step for end in ends))


def _cut(name: str, before: Bounds, after: Bounds) -> str:
    text = name if after.upper == before.upper else f"LEAST({name}, {number_text(after.upper)})"
    return text if after.lower == before.lower else f"GREATEST({text}, {number_text(after.lower)})"


def _ends(bounds: Bounds) -> str:
    return f"[{number_text(bounds.lower)}, {number_text(bounds.upper)}]"


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %" if share < 1 else f"{100 * share:,.0f} %"
