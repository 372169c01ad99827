"""A person changes a run under way: from the next step on, on record, and for good."""

from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.training.runs_again import Killed, killed_at, resume
from tests.work import Listener, fine_tune, lines, load_tiny, session
from workbench import journal, runs
from workbench.inference.model import LoadedModel
from workbench.session import GenerationSettings
from workbench.training.errors import TrainingError

LONG = {"max_steps": 10, "save_steps": 4, "warmup_steps": 0.0}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    return load_tiny(tmp_path_factory.mktemp("models"))


def events(folder: Path, kind: str) -> list[dict]:
    return [one for one in journal.read(folder / "events.jsonl") if one["event"] == kind]


class Person(Listener):
    """Asks for something once after a step; `then` is called between all steps."""

    def __init__(
        self, asks: dict[int, tuple], then: Callable[["Person"], None] = lambda _: None
    ) -> None:
        super().__init__()
        self.asks, self.then = dict(asks), then

    def between_steps(self, step: int) -> None:
        super().between_steps(step)
        if self.steering and step in self.asks:
            self.steering.ask(*self.asks.pop(step))
        self.then(self)


def test_a_learning_rate_scales_the_schedule_from_the_next_step_on(
    tiny: LoadedModel, tmp_path: Path
) -> None:
    plain = fine_tune(tiny, tmp_path, "plain", **LONG)
    person = Person({3: ("learning_rate", 1e-3), 6: ("learning_rate", 5e-3)})
    run = fine_tune(tiny, tmp_path, "steered", person, **LONG)
    before, after = (lines(one, "metrics", "learning_rate") for one in (plain, run))
    assert after[:3] == before[:3]
    assert after[3:6] == pytest.approx([one / 5 for one in before[3:6]])
    assert after[6:] == pytest.approx(before[6:])
    losses = [lines(one, "metrics", "loss") for one in (plain, run)]
    assert losses[0][:4] == losses[1][:4]  # the step after the change is taken with it
    assert losses[0][4] != losses[1][4]
    said = [(one["step"], one["value"]) for one in events(run.folder, "learning_rate")]
    assert said == [(3, 1e-3), (6, 5e-3)]


@pytest.mark.parametrize("killed", [5, 7, 9])
def test_a_learning_rate_survives_a_kill_to_the_last_bit(
    tiny: LoadedModel, tmp_path: Path, killed: int
) -> None:
    """Of a checkpoint at step 4: the rate set before it is in it, the one after it comes again."""
    asks = {2: ("learning_rate", 1e-3), 6: ("learning_rate", 8e-3)}
    made = session(**LONG)
    whole = fine_tune(tiny, tmp_path, "whole", Person(asks), made=made)
    hooks = killed_at(killed)
    person = Person(asks, then=lambda self: hooks.between_steps(self.step))
    with pytest.raises(Killed):
        fine_tune(tiny, tmp_path, "part", person, made=made)
    left = {step: ask for step, ask in asks.items() if step > killed}
    again = resume(tiny, tmp_path / "runs" / "part", made, Person(left))
    for key in ("loss", "learning_rate", "step", "tokens"):
        assert lines(again, "metrics", key) == lines(whole, "metrics", key), key


@pytest.mark.parametrize("value", [0.0, -1.0, 11.0, float("nan"), float("inf")])
def test_a_learning_rate_that_is_none_is_refused(
    tiny: LoadedModel, tmp_path: Path, value: float
) -> None:
    refused: list[str] = []

    def ask(person: Person) -> None:
        if person.steering and not refused:
            with pytest.raises(TrainingError, match="above 0 and at most 10") as error:
                person.steering.ask("learning_rate", value)
            refused.append(str(error.value))

    run = fine_tune(tiny, tmp_path, "a", Person({}, ask), max_steps=1)
    assert refused
    assert events(run.folder, "learning_rate") == []


def test_an_evaluation_and_a_checkpoint_are_made_when_asked_for(
    tiny: LoadedModel, tmp_path: Path
) -> None:
    person = Person({3: ("evaluate",), 5: ("checkpoint",)})
    run = fine_tune(tiny, tmp_path, "a", person, max_steps=8, evaluation_rows=8)
    evaluated = [
        one["step"] for one in journal.read(run.folder / "metrics.jsonl") if "eval_loss" in one
    ]
    assert evaluated == [0, 3, 8]
    assert [one["step"] for one in events(run.folder, "evaluated")] == [3]
    assert [(one["step"], one.get("asked")) for one in events(run.folder, "checkpoint")] == [
        (3, None),  # the best so far
        (5, True),
        (8, None),
    ]


def test_what_cannot_be_evaluated_is_refused(tiny: LoadedModel, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"set training\.evaluation_rows"):
        fine_tune(tiny, tmp_path, "a", Person({1: ("evaluate",)}), max_steps=3)


def test_a_paused_run_serves_evaluates_and_saves_but_trains_nothing(
    tiny: LoadedModel, tmp_path: Path
) -> None:
    """Paused after step 3 for many turns, in which it is evaluated, saved, and then goes on."""
    turns: list[int] = []

    def then(person: Person) -> None:
        if not (person.steering and person.steering.paused):
            return
        turns.append(person.step)
        match len(turns):
            case 2:
                person.steering.ask("evaluate")
            case 4:
                person.steering.ask("checkpoint")
            case 8:
                person.steering.ask("resume")

    settings = {"max_steps": 6, "evaluation_rows": 8, "lora_dropout": 0.2}
    quiet = fine_tune(tiny, tmp_path, "quiet", **settings)
    person = Person({3: ("pause",)}, then)
    run = fine_tune(tiny, tmp_path, "a", person, **settings)
    assert set(turns) == {3}
    assert lines(run, "metrics", "loss") == lines(quiet, "metrics", "loss")
    assert "paused" in {what for _, _, what in person.news}
    kinds = [
        (one["event"], one["step"])
        for one in journal.read(run.folder / "events.jsonl")
        if one["step"] == 3
    ]
    assert kinds == [
        ("paused", 3),
        ("evaluated", 3),
        ("checkpoint", 3),
        ("best", 3),
        ("unpaused", 3),
    ]
    seconds = lines(run, "metrics", "seconds")
    assert seconds == sorted(seconds)


def test_a_checkpoint_of_a_paused_run_has_its_counters_and_its_line(
    tiny: LoadedModel, tmp_path: Path
) -> None:
    """Lines come every 4 steps; it is paused and saved after step 3 and killed after step 5."""

    def then(person: Person) -> None:
        if person.steering and person.steering.paused:
            saved = events(run_of(person), "checkpoint")
            person.steering.ask(*(("resume",) if saved else ("checkpoint",)))

    def run_of(_: Person) -> Path:
        return sorted((tmp_path / "runs").iterdir(), key=lambda one: one.stat().st_ctime)[-1]

    made = session(max_steps=8, save_steps=50, logging_steps=4)
    whole = fine_tune(tiny, tmp_path, "whole", Person({3: ("pause",)}, then), made=made)
    hooks = killed_at(5)

    def cut(person: Person) -> None:
        then(person)
        hooks.between_steps(person.step)

    with pytest.raises(Killed):
        fine_tune(tiny, tmp_path, "part", Person({3: ("pause",)}, cut), made=made)
    folder = tmp_path / "runs" / "part"
    assert [one["step"] for one in events(folder, "checkpoint")] == [3]
    again = resume(tiny, folder, made)
    assert lines(whole, "metrics", "step") == [3, 4, 8]
    for key in ("step", "loss", "tokens"):
        assert lines(again, "metrics", key) == lines(whole, "metrics", key), key


def test_a_paused_run_can_be_stopped(tiny: LoadedModel, tmp_path: Path) -> None:
    person = Person({3: ("pause",)})
    person.stop = lambda _step: bool(person.steering and person.steering.paused)
    run = fine_tune(tiny, tmp_path, "a", person, max_steps=6)
    assert runs.status(run.folder).state == "stopped"
    assert [step for step, _ in runs.finished_checkpoints(run.folder)] == [3]
    again = resume(tiny, run.folder, session(max_steps=6))
    assert lines(again, "metrics", "step") == [1, 2, 3, 4, 5, 6]


def test_an_evaluation_asked_for_is_made_again_after_a_kill(
    tiny: LoadedModel, tmp_path: Path
) -> None:
    made = replace(
        session(max_steps=8, save_steps=4, evaluation_rows=8, eval_steps=4, pinned_count=1),
        generation=GenerationSettings(max_new_tokens=3),
    )
    asked = {6: ("evaluate",)}
    whole = fine_tune(tiny, tmp_path, "whole", Person(asked), made=made)
    hooks = killed_at(7)
    person = Person(asked, then=lambda self: hooks.between_steps(self.step))
    with pytest.raises(Killed):
        fine_tune(tiny, tmp_path, "part", person, made=made)
    # a better one at step 6 would have a checkpoint: go on from an earlier one all the same
    again = resume(tiny, tmp_path / "runs" / "part", made)
    for key in ("eval_loss", "loss", "step"):
        assert lines(again, "metrics", key) == lines(whole, "metrics", key), key
    answers = [lines(one, "samples", "text") for one in (whole, again)]
    assert answers[0] == answers[1]
    assert lines(again, "samples", "step") == lines(whole, "samples", "step") == [0, 4, 6, 8]
