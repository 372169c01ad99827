"""The data side of the scripted worker: rows, views, summaries, tokens, lengths, problems.

The same answers for the same requests; what a row is like can be set by the test.
"""

import time
from collections import Counter
from pathlib import Path
from typing import Any

from workbench import protocol as p
from workbench.protocol import AnyEvent
from workbench.session import Prompt

KINDS = {str: "text", int: "integer", float: "number", list: "list", dict: "object"}
QUANTILES = {"0": 17, "25": 66, "50": 105, "90": 301, "95": 380, "99": 540, "100": 655}
BROKEN = "this is not JSON (Expecting value, at column 12)"


class FakeData:
    """`broken` maps the number of a row to its raw text; `known` rows are there at first."""

    rows: list[dict[str, Any]]
    cancelled: set[int]
    pace: float

    def __init__(self) -> None:
        self.broken: dict[int, str] = {}
        self.known = 0  # 0: the whole dataset is read before it is shown
        self.splits: list[str] = []
        self.notes: list[str] = []
        self.views: dict[int, list[int]] = {}
        self.opened: p.OpenDataset | None = None
        self.dataset_problem = self.token_problem = ""
        self.problems: list[p.Problem] | None = None
        self.badges: list[p.Badge] | None = None
        self.scan = 100  # rows looked at between two tellings

    def on_event(self, event: AnyEvent) -> None:
        raise NotImplementedError

    def given_up(self, request: Any) -> bool:
        if request.id not in self.cancelled:
            return False
        self.on_event(p.Done(request=request.id, cancelled=True))
        return True

    # --- opening -----------------------------------------------------------------------------

    def OpenDataset(self, request: p.OpenDataset) -> None:  # noqa: N802
        if self.dataset_problem:
            self.on_event(p.Failed(request=request.id, message=self.dataset_problem))
            return
        self.opened, self.views = request, {}
        self.on_event(self.described(self.known or len(self.rows), request.id))

    def described(self, rows: int, request: int, complete: bool | None = None) -> p.DatasetOpened:
        first = self.rows[0] if self.rows else {"text": ""}
        complete = rows >= len(self.rows) if complete is None else complete
        settings = self.opened.dataset if self.opened else None
        left_out = len(settings.leave_out_rows) if settings else 0
        return p.DatasetOpened(
            request=request,
            description="a test's rows",
            columns=list(first),
            types=[KINDS.get(type(value), "object") for value in first.values()],
            rows=rows,
            complete=complete,
            splits=self.splits,
            broken=len(self.broken) if complete else 0,
            evaluation_rows=len(self.rows) // 10 if complete else 0,
            evaluation="one row in ten",
            used=len(self.rows) - len(self.rows) // 10 - left_out if complete else 0,
            left_out=left_out,
            fingerprint="0",
            format=self.found(settings) if self.rows else None,
            notes=self.notes,
        )

    def found(self, settings: Any) -> p.FormatFound:
        names = list(self.rows[0])
        format_ = settings.format if settings and settings.format != "auto" else "classification"
        roles = {
            "classification": ["text", "label"],
            "text": ["text"],
            "prompt_completion": ["prompt", "completion"],
            "preference": ["prompt?", "chosen", "rejected"],
        }.get(format_, ["text"])
        mapping = {}
        for role in roles:
            name = role.rstrip("?")
            column = (settings.mapping.get(name) if settings else "") or name
            if column in names:
                mapping[name] = column
        missing = [role for role in roles if not role.endswith("?") and role not in mapping]
        return p.FormatFound(
            format=format_,
            recognised="classification",
            mapping=mapping,
            roles=roles,
            why="the column label has 2 values, and text is the only long one",
            problem=f"{format_} needs a column for {missing[0]}." if missing else "",
        )

    def ShowRoles(self, request: p.ShowRoles) -> None:  # noqa: N802
        found = self.found(request.dataset)
        row = {role: request.values.get(column) for role, column in found.mapping.items()}
        self.on_event(p.RolesShown(request=request.id, found=found, row=row, problem=found.problem))

    # --- rows --------------------------------------------------------------------------------

    def mark(self, number: int) -> p.Mark:
        keys = self.opened.dataset.leave_out_rows if self.opened else []
        if number in self.broken:
            return "broken"
        if self.key(number) in keys:
            return "left_out"
        return "evaluation" if number % 10 == 9 else ""

    @staticmethod
    def key(number: int) -> str:
        return f"{number}:{number * 2654435761 % 2**32:016x}"

    def ReadRows(self, request: p.ReadRows) -> None:  # noqa: N802
        numbers = self.numbers_of(request.view)[request.start : request.stop]
        cells = [
            [self.broken[number]]
            if number in self.broken
            else [str(value)[: request.width] for value in self.rows[number].values()]
            for number in numbers
        ]
        self.on_event(
            p.Rows(
                request=request.id,
                start=request.start,
                cells=cells,
                numbers=list(numbers),
                marks=[self.mark(number) for number in numbers],
                view=request.view,
            )
        )

    def numbers_of(self, view: int) -> Any:
        return self.views[view] if view else range(len(self.rows))

    def ReadRow(self, request: p.ReadRow) -> None:  # noqa: N802
        numbers = self.numbers_of(request.view)
        index = request.index
        if request.number >= 0:
            if request.number not in numbers:
                words = f"Row {request.number + 1:,} is not among these rows."
                self.on_event(p.Failed(request=request.id, message=words))
                return
            index = numbers.index(request.number)
        number = numbers[index]
        broken = self.broken.get(number)
        self.on_event(
            p.Row(
                request=request.id,
                index=index,
                values={} if broken is not None else self.rows[number],
                number=number,
                key="" if broken is not None else self.key(number),
                mark=self.mark(number),
                broken=""
                if broken is None
                else f"rows.jsonl, line {number + 1}: {BROKEN}\n{broken}",
                view=request.view,
            )
        )

    def FindRows(self, request: p.FindRows) -> None:  # noqa: N802
        if request.where.startswith("bad"):
            words = f"There is no column {request.where}; there is text, rating, label."
            self.on_event(p.Failed(request=request.id, message=words))
            return
        view = self.views[request.id] = []
        total = len(self.rows)
        for start in range(0, total, self.scan):
            if self.given_up(request):
                return
            stop = min(total, start + self.scan)
            view += [n for n in range(start, stop) if self.wanted(request, n)]
            if not request.sort:
                self.on_event(
                    p.RowsFound(
                        request=request.id,
                        view=request.id,
                        rows=len(view),
                        scanned=stop,
                        total=total,
                    )
                )
            time.sleep(self.pace)
        if request.sort:
            view.sort(key=lambda n: self.rows[n][request.sort], reverse=request.descending)
        self.on_event(
            p.RowsFound(
                request=request.id,
                view=request.id,
                rows=len(view),
                scanned=total,
                total=total,
                complete=True,
            )
        )
        self.on_event(p.Done(request=request.id))

    def wanted(self, request: p.FindRows, number: int) -> bool:
        row, mark = self.rows[number], self.mark(number)
        if request.search and not any(
            request.search.lower() in str(value).lower() for value in row.values()
        ):
            return False
        if request.where and not row["rating"] > float(request.where.split(">")[1].split()[0]):
            return False
        if request.problem and number % 7:
            return False
        return request.side in ("all", mark or "train")

    # --- looking into them -------------------------------------------------------------------

    def SummariseColumns(self, request: p.SummariseColumns) -> None:  # noqa: N802
        numbers = self.numbers_of(request.view)
        for done in (0, len(numbers) // 2):
            self.on_event(
                p.Progress(
                    request=request.id,
                    what="summing up the columns",
                    done=done,
                    total=len(numbers),
                    unit="rows",
                    seconds_left=3,
                )
            )
            time.sleep(self.pace)
            if self.given_up(request):
                return
        columns = []
        for name, first in self.rows[0].items():
            values = [self.rows[number].get(name) for number in numbers]
            sizes = [len(v) if isinstance(v, str) else float(v or 0) for v in values]
            low, high = min(sizes), max(sizes)
            bins = [0] * 24
            for one in sizes:
                bins[min(23, int((one - low) / ((high - low) or 1) * 24))] += 1
            frequent = Counter(str(v)[:80] for v in values).most_common(5)
            columns.append(
                p.ColumnSummary(
                    name=name,
                    type=KINDS.get(type(first), "object"),
                    missing=len(values) // 20 if name == "rating" else 0,
                    distinct=len(set(map(str, values))),
                    low=low,
                    mean=sum(sizes) / len(sizes),
                    median=sorted(sizes)[len(sizes) // 2],
                    p95=sorted(sizes)[len(sizes) * 95 // 100],
                    high=high,
                    frequent=frequent,
                    histogram=bins,
                )
            )
        self.on_event(
            p.ColumnsSummarised(
                request=request.id,
                rows=len(numbers),
                columns=columns,
                seconds=1.4,
                view=request.view,
            )
        )

    def InspectTokens(self, request: p.InspectTokens) -> None:  # noqa: N802
        if self.token_problem:
            self.on_event(p.Failed(request=request.id, message=self.token_problem))
            return
        pieces, roles = tokens_of(request.prompt, request.values)
        kept = min(request.training.max_length, len(pieces))
        roles[kept:] = ["truncated"] * (len(pieces) - kept)
        badges = self.badges or []
        if kept < len(pieces):
            badges = [
                *badges,
                p.Badge(
                    kind="truncated",
                    severity="bad",
                    words=f"{len(pieces) - kept} tokens are cut; raise max_length.",
                ),
            ]
        self.on_event(
            p.TokensInspected(
                request=request.id,
                sequences=[
                    p.TokenSequence(
                        name="example",
                        ids=[100 + 7 * index for index in range(len(pieces))],
                        pieces=pieces,
                        roles=roles,
                        trained=sum(role in ("trained", "special_trained") for role in roles),
                        kept=kept,
                    )
                ],
                badges=badges,
                format="wording",
                max_length=request.training.max_length,
                how="The wording, in the tokenizer's chat template; only the answer is trained on.",
            )
        )

    def MeasureLengths(self, request: p.MeasureLengths) -> None:  # noqa: N802
        self.on_event(
            p.Progress(
                request=request.id,
                what="measuring the lengths",
                done=40,
                total=100,
                unit="rows",
                seconds_left=2,
            )
        )
        time.sleep(self.pace)
        if self.given_up(request):
            return
        length = request.training.max_length
        edges = list(range(16, 16 + 41 * 16, 16))
        counts = [round(4000 * 0.86**index * min(1, index / 4 + 0.1)) for index in range(40)]
        rows = sum(counts)
        cut = sum(n for n, edge in zip(counts, edges, strict=False) if edge >= length)
        tokens = sum(n * min(length, edge + 8) for n, edge in zip(counts, edges, strict=False))
        self.on_event(
            p.LengthsMeasured(
                request=request.id,
                rows=rows,
                of=rows if not request.rows else rows * 43,
                quantiles={
                    "0": 17,
                    "25": 66,
                    "50": 105,
                    "90": 301,
                    "95": 380,
                    "99": 540,
                    "100": 655,
                },
                edges=edges,
                counts=counts,
                cut=cut,
                lost=cut // 8,
                max_length=length,
                tokens=tokens,
                padded=tokens * 2,
                grouped=round(tokens * 1.13),
                packed=round(tokens * 1.01),
                batch_size=request.training.per_device_train_batch_size,
                suggestion="max_length 384 cuts 4.9 % of rows and takes a quarter less memory.",
                seconds=0.8,
            )
        )

    def FindProblems(self, request: p.FindProblems) -> None:  # noqa: N802
        self.on_event(
            p.Progress(
                request=request.id,
                what="looking for near duplicates",
                done=60,
                total=100,
                unit="rows",
                seconds_left=4,
            )
        )
        time.sleep(self.pace)
        if self.given_up(request):
            return
        problems = usual_problems() if self.problems is None else self.problems
        self.on_event(
            p.ProblemsFound(
                request=request.id,
                problems=problems,
                rows=len(self.rows),
                seconds=2.1,
                notes=["Near duplicates were looked for in 200,000 of the rows."],
            )
        )

    def ExportRows(self, request: p.ExportRows) -> None:  # noqa: N802
        path = Path(request.folder) / request.path
        if not path.suffix.startswith((".jsonl", ".parquet", ".gz")):
            words = f"{path.name}: the name must end in .jsonl, .jsonl.gz or .parquet."
            self.on_event(p.Failed(request=request.id, message=words))
            return
        numbers = self.numbers_of(request.view)
        for done in range(0, len(numbers), 50):
            self.on_event(
                p.Progress(
                    request=request.id, what="writing", done=done, total=len(numbers), unit="rows"
                )
            )
            time.sleep(self.pace)
            if self.given_up(request):
                return
        path.write_text("{}\n" * len(numbers))
        self.on_event(
            p.RowsExported(
                request=request.id, path=str(path), rows=len(numbers), bytes=path.stat().st_size
            )
        )


def tokens_of(prompt: Prompt, values: dict[str, Any]) -> tuple[list[str], list[Any]]:
    """Words for tokens: a chat turn, and an answer that is trained on."""
    text, answer = prompt.template, prompt.completion
    for name, value in values.items():
        text = text.replace("{{ " + name + " }}", str(value))
        answer = answer.replace("{{ " + name + " }}", str(value))
    pieces, roles = [], []
    for piece, role in (
        ("<|im_start|>", "special"),
        ("user\n", "context"),
        *((part, "context") for part in split(text)),
        ("<|im_end|>", "special"),
        ("\n", "context"),
        ("<|im_start|>", "special"),
        ("assistant\n", "context"),
        *((part, "trained") for part in split(answer)),
        ("<|im_end|>", "special_trained"),
    ):
        pieces.append(piece)
        roles.append(role)
    return pieces, roles


def split(text: str) -> list[str]:
    return [part for part in text.replace(" ", "\0 ").replace("\n", "\n\0").split("\0") if part]


def usual_problems() -> list[p.Problem]:
    return [
        p.Problem(
            key="duplicates",
            kind="duplicates",
            title="36 rows are there twice or more",
            why="What is there twice is learnt twice. Leave out all but the first.",
            rows=36,
            first=[0, 7, 14, 21],
        ),
        p.Problem(
            key="overlap",
            kind="overlap",
            title="5 rows are in the evaluation rows, too",
            why="The measurement would say more than the model can do. Leave them out.",
            rows=5,
            first=[9, 19],
        ),
        p.Problem(
            key="imbalance",
            kind="imbalance",
            title="label: positive is 2 of 3 rows",
            why="A model that always says positive would be right two times in three.",
            rows=0,
            first=[],
            can_leave_out=False,
        ),
    ]
