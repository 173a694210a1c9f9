"""Random damage to a file: bytes changed, cut, doubled, moved, or taken from another file of the same kind."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random


def damaged(body: bytes, other: bytes, count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """``count`` different copies of ``body``, none equal to it, each with what was done to it."""
    chance = Random(seed)
    while count:
        what, made = _damage(body, other, chance)
        if made != body:
            count -= 1
            yield what, made


def _damage(body: bytes, other: bytes, chance: Random) -> tuple[str, bytes]:
    at, to = sorted(chance.randrange(len(body) + 1) for _ in range(2))
    match chance.choice(("flip", "cut", "end", "double", "swap", "splice", "byte")):
        case "flip":
            at = min(at, len(body) - 1)
            return f"flip {at}", body[:at] + bytes([body[at] ^ 1 << chance.randrange(8)]) + body[at + 1 :]
        case "cut":
            to = min(to, at + chance.choice((1, 2, 8, 100, len(body))))
            return f"cut {at}:{to}", body[:at] + body[to:]
        case "end":
            return f"end {at}", body[:at]
        case "double":
            to = min(to, at + chance.choice((1, 8, 200)))
            return f"double {at}:{to}", body[:to] + body[at:to] + body[to:]
        case "swap":
            size = chance.choice((1, 4, 32, 200))
            if at + size > to or to + size > len(body):
                return "swap nothing", body
            one, two = body[at : at + size], body[to : to + size]
            return f"swap {at} {to} {size}", body[:at] + two + body[at + size : to] + one + body[to + size :]
        case "splice":
            size = chance.choice((1, 4, 32, 200, 2000))
            return f"splice {at} {size}", body[:at] + other[at : at + size] + body[at + size :]
        case _:
            return f"insert {at}", body[:at] + bytes([chance.randrange(256)]) + body[at:]


def lines_moved(body: bytes, other: bytes, count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """As ``damaged``, by whole lines: cut, doubled, swapped, or taken from another file."""
    chance = Random(seed)
    while count:
        lines, others = body.splitlines(keepends=True), other.splitlines(keepends=True)
        at, to = chance.randrange(len(lines)), chance.randrange(len(lines))
        match chance.choice(("cut", "double", "swap", "take", "end")):
            case "cut":
                del lines[at]
            case "double":
                lines.insert(to, lines[at])
            case "swap":
                lines[at], lines[to] = lines[to], lines[at]
            case "take":
                lines[at] = others[min(at, len(others) - 1)]
            case _:
                del lines[at:]
        made = b"".join(lines)
        if made != body:
            count -= 1
            yield f"{at} {to}", made
