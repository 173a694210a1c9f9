"""Founding a federation: keys, certificates, the signed manifest and one home a member.

    DIRECTORY/root (root-1 ... if several)  policy  coordinator  <node>  helper-1 ...  guardian-<node>  <analyst>

Every home pins the root keys and holds the manifest; a secret key stands in its owner's home only. In a real
federation each home is then carried to its owner's machine and the copy here deleted.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from engine.errors import BadFile
from engine.governance import homes
from engine.governance.authority import COORDINATOR_NAMES, Authority
from engine.trusted.catalogue import Catalogue
from engine.trusted.clock import Clock
from engine.trusted.epsilon import allowance
from engine.trusted.home import Home
from engine.trusted.join import JOIN_HELPERS
from engine.trusted.random import Randomness
from engine.trusted.records import (
    RECORD_VERSION,
    AccountCap,
    AccountScope,
    FederationManifest,
    Member,
    RecordKind,
    Role,
    RootKey,
    Rules,
    SignedRecord,
)
from engine.trusted.sign import SigningKey, signed
from engine.trusted.wire import encode

DAY_MS = 86_400_000
MANIFEST_DAYS = 365
GRACE_SECONDS = 7 * 86_400
COMMITTEE = 3
HELPER_NODES = 2
MAX_KEYS = 10_000
MAX_CELLS = 1_000_000
CAP = (Fraction(8), Fraction(1, 10**6))
_NAME = re.compile(r"[a-z][a-z0-9-]{0,62}")


@dataclass(frozen=True, slots=True)
class Federation:
    """A founded federation: where each member's home is, and the manifest all of them hold."""

    directory: Path
    manifest: FederationManifest
    roots: tuple[str, ...]

    def home(self, name: str) -> Path:
        return self.directory / name

    def names(self, role: Role) -> tuple[str, ...]:
        """Members with the role, in the order of the manifest."""
        return tuple(m.name for m in self.manifest.members if role in m.roles)

    @property
    def members(self) -> tuple[str, ...]:
        return (*self.roots, *(m.name for m in self.manifest.members))

    @property
    def processes(self) -> tuple[str, ...]:
        """Members that run ``python -m nodes``: nodes, then helpers without data."""
        nodes = self.names(Role.NODE)
        return (*nodes, *(name for name in self.names(Role.HELPER) if name not in nodes))


def default_caps(
    epsilon: Fraction = CAP[0], delta: Fraction = CAP[1], lifetime: Fraction | None = None
) -> tuple[AccountCap, ...]:
    """One cap for every identifier at each node: a year may cost (epsilon, delta), a lifetime (``lifetime``, delta),
    by default no more than a year."""
    year, for_ever = allowance(epsilon, delta), allowance(lifetime or epsilon, delta)
    return (AccountCap(AccountScope.IDENTIFIER, "", 365, year, for_ever),)


def default_rules(n_min: int = 0, f: int = 0, caps: tuple[AccountCap, ...] | None = None) -> Rules:
    """The rules of a federation whose founders set nothing else."""
    return Rules(n_min, f, MAX_KEYS, MAX_CELLS, caps or default_caps(), COMMITTEE)


def helpers_to_add(catalogue: Catalogue, owners: Sequence[str] = ()) -> int:
    """How many nodes without data a new federation needs beside its hosts, each a body of its own, until two serve as
    helpers; for a private join of ``owners`` until three others do."""
    hosts = {host for dataset in catalogue.datasets for host in dataset.hosts}
    return max(0, HELPER_NODES - len(hosts), JOIN_HELPERS - len(hosts.difference(owners)) if owners else 0)


def joinable(catalogue: Catalogue) -> tuple[tuple[str, str], ...]:
    """Pairs of departments whose datasets a private join could put together: one host each, the same identifier."""
    lone = [(d.hosts[0], (d.person.identifier, d.person.form)) for d in catalogue.datasets if len(d.hosts) == 1]
    pairs = {(one, two) for one, named in lone for two, same in lone if one < two and named == same}
    return tuple(sorted(pairs))


def found(
    directory: Path,
    catalogue: Catalogue,
    *,
    clock: Clock,
    randomness: Randomness,
    coordinator_address: str = "127.0.0.1:7443",
    n_min: int = 0,
    f: int = 0,
    analysts: Sequence[str] = ("analyst",),
    auditors: Sequence[str] = (),
    helpers: int | None = None,
    caps: tuple[AccountCap, ...] | None = None,
    bindings: Mapping[str, Path] | None = None,
    roots: int = 1,
    root_threshold: int | None = None,
) -> Federation:
    """Write the homes of a new federation below ``directory`` and return where they are.

    Hosts of the catalogue become nodes that also serve as helpers; ``helpers`` nodes without data are added, by
    default until two helper nodes of different bodies exist. ``bindings``: node -> folder of its files, or its
    node.toml; compiled at once. ``root_threshold``: root signatures a manifest needs, by default all but one of
    several. Raises BadFile FILE_HOME_EXISTS, FILE_MEMBER_NAME, FILE_FEDERATION_OPTION, or those of a binding.
    """
    hosts = tuple(dict.fromkeys(host for dataset in catalogue.datasets for host in dataset.hosts))
    added = helpers_to_add(catalogue) if helpers is None else helpers
    seats = _seats(hosts, added, analysts, auditors)
    root_names = ("root",) if roots == 1 else tuple(f"root-{i + 1}" for i in range(roots))
    threshold = root_threshold or max(1, roots - 1)
    _check(seats, root_names, threshold)
    _check_rules(catalogue, n_min, f)
    authority = Authority.create(catalogue.federation, clock, randomness)
    founder = _Founder(directory, catalogue.federation, coordinator_address, authority, randomness)
    root_keys = founder.roots(root_names)
    manifest = FederationManifest(
        version=RECORD_VERSION,
        federation=catalogue.federation,
        epoch=1,
        issued_ms=clock.now_ms(),
        until_ms=clock.now_ms() + MANIFEST_DAYS * DAY_MS,
        grace_seconds=GRACE_SECONDS,
        root_keys=tuple(RootKey(key.name, key.public) for key in root_keys),
        root_threshold=threshold,
        members=tuple(founder.member(seat) for seat in seats),
        rules=default_rules(n_min, f, caps),
        catalogue=catalogue,
    )
    record = signed(RecordKind.FEDERATION_MANIFEST, encode(manifest), *root_keys)
    founder.pin([*root_names, *(seat.name for seat in seats)], record, manifest.root_keys)
    from engine.governance.binding import bind_all, template

    for host in hosts:
        if host not in (bindings or {}):
            Home.load(directory / host).write("node.toml", template(host, catalogue).encode())
    bind_all({directory / node: source for node, source in (bindings or {}).items()})
    return Federation(directory, manifest, root_names)


def set_coordinator(federation: Federation, address: str) -> None:
    """Tell every member's home where the coordinator is (host:port), and the coordinator's where to listen."""
    for name in (m.name for m in federation.manifest.members):
        homes.set_coordinator(Home.load(federation.home(name)), address)


@dataclass(frozen=True, slots=True)
class _Seat:
    name: str
    roles: tuple[Role, ...]
    department: str = ""

    @property
    def home_role(self) -> str:
        return self.roles[0].name.lower()


def _seats(hosts: Sequence[str], helpers: int, analysts: Sequence[str], auditors: Sequence[str]) -> tuple[_Seat, ...]:
    """Everybody who signs something; each is a body of its own, and a guardian belongs to its node's."""
    return (
        _Seat("coordinator", (Role.COORDINATOR,)),
        _Seat("policy", (Role.POLICY_OFFICER,)),
        *(_Seat(host, (Role.NODE, Role.HELPER)) for host in hosts),
        *(_Seat(f"helper-{i + 1}", (Role.HELPER,)) for i in range(helpers)),
        *(_Seat(f"guardian-{host}", (Role.GUARDIAN,), host) for host in hosts),
        *(_Seat(analyst, (Role.ANALYST,)) for analyst in analysts),
        *(_Seat(auditor, (Role.AUDITOR,)) for auditor in auditors),
    )


def _check(seats: Sequence[_Seat], roots: Sequence[str], threshold: int) -> None:
    names = [*roots, *(seat.name for seat in seats)]
    for name in names:
        if not _NAME.fullmatch(name) or names.count(name) > 1:
            raise BadFile("FILE_MEMBER_NAME", name=name)
    helpers = sum(Role.HELPER in seat.roles for seat in seats)
    if helpers < HELPER_NODES:
        raise BadFile("FILE_FEDERATION_OPTION", problem="fewer than two helper nodes")
    if not 1 <= threshold <= len(roots):
        raise BadFile("FILE_FEDERATION_OPTION", problem="more root signatures needed than there are root keys")


def _check_rules(catalogue: Catalogue, n_min: int, f: int) -> None:
    for dataset in catalogue.datasets:
        hosts = len(dataset.hosts)
        if n_min < 0 or f < 0 or min(n_min or hosts, hosts) - f < 1:
            problem = f"{dataset.name} has {hosts} hosts, and n_min - f has to be at least 1"
            raise BadFile("FILE_FEDERATION_OPTION", problem=problem)


@dataclass(frozen=True, slots=True)
class _Founder:
    """Writes homes: each member's keys and certificate first, the manifest once all members are known."""

    directory: Path
    federation: str
    coordinator_address: str
    authority: Authority
    randomness: Randomness

    def roots(self, names: Sequence[str]) -> tuple[SigningKey, ...]:
        """One home for each root key; the first also keeps the certificate authority."""
        address = self.coordinator_address  # what members are told when they are admitted
        created = [
            homes.create_home(self.directory / name, name, "root", self.federation, coordinator=address)
            for name in names
        ]
        homes.store_tls(created[0], self.authority.own())
        return tuple(homes.draw_signing_key(home, self.randomness) for home in created)

    def member(self, seat: _Seat) -> Member:
        serves = Role.COORDINATOR in seat.roles
        addresses = {"coordinator": self.coordinator_address, "listen": self.coordinator_address if serves else ""}
        home = homes.create_home(self.directory / seat.name, seat.name, seat.home_role, self.federation, **addresses)
        signing, sealing = (draw(home, self.randomness) for draw in (homes.draw_signing_key, homes.draw_sealing_key))
        host = self.coordinator_address.rpartition(":")[0]
        names = tuple(dict.fromkeys((*COORDINATOR_NAMES, "127.0.0.1", host))) if serves else ()
        homes.store_tls(home, self.authority.issue(seat.name, seat.home_role, names))
        body = seat.department or seat.name
        return Member(seat.name, body, seat.roles, signing.public, sealing.public, seat.department)

    def pin(self, names: Sequence[str], record: SignedRecord, roots: tuple[RootKey, ...]) -> None:
        for name in names:
            home = Home.load(self.directory / name)
            homes.store_roots(home, roots)
            homes.store_manifest(home, record)
