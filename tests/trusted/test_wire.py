"""The codec: every record survives the round trip, and no other bytes stand for it."""

from __future__ import annotations

import enum
import types
from dataclasses import fields, is_dataclass
from datetime import date
from fractions import Fraction
from typing import Any, get_args, get_origin, get_type_hints

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.errors import Refused
from engine.trusted import catalogue, literal, messages, plan, records, wire
from engine.trusted.literal import Literal, Type
from protos.splittally.v1 import catalogue_pb2, coordinator_pb2, governance_pb2, node_pb2, plan_pb2

PYTHON = (literal, plan, catalogue, records, messages)
PROTO = (plan_pb2, catalogue_pb2, governance_pb2, node_pb2, coordinator_pb2)
MESSAGES = {name: found for module in PROTO for name, found in module.DESCRIPTOR.message_types_by_name.items()}
ENUMS = {name: found for module in PROTO for name, found in module.DESCRIPTOR.enum_types_by_name.items()}


def _defined(test: Any) -> list[Any]:
    return [found for module in PYTHON for found in vars(module).values() if test(found, module)]


RECORDS = _defined(lambda f, m: isinstance(f, type) and is_dataclass(f) and f.__module__ == m.__name__)
ENUM_TYPES = _defined(lambda f, m: isinstance(f, type) and issubclass(f, enum.Enum) and f.__module__ == m.__name__)
UNIONS = {
    "Expression": plan.Expression,
    "Relation": plan.Relation,
    "FromNode": messages.FromNode,
    "ToNode": messages.ToNode,
    "ResultPart": messages.ResultPart,
}
ELSEWHERE = {"Rational": Fraction}  # messages without a frozen type of that name

INT_RANGES = {
    "uint32": st.integers(0, 2**32 - 1),
    "uint64": st.integers(0, 2**63 - 1),
    "sint64": st.integers(-(2**63), 2**63 - 1),
}
WIRE_TYPES = {13: "uint32", 4: "uint64", 18: "sint64"}  # FieldDescriptor.TYPE_*
RATIONALS = st.builds(Fraction, st.integers(-(2**62), 2**62), st.integers(1, 2**62))
TEXTS = st.text(st.characters(exclude_categories=("Cs",)), max_size=6)
LITERALS = st.one_of(
    st.builds(plan.Literal, st.sampled_from(plan.Type), st.none()),
    st.builds(plan.Literal, st.just(plan.Type.BOOLEAN), st.booleans()),
    st.builds(plan.Literal, st.just(plan.Type.INTEGER), INT_RANGES["sint64"]),
    st.builds(plan.Literal, st.just(plan.Type.DECIMAL), RATIONALS),
    st.builds(plan.Literal, st.just(plan.Type.DATE), st.dates()),
    st.builds(plan.Literal, st.just(plan.Type.TEXT), TEXTS),
)


def values(hint: Any, message: str, field: str, depth: int = 3) -> st.SearchStrategy[Any]:
    """Values of a field's Python type, inside the range of its wire type; ``depth`` bounds recursion."""
    for name, union in UNIONS.items():
        if hint == union:
            members = [plan.ColumnRef] if name == "Expression" and depth <= 0 else list(get_args(union))
            members = [plan.Scan] if name == "Relation" and depth <= 0 else members
            return st.one_of(*(values(m, message, field, depth - 1) for m in members))
    if get_origin(hint) is tuple:
        most = 2 if depth > 0 else 0
        return st.lists(values(get_args(hint)[0], message, field, depth - 1), max_size=most).map(tuple)
    if isinstance(hint, types.UnionType):
        inner = [a for a in get_args(hint) if a is not type(None)]
        joined = inner[0] if len(inner) == 1 else next(u for u in UNIONS.values() if set(get_args(u)) == set(inner))
        return st.none() | values(joined, message, field, depth - 1)
    if hint is int:
        return INT_RANGES[WIRE_TYPES[MESSAGES[message].fields_by_name[field].type]]
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return st.sampled_from(hint)
    simple = {bool: st.booleans(), str: TEXTS, bytes: st.binary(max_size=40), Fraction: RATIONALS}
    return simple[hint] if hint in simple else built(hint, depth)


def built(kind: Any, depth: int = 3) -> st.SearchStrategy[Any]:
    if kind is plan.Literal:
        return LITERALS
    hints = get_type_hints(kind)
    parts = {f.name: st.deferred(lambda f=f: values(hints[f.name], kind.__name__, f.name, depth)) for f in fields(kind)}
    if kind in (plan.Clamp, catalogue.Bounds):
        return st.lists(RATIONALS, min_size=2, max_size=2).map(lambda pair: kind(min(pair), max(pair)))
    return st.builds(kind, **parts)


QUICK = settings(
    max_examples=6,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@pytest.mark.parametrize("kind", RECORDS, ids=lambda k: k.__name__)
def test_every_record_survives_the_round_trip(kind: Any) -> None:
    @QUICK
    @given(built(kind))
    def law(record: Any) -> None:
        assert wire.decode(kind, wire.encode(record)) == record

    law()


@pytest.mark.parametrize("name", UNIONS)
def test_every_member_of_a_union_survives_the_round_trip(name: str) -> None:
    union = UNIONS[name]

    @QUICK
    @given(values(union, "", ""))
    def law(record: Any) -> None:
        assert wire.decode(union, wire.encode(record, union)) == record

    law()


def test_every_message_has_a_frozen_type_with_the_same_fields() -> None:
    frozen = {k.__name__: {f.name for f in fields(k)} for k in RECORDS}
    assert set(frozen) | set(UNIONS) | set(ELSEWHERE) == set(MESSAGES)
    for name, descriptor in MESSAGES.items():
        names = set(descriptor.fields_by_name)
        if name in UNIONS:
            assert {m.__name__ for m in get_args(UNIONS[name])} == {f.message_type.name for f in descriptor.fields}
        elif name == "Literal":
            assert names == {"type", *wire._LITERAL_FIELDS.values()}
        elif name not in ELSEWHERE:
            assert frozen[name] == names, name


@pytest.mark.parametrize("kind", ENUM_TYPES, ids=lambda k: k.__name__)
def test_enum_numbers_and_names_are_those_of_the_messages(kind: Any) -> None:
    numbers = {v.number: v.name for v in ENUMS[kind.__name__].values}
    assert numbers.pop(0).endswith("_UNSPECIFIED")
    assert set(numbers) == {m.value for m in kind}
    for member in kind:  # names are unique in a proto file, so a few carry their enum's name
        assert member.name in (
            numbers[member.value],
            numbers[member.value].removeprefix("FEATURE_").removesuffix("_STATE"),
        )
    assert len(ENUM_TYPES) == len(ENUMS)


SNAPSHOT = records.SnapshotRef("people", "s1", 7)
DATASET, SNAPSHOT_ID, VERSION = b"\x0a\x06people", b"\x12\x02s1", b"\x18\x07"
ENTRY = b"\x08\x01"  # JournalEntry.version = 1
OTHER_BYTES = {
    "an unknown field": DATASET + SNAPSHOT_ID + VERSION + b"\x20\x01",
    "an unknown field first": b"\x20\x01" + DATASET + SNAPSHOT_ID + VERSION,
    "an unknown group": DATASET + SNAPSHOT_ID + VERSION + b"\x23\x24",
    "a repeated field": DATASET + DATASET + SNAPSHOT_ID + VERSION,
    "a repeated field with another value first": b"\x0a\x01x" + DATASET + SNAPSHOT_ID + VERSION,
    "fields out of order": SNAPSHOT_ID + DATASET + VERSION,
    "a long varint": DATASET + SNAPSHOT_ID + b"\x18\x87\x00",
    "a varint beyond 32 bits": DATASET + SNAPSHOT_ID + b"\x18\x87\x80\x80\x80\x80\x01",
    "a long length": b"\x0a\x86\x00people" + SNAPSHOT_ID + VERSION,
    "another wire type": DATASET + SNAPSHOT_ID + b"\x1d\x07\x00\x00\x00",
    "text that is not UTF-8": b"\x0a\x06peopl\xff" + SNAPSHOT_ID + VERSION,
    "a cut": DATASET + SNAPSHOT_ID + b"\x18",
    "a length past the end": b"\x0a\x7fpeople",
}


@pytest.mark.parametrize("name", OTHER_BYTES)
def test_other_bytes_for_the_same_record_are_refused(name: str) -> None:
    assert wire.decode(records.SnapshotRef, DATASET + SNAPSHOT_ID + VERSION) == SNAPSHOT
    with pytest.raises(Refused, match="POLICY_WIRE_INVALID"):
        wire.decode(records.SnapshotRef, OTHER_BYTES[name])


NOT_RECORDS = {
    "a written default": (records.SnapshotRef, DATASET + SNAPSHOT_ID + b"\x18\x00"),
    "no enum value": (records.SignedRecord, b"\x12\x01p"),
    "an enum value outside the list": (records.SignedRecord, b"\x08\x63\x12\x01p"),
    "a missing message": (records.SignedHead, b"\x12\x01s"),
    "an empty union": (messages.ToNode, b""),
    "two members of a union": (messages.ToNode, b"\x0a\x02\x08\x01" + b"\x3a\x02\x08\x01"),
    "a literal of another type": (plan.Literal, b"\x08\x02\x32\x01x"),
    "an unreduced number": (plan.Clamp, b"\x0a\x04\x08\x04\x10\x02\x12\x04\x08\x04\x10\x01"),
    "a zero denominator": (plan.Clamp, b"\x0a\x02\x08\x04\x12\x04\x08\x04\x10\x01"),
    "bounds the wrong way round": (plan.Clamp, b"\x0a\x04\x08\x04\x10\x01\x12\x04\x08\x02\x10\x01"),
    "a date past the calendar": (plan.Literal, b"\x08\x04\x28\xfe\xff\xff\xff\x0f"),
}


@pytest.mark.parametrize("name", NOT_RECORDS)
def test_what_is_no_record_is_refused(name: str) -> None:
    kind, payload = NOT_RECORDS[name]
    with pytest.raises(Refused, match="POLICY_WIRE_INVALID"):
        wire.decode(kind, payload)


@settings(max_examples=50, deadline=None, database=None)
@given(built(records.RoundManifest, 2), st.data())
def test_changed_bytes_are_refused_or_another_record(record: records.RoundManifest, data: st.DataObject) -> None:
    payload = bytearray(wire.encode(record))
    if not payload:
        return
    payload[data.draw(st.integers(0, len(payload) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        other = wire.decode(records.RoundManifest, bytes(payload))
    except Refused as refused:
        assert refused.code == "POLICY_WIRE_INVALID"
    else:
        assert other != record


@settings(max_examples=50, deadline=None, database=None)
@given(st.binary(max_size=64), st.sampled_from([plan.Plan, records.Request, messages.FromNode, messages.ToNode]))
def test_arbitrary_bytes_never_crash(payload: bytes, kind: Any) -> None:
    try:
        assert wire.encode(wire.decode(kind, payload), kind) == payload
    except Refused as refused:
        assert refused.code == "POLICY_WIRE_INVALID"


def test_the_size_limit_holds_to_the_byte() -> None:
    part = messages.VectorPart(b"r" * 32, 1, bytes(1000))
    payload = wire.encode(part)
    assert wire.decode(messages.VectorPart, payload, limit=len(payload)) == part
    with pytest.raises(Refused, match="POLICY_WIRE_INVALID"):
        wire.decode(messages.VectorPart, payload, limit=len(payload) - 1)
    with pytest.raises(Refused, match="POLICY_WIRE_INVALID"):
        wire.decode(messages.VectorPart, bytes((4 << 20) + 1))


def _tlv(field: int, body: bytes) -> bytes:
    length, written = len(body), b""
    while length > 127:
        written, length = written + bytes([length & 127 | 128]), length >> 7
    return bytes([field << 3 | 2]) + written + bytes([length]) + body


def test_what_is_encoded_can_be_decoded_at_every_depth() -> None:
    expression: plan.Expression = plan.Literal(plan.Type.DECIMAL, Fraction(1, 2))
    carried = []
    for depth in range(1, 400):
        try:
            payload = wire.encode(expression, plan.Expression)
        except Refused as refused:
            assert refused.code == "POLICY_WIRE_INVALID"
        else:
            assert wire.decode(plan.Expression, payload) == expression
            carried.append(depth)
        expression = plan.Call(plan.Function.NOT, (expression,))
    assert carried == list(range(1, len(carried) + 1))
    assert 45 < len(carried) < 55


@pytest.mark.parametrize("depth", [200, 5_000])
def test_deep_nesting_is_refused_and_crashes_nothing(depth: int) -> None:
    expression: plan.Expression = plan.ColumnRef("a")
    payload = _tlv(1, _tlv(1, b"a"))
    for _ in range(depth):
        expression = plan.Call(plan.Function.NOT, (expression,))
        payload = _tlv(3, b"\x08\x20" + _tlv(2, payload))
    with pytest.raises(Refused, match="POLICY_WIRE_INVALID"):
        wire.decode(plan.Expression, payload)
    with pytest.raises(Refused, match="POLICY_WIRE_INVALID"):
        wire.encode(expression, plan.Expression)


@pytest.mark.parametrize(
    "record",
    [
        records.Loss(-1, 0),
        records.Loss(2**64, 0),
        records.SnapshotRef("\ud800", "s", 1),
        plan.Literal(plan.Type.INTEGER, 2**63),
        plan.Clamp(Fraction(1, 2**64), Fraction(1)),
        records.SnapshotRef(3, "s", 1),  # type: ignore[arg-type]
    ],
    ids=repr,
)
def test_what_does_not_fit_the_wire_is_refused_before_it_is_sent(record: Any) -> None:
    with pytest.raises(Refused, match="POLICY_WIRE_INVALID"):
        wire.encode(record)


def test_the_digest_is_sha_256() -> None:
    assert wire.digest(b"abc").hex() == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_dates_keep_their_day() -> None:
    for day in (date(1, 1, 1), date(1969, 12, 31), date(1970, 1, 1), date(2024, 2, 29), date(9999, 12, 31)):
        literal = plan.Literal(plan.Type.DATE, day)
        assert wire.decode(plan.Literal, wire.encode(literal)) == literal


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (Type.BOOLEAN, 1),
        (Type.INTEGER, True),
        (Type.INTEGER, 1.0),
        (Type.DECIMAL, 1),
        (Type.DATE, "x"),
        (Type.TEXT, b""),
    ],
)
def test_a_literal_of_another_type_is_refused(kind: Type, value: object) -> None:
    with pytest.raises(ValueError, match="literal holds"):
        Literal(kind, value)  # type: ignore[arg-type]
