"""Words of the commands about runs: train, runs, and what becomes of a run."""

import argparse

from workbench.parsers.words import count, parser, session_argument, settings_argument


def change_arguments(reader: argparse.ArgumentParser) -> None:
    settings_argument(
        reader,
        "another value for a setting of the session, whose file is not changed, such as "
        "training.learning_rate=1e-4",
    )
    reader.add_argument(
        "--preset",
        choices=("quick", "balanced", "best"),
        default="",
        help="settings that go together: quick: to see that it works; balanced; best: longer",
    )


def train(words: list[str]) -> int:
    reader = parser(
        "train",
        "Fine-tune as the session says. The run is a folder under runs/. ctrl+c stops it with a "
        "checkpoint; if the terminal disappears, it goes on.",
    )
    session_argument(reader)
    change_arguments(reader)
    reader.add_argument(
        "--plan", action="store_true", help="say what the run would take, and do not begin it"
    )
    reader.add_argument(
        "--resume",
        metavar="RUN",
        default="",
        help="go on with a run that was stopped, cut short or failed, by the settings it has",
    )
    reader.add_argument("--name", default="", help="the name of the new run")
    reader.add_argument("--detach", action="store_true", help="return once the run has started")
    reader.add_argument("--in-process", action="store_true", help="without a worker process")
    reader.add_argument("--json", action="store_true", help="a JSON line an event on stdout")
    options = reader.parse_args(words)
    from workbench.commands.train import train

    return train(
        options.session,
        assignments=options.assignments,
        preset=options.preset,
        only_plan=options.plan,
        resume=options.resume,
        name=options.name,
        detach=options.detach,
        in_process=options.in_process,
        as_json=options.json,
    )


def sweep(words: list[str]) -> int:
    reader = parser(
        "sweep",
        "Search for good settings: runs of the session, each with other values. ctrl+c stops after "
        "the run's step; the same --name goes on, and with more --trials makes more.",
    )
    session_argument(reader)
    change_arguments(reader)
    reader.add_argument("--trials", type=count, metavar="N", help="runs to make in all")
    reader.add_argument(
        "--range",
        dest="ranges",
        action="append",
        default=[],
        metavar="NAME=VALUES",
        help="what to try: training.lora_r=8,16,32, or 'training.learning_rate=1e-5..1e-3 log'; "
        "may be given several times",
    )
    reader.add_argument("--method", choices=("tpe", "random", "grid"))
    reader.add_argument("--metric", help="what decides: eval_loss, or eval_ and a metric")
    reader.add_argument("--no-prune", action="store_true", help="let runs that are behind go on")
    reader.add_argument("--seed", type=int, help="another one tries other values")
    reader.add_argument("--name", default="", help="of a new sweep, or of one to go on with")
    reader.add_argument("--show", default="", metavar="NAME", help="what a sweep has found")
    reader.add_argument(
        "--save-best", action="store_true", help="write the best settings into the session's file"
    )
    reader.add_argument("--in-process", action="store_true", help="without a worker process")
    reader.add_argument("--json", action="store_true", help="JSON on stdout")
    options = reader.parse_args(words)
    names = ("trials", "method", "metric", "seed")
    given = {name: value for name in names if (value := getattr(options, name)) is not None}
    if options.no_prune:
        given["prune"] = False
    from workbench.commands.sweep import show, sweep

    if options.show:
        return show(options.session, options.show, options.save_best, options.json)
    return sweep(
        options.session,
        assignments=options.assignments,
        preset=options.preset,
        ranges=options.ranges,
        settings=given,
        name=options.name,
        save_best=options.save_best,
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


def run_argument(reader: argparse.ArgumentParser) -> None:
    reader.add_argument("run", metavar="RUN", help="a run's name, or its folder")
    reader.add_argument(
        "--session",
        default="",
        metavar="SESSION",
        help="look for the run where this session works; default: this folder",
    )
    reader.add_argument("--overwrite", action="store_true", help="replace what is there")
    reader.add_argument("--in-process", action="store_true", help="without a worker process")


def export(words: list[str]) -> int:
    reader = parser(
        "export",
        "Write what a run made for use elsewhere, with tokenizer, chat template, generation "
        "settings and a model card: the adapter of a run that trained one, else the whole model.",
    )
    run_argument(reader)
    reader.add_argument("--to", required=True, metavar="DIR", help="the folder to make")
    kind = reader.add_mutually_exclusive_group()
    kind.add_argument("--merge", action="store_true", help="the whole model, the adapter merged in")
    kind.add_argument(
        "--gguf",
        nargs="?",
        const="q8_0",
        default="",
        metavar="FORMAT",
        help="for llama.cpp and Ollama, in q8_0, f16, bf16 or f32; fetches llama.cpp's converter",
    )
    reader.add_argument(
        "--checkpoint", default="best", metavar="STEP", help="a step, best or last; default: best"
    )
    reader.add_argument(
        "--push-to", default="", metavar="NAME", help="upload it to this hub repository, too"
    )
    reader.add_argument("--public", action="store_true", help="with --push-to: for all to see")
    reader.add_argument("--json", action="store_true", help="JSON on stdout")
    options = reader.parse_args(words)
    from workbench.commands.export import export

    return export(options)


def eject(words: list[str]) -> int:
    reader = parser(
        "eject",
        "Write a run out as one Python script on transformers, peft and TRL that makes it again.",
    )
    run_argument(reader)
    reader.add_argument(
        "--to",
        default="",
        metavar="FILE",
        help="the script, its rows beside it; default: show it, without rows",
    )
    reader.add_argument("--json", action="store_true", help="JSON on stdout")
    options = reader.parse_args(words)
    from workbench.commands.eject import eject

    return eject(options)
