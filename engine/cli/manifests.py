"""``splittally federation admit | remove | amend | roots | sign | show``: one manifest after another, at the roots."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from engine.cli.options import Json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.governance.welcome import Welcome
    from engine.trusted.home import Home
    from engine.trusted.records import FederationManifest, SignedRecord

Roots = Annotated[list[Path], typer.Option("--root", metavar="DIR", help="A root's home; may be given again.")]
Out = Annotated[Path, typer.Option(metavar="DIR", help="Where the files go.", show_default="this folder")]
Yes = Annotated[bool, typer.Option("--yes", help="Sign without asking; what changes is shown all the same.")]
Rules = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Rules that change (YAML; `splittally schema rules`).")
]
NewCatalogue = Annotated[
    Path | None, typer.Option("--catalog", metavar="FILE", help="The catalogue from now on (YAML).")
]


def admit(
    root: Roots,
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Applications.")],
    catalog: NewCatalogue = None,
    rules: Rules = None,
    replace: Annotated[
        list[str], typer.Option(metavar="NAME", help="Take new keys for this member though its old key did not sign.")
    ] = [],  # noqa: B006
    coordinator: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="What members are told; default: as in the root's home.")
    ] = "",
    out: Out = Path(),
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Make the next manifest with these members, or with their new keys, and a welcome for each of them.

    Compare each fingerprint with the one its owner read to you. The first admission founds the federation: it needs
    --catalog.
    """
    from engine.governance.authority import Authority
    from engine.governance.manifests import read_signed
    from engine.governance.welcome import applicants, opened, welcomes, with_applicants
    from engine.trusted.clock import SystemClock
    from engine.trusted.random import SystemRandomness

    homes, clock = _homes(root), SystemClock()
    before = _before(homes, catalog)
    keeper = applicants(homes)
    authority = Authority.load(keeper, clock, SystemRandomness())
    known = before if before.epoch else None
    stated = opened([read_signed(file) for file in files], known, keeper.federation, replace)
    after = _amended(with_applicants(before, stated), rules, catalog)
    record = _issued(before, after, homes, yes)
    made = welcomes(record, stated, authority, coordinator or keeper.coordinator)
    _write(record, made, out, homes, as_json)


def remove(
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Members to leave; a node's guardians go too.")],
    root: Roots,
    out: Out = Path(),
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Make the next manifest without these members: their keys count for nothing once it is installed."""
    from dataclasses import replace

    from engine.governance.manifests import without

    homes = _homes(root)
    before = _before(homes)
    record = _issued(before, replace(before, members=without(before, names)), homes, yes)
    _write(record, (), out, homes, as_json)


def amend(
    root: Roots,
    rules: Rules = None,
    catalog: NewCatalogue = None,
    out: Out = Path(),
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Make the next manifest with other rules, caps, dates, or another catalogue."""

    homes = _homes(root)
    before = _before(homes)
    record = _issued(before, _amended(before, rules, catalog), homes, yes)
    _write(record, (), out, homes, as_json)


def root_key(
    home: Annotated[Path, typer.Option(metavar="DIR", help="Where the home goes; must not hold one yet.")],
    name: Annotated[str, typer.Option(metavar="NAME", help="A name that no root key has had before.")],
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Default: NAME.root in this folder.")] = None,
    as_json: Json = False,
) -> None:
    """Draw a new root key into a home of its own, and write its public half for the other roots."""
    from engine.cli.show import console, print_json
    from engine.governance.application import fingerprint
    from engine.governance.roots import draw_root, write_root_key
    from engine.trusted.random import SystemRandomness

    key = draw_root(home, name, "", SystemRandomness())
    target = out or Path(f"{name}.root")
    write_root_key(key, target)
    if as_json:
        print_json({"file": str(target), "name": name, "fingerprint": fingerprint(key.signing_key)})
        return
    console().print(f"{target}: root key {fingerprint(key.signing_key)}")
    console().print(f"Next: splittally federation join --home {home} federation.manifest (the present one).")


def roots(
    root: Roots,
    files: Annotated[list[Path] | None, typer.Argument(metavar="FILE...", help="New root keys.")] = None,
    keep: Annotated[list[str], typer.Option(metavar="NAME", help="A root key that stays; may be given again.")] = [],  # noqa: B006
    threshold: Annotated[
        int, typer.Option(min=0, help="Root signatures a manifest needs; 0: all but one of several.")
    ] = 0,
    out: Out = Path(),
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Make the manifest that names other root keys. Enough old roots have to sign it, and enough new ones.

    Whoever installs it pins the new keys; whoever was away installs this manifest first, then later ones.
    """
    from engine.errors import Refused
    from engine.governance.manifests import with_roots
    from engine.governance.roots import read_root_key

    homes = _homes(root)
    before = _before(homes)
    known = {key.name: key for key in before.root_keys}
    for name in keep:
        if name not in known:
            raise Refused("POLICY_UNKNOWN_MEMBER", name=name)
    keys = [*(known[name] for name in keep), *(read_root_key(file) for file in files or [])]
    after = with_roots(before, keys, threshold or max(1, len(keys) - 1))
    _write(_issued(before, after, homes, yes), (), out, homes, as_json)


def sign(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="A manifest, and welcomes that carry it.")],
    root: Roots,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Add a root's signature to a manifest, and to the welcomes that carry it; what it changes is shown first."""
    from engine.cli.show import console, print_json
    from engine.governance.manifests import lacking
    from engine.governance.text import manifest_lines
    from engine.governance.welcome import Welcome, read_any, signed_again
    from engine.trusted import wire
    from engine.trusted.records import FederationManifest, RecordKind
    from engine.trusted.sign import decoded

    homes = _homes(root)
    shown: set[bytes] = set()
    said: list[dict[str, object]] = []
    for file in files:
        found = read_any(file)
        record = found.manifest if isinstance(found, Welcome) else found
        if record.payload not in shown:
            shown.add(record.payload)
            after = decoded(record, RecordKind.FEDERATION_MANIFEST, FederationManifest)
            installed = (homes[0].path / "federation.manifest").exists()
            _show_changes(manifest_lines(homes[0].manifest()) if installed else (), after, yes)
        done = signed_again(found, homes)
        if isinstance(done, Welcome):
            done.write(file)
            record = done.manifest
        else:
            file.write_bytes(wire.encode(done))
            record = done
        missing, signers = lacking(record, homes[0]), [signature.signer for signature in record.signatures]
        said.append({"file": str(file), "signers": signers, "signatures_missing": missing})
        if not as_json:
            console().print(f"{file}: signed by {', '.join(signers)}{f'; {missing} more needed' if missing else ''}")
    if as_json:
        print_json(said)


def show(
    home: Annotated[Path, typer.Option(metavar="DIR", help="Any member's home.")],
    file: Annotated[Path | None, typer.Argument(metavar="FILE", help="A manifest; default: the home's own.")] = None,
    as_json: Json = False,
) -> None:
    """Show members, roles, bodies, fingerprints of keys, rules, epoch and validity, as signed."""
    from engine.cli.show import console, new_table, print_json
    from engine.governance.application import fingerprint_of, fingerprint_of_roots
    from engine.governance.budget import guarantee
    from engine.governance.manifests import read_manifest
    from engine.governance.text import day, loss_words, manifest_lines, nodes_words
    from engine.trusted.home import Home

    opened = Home.load(home)
    manifest = opened.open_manifest(read_manifest(file)) if file else opened.manifest()
    rooted = fingerprint_of_roots(manifest.root_keys, manifest.root_threshold)
    rows = [
        {
            "name": m.name,
            "roles": ", ".join(role.name.lower().replace("_", " ") for role in m.roles),
            "body": m.body,
            "department": m.department,
            "keys": fingerprint_of(m),
        }
        for m in manifest.members
    ]
    others = [line for line in manifest_lines(manifest) if not line[0].startswith("member ")]
    others += [
        (f"most loss of a person by {g.identifier}", f"{loss_words(g.lifetime)} for ever, over {nodes_words(g.nodes)}")
        for g in guarantee(manifest)
        if g.lifetime
    ]
    head = {"federation": manifest.federation, "epoch": manifest.epoch, "issued": day(manifest.issued_ms)}
    if as_json:
        print_json({**head, "roots": rooted, "members": rows, "rules": [list(line) for line in others]})
        return
    out = console()
    out.print(f"{manifest.federation}, epoch {manifest.epoch}, issued {day(manifest.issued_ms)}; roots {rooted}")
    table = new_table()
    for heading in rows[0] if rows else ():
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*row.values())
    out.print(table)
    rules = new_table()
    for heading in ("rule", "as signed"):
        rules.add_column(heading, overflow="fold")
    for line in others:
        rules.add_row(*line)
    out.print(rules)


def _homes(paths: Sequence[Path]) -> list[Home]:
    from engine.trusted.home import Home

    return [Home.load(path) for path in paths]


def _before(homes: Sequence[Home], catalog: Path | None = None) -> FederationManifest:
    """The newest manifest that a root at hand has; before the first admission, an empty one over the catalogue."""
    from engine.catalogue import load_catalogue
    from engine.cli.show import console
    from engine.governance.homes import last_signed
    from engine.governance.roots import before_the_first
    from engine.trusted.clock import SystemClock

    first = homes[0]
    held = [home.manifest() for home in homes if (home.path / "federation.manifest").exists()]
    if held or catalog is None:
        held = held or [first.manifest()]
        newest = max(held, key=lambda manifest: manifest.epoch)
        for home in homes:
            if last_signed(home) > newest.epoch:
                words = (
                    f"{home.name} has signed epoch {last_signed(home)}, which is not installed at a root given here."
                )
                console(error=True).print(f"{words} If it is in force, stop, and `federation join` it first.")
        return newest
    return before_the_first(first, load_catalogue(catalog), max(1, len(first.roots()) - 1), SystemClock())


def _amended(manifest: FederationManifest, rules: Path | None, catalog: Path | None) -> FederationManifest:
    from dataclasses import replace

    from engine.catalogue import load_catalogue
    from engine.governance.rules import load_amendment

    if catalog is not None:
        manifest = replace(manifest, catalogue=load_catalogue(catalog))
    if rules is None:
        return manifest
    change = load_amendment(rules, manifest)
    return replace(manifest, rules=change.rules, until_ms=change.until_ms, grace_seconds=change.grace_seconds)


def _issued(before: FederationManifest, after: FederationManifest, homes: Sequence[Home], yes: bool) -> SignedRecord:
    """Shows what changes, asks, signs with the roots at hand."""
    from engine.governance.manifests import issue, succeed
    from engine.governance.text import manifest_lines
    from engine.trusted.clock import SystemClock

    due = succeed(after, SystemClock())
    _show_changes(manifest_lines(before) if before.epoch else (), due, yes)
    return issue(due, homes)


def _show_changes(before: Sequence[tuple[str, str]], after: FederationManifest, yes: bool) -> None:
    from engine.cli.show import agreed, console
    from engine.errors import BadFile
    from engine.governance.text import differences, manifest_lines

    shown = console(error=True)
    for line in differences(before, manifest_lines(after)) or ("nothing changes but the epoch",):
        shown.print(line, soft_wrap=True)
    if not yes and not agreed(f"Sign epoch {after.epoch} of {after.federation}?"):
        raise BadFile("FILE_NOT_AGREED")


def _write(record: SignedRecord, made: Sequence[Welcome], folder: Path, homes: Sequence[Home], as_json: bool) -> None:
    from engine.cli.show import console, print_json
    from engine.governance.manifests import lacking
    from engine.trusted.records import FederationManifest
    from engine.trusted.sign import decoded
    from engine.trusted.wire import encode

    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / "federation.manifest", *(folder / f"{welcome.name}.welcome" for welcome in made)]
    files[0].write_bytes(encode(record))
    for welcome, file in zip(made, files[1:], strict=True):
        welcome.write(file)
    missing, epoch = lacking(record, homes[0]), decoded(record, record.kind, FederationManifest).epoch
    if as_json:
        print_json({"epoch": epoch, "files": [str(file) for file in files], "signatures_missing": missing})
        return
    for file in files:
        console().print(str(file))
    signers = ", ".join(signature.signer for signature in record.signatures)
    console().print(f"Epoch {epoch}, signed by {signers}{f'; {missing} more needed' if missing else ''}.")
    if missing:
        console().print("Next, at another root: splittally federation sign --root DIR FILE...")


def export(
    home: Annotated[Path, typer.Option(metavar="DIR", help="Any member's home.")],
    out: Annotated[Path, typer.Option(metavar="FILE", help="Ends in .html or .md.")],
    form: Annotated[str, typer.Option(metavar="FORM", help="atrs: algorithmic transparency record, a draft.")] = "atrs",
    as_json: Json = False,
) -> None:
    """Write what a federation has to publish about itself, as far as the signed manifest says it."""
    from engine.cli.show import print_written
    from engine.errors import BadFile
    from engine.governance.atrs import atrs
    from engine.trusted.home import Home

    if form != "atrs":
        raise BadFile("FILE_FORM", form=form, forms="atrs")
    atrs(Home.load(home).manifest()).write(out)
    print_written(out, as_json, form=form)
