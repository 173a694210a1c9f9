from protos.splittally.v1 import plan_pb2 as _plan_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class IdentifierForm(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    IDENTIFIER_FORM_UNSPECIFIED: _ClassVar[IdentifierForm]
    AS_IS: _ClassVar[IdentifierForm]
    UPPER_ALNUM: _ClassVar[IdentifierForm]
    DIGITS: _ClassVar[IdentifierForm]
    WHOLE_NUMBER: _ClassVar[IdentifierForm]
    NHS_NUMBER: _ClassVar[IdentifierForm]
    NINO: _ClassVar[IdentifierForm]
IDENTIFIER_FORM_UNSPECIFIED: IdentifierForm
AS_IS: IdentifierForm
UPPER_ALNUM: IdentifierForm
DIGITS: IdentifierForm
WHOLE_NUMBER: IdentifierForm
NHS_NUMBER: IdentifierForm
NINO: IdentifierForm

class Catalogue(_message.Message):
    __slots__ = ("version", "federation", "datasets")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    FEDERATION_FIELD_NUMBER: _ClassVar[int]
    DATASETS_FIELD_NUMBER: _ClassVar[int]
    version: int
    federation: str
    datasets: _containers.RepeatedCompositeFieldContainer[Dataset]
    def __init__(self, version: _Optional[int] = ..., federation: _Optional[str] = ..., datasets: _Optional[_Iterable[_Union[Dataset, _Mapping]]] = ...) -> None: ...

class PersonUnit(_message.Message):
    __slots__ = ("column", "identifier", "form")
    COLUMN_FIELD_NUMBER: _ClassVar[int]
    IDENTIFIER_FIELD_NUMBER: _ClassVar[int]
    FORM_FIELD_NUMBER: _ClassVar[int]
    column: str
    identifier: str
    form: IdentifierForm
    def __init__(self, column: _Optional[str] = ..., identifier: _Optional[str] = ..., form: _Optional[_Union[IdentifierForm, str]] = ...) -> None: ...

class Dataset(_message.Message):
    __slots__ = ("name", "title", "about", "hosts", "person", "overlap", "rows_per_person", "groups_per_person", "placement", "at_most_persons", "at_most_rows", "columns", "per_person")
    NAME_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    ABOUT_FIELD_NUMBER: _ClassVar[int]
    HOSTS_FIELD_NUMBER: _ClassVar[int]
    PERSON_FIELD_NUMBER: _ClassVar[int]
    OVERLAP_FIELD_NUMBER: _ClassVar[int]
    ROWS_PER_PERSON_FIELD_NUMBER: _ClassVar[int]
    GROUPS_PER_PERSON_FIELD_NUMBER: _ClassVar[int]
    PLACEMENT_FIELD_NUMBER: _ClassVar[int]
    AT_MOST_PERSONS_FIELD_NUMBER: _ClassVar[int]
    AT_MOST_ROWS_FIELD_NUMBER: _ClassVar[int]
    COLUMNS_FIELD_NUMBER: _ClassVar[int]
    PER_PERSON_FIELD_NUMBER: _ClassVar[int]
    name: str
    title: str
    about: str
    hosts: _containers.RepeatedScalarFieldContainer[str]
    person: PersonUnit
    overlap: int
    rows_per_person: int
    groups_per_person: int
    placement: str
    at_most_persons: int
    at_most_rows: int
    columns: _containers.RepeatedCompositeFieldContainer[Column]
    per_person: _containers.RepeatedCompositeFieldContainer[PerPersonBound]
    def __init__(self, name: _Optional[str] = ..., title: _Optional[str] = ..., about: _Optional[str] = ..., hosts: _Optional[_Iterable[str]] = ..., person: _Optional[_Union[PersonUnit, _Mapping]] = ..., overlap: _Optional[int] = ..., rows_per_person: _Optional[int] = ..., groups_per_person: _Optional[int] = ..., placement: _Optional[str] = ..., at_most_persons: _Optional[int] = ..., at_most_rows: _Optional[int] = ..., columns: _Optional[_Iterable[_Union[Column, _Mapping]]] = ..., per_person: _Optional[_Iterable[_Union[PerPersonBound, _Mapping]]] = ...) -> None: ...

class Column(_message.Message):
    __slots__ = ("name", "type", "about", "unit", "nullable", "domain", "bounds", "step")
    NAME_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    ABOUT_FIELD_NUMBER: _ClassVar[int]
    UNIT_FIELD_NUMBER: _ClassVar[int]
    NULLABLE_FIELD_NUMBER: _ClassVar[int]
    DOMAIN_FIELD_NUMBER: _ClassVar[int]
    BOUNDS_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    name: str
    type: _plan_pb2.Type
    about: str
    unit: str
    nullable: bool
    domain: _containers.RepeatedScalarFieldContainer[str]
    bounds: Bounds
    step: _plan_pb2.Rational
    def __init__(self, name: _Optional[str] = ..., type: _Optional[_Union[_plan_pb2.Type, str]] = ..., about: _Optional[str] = ..., unit: _Optional[str] = ..., nullable: _Optional[bool] = ..., domain: _Optional[_Iterable[str]] = ..., bounds: _Optional[_Union[Bounds, _Mapping]] = ..., step: _Optional[_Union[_plan_pb2.Rational, _Mapping]] = ...) -> None: ...

class Bounds(_message.Message):
    __slots__ = ("lower", "upper")
    LOWER_FIELD_NUMBER: _ClassVar[int]
    UPPER_FIELD_NUMBER: _ClassVar[int]
    lower: _plan_pb2.Rational
    upper: _plan_pb2.Rational
    def __init__(self, lower: _Optional[_Union[_plan_pb2.Rational, _Mapping]] = ..., upper: _Optional[_Union[_plan_pb2.Rational, _Mapping]] = ...) -> None: ...

class PerPersonBound(_message.Message):
    __slots__ = ("column", "sum")
    COLUMN_FIELD_NUMBER: _ClassVar[int]
    SUM_FIELD_NUMBER: _ClassVar[int]
    column: str
    sum: Bounds
    def __init__(self, column: _Optional[str] = ..., sum: _Optional[_Union[Bounds, _Mapping]] = ...) -> None: ...

class NodeBinding(_message.Message):
    __slots__ = ("version", "node", "datasets", "guardians")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    NODE_FIELD_NUMBER: _ClassVar[int]
    DATASETS_FIELD_NUMBER: _ClassVar[int]
    GUARDIANS_FIELD_NUMBER: _ClassVar[int]
    version: int
    node: str
    datasets: _containers.RepeatedCompositeFieldContainer[DatasetBinding]
    guardians: int
    def __init__(self, version: _Optional[int] = ..., node: _Optional[str] = ..., datasets: _Optional[_Iterable[_Union[DatasetBinding, _Mapping]]] = ..., guardians: _Optional[int] = ...) -> None: ...

class DatasetBinding(_message.Message):
    __slots__ = ("dataset", "files", "local_columns", "columns", "consent", "consent_version", "purposes")
    DATASET_FIELD_NUMBER: _ClassVar[int]
    FILES_FIELD_NUMBER: _ClassVar[int]
    LOCAL_COLUMNS_FIELD_NUMBER: _ClassVar[int]
    COLUMNS_FIELD_NUMBER: _ClassVar[int]
    CONSENT_FIELD_NUMBER: _ClassVar[int]
    CONSENT_VERSION_FIELD_NUMBER: _ClassVar[int]
    PURPOSES_FIELD_NUMBER: _ClassVar[int]
    dataset: str
    files: _containers.RepeatedScalarFieldContainer[str]
    local_columns: _containers.RepeatedCompositeFieldContainer[LocalColumn]
    columns: _containers.RepeatedCompositeFieldContainer[_plan_pb2.NamedExpression]
    consent: _plan_pb2.Expression
    consent_version: int
    purposes: _containers.RepeatedCompositeFieldContainer[_plan_pb2.NamedExpression]
    def __init__(self, dataset: _Optional[str] = ..., files: _Optional[_Iterable[str]] = ..., local_columns: _Optional[_Iterable[_Union[LocalColumn, _Mapping]]] = ..., columns: _Optional[_Iterable[_Union[_plan_pb2.NamedExpression, _Mapping]]] = ..., consent: _Optional[_Union[_plan_pb2.Expression, _Mapping]] = ..., consent_version: _Optional[int] = ..., purposes: _Optional[_Iterable[_Union[_plan_pb2.NamedExpression, _Mapping]]] = ...) -> None: ...

class LocalColumn(_message.Message):
    __slots__ = ("name", "type")
    NAME_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    name: str
    type: _plan_pb2.Type
    def __init__(self, name: _Optional[str] = ..., type: _Optional[_Union[_plan_pb2.Type, str]] = ...) -> None: ...
