"""Loss over time against the cap, as a small drawing with words beside it: steps that never go down.

Lines differ by their dashes and are named at their ends, so no colour has to be told apart; what a drawing shows is
said in its description and stands in the table below it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from engine.governance.register.html import text

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 640, 240, 70, 150, 16, 36
DASHES = ("", "8 4", "2 4", "12 4 2 4", "4 8")
COLOURS = ("#00508f", "#6b2a00", "#00573a", "#4c2c92", "#0b0c0c")


@dataclass(frozen=True, slots=True)
class Line:
    """Charges of one node, in time: (at, rho in billionths)."""

    name: str
    charges: tuple[tuple[int, int], ...]

    @property
    def total(self) -> int:
        return sum(rho for _, rho in self.charges)


def chart(name: str, title: str, lines: Sequence[Line], cap: int | None, days: tuple[str, str]) -> str:
    """The drawing; ``name``: its own on the page, ``days``: the first and last day, in words."""
    charged = [line for line in lines if line.charges]
    if not charged:
        return ""
    times = [at for line in charged for at, _ in line.charges]
    first, last = min(times), max(times)
    highest = max([line.total for line in charged] + ([cap] if cap else []))
    drawn = "".join(_steps(line, place, first, last, highest) for place, line in enumerate(charged))
    drawn += _cap(cap, highest) if cap else ""
    said = "; ".join(f"{line.name}: {_rho(line.total)} after {len(line.charges)} charges" for line in charged)
    limit = f" The cap is {_rho(cap)}." if cap else " There is no cap."
    base, end = HEIGHT - BOTTOM, WIDTH - RIGHT
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" role="img"'
        f' aria-labelledby="{name}-title {name}-about" font-family="sans-serif" font-size="13" fill="#0b0c0c">'
        f'<title id="{name}-title">{text(title)}</title>'
        f'<desc id="{name}-about">{text(f"Loss charged from {days[0]} to {days[1]}. {said}.{limit}")}</desc>'
        f'<path d="M{LEFT} {TOP}V{base}H{end}" fill="none" stroke="#0b0c0c"/>'
        f'<text x="{LEFT - 6}" y="{TOP + 10}" text-anchor="end">{_rho(highest)}</text>'
        f'<text x="{LEFT - 6}" y="{base}" text-anchor="end">0</text>'
        f'<text x="{LEFT}" y="{HEIGHT - 12}">{text(days[0])}</text>'
        f'<text x="{end}" y="{HEIGHT - 12}" text-anchor="end">{text(days[1])}</text>{drawn}</svg>'
    )


def _steps(line: Line, place: int, first: int, last: int, highest: int) -> str:
    total, path = 0, f"M{LEFT} {_y(0, highest)}"
    for at, rho in line.charges:
        total += rho
        path += f"H{_x(at, first, last)}V{_y(total, highest)}"
    path += f"H{WIDTH - RIGHT}"
    dash = f' stroke-dasharray="{DASHES[place % 5]}"' if DASHES[place % 5] else ""
    colour, end = COLOURS[place % 5], _y(total, highest)
    return (
        f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="2"{dash}/>'
        f'<text x="{WIDTH - RIGHT + 6}" y="{end + 4 + 12 * (place % 2)}" fill="{colour}">{text(line.name[:20])}</text>'
    )


def _cap(cap: int, highest: int) -> str:
    y = _y(cap, highest)
    return (
        f'<path d="M{LEFT} {y}H{WIDTH - RIGHT}" fill="none" stroke="#aa2a16" stroke-width="2" stroke-dasharray="1 3"/>'
        f'<text x="{LEFT + 6}" y="{y + 14}" fill="#aa2a16">cap</text>'
    )


def _x(at: int, first: int, last: int) -> int:
    wide = WIDTH - LEFT - RIGHT
    return LEFT + (wide * (at - first) // (last - first) if last > first else 0)


def _y(rho: int, highest: int) -> int:
    high = HEIGHT - TOP - BOTTOM
    return HEIGHT - BOTTOM - (high * rho // highest if highest else 0)


def _rho(billionths: int | None) -> str:
    return f"rho {(billionths or 0) / 1e9:.4g}"
