"""Changing wordings: which variants there are, which is in use, their turns; and undoing it."""

from collections.abc import Sequence
from typing import Any

import msgspec

from workbench.session import Pane as PaneName
from workbench.session import Prompt, Turn
from workbench.ui.looking import Looking

UNDONE = 100  # changes of variants, turns and examples that can be taken back
Wordings = tuple[list[Prompt], str]  # all variants, and the name of the one in use


class Shaping(Looking):
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
        """Show all variants."""
        raise NotImplementedError

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
