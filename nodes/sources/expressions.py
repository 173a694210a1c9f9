"""Typed expressions rendered as SQL of one dialect, evaluated totally.

Claim: no text of a plan stands in the result outside quotes, the result has a value or NULL on every row, and a
       column in the value position of a group key reads its key form (NULL outside the bounds) while predicates and
       measures read its clamped form.
Because: names and texts are quoted here and nowhere else; an operation is written plainly only where the derived
         domain proves that it fits its type, guarded otherwise; the key position ends at every predicate.
Checked by: tests/sources/test_render.py::test_every_function_is_total
            tests/sources/test_render.py::test_names_and_texts_are_quoted
            tests/sources/test_render.py::test_key_position_ends_at_predicates
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import reduce
from itertools import count

from engine.errors import Refused
from engine.trusted.domain import Domain, bounded
from engine.trusted.domains import Scope, domain_of
from engine.trusted.plan import Call, ColumnRef, Expression, Function, Literal, Type
from nodes.sources.dialect import Dialect, quoted, text_literal

F = Function
KEY = "$key"
COMPARISONS = frozenset({F.EQUAL, F.NOT_EQUAL, F.LESS, F.LESS_EQUAL, F.GREATER, F.GREATER_EQUAL})
PREDICATES = COMPARISONS | {F.IN, F.IS_NULL, F.LIKE, F.AND, F.OR, F.NOT}
WIDENED = frozenset({F.ADD, F.SUBTRACT, F.MULTIPLY, F.NEGATE, F.ABS})
FOLDED = frozenset({F.LEAST, F.GREATEST, F.CONCAT})
ALIKE = WIDENED | {F.LEAST, F.GREATEST, F.COALESCE, F.NULLIF, F.CASE}  # arguments take the type of the result
CASTS = {
    F.CAST_INTEGER: Type.INTEGER,
    F.CAST_DECIMAL: Type.DECIMAL,
    F.CAST_TEXT: Type.TEXT,
    F.CAST_DATE: Type.DATE,
    F.CAST_BOOLEAN: Type.BOOLEAN,
}


class Atom(str):
    """Text that may be repeated: a quoted name or a literal."""

    __slots__ = ()


class Expressions:
    """Renders expressions over one scope. ``keyed``: columns that also have a ``$key`` form; ``local``: a node's own
    binding, whose integers have no bounds."""

    def __init__(
        self, dialect: Dialect, scope: Scope, *, keyed: frozenset[str] = frozenset(), local: bool = False
    ) -> None:
        self.dialect = dialect
        self.scope = scope
        self.keyed = keyed
        self.local = local
        self._names = count()

    def domain(self, expression: Expression) -> Domain:
        return domain_of(expression, self.scope, local=self.local)

    def value(self, expression: Expression, *, key: bool = False) -> str:
        """SQL of one expression; ``key``: it stands in the value position of a group key."""
        if isinstance(expression, ColumnRef):
            return Atom(quoted(expression.name + KEY if key and expression.name in self.keyed else expression.name))
        if isinstance(expression, Literal):
            return self.literal(expression)
        return self._call(expression, key and expression.function not in PREDICATES)

    def literal(self, literal: Literal) -> str:
        value = literal.value
        if value is None:
            return Atom(self.dialect.cast("NULL", literal.type))
        if isinstance(value, str) and "\0" in value:
            raise Refused("POLICY_PLAN_INVALID", internal="NUL in a text")
        text = str(float(value)) if isinstance(value, Fraction) else str(value)
        return Atom(self.dialect.cast(text_literal(text), literal.type))

    def bound(self, template: str, *arguments: str) -> str:
        """A template filled in; what it repeats and is no atom is computed once, under a name."""
        repeated = [i for i, a in enumerate(arguments) if template.count(f"{{{i}}}") > 1 and not isinstance(a, Atom)]
        if not repeated:
            return template.format(*arguments)
        name = quoted(f"let${next(self._names)}")
        named = [f"{name}.a{i}" if i in repeated else a for i, a in enumerate(arguments)]
        fields = ", ".join(self.dialect.field.format(f"a{i}", arguments[i]) for i in repeated)
        return self.dialect.let.format(template.format(*named), name, fields)

    def converted(self, text: str, source: Type, to: Type, *, exact: bool = True) -> str:
        """A value of one type as another, NULL where it does not fit; ``exact``: an integer within 2**53."""
        tried = self.dialect.try_cast(text, to)
        if source is to:
            return text
        if to is Type.INTEGER and source is Type.DECIMAL:
            tried = self.dialect.try_cast(f"round({text})", to)
        if to is Type.INTEGER and source is not Type.BOOLEAN and exact:
            return self.bound(self.dialect.exact, tried)
        if to is Type.DECIMAL and source is not Type.INTEGER:
            return self.dialect.finite.format(tried)
        return self.bound(self.dialect.dated, tried) if to is Type.DATE else tried

    def _call(self, call: Call, key: bool) -> str:
        function, result = call.function, self.domain(call)
        if function in CASTS:
            source, text = self.domain(call.arguments[0]).type, self.value(call.arguments[0], key=key)
            return text if source is result.type else self.converted(text, source, result.type)
        arguments = self._arguments(call, key, result.type if function in ALIKE else None)
        special = _SPECIAL.get(function)
        if special is not None:
            return special(self, call, arguments)
        template = self.dialect.templates[function]
        if function in FOLDED:
            return reduce(lambda text, argument: self.bound(template, text, argument), arguments)
        if result.type is Type.INTEGER and not bounded(result) and function in WIDENED:
            return self.dialect.wide.format(template.format(*(self.dialect.widen.format(a) for a in arguments)))
        text = self.bound(template, *arguments)
        if result.type is Type.DECIMAL and not bounded(result):
            return self.dialect.finite.format(text)
        return self.bound(self.dialect.dated, text) if function is F.ADD_DAYS else text

    def _arguments(self, call: Call, key: bool, kind: Type | None) -> list[str]:
        """The conditions of a CASE are predicates; an INTEGER becomes DECIMAL where the result is (``kind``)."""
        texts = []
        for position, argument in enumerate(call.arguments):
            condition = call.function is F.CASE and position % 2 == 0 and position + 1 < len(call.arguments)
            text = self.value(argument, key=key and not condition)
            if kind is Type.DECIMAL and not condition and self.domain(argument).type is Type.INTEGER:
                text = self.dialect.cast(text, Type.DECIMAL)
            texts.append(text)
        return texts

    def _case(self, call: Call, arguments: list[str]) -> str:
        pairs = zip(arguments[:-1:2], arguments[1::2], strict=True)
        return "CASE " + " ".join(f"WHEN {when} THEN {then}" for when, then in pairs) + f" ELSE {arguments[-1]} END"

    def _joined(self, call: Call, arguments: list[str]) -> str:
        return "(" + f" {call.function.name} ".join(arguments) + ")"

    def _in(self, call: Call, arguments: list[str]) -> str:
        return f"({arguments[0]} IN ({', '.join(arguments[1:])}))"

    def _coalesce(self, call: Call, arguments: list[str]) -> str:
        return f"COALESCE({', '.join(arguments)})"

    def _rounded(self, call: Call, arguments: list[str]) -> str:
        """FLOOR, CEIL and ROUND keep the type; an integer changes only if digits before the point go."""
        digits = next((a.value for a in call.arguments[1:] if isinstance(a, Literal)), 0)
        argument = self.domain(call.arguments[0])
        if argument.type is Type.INTEGER and not (isinstance(digits, int) and digits < 0):
            return arguments[0]
        text = self.dialect.templates[call.function].format(arguments[0], digits)
        return text if bounded(argument) or argument.type is Type.INTEGER else self.dialect.finite.format(text)


_SPECIAL: dict[Function, Callable[[Expressions, Call, list[str]], str]] = {
    F.CASE: Expressions._case,
    F.AND: Expressions._joined,
    F.OR: Expressions._joined,
    F.IN: Expressions._in,
    F.COALESCE: Expressions._coalesce,
    **dict.fromkeys((F.FLOOR, F.CEIL, F.ROUND), Expressions._rounded),
}
