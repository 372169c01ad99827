"""The problems view: a line for each kind found, what it does to a fine-tune below."""

from workbench.protocol import Problem, ProblemsFound
from workbench.text import one_line
from workbench.ui.inspecting import Look
from workbench.ui.units import count, duration, plural
from workbench.ui.views.listed import Listed
from workbench.ui.views.looking import state_lines
from workbench.ui.widgets.lines import Line, clip, wrap

SEVERE = ("broken", "overlap", "encoding", "mixed_types")


class ProblemsView(Listed):
    look: Look[ProblemsFound]

    def __init__(self, look: Look[ProblemsFound]) -> None:
        super().__init__(look, "problems", "problem")
        self.left_out: set[str] = set()  # kinds that the session leaves out

    @property
    def problems(self) -> list[Problem]:
        return self.look.result.problems if self.look.result else []

    @property
    def things(self) -> list[Problem]:
        return self.problems

    @property
    def chosen(self) -> Problem | None:
        at = self.listing.cursor
        return self.problems[at] if at < len(self.problems) else None

    def head(self, width: int) -> list[Line]:
        lines = state_lines(self.look, width, "Looking for problems")
        result = self.look.result
        if result is None or self.look.under_way:
            return lines
        if not result.problems:
            words = f"✓ Nothing found in {plural(result.rows, 'row')}."
            lines += wrap(words, width, "good")
        else:
            words = (
                f"{plural(len(result.problems), 'kind')} of problem in {plural(result.rows, 'row')}"
            )
            if result.seconds:
                words += f" · in {duration(result.seconds)}"
            lines.append(clip([(words, "quiet")], width))
        for note in result.notes:
            lines += wrap("· " + note, width, "quiet")
        return lines

    def item(self, index: int, width: int) -> Line:
        one = self.problems[index]
        number = count(one.rows)
        column = max(len(count(other.rows)) for other in self.problems)
        words = one_line(one.title, 200)
        counted = words.startswith(number + " ")
        words, number = (words[len(number) + 1 :], number) if counted else (words, "")
        gone = one.kind in self.left_out
        sign, ink = ("×", "quiet") if gone else ("!", "bad" if one.kind in SEVERE else "warn")
        line: Line = [
            (f"{sign} ", ink),
            (f"{number:>{column}} ", "strong"),
            (words, "quiet" if gone else "text"),
        ]
        ending = "  left out" if gone else ""
        return [*clip(line, width - len(ending)), (ending, "quiet")]

    def draw(self, width: int) -> list[Line]:
        one = self.chosen
        if one is None or self.look.under_way:
            return []
        lines = [*wrap(one.why, width), []]
        if one.first:
            shown = ", ".join(count(number + 1) for number in one.first[:8])
            more = " …" if one.rows > len(one.first[:8]) else ""
            lines.append(clip([("rows ", "quiet"), (shown + more, "text")], width))
        keys: Line = [("enter ", "key"), ("shows its rows", "quiet")]
        if one.can_leave_out:
            back = one.kind in self.left_out
            keys += [
                ("   x ", "key"),
                ("takes them back in" if back else "leaves them out", "quiet"),
            ]
        return [*lines, clip(keys, width)]
