"""The actions of the output pane and its views."""

from workbench.ui.action import Action

OUTPUT: tuple[Action, ...] = (
    Action(
        "output('answers')",
        "1",
        "Answers",
        "Answers to single rows, the newest on top.",
        "Output",
        where="output",
    ),
    Action(
        "output('grid')",
        "2",
        "Grid",
        "The answers of several variants to the same rows, side by side.",
        "Output",
        where="output",
    ),
    Action(
        "output('scores')",
        "3",
        "Scores",
        "What was measured, with intervals; compare two of them.",
        "Output",
        where="output",
    ),
    Action(
        "output('search')",
        "4",
        "Search",
        "The search for a better prompt: candidates, the best so far, the outcome.",
        "Output",
        where="output",
    ),
    Action(
        "output('versions')",
        "5",
        "Versions",
        "Every wording that was ever run, with its figures.",
        "Output",
        where="output",
    ),
    Action(
        "fill_grid",
        "alt+r",
        "Run variants",
        "Let variants answer the same rows, in a grid: choose rows and variants.",
        "Output",
    ),
    Action(
        "retry_failed",
        "x",
        "Ask failed again",
        "Ask the rows that failed once more.",
        "Output",
        where="output",
    ),
    Action(
        "grid_rows",
        "w",
        "Which rows",
        "Show all rows of the grid, those not all right, those that differ, or those that failed.",
        "Output",
        where="grid",
    ),
)
