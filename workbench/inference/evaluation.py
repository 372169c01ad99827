"""How often a prompt gets the right answer, with the uncertainty of so many rows.

Knows rows, prompts and answers; knows nothing of the run or the screen that asks.
"""

import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from workbench.data.examples import expected_answer, prompt_ids
from workbench.data.formats import WORDING
from workbench.data.prompting import PromptError, encode_answer, end_of_turn
from workbench.data.wordings import WORDED, in_use
from workbench.inference.choice import pad_left, score_labels, with_ends
from workbench.inference.errors import ModelError
from workbench.inference.generation import configuration
from workbench.inference.model import LoadedModel
from workbench.protocol import FormatFound, Weights
from workbench.session import EvaluationSettings, GenerationSettings, Prompt

Report = Callable[[str, float, float, str], None]
MOST_LABELS = 20  # more distinct answers than this are no classes
LONGEST_LABEL = 8  # tokens
NORMAL_95 = 1.959963984540054  # the normal distribution's quantile at 97.5 %


@dataclass(frozen=True)
class Evaluation:
    """Share of right answers with its 95 % Wilson interval; `rows` were measured."""

    rows: int
    metric: str  # accuracy: chosen among labels; exact match: written by the model
    value: float
    low: float
    high: float
    seconds: float
    labels: list[str] = field(default_factory=list)
    confusion: list[list[int]] = field(default_factory=list)  # [expected][chosen]
    left_out: int = 0  # rows that are longer than max_length or the context
    stopped: bool = False  # given up before all rows were measured


@dataclass(frozen=True)
class Question:
    prompt: list[int]
    expected: str


def evaluate(  # noqa: PLR0917
    loaded: LoadedModel,
    rows: Any,
    prompt: Prompt,
    settings: EvaluationSettings,
    weights: Weights,
    max_length: int,
    stopped: threading.Event,
    report: Report,
    found: FormatFound = WORDING,
) -> Evaluation:
    """Measure a prompt on the first `settings.rows` of a `Selection`.

    Where the prompt's template is empty, rows of the format `found` are asked as they are trained
    on: in the format's own words, or up to their last answer.

    With labels (the settings', or the answers in the rows where these are few and short) each row
    gets the label of the highest total log-probability, see `choice.with_ends`. Without, the
    model writes its answer greedily and it has to be equal, spaces around it aside.

    Rows longer than `max_length` or the context are left out and counted. `stopped` is looked at
    between batches; what was measured until then is returned.

    Raises:
        PromptError: when the prompt cannot be filled, or says no right answer.
        ModelError: when memory runs out.
    """
    begun = time.monotonic()
    if found.format in WORDED and not in_use(found, prompt).completion.strip():
        raise PromptError(
            f'The prompt "{prompt.name}" has no completion to measure against; '
            "set it to the right answer, such as {{ label }}."
        )
    questions = list(
        ask(loaded, rows, prompt, settings.rows, found=found, stopped=stopped, report=report)
    )
    if not questions and not stopped.is_set():
        raise PromptError("There are no rows to measure on; choose another evaluation split.")
    prompt = in_use(found, prompt)
    labels = find_labels(loaded, prompt, questions, settings.labels)
    answers = labels or [question.expected for question in questions]
    longest = max((len(encode_answer(loaded.tokenizer, prompt, one)) for one in answers), default=0)
    room = min(max_length, loaded.context_length) - longest - 1
    fitting = [question for question in questions if len(question.prompt) <= room]
    if questions and not fitting:
        raise PromptError(
            f"Every row is longer than {room + longest + 1} tokens; raise training.max_length "
            "or shorten the prompt."
        )
    fitting.sort(key=lambda question: len(question.prompt), reverse=True)  # little padding
    measured: list[tuple[Question, str]] = []
    what = f"measuring {weights}"
    report(what, 0, len(fitting), "rows")
    for start in range(0, len(fitting), settings.batch_size):
        if stopped.is_set():
            break
        batch = fitting[start : start + settings.batch_size]
        chosen = reply(loaded, prompt, batch, labels, longest=longest, weights=weights)
        measured += zip(batch, chosen, strict=True)
        report(what, len(measured), len(fitting), "rows")
    return summary(measured, labels, len(questions) - len(fitting), begun, stopped.is_set())


def ask(
    loaded: LoadedModel,
    rows: Any,
    prompt: Prompt,
    count: int,
    *,
    found: FormatFound,
    stopped: threading.Event,
    report: Report,
) -> Iterator[Question]:
    """The prompts of the first `count` rows, as token ids, and the answers expected."""
    total = min(count, len(rows))
    for index in range(total):
        if stopped.is_set():
            return
        if index % 100 == 0:
            report("filling prompts", index, total, "rows")
        values = rows[index]
        yield Question(
            prompt_ids(loaded.tokenizer, prompt, found, values),
            expected_answer(prompt, found, values),
        )


def find_labels(
    loaded: LoadedModel, prompt: Prompt, questions: Sequence[Question], given: Sequence[str]
) -> list[str]:
    """The answers to choose among; none where the answers are free text.

    Raises:
        PromptError: when a row's answer is not among the labels that the session gives.
    """
    found = sorted({question.expected for question in questions})
    if given:
        labels = list(dict.fromkeys(label.strip() for label in given))
        if missing := [label for label in found if label not in labels]:
            raise PromptError(
                f'evaluation.labels lacks "{missing[0][:60]}", which is the answer of a row; '
                "add it, or leave evaluation.labels empty."
            )
        return labels
    few = 2 <= len(found) <= min(MOST_LABELS, max(2, len(questions) // 2))
    short = all(
        0 < len(encode_answer(loaded.tokenizer, prompt, label)) <= LONGEST_LABEL for label in found
    )
    return found if few and short else []


def reply(
    loaded: LoadedModel,
    prompt: Prompt,
    batch: Sequence[Question],
    labels: Sequence[str],
    *,
    longest: int,
    weights: Weights,
) -> list[str]:
    """The model's answers to a batch: the likeliest labels, or what it writes."""
    prompts = [question.prompt for question in batch]
    try:
        with loaded.answering(weights):
            if not labels:
                return write(loaded, prompts, longest + 1)
            ids = [encode_answer(loaded.tokenizer, prompt, label) for label in labels]
            ids = with_ends(ids, end_of_turn(loaded.tokenizer))
            return [labels[best] for best in score_labels(loaded, prompts, ids).argmax(1).tolist()]
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise ModelError(
            f"There is not enough memory on {loaded.device} for {len(batch)} rows at once; "
            "lower evaluation.batch_size."
        ) from error


def write(loaded: LoadedModel, prompts: Sequence[list[int]], tokens: int) -> list[str]:
    """Greedy answers of at most so many tokens."""
    ids, mask, _ = pad_left(loaded, prompts)
    greedy = configuration(loaded, GenerationSettings(max_new_tokens=tokens))
    made = loaded.model.generate(input_ids=ids, attention_mask=mask, generation_config=greedy)
    texts = loaded.tokenizer.batch_decode(made[:, ids.shape[1] :], skip_special_tokens=True)
    return [text.strip() for text in texts]


def summary(
    measured: Sequence[tuple[Question, str]],
    labels: list[str],
    left_out: int,
    begun: float,
    stopped: bool,
) -> Evaluation:
    right = sum(question.expected == chosen for question, chosen in measured)
    low, high = wilson(right, len(measured))
    confusion = [[0] * len(labels) for _ in labels]
    if labels:
        for question, chosen in measured:
            confusion[labels.index(question.expected)][labels.index(chosen)] += 1
    return Evaluation(
        rows=len(measured),
        metric="accuracy" if labels else "exact match",
        value=right / len(measured) if measured else 0.0,
        low=low,
        high=high,
        seconds=time.monotonic() - begun,
        labels=labels,
        confusion=confusion,
        left_out=left_out,
        stopped=stopped,
    )


def wilson(right: int, total: int, z: float = NORMAL_95) -> tuple[float, float]:
    """Wilson's score interval of a share, at 95 % unless told otherwise (Wilson, 1927)."""
    if total == 0:
        return 0.0, 1.0
    share = right / total
    middle = share + z * z / (2 * total)
    spread = z * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    scale = 1 + z * z / total
    # Rounding must not put the share itself outside of its interval.
    return (
        min(share, max(0.0, (middle - spread) / scale)),
        max(share, min(1.0, (middle + spread) / scale)),
    )
