"""The prompt side of the scripted worker: examples, versions, advice; and a session that has all.

The same answers for the same requests; what was run before and what is advised is set by the test.
"""

from typing import Any

from workbench import protocol as p
from workbench.protocol import AnyEvent
from workbench.session import ExampleSettings, GenerationSettings, Prompt, Session, Turn
from workbench.settings import ModelSettings


class FakePrompts:
    rows: list[dict[str, Any]]

    def __init__(self) -> None:
        self.versions: list[p.Version] = []
        self.advice: list[p.Advice] = []
        self.parts: dict[str, int] = {}
        self.context_length = 8192
        self.examples_problem = ""

    def on_event(self, event: AnyEvent) -> None:
        raise NotImplementedError

    def ListVersions(self, request: p.ListVersions) -> None:  # noqa: N802
        found = [one for one in self.versions if request.name in ("", one.name)]
        self.on_event(p.Versions(request=request.id, versions=found))

    def chosen(self, prompt: Prompt, number: int) -> list[int]:
        """The numbers of a prompt's examples: counted on from the seed, never the row itself."""
        examples = prompt.examples
        if examples.choose == "picked":
            return [int(key.partition(":")[0]) for key in examples.rows]
        first = examples.seed * 10
        found = [n for n in range(first, len(self.rows)) if n != number]
        return found[: examples.count]

    def ChooseExamples(self, request: p.ChooseExamples) -> None:  # noqa: N802
        if self.examples_problem:
            self.on_event(p.Failed(request=request.id, message=self.examples_problem))
            return
        from tests.ui.fakedata import FakeData

        numbers = self.chosen(request.prompt, request.number)
        self.on_event(
            p.ExamplesChosen(
                request=request.id,
                numbers=numbers,
                keys=[FakeData.key(number) for number in numbers],
                rows=[self.rows[number] for number in numbers],
                answers=[str(self.rows[number].get("label", "")) for number in numbers],
                words=f"{len(numbers)} of the rows to train on.",
            )
        )


def version(prompt: Prompt, value: float, time: float, answers: int = 300) -> p.Version:
    return p.Version(
        version=f"{prompt.name}-{time:.0f}",
        name=prompt.name,
        prompt=prompt,
        first_run=time - 60,
        last_run=time,
        answers=answers,
        figures=[
            p.Figure(
                measurement=f"m{time:.0f}",
                time=time,
                weights="base",
                model="smollm2-135m-instruct",
                metric="accuracy",
                value=value,
                low=value - 0.05,
                high=value + 0.05,
                rows=300,
            )
        ],
    )


def advised(where: str = "template", **changes: Any) -> p.Advice:
    usual = {
        "kind": "vague",
        "severity": "warn",
        "line": 0,
        "column": 0,
        "length": 8,
        "words": "“Positive” is asked for before the text is there.",
        "why": "The model reads the question first; say which answers there are.",
    }
    return p.Advice(where=where, **{**usual, **changes})


def rich_session() -> Session:
    """Variants of every kind: turns, examples, a start of the answer, own settings and model."""
    ask = "Is this sentence of a film review positive or negative? Answer with one word.\n\n"
    return Session(
        prompts=[
            Prompt(name="plain", template=ask + "{{ text }}", completion="{{ label }}"),
            Prompt(
                name="critic",
                system="You judge films. You are brief and never explain what you say.",
                turns=[
                    Turn(role="user", content="Are you ready?"),
                    Turn(role="assistant", content="Yes."),
                ],
                examples=ExampleSettings(choose="balanced", count=8),
                template="Review: {{ text | trim }}\n{% if rating > 1 %}Be kind.{% endif %}",
                answer_start="Sentiment:",
                completion="{{ label }}",
            ),
            Prompt(
                name="sampled",
                template=ask + "Review: {{ text }}",
                completion="{{ label }}",
                generation=GenerationSettings(do_sample=True, temperature=0.4),
                model=ModelSettings(name="qwen3", url="http://localhost:8000/v1"),
            ),
        ],
        active_prompt="critic",
    )
