"""Examples, measurements, comparisons, searches: asked of a Worker in either host."""

import json
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from tests.servers import FakeServer
from tests.tiny import reviews
from tests.worker.conftest import Line
from workbench.protocol import (
    Cancel,
    CandidateTried,
    ChooseExamples,
    Compare,
    Compared,
    Done,
    Evaluate,
    Evaluated,
    ExamplesChosen,
    Failed,
    Generate,
    GenerationFinished,
    GenerationStarted,
    ListVersions,
    LoadModel,
    MeasurementShown,
    ModelLoaded,
    OpenDataset,
    Optimize,
    Optimized,
    PromptRendered,
    ReadRow,
    RenderPrompt,
    Row,
    RowsMeasured,
    ShowMeasurement,
    TakeAway,
    TakenAway,
    Tokens,
    TrainingEnded,
    TrainingStarted,
    Versions,
)
from workbench.session import ExampleSettings, OptimizeSettings, Session, Turn

ROW = reviews(1)[0]


def open_data(line: Line, session: Session) -> None:
    from workbench.protocol import DatasetOpened

    opened = line.ask(
        OpenDataset(dataset=session.dataset, folder=str(line.folder)), last=DatasetOpened
    )[-1]
    assert isinstance(opened, DatasetOpened)


def evaluate(line: Line, session: Session, **changes: Any) -> Evaluate:
    prompt = changes.pop("prompt", session.prompt())
    made = Evaluate(
        model=session.model,
        folder=str(line.folder),
        dataset=session.dataset,
        prompt=prompt,
        evaluation=session.evaluation,
        generation=session.generation,
        session_path=str(line.path),
    )
    return replace(made, **changes)


def measured(line: Line, request: Evaluate) -> Evaluated:
    return next(one for one in line.ask(request) if isinstance(one, Evaluated))


def with_examples(session: Session, **settings: Any) -> Session:
    prompt = replace(session.prompt(), examples=ExampleSettings(**settings))
    return session.with_prompt(prompt)


def test_the_prompt_shown_holds_the_examples_and_is_what_the_model_gets(
    line: Line, session: Session
) -> None:
    open_data(line, session)
    session = with_examples(session, choose="random", count=2, seed=3)
    prompt = replace(
        session.prompt(), turns=[Turn(role="user", content="Hello.")], answer_start="It is"
    )
    row = line.ask(ReadRow(index=5), last=Row)[-1]
    shown = line.ask(
        RenderPrompt(
            model=session.model,
            folder=str(line.folder),
            prompt=prompt,
            values=row.values,
            dataset=session.dataset,
            number=row.number,
        ),
        last=PromptRendered,
    )[-1]
    chosen = line.ask(
        ChooseExamples(
            folder=str(line.folder),
            prompt=prompt,
            dataset=session.dataset,
            values=row.values,
            number=row.number,
        ),
        last=ExamplesChosen,
    )[-1]
    assert shown.examples == chosen.numbers
    assert len(chosen.rows) == 2
    assert row.number not in chosen.numbers
    assert "seed 3" in chosen.words
    for example in chosen.rows:
        assert f"Review: {example['text']}\n" in shown.text
        assert f"It is {example['label']}<|im_end|>" in shown.text
    assert shown.text.endswith("<|im_start|>assistant\nIt is")
    assert sum(shown.parts.values()) == shown.token_count == len(shown.ids)
    started = line.ask(
        Generate(
            model=session.model,
            folder=str(line.folder),
            prompt=prompt,
            values=row.values,
            generation=session.generation,
            dataset=session.dataset,
            number=row.number,
        )
    )
    told = next(one for one in started if isinstance(one, GenerationStarted))
    assert told.prompt_tokens == shown.token_count


def test_several_answers_have_seeds_of_their_own_and_their_tokens_probabilities(
    line: Line, session: Session
) -> None:
    open_data(line, session)
    settings = replace(session.generation, do_sample=True, temperature=3.0, num_return_sequences=3)
    request = Generate(
        model=session.model,
        folder=str(line.folder),
        prompt=session.prompt(),
        values=ROW,
        generation=settings,
        alternatives=4,
    )
    heard = line.ask(request)
    finished = [one for one in heard if isinstance(one, GenerationFinished)]
    assert [one.sample for one in finished] == [0, 1, 2]
    assert len({one.text for one in finished}) == 3
    tokens = [t for one in heard if isinstance(one, Tokens) and one.sample == 1 for t in one.tokens]
    assert len(tokens) == finished[1].tokens
    assert all(len(token.options) == 4 and token.logprob <= 0 for token in tokens)
    # The second answer by itself, and going on from what was not its first token:
    alone = line.ask(replace(request, generation=replace(settings, seed=1, num_return_sequences=1)))
    assert next(o for o in alone if isinstance(o, GenerationFinished)).text == finished[1].text
    other = tokens[0].options[-1]
    branch = line.ask(
        replace(
            request,
            generation=replace(settings, do_sample=False, num_return_sequences=1),
            begin=[other.id],
        )
    )
    text = next(one for one in branch if isinstance(one, GenerationFinished)).text
    assert text.startswith(other.text.replace("\ufffd", "")[:1])


def test_rows_come_as_they_are_measured_and_variants_are_compared(
    line: Line, session: Session
) -> None:
    wanted = replace(session.evaluation, rows=10)
    heard = line.ask(evaluate(line, session, evaluation=wanted))
    a = next(one for one in heard if isinstance(one, Evaluated))
    rows = [row for one in heard if isinstance(one, RowsMeasured) for row in one.rows]
    assert len(rows) == a.rows + a.failed
    assert a.prompt == session.prompt().name
    again = measured(line, evaluate(line, session, evaluation=wanted))
    assert again.cached == again.rows
    other = replace(session.prompt(), name="other", template="{{ text }}\nGood?")
    b = measured(line, evaluate(line, session, evaluation=wanted, prompt=other))
    found = line.ask(
        Compare(folder=str(line.folder), a=a.measurement, b=b.measurement), last=Compared
    )[-1]
    assert isinstance(found, Compared)
    assert (found.name_a, found.name_b) == (session.prompt().name, "other")
    assert abs(found.difference - (b.value - a.value)) < 1e-9
    right = {row.number for row in rows if row.value}
    assert {one.number for one in found.lost} <= right
    versions = line.ask(
        ListVersions(folder=str(line.folder), session_path=str(line.path)), last=Versions
    )[-1].versions
    assert [one.name for one in versions] == ["other", session.prompt().name]
    assert versions[0].prompt == other
    assert versions[0].figures[0].measurement == b.measurement
    shown = line.ask(
        ShowMeasurement(folder=str(line.folder), measurement=b.measurement), last=MeasurementShown
    )[-1]
    assert len(shown.rows) == b.rows


def test_a_grid_measures_the_rows_that_are_named(line: Line, session: Session) -> None:
    open_data(line, session)
    heard = line.ask(evaluate(line, session, numbers=[7, 2, 5]))
    rows = [row.number for one in heard if isinstance(one, RowsMeasured) for row in one.rows]
    assert sorted(rows) == [2, 5, 7]
    failed = line.ask(evaluate(line, session, numbers=[10_000]))[-1]
    assert isinstance(failed, Failed)
    assert "There is no row 10,001" in failed.message


def test_a_search_keeps_its_best_and_reports_it_on_other_rows(line: Line, session: Session) -> None:
    rows = [{**row, "text": f"{row['text']} {index}"} for index, row in enumerate(reviews(64))]
    (line.folder / "reviews.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    session = replace(
        session,
        optimize=OptimizeSettings(candidates=3, rows=12, most_examples=2),
        dataset=replace(session.dataset, evaluation_share=0.2),
    )
    request = Optimize(session=session, session_path=str(line.path), folder=str(line.folder))
    heard = line.ask(request)
    assert isinstance(heard[-1], Done), heard[-1]
    tried = [one for one in heard if isinstance(one, CandidateTried)]
    assert {one.index for one in tried} == {1, 2, 3}
    result = next(one for one in heard if isinstance(one, Optimized))
    assert result.development_best >= result.development_start
    if result.prompt != result.start:
        assert result.held_out is not None
        assert result.prompt.name == f"{session.prompt().name}, searched"


def test_a_search_that_is_stopped_tells_its_best(line: Line, session: Session) -> None:
    session = replace(session, optimize=OptimizeSettings(candidates=500, rows=20))
    request = Optimize(session=session, session_path=str(line.path), folder=str(line.folder))
    id = line.send(request)
    line.until(lambda event: isinstance(event, CandidateTried) and event.request == id)
    line.send(Cancel(target=id))
    result = line.until(lambda event: isinstance(event, Optimized) and event.request == id)
    assert result.held_out is None
    done = line.until(lambda event: event.request == id and isinstance(event, Done))
    assert done.cancelled


def test_a_variant_is_taken_away_as_a_file_that_is_not_overwritten_unasked(
    line: Line, session: Session
) -> None:
    open_data(line, session)
    request = TakeAway(
        session=session,
        folder=str(line.folder),
        name=session.prompt().name,
        what="json",
        values=ROW,
        path="taken.json",
    )
    taken = line.ask(request, last=TakenAway)[-1]
    assert json.loads(taken.text)["turns"][-1]["content"].startswith("Review: ")
    assert (Path(line.folder) / "taken.json").read_text() == taken.text
    refused = line.ask(request, last=TakenAway)[-1]
    assert isinstance(refused, Failed)
    assert "is there already" in refused.message
    replaced = line.ask(replace(request, overwrite=True), last=TakenAway)[-1]
    assert isinstance(replaced, TakenAway)
    script = line.ask(replace(request, what="python_transformers", path=""), last=TakenAway)[
        -1
    ].text
    assert session.model.name in script
    compile(script, "script.py", "exec")


def test_a_server_answers_is_measured_and_does_not_wait_for_the_run(
    line: Line, session: Session
) -> None:
    with FakeServer() as server:
        model = server.settings()
        loaded = line.ask(LoadModel(model=model, folder=str(line.folder)), last=ModelLoaded)[-1]
        assert isinstance(loaded, ModelLoaded)
        assert (loaded.model.name, loaded.model.parameters) == ("model", 0)
        line.start_training(session)
        line.wait_for(TrainingStarted)
        heard = line.ask(
            Generate(
                model=model,
                folder=str(line.folder),
                prompt=session.prompt(),
                values=ROW,
                generation=session.generation,
            )
        )
        assert next(o for o in heard if isinstance(o, GenerationFinished)).text
        shown = line.ask(
            RenderPrompt(model=model, folder=str(line.folder), prompt=session.prompt(), values=ROW),
            last=PromptRendered,
        )[-1]
        assert shown.token_count == -1
        assert ROW["text"] in shown.text
        settings = replace(session.evaluation, answer="write", metrics=["exact_match"])
        found = measured(line, evaluate(line, session, model=model, evaluation=settings))
        assert (found.rows + found.failed, found.model) == (3, "model")
        again = measured(line, evaluate(line, session, model=model, evaluation=settings))
        assert again.cached == again.rows
        line.wait_for(TrainingEnded)


def test_a_server_that_is_down_is_one_sentence(line: Line, session: Session) -> None:
    with FakeServer() as server:
        model = server.settings(max_retries=0)
    failed = line.ask(evaluate(line, session, model=model))[-1]
    assert isinstance(failed, Failed)
    assert model.url.split("/")[2] in failed.message
    assert "Traceback" not in failed.message


def test_a_template_with_an_error_is_told_with_line_and_column(
    line: Line, session: Session
) -> None:
    broken = replace(session.prompt(), template="Review:\n  {{ text }")
    failed = line.ask(
        RenderPrompt(model=session.model, folder=str(line.folder), prompt=broken, values=ROW),
        last=PromptRendered,
    )[-1]
    assert isinstance(failed, Failed)
    assert "line 2, column 3" in failed.message
    (place,) = [(one.line, one.column) for one in failed.advice if one.kind == "syntax"]
    assert place == (1, 2)
