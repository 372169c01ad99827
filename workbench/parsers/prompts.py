"""Words of the commands that ask a model: generate, eval, optimize."""

from workbench.parsers.words import (
    count,
    parser,
    session_argument,
    variant_argument,
    worker_arguments,
)


def generate(words: list[str]) -> int:
    reader = parser("generate", "Answer the session's prompt, filled from a row of its dataset.")
    session_argument(reader)
    reader.add_argument(
        "--row", type=int, default=None, metavar="N", help="counted from 1, as on screen"
    )
    variant_argument(reader)
    reader.add_argument(
        "--weights",
        choices=("base", "tuned", "both"),
        default="both",
        help="both: where there is an adapter, base and tuned",
    )
    reader.add_argument(
        "--samples", type=count, default=0, metavar="N", help="so many answers, drawn by seed"
    )
    reader.add_argument(
        "--alternatives",
        type=count,
        default=0,
        metavar="K",
        help="with --json: the K likeliest tokens at each place, with their probabilities",
    )
    worker_arguments(reader, "JSON on stdout, with the figures")
    options = reader.parse_args(words)
    from workbench.commands.generate import generate

    return generate(
        options.session,
        row=options.row,
        prompt=options.variant,
        adapter=options.adapter,
        weights=options.weights,
        samples=options.samples,
        alternatives=options.alternatives,
        in_process=options.in_process,
        as_json=options.json,
    )


def evaluate(words: list[str]) -> int:
    reader = parser(
        "eval",
        "Measure prompts on rows that are not trained on; several are compared with the first. "
        "What was measured before with the same model, prompt and settings is not asked again.",
    )
    session_argument(reader)
    reader.add_argument("--rows", type=count, default=0, metavar="N", help="how many rows")
    reader.add_argument(
        "--variant",
        "--prompt",
        dest="variants",
        action="append",
        default=[],
        metavar="NAME",
        help="one of the session's prompts; may be given several times",
    )
    reader.add_argument(
        "--metric",
        dest="metrics",
        action="append",
        default=[],
        metavar="NAME",
        help="accuracy, macro_f1, exact_match, bleu …; the first one decides",
    )
    reader.add_argument("--fresh", action="store_true", help="ask again for what is known")
    worker_arguments(reader, "JSON on stdout")
    options = reader.parse_args(words)
    from workbench.commands.evaluate import evaluate

    return evaluate(
        options.session,
        rows=options.rows,
        variants=options.variants,
        metrics=options.metrics,
        adapter=options.adapter,
        fresh=options.fresh,
        in_process=options.in_process,
        as_json=options.json,
    )


def optimize(words: list[str]) -> int:
    reader = parser(
        "optimize",
        "Search for a better prompt on rows that are trained on; what it is worth is measured on "
        "rows that the search never saw. ctrl+c stops and keeps the best.",
    )
    session_argument(reader)
    variant_argument(reader)
    reader.add_argument("--method", choices=("random", "gepa"), help="default: the session's")
    reader.add_argument("--candidates", type=count, metavar="N", help="prompts to try, with random")
    reader.add_argument(
        "--budget", dest="max_metric_calls", type=count, metavar="N", help="answers, with gepa"
    )
    reader.add_argument("--rows", type=count, metavar="N", help="development rows")
    reader.add_argument("--metric", help="default: the one that decides in evaluation")
    reader.add_argument("--seed", type=int, help="another one finds another prompt")
    reader.add_argument(
        "--no-save", action="store_true", help="do not add the best to the session's variants"
    )
    worker_arguments(reader, "JSON on stdout")
    options = reader.parse_args(words)
    names = ("method", "candidates", "max_metric_calls", "rows", "metric", "seed")
    given = {name: value for name in names if (value := getattr(options, name)) is not None}
    from workbench.commands.optimize import optimize

    return optimize(
        options.session,
        variant=options.variant,
        adapter=options.adapter,
        settings=given,
        keep=not options.no_save,
        in_process=options.in_process,
        as_json=options.json,
    )
