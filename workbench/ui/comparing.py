"""Is one measurement better than another? Which two are compared, and what came of it."""

from typing import TYPE_CHECKING

from workbench.protocol import (
    AnyEvent,
    Cancel,
    Compare,
    Compared,
    Done,
    Failed,
    HostLost,
    JudgePairs,
    Progress,
)
from workbench.ui.measurement import Measurement

if TYPE_CHECKING:
    from workbench.ui.base import Base


class Comparing:
    def __init__(self, app: "Base") -> None:
        self.app = app
        self.a = self.b = ""  # measurements that are marked; empty: none is
        self.request = -1
        self.under_way = False
        self.judging = False
        self.progress: Progress | None = None
        self.result: Compared | None = None
        self.problem = ""

    # --- asking ------------------------------------------------------------------------------

    def mark(self, side: str, key: str) -> None:
        """Mark a measurement as A or B; once more: as neither."""
        other = "b" if side == "a" else "a"
        setattr(self, side, "" if getattr(self, side) == key else key)
        if getattr(self, other) == key:
            setattr(self, other, "")

    def sides(self, table: list[Measurement], cursor: int) -> tuple[str, str]:
        """The two to compare: as marked, else the first against the one with the cursor."""
        keys = [one.key for one in table if one.key]
        here = table[cursor].key if cursor < len(table) else ""
        a = self.a if self.a in keys else next((key for key in keys if key != self.b), "")
        b = self.b if self.b in keys else here if here != a else ""
        if not b and len(keys) == 2:
            b = next(key for key in keys if key != a)
        return a, b

    def compare(self, a: str, b: str, judge: bool = False) -> None:
        session, folder = self.app.session, str(self.app.workspace)
        self.stop()
        self.result, self.problem, self.progress = None, "", None
        self.judging, self.under_way = judge, True
        self.request = self.app.send(
            JudgePairs(
                model=session.model,
                folder=folder,
                dataset=session.dataset,
                evaluation=session.evaluation,
                a=a,
                b=b,
            )
            if judge
            else Compare(folder=folder, a=a, b=b)
        )

    @property
    def busy(self) -> str:
        return ("judging" if self.judging else "comparing") if self.under_way else ""

    def stop(self) -> bool:
        if not self.under_way:
            return False
        self.app.send(Cancel(target=self.request))
        return True

    # --- hearing -----------------------------------------------------------------------------

    def handle(self, event: AnyEvent) -> bool:
        if isinstance(event, HostLost):
            if self.under_way:
                self.fail("The worker ended before it was done; compare again.")
            return False
        if event.request <= 0 or event.request != self.request:
            return False
        match event:
            case Progress():
                self.progress = event
            case Compared():
                self.result, self.under_way = event, False
            case Failed():
                self.app.note(event.message, event.details)
                self.fail(event.message)
            case Done():
                if self.under_way and self.result is None:
                    self.fail("Stopped before there was anything to compare.")
                self.under_way = False
            case _:
                return False
        self.app.output_pane.redraw_view("compared")
        return True

    def fail(self, problem: str) -> None:
        self.problem, self.under_way = problem, False
        self.app.output_pane.redraw_view("compared")
