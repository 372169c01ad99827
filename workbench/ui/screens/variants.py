"""All variants side by side, or one below the other where there is little room.

What is done to them (copied, named, removed, promoted, compared) is done by the app's actions on
wordings, so that all of it can be undone.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from textual.binding import Binding
from textual.widget import Widget

from workbench.session import Prompt, Session
from workbench.text import one_line
from workbench.ui.differences import prompt_lines
from workbench.ui.screens.sheet import Question, Reading, Sheet, Text
from workbench.ui.views.variant import Shown, column_lines
from workbench.ui.widgets.lines import Line, Lines, cells, pad, wrap

if TYPE_CHECKING:
    from workbench.ui.wording import Wording

NARROWEST, MOST = 36, 4  # cells of a column, columns


class VariantsScreen(Sheet):
    TITLE_TEXT = "Variants"
    HINT = "← → chooses · esc closes"
    DEFAULT_CSS = """
    VariantsScreen > #sheet { width: 98%; max-width: 100%; height: 96%; }
    VariantsScreen #variants { height: 1fr; overflow-x: hidden; }
    """
    BINDINGS = [
        Binding("left,shift+tab", "choose(-1)", show=False, priority=True),
        Binding("right,tab", "choose(1)", show=False, priority=True),
        Binding("enter", "use", show=False),
        Binding("n", "copy_it", show=False),
        Binding("r", "rename", show=False),
        Binding("d,delete", "remove_it", show=False),
        Binding("space", "mark", show=False, priority=True),
        Binding("i", "compare", show=False),
        Binding("p", "promote", show=False),
        Binding("h", "history", show=False),
        Binding("m", "own", show=False),
        Binding("alt+z", "undo(True)", show=False),
        Binding("alt+j", "undo(False)", show=False),
    ]

    def __init__(self, bench: "Wording") -> None:
        super().__init__()
        self.bench = bench
        self.chosen = self.at(bench.session.prompt().name)
        self.marked = ""  # a variant to compare with
        self.first = 0  # the first column shown
        self.tops: dict[int, int] = {}  # variant → its first line, one below the other
        self.lines = Lines(self.draw, id="variants")

    def inside(self) -> Iterator[Widget]:
        yield self.lines
        yield Text(draw_keys, id="variant-keys")

    def on_mount(self) -> None:
        self.lines.focus()
        self.call_after_refresh(self.show)

    @property
    def prompts(self) -> list[Prompt]:
        return self.bench.session.prompts

    @property
    def prompt(self) -> Prompt:
        return self.prompts[min(self.chosen, len(self.prompts) - 1)]

    def at(self, name: str) -> int:
        return [one.name for one in self.bench.session.prompts].index(name)

    # --- drawing -----------------------------------------------------------------------------

    def draw(self, width: int) -> list[Line]:
        session, active = self.bench.session, self.bench.session.prompt().name
        shown = [
            Shown(
                prompt=prompt,
                number=number,
                active=prompt.name == active,
                chosen=number - 1 == self.chosen,
                marked=prompt.name == self.marked,
                versions=self.bench.varying.versions_of(prompt),
            )
            for number, prompt in enumerate(session.prompts, 1)
        ]
        columns = min(MOST, max(1, width // NARROWEST), len(shown))
        if columns == 1:
            return self.below(shown, width)
        self.first = max(min(self.first, self.chosen), self.chosen - columns + 1)
        self.first = max(0, min(self.first, len(shown) - columns))
        wide = (width - 3 * (columns - 1)) // columns
        blocks = [
            column_lines(one, session, wide) for one in shown[self.first : self.first + columns]
        ]
        return abreast(blocks, wide)

    def below(self, shown: list[Shown], width: int) -> list[Line]:
        lines: list[Line] = []
        for index, one in enumerate(shown):
            self.tops[index] = len(lines)
            lines += column_lines(one, self.bench.session, width)
            lines.append([("─" * width, "frame")])
        return lines

    def show(self) -> None:
        """Bring the chosen variant into view."""
        self.chosen = min(self.chosen, len(self.prompts) - 1)
        self.tops.clear()
        self.lines.redraw(to_top=True)
        if self.tops:
            self.lines.scroll_to(y=self.tops[self.chosen], animate=False, force=True)
            self.lines.refresh()

    # --- keys --------------------------------------------------------------------------------

    def action_choose(self, by: int) -> None:
        self.chosen = (self.chosen + by) % len(self.prompts)
        self.show()

    def action_use(self) -> None:
        self.bench.use_prompts(self.prompts, self.prompt.name)
        self.dismiss("use")

    def action_copy_it(self) -> None:
        self.bench.duplicate(self.prompt)
        self.chosen = self.at(self.bench.session.prompt().name)
        self.show()

    def action_rename(self) -> None:
        from workbench.ui.screens.entering import EnterScreen

        before = self.prompt.name
        taken = [one.name for one in self.prompts if one.name != before]

        def problem(name: str) -> str:
            if name in taken:
                return f"There is another variant named {one_line(name, 60)}."
            return "" if name else "A variant needs a name."

        def rename(name: str | None) -> None:
            if name is not None:
                self.bench.rename(self.bench.session.named(before), name)
                self.show()

        self.app.push_screen(EnterScreen("Name of the variant", before, problem), rename)

    def action_remove_it(self) -> None:
        name = self.prompt.name
        if len(self.prompts) == 1:
            self.bench.delete(self.prompt)
            return

        def remove(answer: str | None) -> None:
            if answer == "remove":
                self.bench.delete(self.prompts[self.at(name)])
                self.show()

        self.app.push_screen(delete_question(name), remove)

    def action_mark(self) -> None:
        self.marked = "" if self.marked == self.prompt.name else self.prompt.name
        self.lines.redraw()

    def action_promote(self) -> None:
        name = self.prompt.name
        self.bench.promote(self.prompt)
        self.chosen = self.at(name)
        self.show()

    def action_compare(self) -> None:
        """With the marked variant, else with the first, else with the one in use."""
        others = [self.marked, self.prompts[0].name, self.bench.session.prompt().name]
        there = [one.name for one in self.prompts if one.name != self.prompt.name]
        found = [name for name in others if name in there] or there
        if not found:
            self.app.notify("There is no other variant to compare with.")
            return
        session = self.bench.session
        self.app.push_screen(DiffScreen(session.named(found[0]), self.prompt, session))

    def action_history(self) -> None:
        self.bench.show_history(self.prompt, self.show)

    def action_own(self) -> None:
        self.bench.own_settings(self.prompt, self.show)

    def action_undo(self, back: bool) -> None:
        if back:
            self.bench.action_undo_wording()
        else:
            self.bench.action_redo_wording()
        self.show()


KEYS = (
    ("enter", "use"),
    ("n", "copy"),
    ("r", "rename"),
    ("d", "delete"),
    ("p", "make first"),
    ("i", "diff with the first"),
    ("space", "or with this"),
    ("h", "history"),
    ("m", "own model"),
    ("alt+z", "undo"),
)


def draw_keys(width: int) -> list[Line]:
    """The keys of the sheet, in as many lines as they need."""
    lines: list[Line] = [[]]
    for key, words in KEYS:
        piece: Line = [(f" {key}", "key"), (f" {words} ", "quiet")]
        if lines[-1] and cells(lines[-1]) + cells(piece) > width:
            lines.append([])
        lines[-1] = [*lines[-1], *piece]
    return lines


class DiffScreen(Reading):
    """What differs between two wordings: - of the first, + of the second."""

    HINT = "- only in the first · + only in the second · esc closes"

    def __init__(self, old: Prompt, new: Prompt, session: Session) -> None:
        first, second = one_line(old.name, 30), one_line(new.name, 30)
        super().__init__(f"- {first}   + {second}", self.draw)
        self.old, self.new, self.session = old, new, session

    def draw(self, width: int) -> list[Line]:
        found = prompt_lines(self.old, self.new, self.session, width)
        return found or wrap("They differ in nothing but their names.", width, "quiet")


def delete_question(name: str) -> Question:
    words = f"The variant “{one_line(name, 60)}” is removed from the session."

    def draw(width: int) -> list[Line]:
        more = "What was run with it stays in its history; alt+z takes it back."
        return [*wrap(words, width), *wrap(more, width, "quiet"), []]

    return Question("Delete this variant?", draw, [("keep", "Keep it"), ("remove", "Remove it")])


def abreast(blocks: list[list[Line]], width: int) -> list[Line]:
    """Blocks of lines side by side, each so wide."""
    lines = []
    for index in range(max(map(len, blocks))):
        line: Line = []
        for number, block in enumerate(blocks):
            line += [(" │ ", "frame")] if number else []
            line += pad(block[index] if index < len(block) else [], width)
        lines.append(line)
    return lines
