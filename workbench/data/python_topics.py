"""Makes the python-topics dataset from the language reference that is part of Python.

Knows that reference; not where the result is kept.
"""

import json
import platform
from pathlib import Path

from workbench.catalogue import Report, SourceError
from workbench.data.film_reviews import content_hash

EVALUATION_SHARE = 0.12
README = """# The language reference of Python, by topic

The texts that `help()` shows for keywords and topics: `topic` is its name, `text` what the
reference says of it. `train.jsonl` and `evaluation.jsonl` have no topic in common; a topic's side
follows from its name.

Origin: the module pydoc_data.topics of Python {version}, Copyright (c) Python Software Foundation.
Licence: PSF-2.0.
"""


def convert(folder: Path, report: Report) -> None:
    """Write train.jsonl, evaluation.jsonl and README.md into the folder.

    Raises:
        SourceError: when this Python comes without the reference.
    """
    report("preparing python-topics", 0, 0, "rows")
    try:
        from pydoc_data.topics import topics
    except ImportError as error:  # some distributions take it out
        raise SourceError(
            "This Python comes without its language reference (pydoc_data.topics); install all of "
            "Python's standard library."
        ) from error
    sides: dict[str, list[dict[str, str]]] = {"train": [], "evaluation": []}
    for topic in sorted(topics, key=content_hash):
        share = (content_hash(topic) % 2**32) / 2**32
        row = {"topic": topic, "text": topics[topic].strip()}
        sides["evaluation" if share < EVALUATION_SHARE else "train"].append(row)
    for name, rows in sides.items():
        with (folder / f"{name}.jsonl").open("w", encoding="utf-8") as file:
            file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    version = platform.python_version()
    (folder / "README.md").write_text(README.format(version=version), encoding="utf-8")
    report("preparing python-topics", len(topics), len(topics), "rows")
