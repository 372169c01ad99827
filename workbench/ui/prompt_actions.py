"""The actions of the prompt pane: wordings, their examples and their settings."""

from workbench.ui.action import Action

PROMPT: tuple[Action, ...] = (
    Action("next_prompt", "ctrl+n", "Next prompt", "Change to the next wording.", "Prompt"),
    Action(
        "duplicate_prompt", "alt+n", "New wording", "Copy this wording and vary the copy.", "Prompt"
    ),
    Action(
        "delete_prompt",
        "alt+d",
        "Delete wording",
        "Remove this wording from the session.",
        "Prompt",
    ),
)
