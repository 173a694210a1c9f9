"""What becomes of a statement, pass by pass, for the analyst who wrote it.

What guardians sign is another text, rendered from the plan alone (engine/trusted/describe.py) and shown here too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from engine.sql import PASSES
from engine.sql.bind import BoundQuery, BoundSort
from engine.sql.bound import Bound
from engine.sql.decompose import Decomposed
from engine.sql.naming import render
from engine.sql.outputs import AggregateUse, aggregate_leaf, key_leaf
from engine.sql.parse import Parsed
from engine.sql.relations import datasets_in
from engine.sql.restrict import Restricted
from engine.sql.statement import (
    Context,
    CountLeaf,
    Cut,
    GroupingLeaf,
    Keep,
    KeyLeaf,
    Leaf,
    MeanLeaf,
    MomentLeaf,
    Ordering,
    QuantileLeaf,
    Statement,
    Step,
    SumLeaf,
    TotalLeaf,
    Widen,
    WindowLeaf,
)
from engine.sql.syntax import Both, Derived, Item, Query, Sort, Star, Table
from engine.trusted.catalogue import Catalogue
from engine.trusted.describe import english, normalised_sql
from engine.trusted.plan import Key
from engine.trusted.wire import digest, encode
from engine.trusted.wording import in_sql, literal_text, number_text

SHOWN_VALUES = 8


@dataclass(frozen=True, slots=True)
class Stage:
    """The name of a pass and, line by line, what it made."""

    name: str
    lines: tuple[str, ...]


def stages(sql: str, context: Context) -> tuple[Stage, ...]:
    """The statement after each pass; raises Refused SQL_* as ``prepare`` does."""
    found: Any = sql
    shown: list[Stage] = []
    for step in PASSES:
        found = step(found, context)
        shown.append(Stage(step.__name__, tuple(_VIEWS[step.__name__](found))))
    return tuple(shown)


def explain(statement: Statement, catalogue: Catalogue) -> str:
    """In words and in normalised SQL: what is computed, what leaves each node, and what is done with it here."""
    lines = [english(statement.plan, catalogue), "", normalised_sql(statement.plan, catalogue), ""]
    lines += [f"Column {name}: {kind.name.lower()}" for name, kind in statement.columns]
    if any(isinstance(step, Widen) for step in statement.steps):
        lines.append("Window functions, HAVING, QUALIFY, ORDER BY and LIMIT act on the released figures.")
    elif statement.steps or statement.order or statement.limit is not None:
        lines.append("HAVING, ORDER BY and LIMIT act on the released figures.")
    return "\n".join([*lines, *statement.notes])


def plan_digest(statement: Statement) -> str:
    """Hex of the digest that people approve."""
    return digest(encode(statement.plan)).hex()


def _parsed(parsed: Parsed) -> list[str]:
    lines = [line for common in parsed.query.common for line in _queries(common.query, f"with {common.name}: ")]
    return lines + _query(parsed.query, "")


def _queries(query: Query | Both, prefix: str) -> list[str]:
    if isinstance(query, Query):
        return _query(query, prefix)
    return [*_queries(query.left, prefix), *_queries(query.right, f"{prefix}and all of: ")]


def _query(query: Query, prefix: str) -> list[str]:
    lines = [f"{prefix}select {', '.join(_item(item) for item in query.items)}"]
    lines += _source(query.source, f"{prefix}from")
    for join in query.joins:
        lines += _source(join.source, f"{prefix}{join.kind.name.lower()} join")
        lines.append(f"{prefix}on {render(join.on) if join.on is not None else ', '.join(join.using)}")
    if query.where is not None:
        lines.append(f"{prefix}where {render(query.where)}")
    if query.grouping is not None:
        keys = "all" if query.grouping.every else ", ".join(render(key) for key in query.grouping.keys)
        lines.append(f"{prefix}group by {keys}")
        if len(query.grouping.sets) > 1:
            shown = "; ".join(" ".join(str(k + 1) for k in chosen) or "all" for chosen in query.grouping.sets)
            lines.append(f"{prefix}in sets of these: {shown}")
    if query.having is not None:
        lines.append(f"{prefix}having {render(query.having)}")
    if query.qualify is not None:
        lines.append(f"{prefix}qualify {render(query.qualify)}")
    if query.order:
        sorts = [_sorted("all" if s.expression is None else render(s.expression), s) for s in query.order]
        lines.append(f"{prefix}order by {', '.join(sorts)}")
    if query.limit is not None:
        lines.append(f"{prefix}limit {query.limit}")
    return lines


def _source(source: Table | Derived, prefix: str) -> list[str]:
    return _queries(source.query, f"{prefix}: ") if isinstance(source, Derived) else [f"{prefix} {source.name}"]


def _item(item: Item | Star) -> str:
    if isinstance(item, Star):
        return "*" if item.table is None else f"{item.table}.*"
    return render(item.expression) + (f" as {item.alias}" if item.alias else "")


def _sorted(text: str, sort: Sort | BoundSort | Ordering) -> str:
    return f"{text}{' desc' if sort.descending else ''}{' nulls first' if sort.nulls_first else ''}"


def _bound(query: BoundQuery) -> list[str]:
    names = datasets_in(query.relation)
    lines = [f"dataset{'s' if len(names) > 1 else ''} {', '.join(names)}"]
    if query.predicate is not None:
        lines.append(f"rows where {in_sql(query.predicate.expression)}")
    lines += [f"{key_leaf(i)}: {_typed(key)}" for i, key in enumerate(query.keys)]
    lines += [f"{aggregate_leaf(i)}: {_use(use)}" for i, use in enumerate(query.aggregates)]
    lines += [f"column {output.name}: {in_sql(output.bound.expression)}" for output in query.outputs]
    lines += [line for step in query.steps for line in _step(step)]
    return lines + [f"ordered by {_sorted(in_sql(s.bound.expression), s)}" for s in query.order]


def _step(step: Step) -> list[str]:
    match step:
        case Keep(condition=condition):
            return [f"kept if {in_sql(condition)}"]
        case Widen(windows=windows):
            return [f"{name}: {_window(window)}" for name, window in windows]
        case Cut(order=order, limit=limit, offset=offset):
            return [f"cut to {limit} rows after {offset}{_ordered(' by', order)}"]


def _window(window: WindowLeaf) -> str:
    text = f"{window.function} of {', '.join(map(in_sql, window.arguments))}" if window.arguments else window.function
    if window.partition:
        text += f" within {', '.join(map(in_sql, window.partition))}"
    text += _ordered(" in order of", window.order)
    ends = ["start" if window.first is None else str(window.first), "end" if window.last is None else str(window.last)]
    return f"{text}, {'level rows' if window.peers else 'rows'} {' to '.join(ends)}"


def _ordered(words: str, order: tuple[Ordering, ...]) -> str:
    return f"{words} {', '.join(_sorted(in_sql(o.expression), o) for o in order)}" if order else ""


def _typed(bound: Bound) -> str:
    return f"{in_sql(bound.expression)} ({bound.domain.type.name.lower() if bound.domain else 'null'})"


def _use(use: AggregateUse) -> str:
    inner = "" if use.argument is None else f" of {_typed(use.argument)}"
    condition = "" if use.filter is None else f" where {in_sql(use.filter.expression)}"
    return f"{use.figure.name.lower()}{inner}{condition}"


def _restricted(restricted: Restricted) -> list[str]:
    lines = [f"{key_leaf(i)}: {_values(key)}" for i, key in enumerate(restricted.keys)]
    for index, clamp in enumerate(restricted.clamps):
        if clamp is not None:
            ends = f"{number_text(clamp.lower)} to {number_text(clamp.upper)}"
            lines.append(f"{aggregate_leaf(index)}: values from {ends}")
    return lines or ["counts only: nothing to bound"]


def _values(key: Key) -> str:
    shown = ", ".join(literal_text(value) for value in key.values[:SHOWN_VALUES])
    more = len(key.values) - SHOWN_VALUES
    return f"{len(key.values)} values: {shown}{f' and {more} more' if more > 0 else ''}"


def _decomposed(decomposed: Decomposed) -> list[str]:
    lines = []
    for index, measure in enumerate(decomposed.aggregate.measures):
        inner = "" if measure.expression is None else f" of {in_sql(measure.expression)}"
        condition = "" if measure.filter is None else f" where {in_sql(measure.filter)}"
        lines.append(f"measure {index}: {measure.statistic.name.lower()}{inner}{condition}")
    return lines + [f"{name}: {_leaf(leaf)}" for name, leaf in decomposed.leaves]


def _leaf(leaf: Leaf) -> str:
    match leaf:
        case KeyLeaf(key=key):
            return f"the value of key {key}"
        case MeanLeaf(centred_sum=total, count=count):
            return f"the centre plus measure {total} / measure {count}"
        case CountLeaf(measure=measure):
            return f"measure {measure}, rounded to a whole number"
        case MomentLeaf(figure=figure, count=count, parts=parts):
            sums = ", ".join(str(measure) for _, measure in parts)
            return f"{figure.name.lower()} from measures {sums} by measure {count}"
        case QuantileLeaf(measure=measure, fraction=fraction):
            return f"the value that {float(fraction):g} of the rows counted in measure {measure} do not exceed"
        case GroupingLeaf(keys=keys):
            return f"which of the keys {', '.join(map(str, keys))} the row leaves out"
        case SumLeaf(measure=measure):
            return f"measure {measure}"
        case TotalLeaf(centred_sum=total, count=count):
            return f"the centre times measure {count}, plus measure {total}"


def _priced(statement: Statement) -> list[str]:
    weights = [str(measure.weight or 1) for measure in statement.plan.aggregate.measures]
    shares = [f"measures share the accuracy {' : '.join(weights)}"] if len(set(weights)) > 1 else []
    return [f"plan {plan_digest(statement)}", *shares, *statement.notes]


_VIEWS: dict[str, Callable[[Any], list[str]]] = {
    "parse": _parsed,
    "bind": _bound,
    "restrict": _restricted,
    "decompose": _decomposed,
    "price": _priced,
}
