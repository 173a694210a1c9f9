"""Datasets of the catalogue file: hosts, person, contribution bounds, placement."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from engine.catalogue.columns import load_columns
from engine.catalogue.entry import Entry, is_name, read_yaml
from engine.errors import BadFile
from engine.trusted.catalogue import (
    CATALOGUE_VERSION,
    DEFAULT_PERSONS,
    Catalogue,
    Column,
    Dataset,
    IdentifierForm,
    PersonUnit,
)
from engine.trusted.plan import Type

LARGEST_FILE = 1 << 20
_FORMS = {form.name.lower().replace("_", "-"): form for form in IdentifierForm}
_RESERVED = re.compile(r"coordinator|localhost|policy|root(-[0-9]+)?|analyst|helper-[0-9]+|guardian-.*")
_DATASET_KEYS = (
    "title",
    "about",
    "hosts",
    "person",
    "overlap",
    "rows_per_person",
    "groups_per_person",
    "placement",
    "at_most",
    "columns",
)


def load_catalogue(path: Path) -> Catalogue:
    """The catalogue written in the YAML file ``path``.

    Raises BadFile FILE_MISSING, FILE_FOLDER, or FILE_CATALOGUE_* with file, line, key and what to write instead.
    """
    try:
        raw = path.read_bytes()
    except IsADirectoryError:
        raise BadFile("FILE_FOLDER", path=str(path)) from None
    except OSError:
        raise BadFile("FILE_MISSING", path=str(path)) from None
    if len(raw) > LARGEST_FILE:
        raise BadFile("FILE_CATALOGUE_UNREADABLE", file=path.name, problem="the file is larger than 1 MiB")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise BadFile("FILE_CATALOGUE_UNREADABLE", file=path.name, problem="the text is not UTF-8") from None
    return parse_catalogue(text, path.name)


def parse_catalogue(text: str, file: str) -> Catalogue:
    """The catalogue a YAML text holds; ``file`` is the name shown in errors."""
    root = read_yaml(text, file)
    top = root.fields(("federation", "datasets"), ("federation", "datasets"), "Begin with `federation: NAME`.")
    pairs = top["datasets"].pairs("Write one entry a dataset below `datasets:`.")
    if not pairs:
        raise top["datasets"].wrong("is empty", "Write one entry a dataset.")
    federation = top["federation"].member("the federation's name")
    loaded: dict[str, tuple[Dataset, Entry, bool]] = {}
    for name, entry in pairs:
        if name.lower() in loaded:
            raise entry.wrong("has the name of another dataset", "SQL does not tell upper from lower case; rename it.")
        loaded[name.lower()] = _dataset(name, entry)
    _check_placements(tuple(loaded.values()))
    return Catalogue(CATALOGUE_VERSION, federation, tuple(dataset for dataset, _, _ in loaded.values()))


def _dataset(name: str, entry: Entry) -> tuple[Dataset, Entry, bool]:
    """The dataset, where it stands, and whether its placement is its own."""
    _check_dataset_name(name, entry)
    fields = entry.fields(_DATASET_KEYS, ("hosts", "person", "rows_per_person", "columns"), "Write `hosts: ...`")
    hosts = _hosts(fields["hosts"])
    columns = load_columns(fields["columns"])
    person = _person(fields["person"], columns)
    overlap = len(hosts)
    if "overlap" in fields:
        overlap = fields["overlap"].integer(1, "at how many hosts one person may appear")
        if overlap > len(hosts):
            raise fields["overlap"].wrong("is more than the number of hosts", f"Write at most {len(hosts)}.")
    rows = fields["rows_per_person"].integer(1, "the most rows of one person that may count")
    groups = rows
    if "groups_per_person" in fields:
        groups = fields["groups_per_person"].integer(1, "the most groups one person may count in")
        if groups > rows:
            raise fields["groups_per_person"].wrong("is more than rows_per_person", f"Write at most {rows}.")
    placement = name
    if "placement" in fields:
        placement = fields["placement"].text("the name of a placement")
        if overlap != 1:
            raise fields["placement"].wrong(
                "needs persons that appear at one host only", "Write `overlap: 1`, or leave the placement out."
            )
    persons, most_rows = _at_most(fields.get("at_most"), rows)
    dataset = Dataset(
        name=name,
        title=_words(fields.get("title")) or name,
        about=_words(fields.get("about")),
        hosts=hosts,
        person=person,
        overlap=overlap,
        rows_per_person=rows,
        groups_per_person=groups,
        placement=placement,
        at_most_persons=persons,
        at_most_rows=most_rows,
        columns=columns,
    )
    return dataset, entry, "placement" not in fields


def _check_dataset_name(name: str, entry: Entry) -> None:
    if not is_name(name):
        raise entry.wrong("is not a name for a dataset", "Use letters, digits and underscores, a letter first.")


def _words(entry: Entry | None) -> str:
    return entry.text("a sentence") if entry else ""


def _hosts(entry: Entry) -> tuple[str, ...]:
    hosts: list[str] = []
    for item in entry.items("Write `hosts: [NODE, ...]`."):
        host = item.member("the name of a node")
        if _RESERVED.fullmatch(host):
            raise item.wrong(f"`{host}` is a name that other members of a federation have", "Rename the node.")
        if host in hosts:
            raise item.wrong(f"`{host}` stands there twice", "Name each host once.")
        hosts.append(host)
    if not hosts:
        raise entry.wrong("is empty", "Name the nodes that hold a share of the rows: `hosts: [NODE, ...]`.")
    return tuple(hosts)


def _person(entry: Entry, columns: tuple[Column, ...]) -> PersonUnit:
    """`person: COLUMN`, or a mapping of column, identifier and form."""
    where = entry
    identifier, form = "", IdentifierForm.AS_IS
    if isinstance(entry.node, yaml.MappingNode):
        fields = entry.fields(("column", "identifier", "form"), ("column",), "Write `person: COLUMN`.")
        where = fields["column"]
        if "identifier" in fields:
            identifier = fields["identifier"].name("what names a person, for example nhs_number")
        if "form" in fields:
            form = _FORMS[fields["form"].one_of(tuple(_FORMS))]
    name = where.name("the column that identifies a person")
    column = next((c for c in columns if c.name == name), None)
    if column is None:
        raise where.wrong(f"there is no column `{name}`", f"Add `{name}: {{type: text}}` below `columns:`.")
    if column.type not in (Type.TEXT, Type.INTEGER) or column.domain or column.bounds or column.nullable:
        raise where.wrong(
            f"column `{name}` cannot identify a person",
            "Declare it `{type: text}` or `{type: integer}` without domain, bounds or nullable.",
        )
    return PersonUnit(name, identifier or name, form)


def _at_most(entry: Entry | None, rows_per_person: int) -> tuple[int, int]:
    if entry is None:
        return DEFAULT_PERSONS, DEFAULT_PERSONS * rows_per_person
    fields = entry.fields(("persons", "rows"), (), "Write `at_most: {persons: 10_000_000, rows: 20_000_000}`.")
    persons = DEFAULT_PERSONS
    if "persons" in fields:
        persons = fields["persons"].integer(1, "the most persons one host may hold")
    if "rows" not in fields:
        return persons, persons * rows_per_person
    return persons, fields["rows"].integer(1, "the most rows one host may hold")


def _check_placements(loaded: tuple[tuple[Dataset, Entry, bool], ...]) -> None:
    """Datasets of one placement have the same hosts and identifier, and each of them says so."""
    first: dict[str, tuple[Dataset, bool]] = {}
    for dataset, entry, own in loaded:
        other, other_own = first.setdefault(dataset.placement, (dataset, own))
        if other is dataset:
            continue
        if own or other_own:
            raise entry.wrong(
                f"placement `{dataset.placement}` is also the name of a dataset", "Name the placement differently."
            )
        if set(dataset.hosts) != set(other.hosts):
            raise entry.wrong(
                f"shares placement `{dataset.placement}` with `{other.name}` but has other hosts",
                "Datasets of one placement have the same hosts; give this one a placement of its own.",
            )
        if (dataset.person.identifier, dataset.person.form) != (other.person.identifier, other.person.form):
            raise entry.wrong(
                f"shares placement `{dataset.placement}` with `{other.name}` but identifies persons differently",
                "Give both the same `identifier` and `form`, or this one a placement of its own.",
            )
