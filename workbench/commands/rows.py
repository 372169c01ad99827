"""`workbench rows`: rows of a dataset on standard output, as JSON Lines."""

import argparse
import json
import sys
import threading

from workbench.commands.client import progress
from workbench.commands.data import open_for, reporter
from workbench.text import one_line

PAGE = 10  # rows, where no end is given
BLOCK = 1000


def print_rows(options: argparse.Namespace) -> int:
    """Rows --start to --stop, of all or of those that match; what it did goes to stderr."""
    start, stop = options.start, options.stop or options.start + PAGE - 1
    stopped = threading.Event()
    asked = options.where or options.search or options.sort
    with progress() as show:
        report = reporter(show)
        opened, settings, _ = open_for(options.source, options.name, options.split, report)
        table = opened.table(settings.split)
        if asked or table.count < stop:
            table.index(lambda done, total: report("reading", done, total, "B"), stopped)
        if not asked:
            total = table.count
            numbers = list(range(min(start - 1, total), min(stop, total)))
        else:
            from workbench.data.views import View, find

            view = View()

            def tell(rows: int, scanned: int, total: int) -> None:
                report("looking for rows", scanned, total, "rows")
                if not options.sort and rows >= stop:
                    stopped.set()  # enough

            find(
                table,
                None,
                search=options.search,
                where=options.where,
                sort=options.sort,
                descending=options.descending,
                side="all",
                problem=None,
                view=view,
                stopped=stopped,
                tell=tell,
            )
            total = view.count
            numbers = [int(one) for one in view.numbers(min(start - 1, total), min(stop, total))]
    for at in range(0, len(numbers), BLOCK):
        block = numbers[at : at + BLOCK]
        for number, record in zip(block, table.take(block), strict=True):
            if not isinstance(record, dict):
                print(f"row {number + 1:,} is broken: {one_line(record.words)}", file=sys.stderr)
                continue
            row = {"row": number + 1, "values": record} if options.numbers else record
            print(json.dumps(row, ensure_ascii=False))
    if not numbers:
        known = f"{total:,} rows" + (" match" if asked else "")
        print(f"No row from {start:,} to {stop:,}: {known}.", file=sys.stderr)
    return 0
