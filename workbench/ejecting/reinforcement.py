"""The script of a run that learnt from a person's own reward, with TRL's GRPOTrainer."""

from contextlib import suppress
from pathlib import Path
from typing import Any

from workbench.data.examples import prompt_turns
from workbench.data.prompting import PromptError
from workbench.ejecting.causal import Written
from workbench.ejecting.made import Made
from workbench.ejecting.parts import reinforcement, rows, tokens, training
from workbench.ejecting.source import functions
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


def written(made: Made) -> Written:
    """Rows of prompts, proven to give the tokens that were answered; where they do not, the token
    ids stand beside them. The person's file with the reward is copied beside the script."""
    from workbench.training.borrowed import pad_token
    from workbench.training.grpo import Reinforcement

    settings = made.settings
    source, name = reward_of(made)
    recipe = made.recipe
    assert isinstance(recipe, Reinforcement)
    recipe.prepare()
    recipe.reward.close()
    found: list[dict[str, Any]] = []
    known = 0
    for side, prompts in (("train", recipe.examples), ("evaluation", recipe.evaluation)):
        for n in range(len(prompts)):
            ids, values = list(prompts.ids[n]), prompts.values[n]
            row: dict[str, Any] = {"side": side, **asked(recipe, values, prompts.numbers[n], ids)}
            row["row"] = values
            known += "prompt_ids" in row
            found.append(row)
    given = settings.reinforcement
    pad = pad_token(made.loaded)
    constants: dict[str, Any] = {
        "MAX_ANSWER": given.max_completion_length,
        "ENDS": sorted(made.loaded.end_tokens),
        "PAD": pad,
        "MIXED": made.bfloat16,
    }
    comments = {
        "MAX_ANSWER": "Tokens of an answer.",
        "ENDS": "The tokens that end an answer.",
        "MIXED": "bfloat16 products over float32 weights.",
        "REWARD": f"A copy of {one_line(given.reward)}, as it was when this script was written.",
    }
    main = f"""\
    score = runpy.run_path(str(REWARD))["{name}"]
    train = examples_of(tokenizer, "train")
    evaluation = examples_of(tokenizer, "evaluation")
    print(len(train), "prompts to train on,", len(evaluation), "to evaluate on")
    tokenizer.pad_token = tokenizer.convert_ids_to_tokens(PAD)

    def reward(completions, place, **_):
        return [float(score(text, train[at][1])) for text, at in zip(completions, place)]

    trainer = RunTrainer(
        model=model,
        reward_funcs=[reward],
        args=args,
        train_dataset=Dataset.from_list(
            [{{"prompt": ids, "place": at}} for at, (ids, _) in enumerate(train)]
        ),
        processing_class=tokenizer,
        peft_config=config,
    )
    trainer.prepare(evaluation, score)
"""
    notes = [
        "Answers are drawn at random: on a processor the same seed draws the same ones, as long as "
        "no rounding decides between two tokens; on a GPU, or with other versions, other answers "
        "are drawn after a while, and rewards and losses are alike only in the mean.",
        "The reward runs in this process, without the time limit that it had in the run.",
    ]
    if known:
        notes.append(
            f"Of {known:,} prompts the token ids stand beside the turns, because no plain rule "
            "makes them of these."
        )
    return Written(
        rows=found,
        constants=constants,
        comments=comments,
        functions="\n\n".join(
            [
                functions(rows.read_rows, tokens.encode_prompt),
                EXAMPLES,
                functions(reinforcement.EpochPrompts, reinforcement.RunTrainer, training.Schedule),
            ]
        ),
        main=main,
        notes=notes,
        packages=("peft", "trl"),
        trainer_lays=True,
        files={".reward.py": source},
        arguments={"beta": given.beta} if given.beta else {},
    )


def reward_of(made: Made) -> tuple[str, str]:
    """The source of the person's file, and the name of the function in it.

    Raises:
        ExportError: where it is gone.
    """
    from workbench.measuring.metrics.function import located
    from workbench.training.rewarding import SETTING

    function = made.settings.reinforcement.reward
    try:
        path, name = located(function, made.trained.workspace, setting=SETTING)
        return Path(path).read_text(encoding="utf-8"), name
    except (PromptError, OSError, UnicodeDecodeError) as error:
        raise ExportError(
            f"The reward of the run, {one_line(function, 100)}, cannot be read, so no script can "
            "make it again; bring the file back."
        ) from error


def asked(recipe: Any, values: dict[str, Any], number: int, ids: list[int]) -> dict[str, Any]:
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
