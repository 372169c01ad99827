"""How a model is fine-tuned, and the search for good settings of it.

Field names are those of transformers, peft and TRL. What may be automatic (a word "auto", a number
0) is chosen when the run begins, said with the reason, and frozen in the run's session: a run made
again from it is the same run.
"""

from typing import Annotated, Literal

from msgspec import Meta

from workbench.settings.base import Positive, PositiveFloat, Section, Seed, Share

Task = Literal[
    "auto",
    "sft",
    "pretraining",
    "masked_lm",
    "classification",
    "seq2seq",
    "dpo",
    "kto",
    "orpo",
    "reward",
    "grpo",
]
Method = Literal["full", "lora", "dora", "rslora", "qlora", "prompt_tuning", "prefix_tuning"]


class ClassificationSettings(Section):
    """Of the task classification."""

    problem_type: Annotated[
        Literal["auto", "single_label", "multi_label", "regression"],
        Meta(
            description="One label a row, several, or a number; auto: by the label column: lists, "
            "and texts such as a, b are several labels, numbers with decimals a number, all else "
            "one label."
        ),
    ] = "auto"
    labels: Annotated[
        list[str], Meta(description="All labels, in order; empty: those of the rows trained on.")
    ] = []
    class_weights: Annotated[
        Literal["none", "balanced"],
        Meta(
            description="balanced: a rare label's rows weigh more, so that each label counts the "
            "same: for uneven data where rare labels matter."
        ),
    ] = "none"
    threshold: Annotated[
        Share, Meta(description="With several labels: one is given from this probability on.")
    ] = 0.5


class MaskingSettings(Section):
    """Of the task masked_lm."""

    mlm_probability: Annotated[
        float,
        Meta(
            gt=0,
            lt=1,
            description="Share of the tokens to guess; BERT's is 0.15, 0.3 to 0.4 learns more of "
            "each row.",
        ),
    ] = 0.15
    whole_words: Annotated[
        bool, Meta(description="Mask all pieces of a word together: harder, and worth more.")
    ] = True


class PreferenceSettings(Section):
    """Of the tasks dpo, kto, orpo and reward."""

    beta: Annotated[
        float,
        Meta(
            gt=0,
            description="How strongly the model is held to what it was: 0.01 to 0.5; lower lets it "
            "move further. Of orpo: the weight of the preference.",
        ),
    ] = 0.1
    loss_type: Annotated[
        Literal["sigmoid", "hinge", "ipo", "robust"], Meta(description="The loss of dpo.")
    ] = "sigmoid"
    label_smoothing: Annotated[
        float, Meta(ge=0, lt=0.5, description="Share of the pairs that may be the wrong way round.")
    ] = 0.0


class ReinforcementSettings(Section):
    """Of the task grpo: answers are drawn, a function or a reward model scores them, and good ones
    become likelier."""

    reward: Annotated[
        str,
        Meta(
            description="file.py:name, a Python function of (answer, row) that returns a number: "
            "higher is better. It runs with your rights, in a process of its own."
        ),
    ] = ""
    reward_model: Annotated[
        str,
        Meta(
            description="A run of the task reward, or a folder of a reward model, that scores the "
            "answers; beside a function both are added. It is in memory beside the model."
        ),
    ] = ""
    num_generations: Annotated[
        int, Meta(ge=2, le=64, description="Answers drawn to each prompt and compared: 4 to 16.")
    ] = 4
    max_completion_length: Annotated[
        int, Meta(ge=1, description="Tokens of an answer that is drawn.")
    ] = 64
    temperature: Annotated[
        PositiveFloat, Meta(description="Of the answers drawn: at 1 as the model speaks.")
    ] = 1.0
    beta: Annotated[
        float,
        Meta(ge=0, description="Holds the model to what it was; 0: not, and no copy is needed."),
    ] = 0.0


class VirtualTokenSettings(Section):
    """Of the methods prompt_tuning and prefix_tuning."""

    num_virtual_tokens: Annotated[
        int, Meta(ge=0, le=1000, description="0: as many as the words it begins from, else 20.")
    ] = 0
    init: Annotated[
        Literal["prompt", "text", "random"],
        Meta(
            description="What it begins from: the prompt pane's words, the words in text, or "
            "nothing."
        ),
    ] = "prompt"
    text: Annotated[str, Meta(description="Words to begin from, with init text.")] = ""


class TrainingSettings(Section):
    task: Annotated[
        Task,
        Meta(
            description="What is learnt; auto: by the dataset's format and the kind of model. "
            "sft: answers; pretraining: running text; masked_lm: hidden words (BERT); "
            "classification: labels; seq2seq: text from text (T5, Marian); dpo, kto, orpo: "
            "preferences; reward: to score answers; grpo: by a reward of your own."
        ),
    ] = "auto"
    method: Annotated[
        Method,
        Meta(
            description="Which weights move. full: all; lora: small matrices beside them, a tenth "
            "of the memory; dora, rslora: its variants; qlora: lora over 4-bit weights (GPU); "
            "prompt_tuning, prefix_tuning: only virtual tokens before the prompt."
        ),
    ] = "lora"
    rows: Annotated[int, Meta(ge=0, description="Rows to train on, chosen by seed; 0: all.")] = 0
    evaluation_rows: Annotated[
        int, Meta(ge=0, description="Rows for the evaluation loss; 0: none.")
    ] = 200
    metric_rows: Annotated[
        int,
        Meta(
            ge=0,
            description="Of sft and seq2seq: evaluation rows that are answered and measured at "
            "each evaluation; 0: none, for answers cost far more time than a loss. The metrics of "
            "the other tasks come with the loss of all evaluation_rows.",
        ),
    ] = 0
    pinned: Annotated[
        list[str],
        Meta(
            description="Rows whose prompts are answered at each evaluation: number, colon, a hash "
            "of the content. Empty: the first evaluation rows, as pinned_count says."
        ),
    ] = []
    pinned_count: Annotated[
        int, Meta(ge=0, le=20, description="Prompts to answer where none is pinned; 0: none.")
    ] = 3
    learning_rate: Annotated[
        float,
        Meta(
            ge=0,
            le=10,
            description="How far each step goes; too high and the loss jumps or is no number, too "
            "low and nothing is learnt. lora: 1e-4 to 5e-4; full: 1e-5 to 1e-4; virtual tokens: "
            "1e-3 to 0.3. 0: by method.",
        ),
    ] = 2e-4
    num_train_epochs: Annotated[
        PositiveFloat,
        Meta(description="Times that each row is seen: 1 to 3; more repeats the rows by heart."),
    ] = 1.0
    max_steps: Annotated[int, Meta(ge=-1, description="-1: as num_train_epochs says.")] = -1
    per_device_train_batch_size: Annotated[
        int,
        Meta(
            ge=0,
            description="Rows in memory at once; a step is this times "
            "gradient_accumulation_steps. Smaller steps learn more from few rows, larger ones are "
            "steadier: 4 to 64. 0: by memory and rows.",
        ),
    ] = 16
    gradient_accumulation_steps: Annotated[
        Positive, Meta(description="Batches to a step: a large step in little memory.")
    ] = 1
    warmup_steps: Annotated[
        float, Meta(ge=0, description="A number of steps, or below 1 a share of all steps.")
    ] = 0.03
    lr_scheduler_type: Annotated[
        Literal["linear", "cosine", "constant", "constant_with_warmup", "polynomial"],
        Meta(description="How the learning rate falls to the end."),
    ] = "linear"
    optim: Annotated[
        Literal["adamw_torch_fused", "adamw_torch", "adafactor", "sgd"],
        Meta(
            description="adamw keeps two numbers a weight; adafactor and sgd hardly any, and learn "
            "slower."
        ),
    ] = "adamw_torch_fused"
    weight_decay: Annotated[
        float, Meta(ge=0, description="Pulls weights to zero: 0 to 0.1; against learning by heart.")
    ] = 0.0
    max_grad_norm: Annotated[
        PositiveFloat, Meta(description="Steps longer than this are shortened: 0.3 to 1.")
    ] = 1.0
    label_smoothing_factor: Annotated[
        float, Meta(ge=0, lt=1, description="Of seq2seq and classification: 0 to 0.1.")
    ] = 0.0
    max_length: Annotated[int, Meta(ge=8, description="Tokens of a row; longer rows are cut.")] = (
        512
    )
    overlong: Annotated[
        Literal["cut", "drop", "split"],
        Meta(
            description="Rows longer than max_length: cut them, drop them, or split a text into "
            "several."
        ),
    ] = "cut"
    packing: Annotated[
        Literal["auto", "on", "off"],
        Meta(
            description="Rows one after the other instead of padded to the longest: no token is "
            "wasted. auto: for pretraining and sft, but with virtual tokens."
        ),
    ] = "auto"
    train_sampling_strategy: Annotated[
        Literal["random", "group_by_length"],
        Meta(description="group_by_length: rows of a batch are about equally long, less padding."),
    ] = "group_by_length"
    activation_checkpointing: Annotated[
        bool,
        Meta(
            description="Compute parts twice instead of keeping them: a third slower, less memory."
        ),
    ] = False
    attn_implementation: Annotated[
        Literal["auto", "sdpa", "eager", "flash_attention_2"],
        Meta(description="How attention is computed."),
    ] = "auto"
    torch_compile: Annotated[
        Literal["auto", "on", "off"],
        Meta(
            description="Compile the layers first: a minute or two, then faster steps in less "
            "memory; measured to pay on NVIDIA GPUs, in runs of hours. auto: off."
        ),
    ] = "auto"
    threads: Annotated[
        int,
        Meta(
            ge=0,
            le=1024,
            description="Processor threads; more than there are processors are slower. 0: one "
            "fewer than there are, of two both until another program needs one (grpo: one).",
        ),
    ] = 0
    freeze_layers: Annotated[
        int, Meta(ge=0, description="The first blocks of the model that stay as they are.")
    ] = 0
    freeze_embeddings: Annotated[
        bool, Meta(description="With full: the embedding of words stays as it is.")
    ] = False
    lora_r: Annotated[
        Positive, Meta(description="Rank of the matrices: 4 to 64; more can learn more.")
    ] = 16
    lora_alpha: Annotated[
        Positive, Meta(description="Their weight is alpha / r: one to two times r.")
    ] = 32
    lora_dropout: Annotated[
        float, Meta(ge=0, lt=1, description="Share left out at random: 0 to 0.1.")
    ] = 0.0
    target_modules: Annotated[list[str], Meta(description="Empty: all linear layers.")] = []
    keep_base: Annotated[
        bool,
        Meta(
            description="With full: keep the weights from before, so that base and tuned answer "
            "side by side; one more copy in memory."
        ),
    ] = True
    logging_steps: Annotated[Positive, Meta(description="Steps to a line of metrics.")] = 1
    eval_steps: Annotated[
        int,
        Meta(
            ge=0,
            description="Steps between evaluations, 10 to 200: often enough to see where it turns, "
            "seldom enough to cost little. 0: before the first step and at the end only.",
        ),
    ] = 20
    save_steps: Annotated[
        int,
        Meta(
            ge=0,
            description="Steps between checkpoints; the best evaluation has one besides. 0: at "
            "the end only.",
        ),
    ] = 20
    save_total_limit: Annotated[
        Positive, Meta(description="Checkpoints kept beside the best; older ones are deleted.")
    ] = 2
    metric_for_best_model: Annotated[
        str, Meta(description="Which checkpoint is the best: eval_loss, or eval_ and a metric.")
    ] = "eval_loss"
    early_stopping_patience: Annotated[
        int, Meta(ge=0, description="Stop after so many evaluations that were no better; 0: never.")
    ] = 0
    early_stopping_threshold: Annotated[
        float, Meta(ge=0, description="How much better is better.")
    ] = 0.0
    classification: ClassificationSettings = ClassificationSettings()
    masking: MaskingSettings = MaskingSettings()
    preference: PreferenceSettings = PreferenceSettings()
    reinforcement: ReinforcementSettings = ReinforcementSettings()
    virtual_tokens: VirtualTokenSettings = VirtualTokenSettings()
    seed: Annotated[
        Seed,
        Meta(description="Of the rows' choice and order, of new weights and of dropout."),
    ] = 0


class SweepSettings(Section):
    """The search for good settings: runs of the session, each with other values."""

    method: Annotated[
        Literal["tpe", "random", "grid"],
        Meta(description="tpe: learns where it is worth looking; grid: every combination."),
    ] = "tpe"
    trials: Annotated[
        int,
        Meta(ge=1, le=1000, description="Runs to make, of a grid as many as it has combinations."),
    ] = 10
    metric: Annotated[
        str, Meta(description="What decides: eval_loss, or eval_ and a metric of the task.")
    ] = "eval_loss"
    prune: Annotated[
        bool, Meta(description="Stop runs that are behind the others at the same step.")
    ] = True
    ranges: Annotated[
        dict[str, str],
        Meta(
            description="Setting and what to try: training.lora_r = 8, 16, 32 (these), or "
            "training.learning_rate = 1e-5..1e-3 log (from, to; log: evenly over orders of "
            "magnitude). Empty: learning_rate and lora_r around the session's."
        ),
    ] = {}
    seed: Seed = 0
