"""The source of a script, section by section, in the order in which it is read."""

import textwrap
from shlex import quote
from typing import Any

from workbench import __version__
from workbench.ejecting.made import Made, model_name
from workbench.ejecting.methods import method_of
from workbench.ejecting.parts import rows, training
from workbench.ejecting.source import Constant, Raw, assigned, constants, functions, imports
from workbench.ejecting.written import Written
from workbench.text import one_line

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
FIGURES = (
    "Its losses are those of the run, as long as the libraries and the machine are the same: to "
    "the last digits where rows are computed in batches as here, and within rounding (1e-5) where "
    "the run computed what rows have in common only once."
)
TRAINING = """\
    OUT.mkdir(exist_ok=True)
    schedule = Schedule(
        OUT / "metrics.jsonl",
        trainer.evaluate if evaluation else None,
        eval_steps=EVAL_STEPS,
        save_steps=SAVE_STEPS,
        rates=RATES,
        rate=args.learning_rate,
        last_step=LAST_STEP,
    )
    trainer.add_callback(schedule)
    trainer.train()
    trainer.model.save_pretrained(OUT / "tuned")
    tokenizer.save_pretrained(OUT / "tuned")
"""
ENTRY = 'if __name__ == "__main__":\n    main()\n'


class Script:
    """A run of a task, written out under the name `stem`.

    Raises:
        ExportError: where its method cannot be written out.
    """

    def __init__(self, made: Made, written: Written, stem: str) -> None:
        self.made, self.written, self.stem = made, written, stem
        self.method = method_of(made)
        self.name, self.where = model_name(made)

    @property
    def text(self) -> str:
        defined = functions(
            [
                *self.method.functions,
                rows.read_rows,
                *self.written.functions,
                training.Schedule,
                self.main(),
                ENTRY,
            ]
        )
        source = f"{constants(self.constants())}\n\n{defined}"
        return f"{self.header()}\n{imports(source, WANTED)}\n{source}"

    # --- what the script is ------------------------------------------------------------------

    def header(self) -> str:
        """What it is, for whoever opens it."""
        written, stem = self.written, self.stem
        trl = ", TRL" if "trl" in written.packages else ""
        others = "".join(f", and {stem}{end}" for end in written.files)
        reads = (
            f"It reads {stem}.rows.jsonl beside it, a row a line in the order in which they were "
            f"prepared{others}, and writes {stem}.out: metrics.jsonl, and what was tuned."
        )
        paragraphs = [
            f"The run {one_line(self.made.trained.name)} again, with transformers{trl} and peft. "
            f"Made with workbench {__version__}.",
            f"    pip install {' '.join(self.needed())}\n    python {quote(f'{stem}.py')}",
            *(wrapped(note) for note in (reads, FIGURES, *self.made.notes, *written.notes)),
        ]
        text = quotable("\n\n".join(paragraphs))
        return f'"""{text}\n"""\n'

    def needed(self) -> list[str]:
        """The packages, in the versions of the run."""
        versions = dict(self.made.trained.environment.get("versions") or {})
        return [
            f"{name}=={str(versions[name]).partition('+')[0]}" if versions.get(name) else name
            for name in ("torch", "transformers", "accelerate", *self.written.packages)
        ]

    def constants(self) -> list[Constant]:
        """What can be changed."""
        made = self.made
        rates = "Other learning rates from a step on: [step, rate], …"
        if made.rates:
            rates = "Learning rates that were asked for in the run: after this step, this rate."
        evaluations = "0: only before the first step and after the last."
        on_hub = self.where == "on the hub"
        revision = Constant("REVISION", made.trained.session.model.revision)
        return [
            Constant("MODEL", self.name, f"{self.where[:1].upper()}{self.where[1:]}."),
            *([revision] if on_hub else []),
            Constant("DTYPE", made.trained.dtype),
            Constant("ROWS", Raw('Path(__file__).with_suffix(".rows.jsonl")')),
            Constant("OUT", Raw('Path(__file__).with_suffix(".out")')),
            *self.written.constants,
            *self.method.constants,
            Constant("EVAL_STEPS", made.settings.eval_steps, evaluations),
            Constant("SAVE_STEPS", made.settings.save_steps),
            Constant("LAST_STEP", made.last_step, "Where the run ended."),
            Constant("RATES", [list(one) for one in made.rates], rates),
        ]

    # --- what it does ------------------------------------------------------------------------

    def main(self) -> str:
        lays = self.written.trainer_lays
        sections = [
            self.threads(),
            self.model(),
            self.method.lines(lays),
            self.arguments(),
            self.written.main,
            self.method.afterwards(lays),
            TRAINING,
        ]
        return "def main():\n" + "".join(sections)

    def threads(self) -> str:
        """As many threads sum in the same order."""
        count = self.made.trained.environment.get("threads")
        if not count or not self.made.on_processor:
            return ""
        return f"    torch.set_num_threads({int(count)})\n"

    def model(self) -> str:
        """The tokenizer, and the model from its own seed: a head that it lacks is drawn."""
        place: dict[str, Any] = {}
        if self.where == "on the hub":
            place["revision"] = Raw("REVISION or None")
        if self.made.trained.session.model.trust_remote_code:
            place["trust_remote_code"] = True
        seed = f"    set_seed({self.made.settings.seed})"
        loading = {"dtype": Raw("DTYPE"), **self.written.loading, **place}
        return (
            assigned("tokenizer", "AutoTokenizer.from_pretrained", place, "MODEL")
            + (f"{seed}  # of the head, which the model lacks\n" if self.made.head.fresh else "")
            + assigned("model", f"{self.written.model}.from_pretrained", loading, "MODEL")
            + f"{seed}\n"
        )

    def arguments(self) -> str:
        kind, changed = self.made.arguments()
        processor = {"use_cpu": True} if self.made.on_processor else {}
        given = {"output_dir": Raw("str(OUT)"), **processor, "report_to": "none", **changed}
        return assigned("args", kind, {**given, **self.written.arguments})


def wrapped(text: str) -> str:
    return "\n".join(textwrap.wrap(text, 96))


def quotable(text: str) -> str:
    """A text as it can stand in a docstring."""
    return text.replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
