"""The Arrow type that fits all values of a column, found as the values come by.

Knows JSON's values; a column that holds different kinds becomes JSON text.
"""

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow

LARGEST = 1 << 63  # integers from here on do not fit into 64 bits


@dataclass
class Kind:
    """What the values seen so far are: a scalar's name, or list and object with what is inside."""

    name: str = ""  # empty: only nulls yet; mixed: of several kinds
    inside: "Kind | None" = None  # of a list's elements
    fields: "dict[str, Kind]" = field(default_factory=dict)  # of an object's

    def see(self, value: Any) -> None:
        """Widen the kind so that this value fits."""
        name = name_of(value)
        if not name or self.name == "mixed":
            return
        if self.name and self.name != name:
            self.name = "number" if {self.name, name} == {"integer", "number"} else "mixed"
        else:
            self.name = name
        if self.name == "list":
            self.inside = self.inside or Kind()
            for one in value:
                self.inside.see(one)
        elif self.name == "object":
            for key, one in value.items():
                self.fields.setdefault(key, Kind()).see(one)

    def arrow(self) -> "pyarrow.DataType":
        """The Arrow type; an object without fields has none in Parquet and becomes text."""
        import pyarrow

        simple = {
            "boolean": pyarrow.bool_(),
            "integer": pyarrow.int64(),
            "number": pyarrow.float64(),
            "": pyarrow.null(),
        }
        if self.name in simple:
            return simple[self.name]
        if self.name == "list" and self.inside:
            return pyarrow.list_(self.inside.arrow())
        if self.name == "object" and self.fields:
            return pyarrow.struct([(key, kind.arrow()) for key, kind in self.fields.items()])
        return pyarrow.string()

    def fit(self, value: Any) -> Any:
        """The value as the Arrow type takes it."""
        if value is None:
            return None
        if self.name == "list" and self.inside:
            return [self.inside.fit(one) for one in value]
        if self.name == "object" and self.fields:
            return {key: kind.fit(value.get(key)) for key, kind in self.fields.items()}
        if self.name in ("mixed", "object"):
            return json.dumps(value, ensure_ascii=False)
        return value


def name_of(value: Any) -> str:
    """What a value of JSON is; empty for null."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer" if -LARGEST <= value < LARGEST else "mixed"
    if isinstance(value, float):
        return "number"
    if isinstance(value, str):
        return "text"
    return "list" if isinstance(value, list) else "object"
