"""The rows that are nearest in meaning to a row, by sentence embeddings.

Knows rows of a pool and vectors; an exact search, since the pool's sample is small. What was
embedded is kept in the workbench's cache by what it says and by the encoder that made it.
"""

import hashlib
import itertools
import os
import tempfile
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.catalogue import cache_folder
from workbench.data.templates import ENVIRONMENT
from workbench.prompting.drawing import drawn
from workbench.prompting.embedding import Encoder, Report, load_encoder
from workbench.protocol import Values

if TYPE_CHECKING:
    import numpy

    from workbench.prompting.shots import Shot, Shots

    Array = numpy.ndarray[Any, Any]

MOST = 5_000  # rows of the pool that are embedded
KEPT = 16  # sets of vectors in the cache, of up to 8 MB each with MiniLM
REMEMBERED = 50_000  # vectors of rows that were asked about
ROUNDED = 5  # decimals of a likeness: below them is what the order of a batch does to floats


class Nearest:
    """Looks among at most MOST rows of the pool, drawn by the seed of the examples."""

    def __init__(self, shots: "Shots") -> None:
        self.shots_of = shots
        drawing = drawn(shots.pool, shots.settings.seed)
        # In the order of their numbers: so a pool that is small has the same vectors by any seed.
        self.rows = sorted(itertools.islice(drawing, MOST), key=lambda row: row[0])
        self.columns = columns_in(shots.prompt.template)

    @property
    def words(self) -> str:
        count, of = len(self.rows), len(self.shots_of.pool)
        if count == of:
            return f"all {count:,} rows that are trained on"
        return (
            f"{count:,} of the {of:,} rows that are trained on, drawn by seed "
            f"{self.shots_of.settings.seed}"
        )

    @cached_property
    def encoder(self) -> Encoder:
        shots = self.shots_of
        return load_encoder(shots.settings.embedder, shots.folder, shots.report)

    @cached_property
    def vectors(self) -> "Array":
        """Of the pool's rows: float32 [rows, size], of length 1."""
        texts = [self.text(values) for _, values in self.rows]
        shots = self.shots_of
        return of_texts(self.encoder, texts, shots.report, shots.stopped)

    def text(self, values: Values) -> str:
        """What is compared: the values that the template takes from the row, without the words that
        are the same for every row; of a template that is more than that, all it says."""
        spoken = self.shots_of.spoken(values)
        if self.columns and all(name in spoken for name in self.columns):
            return "\n".join(str(spoken[name]) for name in self.columns if spoken[name] is not None)
        return self.shots_of.question(values)

    def shots(self, values: Values, count: int, same: Callable[["Shot"], bool]) -> list["Shot"]:
        """The nearest usable ones that are not the `same`, the most similar last."""
        import numpy

        likeness = numpy.round(self.vectors @ self.asked(values), ROUNDED)
        order = numpy.argsort(-likeness, kind="stable")
        usable = self.shots_of.distinct(self.rows[int(place)] for place in order)
        found = list(itertools.islice((shot for shot in usable if not same(shot)), count))
        return found[::-1]

    def asked(self, values: Values) -> "Array":
        """The vector of a row that is asked about: float32 [size]."""
        text = self.text(values)
        key = self.encoder.fingerprint, text
        if (vector := remembered(key)) is None:
            vector = unit(self.encoder.embed([text]))[0]
            remember({key: vector})
        return vector

    def prepare(self, rows: Iterable[Values]) -> None:
        """Embed rows that will be asked about, in batches."""
        code = self.encoder.fingerprint
        texts = list(dict.fromkeys(self.text(values) for values in rows))
        texts = [text for text in texts if remembered((code, text)) is None]
        shots = self.shots_of
        vectors = unit(self.encoder.embed(texts, shots.report, shots.stopped))
        remember({(code, text): vector for text, vector in zip(texts, vectors, strict=True)})


def columns_in(template: str) -> list[str]:
    """The variables of a template that says nothing of a row but their values; none where it
    reckons with the row, so that only the filled template says what it asks."""
    import jinja2
    from jinja2 import meta

    try:
        found = sorted(meta.find_undeclared_variables(ENVIRONMENT.parse(template)))
    except jinja2.TemplateSyntaxError:
        return []
    return [] if "row" in found else found


# --- vectors that are kept -----------------------------------------------------------------------

ASKED: dict[tuple[str, str], "Array"] = {}  # (encoder, text) → vector
LATEST: list[tuple[str, "Array"]] = []
GUARD = threading.Lock()


def remembered(key: tuple[str, str]) -> "Array | None":
    return ASKED.get(key)


def remember(vectors: "dict[tuple[str, str], Array]") -> None:
    with GUARD:
        if len(ASKED) + len(vectors) > REMEMBERED:
            ASKED.clear()
        ASKED.update(vectors)


def of_texts(
    encoder: Encoder, texts: Sequence[str], report: Report, stopped: threading.Event
) -> "Array":
    """Vectors of length 1 of many texts, from memory or the cache where they were made before.

    Raises:
        Stopped: once `stopped` is set.
    """
    digest = hashlib.sha256(encoder.fingerprint.encode())
    for text in texts:
        raw = text.encode("utf-8", "surrogatepass")
        digest.update(len(raw).to_bytes(8, "little") + raw)
    name = digest.hexdigest()[:32]
    with GUARD:
        for known, vectors in LATEST:
            if known == name:
                return vectors
    path = cache_folder() / "embeddings" / f"{name}.npy"
    found = read(path, len(texts))
    if found is None:
        found = unit(encoder.embed(texts, report, stopped))
        write(path, found)
    with GUARD:
        LATEST[:] = [(name, found), *LATEST[:1]]
    return found


def unit(vectors: "Array") -> "Array":
    """The same of length 1; of nothing (0) they stay 0."""
    import numpy

    lengths = numpy.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / numpy.maximum(lengths, 1e-12)  # type: ignore[no-any-return]


def read(path: Path, count: int) -> "Array | None":
    import numpy

    try:
        found: Array = numpy.load(path, allow_pickle=False)
        os.utime(path)  # in use: it is kept before others
    except (OSError, ValueError):  # not there, or damaged: it is made anew
        return None
    return found if found.ndim == 2 and len(found) == count else None


def write(path: Path, vectors: "Array") -> None:
    """Keep vectors and forget the oldest; without room for them one does without."""
    import numpy

    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".part", delete=False) as file:
            try:
                numpy.save(file, vectors)
                os.replace(file.name, path)
            except BaseException:
                os.unlink(file.name)
                raise
        there = sorted(path.parent.glob("*.npy"), key=lambda one: one.stat().st_mtime)
        for old in there[:-KEPT]:
            old.unlink(missing_ok=True)
