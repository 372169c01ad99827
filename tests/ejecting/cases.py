"""A run of each task and method to write out, small."""

from pathlib import Path
from typing import Any

from tests.encoders import make_bert
from tests.exporting.made import LABELS, workspace, write_rows
from tests.tiny import reviews
from tests.training.by_trl import preferences
from tests.translating import ROWS as TRANSLATIONS
from tests.translating import make_t5
from workbench.session import Prompt
from workbench.settings import PreferenceSettings, ReinforcementSettings

CHATS = [
    [
        {"role": "user", "content": f"Say {n}, please."},
        {"role": "assistant", "content": f"{n}!"},
        {"role": "user", "content": "And what comes after it?"},
        {"role": "assistant", "content": f"After {n} comes {n + 1}."},
    ]
    for n in range(24)
]
PLAIN = Prompt(name="plain")
REWARD = """
def score(answer, row):
    "The share of letters, and more for one of the row's own."
    letters = sum(one.isalpha() for one in answer) / max(1, len(answer))
    return letters + (row["label"][0] in answer)
"""
THUMBS = [
    {
        "prompt": f"{row['text']} What is it?",
        "completion": row["label"] if number % 3 else f"{row['label']}, or not",
        "label": bool(number % 3),
    }
    for number, row in enumerate(reviews(24))
]
PREFERRED = {
    "prompt": PLAIN,
    "source": "preferences.jsonl",
    "learning_rate": 1e-3,
    "preference": PreferenceSettings(beta=0.3),
}
WORDS = {"method": "prompt_tuning", "learning_rate": 3e-2}

SESSIONS: dict[str, dict[str, Any]] = {
    "answers": {"lora_dropout": 0.1, "num_train_epochs": 2.0},
    "chats": {
        "prompt": PLAIN,
        "source": "chats.jsonl",
        "method": "full",
        "learning_rate": 1e-3,
        "freeze_layers": 1,
        "gradient_accumulation_steps": 2,
        "per_device_train_batch_size": 2,
    },
    "odd": {
        "method": "dora",
        "target_modules": ["q_proj", "down_proj"],
        "train_sampling_strategy": "random",
        "max_length": 80,
        "lr_scheduler_type": "cosine",
        "logging_steps": 3,
        "rows": 20,
        "seed": 7,
    },
    "texts": {"prompt": PLAIN, "source": "texts.jsonl", "task": "pretraining", "max_length": 64},
    "labels": {**LABELS, "method": "full", "learning_rate": 3e-3, "num_train_epochs": 2.0},
    "labels of a decoder": {**LABELS, "model": "tiny", **WORDS},
    "words": {**WORDS, "num_train_epochs": 2.0},
    "prefix": {**WORDS, "method": "prefix_tuning", "num_train_epochs": 2.0},
    "hidden": {
        "prompt": PLAIN,
        "model": "masked",
        "source": "texts.jsonl",
        "task": "masked_lm",
        "method": "full",
        "learning_rate": 3e-3,
        "max_length": 24,
        "overlong": "split",
    },
    "pairs": {
        "prompt": PLAIN,
        "model": "t5",
        "source": "pairs.jsonl",
        "task": "seq2seq",
        "learning_rate": 1e-2,
        "label_smoothing_factor": 0.1,
        "num_train_epochs": 2.0,
    },
    "dpo": {**PREFERRED, "task": "dpo", "gradient_accumulation_steps": 2},
    "kto": {**PREFERRED, "task": "kto", "method": "full", "source": "thumbs.jsonl"},
    "orpo": {**PREFERRED, "task": "orpo", "method": "prompt_tuning", "learning_rate": 1e-2},
    "reward": {**PREFERRED, "task": "reward"},
    "reward of an encoder": {**PREFERRED, "task": "reward", "model": "bert", "method": "full"},
    "grpo": {
        "prompt": PLAIN,
        "task": "grpo",
        "learning_rate": 1e-3,
        "max_steps": 4,
        "per_device_train_batch_size": 8,
        "reinforcement": ReinforcementSettings(
            reward="score.py:score", num_generations=4, max_completion_length=6, beta=0.1
        ),
    },
}


def workspace_of_all(folder: Path) -> Path:
    """A folder with the models and the rows of all of them."""
    workspace(folder)
    make_bert(folder / "bert")
    make_bert(folder / "masked", "BertForMaskedLM")
    make_t5(folder / "t5")
    write_rows(folder, [{"messages": turns} for turns in CHATS], "chats.jsonl")
    write_rows(folder, [{"text": 3 * one["text"]} for one in reviews(30)], "texts.jsonl")
    write_rows(folder, TRANSLATIONS, "pairs.jsonl")
    write_rows(folder, preferences(24), "preferences.jsonl")
    write_rows(folder, THUMBS, "thumbs.jsonl")
    (folder / "score.py").write_text(REWARD)
    return folder
