"""A named text of the prompt: its label and its editor, one line while there is little to show."""

from textual.app import ComposeResult
from textual.containers import Vertical

from workbench.ui.widgets.editor import Editor
from workbench.ui.widgets.lines import Bar, Line, cells, clip, spread

LABEL = 18  # cells of a label beside its text


class Section(Vertical):
    """Folded, label and text share a line: where nobody types and the text has no more lines.

    `always` open: the template, which takes the room that the others leave.
    """

    DEFAULT_CSS = """
    Section { height: auto; }
    Section > Bar { height: 1; }
    Section > Editor { height: auto; min-height: 1; max-height: 5; }
    Section.here > Editor { min-height: 2; max-height: 12; }
    Section.folded { layout: horizontal; height: 1; }
    Section.folded > Bar { width: 18; }
    Section.folded > Editor { width: 1fr; height: 1; min-height: 1; }
    Section.always { height: 1fr; min-height: 4; }
    Section.always > Editor { height: 1fr; max-height: 100%; }
    """

    def __init__(self, part: str, placeholder: str, always: bool = False) -> None:
        super().__init__(id=f"section-{part.replace('.', '-')}")
        self.part, self.always = part, always
        self.title = part
        self.hint: Line = []  # at the right of the label
        self.editor = Editor(
            id=part.replace(".", "-"), placeholder=placeholder, plain=part == "system"
        )
        self.bar = Bar(self.draw)
        self.set_class(always, "always")
        self.set_class(not always, "folded")

    def compose(self) -> ComposeResult:
        yield self.bar
        yield self.editor

    def on_mount(self) -> None:
        self.fold()

    def name_it(self, title: str, hint: Line | None = None) -> None:
        if (title, hint or []) != (self.title, self.hint):
            self.title, self.hint = title, hint or []
            self.bar.redraw()

    def fold(self) -> None:
        """Be one line, or as many as are needed."""
        here = self.editor.has_focus
        self.set_class(here, "here")
        if not self.always:
            self.set_class(not here and not self.long, "folded")
        self.bar.redraw()

    @property
    def long(self) -> bool:
        """Whether the text does not fit beside the label."""
        text = self.editor.text
        room = (self.size.width or 60) - LABEL - 4
        return "\n" in text.rstrip("\n") or cells([(text.expandtabs(4), "")]) > room

    def draw(self, width: int) -> list[Line]:
        focused = self.editor.has_focus
        line: Line = [(self.title, "title" if focused else "quiet")]
        if self.has_class("folded") or not self.hint:
            return [clip(line, width)]
        return [spread(line, self.hint, width)]

    def on_resize(self) -> None:
        self.fold()
        if self.has_class("here"):  # it is unfolded, or has another line
            self.scroll_visible(animate=False)

    def on_descendant_focus(self) -> None:
        self.fold()
        self.call_after_refresh(self.scroll_visible, animate=False)  # once it is unfolded

    def on_descendant_blur(self) -> None:
        self.fold()
