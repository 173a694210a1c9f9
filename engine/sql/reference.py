"""The reference of the SQL surface, made from the code: ``python -m engine.sql.reference > engine/docs/sql.md``.

Every line of the tables comes from binding or preparing its example, so it says what the code does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

from engine.error_codes import CODES
from engine.sql import prepare
from engine.sql.bound import Bound, leaf
from engine.sql.expressions import Expressions
from engine.sql.parse import parse_expression
from engine.sql.refusals import CLAUSES, NODES
from engine.sql.syntax import Name, SyntaxExpression
from engine.sql.windows import FUNCTIONS as WINDOWS
from engine.trusted.catalogue import Bounds, Catalogue, Column, Dataset, IdentifierForm, PersonUnit
from engine.trusted.domains import Domain, column_domain
from engine.trusted.join import Side, sides_of
from engine.trusted.plan import ColumnRef, Literal, Type
from engine.trusted.records import Rules
from engine.trusted.wording import literal_text, number_text

RULES = Rules(n_min=0, f=0, max_keys=10_000, max_cells=100_000, caps=(), committee=3)
COLUMNS = (
    Column("id", Type.TEXT),
    Column("n", Type.INTEGER, bounds=Bounds(Fraction(0), Fraction(100))),
    Column("m", Type.INTEGER, bounds=Bounds(Fraction(-5), Fraction(12))),
    Column("x", Type.DECIMAL, bounds=Bounds(Fraction(-50), Fraction(2000)), step=Fraction(1, 100)),
    Column("y", Type.DECIMAL, bounds=Bounds(Fraction(1), Fraction(9)), step=Fraction(1, 2)),
    Column("d", Type.DATE, bounds=Bounds(Fraction(18262), Fraction(18992))),
    Column("e", Type.DATE, bounds=Bounds(Fraction(18262), Fraction(18627))),
    Column("t", Type.TEXT, domain=("North", "South")),
    Column("u", Type.TEXT),
    Column("p", Type.BOOLEAN),
    Column("q", Type.BOOLEAN),
)
FUNCTIONS = {
    "Arithmetic": (
        "x + y",
        "x - y",
        "n * m",
        "x / y",
        "x / n",
        "n // 7",
        "n // m",
        "n % 7",
        "-n",
        "abs(m)",
        "sign(m)",
        "pow(n, 2)",
    ),
    "Rounding and buckets": (
        *("floor(x)", "ceil(x)", "round(x)", "round(x, 1)", "floor(x / 500) * 500", "n // 10 * 10"),
        *("least(n, 50)", "greatest(x, 0)", "trunc(x)"),
    ),
    "Comparisons": (
        *("x = 1", "x <> 1", "x < y", "x <= 1", "x > 1", "x >= 1", "n BETWEEN 1 AND 9", "n IN (1, 2, 3)"),
        *("x IS NULL", "x IS NOT NULL", "t LIKE 'N%'", "t NOT LIKE 'N%'", "p IS TRUE", "p IS FALSE"),
        *("t ILIKE 'n%'", "contains(u, 'x')", "starts_with(u, 'x')", "ends_with(u, 'x')"),
        *("t IS DISTINCT FROM 'North'", "p IS NOT DISTINCT FROM q"),
    ),
    "Conditions": ("p AND q", "p OR q", "NOT p"),
    "Choices": (
        *("CASE WHEN n < 18 THEN 'child' ELSE 'adult' END", "CASE t WHEN 'North' THEN 1 END", "if(p, 1, 0)"),
        *("coalesce(n, 0)", "nullif(n, 0)"),
    ),
    "Casts": (
        *("CAST(x AS INTEGER)", "CAST(n AS DOUBLE)", "CAST(u AS DOUBLE)", "CAST(n AS VARCHAR)", "CAST(u AS DATE)"),
        *("CAST(n AS BOOLEAN)", "CAST(x AS DECIMAL(18, 1))"),
    ),
    "Dates": (
        *("date_trunc('day', d)", "date_trunc('week', d)", "date_trunc('month', d)", "date_trunc('quarter', d)"),
        *("date_trunc('year', d)", "year(d)", "quarter(d)", "month(d)", "day(d)", "isodow(d)", "dayofweek(d)"),
        *("extract(year FROM d)", "date_part('month', d)", "d - e", "d + 30", "d + INTERVAL 2 WEEK"),
        *("date_diff('day', e, d)", "date_diff('month', e, d)", "date_diff('quarter', e, d)"),
        *("date_diff('year', e, d)", "date_part('year', age(d, DATE '1960-05-17'))"),
        *(
            "date_sub('year', DATE '1960-05-17', d)",
            "d < DATE '2020-03-31' - INTERVAL 1 MONTH",
            "d < make_date(2020, 3, 1)",
        ),
        *("d < strptime('2020-03-01', '%Y-%m-%d')", "year(d - INTERVAL 3 MONTH)", "strftime(d, '%Y-%m')"),
        *("monthname(d)", "dayname(d)"),
    ),
    "Text": (
        *("upper(t)", "lower(t)", "trim(t)", "length(t)", "substring(t, 1, 2)", "left(t, 1)", "t || '!'"),
        *("concat(t, '-', t)", "alphanumeric(t)", "'Q' || quarter(d)", "right(t, 2)"),
        *("replace(t, 'th', 'd')", "lpad(month(d)::VARCHAR, 2, '0')", "split_part(t, 'r', 1)"),
    ),
}
AGGREGATES = (
    *("COUNT(*)", "COUNT(x)", "COUNT(DISTINCT id)", "COUNT_IF(p)", "SUM(x)", "SUM(p)", "AVG(x)", "VAR_POP(n)"),
    *("VAR_SAMP(n)", "VARIANCE(n)", "STDDEV_POP(n)", "STDDEV_SAMP(n)", "STDDEV(n)", "COVAR_POP(x, n)"),
    *("COVAR_SAMP(x, n)", "CORR(x, n)", "REGR_SLOPE(x, n)", "REGR_INTERCEPT(x, n)", "REGR_R2(x, n)"),
    *("REGR_COUNT(x, n)", "REGR_AVGX(x, n)", "REGR_AVGY(x, n)", "MEDIAN(x)", "QUANTILE_CONT(n, 0.9)"),
    *("QUANTILE_DISC(n, 0.9)", "QUANTILE(n, 0.9)", "PERCENTILE_CONT(0.9) WITHIN GROUP (ORDER BY n)"),
    *("PERCENTILE_DISC(0.9) WITHIN GROUP (ORDER BY n DESC)", "MIN(n)", "MAX(d)", "SUM(x) FILTER (WHERE p)"),
)
CLAUSES_READ = (  # keys, clause
    ("t, p", "GROUP BY t, p"),
    ("t", "GROUP BY 1"),
    ("t, p", "GROUP BY ALL"),
    ("t, p", "GROUP BY ROLLUP (t, p)"),
    ("t, p", "GROUP BY CUBE (t, p)"),
    ("t, p", "GROUP BY GROUPING SETS ((t, p), (t), ())"),
    ("t", "GROUP BY t HAVING COUNT(*) > 10 ORDER BY COUNT(*) DESC LIMIT 5"),
)
SOURCES = (  # what it is for, statement
    ("In steps", "WITH a AS (SELECT n // 10 AS tens, x FROM people WHERE p) SELECT tens, AVG(x) FROM a GROUP BY tens"),
    ("Figures per person", "SELECT AVG(s) FROM (SELECT id, SUM(x) AS s FROM people GROUP BY id) AS f"),
    ("Joins", "SELECT a.t, SUM(b.x) FROM people AS a JOIN people AS b ON a.id = b.id GROUP BY a.t"),
    ("Some persons", "SELECT COUNT(*) FROM people WHERE id NOT IN (SELECT id FROM people WHERE x > 100)"),
    (
        "Several as one",
        "SELECT k, SUM(v) FROM (SELECT 1 AS k, x AS v FROM people UNION ALL SELECT 2, n FROM people) AS w GROUP BY k",
    ),
)
ACROSS = (  # what it is for, statement; ``wages`` is held by one department, ``homes`` by another
    (
        "Keys and figures of either",
        "SELECT h.t, w.n // 10 AS tens, AVG(w.x) FROM wages AS w JOIN homes AS h ON w.id = h.id GROUP BY h.t, tens",
    ),
    ("Products", "SELECT SUM(w.x * h.n), CORR(w.x, h.n) FROM wages AS w JOIN homes AS h ON w.id = h.id"),
    (
        "Conditions of each",
        "SELECT COUNT(*) FILTER (WHERE w.p AND h.n > 2) FROM wages AS w JOIN homes AS h ON w.id = h.id WHERE w.x > 0",
    ),
    ("Persons that both have", "SELECT AVG(x) FROM wages WHERE id IN (SELECT id FROM homes WHERE n > 2)"),
    (
        "Figures per person",
        "SELECT AVG(f.s) FROM (SELECT id, SUM(x) AS s FROM wages GROUP BY id) AS f JOIN homes AS h ON f.id = h.id",
    ),
)
RELEASED = (  # what it is for, statement
    ("Shares", "SELECT t, COUNT(*) * 100.0 / SUM(COUNT(*)) OVER () AS share FROM people GROUP BY t"),
    ("Shares within", "SELECT t, p, COUNT(*) / SUM(COUNT(*)) OVER (PARTITION BY t) AS share FROM people GROUP BY t, p"),
    ("Running totals", "SELECT year(d) AS y_, SUM(COUNT(*)) OVER (ORDER BY year(d)) AS so_far FROM people GROUP BY y_"),
    ("Changes", "SELECT year(d) AS y_, COUNT(*) - LAG(COUNT(*)) OVER (ORDER BY y_) AS change FROM people GROUP BY y_"),
    ("Moving averages", "SELECT n, AVG(SUM(x)) OVER (ORDER BY n ROWS 2 PRECEDING) AS smooth FROM people GROUP BY n"),
    ("The largest", "SELECT n, COUNT(*) AS c FROM people GROUP BY n QUALIFY RANK() OVER (ORDER BY c DESC) <= 3"),
    (
        "In steps",
        "WITH g AS (SELECT t, AVG(x) AS a FROM people GROUP BY t) SELECT t, a - AVG(a) OVER () AS above FROM g",
    ),
)


def catalogue() -> Catalogue:
    """A dataset with a column of each kind, and two like it that are held by one department each."""
    hosts = {"people": ("north", "south"), "wages": ("tax",), "homes": ("council",)}
    return Catalogue(1, "reference", tuple(_dataset(name, own) for name, own in hosts.items()))


def _dataset(name: str, hosts: tuple[str, ...]) -> Dataset:
    return Dataset(
        name=name,
        title=name,
        about="",
        hosts=hosts,
        person=PersonUnit("id", "nino", IdentifierForm.AS_IS),
        overlap=1,
        rows_per_person=1,
        groups_per_person=1,
        placement=name,
        at_most_persons=10**6,
        at_most_rows=10**6,
        columns=COLUMNS,
    )


def bound(text: str, *, nullable: bool = True) -> Bound:
    """An example as the language binds it."""

    def resolve(syntax: SyntaxExpression) -> Bound | None:
        if not isinstance(syntax, Name):
            return None
        column = next(c for c in COLUMNS if c.name == syntax.parts[0])
        return leaf(ColumnRef(column.name), replace(column_domain(column), nullable=nullable), syntax.at)

    return Expressions(resolve).bind(parse_expression(text))


def values_text(domain: Domain) -> str:
    """What is known of the values."""
    if domain.values is not None:
        return ", ".join(literal_text(Literal(domain.type, value)) for value in domain.values[:6]) or "none"
    if domain.interval is None or domain.type is Type.TEXT:
        return "no bounds: no key, no measure"
    ends = " to ".join(_end(domain, end) for end in domain.interval)
    if abs(domain.interval[1]) > 2**62:
        return "no bounds: no key, no measure"
    step = "" if domain.step is None or domain.type is Type.DATE else f", multiples of {number_text(domain.step)}"
    return ends + step


def _end(domain: Domain, end: Fraction) -> str:
    from engine.trusted import dates

    return dates.day_of(end).isoformat() if domain.type is Type.DATE else f"{float(end):g}"


def null_text(example: str) -> str:
    """When the result is NULL, from its domain with and without NULLs in the columns."""
    if _nullable(bound(example, nullable=False)):
        return "where a column is, and elsewhere"
    return "where a column is" if _nullable(bound(example)) else "never"


def _nullable(found: Bound) -> bool:
    return found.domain is None or found.domain.nullable


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> list[str]:
    lines = [head, tuple("---" for _ in head), *rows]
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines] + [""]


def _functions() -> list[str]:
    lines: list[str] = []
    for title, examples in FUNCTIONS.items():
        rows = []
        for example in examples:
            domain = bound(example).domain
            if domain is not None:
                rows.append((f"`{example}`", domain.type.name.lower(), values_text(domain), null_text(example)))
        lines += [f"### {title}", "", *_table(("example", "type", "values", "NULL"), rows)]
    return lines


def _aggregates() -> list[str]:
    rows = []
    for example in AGGREGATES:
        statement = prepare(f"SELECT {example} AS f FROM people", catalogue(), RULES)  # noqa: S608
        measures = [m.statistic.name.lower().replace("_", " ") for m in statement.plan.aggregate.measures]
        notes = " ".join(note for note in statement.notes if not note.startswith("One person"))
        rows.append((f"`{example}`", statement.outputs[0].type.name.lower(), ", ".join(measures), notes))
    return _table(("example", "type", "nodes add up", "note"), rows)


def _clauses() -> list[str]:
    rows = []
    for keys, clause in CLAUSES_READ:
        statement = prepare(f"SELECT {keys}, COUNT(*) FROM people {clause}", catalogue(), RULES)  # noqa: S608
        rows.append((f"`{clause}`", str(len(statement.plan.aggregate.grouping_sets))))
    return _table(("clause", "grouping sets"), rows)


def _examples(listed: Sequence[tuple[str, str]]) -> list[str]:
    rows = []
    for title, sql in listed:
        statement = prepare(sql, catalogue(), RULES)
        measures = [m.statistic.name.lower().replace("_", " ") for m in statement.plan.aggregate.measures]
        rows.append((title, f"`{sql}`", ", ".join(measures)))
    return _table(("for", "example", "nodes add up"), rows)


def _across() -> list[str]:
    rows = []
    for title, sql in ACROSS:
        sides = sides_of(prepare(sql, catalogue(), RULES).plan, catalogue())
        rows.append((title, f"`{sql}`", "; ".join(f"{side.host}: {_computed(side)}" for side in sides)))
    return _table(("for", "example", "each computes, for each person"), rows)


def _computed(side: Side) -> str:
    found = (measure.statistic.name.lower().replace("_", " ") for measure in side.aggregate.measures)
    return ", ".join(dict.fromkeys(found))


def _refused() -> list[str]:
    found: dict[tuple[str, str, str], None] = {}
    for row in (*NODES.values(), *CLAUSES.values()):
        if row.construct:
            found[(row.construct, f"`{row.code}`", row.instead)] = None
    return _table(("construct", "code", "instead"), sorted(found))


def _codes() -> list[str]:
    rows: list[tuple[str, ...]] = []
    for code, row in CODES.items():
        if code.startswith("SQL_"):
            rows.append((f"`{code}`", row.sentence, row.hint))
    return _table(("code", "sentence", "what to do"), rows)


def _listed(names: Sequence[str]) -> str:
    spelled = [name.upper() for name in names]
    return f"{', '.join(spelled[:-1])} and {spelled[-1]}"


def reference() -> str:
    """The whole page, in Markdown."""
    columns: list[tuple[Any, ...]] = [
        (f"`{c.name}`", c.type.name.lower(), values_text(column_domain(c)) if c.name != "id" else "the person")
        for c in COLUMNS
    ]
    lines = [
        "# The SQL that is understood",
        "",
        "Made from the code by `python -m engine.sql.reference`; do not edit. Statements are SELECTs in DuckDB's",
        "dialect. Examples are over these columns; any of them may be NULL, except the person:",
        "",
        *_table(("column", "type", "values"), columns),
        "## Functions",
        "",
        "An expression is a group key if its values are few and known; it can be summed if it is a number with bounds.",
        "A division by zero, and a cast that does not fit, is NULL.",
        "",
        *_functions(),
        "## Aggregates",
        "",
        "NULLs are left out, as in SQL. Every aggregate takes `FILTER (WHERE condition)`. Expressions over aggregates",
        "(ratios, differences, `ROUND`, `CASE`) are computed on released figures and cost nothing more; equal parts of",
        "several aggregates are released once, and all quantiles of one expression come from one tree of counts.",
        "",
        *_aggregates(),
        "## Grouping",
        "",
        "A row of totals has NULL for the keys it leaves out; `GROUPING(key)` is 1 there.",
        "",
        *_clauses(),
        "## Where rows come from",
        "",
        "Joins, EXISTS and IN are on the person, and need datasets of one `placement`, or of two departments (below).",
        "UNION ALL needs the same hosts and identifier, and adds what one person may count.",
        "",
        *_examples(SOURCES),
        "## Joins of two departments",
        "",
        "A JOIN on the person, EXISTS or IN between datasets that two departments hold, one node each, under one",
        "identifier, is a private join: neither learns of the other's rows, and three helpers multiply shares of what",
        "each computes for each of its persons. So every condition, group key and factor reads rows of one side:",
        "a figure is COUNT, SUM, AVG, a variance, or of two columns SUM(a * b), a covariance, CORR or a regression.",
        "Figures per person, filters, unions and joins within a department come first, in derived tables. Quantiles,",
        "MIN and MAX, keys without a list, LEFT JOIN and NOT EXISTS between departments, and a third department are",
        "refused. The agreement has to name `private_join`, and a guardian of each department approves each statement.",
        "Each adds all of the noise: errors are 1.41 times those of one department's answer. Half of delta and a",
        "sixteenth of rho hide how many persons each has.",
        "",
        *_across(),
        "## Over released figures",
        "",
        "Window functions read keys and figures that are released anyway, so they cost nothing; their intervals come",
        f"from the noise of all rows they read. There are {_listed(WINDOWS)}.",
        "A query may also select from one for figures of groups: its WHERE, QUALIFY, ORDER BY and LIMIT act on the",
        "released rows, in the order SQL has them.",
        "",
        *_examples(RELEASED),
        "## Refused, and what to write instead",
        "",
        *_refused(),
        "## Codes",
        "",
        *_codes(),
    ]
    return "\n".join(lines).rstrip() + "\n"


if __name__ == "__main__":
    import sys

    sys.stdout.write(reference())
