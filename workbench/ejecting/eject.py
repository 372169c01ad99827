"""A run written out as one Python script on transformers, peft and TRL that makes it again, and the
rows that it reads.

The script is checked before it is written: its own functions must make of the rows the very tokens
that were trained on.
"""

import json
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from workbench import __version__
from workbench.ejecting.made import Made, made_of, model_name
from workbench.ejecting.methods import method_of
from workbench.ejecting.source import Raw, call, constants, functions, imports
from workbench.ejecting.tasks import Written, written_of
from workbench.exporting.errors import ExportError
from workbench.exporting.trained import read_trained, run_folder
from workbench.protocol import EjectRun
from workbench.session import SessionError, replace_file
from workbench.text import one_line

Report = Callable[[str, float, float, str], None]
WANTED = (
    "import json",
    "import math",
    "import numpy",
    "import runpy",
    "import torch",
    "from bisect import bisect_left, insort",
    "from collections.abc import Sequence",
    "from pathlib import Path",
    "from datasets import Dataset",
    "from peft import LoraConfig, PeftModelForCausalLM, PeftModelForSequenceClassification, "
    "PrefixTuningConfig, PromptTuningConfig, get_peft_model",
    "from torch.utils.data import Sampler",
    "from transformers import AutoModelForCausalLM, AutoModelForMaskedLM, "
    "AutoModelForSeq2SeqLM, AutoModelForSequenceClassification, AutoTokenizer, "
    "GenerationConfig, Trainer, "
    "TrainerCallback, TrainingArguments, set_seed",
    "from transformers.trainer_pt_utils import get_length_grouped_indices",
    "from trl import DPOConfig, DPOTrainer, GRPOConfig, GRPOTrainer, KTOConfig, KTOTrainer, "
    "RewardConfig, RewardTrainer",
    "from trl.experimental.orpo import ORPOConfig, ORPOTrainer",
    "from trl.trainer.utils import RepeatSampler",
)


@dataclass(frozen=True)
class Ejected:
    text: str
    rows: str  # a JSON line each
    path: Path | None = None
    beside: tuple[Path, ...] = ()  # what was written beside it


def eject(request: EjectRun, report: Report) -> Ejected:
    """The script of a run; written to a file where the request names one, its rows beside it.

    Raises:
        ExportError: where the run cannot be made again, or the file not be written.
    """
    workspace = Path(request.folder)
    trained = read_trained(run_folder(workspace, request.run))
    path = workspace / Path(request.to).expanduser() if request.to.strip() else None
    if path is not None:
        path = target_of(path, trained.name)
        check(path, request.overwrite)
        check(rows_path(path), request.overwrite)
    report("reading the rows", 0, 0, "")
    made = made_of(trained, report)
    report("writing the script", 0, 0, "")
    written = written_of(made)
    others = {path.with_suffix(end): text for end, text in written.files.items()} if path else {}
    for other in others:
        check(other, request.overwrite)
    stem = path.stem if path is not None else file_name(trained.name)
    text = script(made, written, stem)
    compile(text, f"{stem}.py", "exec")
    lines = "".join(line_of(row) for row in written.rows)
    if path is not None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            replace_file(rows_path(path), lines)
            for other, content in others.items():
                replace_file(other, content)
            replace_file(path, text)
        except (SessionError, OSError) as error:
            why = getattr(error, "strerror", None) or str(error)
            raise ExportError(f"{path} cannot be written: {str(why).rstrip('.')}.") from error
    beside = (rows_path(path), *others) if path is not None else ()
    return Ejected(text, lines, path, beside)


def line_of(row: dict[str, object]) -> str:
    line = json.dumps(row, ensure_ascii=False, default=str)
    try:
        line.encode()
    except UnicodeEncodeError:  # half of a surrogate pair, which JSON can only escape
        line = json.dumps(row, default=str)
    return line + "\n"


def target_of(path: Path, name: str) -> Path:
    """The script's file: in a folder it has the run's name."""
    if path.is_dir():
        path /= f"{file_name(name)}.py"
    return path if path.suffix == ".py" else path.with_name(path.name + ".py")


def rows_path(path: Path) -> Path:
    return path.with_suffix(".rows.jsonl")


def check(path: Path, overwrite: bool) -> None:
    """Raise ExportError where no file may be written, before the long part."""
    try:
        if path.is_dir():
            raise ExportError(f"{path} is a folder; name a file.")
        if path.exists() and not overwrite:
            raise ExportError(f"{path} is there already; choose another name, or overwrite it.")
        ancestor = path.parent
        while not ancestor.exists():
            ancestor = ancestor.parent
        if not os.access(ancestor, os.W_OK):
            raise ExportError(f"{ancestor} cannot be written; choose another place.")
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise ExportError(f"{str(path)[:80]!r} cannot be the name of a file: {why}.") from error


def file_name(text: str) -> str:
    return re.sub(r"[^\w.-]+", "-", text).strip("-.") or "run"


def script(made: Made, written: Written, stem: str) -> str:
    """The whole source."""
    settings, trained = made.settings, made.trained
    name, where = model_name(made)
    kind, arguments = made.arguments(made.recipe)
    method, moving = method_of(made)
    lays = written.trainer_lays
    values = {
        "MODEL": name,
        **({"REVISION": trained.session.model.revision} if where == "on the hub" else {}),
        "DTYPE": trained.dtype,
        "ROWS": Raw(f'Path(__file__).with_name("{stem}.rows.jsonl")'),
        "OUT": Raw(f'Path(__file__).with_name("{stem}.out")'),
        **written.constants,
        **method.constants,
        "EVAL_STEPS": settings.eval_steps,
        "SAVE_STEPS": settings.save_steps,
        "LAST_STEP": made.last_step,
        "RATES": [list(one) for one in made.rates],
    }
    comments = {
        "MODEL": where[:1].upper() + where[1:] + ".",
        "EVAL_STEPS": "0: only before the first step and after the last.",
        "LAST_STEP": "Where the run ended.",
        "RATES": "Learning rates that were asked for in the run: after this step, this rate.",
        **written.comments,
        **method.comments,
    }
    for end in written.files:
        name = end.removeprefix(".").removesuffix(".py").upper()
        values[name] = Raw(f'Path(__file__).with_name("{stem}{end}")')
    if not made.rates:
        comments["RATES"] = "Other learning rates from a step on: [step, rate], …"
    revision = ", revision=REVISION or None" if "REVISION" in values else ""
    trust = ", trust_remote_code=True" if trained.session.model.trust_remote_code else ""
    threads = trained.environment.get("threads")
    body = [
        "def main():",
        *([f"    torch.set_num_threads({int(threads)})"] if threads and made.on_processor else []),
        f"    tokenizer = AutoTokenizer.from_pretrained(MODEL{revision}{trust})",
        f"    set_seed({settings.seed})  # of a head that the model lacks",
        f"    model = {written.model}.from_pretrained(",
        f"        MODEL, dtype=getattr(torch, DTYPE){written.model_more}{revision}{trust}",
        "    ).requires_grad_(False)",
        f"    set_seed({settings.seed})",
        *([moving.rstrip()] if moving else []),
        *([lines.rstrip()] if (lines := method.lines(lays)) else []),
        "    args = "
        + call(
            kind,
            {
                "output_dir": Raw("str(OUT)"),
                **({"use_cpu": True} if made.on_processor else {}),
                "report_to": "none",
                **arguments,
                **written.arguments,
            },
        ),
        written.main.rstrip(),
        *([lines.rstrip()] if (lines := method.afterwards(lays)) else []),
        "    OUT.mkdir(exist_ok=True)",
        "    evaluate = trainer.evaluate if evaluation else None",
        "    schedule = Schedule(",
        '        OUT / "metrics.jsonl",',
        "        evaluate,",
        "        eval_steps=EVAL_STEPS,",
        "        save_steps=SAVE_STEPS,",
        "        rates=RATES,",
        "        rate=args.learning_rate,",
        "        last_step=LAST_STEP,",
        "    )",
        "    trainer.add_callback(schedule)",
        "    trainer.train()",
        '    trainer.model.save_pretrained(OUT / "tuned")',
        '    tokenizer.save_pretrained(OUT / "tuned")',
        "",
        "",
        'if __name__ == "__main__":',
        "    main()",
    ]
    source = (
        constants(values, comments)
        + "\n\n"
        + (functions(*method.functions) + "\n\n" if method.functions else "")
        + written.functions
        + "\n\n"
        + "\n".join(body)
        + "\n"
    )
    return header(made, written, stem) + "\n" + imports(source, WANTED) + "\n" + source


def header(made: Made, written: Written, stem: str) -> str:
    """What the script is, for whoever opens it."""
    trained = made.trained
    versions = dict(trained.environment.get("versions") or {})
    needed = [
        f"{name}=={str(versions[name]).partition('+')[0]}" if versions.get(name) else name
        for name in ("torch", "transformers", "accelerate", *written.packages)
    ]
    shown = one_line(trained.name).replace("\\", "/").replace('"', "'")
    notes = [
        "Its losses are those of the run, as long as the libraries and the machine are the same: "
        "to the last digits where rows are computed in batches as here, and within rounding "
        "(1e-5) where the run computed what rows have in common only once.",
        *made.notes,
        *written.notes,
    ]
    text = "\n\n".join(wrapped(note) for note in notes)
    others = "".join(f", and {stem}{end}" for end in written.files)
    trl = ", TRL" if "trl" in written.packages else ""
    return (
        f'"""The run {shown} again, with transformers{trl} and peft. Made with workbench '
        f"{__version__}.\n\n"
        f"    pip install {' '.join(needed)}\n"
        f"    python {stem}.py\n\n"
        + wrapped(
            f"It reads {stem}.rows.jsonl beside it, a row a line in the order in which they were "
            f"prepared{others}, and writes {stem}.out: metrics.jsonl, and what was tuned."
        )
        + f'\n\n{text}\n"""\n'
    )


def wrapped(text: str) -> str:
    import textwrap

    return "\n".join(textwrap.wrap(text.replace("\\", "/").replace('"""', "'''"), 96))
