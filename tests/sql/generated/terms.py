"""Random well-typed expressions: what a statement may compute from the columns it reads.

Every expression means the same in the language and in the engine; where they differ (division by zero, casts of
halves, decimals beside whole numbers) the tables say so, and nothing of the kind is written here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

Draw = Callable[[int, int], int]  # a whole number from the first to the last


class Term(NamedTuple):
    """An expression. ``exact``: its values lie on the step of its columns, so sums of it are exact."""

    sql: str
    kind: str  # int, dec, date, text, bool
    exact: bool = True
    nullable: bool = True


TEXTS = ("N", "S", "East", "F", "M", "child", "A", "", "x y", "é", "it''s", "42")
DAYS = ("2019-12-30", "2020-01-01", "2020-02-28", "2020-02-29", "2020-03-01", "2019-12-31")
COMPARISONS = ("=", "<>", "<", "<=", ">", ">=", "!=")


class Terms:
    """Draws expressions over ``columns``; ``depth`` bounds how they nest."""

    def __init__(self, draw: Draw, columns: Sequence[Term]) -> None:
        self.draw = draw
        self.columns = tuple(columns)

    def pick(self, choices: Sequence[Any]) -> Any:
        return choices[self.draw(0, len(choices) - 1)]

    def number(self, low: int, high: int) -> int:
        return self.draw(low, high)

    def chance(self, one_in: int) -> bool:
        return self.number(1, one_in) == 1

    def column(self, kind: str) -> Term:
        held = [c for c in self.columns if c.kind == kind]
        return self.pick(held) if held else self.literal(kind)

    def has(self, kind: str) -> bool:
        return any(c.kind == kind for c in self.columns)

    def literal(self, kind: str) -> Term:
        texts = {
            "int": lambda: str(self.number(-3, 60)),
            "dec": lambda: self.pick(("0.5", "2.25", "-1.75", "100.0", "0.25", "7.5")),
            "date": lambda: f"DATE '{self.pick(DAYS)}'",
            "text": lambda: f"'{self.pick(TEXTS)}'",
            "bool": lambda: self.pick(("true", "false")),
        }
        return Term(texts[kind](), kind, nullable=False)

    def term(self, kind: str, depth: int) -> Term:
        """An expression of one type."""
        if depth <= 0 or self.chance(4):
            return self.literal(kind) if self.chance(5) else self.column(kind)
        found: Term = getattr(self, f"_{kind}")(depth - 1)
        return found

    # -- what every type can do

    def _chosen(self, kind: str, depth: int) -> Term:
        first, second = self.term(kind, depth), self.term(kind, depth)
        shape = self.pick(("case", "case2", "coalesce", "nullif", "subject"))
        exact = first.exact and second.exact
        if shape == "case":
            return Term(f"CASE WHEN {self.term('bool', depth).sql} THEN {first.sql} ELSE {second.sql} END", kind, exact)
        if shape == "case2":
            when, then = self.term("bool", depth).sql, self.term("bool", depth).sql
            return Term(f"CASE WHEN {when} THEN {first.sql} WHEN {then} THEN {second.sql} END", kind, exact)
        if shape == "coalesce":
            return Term(f"coalesce({first.sql}, {second.sql})", kind, exact)
        if shape == "nullif":
            return Term(f"nullif({first.sql}, {second.sql})", kind, first.exact)
        subject = self.column("text")
        return Term(f"CASE {subject.sql} WHEN '{self.pick(TEXTS)}' THEN {first.sql} ELSE {second.sql} END", kind, exact)

    def _int(self, depth: int) -> Term:
        shape = self.pick(("arithmetic", "arithmetic", "whole", "one", "extreme", "date", "text", "truth", "chosen"))
        if shape == "arithmetic":
            return Term(f"({self.term('int', depth).sql} {self.pick('+-*')} {self.term('int', depth).sql})", "int")
        if shape == "whole":
            divisor = self.pick((2, 3, 7, -4, 10))
            return Term(f"({self.term('int', depth).sql} {self.pick(('//', '%'))} {divisor})", "int")
        if shape == "one":
            return Term(f"{self.pick(('abs', '- ', 'round'))}({self.term('int', depth).sql})", "int")
        if shape == "extreme":
            more = [self.term("int", depth).sql for _ in range(self.number(2, 3))]
            return Term(f"{self.pick(('least', 'greatest'))}({', '.join(more)})", "int")
        if shape == "date":
            first, second = self.term("date", depth).sql, self.term("date", depth).sql
            part = self.pick(("year", "quarter", "month", "day", "isodow", "dayofweek"))
            unit = self.pick(("day", "month", "year"))
            written = (f"{part}({first})", f"date_diff('{unit}', {first}, {second})", f"({first} - {second})")
            return Term(self.pick(written), "int")
        if shape == "text":
            return Term(f"length({self.term('text', depth).sql})", "int")
        if shape == "truth":
            return Term(f"CAST({self.term('bool', depth).sql} AS INTEGER)", "int")
        return self._chosen("int", depth)

    def _dec(self, depth: int) -> Term:
        shape = self.pick(("sum", "sum", "product", "quotient", "round", "one", "extreme", "cast", "chosen"))
        first = self.term("dec", depth)
        if shape == "sum":
            second = self.term(self.pick(("dec", "int")), depth)
            return Term(f"({first.sql} {self.pick('+-')} {second.sql})", "dec", first.exact and second.exact)
        if shape == "product":
            return Term(f"({first.sql} * {self.term('dec', depth).sql})", "dec", False)
        if shape == "quotient":
            return Term(f"({self.column('dec').sql} / {self.pick((2, 3, 7, 12))})", "dec", False)
        if shape == "round":
            return Term(f"round({first.sql}, {self.pick((0, 1, -1))})", "dec", False)
        if shape == "one":
            function = self.pick(("abs", "floor", "ceil", "-"))
            text = f"(- {first.sql})" if function == "-" else f"{function}({first.sql})"
            return Term(text, "dec", first.exact or function in ("floor", "ceil"))
        if shape == "extreme":
            second = self.term("dec", depth)
            text = f"{self.pick(('least', 'greatest'))}({first.sql}, {second.sql})"
            return Term(text, "dec", first.exact and second.exact)
        if shape == "cast":
            return Term(f"CAST({self.term('int', depth).sql} AS DOUBLE)", "dec")
        return self._chosen("dec", depth)

    def _date(self, depth: int) -> Term:
        shape = self.pick(("truncate", "truncate", "add", "extreme", "chosen"))
        first = self.term("date", depth).sql
        if shape == "truncate":
            grain = self.pick(("day", "week", "month", "quarter", "year"))
            return Term(f"CAST(date_trunc('{grain}', {first}) AS DATE)", "date")
        if shape == "add":
            return Term(f"({first} {self.pick('+-')} {self.number(0, 40)})", "date")
        if shape == "extreme":
            return Term(f"{self.pick(('least', 'greatest'))}({first}, {self.term('date', depth).sql})", "date")
        return self._chosen("date", depth)

    def _text(self, depth: int) -> Term:
        shape = self.pick(("case", "trim", "part", "join", "concat", "number", "chosen"))
        first = self.term("text", depth).sql
        if shape == "case":
            return Term(f"{self.pick(('upper', 'lower'))}({first})", "text")
        if shape == "trim":
            return Term(f"trim({first})", "text")
        if shape == "part":
            start, size = self.number(1, 4), self.number(0, 4)
            return Term(self.pick((f"substring({first}, {start}, {size})", f"left({first}, {size})")), "text")
        if shape == "join":
            return Term(f"({first} || {self.term('text', depth).sql})", "text")
        if shape == "concat":
            return Term(f"concat({first}, '-', {self.term('text', depth).sql})", "text")
        if shape == "number":
            return Term(f"CAST({self.column('int').sql} AS VARCHAR)", "text")
        return self._chosen("text", depth)

    def _bool(self, depth: int) -> Term:
        shape = self.pick(
            ("compare", "compare", "compare", "both", "not", "null", "between", "in", "like", "is", "chosen")
        )
        kind = self.pick([k for k in ("int", "dec", "date", "text") if self.has(k)] or ["int"])
        if shape == "compare":
            signs = ("=", "<>") if kind == "text" else COMPARISONS
            return Term(f"({self.term(kind, depth).sql} {self.pick(signs)} {self.term(kind, depth).sql})", "bool")
        if shape == "both":
            several = [self.term("bool", depth).sql for _ in range(self.number(2, 3))]
            word = f" {self.pick(('AND', 'OR'))} "
            return Term(f"({word.join(several)})", "bool")
        if shape == "not":
            return Term(f"(NOT {self.term('bool', depth).sql})", "bool")
        if shape == "null":
            return Term(f"({self.term(kind, depth).sql} IS {self.pick(('', 'NOT '))}NULL)", "bool", nullable=False)
        if shape == "between":
            kind = kind if kind != "text" else "int"
            value, low, high = (self.term(kind, depth).sql for _ in range(3))
            return Term(f"({value} {self.pick(('', 'NOT '))}BETWEEN {low} AND {high})", "bool")
        if shape == "in":
            listed = ", ".join(self.literal(kind).sql for _ in range(self.number(1, 3)))
            return Term(f"({self.term(kind, depth).sql} {self.pick(('', 'NOT '))}IN ({listed}))", "bool")
        if shape == "like":
            pattern = self.pick(("%", "N%", "%t", "_", "%e%", "__", "E_st", ""))
            return Term(f"({self.term('text', depth).sql} {self.pick(('', 'NOT '))}LIKE '{pattern}')", "bool")
        if shape == "is":
            truth = self.pick(("TRUE", "FALSE"))
            return Term(f"({self.term('bool', depth).sql} IS {self.pick(('', 'NOT '))}{truth})", "bool", nullable=False)
        return self._chosen("bool", depth)
