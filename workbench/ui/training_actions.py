"""The actions on runs: start, steer, look at, compare, take along."""

from workbench.ui.action import Action, Where


def action(
    name: str, keys: str, label: str, help: str, *, where: Where = "monitor", short: str = ""
) -> Action:
    return Action(name, keys, label, help, "Training", where=where, short=short)


TRAIN = Action(
    "train",
    "f7",
    "Train",
    "Start fine-tuning on the rows, or stop the run with a checkpoint.",
    "Training",
    footer=True,
)
TRAINING: tuple[Action, ...] = (
    action("monitor('curves')", "1", "Curves", "The run's state, figures and curves."),
    action(
        "monitor('pinned')",
        "2",
        "Answers",
        "What the model answered to the pinned prompts at each evaluation; leaf through them.",
    ),
    action("monitor('happened')", "3", "Events", "All that happened to the run, in order."),
    action("monitor('compared_runs')", "4", "Runs", "All runs in one table and one chart."),
    action("monitor('sweep')", "5", "Sweep", "The search for good settings, run by run."),
    action(
        "next_curve",
        "m",
        "Next curve",
        "Chart another figure: loss, the task's metrics, learning rate, speed, memory.",
    ),
    action(
        "steer_rate",
        "l",
        "Learning rate",
        "Change the learning rate of the run under way, from the next step on.",
        short="Rate",
    ),
    action(
        "steer('evaluate')",
        "e",
        "Evaluate now",
        "Evaluate the run after this step.",
        short="Evaluate",
    ),
    action(
        "steer('checkpoint')",
        "c",
        "Checkpoint now",
        "Save a checkpoint after this step.",
        short="Save",
    ),
    action(
        "pause",
        "p",
        "Pause, go on",
        "Hold the run after this step, or let it go on; prompts are answered meanwhile.",
        short="Pause",
    ),
    action("stop_training", "s", "Stop", "Stop the run with a checkpoint, or end the sweep."),
    action(
        "compare_tuned",
        "b",
        "Base and tuned",
        "Measure base and tuned on the same evaluation rows, and compare them row by row.",
        short="Compare",
    ),
    action(
        "export_run",
        "x",
        "Export",
        "Write the run's model for use elsewhere: merged, as an adapter, or as GGUF.",
    ),
    action(
        "eject_run",
        "w",
        "Script",
        "Write the run as one Python script that makes it again.",
    ),
    action(
        "start_sweep",
        "o",
        "Begin a sweep",
        "Search for good settings: several runs of the session; or go on with a sweep that ended.",
        short="Sweep",
    ),
    action(
        "mark_run",
        "space",
        "Mark run",
        "Show the curve of the run under the cursor, or hide it.",
        where="compared_runs",
        short="Mark",
    ),
    action(
        "take_trial",
        "u",
        "Take its settings",
        "Put the settings of the run under the cursor into the session.",
        where="sweep",
        short="Take",
    ),
    action(
        "pin_row",
        "k",
        "Pin row",
        "Have the selected row answered at each evaluation of a run, or no longer.",
        where="dataset",
    ),
    Action(
        "resume",
        "ctrl+r",
        "Resume run",
        "Go on with the shown run from its last checkpoint; where its numbers broke twice, from an "
        "earlier one.",
        "Training",
        short="Resume",
    ),
    Action("previous_run", "alt+left", "Earlier run", "Show the run before this one.", "Training"),
    Action("next_run", "alt+right", "Later run", "Show the run after this one.", "Training"),
    Action(
        "use_run",
        "alt+u",
        "Use this run's weights",
        "Answer from the shown run's best checkpoint; again: from the base model alone.",
        "Training",
        short="Use",
    ),
)
