"""What a Worker does, wherever it lives: each test runs against both hosts."""

import json
from pathlib import Path

from msgspec.structs import replace
from transformers import AutoTokenizer

from tests.worker.conftest import Line
from workbench import journal, runs
from workbench.protocol import (
    Cancel,
    DatasetOpened,
    Done,
    Evaluate,
    Evaluated,
    Failed,
    Generate,
    GenerationFinished,
    GenerationStarted,
    Hello,
    LoadModel,
    ModelLoaded,
    OpenDataset,
    PromptRendered,
    ReadRow,
    ReadRows,
    RenderPrompt,
    Row,
    Rows,
    StartTraining,
    StopTraining,
    Tokens,
    TrainingAdvanced,
    TrainingEnded,
    TrainingStarted,
    Welcome,
)
from workbench.session import DatasetSettings, Session

VALUES = {"text": "A warm and funny film.", "label": "positive"}


def generate(line: Line, session: Session, **changes: object) -> Generate:
    request = Generate(
        model=session.model,
        folder=str(line.folder),
        prompt=session.prompt(),
        values=VALUES,
        generation=session.generation,
    )
    return replace(request, **changes)


def test_it_says_who_it_is(line: Line) -> None:
    (welcome,) = line.ask(Hello(), last=Welcome)
    assert welcome.run is None
    assert welcome.version


def test_rows_are_read_as_they_are_in_the_file(line: Line, session: Session) -> None:
    opened = line.ask(
        OpenDataset(dataset=session.dataset, folder=str(line.folder)), last=DatasetOpened
    )[-1]
    assert opened.columns == ["text", "label"]
    assert (opened.rows, opened.used + opened.evaluation_rows) == (64, 64)
    rows = line.ask(ReadRows(start=0, stop=10_000, width=12), last=Rows)[-1]
    assert len(rows.cells) == opened.rows
    assert all(len(cell) <= 12 for row in rows.cells for cell in row)
    row = line.ask(ReadRow(index=3), last=Row)[-1]
    source = [json.loads(text) for text in (line.folder / "reviews.jsonl").open()]
    assert row.values in source
    assert rows.cells[3][1] == row.values["label"]


def test_a_row_that_is_not_there_is_refused_in_a_sentence(line: Line, session: Session) -> None:
    line.ask(OpenDataset(dataset=session.dataset, folder=str(line.folder)), last=DatasetOpened)
    (failed,) = line.ask(ReadRow(index=1_000), last=Row)
    assert failed.message.startswith("There is no row 1,001")


def test_the_prompt_shown_is_what_the_chat_template_makes(
    line: Line, session: Session, tiny_model: Path
) -> None:
    request = RenderPrompt(
        model=session.model, folder=str(line.folder), prompt=session.prompt(), values=VALUES
    )
    shown = line.ask(request, last=PromptRendered)[-1]
    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    reference = tokenizer.apply_chat_template(
        [
            {"role": "system", "content": "You judge films."},
            {"role": "user", "content": "Review: A warm and funny film.\nPositive or negative?"},
        ],
        add_generation_prompt=True,
        return_dict=False,
    )
    assert shown.ids == reference
    assert shown.text == tokenizer.decode(reference)
    assert "".join(shown.tokens) == shown.text
    assert shown.token_count == len(reference)
    assert shown.answer == "positive"


def test_a_variable_that_is_no_column_is_named(line: Line, session: Session) -> None:
    prompt = replace(session.prompt(), template="{{ txt }}")
    request = RenderPrompt(
        model=session.model, folder=str(line.folder), prompt=prompt, values=VALUES
    )
    (failed,) = line.ask(request, last=PromptRendered)
    assert "txt" in failed.message
    assert "text" in failed.message


def test_an_answer_streams_and_adds_up(line: Line, session: Session) -> None:
    events = line.ask(generate(line, session))
    started = [event for event in events if isinstance(event, GenerationStarted)]
    assert [(one.weights, one.step) for one in started] == [("base", -1)]
    (finished,) = (event for event in events if isinstance(event, GenerationFinished))
    streamed = [event for event in events if isinstance(event, Tokens)]
    assert "".join(event.text for event in streamed) == finished.text
    assert finished.tokens <= 12
    assert isinstance(events[-1], Done)


def test_an_answer_can_be_stopped(line: Line, session: Session) -> None:
    line.ask(LoadModel(model=session.model, folder=str(line.folder)), last=ModelLoaded)
    generation = replace(session.generation, max_new_tokens=400, repetition_penalty=1.5)
    id = line.send(generate(line, session, generation=generation))
    line.wait_for(Tokens)
    line.send(Cancel(target=id))
    finished = line.wait_for(GenerationFinished)
    assert finished.reason == "stopped"
    assert 0 < finished.tokens < 400
    assert line.wait_for(Done).cancelled


def test_a_model_that_is_not_there_is_named_and_the_worker_goes_on(
    line: Line, session: Session
) -> None:
    missing = replace(session.model, name="./no-such-folder")
    failed = line.ask(LoadModel(model=missing, folder=str(line.folder)), last=ModelLoaded)[-1]
    assert isinstance(failed, Failed)
    assert "no-such-folder" in failed.message
    assert "Traceback" not in failed.message
    loaded = line.ask(LoadModel(model=session.model, folder=str(line.folder)), last=ModelLoaded)[-1]
    assert isinstance(loaded, ModelLoaded)
    assert loaded.model.parameters > 0


def test_a_dataset_that_is_not_there_is_named(line: Line) -> None:
    missing = DatasetSettings(source="gone.jsonl")
    failed = line.ask(OpenDataset(dataset=missing, folder=str(line.folder)), last=DatasetOpened)[-1]
    assert "gone.jsonl" in failed.message


def test_a_prompt_is_measured_with_an_interval(line: Line, session: Session) -> None:
    request = Evaluate(
        model=session.model,
        folder=str(line.folder),
        dataset=session.dataset,
        prompt=session.prompt(),
        evaluation=session.evaluation,
    )
    found = [event for event in line.ask(request) if isinstance(event, Evaluated)]
    assert [one.weights for one in found] == ["base"]
    assert found[0].low <= found[0].value <= found[0].high
    assert sum(map(sum, found[0].confusion)) == found[0].rows > 0


def test_a_run_is_a_folder_with_its_whole_history(line: Line, session: Session) -> None:
    line.start_training(session)
    started = line.wait_for(TrainingStarted)
    folder = Path(started.run.folder)
    assert folder == line.folder / "runs" / "tiny-1"
    assert runs.is_locked(folder)
    ended = line.wait_for(TrainingEnded)
    assert ended.run.state == "finished"
    assert not runs.is_locked(folder)
    metrics = journal.read(folder / "metrics.jsonl")
    losses = [one["loss"] for one in metrics if "loss" in one]
    total = ended.run.total_steps
    assert len(losses) == total
    assert losses[-1] < losses[0]
    assert any("eval_loss" in one for one in metrics)
    assert {"learning_rate", "grad_norm", "tokens_per_second", "memory"} <= metrics[-2].keys() | {
        key for one in metrics for key in one
    }
    environment = json.loads((folder / "environment.json").read_text())
    assert environment["session"] == str(line.path)
    step, checkpoint = runs.last_checkpoint(folder) or (0, Path())
    assert step == total
    assert (checkpoint / "adapter_model.safetensors").exists()
    assert runs.status(folder).state == "finished"


def test_base_and_tuned_answer_from_one_model_after_a_run(line: Line, session: Session) -> None:
    before = line.ask(generate(line, session))
    line.start_training(session)
    line.wait_for(TrainingEnded)
    after = [
        event
        for event in line.ask(generate(line, session))
        if isinstance(event, GenerationFinished)
    ]
    assert [one.weights for one in after] == ["base", "tuned"]
    base = next(event for event in before if isinstance(event, GenerationFinished))
    assert after[0].text == base.text
    assert after[1].text != base.text


def test_a_prompt_is_answered_between_two_steps_of_a_run(line: Line, session: Session) -> None:
    line.start_training(session, num_train_epochs=30)
    line.until(lambda event: isinstance(event, TrainingAdvanced) and event.run.step >= 2)
    events = line.ask(generate(line, session))
    answers = [event for event in events if isinstance(event, GenerationFinished)]
    assert [one.weights for one in answers] == ["base", "tuned"]
    step = answers[0].step
    assert answers[1].step == step >= 2
    line.until(lambda event: isinstance(event, TrainingAdvanced) and event.run.step > step)
    line.send(StopTraining())
    ended = line.wait_for(TrainingEnded)
    assert ended.run.step > step
    samples = journal.read(Path(ended.run.folder) / "samples.jsonl")
    asked = [one["text"] for one in samples if not one.get("pinned")]
    assert asked == [one.text for one in answers]


def test_looking_at_data_and_prompts_does_not_wait_for_a_run(line: Line, session: Session) -> None:
    line.start_training(session, num_train_epochs=200)
    line.until(lambda event: isinstance(event, TrainingAdvanced) and event.run.step >= 1)
    opened = line.ask(
        OpenDataset(dataset=session.dataset, folder=str(line.folder)), last=DatasetOpened
    )[-1]
    assert isinstance(opened, DatasetOpened)
    assert line.ask(ReadRow(index=0), last=Row)[-1].values
    assert not any(isinstance(event, TrainingEnded) for event in line.heard)
    line.send(StopTraining())
    line.wait_for(TrainingEnded)


def test_a_stopped_run_resumes_from_its_checkpoint(line: Line, session: Session) -> None:
    line.start_training(session, num_train_epochs=200, eval_steps=0, save_steps=0)
    line.until(lambda event: isinstance(event, TrainingAdvanced) and event.run.step >= 7)
    line.send(StopTraining())
    stopped = line.wait_for(TrainingEnded)
    assert stopped.run.state == "stopped"
    folder = Path(stopped.run.folder)
    step, _ = runs.last_checkpoint(folder) or (0, None)
    assert step == stopped.run.step >= 7
    path = folder / "session.toml"
    path.write_text(path.read_text().replace("max_steps = -1", f"max_steps = {step + 3}"))
    resumed = StartTraining(
        session=session,
        session_path=str(line.path),
        folder=str(line.folder),
        run=stopped.run.name,
        resume=True,
    )
    line.send(resumed)
    ended = line.wait_for(TrainingEnded)
    assert (ended.run.state, ended.run.step) == ("finished", step + 3)
    steps = [one["step"] for one in journal.read(folder / "metrics.jsonl") if "loss" in one]
    assert steps == list(range(1, step + 4))
    refused = line.ask(resumed)[-1]
    assert isinstance(refused, Failed)
    assert "nothing to resume" in refused.message


def test_a_run_that_goes_on_with_other_rows_says_so(line: Line, session: Session) -> None:
    line.start_training(session, num_train_epochs=200, eval_steps=0, save_steps=0)
    line.until(lambda event: isinstance(event, TrainingAdvanced) and event.run.step >= 2)
    line.send(StopTraining())
    folder = Path(line.wait_for(TrainingEnded).run.folder)
    source = line.folder / session.dataset.source
    rows = source.read_text().splitlines(keepends=True)
    again = StartTraining(
        session=session,
        session_path=str(line.path),
        folder=str(line.folder),
        run=folder.name,
        resume=True,
    )
    for made, count in ((rows, 0), (rows[:-1], 1)):
        source.write_text("".join(made))
        line.send(again)
        line.wait_for(TrainingStarted)
        line.send(StopTraining())
        line.wait_for(TrainingEnded)
        events = journal.read(folder / "events.jsonl")
        said = [one["message"] for one in events if one["event"] == "problem"]
        assert len([one for one in said if "are others than when the run began" in one]) == count


def test_a_second_run_is_refused_while_one_is_under_way(line: Line, session: Session) -> None:
    line.start_training(session, num_train_epochs=200)
    line.until(lambda event: isinstance(event, TrainingAdvanced) and event.run.step >= 1)
    id = line.start_training(session)
    failed = line.until(lambda event: event.request == id)
    assert isinstance(failed, Failed)
    assert "tiny-1" in failed.message
    line.send(StopTraining())
    line.wait_for(TrainingEnded)


def test_a_run_that_cannot_begin_says_why(line: Line, session: Session) -> None:
    prompt = replace(session.prompt(), completion="")
    id = line.start_training(session.with_prompt(prompt))
    failed = line.until(lambda event: event.request == id and isinstance(event, Failed))
    assert "completion" in failed.message


def test_a_run_can_be_given_up_before_it_begins(line: Line, session: Session) -> None:
    generation = replace(session.generation, max_new_tokens=400, repetition_penalty=1.5)
    line.send(generate(line, session, generation=generation))
    id = line.start_training(session)
    line.send(StopTraining())
    ended = line.until(lambda event: event.request == id and isinstance(event, Done | Failed))
    assert isinstance(ended, Done)
    assert ended.cancelled
    assert runs.find(line.folder) == []


def test_what_was_sent_last_is_answered_last(line: Line, session: Session) -> None:
    first = line.send(generate(line, session))
    second = line.send(generate(line, session))
    ended = [line.wait_for(Done).request, line.wait_for(Done).request]
    assert ended == [first, second]
