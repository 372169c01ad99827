"""The actions of the prompt pane: wordings, their examples and their settings."""

from workbench.ui.action import Action

PROMPT: tuple[Action, ...] = (
    Action("next_prompt", "ctrl+n", "Next variant", "Change to the next variant.", "Prompt"),
    Action(
        "variant",
        ",".join(f"alt+{number}" for number in range(1, 10)),
        "Variant by number",
        "Change to the first, second, … variant.",
        "Prompt",
        numbered=True,
    ),
    Action(
        "duplicate_prompt", "alt+n", "New variant", "Copy this variant and vary the copy.", "Prompt"
    ),
    Action(
        "delete_prompt",
        "alt+d",
        "Delete variant",
        "Remove this variant from the session.",
        "Prompt",
    ),
    Action(
        "undo_wording",
        "alt+z",
        "Undo change",
        "Take back the last change of variants, turns or examples.",
        "Prompt",
    ),
    Action(
        "redo_wording",
        "alt+j",
        "Redo change",
        "Make again the change of variants, turns or examples that was taken back.",
        "Prompt",
    ),
    Action(
        "add_turn",
        "alt+b",
        "Add turn",
        "Add a user or assistant turn before the template, after the one with the cursor.",
        "Prompt",
    ),
    Action("remove_turn", "alt+q", "Remove turn", "Remove the turn with the cursor.", "Prompt"),
    Action(
        "move_turn",
        "alt+g",
        "Move turn up",
        "Move the turn with the cursor up; the first one goes to the end.",
        "Prompt",
    ),
    Action(
        "turn_role",
        "alt+l",
        "Turn's role",
        "Make a user turn an assistant turn, and back.",
        "Prompt",
    ),
    Action(
        "variants",
        "alt+v",
        "Variants",
        "All variants side by side: use, copy, name, delete, compare, promote.",
        "Prompt",
    ),
    Action(
        "advice",
        "alt+a",
        "Advice",
        "What makes this wording worse, why and where.",
        "Prompt",
    ),
    Action(
        "examples",
        "alt+x",
        "Examples",
        "Choose the rows that are few-shot examples, and see them.",
        "Prompt",
    ),
    Action(
        "add_example",
        "alt+p",
        "Row as example",
        "Pick the selected row as an example; again: no longer.",
        "Prompt",
    ),
    Action(
        "compare_prompts",
        "alt+i",
        "Diff",
        "What differs between this variant and the first one, word by word.",
        "Prompt",
    ),
    Action(
        "history",
        "alt+h",
        "History",
        "Every version of this variant that was ever run; take one back.",
        "Prompt",
    ),
    Action(
        "own_settings",
        "alt+m",
        "Own model",
        "Give this variant a model and sampling settings of its own.",
        "Prompt",
    ),
)
