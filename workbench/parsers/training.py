"""Words of the commands about runs: train, runs, and what becomes of a run."""

from workbench.parsers.words import parser, session_argument


def train(words: list[str]) -> int:
    reader = parser(
        "train",
        "Fine-tune as the session says. The run is a folder under runs/. ctrl+c stops it with a "
        "checkpoint; if the terminal disappears, it goes on.",
    )
    session_argument(reader)
    reader.add_argument("--resume", metavar="RUN", default="", help="go on with a stopped run")
    reader.add_argument("--name", default="", help="the name of the new run")
    reader.add_argument("--detach", action="store_true", help="return once the run has started")
    reader.add_argument("--in-process", action="store_true", help="without a worker process")
    reader.add_argument("--json", action="store_true", help="a JSON line an event on stdout")
    options = reader.parse_args(words)
    from workbench.commands.train import train

    return train(
        options.session,
        resume=options.resume,
        name=options.name,
        detach=options.detach,
        in_process=options.in_process,
        as_json=options.json,
    )


def list_runs(words: list[str]) -> int:
    reader = parser("runs", "List the runs of a session's folder.")
    reader.add_argument("session", nargs="?", metavar="SESSION", help="default: this folder")
    reader.add_argument("--json", action="store_true", help="JSON on stdout")
    options = reader.parse_args(words)
    from workbench.commands.runs import list_runs

    return list_runs(options.session, options.json)
