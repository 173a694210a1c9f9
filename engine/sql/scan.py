"""Limits on the text of a statement, checked before any parser sees it.

One pass over the characters knows literals, quoted names and comments. It refuses what parsers read differently:
anything but ASCII outside text literals, prefixed, adjacent or dollar-quoted literals, odd numbers, back-quotes,
brackets nested deeper than 64, statements that begin with FROM, and characters no statement of the language needs.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from engine.errors import Position, Refused
from engine.sql.keywords import KEYWORDS

LARGEST_TEXT = 16 * 1024
DEEPEST = 64
MOST_PARTS = 2_000
MOST_JOIN_WORDS = 8  # a plan holds 6 joins; a parser tries each JOIN without its ON in two ways, one inside the other
LONGEST_NUMBER = 40  # characters before an exponent, and digits of one: what follows stays cheap
LONGEST_POWER = 3
_NUMBER = re.compile(r"([0-9]+(_[0-9]+)*(\.([0-9]+(_[0-9]+)*)?)?|\.[0-9]+(_[0-9]+)*)([eE][+-]?[0-9]+)?")
_DIGITS = frozenset("0123456789")
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SPACE = re.compile(r"[ \t\r\n]+")
_PLAIN = frozenset("+-*/%=<>(),.;")
_OPERATORS = frozenset(("+", "-", "*", "/", "%", "=", "<", ">", "||", "::", "!="))  # two may be one part: <=
_CONNECTING = frozenset(("and", "or", "not"))
_HIDDEN = frozenset(("Cc", "Cf", "Zl", "Zp", "Cs", "Co", "Cn"))


@dataclass(frozen=True, slots=True)
class Lexeme:
    """One word, number, literal, quoted name or sign of the statement, with its offset."""

    kind: str  # word, number, text, name, sign
    text: str
    start: int


def position_of(sql: str, offset: int) -> Position:
    """Line and column, both from 1, of a character."""
    line = sql.count("\n", 0, offset) + 1
    return Position(line, offset - sql.rfind("\n", 0, offset))


def scan(sql: str) -> tuple[Lexeme, ...]:
    """The lexemes of a statement within the limits; raises Refused SQL_* with the place."""
    if len(sql) > LARGEST_TEXT or len(sql.encode("utf-8", "surrogatepass")) > LARGEST_TEXT:
        raise Refused("SQL_TEXT_TOO_LONG")
    for offset, character in enumerate(sql):
        if character not in "\t\r\n" and not " " <= character <= "~" and unicodedata.category(character) in _HIDDEN:
            raise _character(sql, offset)
    found: list[Lexeme] = []
    offset = 0
    while offset < len(sql):
        offset = _next(sql, offset, found)
    _check_parts(sql, found)
    _check_depth(sql, found)
    joins = [lexeme.start for lexeme in found if (lexeme.kind, lexeme.text) == ("word", "join")]
    if len(joins) > MOST_JOIN_WORDS:
        raise Refused("SQL_TOO_COMPLEX", at=position_of(sql, joins[MOST_JOIN_WORDS]), what=f"{len(joins)} joins")
    _check_beginnings(sql, found)
    return tuple(found)


def _character(sql: str, offset: int) -> Refused:
    character = sql[offset]
    shown = character if " " < character <= "~" else f"U+{ord(character):04X}"
    return Refused("SQL_CHARACTER", at=position_of(sql, offset), character=shown)


def _syntax(sql: str, offset: int, detail: str) -> Refused:
    return Refused("SQL_SYNTAX", at=position_of(sql, offset), detail=detail)


def _next(sql: str, offset: int, found: list[Lexeme]) -> int:
    """Reads one lexeme, comment or run of spaces; returns where the next begins."""
    character = sql[offset]
    if space := _SPACE.match(sql, offset):
        return space.end()
    if sql.startswith("--", offset):
        end = sql.find("\n", offset)
        return _comment(sql, offset, end if end >= 0 else len(sql))
    if sql.startswith("/*", offset):
        end = sql.find("*/", offset + 2)
        if end < 0:
            raise _syntax(sql, offset, "a comment does not end")
        if "/*" in sql[offset + 2 : end] or sql.startswith("/*+", offset):
            raise _syntax(sql, offset, "hints and comments inside comments are not read")
        return _comment(sql, offset, end + 2)
    if character in "'\"":
        return _quoted(sql, offset, found)
    if character in _DIGITS or (character == "." and sql[offset + 1 : offset + 2] in _DIGITS):
        return _number(sql, offset, found)
    if word := _WORD.match(sql, offset):
        found.append(Lexeme("word", word.group().lower(), offset))
        return word.end()
    for sign in ("::", "!=", "||"):
        if sql.startswith(sign, offset):
            found.append(Lexeme("sign", sign, offset))
            return offset + 2
    if character not in _PLAIN:
        raise _character(sql, offset)
    found.append(Lexeme("sign", character, offset))
    return offset + 1


def _comment(sql: str, start: int, end: int) -> int:
    for offset in range(start, end):
        if not sql[offset].isascii():
            raise _character(sql, offset)
    return end


def _quoted(sql: str, offset: int, found: list[Lexeme]) -> int:
    """A text literal or a quoted name; a doubled quote stands for itself."""
    quote = sql[offset]
    kind = "text" if quote == "'" else "name"
    touches = offset > 0 and (sql[offset - 1].isalnum() or sql[offset - 1] == "_")
    if touches and found[-1].text not in ("date", "as", "in"):
        raise _syntax(sql, offset, "a quote follows a word without a space")
    if found and found[-1].kind == "text" and kind == "text":
        raise _syntax(sql, offset, "two text literals stand side by side; join them with ||")
    end = offset + 1
    while True:
        end = sql.find(quote, end)
        if end < 0:
            raise _syntax(sql, offset, "a quote is not closed")
        if not sql.startswith(quote, end + 1):
            break
        end += 2
    inside = sql[offset + 1 : end]
    if kind == "name" and (not inside or not inside.isascii()):
        raise _syntax(sql, offset, "a quoted name is empty or has characters outside ASCII")
    found.append(Lexeme(kind, inside.replace(quote * 2, quote), offset))
    return end + 1


def _number(sql: str, offset: int, found: list[Lexeme]) -> int:
    number = _NUMBER.match(sql, offset)
    end = number.end() if number else offset
    if number is None or re.match(r"[A-Za-z0-9_.'\"]", sql[end : end + 1]):
        raise _syntax(sql, offset, "a number is not written in decimal digits")
    size, _, power = number.group().lower().partition("e")
    if len(size) > LONGEST_NUMBER or len(power.lstrip("+-")) > LONGEST_POWER:
        raise Refused("SQL_LITERAL", at=position_of(sql, offset), problem="a number has too many digits")
    found.append(Lexeme("number", number.group(), offset))
    return end


def _check_parts(sql: str, found: list[Lexeme]) -> None:
    """No more than 2,000 parts, as far as lexemes tell: the parser takes long over many, and refuses them after."""
    halves = 0
    for lexeme in found:
        if lexeme.kind == "sign":
            halves += lexeme.text in _OPERATORS
        elif lexeme.kind != "word" or lexeme.text in _CONNECTING or lexeme.text not in KEYWORDS:
            halves += 2
        if halves > 2 * MOST_PARTS:
            raise Refused("SQL_TOO_MANY_PARTS", at=position_of(sql, lexeme.start))


def _check_depth(sql: str, found: list[Lexeme]) -> None:
    """Brackets and CASE ... END nested at most 64 deep and closed in order."""
    opened: list[str] = []
    for lexeme in found:
        text = lexeme.text if lexeme.kind in ("word", "sign") else ""
        if text in ("(", "case"):
            opened.append(text)
        closes = text == ")" or (text == "end" and opened and opened[-1] == "case")
        if closes and (not opened or opened.pop() != ("(" if text == ")" else "case")):
            raise _syntax(sql, lexeme.start, "a bracket or CASE is not closed")
        if len(opened) > DEEPEST:
            raise Refused("SQL_TOO_DEEP", at=position_of(sql, lexeme.start))
    if opened:
        raise _syntax(sql, max(0, len(sql) - 1), "a bracket or CASE is not closed")


def _check_beginnings(sql: str, found: list[Lexeme]) -> None:
    """A statement and a query in parentheses begin with SELECT or WITH, never with FROM or TABLE."""
    for before, lexeme in zip([None, *found], found, strict=False):
        begins = before is None or (before.kind == "sign" and before.text in ("(", ";"))
        if begins and lexeme.kind == "word" and lexeme.text in ("from", "table"):
            raise Refused("SQL_NOT_A_QUERY", at=position_of(sql, lexeme.start))
    if not found:
        raise _syntax(sql, 0, "the statement is empty")
