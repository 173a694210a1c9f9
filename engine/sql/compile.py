"""node.toml -> the typed binding a node reads: local columns and text expressions become expressions of the plan's
closed language. The department's files are asked for names and types only, through ``schema``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.errors import BadFile, Refused
from engine.extract.folder import file_of
from engine.extract.source import Extract, SourceTable
from engine.sql.bound import Bound, leaf, typed
from engine.sql.expressions import Expressions
from engine.sql.nulls import refuse_null_compared
from engine.sql.parse import parse_expression
from engine.sql.refusals import meant
from engine.sql.sources import location
from engine.sql.syntax import Name, SyntaxExpression
from engine.sql.toml_file import TomlFile
from engine.trusted.catalogue import Catalogue, Dataset, DatasetBinding, LocalColumn, NodeBinding
from engine.trusted.domains import Domain
from engine.trusted.plan import ColumnRef, Expression, NamedExpression, Type
from engine.trusted.records import LegalGateway
from engine.trusted.walk import names_in

BINDING_VERSION = 1
Schema = Callable[[str | SourceTable], tuple[LocalColumn, ...]]
_TOP = ("name", "coordinator", "home", "source", "dataset", "approval")
_DATASET = ("source", "table", "consent", "purposes", "columns")
MOST_GUARDIANS = 9
PURPOSES = tuple(g.name.lower().removesuffix("_gateway") for g in LegalGateway)


@dataclass(frozen=True, slots=True)
class Compiled:
    """The binding, and what has to be read from databases before the node can cut from it."""

    binding: NodeBinding
    extracts: tuple[Extract, ...] = ()


def compile_binding(
    toml_path: Path, catalogue: Catalogue, home: Path, schema: Schema, previous: NodeBinding | None = None
) -> Compiled:
    """The typed binding of one node; what is read from databases lies in its ``home``.

    ``schema`` gives names and types of the columns that files (an absolute path, or a glob) share, or a table has.
    ``previous``: the binding before, so that the version of a consent rule counts its changes. A dataset column that
    is not named is bound to the local column of the same name. Raises BadFile FILE_MISSING, FILE_NODE_TOML_*.
    """
    file = TomlFile(toml_path)
    top = file.table(file.read(), "", _TOP)
    node = file.text(top, "", "name")
    guardians = _guardians(file, top.get("approval", {}))
    hosted = {d.name: d for d in catalogue.datasets if node in d.hosts}
    bound = file.table(top.get("dataset", {}), "dataset", tuple(hosted))
    for name in hosted:
        if name not in bound:
            raise file.error(
                "FILE_NODE_TOML_MISSING", f"dataset.{name}", "the catalogue says that this node hosts the dataset"
            )
    sources = top.get("source", {})
    datasets, extracts = list[DatasetBinding](), list[Extract]()
    for name, dataset in hosted.items():
        key = f"dataset.{name}"
        table = file.table(bound[name], key, _DATASET)
        at = location(file, sources, file.text(table, key, "source"), file.text(table, key, "table"), key)
        files = at if isinstance(at, str) else str(file_of(home, name, at.place))
        datasets.append(_dataset(file, dataset, table, (files, schema(at)), previous))
        if isinstance(at, SourceTable):
            extracts.append(Extract(name, at, _apart(file, key, datasets[-1].local_columns)))
    return Compiled(NodeBinding(BINDING_VERSION, node, tuple(datasets), guardians), tuple(extracts))


def _apart(file: TomlFile, key: str, columns: tuple[LocalColumn, ...]) -> tuple[LocalColumn, ...]:
    """Columns that a file can hold: its reader does not tell capitals from small letters."""
    held: dict[str, str] = {}
    for name in (c.name for c in columns):
        other = held.setdefault(name.lower(), name)
        if other != name:
            problem = f"its columns `{other}` and `{name}` differ in capitals alone; have a view name them otherwise"
            raise file.error("FILE_NODE_TOML_VALUE", f"{key}.columns", problem)
    return columns


def _guardians(file: TomlFile, value: Any) -> int:
    """How many of the department's guardians have to approve each plan; 0: inside an agreement, none."""
    table = file.table(value, "approval", ("mode", "guardians"))
    mode, count = table.get("mode", "agreement"), table.get("guardians", 1)
    if mode not in ("agreement", "each-plan"):
        raise file.error("FILE_NODE_TOML_VALUE", "approval.mode", 'write "agreement" or "each-plan"')
    if not isinstance(count, int) or isinstance(count, bool) or not 1 <= count <= MOST_GUARDIANS:
        raise file.error("FILE_NODE_TOML_VALUE", "approval.guardians", f"write a number from 1 to {MOST_GUARDIANS}")
    if mode == "agreement" and "guardians" in table:
        raise file.error("FILE_NODE_TOML_VALUE", "approval.guardians", 'it needs mode = "each-plan"; or leave it out')
    return count if mode == "each-plan" else 0


def _dataset(
    file: TomlFile,
    dataset: Dataset,
    table: Mapping[str, Any],
    held: tuple[str, tuple[LocalColumn, ...]],
    previous: NodeBinding | None,
) -> DatasetBinding:
    """``held``: the files of the dataset, and the columns they have."""
    key, (files, local) = f"dataset.{dataset.name}", held
    names = tuple(c.name for c in dataset.columns)
    given = file.table(table.get("columns", {}), f"{key}.columns", names)
    columns = [
        NamedExpression(c.name, _column(file, f"{key}.columns.{c.name}", given.get(c.name), c.name, c.type, local))
        for c in dataset.columns
    ]
    consent = None
    if "consent" in table:
        consent = _condition(file, f"{key}.consent", file.text(table, key, "consent"), local)
    purposes = _purposes(file, table, key, local)
    named = (*columns, *purposes)
    used = frozenset().union(*(names_in(c.expression) for c in named), names_in(consent) if consent else ())
    return DatasetBinding(
        dataset=dataset.name,
        files=(files,),
        local_columns=tuple(column for column in local if column.name in used),
        columns=tuple(columns),
        consent=consent,
        consent_version=_consent_version(dataset.name, (consent, purposes), previous),
        purposes=purposes,
    )


def _purposes(
    file: TomlFile, table: Mapping[str, Any], key: str, local: tuple[LocalColumn, ...]
) -> tuple[NamedExpression, ...]:
    """For each purpose (a legal gateway), the rows that may be used for it: the general rule holds too."""
    given = file.table(table.get("purposes", {}), f"{key}.purposes", PURPOSES)
    rules = []
    for name in given:
        own = file.text(given, f"{key}.purposes", name)
        rule = _condition(file, f"{key}.purposes.{name}", own, local)
        if "consent" in table:
            rule = _condition(file, f"{key}.purposes.{name}", f"({table['consent']}) AND ({own})", local)
        rules.append(NamedExpression(name, rule))
    return tuple(rules)


def _consent_version(
    dataset: str, rules: tuple[Expression | None, tuple[NamedExpression, ...]], previous: NodeBinding | None
) -> int:
    """Counts changes of the rules from 1; a node that never had one is at 0."""
    before = next((d for d in previous.datasets if d.dataset == dataset), None) if previous else None
    if before is None:
        return 0 if rules == (None, ()) else 1
    return before.consent_version + ((before.consent, before.purposes) != rules)


def _column(file: TomlFile, key: str, text: Any, column: str, kind: Type, local: tuple[LocalColumn, ...]) -> Expression:
    """A local column's name as it is, or an expression; without either, the local column of the same name."""
    if text is None:
        found = _local(column, local)
        if found is None:
            raise file.error(
                "FILE_NODE_TOML_VALUE", key, f"there is no local column `{column}`; {meant(column, _names(local))}"
            )
        return ColumnRef(found.name)
    if not isinstance(text, str) or not text:
        raise file.error("FILE_NODE_TOML_VALUE", key, "a text in quotes is expected: a local column or an expression")
    if any(c.name == text for c in local):
        return ColumnRef(text)
    try:
        return typed(_bind(_read(text), local), kind).expression
    except Refused as error:
        raise _expression_error(file, key, error) from None


def _condition(file: TomlFile, key: str, text: str, local: tuple[LocalColumn, ...]) -> Expression:
    try:
        return _expressions(local).condition(_read(text), "a consent rule").expression
    except Refused as error:
        raise _expression_error(file, key, error) from None


def _read(text: str) -> SyntaxExpression:
    syntax = parse_expression(text)
    refuse_null_compared(syntax)
    return syntax


def _expression_error(file: TomlFile, key: str, error: Refused) -> BadFile:
    where = f" ({error.at})" if error.at else ""
    return BadFile(
        "FILE_NODE_TOML_EXPRESSION",
        file=file.path.name,
        key=key,
        problem=f"{error.message.rstrip('.')}{where}",
        instead=error.hint,
        internal=error.code,
    )


def _bind(syntax: SyntaxExpression, local: tuple[LocalColumn, ...]) -> Bound:
    return _expressions(local).bind(syntax)


def _expressions(local: tuple[LocalColumn, ...]) -> Expressions:
    """Binds over local columns; nothing is known of their values but the type."""

    def resolve(syntax: SyntaxExpression) -> Bound | None:
        if not isinstance(syntax, Name):
            return None
        found = _local(syntax.parts[0], local) if len(syntax.parts) == 1 else None
        if found is None:
            name = ".".join(syntax.parts)
            raise Refused("SQL_UNKNOWN_COLUMN", at=syntax.at, name=name[:80], meant=meant(name, _names(local)))
        return leaf(ColumnRef(found.name), Domain(found.type), syntax.at)

    return Expressions(resolve, unbounded=True)


def _names(local: tuple[LocalColumn, ...]) -> list[str]:
    return [column.name for column in local]


def _local(name: str, local: tuple[LocalColumn, ...]) -> LocalColumn | None:
    exact = [c for c in local if c.name == name]
    alike = exact or [c for c in local if c.name.lower() == name.lower()]
    return alike[0] if len(alike) == 1 else None
