"""The actions on wordings that open a sheet, and those on examples."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from workbench.session import Prompt
from workbench.ui.shaping import Shaping

if TYPE_CHECKING:
    from workbench.protocol import Row


class Wording(Shaping):
    def action_variants(self) -> None:
        """All variants side by side."""
        from workbench.ui.screens.variants import VariantsScreen

        self.varying.ask()
        self.push_screen(VariantsScreen(self))

    def action_advice(self) -> None:
        advice = self.prompt_pane.advice
        if not advice and self.browsing.rendered is None:
            self.tell(self.prompt_pane.problem or "There is no advice before the model is ready.")
            return
        from workbench.ui.screens.advice import AdviceScreen

        def go(chosen: str | None) -> None:
            if chosen is not None:
                one = advice[int(chosen)]
                self.action_pane("prompt")
                self.prompt_pane.go_to(one.where, one.line, one.column, one.length)

        self.push_screen(AdviceScreen(self.session.prompt(), advice), go)

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
