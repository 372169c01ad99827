"""`workbench data`: what a dataset holds, as far as one should know before a fine-tune."""

import json
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import replace

from workbench import session as sessions
from workbench.commands.client import progress
from workbench.protocol import ColumnSummary, Problem, Progress
from workbench.session import DatasetSettings, Prompt
from workbench.text import literal, one_line

if TYPE_CHECKING:
    from workbench.catalogue import Report
    from workbench.data.sources import Source

MOST_COLUMNS = 200


def settings_of(source: str, name: str, split: str) -> tuple[DatasetSettings, Prompt, Path]:
    """The dataset that a word on the command line means, the wording for it, and its folder."""
    path = Path(source).expanduser()
    if path.suffix == ".toml" and path.is_file():
        session = sessions.load(path)
        settings = session.dataset
        if split:
            settings = replace(settings, split=split)
        return settings, session.prompt(), sessions.workspace(path)
    settings = DatasetSettings(source=source, name=name, split=split or "train")
    return settings, Prompt(), Path.cwd()


def open_for(
    source: str, name: str, split: str, report: "Report"
) -> tuple["Source", DatasetSettings, Prompt]:
    """The source, open; where no split was named and there is no "train", the only one there is."""
    from workbench.data.sources import open_source

    settings, prompt, folder = settings_of(source, name, split)
    opened = open_source(settings, folder, report)
    if not split and len(opened.tables) == 1:
        settings = replace(settings, split=next(iter(opened.tables)))
    return opened, settings, prompt


def reporter(show: Any) -> "Report":
    """What long work reports, shown on stderr."""

    def report(what: str, done: float, total: float, unit: str) -> None:
        show(Progress(what=what, done=done, total=total, unit=unit))

    return report


def describe(source: str, name: str, split: str, as_json: bool) -> int:
    """Print format, columns, rows and problems."""
    from workbench.data.formats import recognise_table
    from workbench.data.problems import find_problems
    from workbench.data.splits import divide
    from workbench.data.summary import summarise

    stopped = threading.Event()
    with progress() as show:
        report = reporter(show)
        opened, settings, prompt = open_for(source, name, split, report)
        table = opened.table(settings.split)
        table.index(lambda done, total: report("reading", done, total, "B"), stopped)
        found = recognise_table(table, settings, prompt)
        division = divide(opened, settings, stopped, report)
        names = [column.name for column in table.columns[:MOST_COLUMNS]]
        columns = summarise(
            table,
            None,
            names,
            stopped,
            lambda done, total: report("summing up the columns", done, total, "rows"),
        )
        problems, _, notes = find_problems(opened, division, found, stopped, report)
    about = {
        "source": opened.description,
        "split": settings.split,
        "splits": list(opened.tables),
        "rows": table.count,
        "broken": table.broken_count,
        "broken_lines": [
            {"file": one.file, "line": one.line, "reason": one.reason} for one in table.broken[:100]
        ],
        "train": len(division.train),
        "evaluation": len(division.evaluation),
        "evaluation_from": division.words,
        "left_out": len(division.left_out),
        "format": msgspec.to_builtins(found),
        "columns": msgspec.to_builtins(columns),
        "problems": msgspec.to_builtins(problems),
        "notes": [*opened.notes, *table.notes, *division.notes, *notes],
        "fingerprint": opened.fingerprint,
    }
    if as_json:
        print(json.dumps(about, ensure_ascii=False))
        return 0
    for line in report_lines(about, columns, problems):
        with suppress(UnicodeEncodeError):
            print(literal(line))
    return 0


def report_lines(
    about: dict[str, Any], columns: list[ColumnSummary], problems: list[Problem]
) -> list[str]:
    """What is known of the dataset, for a person."""
    lines = [
        f"{about['source']}, split {about['split']}: {about['rows']:,} rows"
        + (f", {about['broken']:,} broken" if about["broken"] else ""),
        f"  {about['train']:,} to train on, {about['evaluation']:,} for evaluation"
        + (f" ({about['evaluation_from']})" if about["evaluation_from"] else "")
        + (f", {about['left_out']:,} left out" if about["left_out"] else ""),
        f"  {about['format']['recognised']}: {about['format']['why']}",
        "",
        f"{'column':<24} {'type':<18} {'missing':>9} {'distinct':>10}  "
        f"{'low':>8} {'median':>8} {'high':>8}  most frequent",
    ]
    for one in columns:
        often = ", ".join(f"{one_line(value, 24)} ({count:,})" for value, count in one.frequent[:3])
        about_distinct = f"{'' if one.distinct_exact else '~'}{one.distinct:,}"
        lines.append(
            f"{one_line(one.name, 24):<24} {one_line(one.type, 18):<18} {one.missing:>9,} "
            f"{about_distinct:>10}  {number(one.low):>8} {number(one.median):>8} "
            f"{number(one.high):>8}  {often}"
        )
    for broken in about["broken_lines"][:10]:
        line = f", line {broken['line']:,}" if broken["line"] else ""
        lines.append(f"broken: {broken['file']}{line}: {broken['reason']}")
    lines.append("")
    lines += [f"✗ {one.title}. {one.why}" for one in problems] or ["No problem was found."]
    lines += [f"note: {note}" for note in about["notes"]]
    return lines


def number(value: float | None) -> str:
    return "" if value is None else f"{value:,.4g}"
