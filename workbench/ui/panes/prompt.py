"""The prompt pane: the variants, the texts of the one in use, and what it comes to for the row."""

from collections.abc import Iterator

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.message import Message
from textual.widgets import TextArea

from workbench.protocol import Advice, PromptRendered
from workbench.session import Prompt, Session
from workbench.text import one_line
from workbench.ui import parts
from workbench.ui.panes.pane import Pane
from workbench.ui.views.tally import tally_lines
from workbench.ui.views.variants import Known, strip_line
from workbench.ui.widgets.editor import Editor
from workbench.ui.widgets.examples import ExamplesLine
from workbench.ui.widgets.lines import Bar, Line, spread
from workbench.ui.widgets.section import LABEL, Section

HINTS = {
    "system": "Optional: who the model is, how it answers",
    "template": "The task, with {{ column }} from the row",
    "answer_start": "Optional: what the answer begins with",
    "completion": "Optional: the answer to learn, to measure against",
}


class PromptPane(Pane):
    class Edited(Message):
        """Something was typed: `prompt` of the pane has it. Late news never bring an old text."""

    def __init__(self) -> None:
        super().__init__("prompt")
        self.session = Session()
        self.prompt = Prompt()
        self.columns: list[str] | None = None
        self.problem = ""
        self.advice: list[Advice] = []
        self.rendered: PromptRendered | None = None
        self.native = ""
        self.milliseconds = 0.0
        self.known: dict[str, Known] = {}  # variant → what it was measured at
        self.wanted: tuple[str, int] | None = None  # a text to go to once it is there
        self.sections = {name: Section(name, HINTS[name], name == "template") for name in HINTS}
        self.turns: list[Section] = []
        self.examples = ExamplesLine(self.draw_examples)
        self.strip = Bar(self.draw_strip, id="variants-strip")
        self.status = Bar(self.draw, id="prompt-status")
        self.area = VerticalScroll(id="wording", can_focus=False)

    def compose(self) -> ComposeResult:
        yield self.strip
        with self.area:
            yield self.sections["system"]
            yield from self.turns
            yield self.examples
            for name in ("template", "answer_start", "completion"):
                yield self.sections[name]
        yield self.status

    @property
    def editors(self) -> dict[str, Editor]:
        return {section.part: section.editor for section in self.all_sections()}

    def all_sections(self) -> Iterator[Section]:
        yield self.sections["system"]
        yield from self.turns
        for name in ("template", "answer_start", "completion"):
            yield self.sections[name]

    # --- going there -------------------------------------------------------------------------

    def go(self) -> None:
        if not any(editor.has_focus for editor in self.editors.values()):
            self.sections["template"].editor.focus()

    def go_to(self, name: str, line: int = -1, column: int = 0, length: int = 0) -> None:
        """Go to one of the texts or to the examples; select a place in it where `line` names it."""
        if name == "examples":
            self.examples.focus()
            return
        editor = self.editors.get(name) or self.editors["template"]
        editor.focus()
        if line >= 0:
            editor.move_cursor(editor.clamp_visitable((line, column)))
            end = editor.clamp_visitable((line, column + length))
            editor.move_cursor(end, select=True, center=True)

    @property
    def here(self) -> str:
        """The name of the text where the cursor is; empty: it is in none."""
        focused = [name for name, editor in self.editors.items() if editor.has_focus]
        return focused[0] if focused else ""

    # --- showing -----------------------------------------------------------------------------

    def show_wording(self, session: Session) -> None:
        """Show the wording in use."""
        self.session, self.prompt = session, session.prompt()
        number = [one.name for one in session.prompts].index(self.prompt.name) + 1
        total = len(session.prompts)
        hint = f"variant {number} of {total}" + (" · ctrl+n next" if total > 1 else "")
        self.name_it(self.prompt.name, hint)
        self.fit_turns()
        for section in self.all_sections():
            section.editor.put(parts.text_of(self.prompt, section.part))
            section.name_it(parts.label(self.prompt, section.part), self.hint_of(section.part))
            section.fold()
        self.redraw()

    def fit_turns(self) -> None:
        """As many editors for turns as there are turns."""
        while len(self.turns) > len(self.prompt.turns):
            gone = self.turns.pop()
            if self.is_mounted:
                gone.remove()
        while len(self.turns) < len(self.prompt.turns):
            section = Section(f"turns.{len(self.turns)}", "What is said, with {{ column }}")
            section.editor.know(self.columns)
            self.turns.append(section)
            if self.is_mounted:
                self.area.mount(section, before=self.examples)

    def hint_of(self, name: str) -> Line:
        if name != "template" or not self.columns:
            return []
        names = " ".join(one_line(column, 30) for column in self.columns)
        return [("columns: ", "quiet"), (names, "special")]

    def know(self, columns: list[str]) -> None:
        self.columns = columns
        for section in self.all_sections():
            section.editor.know(columns)
            section.name_it(section.title, self.hint_of(section.part))

    def know_figures(self, known: dict[str, Known]) -> None:
        self.known = known
        self.strip.redraw()

    def show_rendered(self, rendered: PromptRendered, milliseconds: float) -> None:
        self.rendered, self.milliseconds, self.problem = rendered, milliseconds, ""
        self.mark(rendered.advice)
        self.redraw()

    def mark(self, advice: list[Advice]) -> None:
        """Underline the places that there is advice on."""
        self.advice = advice
        for name, editor in self.editors.items():
            editor.mark([one for one in advice if one.where == name])

    def be_native(self, native: str) -> None:
        """The format of rows that are their own prompts; empty where the template makes them."""
        self.native = native
        self.redraw()

    def fail(self, problem: str, advice: list[Advice] | None = None) -> None:
        """Say why there is no prompt, and where it cannot be filled."""
        self.problem = problem
        if advice is not None:
            self.mark(advice)
        self.redraw()

    def redraw(self) -> None:
        for bar in (self.strip, self.examples, self.status):
            bar.redraw()

    def on_resize(self) -> None:
        self.status.styles.height = 3 if self.size.height > 14 else 2

    # --- drawing -----------------------------------------------------------------------------

    def draw_strip(self, width: int) -> list[Line]:
        names = [one.name for one in self.session.prompts]
        return [strip_line(self.session.prompts, names.index(self.prompt.name), self.known, width)]

    def draw_examples(self, width: int) -> list[Line]:
        focused = self.examples.has_focus
        words = parts.example_words(self.prompt)
        line: Line = [
            (f"{'Examples':<{LABEL}}", "title" if focused else "quiet"),
            ("▎ ", "accent" if focused else "frame"),
            (words, "quiet" if words == "none" else "text"),
        ]
        return [spread(line, [("alt+x", "quiet")], width)]

    def draw(self, width: int) -> list[Line]:
        return tally_lines(self, width, self.status.size.height or 2)

    # --- editing -----------------------------------------------------------------------------

    def on_text_area_changed(self, event: TextArea.Changed) -> None:
        event.stop()
        for section in self.all_sections():
            if section.editor is event.text_area:
                section.fold()
                if self.take(section):
                    self.post_message(self.Edited())

    def take(self, section: Section) -> bool:
        """Take what was typed in a section into the prompt. False where nothing was."""
        if parts.text_of(self.prompt, section.part) == section.editor.text:
            return False
        self.prompt = parts.with_text(self.prompt, section.part, section.editor.text)
        self.session = self.session.with_prompt(self.prompt)
        self.strip.redraw()
        return True

    def take_typed(self) -> None:
        """Take all that was typed into the prompt, heard of or not."""
        for section in self.all_sections():
            self.take(section)
