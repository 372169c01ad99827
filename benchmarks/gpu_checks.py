"""What only a GPU can show of a fine-tune: the product's own loop on one, beside the processor.

    python -m benchmarks.gpu_checks [--device cuda] [--only losses anew …]

A small Llama with random weights learns short reviews by LoRA. Each line says what was compared and
by how much it differs; the last says whether all was well, and the exit status does, too.
"""

# ruff: noqa: E402 - the environment comes before the libraries

import argparse
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from workbench.worker.environment import prepare_environment

prepare_environment()

import torch
from transformers import AutoConfig, AutoModelForCausalLM

from tests.tiny import make_tiny_tokenizer
from tests.work import PROMPT, Listener, fine_tune, lines, rows, session
from workbench import runs
from workbench.data.prompting import encode_prompt
from workbench.inference.generation import generate
from workbench.inference.model import LoadedModel
from workbench.session import GenerationSettings, ModelSettings
from workbench.training.completion import collator_for
from workbench.training.flat import FlatCollator
from workbench.training.loop import train

SETTINGS: dict[str, Any] = {
    "learning_rate": 1e-3,
    "per_device_train_batch_size": 8,
    "num_train_epochs": 2.0,
    "pinned_count": 0,
    "packing": "on",
}


class Checks:
    """In a workspace of their own, on one device."""

    def __init__(self, folder: Path, device: str) -> None:
        self.folder, self.device, self.failed, self.runs = folder, device, 0, 0
        self.folders: dict[str, Path] = {}

    def model(self, dtype: str = "float32", device: str = "") -> LoadedModel:
        """The same weights at every call."""
        place = torch.device(
            device or self.device, 0 if (device or self.device) == "cuda" else None
        )
        tokenizer = make_tiny_tokenizer()
        config = AutoConfig.for_model(
            "llama",
            hidden_size=256,
            intermediate_size=512,
            num_hidden_layers=4,
            num_attention_heads=4,
            num_key_value_heads=2,
            vocab_size=len(tokenizer),
            pad_token_id=2,
            eos_token_id=2,
        )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            model = AutoModelForCausalLM.from_config(config)
        model.to(place, getattr(torch, dtype))
        return LoadedModel(ModelSettings(name="small"), model, tokenizer)

    def tune(self, loaded: LoadedModel, hooks: Listener | None = None, **settings: Any) -> Any:
        """The losses of a run from its first step to its last."""
        self.runs += 1
        self.run = fine_tune(
            loaded, self.folder, f"run-{self.runs}", hooks, **{**SETTINGS, **settings}
        )
        return torch.tensor(lines(self.run, "metrics", "loss"))

    def say(self, what: str, good: bool, figure: str) -> None:
        self.failed += not good
        print(f"{'ok  ' if good else 'BAD '} {what}: {figure}", flush=True)

    def near(self, what: str, found: Any, expected: Any, most: float) -> None:
        """Losses that differ by `most` at most."""
        if found.shape != expected.shape:
            self.say(what, False, f"{len(found)} losses instead of {len(expected)}")
            return
        apart = float((found - expected).abs().max())
        self.say(
            what, apart <= most, f"losses differ by {apart:.1e} at most (of {expected[0]:.3f})"
        )

    # --- the checks --------------------------------------------------------------------------

    def losses(self) -> None:
        """In each number format, flat and padded, beside the processor in float32."""
        self.reference = self.tune(self.model(device="cpu"), packing="off")
        for dtype, most in (("float32", 2e-3), ("bfloat16", 0.1)):
            loaded = self.model(dtype)
            kind = collator_for(loaded, session(**SETTINGS).training, 128)
            self.say(
                f"{dtype} is computed flat", isinstance(kind, FlatCollator), type(kind).__name__
            )
            flat = self.tune(loaded)
            self.near(f"{dtype}, flat, beside float32 on the processor", flat, self.reference, most)
            padded = self.tune(self.model(dtype), packing="off")
            self.near(
                f"{dtype}, padded, beside float32 on the processor", padded, self.reference, most
            )
            self.near(f"{dtype}, flat beside padded", flat, padded, most)
        self.say("the loss falls", bool(flat[-1] < flat[0]), f"{flat[0]:.3f} to {flat[-1]:.3f}")

    def methods(self) -> None:
        """Each method learns, in bfloat16."""
        for method in ("full", "dora", "rslora", "prompt_tuning", "prefix_tuning"):
            rate = {"full": 3e-4, "prompt_tuning": 0.05, "prefix_tuning": 0.05}.get(method, 1e-3)
            off = "off" if "tuning" in method else "on"
            found = self.tune(
                self.model("bfloat16"), method=method, learning_rate=rate, packing=off,
                num_train_epochs=6.0,
            )  # fmt: skip
            self.say(
                f"{method} learns", bool(found[-1] < found[0]), f"{found[0]:.3f} to {found[-1]:.3f}"
            )

    def anew(self) -> None:
        """Activations computed anew, and compiled layers, give the same losses."""
        plain = self.tune(self.model("bfloat16"))
        found = self.tune(self.model("bfloat16"), activation_checkpointing=True)
        self.near("activations computed anew", found, plain, 1e-2)
        found = self.tune(self.model("bfloat16"), torch_compile="on")
        self.near("compiled layers", found, plain, 0.1)

    def resumed(self) -> None:
        """A run that was stopped and gone on with in a new model."""
        whole = self.tune(self.model("bfloat16"), lora_dropout=0.1)
        part = self.tune(
            self.model("bfloat16"), Listener(stop=lambda step: step >= 5), lora_dropout=0.1
        )
        last = runs.last_checkpoint(self.run.folder)
        again = runs.Run(self.run.folder)
        made = session(**{**SETTINGS, "lora_dropout": 0.1})
        assert last is not None
        train(made, self.model("bfloat16"), rows(), again, Listener(), last[1])
        again.close()
        found = torch.tensor(lines(again, "metrics", "loss"))
        self.say("stopped where it was asked to", len(part) == 5, f"{len(part)} steps")
        self.near("resumed", found, whole, 1e-3)

    def answered(self) -> None:
        """Prompts answered between steps change nothing."""
        quiet = self.tune(self.model("bfloat16"), lora_dropout=0.1)
        loaded = self.model("bfloat16")
        ids = encode_prompt(loaded.tokenizer, PROMPT, rows().train[0])
        asked = GenerationSettings(max_new_tokens=5, do_sample=True, temperature=2.0)
        answers: dict[str, list[str]] = {"base": [], "tuned": []}

        def serve(step: int) -> None:
            for which, found in answers.items() if step else ():
                found.append(
                    generate(loaded, ids, asked, which, threading.Event(), lambda *_: None).text  # type: ignore[arg-type]
                )

        busy = self.tune(loaded, Listener(serve), lora_dropout=0.1)
        self.near(f"with {len(answers['tuned'])} answers in between", busy, quiet, 1e-3)
        self.say(
            "the tuned model's answers change, the base model's do not",
            len(set(answers["base"])) == 1 < len(set(answers["tuned"])),
            f"{len(set(answers['base']))} and {len(set(answers['tuned']))} different",
        )

    def no_memory(self) -> None:
        """Where memory runs out, the batch is halved and the run goes on."""
        if self.device != "cuda":
            print("     memory that runs out: only on a GPU")
            return
        expected = self.tune(self.model("bfloat16"))
        loaded = self.model("bfloat16")
        held = []

        def fill(step: int) -> None:
            """After the third step leave room for hardly anything, once."""
            if step == 3 and not held:
                torch.cuda.empty_cache()
                free, total = torch.cuda.mem_get_info()
                taken = torch.cuda.memory_reserved()
                torch.cuda.set_per_process_memory_fraction((taken + (6 << 20)) / total)
                held.append(free)

        try:
            found = self.tune(loaded, Listener(fill))
        finally:
            torch.cuda.set_per_process_memory_fraction(1.0)
        events = lines(self.run, "events", "event")
        said = [text for text in lines(self.run, "events", "message") if "memory" in text]
        self.say(
            "memory ran out and the run finished",
            events[-1] == "finished",
            "; ".join(said) or "never",
        )
        self.near("losses over it", found, expected, 0.05)


def main() -> None:
    reader = argparse.ArgumentParser(description=__doc__)
    reader.add_argument("--device", default="cuda")
    reader.add_argument("--only", nargs="*", default=[], help="names of checks")
    options = reader.parse_args()
    if options.device == "cuda" and not torch.cuda.is_available():
        sys.exit("There is no GPU here; run this on a machine that has one, or with --device cpu.")
    with tempfile.TemporaryDirectory() as name:
        checks = Checks(Path(name), options.device)
        each: list[Callable[[], None]] = [
            checks.losses, checks.resumed, checks.answered, checks.no_memory, checks.methods,
            checks.anew,
        ]  # fmt: skip
        for check in each:
            if options.only and check.__name__ not in options.only:
                continue
            try:
                check()
            except Exception as error:  # one that fails does not hide the others
                checks.say(check.__name__, False, f"{type(error).__name__}: {str(error)[:300]}")
                traceback.print_exc(limit=-4)
    print(
        "all well" if not checks.failed else f"{checks.failed} of the above are not as they should"
    )
    sys.exit(1 if checks.failed else 0)


if __name__ == "__main__":
    main()
