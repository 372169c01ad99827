"""The actions on wordings: the variants of the prompt, their examples and settings."""

import msgspec

from workbench.session import Pane as PaneName
from workbench.session import Prompt
from workbench.ui.looking import Looking


class Wording(Looking):
    def action_pane(self, name: PaneName) -> None:
        """Go to a pane."""

    def action_next_prompt(self) -> None:
        prompts = self.session.prompts
        if len(prompts) == 1:
            self.tell("There is one wording; alt+n makes another from it.")
            return
        at = prompts.index(self.session.prompt())
        self.use_prompts(list(prompts), prompts[(at + 1) % len(prompts)].name)

    def action_duplicate_prompt(self) -> None:
        prompts = list(self.session.prompts)
        prompt = self.session.prompt()
        names = {one.name for one in prompts}
        stem = prompt.name.rstrip("0123456789 ") or "wording"
        name = next(f"{stem} {n}" for n in range(2, len(names) + 3) if f"{stem} {n}" not in names)
        copy = msgspec.structs.replace(prompt, name=name)
        prompts.insert(prompts.index(prompt) + 1, copy)
        self.use_prompts(prompts, name)
        self.action_pane("prompt")

    def action_delete_prompt(self) -> None:
        prompts = list(self.session.prompts)
        if len(prompts) == 1:
            self.tell("This is the only wording; a session needs one.", "warning")
            return
        at = prompts.index(self.session.prompt())
        gone = prompts.pop(at)
        self.use_prompts(prompts, prompts[min(at, len(prompts) - 1)].name)
        self.tell(f"The wording {gone.name} is removed.")

    def use_prompts(self, prompts: list[Prompt], active: str) -> None:
        self.change(msgspec.structs.replace(self.session, prompts=prompts, active_prompt=active))
        self.prompt_pane.show_wording(self.session)
        self.browsing.render()
