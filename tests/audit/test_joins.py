"""T0 for private joins, owner by owner: no person of one owner moves the exact answer further than that owner's own
noise bears, nor the padded sizes by more than what the padding was sized for; and all else is equal.

The distance is compared with the noise that an owner really asked its sampler for, at the part of rho that is left when
the sizes are paid: D^2 <= 2 rho sigma^2, in exact integers. The sizes move by at most 1 each, two of the three.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from engine.trusted import wire
from engine.trusted.join import sizes_of
from engine.trusted.messages import Commitment
from engine.trusted.plan import Measure, Plan, Statistic
from nodes import product as helping
from nodes.sources import Limits
from nodes.sources.duckdb import DuckDBSource
from tests.nodes.conftest import FixedSampler
from tests.nodes.join_world import LOSS, OWNERS, Joining, Rows, World, catalogue_of, measured, plan_over, product

S, ROWS, GROUPS = Statistic, (3, 2), (2, 2)
PERSON = "P777"
LEFT: Rows = tuple((f"P{i}", "FM"[i % 2], "NSW"[i % 3], 7 * i % 200) for i in range(12) for _ in range(1 + i % 4))
RIGHT: Rows = tuple((f"P{i}", ("old", "ill")[i % 2], bool(i % 2), 2.5) for i in range(6, 20) for _ in range(1 + i % 3))
OTHER: dict[
    str, tuple[Rows, Rows]
] = {  # the person's rows at the owner that does not change: none, or as high as may be
    "not at the other owner": ((), ()),
    "at both owners, high": (((PERSON, "F", "N", 200),) * 3, ((PERSON, "old", True, 10),) * 2),
    "at both owners, spread": (
        tuple((PERSON, "F", region, 200) for region in "NSW"),
        ((PERSON, "old", True, 10), (PERSON, "ill", False, 10)),
    ),
}
KINDS: dict[str, tuple[Rows, Rows]] = {  # the rows that come and go, at the left owner or at the right one
    "all rows, high": OTHER["at both owners, high"],
    "all rows, low": (((PERSON, "F", "N", -50),) * 3, ((PERSON, "ill", False, 0),) * 2),
    "fan-out, far above the bounds": (
        tuple((PERSON, "FM"[i % 2], "NSW"[i % 3], 10**9) for i in range(60)),
        tuple((PERSON, ("old", "ill")[i % 2], bool(i % 3), 10**6) for i in range(60)),
    ),
    "nothing known": (((PERSON, None, None, None),), ((PERSON, None, None, None),)),
}


@dataclass(frozen=True)
class Seen:
    """What one round shows besides its noise, and what the noise of each owner was asked for."""

    cells: tuple[int, ...]
    counts: tuple[int, int, int]  # only left, only right, both: padded
    noise: tuple[tuple[tuple[int, int], ...], ...]
    lengths: tuple[int, ...]


def plans(catalogue: Any) -> dict[str, Plan]:
    def of(statistic: Statistic, expression: Any = None) -> Measure:
        return measured(statistic, expression, catalogue)

    return {
        "pairs": plan_over(catalogue, (of(S.COUNT_ROWS),)),
        "product": plan_over(catalogue, (of(S.SUM, product()),), (("region",),)),
        "several": plan_over(
            catalogue, (of(S.COUNT_ROWS), of(S.COUNT_PERSONS), of(S.SUM, product())), (("region", "kind"), ())
        ),
    }


@pytest.fixture(scope="module")
def source() -> Iterator[DuckDBSource]:
    found = DuckDBSource(Limits(threads=1, memory_mb=512, seconds=60))
    yield found
    found.close()


@pytest.fixture(scope="module")
def seen(source: DuckDBSource, tmp_path_factory: pytest.TempPathFactory) -> Any:
    catalogue = catalogue_of(ROWS, GROUPS)

    @cache
    def tables(left: Rows, right: Rows) -> Any:
        return World(tmp_path_factory.mktemp("tables"), catalogue, left, right, source).tables

    @cache
    def run(name: str, left: Rows, right: Rows) -> Seen:
        folder: Path = tmp_path_factory.mktemp("world")
        world = World(folder, catalogue, left, right, source, tables(left, right))
        try:
            return observed(world.joining(plans(catalogue)[name]))
        finally:
            world.close()

    return run


def observed(joining: Joining) -> Seen:
    matched: list[int] = []
    real = helping.matches
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(helping, "matches", lambda a, b: matched.append(len(real(a, b)[0])) or real(a, b))
        opened = joining.run()
    assert opened[-1] == 2
    samplers: list[Any] = [joining.world.samplers[owner] for owner in OWNERS]
    rows = [wire.decode(Commitment, joining.replies[owner].vector).rows for owner in OWNERS]
    assert len(set(matched)) == 1
    counts = (rows[0] - matched[0], rows[1] - matched[0], matched[0])
    lengths = tuple(len(joining.replies[owner].vector) for owner in OWNERS)
    assert all(isinstance(sampler, FixedSampler) for sampler in samplers)
    return Seen(opened, counts, tuple(tuple(sampler.asked) for sampler in samplers), lengths)


def pairs(side: int) -> Iterator[tuple[str, tuple[Rows, Rows], tuple[Rows, Rows]]]:
    """Without the person's rows at one owner, and with them."""
    for other, there in OTHER.items():
        base = [LEFT, RIGHT]
        base[1 - side] = (*base[1 - side], *there[1 - side])
        for kind, rows in KINDS.items():
            joined = list(base)
            joined[side] = (*base[side], *rows[side])
            yield f"{kind} / {other}", (base[0], base[1]), (joined[0], joined[1])


@pytest.mark.parametrize("side", [0, 1], ids=OWNERS)
@pytest.mark.parametrize("name", ["pairs", "product", "several"])
def test_no_person_of_an_owner_moves_a_private_join_further_than_its_noise_bears(
    name: str, side: int, seen: Any, record_property: Any
) -> None:
    used, worst, noise_loss = 0.0, "", sizes_of(LOSS).noise
    for kind, without, joined in pairs(side):
        one, other = seen(name, *without), seen(name, *joined)
        assert (one.noise, one.lengths) == (other.noise, other.lengths)
        [sigma] = {asked[0] for asked in one.noise[side]} - {sizes_of(LOSS).sigma}
        bearable = Fraction(2 * noise_loss.rho_billionths * sigma**2, 10**9)
        square = sum((a - b) ** 2 for a, b in zip(one.cells, other.cells, strict=True))
        assert square <= bearable, kind
        moved = [b - a for a, b in zip(one.counts, other.counts, strict=True)]
        assert max(map(abs, moved)) <= 1, kind
        assert sum(map(abs, moved)) <= 2, kind
        if (reached := float(Fraction(square) / bearable) ** 0.5) > used:
            used, worst = reached, kind
    record_property(f"audit private join, {name} at {OWNERS[side]}", f"used/declared {used:.3f}  {worst}")
    assert used >= 0.5
