"""What a run will be, before it begins: rows, memory, steps and time. No weights are loaded."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from dataclasses import replace as replaced
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from workbench.advice import advice_on
from workbench.data.prompting import PromptError
from workbench.data.sources import Dataset
from workbench.inference.device import describe
from workbench.inference.errors import ModelError
from workbench.inference.loaded import LoadedModel
from workbench.protocol import Choice, Plan
from workbench.session import Session
from workbench.training import pace
from workbench.training.activations import Batch
from workbench.training.batches import USED, Batches, shape
from workbench.training.errors import StopRequested, TrainingError
from workbench.training.estimate import Counted, Estimate
from workbench.training.facts import Settled, settled
from workbench.training.recipe import Recipe
from workbench.training.steps import answers_at_once, prompts_a_step, steps_of
from workbench.usual import LORA_LIKE

Report = Callable[[str, float, float, str], None]
SAMPLE = 4000  # rows that are encoded; of more, these tell the rest
LOOKED_AT = 200  # rows whose badges are looked for
SHOWN = 6  # kinds of badges
FEW = 50  # rows to evaluate on, below which shares are rough
SEVERE = ("bad", "warn")
# Why a row is left out where its recipe has only one reason.
NOTHING_LEFT = "no text or answer to learn is in them, or none within max_length"


@dataclass
class Planner:
    """Makes plans; what one has counted the next one knows."""

    counted: Counted = field(default_factory=Counted)

    def plan(  # noqa: PLR0917
        self,
        session: Session,
        data: Dataset,
        folder: Path,
        report: Report,
        stopped: threading.Event,
        held: int = 0,
    ) -> tuple[Plan, Session]:
        """What the run will be, and the session with all chosen that was automatic.

        `held` are bytes of a model in memory that the run will not need beside its own.

        Raises:
            StopRequested: when `stopped` is set.
            SourceError, ModelError: where dataset or model cannot be had at all.
        """
        batches = Batches(data, folder, report, self.counted, held)
        made = Making(batches, session, stopped)
        try:
            return made.plan(), made.session
        except (TrainingError, PromptError) as error:
            return made.failed(str(error)), made.session


class Making:
    """One plan on its way: what is known of it by now."""

    def __init__(self, batches: Batches, session: Session, stopped: threading.Event) -> None:
        self.batches, self.session, self.stopped = batches, session, stopped
        self.report = batches.report
        self.settled: Settled | None = None
        self.loaded: LoadedModel | None = None
        self.recipe: Recipe | None = None
        self.pace: pace.Pace | None = None

    @property
    def choices(self) -> list[Choice]:
        return self.settled.choices if self.settled else []

    def failed(self, problem: str) -> Plan:
        """What is known of a run that cannot begin, and why it cannot."""
        settings = self.session.training
        plan = Plan(
            task=settings.task,
            method=settings.method,
            model=self.session.model.name,
            device=describe(self.loaded.device) if self.loaded else "",
            dtype=str(self.loaded.dtype).removeprefix("torch.") if self.loaded else "",
            parameters=0,
            trainable=0,
            choices=self.choices,
            rows=len(self.batches.data.train),
            problem=problem,
        )
        if self.loaded is None:
            return plan
        numbers = self.loaded.status()
        return replace(plan, parameters=numbers.parameters, trainable=numbers.trainable)

    def pause(self, what: str, done: int, total: int) -> None:
        self.report(what, done, total, "rows")
        if self.stopped.is_set():
            raise StopRequested

    def plan(self) -> Plan:
        """
        Raises:
            TrainingError: where the run cannot begin.
        """
        batches, data = self.batches, self.batches.data
        self.settled = settled(self.session, data, batches.folder, self.report, batches.fitting)
        self.session = session = self.settled.session
        settings = session.training
        self.pause("laying the model out", 0, 0)
        self.loaded = loaded = batches.laid(session, self.settled.head)
        self.recipe = recipe = batches.prepared(session, loaded, SAMPLE, self.pause)
        about = recipe.about()
        total = len(data.train)
        used = min(settings.rows or total, total)
        seen = min(used, SAMPLE)
        scale = used / max(1, seen)
        at_once = settings.per_device_train_batch_size
        if settings.task == "grpo":
            at_once = answers_at_once(settings)
        batch = shape(recipe, settings, at_once)
        self.pause("counting what a step keeps", 0, 0)
        estimate = batches.estimate(session, loaded, batch)
        there = batches.free(loaded.device)
        fits = there < 0 or estimate.total <= there
        rows = round(len(recipe.examples) * scale)
        tokens = round(text_of(recipe) * scale)
        steps = steps_of(settings, rows)
        self.pause("measuring the machine", 0, 0)
        seconds, why = self.time(batch, tokens, rows, steps)
        status = loaded.status()
        plan = Plan(
            task=settings.task,
            method=settings.method,
            model=session.model.name,
            device=status.device,
            dtype=status.dtype,
            parameters=estimate.parameters,
            trainable=estimate.trainable,
            choices=self.choices,
            memory=estimate.parts,
            memory_free=there,
            fits=fits,
            rows=rows,
            evaluation_rows=self.evaluated(about),
            rows_left_out=round(int(about.get("rows_left_out", 0)) * scale),
            rows_cut=round(int(about.get("rows_cut", 0)) * scale),
            tokens=tokens,
            steps=steps,
            seconds=seconds,
            seconds_from=why,
            badges=self.badges(),
        )
        return replace(plan, advice=self.advice(estimate, batch, plan, scale))

    def evaluated(self, about: dict[str, Any]) -> int:
        settings, data = self.session.training, self.batches.data
        if settings.evaluation_rows > SAMPLE and data.evaluation is not None:
            return min(settings.evaluation_rows, len(data.evaluation))
        return int(about.get("evaluation_rows", 0))

    # --- time ----------------------------------------------------------------------------------

    def time(self, batch: Batch, tokens: int, rows: int, steps: int) -> tuple[float, str]:
        """Seconds from the first step to the last, and what they are taken from."""
        assert self.loaded is not None
        session, settings = self.session, self.session.training
        if not rows or not tokens:
            return -1, ""
        found = pace.known(self.batches.folder, session, self.loaded)
        if found is None:
            found = pace.measured(self.loaded, session, batch)
        self.pace = found
        a_step = settings.per_device_train_batch_size * settings.gradient_accumulation_steps
        if settings.task == "grpo":  # a batch is answers, several to a row
            a_step = prompts_a_step(settings)
        trained = min(rows * settings.num_train_epochs, steps * a_step) * tokens / rows
        if settings.max_steps > 0:
            trained = steps * a_step * tokens / rows
        return trained / found.tokens_per_second * found.whole, found.words

    # --- what is amiss -------------------------------------------------------------------------

    def badges(self) -> list[str]:
        """What is amiss with rows, each kind once with how many of the rows looked at have it."""
        from workbench.data.formats import recognise_table
        from workbench.data.reading import to_its_end

        if self.session.training.task not in ("sft", "pretraining", "dpo", "orpo"):
            return []
        session, data = self.session, self.batches.data
        assert self.loaded is not None
        found = recognise_table(data.train.table, session.dataset, session.prompt())
        longest = min(session.training.max_length, self.loaded.context_length)
        training = to_its_end(replace(session.training, max_length=longest), found, reads=False)
        words: dict[str, str] = {}
        counts: dict[str, int] = {}
        from workbench.data.badges import of_example
        from workbench.data.examples import Encoder

        try:
            encoder = Encoder(self.loaded.tokenizer, session.prompt(), found, training)
        except PromptError:
            return []
        numbers = data.train.numbers[:LOOKED_AT]
        looked = 0
        for values in data.train.rows(numbers):
            if looked % 64 == 0:
                self.pause("looking at rows", looked, len(numbers))
            looked += 1
            kinds = set()
            try:
                for said in encoder.said(values):
                    for badge in of_example(encoder, said, encoder.whole(said), values):
                        if badge.severity in SEVERE:
                            kinds.add(badge.kind)
                            words.setdefault(badge.kind, badge.words)
            except PromptError:
                continue
            for kind in kinds:
                counts[kind] = counts.get(kind, 0) + 1
        ranked = sorted(counts, key=lambda kind: -counts[kind])[:SHOWN]
        return [f"{counts[kind]:,} of {looked:,} rows looked at: {words[kind]}" for kind in ranked]

    # --- what to change ------------------------------------------------------------------------

    def advice(self, estimate: Estimate, batch: Batch, plan: Plan, scale: float) -> list[str]:
        settings = self.session.training
        found = []
        if plan.memory_free >= 0 and estimate.total > USED * plan.memory_free:
            found += self.smaller(estimate, batch, plan)
        elif settings.activation_checkpointing and plan.memory_free > 3 * estimate.total > 0:
            found.append(
                "There is memory to spare: without training.activation_checkpointing the run is "
                "about a third faster."
            )
        if scale > 1:
            found.append(
                f"Rows and tokens are reckoned from {SAMPLE:,} rows; the run counts all of them."
            )
        if plan.rows_cut > plan.rows * 0.05:
            found.append(
                f"{plan.rows_cut:,} rows are longer than max_length ({settings.max_length}) and "
                "cut; raise training.max_length, or set training.overlong to drop."
            )
        few = 0 < plan.evaluation_rows < min(FEW, settings.evaluation_rows)
        if few and settings.task != "pretraining":
            found.append(
                f"Only {plan.evaluation_rows} rows are kept to evaluate on: one more that is right "
                f"moves a share by {100 / plan.evaluation_rows:.0f} %; set "
                "dataset.evaluation_share to 0.2, say."
            )
        if plan.rows_left_out > plan.rows * 0.05:
            found.append(self.why_left_out(plan.rows_left_out))
        said = advice_on(self.session, settings.task, settings.rows or plan.rows)
        return found + [f"{setting}: {words}" for setting, words in said]

    def why_left_out(self, count: int) -> str:
        assert self.recipe is not None
        reasons: dict[str, int] = self.recipe.about().get("why_left_out", {})
        if not reasons:
            return f"{count:,} rows are left out: {NOTHING_LEFT}."
        most = max(reasons, key=lambda one: reasons[one])
        return f"{count:,} rows are left out, most of them for this: {most}."

    def smaller(self, estimate: Estimate, batch: Batch, plan: Plan) -> list[str]:
        """What to change, in the order of what it costs, each with the memory it would take."""
        free = plan.memory_free
        words = "does not fit" if not plan.fits else "is close to all"
        found = [
            f"The run takes about {size(estimate.total)}, which {words}: {size(free)} are free."
        ]
        for what, session, less in self.variations(batch):
            try:
                total = self.total(session, less)
            except (TrainingError, ModelError):
                continue
            if total < 0.97 * estimate.total:
                enough = "" if total <= USED * free else ", still not enough by itself"
                found.append(f"{what}: about {size(total)}{enough}.")
        if len(found) == 1:
            found.append("Use a smaller model, or free memory.")
        return found

    def variations(self, batch: Batch) -> list[tuple[str, Session, Batch]]:
        session, settings = self.session, self.session.training
        found = []

        def add(what: str, less: Batch, **changes: Any) -> None:
            made = replace(session, training=replace(settings, **changes))
            found.append((what, made, less))

        rows = settings.per_device_train_batch_size
        if rows > 1:
            few = max(1, rows // 4)
            times = settings.gradient_accumulation_steps * (rows // few)
            add(
                f"training.per_device_train_batch_size {few} with gradient_accumulation_steps "
                f"{times} (the same steps)",
                replaced(batch, rows=min(few, batch.rows)),
                per_device_train_batch_size=few,
                gradient_accumulation_steps=times,
            )
        if not settings.activation_checkpointing and settings.method != "prefix_tuning":
            add(
                "training.activation_checkpointing (a third slower)",
                batch,
                activation_checkpointing=True,
            )
        if settings.method == "full":
            add("training.method lora", batch, method="lora")
        if batch.length > 64:
            short = batch.length // 2
            add(
                f"training.max_length {short}",
                replaced(
                    batch,
                    length=short,
                    kept=min(batch.kept, short),
                    answer=min(batch.answer, short),
                ),
                max_length=short,
            )
        assert self.loaded is not None
        wide = settings.method in (*LORA_LIKE, "full") and settings.method != "qlora"
        if self.loaded.device.type == "cuda" and wide:
            add("training.method qlora (weights in 4 bits)", batch, method="qlora")
        return found

    def total(self, session: Session, batch: Batch) -> int:
        assert self.settled is not None
        assert self.loaded is not None
        loaded = self.loaded
        if session.training.method != self.session.training.method:
            loaded = self.batches.laid(session, self.settled.head)
        return self.batches.estimate(session, loaded, batch).total


def text_of(recipe: Recipe) -> int:
    """Tokens of text in the examples, as a run counts them in an epoch; of answers that are still
    to be drawn, as many as they may have."""
    found: Any = recipe.examples
    if recipe.settings.task != "grpo":
        return int(found.tokens)
    given = recipe.settings.reinforcement
    return int(given.num_generations * (found.tokens + len(found) * given.max_completion_length))


def size(number: float) -> str:
    return f"{number / 1e9:.1f} GB" if number >= 1e9 else f"{number / 1e6:,.0f} MB"
