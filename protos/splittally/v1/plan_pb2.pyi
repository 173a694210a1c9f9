from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Statistic(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    STATISTIC_UNSPECIFIED: _ClassVar[Statistic]
    COUNT_ROWS: _ClassVar[Statistic]
    COUNT_PRESENT: _ClassVar[Statistic]
    COUNT_PERSONS: _ClassVar[Statistic]
    SUM: _ClassVar[Statistic]
    CENTRED_SUM: _ClassVar[Statistic]
    QUANTILE_TREE: _ClassVar[Statistic]

class Feature(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    FEATURE_UNSPECIFIED: _ClassVar[Feature]
    FEATURE_COUNT_ROWS: _ClassVar[Feature]
    FEATURE_COUNT_PRESENT: _ClassVar[Feature]
    FEATURE_SUM: _ClassVar[Feature]
    FEATURE_AVERAGE: _ClassVar[Feature]
    FEATURE_MINIMUM: _ClassVar[Feature]
    FEATURE_MAXIMUM: _ClassVar[Feature]
    FEATURE_ANY_TRUE: _ClassVar[Feature]

class JoinKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    JOIN_KIND_UNSPECIFIED: _ClassVar[JoinKind]
    INNER: _ClassVar[JoinKind]
    LEFT: _ClassVar[JoinKind]
    SEMI: _ClassVar[JoinKind]
    ANTI: _ClassVar[JoinKind]

class Type(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TYPE_UNSPECIFIED: _ClassVar[Type]
    BOOLEAN: _ClassVar[Type]
    INTEGER: _ClassVar[Type]
    DECIMAL: _ClassVar[Type]
    DATE: _ClassVar[Type]
    TEXT: _ClassVar[Type]

class Function(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    FUNCTION_UNSPECIFIED: _ClassVar[Function]
    ADD: _ClassVar[Function]
    SUBTRACT: _ClassVar[Function]
    MULTIPLY: _ClassVar[Function]
    DIVIDE: _ClassVar[Function]
    INTEGER_DIVIDE: _ClassVar[Function]
    MODULO: _ClassVar[Function]
    NEGATE: _ClassVar[Function]
    ABS: _ClassVar[Function]
    FLOOR: _ClassVar[Function]
    CEIL: _ClassVar[Function]
    ROUND: _ClassVar[Function]
    LEAST: _ClassVar[Function]
    GREATEST: _ClassVar[Function]
    EQUAL: _ClassVar[Function]
    NOT_EQUAL: _ClassVar[Function]
    LESS: _ClassVar[Function]
    LESS_EQUAL: _ClassVar[Function]
    GREATER: _ClassVar[Function]
    GREATER_EQUAL: _ClassVar[Function]
    IN: _ClassVar[Function]
    IS_NULL: _ClassVar[Function]
    LIKE: _ClassVar[Function]
    AND: _ClassVar[Function]
    OR: _ClassVar[Function]
    NOT: _ClassVar[Function]
    CASE: _ClassVar[Function]
    COALESCE: _ClassVar[Function]
    NULLIF: _ClassVar[Function]
    CAST_INTEGER: _ClassVar[Function]
    CAST_DECIMAL: _ClassVar[Function]
    CAST_TEXT: _ClassVar[Function]
    CAST_DATE: _ClassVar[Function]
    CAST_BOOLEAN: _ClassVar[Function]
    TRUNC_DAY: _ClassVar[Function]
    TRUNC_WEEK: _ClassVar[Function]
    TRUNC_MONTH: _ClassVar[Function]
    TRUNC_QUARTER: _ClassVar[Function]
    TRUNC_YEAR: _ClassVar[Function]
    YEAR: _ClassVar[Function]
    QUARTER: _ClassVar[Function]
    MONTH: _ClassVar[Function]
    DAY: _ClassVar[Function]
    ISO_DAY_OF_WEEK: _ClassVar[Function]
    DAYS_BETWEEN: _ClassVar[Function]
    MONTHS_BETWEEN: _ClassVar[Function]
    YEARS_BETWEEN: _ClassVar[Function]
    ADD_DAYS: _ClassVar[Function]
    UPPER: _ClassVar[Function]
    LOWER: _ClassVar[Function]
    TRIM: _ClassVar[Function]
    LENGTH: _ClassVar[Function]
    SUBSTRING: _ClassVar[Function]
    CONCAT: _ClassVar[Function]
    ALPHANUMERIC: _ClassVar[Function]
STATISTIC_UNSPECIFIED: Statistic
COUNT_ROWS: Statistic
COUNT_PRESENT: Statistic
COUNT_PERSONS: Statistic
SUM: Statistic
CENTRED_SUM: Statistic
QUANTILE_TREE: Statistic
FEATURE_UNSPECIFIED: Feature
FEATURE_COUNT_ROWS: Feature
FEATURE_COUNT_PRESENT: Feature
FEATURE_SUM: Feature
FEATURE_AVERAGE: Feature
FEATURE_MINIMUM: Feature
FEATURE_MAXIMUM: Feature
FEATURE_ANY_TRUE: Feature
JOIN_KIND_UNSPECIFIED: JoinKind
INNER: JoinKind
LEFT: JoinKind
SEMI: JoinKind
ANTI: JoinKind
TYPE_UNSPECIFIED: Type
BOOLEAN: Type
INTEGER: Type
DECIMAL: Type
DATE: Type
TEXT: Type
FUNCTION_UNSPECIFIED: Function
ADD: Function
SUBTRACT: Function
MULTIPLY: Function
DIVIDE: Function
INTEGER_DIVIDE: Function
MODULO: Function
NEGATE: Function
ABS: Function
FLOOR: Function
CEIL: Function
ROUND: Function
LEAST: Function
GREATEST: Function
EQUAL: Function
NOT_EQUAL: Function
LESS: Function
LESS_EQUAL: Function
GREATER: Function
GREATER_EQUAL: Function
IN: Function
IS_NULL: Function
LIKE: Function
AND: Function
OR: Function
NOT: Function
CASE: Function
COALESCE: Function
NULLIF: Function
CAST_INTEGER: Function
CAST_DECIMAL: Function
CAST_TEXT: Function
CAST_DATE: Function
CAST_BOOLEAN: Function
TRUNC_DAY: Function
TRUNC_WEEK: Function
TRUNC_MONTH: Function
TRUNC_QUARTER: Function
TRUNC_YEAR: Function
YEAR: Function
QUARTER: Function
MONTH: Function
DAY: Function
ISO_DAY_OF_WEEK: Function
DAYS_BETWEEN: Function
MONTHS_BETWEEN: Function
YEARS_BETWEEN: Function
ADD_DAYS: Function
UPPER: Function
LOWER: Function
TRIM: Function
LENGTH: Function
SUBSTRING: Function
CONCAT: Function
ALPHANUMERIC: Function

class Plan(_message.Message):
    __slots__ = ("version", "catalogue_digest", "aggregate")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    CATALOGUE_DIGEST_FIELD_NUMBER: _ClassVar[int]
    AGGREGATE_FIELD_NUMBER: _ClassVar[int]
    version: int
    catalogue_digest: bytes
    aggregate: Aggregate
    def __init__(self, version: _Optional[int] = ..., catalogue_digest: _Optional[bytes] = ..., aggregate: _Optional[_Union[Aggregate, _Mapping]] = ...) -> None: ...

class Aggregate(_message.Message):
    __slots__ = ("input", "keys", "grouping_sets", "measures")
    INPUT_FIELD_NUMBER: _ClassVar[int]
    KEYS_FIELD_NUMBER: _ClassVar[int]
    GROUPING_SETS_FIELD_NUMBER: _ClassVar[int]
    MEASURES_FIELD_NUMBER: _ClassVar[int]
    input: Relation
    keys: _containers.RepeatedCompositeFieldContainer[Key]
    grouping_sets: _containers.RepeatedCompositeFieldContainer[GroupingSet]
    measures: _containers.RepeatedCompositeFieldContainer[Measure]
    def __init__(self, input: _Optional[_Union[Relation, _Mapping]] = ..., keys: _Optional[_Iterable[_Union[Key, _Mapping]]] = ..., grouping_sets: _Optional[_Iterable[_Union[GroupingSet, _Mapping]]] = ..., measures: _Optional[_Iterable[_Union[Measure, _Mapping]]] = ...) -> None: ...

class GroupingSet(_message.Message):
    __slots__ = ("keys",)
    KEYS_FIELD_NUMBER: _ClassVar[int]
    keys: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, keys: _Optional[_Iterable[int]] = ...) -> None: ...

class Key(_message.Message):
    __slots__ = ("expression", "values", "selected_at_most")
    EXPRESSION_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    SELECTED_AT_MOST_FIELD_NUMBER: _ClassVar[int]
    expression: Expression
    values: _containers.RepeatedCompositeFieldContainer[Literal]
    selected_at_most: int
    def __init__(self, expression: _Optional[_Union[Expression, _Mapping]] = ..., values: _Optional[_Iterable[_Union[Literal, _Mapping]]] = ..., selected_at_most: _Optional[int] = ...) -> None: ...

class Measure(_message.Message):
    __slots__ = ("statistic", "expression", "filter", "clamp", "weight")
    STATISTIC_FIELD_NUMBER: _ClassVar[int]
    EXPRESSION_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    CLAMP_FIELD_NUMBER: _ClassVar[int]
    WEIGHT_FIELD_NUMBER: _ClassVar[int]
    statistic: Statistic
    expression: Expression
    filter: Expression
    clamp: Clamp
    weight: int
    def __init__(self, statistic: _Optional[_Union[Statistic, str]] = ..., expression: _Optional[_Union[Expression, _Mapping]] = ..., filter: _Optional[_Union[Expression, _Mapping]] = ..., clamp: _Optional[_Union[Clamp, _Mapping]] = ..., weight: _Optional[int] = ...) -> None: ...

class Clamp(_message.Message):
    __slots__ = ("lower", "upper")
    LOWER_FIELD_NUMBER: _ClassVar[int]
    UPPER_FIELD_NUMBER: _ClassVar[int]
    lower: Rational
    upper: Rational
    def __init__(self, lower: _Optional[_Union[Rational, _Mapping]] = ..., upper: _Optional[_Union[Rational, _Mapping]] = ...) -> None: ...

class Relation(_message.Message):
    __slots__ = ("scan", "filter", "project", "person_aggregate", "person_join", "private_join", "union_all")
    SCAN_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    PROJECT_FIELD_NUMBER: _ClassVar[int]
    PERSON_AGGREGATE_FIELD_NUMBER: _ClassVar[int]
    PERSON_JOIN_FIELD_NUMBER: _ClassVar[int]
    PRIVATE_JOIN_FIELD_NUMBER: _ClassVar[int]
    UNION_ALL_FIELD_NUMBER: _ClassVar[int]
    scan: Scan
    filter: Filter
    project: Project
    person_aggregate: PersonAggregate
    person_join: PersonJoin
    private_join: PrivateJoin
    union_all: UnionAll
    def __init__(self, scan: _Optional[_Union[Scan, _Mapping]] = ..., filter: _Optional[_Union[Filter, _Mapping]] = ..., project: _Optional[_Union[Project, _Mapping]] = ..., person_aggregate: _Optional[_Union[PersonAggregate, _Mapping]] = ..., person_join: _Optional[_Union[PersonJoin, _Mapping]] = ..., private_join: _Optional[_Union[PrivateJoin, _Mapping]] = ..., union_all: _Optional[_Union[UnionAll, _Mapping]] = ...) -> None: ...

class Scan(_message.Message):
    __slots__ = ("dataset",)
    DATASET_FIELD_NUMBER: _ClassVar[int]
    dataset: str
    def __init__(self, dataset: _Optional[str] = ...) -> None: ...

class Filter(_message.Message):
    __slots__ = ("input", "predicate")
    INPUT_FIELD_NUMBER: _ClassVar[int]
    PREDICATE_FIELD_NUMBER: _ClassVar[int]
    input: Relation
    predicate: Expression
    def __init__(self, input: _Optional[_Union[Relation, _Mapping]] = ..., predicate: _Optional[_Union[Expression, _Mapping]] = ...) -> None: ...

class Project(_message.Message):
    __slots__ = ("input", "columns")
    INPUT_FIELD_NUMBER: _ClassVar[int]
    COLUMNS_FIELD_NUMBER: _ClassVar[int]
    input: Relation
    columns: _containers.RepeatedCompositeFieldContainer[NamedExpression]
    def __init__(self, input: _Optional[_Union[Relation, _Mapping]] = ..., columns: _Optional[_Iterable[_Union[NamedExpression, _Mapping]]] = ...) -> None: ...

class NamedExpression(_message.Message):
    __slots__ = ("name", "expression")
    NAME_FIELD_NUMBER: _ClassVar[int]
    EXPRESSION_FIELD_NUMBER: _ClassVar[int]
    name: str
    expression: Expression
    def __init__(self, name: _Optional[str] = ..., expression: _Optional[_Union[Expression, _Mapping]] = ...) -> None: ...

class PersonAggregate(_message.Message):
    __slots__ = ("input", "features")
    INPUT_FIELD_NUMBER: _ClassVar[int]
    FEATURES_FIELD_NUMBER: _ClassVar[int]
    input: Relation
    features: _containers.RepeatedCompositeFieldContainer[PersonFeature]
    def __init__(self, input: _Optional[_Union[Relation, _Mapping]] = ..., features: _Optional[_Iterable[_Union[PersonFeature, _Mapping]]] = ...) -> None: ...

class PersonFeature(_message.Message):
    __slots__ = ("name", "feature", "expression", "filter")
    NAME_FIELD_NUMBER: _ClassVar[int]
    FEATURE_FIELD_NUMBER: _ClassVar[int]
    EXPRESSION_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    name: str
    feature: Feature
    expression: Expression
    filter: Expression
    def __init__(self, name: _Optional[str] = ..., feature: _Optional[_Union[Feature, str]] = ..., expression: _Optional[_Union[Expression, _Mapping]] = ..., filter: _Optional[_Union[Expression, _Mapping]] = ...) -> None: ...

class PersonJoin(_message.Message):
    __slots__ = ("join", "left", "right")
    JOIN_FIELD_NUMBER: _ClassVar[int]
    LEFT_FIELD_NUMBER: _ClassVar[int]
    RIGHT_FIELD_NUMBER: _ClassVar[int]
    join: JoinKind
    left: Relation
    right: Relation
    def __init__(self, join: _Optional[_Union[JoinKind, str]] = ..., left: _Optional[_Union[Relation, _Mapping]] = ..., right: _Optional[_Union[Relation, _Mapping]] = ...) -> None: ...

class PrivateJoin(_message.Message):
    __slots__ = ("left", "right")
    LEFT_FIELD_NUMBER: _ClassVar[int]
    RIGHT_FIELD_NUMBER: _ClassVar[int]
    left: Relation
    right: Relation
    def __init__(self, left: _Optional[_Union[Relation, _Mapping]] = ..., right: _Optional[_Union[Relation, _Mapping]] = ...) -> None: ...

class UnionAll(_message.Message):
    __slots__ = ("left", "right")
    LEFT_FIELD_NUMBER: _ClassVar[int]
    RIGHT_FIELD_NUMBER: _ClassVar[int]
    left: Relation
    right: Relation
    def __init__(self, left: _Optional[_Union[Relation, _Mapping]] = ..., right: _Optional[_Union[Relation, _Mapping]] = ...) -> None: ...

class Expression(_message.Message):
    __slots__ = ("column_ref", "literal", "call")
    COLUMN_REF_FIELD_NUMBER: _ClassVar[int]
    LITERAL_FIELD_NUMBER: _ClassVar[int]
    CALL_FIELD_NUMBER: _ClassVar[int]
    column_ref: ColumnRef
    literal: Literal
    call: Call
    def __init__(self, column_ref: _Optional[_Union[ColumnRef, _Mapping]] = ..., literal: _Optional[_Union[Literal, _Mapping]] = ..., call: _Optional[_Union[Call, _Mapping]] = ...) -> None: ...

class ColumnRef(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class Call(_message.Message):
    __slots__ = ("function", "arguments")
    FUNCTION_FIELD_NUMBER: _ClassVar[int]
    ARGUMENTS_FIELD_NUMBER: _ClassVar[int]
    function: Function
    arguments: _containers.RepeatedCompositeFieldContainer[Expression]
    def __init__(self, function: _Optional[_Union[Function, str]] = ..., arguments: _Optional[_Iterable[_Union[Expression, _Mapping]]] = ...) -> None: ...

class Literal(_message.Message):
    __slots__ = ("type", "boolean", "integer", "decimal", "date", "text")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    BOOLEAN_FIELD_NUMBER: _ClassVar[int]
    INTEGER_FIELD_NUMBER: _ClassVar[int]
    DECIMAL_FIELD_NUMBER: _ClassVar[int]
    DATE_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    type: Type
    boolean: bool
    integer: int
    decimal: Rational
    date: int
    text: str
    def __init__(self, type: _Optional[_Union[Type, str]] = ..., boolean: _Optional[bool] = ..., integer: _Optional[int] = ..., decimal: _Optional[_Union[Rational, _Mapping]] = ..., date: _Optional[int] = ..., text: _Optional[str] = ...) -> None: ...

class Rational(_message.Message):
    __slots__ = ("numerator", "denominator")
    NUMERATOR_FIELD_NUMBER: _ClassVar[int]
    DENOMINATOR_FIELD_NUMBER: _ClassVar[int]
    numerator: int
    denominator: int
    def __init__(self, numerator: _Optional[int] = ..., denominator: _Optional[int] = ...) -> None: ...
