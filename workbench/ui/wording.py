"""The actions on wordings: the variants of the prompt, their turns, examples and settings."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from workbench.session import Pane as PaneName
from workbench.session import Prompt, Turn
from workbench.ui.looking import Looking

if TYPE_CHECKING:
    from workbench.protocol import Row

UNDONE = 100  # changes of variants, turns and examples that can be taken back
Wordings = tuple[list[Prompt], str]  # all variants, and the name of the one in use


class Wording(Looking):
    """What is typed is undone in its editor; all other changes of wordings are undone here."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.undo_steps: list[Wordings] = []
        self.redo_steps: list[Wordings] = []

    def action_pane(self, name: PaneName) -> None:
        """Go to a pane."""

    # --- variants ----------------------------------------------------------------------------

    def action_next_prompt(self) -> None:
        prompts = self.session.prompts
        if len(prompts) == 1:
            self.tell("There is one variant; alt+n makes another from it.")
            return
        at = prompts.index(self.session.prompt())
        self.use_prompts(prompts, prompts[(at + 1) % len(prompts)].name)

    def action_variant(self, number: int) -> None:
        """Change to a variant by its number, from 1; 0 shows all."""
        prompts = self.session.prompts
        if number < 1:
            self.action_variants()
            return
        if number > len(prompts):
            self.tell(f"There is no variant {number}; alt+n makes another.")
            return
        self.use_prompts(prompts, prompts[number - 1].name)

    def action_variants(self) -> None:
        """All variants side by side."""
        from workbench.ui.screens.variants import VariantsScreen

        self.varying.ask()
        self.push_screen(VariantsScreen(self))

    def action_duplicate_prompt(self) -> None:
        self.duplicate(self.session.prompt())
        self.action_pane("prompt")

    def duplicate(self, prompt: Prompt, after: str = "") -> None:
        """A copy of a variant comes after it, or after the one named, and is the one in use."""
        prompts = list(self.session.prompts)
        at = [one.name for one in prompts].index(after or prompt.name)
        copy = msgspec.structs.replace(prompt, name=self.free_name(prompt.name))
        prompts.insert(at + 1, copy)
        self.change_wordings(prompts, copy.name)

    def free_name(self, like: str) -> str:
        names = {one.name for one in self.session.prompts}
        stem = like.rstrip("0123456789 ") or "wording"
        return next(f"{stem} {n}" for n in range(2, len(names) + 3) if f"{stem} {n}" not in names)

    def action_delete_prompt(self) -> None:
        self.delete(self.session.prompt())

    def delete(self, prompt: Prompt) -> None:
        prompts = list(self.session.prompts)
        if len(prompts) == 1:
            self.tell("This is the only variant; a session needs one.", "warning")
            return
        at = [one.name for one in prompts].index(prompt.name)
        gone = prompts.pop(at)
        active = self.session.prompt().name
        if active == gone.name:
            active = prompts[min(at, len(prompts) - 1)].name
        self.change_wordings(prompts, active)
        self.tell(f"The variant {gone.name} is removed; alt+z takes it back.")

    def rename(self, prompt: Prompt, name: str) -> None:
        prompts = [
            msgspec.structs.replace(one, name=name) if one.name == prompt.name else one
            for one in self.session.prompts
        ]
        active = self.session.prompt().name
        self.change_wordings(prompts, name if active == prompt.name else active)

    def promote(self, prompt: Prompt) -> None:
        """It becomes the first: the baseline that the others are compared with."""
        others = [one for one in self.session.prompts if one.name != prompt.name]
        self.change_wordings([prompt, *others], self.session.prompt().name)

    def use_prompts(self, prompts: Sequence[Prompt], active: str) -> None:
        session = msgspec.structs.replace(self.session, prompts=list(prompts), active_prompt=active)
        self.change(session)
        self.prompt_pane.show_wording(self.session)
        self.browsing.render()

    def change_prompt(self, **values: Any) -> None:
        """Change the variant in use in other ways than by typing; it can be undone."""
        prompt = msgspec.structs.replace(self.session.prompt(), **values)
        session = self.session.with_prompt(prompt)
        self.change_wordings(session.prompts, prompt.name)

    # --- undoing -----------------------------------------------------------------------------

    @property
    def wordings(self) -> Wordings:
        return list(self.session.prompts), self.session.prompt().name

    def change_wordings(self, prompts: Sequence[Prompt], active: str) -> None:
        """Change the variants themselves; it can be undone."""
        if (list(prompts), active) == self.wordings:
            return
        self.undo_steps = [*self.undo_steps, self.wordings][-UNDONE:]
        self.redo_steps.clear()
        self.use_prompts(prompts, active)

    def action_undo_wording(self) -> None:
        self.go_back(self.undo_steps, self.redo_steps, "undo")

    def action_redo_wording(self) -> None:
        self.go_back(self.redo_steps, self.undo_steps, "redo")

    def go_back(self, steps: list[Wordings], others: list[Wordings], word: str) -> None:
        if not steps:
            self.tell(f"There is no change of variants, turns or examples to {word}.")
            return
        others.append(self.wordings)
        self.use_prompts(*steps.pop())

    # --- turns -------------------------------------------------------------------------------

    def action_add_turn(self) -> None:
        """A turn after the one where the cursor is, else after the last; the roles alternate."""
        turns = list(self.session.prompt().turns)
        at = self.turn_here() + 1 if self.turn_here() >= 0 else len(turns)
        before = turns[at - 1].role if at else "assistant"
        turns.insert(at, Turn(role="user" if before == "assistant" else "assistant"))
        self.change_turns(turns, at)

    def action_remove_turn(self) -> None:
        at = self.turn_here()
        if at < 0:
            self.tell("The cursor is in no turn; tab goes to one.")
            return
        turns = list(self.session.prompt().turns)
        turns.pop(at)
        self.change_turns(turns, min(at, len(turns) - 1))
        self.tell("The turn is removed; alt+z takes it back.")

    def action_move_turn(self) -> None:
        """Up; the first one goes to the end."""
        at = self.turn_here()
        turns = list(self.session.prompt().turns)
        if at < 0 or len(turns) < 2:
            self.tell("There is no turn here to move.")
            return
        turn = turns.pop(at)
        to = at - 1 if at else len(turns)
        turns.insert(to, turn)
        self.change_turns(turns, to)

    def action_turn_role(self) -> None:
        at = self.turn_here()
        if at < 0:
            self.tell("The cursor is in no turn; tab goes to one.")
            return
        turns = list(self.session.prompt().turns)
        other = turns[at].role == "assistant"
        turns[at] = Turn(role="user" if other else "assistant", content=turns[at].content)
        self.change_turns(turns, at)

    def turn_here(self) -> int:
        """The turn where the cursor is, from 0; -1: it is in none."""
        from workbench.ui.parts import turn_index

        return turn_index(self.prompt_pane.here)

    def change_turns(self, turns: list[Turn], at: int) -> None:
        """Other turns; the cursor goes to the one at `at`, else to the template."""
        self.change_prompt(turns=turns)
        self.action_pane("prompt")
        name = f"turns.{at}" if at >= 0 else "template"
        self.call_after_refresh(self.prompt_pane.go_to, name)

    # --- sheets ------------------------------------------------------------------------------

    def action_advice(self) -> None:
        rendered = self.browsing.rendered
        if rendered is None:
            self.tell(self.prompt_pane.problem or "There is no advice before the model is ready.")
            return
        from workbench.ui.screens.advice import AdviceScreen

        def go(chosen: str | None) -> None:
            if chosen is not None:
                one = rendered.advice[int(chosen)]
                self.action_pane("prompt")
                self.prompt_pane.go_to(one.where, one.line, one.column, one.length)

        self.push_screen(AdviceScreen(self.session.prompt(), rendered.advice), go)

    def action_compare_prompts(self) -> None:
        """What differs between the variant in use and the first one."""
        prompts, prompt = self.session.prompts, self.session.prompt()
        others = [one for one in prompts if one.name != prompt.name]
        if not others:
            self.tell("There is no other variant to compare with; alt+n makes one.")
            return
        from workbench.ui.screens.variants import DiffScreen

        self.push_screen(DiffScreen(others[0], prompt, self.session))

    def action_history(self) -> None:
        self.show_history(self.session.prompt())

    def show_history(self, prompt: Prompt, after: Callable[[], None] = lambda: None) -> None:
        from workbench.ui.screens.history import HistoryScreen

        own = self.varying.versions_of(prompt)
        sheet = HistoryScreen(prompt, own, self.varying.versions, self.session)

        def take(answer: str | None) -> None:
            if sheet.taken and answer == "take":
                self.take_back(prompt, sheet.taken.prompt)
            elif sheet.taken and answer == "new":
                self.duplicate(sheet.taken.prompt, prompt.name)
            after()

        self.push_screen(sheet, take)

    def take_back(self, prompt: Prompt, version: Prompt) -> None:
        """An old text becomes the variant's again."""
        again = msgspec.structs.replace(version, name=prompt.name)
        prompts = [again if one.name == prompt.name else one for one in self.session.prompts]
        self.change_wordings(prompts, self.session.prompt().name)
        self.tell(f"{prompt.name} has its old text again; alt+z takes that back.")

    def action_own_settings(self) -> None:
        self.own_settings(self.session.prompt())

    def own_settings(self, prompt: Prompt, after: Callable[[], None] = lambda: None) -> None:
        """The variant's own model and sampling settings."""
        from workbench.ui.screens.settings import SettingsScreen

        session = msgspec.structs.replace(self.session, active_prompt=prompt.name)
        roots = (("prompt", "model"), ("prompt", "generation"))
        sheet = SettingsScreen(session, roots, f"Model and settings of {prompt.name}")

        def keep(_answer: str | None) -> None:
            self.change_wordings(sheet.session.prompts, self.session.prompt().name)
            after()

        self.push_screen(sheet, keep)

    # --- examples ----------------------------------------------------------------------------

    def action_examples(self) -> None:
        from workbench.ui.screens.examples import ExamplesScreen

        sheet = ExamplesScreen(self)

        def keep(_answer: str | None) -> None:
            if sheet.examples != self.session.prompt().examples:
                self.change_prompt(examples=sheet.examples)

        self.push_screen(sheet, keep)

    def action_add_example(self) -> None:
        """Pick the selected row as an example, or no longer."""
        row = self.browsing.row
        if row is None and self.dataset_pane.table.total:
            if "add_example" not in self.browsing.when_row_comes:
                self.browsing.when_row_comes.append("add_example")
            return
        if row is None or not row.key:
            self.tell("There is no row here that could be an example.")
            return
        examples = self.session.prompt().examples
        if examples.choose == "picked" or not examples.count:
            self.pick(list(examples.rows) if examples.choose == "picked" else [], row)
        else:
            self.varying.choose(lambda keys: self.pick(keys, row))

    def pick(self, keys: list[str], row: "Row") -> None:
        """Examples are picked rows from now on: these, with or without the row."""
        number = f"Row {row.number + 1:,}"
        if row.key in keys:
            keys = [key for key in keys if key != row.key]
            self.tell(f"{number} is no example any more.")
        else:
            keys = [*keys, row.key]
            words = f"{number} is example {len(keys)}; alt+x shows them, alt+z takes it back."
            if row.mark == "evaluation":
                words = f"{number} is example {len(keys)}, but it is kept for evaluation too."
            self.tell(words, "warning" if row.mark == "evaluation" else "information")
        examples = msgspec.structs.replace(
            self.session.prompt().examples, choose="picked", rows=keys, count=len(keys)
        )
        self.change_prompt(examples=examples)
