"""Columns of Arrow and Parquet as a Table's: their types, their values, and the SQL for them.

Knows Arrow's types, and the names of labels that the datasets library writes beside them.
"""

import json
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from workbench.catalogue import SourceError
from workbench.data.engine import name as named
from workbench.data.engine import text as quoted
from workbench.data.plain import plain_values
from workbench.data.table import SQL_TYPES, Column, ColumnType

if TYPE_CHECKING:
    import pyarrow

MEDIA = {"bytes", "path"}  # the fields in which the datasets library keeps a picture or a sound


class Columnar:
    """The columns of a schema."""

    def __init__(self, schema: "pyarrow.Schema") -> None:
        if twice := [name for name in schema.names if schema.names.count(name) > 1]:
            raise SourceError(f'the column "{twice[0]}" is there twice; rename one of them')
        self.types = {field.name: storage(field.type) for field in schema}
        self.labels = labels(schema)
        self.columns = [Column(name, self.column_type(name)) for name in self.types]

    def column_type(self, name: str) -> ColumnType:
        return "text" if name in self.labels else column_type(self.types[name])

    def rows(self, table: "pyarrow.Table | pyarrow.RecordBatch") -> list[dict[str, Any]]:
        """Rows as values of JSON's types, labels by their names, media left as they are."""
        values = {}
        for name in table.schema.names:
            column = table.column(name)
            values[name] = texts(column) if is_text(self.types[name]) else in_python(column)
        for name, names in self.labels.items():
            if name in values:
                values[name] = [label(code, names) for code in values[name]]
        return [
            plain_values(dict(zip(values, row, strict=True)))
            for row in zip(*values.values(), strict=True)
        ]

    def sql(self, name: str, source: str | None = None) -> str:
        """A column in its SQL type, to stand in a SELECT; `source` is its name there."""
        column = named(source or name)
        if name in self.labels:
            names = ", ".join(map(quoted, self.labels[name]))
            value = f"CASE WHEN {column} >= 0 THEN ([{names}]::VARCHAR[])[{column} + 1] END"
        elif is_media(self.types[name]):
            value = f"CASE WHEN {column} IS NOT NULL THEN to_json({{'path': {column}.path}}) END"
        else:
            kind = SQL_TYPES[self.column_type(name)]
            if kind == "JSON":
                value = f"to_json({column})"
            elif kind == "VARCHAR":
                value = f"CAST({column} AS VARCHAR)"
            else:
                value = f"TRY_CAST({column} AS {kind})"
                if kind == "DOUBLE":  # what is no number is no value, as in a row that is read
                    value = f"nullif({value}, 'NaN'::DOUBLE)"
        return f"{value} AS {named(name)}"

    def absent(self, name: str) -> str:
        """A column of other files of the same source, which has no values here."""
        return f"CAST(NULL AS {SQL_TYPES[self.column_type(name)]}) AS {named(name)}"


def label(code: int | None, names: Sequence[str]) -> str | None:
    return names[code] if code is not None and 0 <= code < len(names) else None


def texts(column: Any) -> list[Any]:
    """Texts as they are; what is no UTF-8, which a damaged file may hold, replaced."""
    try:
        found: list[Any] = column.to_pylist()
    except UnicodeDecodeError:
        import pyarrow

        raw = column.cast(pyarrow.large_binary(), safe=False).to_pylist()
        found = [None if one is None else one.decode(errors="replace") for one in raw]
    return found


def in_python(column: Any) -> list[Any]:
    """Values as Python's; what Python has none for, such as the year 292277, as a text."""
    try:
        found: list[Any] = column.to_pylist()
    except (ValueError, OverflowError):
        found = [one_in_python(one) for one in column]
    return found


def one_in_python(scalar: Any) -> Any:
    import pyarrow

    try:
        return scalar.as_py()
    except (ValueError, OverflowError):
        try:
            return scalar.cast(pyarrow.string()).as_py()
        except pyarrow.ArrowException:
            return f"<{scalar.type}>"


def storage(kind: "pyarrow.DataType") -> Any:
    """The type that values really have: no type of anyone's own making is asked for it."""
    import pyarrow

    while isinstance(kind, pyarrow.BaseExtensionType):
        kind = kind.storage_type
    if pyarrow.types.is_dictionary(kind):
        return storage(kind.value_type)
    return kind


def is_text(kind: Any) -> bool:
    from pyarrow import types

    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind))


def is_media(kind: Any) -> bool:
    from pyarrow import types

    return bool(types.is_struct(kind)) and {field.name for field in kind} == MEDIA


def column_type(kind: Any) -> ColumnType:
    from pyarrow import types

    if is_text(kind):
        return "text"
    found: ColumnType = "text"  # a time of day, a duration: as it is written
    if types.is_uint64(kind):
        found = "number"  # it may not fit a whole number with a sign
    elif types.is_integer(kind):
        found = "integer"
    elif types.is_floating(kind) or types.is_decimal(kind):
        found = "number"
    elif types.is_boolean(kind):
        found = "boolean"
    elif types.is_timestamp(kind) or types.is_date(kind):
        found = "time"
    elif types.is_struct(kind) or types.is_map(kind) or types.is_union(kind):
        found = "object"
    elif types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        found = "list"
    elif types.is_binary(kind) or types.is_large_binary(kind) or types.is_fixed_size_binary(kind):
        found = "bytes"
    elif types.is_null(kind):
        found = "empty"
    return found


def labels(schema: "pyarrow.Schema") -> dict[str, list[str]]:
    """Columns whose numbers stand for names, as the datasets library notes them in a file."""
    found = {}
    with suppress(ValueError, KeyError, TypeError, AttributeError):
        about = json.loads((schema.metadata or {})[b"huggingface"])
        for name, feature in about["info"]["features"].items():
            if isinstance(feature, dict) and feature.get("_type") == "ClassLabel":
                found[name] = [str(one) for one in feature["names"]]
    return found
