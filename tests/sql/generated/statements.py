"""Random statements over the catalogue ``rich``: FROM, WHERE, keys, figures, HAVING, ORDER BY, LIMIT."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any, NamedTuple

from hypothesis import strategies as st
from terms import Draw, Term, Terms


@dataclass(frozen=True)
class Generated:
    """A statement. ``inexact``: columns whose values are rounded to a step; ``completed``: empty groups may show."""

    sql: str
    inexact: frozenset[int]
    completed: bool


class Source(NamedTuple):
    """What stands after FROM, the columns it gives, the person, and what has to be true of a row."""

    sql: str
    columns: tuple[Term, ...]
    person: str
    where: tuple[str, ...] = ()


def _columns(table: str, prefix: str = "") -> tuple[Term, ...]:
    kinds = {
        "people": "region:text sex:text band:int age:int income:dec rate:dec born:date active:bool smoker:bool"
        " note:text",
        "payments": "kind:text amount:dec weeks:int paid:date late:bool",
        "visits": "ward:text nights:int",
    }
    pairs = (pair.split(":") for pair in kinds[table].split())
    return tuple(Term(prefix + name, kind) for name, kind in pairs)


KEYS = {  # columns whose values in the data lie inside their bounds: key -> whether NULL is a key
    "region": False,
    "sex": True,
    "band": False,
    "born": False,
    "active": False,
    "smoker": True,
    "kind": True,
    "paid": False,
    "late": False,
    "ward": False,
}
PERSONS = {"people": "id", "payments": "nino", "visits": "who"}


class Writer:
    """Writes one statement from draws."""

    def __init__(self, draw: Draw) -> None:
        self.draw = draw
        self.open = Terms(draw, ())

    # -- FROM

    def source(self) -> Source:
        shape = self.open.pick(
            [
                "table",
                "table",
                "rows",
                "join",
                "left",
                "exists",
                "in",
                "features",
                "figures",
                "figures",
                "derived",
                "self",
            ]
        )
        made: Source = getattr(self, f"_from_{shape}")()
        return made

    def _from_table(self) -> Source:
        return Source("people", _columns("people"), "id")

    def _from_rows(self) -> Source:
        table = self.open.pick(("payments", "visits"))
        return Source(table, _columns(table), PERSONS[table])

    def _from_join(self, kind: str = "JOIN") -> Source:
        table = self.open.pick(("payments", "visits"))
        sql = f"people AS a {kind} {table} AS b ON a.id = b.{PERSONS[table]}"
        columns = (*_columns("people", "a."), *_columns(table, "b."))
        if self.open.chance(3):
            own = _columns(table, "b.") if kind != "JOIN" else columns
            sql += f" AND {Terms(self.draw, own).term('bool', 1).sql}"
        return Source(sql, columns, "a.id")

    def _from_left(self) -> Source:
        return self._from_join("LEFT JOIN")

    def _from_self(self) -> Source:
        columns = (*_columns("visits", "a."), *_columns("visits", "b."))
        return Source("visits AS a JOIN visits AS b ON a.who = b.who", columns, "a.who")

    def _from_exists(self) -> Source:
        table, no = self.open.pick(("payments", "visits")), self.open.pick(("", "NOT "))
        condition = Terms(self.draw, _columns(table, "b.")).term("bool", 2).sql
        test = f"{no}EXISTS (SELECT 1 FROM {table} AS b WHERE b.{PERSONS[table]} = a.id AND {condition})"
        return Source("people AS a", _columns("people", "a."), "a.id", (test,))

    def _from_in(self) -> Source:
        condition, no = Terms(self.draw, _columns("people")).term("bool", 2).sql, self.open.pick(("", "NOT "))
        test = f"nino {no}IN (SELECT id FROM people WHERE {condition})"
        return Source("payments", _columns("payments"), "nino", (test,))

    def _figures(self) -> tuple[str, tuple[Term, ...]]:
        """Figures per person of payments."""
        rows, listed, columns = Terms(self.draw, _columns("payments")), [], []
        for i in range(self.open.number(1, 3)):
            shape = self.open.pick(("COUNT(*)", "COUNT", "SUM", "SUM", "MIN", "MAX", "BOOL_OR", "BOOL_AND", "COUNT_IF"))
            kind = "bool" if shape in ("BOOL_OR", "BOOL_AND", "COUNT_IF") else self.open.pick(("int", "dec"))
            if shape in ("MIN", "MAX", "COUNT") and self.open.chance(3):
                kind = "date"
            inner = Terms(self.draw, [c for c in _columns("payments") if c.kind == kind]).term(kind, 1)
            exact = inner.exact
            inner = rows.column(kind) if not exact else inner
            text = shape if shape == "COUNT(*)" else f"{shape}({inner.sql})"
            if self.open.chance(3):
                text += f" FILTER (WHERE {rows.term('bool', 1).sql})"
            text = f"COALESCE({text}, 0)" if shape == "COUNT_IF" else text  # the engine's is NULL over NULLs
            made = "int" if shape.startswith("COUNT") else kind
            listed.append(f"{text} AS f{i}")
            columns.append(Term(f"g.f{i}", made))
        where = f" WHERE {rows.term('bool', 2).sql}" if self.open.chance(2) else ""
        having = f" HAVING COUNT(*) {self.open.pick(('>= 2', '< 3', '>= 1'))}" if self.open.chance(3) else ""
        return f"(SELECT nino, {', '.join(listed)} FROM payments{where} GROUP BY nino{having}) AS g", tuple(columns)

    def _from_figures(self) -> Source:
        sql, columns = self._figures()
        return Source(sql, columns, "g.nino")

    def _from_features(self) -> Source:
        sql, columns = self._figures()
        kind = self.open.pick(("JOIN", "LEFT JOIN"))
        return Source(f"people AS a {kind} {sql} ON a.id = g.nino", (*_columns("people", "a."), *columns), "a.id")

    def _from_derived(self) -> Source:
        terms = Terms(self.draw, _columns("people"))
        kind = self.open.pick(("int", "dec", "text", "bool", "date"))
        made = terms.term(kind, 2)
        where = f" WHERE {terms.term('bool', 1).sql}" if self.open.chance(2) else ""
        columns = (*_columns("people", "h."), Term("h.v", kind, made.exact))
        return Source(f"(SELECT *, {made.sql} AS v FROM people{where}) AS h", columns, "h.id")

    # -- keys

    def keys(self, source: Source) -> list[tuple[str, bool]]:
        """Expressions to group by, and whether a row whose key is NULL is in a group."""
        terms = Terms(self.draw, source.columns)
        plain = [c for c in source.columns if c.sql.split(".")[-1] in KEYS]
        outer = " LEFT JOIN " in source.sql
        found: list[tuple[str, bool]] = []
        for _ in range(self.open.pick((0, 0, 1, 1, 1, 2, 2, 3))):
            found.append(self._key(terms, plain, outer))
        return list(dict(found).items())

    def _key(self, terms: Terms, plain: list[Term], outer: bool) -> tuple[str, bool]:
        shape = self.open.pick(("column", "column", "column", "case", "truth", "part", "coalesce"))
        if shape == "case" or not plain:
            one, two = terms.term("bool", 1).sql, terms.term("bool", 1).sql
            return f"CASE WHEN {one} THEN 'a' WHEN {two} THEN 'b' ELSE 'c' END", True
        if shape == "truth":
            return f"coalesce({terms.term('bool', 1).sql}, false)", True
        column = self.open.pick(plain)
        name = column.sql.split(".")[-1]
        listed = KEYS[name] or (outer and column.sql.startswith(("b.", "g.")))
        if shape == "coalesce" and column.kind == "text":
            return f"coalesce({column.sql}, '?')", True
        if shape == "part" and column.kind == "int":
            return f"{column.sql} {self.open.pick(('// 2', '% 3', '+ 1'))}", listed
        if shape == "part" and column.kind == "date":
            return f"CAST(date_trunc('{self.open.pick(('week', 'month', 'quarter'))}', {column.sql}) AS DATE)", listed
        if shape == "part" and column.kind == "text":
            return f"{self.open.pick(('upper', 'lower'))}({column.sql})", listed
        return column.sql, listed

    # -- figures

    def figure(self, source: Source) -> tuple[str, bool]:
        """An aggregate, and whether its value is exact."""
        terms = Terms(self.draw, source.columns)
        shape = self.open.pick(
            [
                "COUNT(*)",
                "COUNT",
                "DISTINCT",
                "IF",
                "SUM",
                "SUM",
                "SUM",
                "AVG",
                "VAR_POP",
                "STDDEV",
                "COVAR_POP",
                "MEDIAN",
                "QUANTILE",
                "REGR_COUNT",
                "TRUE",
            ]
        )
        kind = self.open.pick(("int", "dec"))
        value = terms.term(kind, self.open.number(0, 2))
        exact = value.exact
        if shape == "COUNT(*)":
            text, exact = shape, True
        elif shape == "COUNT":
            text, exact = f"COUNT({terms.term(self.open.pick(('int', 'text', 'date', 'bool')), 2).sql})", True
        elif shape == "DISTINCT":
            text, exact = f"COUNT(DISTINCT {source.person})", True
        elif shape == "IF":
            return f"COALESCE(COUNT_IF({terms.term('bool', 2).sql}), 0)", True  # the engine's is NULL over NULLs
        elif shape == "TRUE":
            text, exact = f"SUM({terms.term('bool', 2).sql})", True
        elif shape in ("COVAR_POP", "REGR_COUNT"):
            text, exact = f"{shape}({value.sql}, {terms.term('int', 1).sql})", shape == "REGR_COUNT"
        elif shape == "QUANTILE":
            name, at = self.open.pick(("QUANTILE_DISC", "QUANTILE_CONT")), self.open.pick(("0", "0.25", "0.9", "1"))
            text, exact = f"{name}({value.sql}, {at})", False
        else:
            text, exact = f"{shape}({value.sql})", exact and shape in ("SUM", "AVG")
        if self.open.chance(4):
            text += f" FILTER (WHERE {terms.term('bool', 2).sql})"
        return text, exact

    def derived(self, source: Source) -> str:
        """An expression over exact figures."""
        first, second = (self._whole(source) for _ in range(2))
        return str(
            self.open.pick(
                (
                    f"{first} + {second} * 2",
                    f"{first} - {second}",
                    f"{first} / NULLIF({second}, 0)",
                    f"{first} > {second}",
                    f"CASE WHEN {first} > {second} THEN 'more' WHEN {second} IS NULL THEN 'none' ELSE 'less' END",
                    f"GREATEST({first}, {second}) // 2",
                    f"ROUND({first} / 4) + {second}",
                    f"CAST({first} AS VARCHAR) || '!'",
                )
            )
        )

    def _whole(self, source: Source) -> str:
        terms = Terms(self.draw, source.columns)
        return str(
            self.open.pick(
                ("COUNT(*)", f"COUNT({terms.column('int').sql})", f"COALESCE(SUM({terms.term('int', 1).sql}), 0)")
            )
        )

    # -- the whole

    def statement(self) -> Generated:
        source, inexact = self.source(), set[int]()
        terms = Terms(self.draw, source.columns)
        keys = self.keys(source)
        items = [f"{sql} AS k{i}" for i, (sql, _) in enumerate(keys)]
        completed = bool(keys) and self.open.chance(3)
        for place in range(self.open.number(1, 3)):
            if not completed and self.open.chance(4):
                items.append(f"{self.derived(source)} AS o{place}")
                continue
            text, exact = self.figure(source)
            inexact |= set() if exact else {len(items)}
            items.append(f"{text} AS o{place}")
        where = [*source.where] + [terms.term("bool", 2).sql for _ in range(self.open.pick((0, 1, 1)))]
        groups, having, items = self._groups(keys, items, completed)
        sql = f"SELECT {', '.join(items)} FROM {source.sql}"
        sql += f" WHERE {' AND '.join(where)}" if where else ""
        sql += groups + (f" HAVING {' AND '.join(having)}" if having else "")
        return Generated(sql + self._order(keys, items, inexact, completed), frozenset(inexact), completed)

    def _groups(
        self, keys: list[tuple[str, bool]], items: list[str], completed: bool
    ) -> tuple[str, list[str], list[str]]:
        """GROUP BY and HAVING: rows whose key is NULL are in no group unless NULL is a key."""
        if not keys:
            return "", ["COUNT(*) >= 0"] if self.open.chance(4) else [], items
        names = [sql for sql, _ in keys]
        simple = all(name.replace(".", "").isalnum() for name in names)
        shape = self.open.pick(
            ("plain", "plain", "position", "all", "rollup", "cube", "sets") if simple else ("plain",)
        )
        written = {
            "plain": ", ".join(names),
            "position": ", ".join(str(i + 1) for i in range(len(names))),
            "all": "ALL",
            "rollup": f"ROLLUP ({', '.join(names)})",
            "cube": f"CUBE ({', '.join(names)})",
            "sets": f"GROUPING SETS (({', '.join(names)}), ({names[0]}), ())"
            if len(names) > 1
            else f"GROUPING SETS (({names[0]}), ())",
        }[shape]
        several = shape in ("rollup", "cube", "sets")
        having = [] if completed else ["COUNT(*) > 0"]
        for name, listed in keys:
            if not listed:
                having.append(f"({name} IS NOT NULL OR GROUPING({name}) = 1)" if several else f"{name} IS NOT NULL")
        if several:
            items = [*items, f"GROUPING({', '.join(names)}) AS g_"]
        if not completed and self.open.chance(5):
            having.append(f"COUNT(*) < {self.open.number(2, 9)}")
        return f" GROUP BY {written}", having, items

    def _order(self, keys: list[tuple[str, bool]], items: list[str], inexact: set[int], completed: bool) -> str:
        """A total order, so that LIMIT means one thing; without one, none."""
        if self.open.chance(2):
            return ""
        direction = ("", " DESC", " NULLS FIRST", " DESC NULLS LAST", " ASC")
        stable = [i for i in range(len(keys), len(items)) if i not in inexact and not items[i].startswith("SUM(")]
        first = [i + 1 for i in stable if self.open.chance(2)]  # a sum over nobody is 0 here and NULL in the engine
        last = list(range(1, len(keys) + 1)) + [i + 1 for i, text in enumerate(items) if text.endswith(" AS g_")]
        wanted = list(dict.fromkeys([*first, *last]))
        if not wanted:
            return ""
        text = " ORDER BY " + ", ".join(f"{i}{self.open.pick(direction)}" for i in wanted)
        if not completed and self.open.chance(3):
            text += f" LIMIT {self.open.number(0, 5)}" + (
                f" OFFSET {self.open.number(0, 2)}" if self.open.chance(3) else ""
            )
        return text


@st.composite
def statements(draw: Any) -> Generated:
    """One random statement that can be made smaller; most are accepted."""
    return Writer(lambda low, high: draw(st.integers(low, high))).statement()


def seeded(seed: int) -> Generated:
    """One random statement of a wider mixture: every choice is drawn alike."""
    return Writer(random.Random(seed).randint).statement()
