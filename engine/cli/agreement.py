"""``splittally agreement``: draft, read, sign, amend, install, export and revoke data sharing agreements."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from engine.cli.options import Json

if TYPE_CHECKING:
    from engine.trusted.home import Home
    from engine.trusted.records import Agreement, SignedRecord

app = typer.Typer(help="Draft, sign, amend, install, show and revoke data sharing agreements.", no_args_is_help=True)

_HEADINGS = ("agreement", "edition", "title", "from", "until", "digest")
_File = Annotated[Path, typer.Argument(metavar="FILE", help="YAML, or a signed .agreement that lacks signatures.")]
_Signers = Annotated[list[Path], typer.Option("--home", metavar="DIR", help="A signer's home; may be given again.")]
_Any = Annotated[Path, typer.Option("--home", metavar="DIR", help="Any member's home.")]
_Out = Annotated[Path | None, typer.Option(metavar="FILE", help="Default: FILE with the ending .agreement.")]


@app.callback()
def agreement() -> None:
    """Draft, sign, amend, install, show and revoke data sharing agreements."""


@app.command()
def schema() -> None:
    """Print the JSON Schema of the YAML, made from the table that reads it."""
    from engine.cli.show import print_json
    from engine.governance.agreement_form import schema as made

    print_json(made())


@app.command()
def draft(
    home: Annotated[
        Path | None, typer.Option(metavar="DIR", help="A member's home: bodies, analysts and datasets are filled in.")
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Where it goes; default: printed.")] = None,
    as_json: Json = False,
) -> None:
    """Write an agreement to be filled in: every field with a sentence about it and an example."""
    import sys

    from engine.cli.show import print_json, print_written
    from engine.governance.agreement_form import draft as made
    from engine.trusted.home import Home

    text = made(Home.load(home).manifest() if home else None)
    if out is not None:
        out.write_text(text, encoding="utf-8")
        if as_json:
            print_written(out, as_json)
    elif as_json:
        print_json({"draft": text})
    else:
        sys.stdout.write(text)


@app.command()
def show(
    file: Annotated[Path | None, typer.Argument(metavar="FILE", help="Default: all that the home holds.")] = None,
    home: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Any member's home; a signed FILE can be read without.")
    ] = None,
    plain: Annotated[bool, typer.Option("--plain", help="Plain text, as it is to be read before signing.")] = False,
    as_json: Json = False,
) -> None:
    """Show agreements in English, with their signatures and what is missing."""
    import sys

    from engine.cli.show import console, new_table, print_json
    from engine.governance.agreement import read_record
    from engine.governance.agreement_text import agreement_lines, plain_text
    from engine.governance.letters import plain as plain_words
    from engine.trusted.home import Home

    opened = Home.load(home) if home else None
    if opened is None:
        records = [read_record(file)] if file else []
        shown: list[tuple[Agreement, SignedRecord | None]] = [(_said(record), record) for record in records]
    else:
        shown = [_read(file, opened)] if file else [(_said(record), record) for record in opened.agreements()]
    if as_json:
        print_json([_document(text, _standing(record, opened)) for text, record in shown])
        return
    if not shown:
        console().print("Give a FILE, or the --home of a member that holds agreements.")
    for text, record in shown:
        if plain:
            sys.stdout.write(plain_text(text))
            continue
        table = new_table()
        table.title = plain_words(f"{text.name}, edition {text.edition}, of {text.federation}")
        table.add_column("field")
        table.add_column("as written", overflow="fold")
        for line in agreement_lines(text):
            table.add_row(*map(plain_words, line))
        table.add_row("signatures", _standing(record, opened))
        console().print(table)


@app.command()
def sign(file: _File, home: _Signers, out: _Out = None, as_json: Json = False) -> None:
    """Sign an agreement as a policy officer or guardian, and write it with all its signatures.

    The first signer gives the YAML; the others add their signatures to the file that comes out. After new keys, sign
    the file again: the old signature is replaced, the digest stays.
    """
    from engine.governance.agreement import read_record, sign_agreement
    from engine.governance.agreement_form import load_agreement
    from engine.trusted.home import Home

    homes = [Home.load(path) for path in home]
    written = file.suffix == ".agreement"
    text = read_record(file) if written else load_agreement(file, homes[0].manifest())
    _write(sign_agreement(text, *homes), out or file.with_suffix(".agreement"), as_json)


@app.command()
def amend(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The agreement as it is to be (YAML).")],
    home: _Signers,
    before: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The edition before; default: the newest in the signers' homes.")
    ] = None,
    out: _Out = None,
    yes: Annotated[
        bool, typer.Option("--yes", help="Sign without asking; what changes is shown all the same.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Make and sign the next edition of an agreement: same name, and a budget that goes on, not anew."""
    from engine.cli.show import agreed, console
    from engine.errors import BadFile
    from engine.governance.agreement import amend_agreement, newest, read_record, sign_agreement
    from engine.governance.agreement_form import load_agreement
    from engine.governance.agreement_text import agreement_lines
    from engine.governance.text import differences
    from engine.trusted.home import Home

    homes = [Home.load(path) for path in home]
    text = load_agreement(file, homes[0].manifest())
    found = read_record(before) if before else newest(homes, text.name)
    if found is None:
        raise BadFile("FILE_AGREEMENT_OTHER", problem=f"no home given holds an agreement called {text.name}")
    old = _said(found)
    after = amend_agreement(text, old)
    for line in differences(agreement_lines(old), agreement_lines(after)):
        console(error=True).print(line, soft_wrap=True)
    if not yes and not agreed(f"Sign edition {after.edition} of {after.name}?"):
        raise BadFile("FILE_NOT_AGREED")
    _write(sign_agreement(after, *homes), out or file.with_suffix(".agreement"), as_json)


@app.command()
def install(
    file: _File,
    home: Annotated[list[Path], typer.Option(metavar="DIR", help="Coordinator, node or helper; may be given again.")],
    as_json: Json = False,
) -> None:
    """Verify a signed agreement and keep it in the homes of those who enforce it; they read it when they start."""
    from engine.cli.show import console, print_json
    from engine.governance.agreement import install_agreement, read_record
    from engine.trusted.home import Home

    installed = install_agreement(read_record(file), [Home.load(path) for path in home])
    if as_json:
        homes = [str(path) for path in home]
        print_json({"agreement": installed.name, "edition": installed.edition, "homes": homes})
        return
    console().print(f"{installed.name}, edition {installed.edition}: installed in {len(home)} homes")


@app.command()
def export(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="YAML or .agreement.")],
    home: _Any,
    form: Annotated[str, typer.Option(metavar="FORM", help="ico, dpia or der.")],
    out: Annotated[Path, typer.Option(metavar="FILE", help="Ends in .html or .md.")],
    as_json: Json = False,
) -> None:
    """Write an agreement as the ICO's sharing form, an impact assessment's screening, or a register entry."""
    from engine.cli.show import print_written
    from engine.errors import BadFile
    from engine.governance.agreement_exports import FORMS
    from engine.trusted.home import Home

    if form not in FORMS:
        raise BadFile("FILE_FORM", form=form, forms=", ".join(FORMS))
    opened = Home.load(home)
    FORMS[form](_read(file, opened)[0], opened.manifest()).write(out)
    print_written(out, as_json, form=form)


@app.command()
def revoke(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The signed .agreement that is to end.")],
    home: Annotated[Path, typer.Option(metavar="DIR", help="A policy officer's or hosting guardian's home.")],
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why, in a sentence; it becomes public.")],
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Default: NAME.revocation.record.")] = None,
    as_json: Json = False,
) -> None:
    """Sign the end of an agreement and write the record: hand it in, or lay it into the inbox of a node's home."""
    from engine.cli.show import console, print_json
    from engine.governance.agreement import read_record
    from engine.governance.revocation import revocation_record
    from engine.trusted import wire
    from engine.trusted.clock import SystemClock
    from engine.trusted.home import Home
    from engine.trusted.sign import open_agreement, open_revocation

    opened, record = Home.load(home), read_record(file)
    text = open_agreement(record, opened.roster())
    made = revocation_record(opened, wire.digest(record.payload), reason, SystemClock())
    open_revocation(made, opened.roster(), text)
    target = out or Path(f"{text.name}.revocation.record")
    target.write_bytes(wire.encode(made))
    if as_json:
        print_json({"file": str(target), "agreement": text.name, "edition": text.edition})
        return
    console().print(f"{target}: ends {text.name}, edition {text.edition}, once its nodes have it")


@app.command("list")
def list_(home: _Any, as_json: Json = False) -> None:
    """List the agreements a home holds, with their digests."""
    from engine.cli.show import console, new_table, print_json
    from engine.governance.text import day
    from engine.trusted.home import Home
    from engine.trusted.sign import open_agreement
    from engine.trusted.wire import digest

    opened = Home.load(home)
    roster = opened.roster()
    found = [(digest(record.payload).hex(), open_agreement(record, roster)) for record in opened.agreements()]
    rows = [
        {
            "agreement": a.name,
            "edition": a.edition,
            "title": a.title,
            "analysts": list(a.analysts),
            "datasets": {scope.dataset: list(scope.columns) for scope in a.scope},
            "budget_rho_billionths": a.budget.rho_billionths,
            "per_plan_rho_billionths": a.per_plan.rho_billionths,
            "from": day(a.from_ms),
            "until": day(a.until_ms),
            "digest": name,
        }
        for name, a in found
    ]
    if as_json:
        print_json(rows)
        return
    table = new_table()
    for heading in _HEADINGS:
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*(str(row[heading]) for heading in _HEADINGS))
    console().print(table)


def _read(file: Path, home: Home) -> tuple[Agreement, SignedRecord | None]:
    from engine.governance.agreement import read_record
    from engine.governance.agreement_form import load_agreement

    if file.suffix != ".agreement":
        return load_agreement(file, home.manifest()), None
    record = read_record(file)
    return _said(record), record


def _said(record: SignedRecord) -> Agreement:
    from engine.governance.agreement_text import agreement_of

    return agreement_of(record)


def _standing(record: SignedRecord | None, home: Home | None) -> str:
    """Who signed, and whether that is enough at this home."""
    from engine.errors import Refused
    from engine.trusted.sign import open_agreement

    if record is None or not record.signatures:
        return "none yet"
    signers = ", ".join(signature.signer for signature in record.signatures)
    if home is None:
        return f"{signers}; not verified, for no home was given"
    try:
        open_agreement(record, home.roster())
    except Refused as refused:
        return f"{signers}; not in force here: {refused.message}"
    return f"{signers}; complete"


def _document(text: Agreement, standing: str) -> dict[str, object]:
    from engine.governance.agreement_text import agreement_lines

    head = {"agreement": text.name, "edition": text.edition, "federation": text.federation}
    return {**head, "fields": dict(agreement_lines(text)), "signatures": standing}


def _write(record: SignedRecord, target: Path, as_json: bool) -> None:
    from engine.cli.show import console, print_json
    from engine.trusted.wire import digest, encode

    target.write_bytes(encode(record))
    signers = [signature.signer for signature in record.signatures]
    if as_json:
        print_json({"file": str(target), "signers": signers, "digest": digest(record.payload).hex()})
        return
    console().print(f"{target}: signed by {', '.join(signers)}")
    console().print(f"Digest: {digest(record.payload).hex()}")
