"""Loss over time as a drawing: one panel a node, all on one scale, steps that never go down, and the cap where it fits.

Panels stand below each other and are named in words, so no line has to be told from another by its colour.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from markupsafe import Markup, escape

from engine.figures import percent

WIDTH, LEFT, RIGHT, PANEL, HIGH, TOP, FOOT = 760, 120, 200, 72, 48, 8, 26
ROOM = 1.15  # above the highest step


@dataclass(frozen=True, slots=True)
class Spent:
    """Charges of one node, in time: (at, rho in billionths). ``cap``: in billionths of rho, None without one."""

    node: str
    charges: tuple[tuple[int, int], ...]
    cap: int | None

    @property
    def total(self) -> int:
        return sum(rho for _, rho in self.charges)

    @property
    def words(self) -> str:
        share = f", {percent(self.total / self.cap)} of its cap" if self.cap else ""
        return f"rho {self.total / 1e9:.3g}{share}"


def chart(name: str, title: str, found: Sequence[Spent], now_ms: int) -> Markup:
    """The drawing, until now; ``name``: its own on the page. Every node has a charge at least."""
    times = [at for one in found for at, _ in one.charges]
    first, last = min(times), max(*times, now_ms)
    highest = max(one.total for one in found) * ROOM
    caps = [one.cap for one in found if one.cap]
    if caps and min(caps) <= highest * 2:  # near enough to be seen
        highest = max(highest, min(caps) * ROOM)
    height = TOP + PANEL * len(found) + FOOT
    panels = "".join(_panel(one, TOP + PANEL * place, first, last, highest) for place, one in enumerate(found))
    base = height - FOOT + 16
    begun, ended = _ends(first, last)
    said = "; ".join(f"{one.node}: {one.words} after {len(one.charges)} charges" for one in found)
    return Markup(  # noqa: S704 - numbers, and texts that are escaped
        f'<svg class="chart" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" role="img"'
        f' aria-labelledby="{name}-title {name}-about"><title id="{name}-title">{escape(title)}</title>'
        f'<desc id="{name}-about">{escape(said)}. All figures stand in the table.</desc>{panels}'
        f'<text class="tick" x="{LEFT}" y="{base}">{begun}</text>'
        f'<text class="tick" x="{WIDTH - RIGHT}" y="{base}" text-anchor="end">{ended}</text></svg>'
    )


def _panel(one: Spent, top: int, first: int, last: int, highest: float) -> str:
    base, end, total = top + PANEL - 14, WIDTH - RIGHT, 0

    def x(at: int) -> str:
        return f"{LEFT + (end - LEFT) * ((at - first) / (last - first) if last > first else 0.0):.1f}"

    def y(rho: float) -> str:
        return f"{base - HIGH * rho / highest:.1f}"

    path = f"M{LEFT} {base}"
    for at, rho in one.charges:
        total += rho
        path += f"H{x(at)}V{y(total)}"
    path += f"H{end}"
    cap = f'<path class="cap" d="M{LEFT} {y(one.cap)}H{end}"/>' if one.cap and one.cap <= highest else ""
    return (
        f'<path class="band" d="{path}V{base}Z"/><path class="course" d="{path}"/>{cap}'
        f'<path class="axis" d="M{LEFT} {top + 6}V{base}H{end}"/>'
        f'<text class="label" x="{LEFT - 10}" y="{base - 14}" text-anchor="end">{escape(one.node[:15])}</text>'
        f'<text class="tick" x="{end + 10}" y="{float(y(total)) + 4:.1f}">{escape(one.words)}</text>'
    )


def _ends(first: int, last: int) -> tuple[str, str]:
    """What stands at both ends: days, or times where all is of one day."""
    begun, ended = (datetime.fromtimestamp(ms // 1000, UTC) for ms in (first, last))
    if begun.date() != ended.date():
        return begun.date().isoformat(), ended.date().isoformat()
    return f"{begun:%Y-%m-%d, %H:%M}", f"{ended:%H:%M} UTC"
