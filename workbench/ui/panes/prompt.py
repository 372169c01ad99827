"""The prompt pane: the wording that is sent, and what it comes to for the selected row."""

from functools import partial

import msgspec
from textual.app import ComposeResult
from textual.message import Message
from textual.widgets import TextArea

from workbench.protocol import PromptRendered
from workbench.session import Prompt, Session
from workbench.text import one_line
from workbench.ui.panes.pane import Pane
from workbench.ui.units import count, plural
from workbench.ui.widgets.editor import Editor
from workbench.ui.widgets.lines import Bar, Line, clip, spread, wrap


class PromptPane(Pane):
    class Edited(Message):
        def __init__(self, prompt: Prompt) -> None:
            super().__init__()
            self.prompt = prompt

    def __init__(self) -> None:
        super().__init__("prompt")
        self.prompt = Prompt()
        self.columns: list[str] = []
        self.problem = ""
        self.rendered: PromptRendered | None = None
        self.native = ""
        self.milliseconds = 0.0
        self.filled = False
        self.editors = {
            "system": Editor(id="system", placeholder="Optional: who the model is, how it answers"),
            "template": Editor(
                id="template", placeholder="The task, with {{ column }} from the row"
            ),
            "completion": Editor(id="completion", placeholder="Optional: the answer to learn"),
        }
        self.status = Bar(self.draw, id="prompt-status")

    def compose(self) -> ComposeResult:
        labels = {"system": "System", "template": "Template", "completion": "Answer to learn"}
        for name, editor in self.editors.items():
            editor.put(getattr(self.prompt, name))
            text = labels[name]
            label = Bar(partial(self.label, text, name))
            label.add_class("label")
            yield label
            yield editor
        yield self.status
        self.filled = True

    def go(self) -> None:
        self.editors["template"].focus()

    def show_wording(self, session: Session) -> None:
        """Show the wording in use."""
        self.prompt = prompt = session.prompt()
        total = len(session.prompts)
        number = [one.name for one in session.prompts].index(prompt.name) + 1
        hint = f"wording {number} of {total}" + (" · ctrl+n next" if total > 1 else "")
        self.name_it(prompt.name, hint)
        if self.filled:
            for name, editor in self.editors.items():
                editor.put(getattr(prompt, name))

    def know(self, columns: list[str]) -> None:
        self.columns = columns
        for editor in self.editors.values():
            editor.know(columns)
        self.redraw()

    def show_rendered(self, rendered: PromptRendered, milliseconds: float) -> None:
        self.rendered, self.milliseconds, self.problem = rendered, milliseconds, ""
        self.redraw()

    def be_native(self, native: str) -> None:
        """The format of rows that are their own prompts; empty where the template makes them."""
        self.native = native
        self.redraw()

    def fail(self, problem: str) -> None:
        self.problem = problem
        self.redraw()

    def redraw(self) -> None:
        for one in self.query(Bar):
            one.redraw()

    def label(self, text: str, name: str, width: int) -> list[Line]:
        focused = self.filled and self.editors[name].has_focus
        line: Line = [(text, "title" if focused else "quiet")]
        if name != "template" or not self.columns:
            return [line]
        names = " ".join(one_line(column, 30) for column in self.columns)
        return [spread(line, [("columns: ", "quiet"), (names, "special")], width)]

    def draw(self, width: int) -> list[Line]:
        """Two lines: the count of tokens, and what is wrong or worth knowing."""
        if self.problem:
            lines = wrap(self.problem, width - 2, "bad")
            if len(lines) > 2:
                rest = " ".join(text for line in lines[1:] for text, _ in line)
                lines = [lines[0], clip([(rest, "bad")], width - 2)]
            return [[("✗ " if not i else "  ", "bad"), *line] for i, line in enumerate(lines)]
        if not self.rendered:
            return [[("Tokens are counted once the model is ready.", "quiet")]]
        rendered = self.rendered
        share = rendered.token_count / max(1, rendered.context_length)
        ink = "bad" if share > 1 else "warn" if share > 0.9 else "strong"
        left: Line = [
            (plural(rendered.token_count, "token"), ink),
            (f" of {count(rendered.context_length)} · {self.milliseconds:.0f} ms", "quiet"),
        ]
        lines = [spread(left, [("F9 exact text · F5 generate", "quiet")], width)]
        if share > 1:
            lines.append(clip([("Longer than the model can take; shorten it.", "bad")], width))
        elif rendered.notes:
            lines.append(clip([("! " + one_line(" ".join(rendered.notes), 400), "warn")], width))
        elif rendered.answer:
            answer = one_line(rendered.answer, 400)
            lines.append(clip([("answer for this row: ", "quiet"), (answer, "good")], width))
        elif self.native and not self.prompt.template.strip():
            words = f"no template: the row itself is the prompt ({self.native})"
            lines.append(clip([(words, "quiet")], width))
        return lines

    def on_text_area_changed(self, event: TextArea.Changed) -> None:
        event.stop()
        name = str(event.text_area.id)
        if self.filled and getattr(self.prompt, name) != event.text_area.text:
            self.prompt = msgspec.structs.replace(self.prompt, **{name: event.text_area.text})
            self.post_message(self.Edited(self.prompt))

    def on_descendant_focus(self) -> None:
        self.redraw()

    def on_descendant_blur(self) -> None:
        self.redraw()
