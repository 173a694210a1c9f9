"""``splittally federation``: ``init`` founds one and writes everybody's home; on several machines the other commands
found it and change it, by applications, manifests and welcomes (membership.py, manifests.py).
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from engine.cli import manifests, membership
from engine.cli.options import CatalogueFile, Json, exact, probability

if TYPE_CHECKING:
    from engine.governance.federation import Federation

app = typer.Typer(help="Found a federation, admit and remove members, change its rules and keys.", no_args_is_help=True)


_CapEpsilon = Annotated[
    Fraction, typer.Option(parser=exact, metavar="NUMBER", help="Loss of one person at a node in a year.")
]
_LifetimeEpsilon = Annotated[
    Fraction | None,
    typer.Option(
        parser=exact, metavar="NUMBER", show_default=False, help="The same for ever; default: no more than in a year."
    ),
]
_BudgetEpsilon = Annotated[Fraction, typer.Option(parser=exact, metavar="NUMBER", help="The agreement's budget.")]
_PlanEpsilon = Annotated[Fraction, typer.Option(parser=exact, metavar="NUMBER", help="Most that one statement costs.")]
_Delta = Annotated[Fraction, typer.Option(parser=probability, metavar="NUMBER", show_default=False, help="1e-6")]
_PlanDelta = Annotated[Fraction, typer.Option(parser=probability, metavar="NUMBER", show_default=False, help="1e-9")]


@app.callback()
def federation() -> None:
    """Found a federation, admit and remove members, change its rules and keys."""


for _command in (
    membership.apply,
    manifests.admit,
    manifests.sign,
    membership.join,
    membership.rotate,
    manifests.remove,
    manifests.amend,
    manifests.root_key,
    manifests.roots,
    manifests.show,
    manifests.export,
):
    app.command(_command.__name__.replace("_", "-"))(_command)


@app.command()
def init(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Where the homes go; must not hold homes yet.")],
    catalog: CatalogueFile,
    coordinator: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="Where members reach the coordinator.")
    ] = "127.0.0.1:7443",
    analyst: Annotated[list[str], typer.Option(metavar="NAME", help="An analyst; may be given again.")] = ["analyst"],  # noqa: B006
    auditor: Annotated[list[str], typer.Option(metavar="NAME", help="An auditor; may be given again.")] = [],  # noqa: B006
    n_min: Annotated[int, typer.Option(min=0, help="Least survivors of a round; 0: all hosts of the plan.")] = 0,
    f: Annotated[int, typer.Option("-f", "--corrupt", min=0, help="Nodes assumed corrupt.")] = 0,
    roots: Annotated[int, typer.Option(min=1, max=9, help="Root keys.")] = 1,
    helpers: Annotated[
        int | None,
        typer.Option(min=0, show_default=False, help="Helpers without data; default: until there are two helpers."),
    ] = None,
    cap_epsilon: _CapEpsilon = Fraction(8),
    lifetime_epsilon: _LifetimeEpsilon = None,
    cap_delta: _Delta = Fraction(1, 10**6),
    budget_epsilon: _BudgetEpsilon = Fraction(8),
    budget_delta: _Delta = Fraction(1, 10**6),
    per_plan_epsilon: _PlanEpsilon = Fraction(2),
    per_plan_delta: _PlanDelta = Fraction(1, 10**9),
    agreement: Annotated[
        bool, typer.Option(help="Sign a first agreement over every dataset and column, and install it.")
    ] = True,
    only_roots: Annotated[
        bool, typer.Option("--only-roots", help="Write the roots' homes only: everybody else applies and is admitted.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Write homes for root, policy officer, coordinator, nodes, helpers, guardians and analysts.

    With data for its nodes and `splittally node prepare`, everything is ready to run.
    """
    from engine.catalogue import load_catalogue
    from engine.cli.show import console, print_json
    from engine.governance.agreement import sign_first_agreement
    from engine.governance.federation import default_caps, found
    from engine.trusted.clock import SystemClock
    from engine.trusted.epsilon import loss_for
    from engine.trusted.random import SystemRandomness

    clock = SystemClock()
    if only_roots:
        _init_roots(directory, load_catalogue(catalog).federation, roots, coordinator, as_json)
        return
    founded = found(
        directory,
        load_catalogue(catalog),
        clock=clock,
        randomness=SystemRandomness(),
        coordinator_address=coordinator,
        n_min=n_min,
        f=f,
        analysts=analyst,
        auditors=auditor,
        caps=default_caps(cap_epsilon, cap_delta, lifetime_epsilon),
        roots=roots,
        helpers=helpers,
    )
    if agreement:
        budget, per_plan = loss_for(budget_epsilon, budget_delta), loss_for(per_plan_epsilon, per_plan_delta)
        sign_first_agreement(founded, clock, budget, per_plan)
    if as_json:
        homes = {name: str(founded.home(name)) for name in founded.members}
        print_json({"federation": founded.manifest.federation, "epoch": founded.manifest.epoch, "homes": homes})
        return
    shown = console()
    shown.print(
        f"Founded {founded.manifest.federation} with {len(founded.members)} homes in {directory}.",
        markup=False,
        soft_wrap=True,
    )
    for line in ("Next:", *_next(founded, analyst[0])):
        shown.print(line, markup=False, soft_wrap=True)
    for line in _join_words(founded):
        shown.print(line, markup=False, soft_wrap=True)
    shown.print("Keys stand in each home only: carry a home to its owner's machine and delete it here.", style="dim")


def _init_roots(directory: Path, federation: str, roots: int, coordinator: str, as_json: bool) -> None:
    from engine.cli.show import console, print_json
    from engine.governance.application import fingerprint_of_roots
    from engine.governance.roots import found_roots
    from engine.trusted.clock import SystemClock
    from engine.trusted.random import SystemRandomness

    names = ["root"] if roots == 1 else [f"root-{i + 1}" for i in range(roots)]
    made = found_roots(directory, federation, names, coordinator, SystemClock(), SystemRandomness())
    rooted = fingerprint_of_roots(made[0].roots(), max(1, roots - 1))
    if as_json:
        homes = {home.name: str(home.path) for home in made}
        print_json({"federation": federation, "epoch": 0, "roots": rooted, "homes": homes})
        return
    console().print(f"Founded {federation} with {len(made)} root homes in {directory}.")
    console().print(f"Root keys: {rooted}")
    console().print(
        "Next: members run `splittally federation apply`; a root runs `federation admit --catalog C FILE...`."
    )


def _join_words(founded: Federation) -> Iterator[str]:
    """What a private join would need that this federation lacks, if two of its departments have one identifier."""
    from engine.governance.federation import joinable
    from engine.trusted.join import JOIN_HELPERS
    from engine.trusted.records import Role

    pairs = joinable(founded.manifest.catalogue)
    if not pairs:
        return
    names = "; ".join(" and ".join(pair) for pair in pairs)
    yield (
        f"Private joins across departments ({names}) need five bodies: the two owners and three helpers of bodies that"
        " are neither an owner's nor the analyst's; an agreement that names private_join; and a guardian of each owner"
        " who approves each plan."
    )
    short = [max(0, JOIN_HELPERS - len({*founded.names(Role.HELPER)} - {*pair})) for pair in pairs]
    if max(short):
        yield f"This federation has {JOIN_HELPERS - max(short)} of the three helpers: found it with more --helpers."


def _next(founded: Federation, analyst: str) -> Iterator[str]:
    """The commands to run, each as it can be pasted into a shell in any folder."""

    def quoted(path: Path) -> str:
        return shlex.quote(str(path.absolute()))

    yield f"  splittally coordinator --home {quoted(founded.home('coordinator'))}"
    for name in founded.processes:
        home = founded.home(name)
        if (home / "node.toml").exists():
            file = quoted(home / "node.toml")
            yield f"  edit {file} and run: splittally node prepare {file}"
        yield f"  splittally node --home {quoted(home)}"
    yield f'  splittally submit --home {quoted(founded.home(analyst))} "SELECT ..."'
