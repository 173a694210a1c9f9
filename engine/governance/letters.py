"""Somebody else's words, for terminals, pages and papers: with nothing in them that acts, hides or changes a letter."""

from __future__ import annotations

from engine.trusted.wording import shows


def plain(text: str) -> str:
    """On one line: what is no letter or sign by itself (wording.py says which) stands there as its number."""
    return "".join(c if shows(c) else " " if c.isspace() else _number(c) for c in text)


def _number(character: str) -> str:
    code = ord(character)
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
