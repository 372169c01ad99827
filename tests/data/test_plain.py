"""Values of every kind become those of JSON."""

import datetime
from decimal import Decimal

import msgspec
import numpy
from PIL import Image

from workbench.data.sources import plain_values


def test_values_become_those_of_json() -> None:
    row = {
        "day": datetime.date(2020, 1, 2),
        "time": datetime.datetime(2020, 1, 2, 3, 4, 5),
        "raw": b"abc",
        "nan": float("nan"),
        "huge": float("inf"),
        "money": Decimal("1.10"),
        "array": numpy.array([[1, 2]]),
        "number": numpy.float32(0.5),
        "image": Image.new("RGB", (20, 10)),
        "file": {"bytes": b"\x89PNG", "path": "a.png"},
        "chat": [{"role": "user", "content": "hi"}],
        "object": object(),
        "none": None,
    }
    assert plain_values(row) == {
        "day": "2020-01-02",
        "time": "2020-01-02T03:04:05",
        "raw": "<3 bytes>",
        "nan": None,
        "huge": "inf",
        "money": "1.10",
        "array": [[1, 2]],
        "number": 0.5,
        "image": "<image, 20 × 10>",
        "file": "<file a.png, 4 bytes>",
        "chat": [{"role": "user", "content": "hi"}],
        "object": "<object>",
        "none": None,
    }
    assert msgspec.json.decode(msgspec.json.encode(plain_values(row))) == plain_values(row)
