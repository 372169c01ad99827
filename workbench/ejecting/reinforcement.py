"""The script of a run that learnt from a person's own reward, with TRL's GRPOTrainer."""

from contextlib import suppress
from pathlib import Path
from typing import Any

from workbench.data.examples import prompt_turns
from workbench.data.prompting import PromptError
from workbench.ejecting.made import Made
from workbench.ejecting.parts import reinforcement, tokens
from workbench.ejecting.readable import SIDES, Readable, Row
from workbench.ejecting.source import Constant, Raw, mixed
from workbench.ejecting.trainers import by_trl, examples, pad_token
from workbench.ejecting.written import Written
from workbench.exporting.errors import ExportError
from workbench.text import one_line

EXAMPLES = '''\
def examples_of(tokenizer, side):
    """The prompts of a side as token ids, each with its row."""
    found = []
    for row in read_rows(ROWS, side):
        ids = row.get("prompt_ids") or encode_prompt(tokenizer, row["prompt"], row["start"])
        found.append((ids, row["row"]))
    return found
'''
REWARD = """
    def reward(completions, place, **_):
        return [float(score(text, train[at][1])) for text, at in zip(completions, place)]

    prompts = [{"prompt": ids, "place": at} for at, (ids, _) in enumerate(train)]
"""
NOTES = [
    "Answers are drawn at random: on a processor the same seed draws the same ones, as long as no "
    "rounding decides between two tokens; on a GPU, or with other versions, other answers are "
    "drawn after a while, and rewards and losses are alike only in the mean.",
    "The reward runs in this process, without the time limit that it had in the run.",
]


def written(made: Made) -> Written:
    """Rows of prompts, proven to give the tokens that were answered; where they do not, the token
    ids stand beside them. The person's file with the reward is copied beside the script."""
    from workbench.training.grpo import Reinforcement

    source, name = reward_of(made)
    recipe = made.prepared(Reinforcement)
    recipe.reward.close()
    found = readable(recipe)
    trainer = by_trl(
        made,
        {"reward_funcs": Raw("[reward]"), "train_dataset": Raw("Dataset.from_list(prompts)")},
        *("evaluation", "score"),
    )
    given = made.settings.reinforcement
    return Written(
        rows=found.rows,
        constants=constants(made),
        functions=[
            tokens.encode_prompt,
            EXAMPLES,
            reinforcement.EpochPrompts,
            reinforcement.RunTrainer,
        ],
        main=f'    score = runpy.run_path(str(REWARD))["{name}"]\n'
        + examples("prompts")
        + pad_token("PAD")
        + REWARD
        + trainer,
        notes=NOTES + found.notes(),
        packages=("peft", "trl"),
        trainer_lays=True,
        files={".reward.py": source},
        arguments={"beta": given.beta} if given.beta else {},
    )


def readable(recipe: Any) -> Readable:
    found = Readable()
    for side, prompts in zip(SIDES, (recipe.examples, recipe.evaluation), strict=True):
        for n in range(len(prompts)):
            values = prompts.values[n]
            row = asked(recipe, values, prompts.numbers[n], list(prompts.ids[n]))
            found.known += "prompt_ids" in row
            found.rows.append({"side": side, **row, "row": values})
    return found


def asked(recipe: Any, values: Row, number: int, ids: list[int]) -> Row:
    """A prompt as turns and what the answer starts with; where they do not give `ids`, with
    these."""
    asking, tokenizer = recipe.asking, recipe.loaded.tokenizer
    before: list[Any] = []
    if asking.shots is not None:
        before = [row for _, row in asking.shots.for_row(values, number)]
    try:
        turns = list(prompt_turns(asking.prompt, asking.found, values, before))
    except PromptError:
        turns = []
    for start in dict.fromkeys((asking.prompt.answer_start, "")):
        with suppress(Exception):  # whatever a chat template makes of turns
            if list(tokens.encode_prompt(tokenizer, turns, start)) == ids:
                return {"prompt": turns, "start": start}
    return {"prompt": turns, "start": "", "prompt_ids": ids}


def constants(made: Made) -> list[Constant]:
    from workbench.training.borrowed import pad_token as pad_of

    given, ends = made.settings.reinforcement, sorted(made.loaded.end_tokens)
    copy = f"A copy of {one_line(given.reward)}, as it was when this script was written."
    return [
        Constant("REWARD", Raw('Path(__file__).with_suffix(".reward.py")'), copy),
        Constant("MAX_ANSWER", given.max_completion_length, "Tokens of an answer."),
        Constant("ENDS", ends, "The tokens that end an answer."),
        Constant("PAD", pad_of(made.loaded)),
        mixed(made.bfloat16),
    ]


def reward_of(made: Made) -> tuple[str, str]:
    """The source of the person's file, and the name of the function in it.

    Raises:
        ExportError: where it is gone, or a reward model scored, too.
    """
    from workbench.measuring.metrics.function import located
    from workbench.training.rewarding import SETTING

    if made.settings.reinforcement.reward_model.strip():
        raise ExportError(
            "The run learnt from a reward model, which a script does not score with; export the "
            "run's weights instead, or learn from a function."
        )
    function = made.settings.reinforcement.reward
    try:
        path, name = located(function, made.trained.workspace, setting=SETTING)
        return Path(path).read_text(encoding="utf-8"), name
    except (PromptError, OSError, UnicodeDecodeError) as error:
        raise ExportError(
            f"The reward of the run, {one_line(function, 100)}, cannot be read, so no script can "
            "make it again; bring the file back."
        ) from error
