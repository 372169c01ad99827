"""The curves view: a run's state, figures and curves; without a run, what F7 would start."""

import time
from typing import TYPE_CHECKING, Any

from textual.app import ComposeResult
from textual.containers import Vertical

from workbench.settings import TrainingSettings
from workbench.text import one_line
from workbench.ui.braille import smoothed
from workbench.ui.history import History
from workbench.ui.units import count, duration, figure, plural, rate, size
from workbench.ui.views.record import progress_lines
from workbench.ui.widgets.chart import Chart, Series
from workbench.ui.widgets.lines import (
    Line,
    Lines,
    clip,
    key_lines,
    progress_bar,
    spread,
    wrap,
)

if TYPE_CHECKING:
    from workbench.ui.panes.monitor import MonitorPane

CHART_PERIOD = 3.0  # seconds
FEWEST = 64  # steps that a chart of a run under way has room for, where the run has as many
STATES = {
    "running": ("● running", "good"),
    "stopped": ("■ stopped", "warn"),
    "finished": ("✓ finished", "good"),
    "failed": ("✗ failed", "bad"),
    "interrupted": ("⚡ interrupted", "warn"),
}
NAMES = {
    "loss": "loss",
    "eval_loss": "eval loss",
    "learning_rate": "learning rate",
    "grad_norm": "grad norm",
    "tokens_per_second": "tokens/s",
    "memory": "memory",
}


def name_of(key: str) -> str:
    """A figure's name for the person."""
    return NAMES.get(key) or key.removeprefix("eval_").replace("_", " ")


def words_of(key: str, value: float) -> str:
    """A figure's value as people read it."""
    if key == "learning_rate":
        return f"{value:.2e}"
    if key == "tokens_per_second":
        return rate(value)
    return size(value) if key == "memory" else figure(value)


class CurvesView(Vertical):
    DEFAULT_CSS = """
    CurvesView { height: 1fr; }
    """

    def __init__(self, pane: "MonitorPane") -> None:
        super().__init__(id="curves-view")
        self.pane = pane
        self.figures = Lines(self.draw, id="figures")
        self.chart = Chart(id="chart")
        self.curve = "loss"  # what is charted
        self.charted: tuple[Any, ...] | None = None  # which run, in what state, what of it
        self.charted_at = 0.0
        self.high: int | str = 0  # lines of the figures

    def compose(self) -> ComposeResult:
        self.chart.display = False
        yield self.figures
        yield self.chart

    def on_resize(self) -> None:
        """The figures take as many lines as they need at the new width."""
        self.call_after_refresh(self.redraw)

    def go(self) -> None:
        self.screen.set_focus(self.figures)

    def next_curve(self) -> str:
        """Chart what comes next; its name."""
        history = self.pane.history
        curves = history.curves if history else ["loss"]
        at = curves.index(self.curve) if self.curve in curves else -1
        self.curve = curves[(at + 1) % len(curves)]
        self.charted = None
        self.redraw()
        return name_of(self.curve)

    def series(self, history: History) -> list[Series]:
        if self.curve == "loss" or not history.series.get(self.curve):
            return [
                Series("loss", "train", history.loss, legend=False),
                Series("loss, smoothed", "smooth", smoothed(history.loss)),
                Series("evaluation", "eval", history.eval_loss, marked=True),
            ]
        evaluated = self.curve.startswith("eval_")
        ink = "eval" if evaluated else "smooth"
        points = history.series[self.curve]
        return [Series(name_of(self.curve), ink, points, marked=evaluated)]

    def redraw(self) -> None:
        history = self.pane.history
        charted = history is not None and bool(history.loss or history.eval_loss)
        if self.chart.display != charted:
            self.chart.display = charted
            self.pane.tabs.redraw()  # a key has, or has not, something to do
        self.set_class(charted, "charted")
        self.figures.redraw()
        if history and charted and self.chart_is_due(history):
            self.chart.show(self.series(history), reach(history))
        high: int | str = "1fr"
        if charted and self.is_mounted:
            high = min(len(self.figures.lines), max(4, self.size.height - 7))
        if high != self.high:
            self.high = self.figures.styles.height = high

    def chart_is_due(self, history: History) -> bool:
        """A curve under way is drawn anew every few seconds: on a slow line it costs the most."""
        now = time.monotonic()
        evaluations = len(history.eval_loss)  # few, and their figures stand above the chart
        shown = (history.folder, history.status.state, history.paused, self.curve, evaluations)
        running = history.status.state == "running"
        if self.charted == shown and running and now - self.charted_at < CHART_PERIOD:
            return False
        self.charted, self.charted_at = shown, now
        return True

    def draw(self, width: int) -> list[Line]:
        history = self.pane.history
        return self.draw_run(history, width) if history else self.draw_plan(width)

    def draw_run(self, history: History, width: int) -> list[Line]:
        status = history.status
        word, ink = STATES[status.state]
        if history.paused:
            word, ink = "‖ paused", "warn"
        state: Line = [(word, ink)]
        if status.state == "running" and history.what and not history.paused:
            state.append((f" · {one_line(history.what, 40)}", "quiet"))
        lines: list[Line] = []
        if self.pane.progress and not history.latest:
            lines += progress_lines(self.pane.progress, width)
        step, total = history.step, status.total_steps
        share = step / total if total else 0.0
        steps = f"step {count(step)}" + (f" of {count(total)}" if total else "")
        if (epoch := history.figure("epoch")) is not None:
            steps += f" · epoch {epoch:.2f}"
        lines.insert(0, spread(state, [(steps, "text")], width))
        if total:
            right = f" {share * 100:3.0f} %"
            if status.state == "running" and not history.paused and history.seconds_left >= 0:
                right += f" · {duration(history.seconds_left)} left"
            if (seconds := history.figure("seconds")) is not None:
                took = duration(seconds)
                right += f" · took {took}" if status.state == "finished" else f" · {took} so far"
            room = max(4, width - len(right))
            lines.append([*progress_bar(share, room, ink), (right, "quiet")])
        if history.paused:
            lines += wrap("p lets it go on; F5 answers from its weights meanwhile.", width, "quiet")
        if status.message and status.state in ("failed", "interrupted", "finished"):
            lines += wrap(status.message, width, "bad" if status.state == "failed" else "text")
        if status.state in ("interrupted", "stopped", "failed") and not history.checkpoint:
            lines += wrap("It left no checkpoint; F7 starts a new run.", width, "quiet")
        elif status.state != "running":
            lines += key_lines(self.keys(history), width)
        return [*lines, *self.figure_lines(history, width)]

    def keys(self, history: History) -> list[tuple[str, str]]:
        """What may be done with a run that has ended, and left weights."""
        used = self.pane.session.model.adapter == history.folder.name
        keys = [
            ("F5" if used else "alt+u", "answers with it"),
            ("b", "compares it with its base"),
            ("x", "exports it"),
            ("w", "writes its script"),
        ]
        if history.status.state == "finished":
            return keys
        return [("ctrl+r", f"resumes it from step {count(history.checkpoint)}"), *keys[:3]]

    def figure_lines(self, history: History, width: int) -> list[Line]:
        """Name and value in as many columns as fit; the graphics processors below."""
        metrics = [name for name in history.curves if name.startswith("eval_")]
        shown: list[tuple[str, str]] = []
        for key in ("loss", "eval_loss", *metrics, *list(NAMES)[2:]):
            value = history.figure(key)
            if value is not None:
                shown.append((name_of(key), words_of(key, value)))
        columns = 3 if width >= 66 else 2
        cell = width // columns
        lines: list[Line] = []
        for start in range(0, len(shown), columns):
            line: Line = []
            for name, text in shown[start : start + columns]:
                gap = max(1, cell - len(name) - len(text) - 2)
                line += [(name, "quiet"), (" " * gap + text, "strong"), ("  ", "text")]
            lines.append(clip(line, width))
        for index, gpu in enumerate(history.latest.get("gpus") or []):
            if isinstance(gpu, dict):
                lines.append(gpu_line(index, gpu, width))
        return lines

    def draw_plan(self, width: int) -> list[Line]:
        """What F7 would start; while it begins, how far that is."""
        lines: list[Line] = []
        if self.pane.progress:
            lines += [*progress_lines(self.pane.progress, width), []]
        else:
            lines.append([("No run yet. ", "strong"), ("F7", "key"), (" starts one:", "text")])
        for name, value in plan_of(self.pane.session.training):
            lines.append(clip([(f"  {name:<14}", "quiet"), (value, "text")], width))
        if not self.pane.session.prompt().completion and not self.pane.native:
            lines += wrap(
                "It needs an answer to learn: write it in the prompt pane (F3).", width, "warn"
            )
        return lines


def reach(history: History) -> int:
    """The step that the chart ends with: the run's last, where it has come near enough to that for
    its curve to be seen; doubled as it goes on, so that the chart seldom changes its scale."""
    total, step = history.status.total_steps, history.step
    if history.status.state != "running":
        return step or total
    end = FEWEST
    while end < 2 * step:
        end *= 2
    return min(total, end) if total else end


def plan_of(training: TrainingSettings) -> list[tuple[str, str]]:
    """The settings of a run in brief: name, value."""
    rows = plural(training.rows, "row") if training.rows else "all rows"
    epochs = f"{training.num_train_epochs:g} epoch{'s' * (training.num_train_epochs != 1)}"
    length = f"{training.max_steps:,} steps" if training.max_steps > 0 else epochs
    batch = training.per_device_train_batch_size * training.gradient_accumulation_steps
    rate = f"{training.learning_rate:g}" if training.learning_rate else "as is usual"
    method = training.method.replace("_", " ")
    if training.method not in ("full", "prompt_tuning", "prefix_tuning"):
        method += f", rank {training.lora_r}, alpha {training.lora_alpha}"
    evaluation = plural(training.evaluation_rows, "row") if training.evaluation_rows else "none"
    if training.evaluation_rows:
        every = f"every {training.eval_steps} steps" if training.eval_steps else "at the end"
        evaluation += f", {every}"
    return [
        ("task", "as rows and model say" if training.task == "auto" else training.task),
        ("method", method),
        ("rows", f"{rows}, {length}"),
        ("batch", f"{plural(batch, 'row')} a step" if batch else "as memory and rows allow"),
        ("learning rate", f"{rate}, {training.lr_scheduler_type}"),
        ("evaluation", evaluation),
    ]


def gpu_line(index: int, gpu: dict[str, object], width: int) -> Line:
    """A graphics processor: load, memory and temperature, as far as they are known."""

    def known(key: str) -> float:
        value = gpu.get(key)
        return float(value) if isinstance(value, int | float) else -1.0

    line: Line = [
        (f"GPU {index} ", "title"),
        (one_line(str(gpu.get("name", "")), 24) + " ", "quiet"),
    ]
    if (load := known("load")) >= 0:
        line += [*progress_bar(load, 10, "accent"), (f" {load * 100:3.0f} % ", "strong")]
    if (memory := known("memory")) >= 0:
        line.append((f" {size(memory)}", "strong"))
        if (total := known("memory_total")) > 0:
            line.append((f" of {size(total)}", "quiet"))
    if (heat := known("temperature")) >= 0:
        line.append((f"  {heat:.0f} °C", "warn" if heat >= 85 else "strong"))
    return clip(line, width)
