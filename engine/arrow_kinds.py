"""Arrow's type of each type of the catalogue and the plan: of answers, of dummy rows, of what databases hold."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa

from engine.trusted.plan import Type

KINDS: Mapping[Type, pa.DataType] = {
    Type.BOOLEAN: pa.bool_(),
    Type.INTEGER: pa.int64(),
    Type.DECIMAL: pa.float64(),
    Type.DATE: pa.date32(),
    Type.TEXT: pa.string(),
}
