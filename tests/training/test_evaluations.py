"""What a run says of its weights while it trains: metrics, answers, the best, an early end."""

import math
import threading
from pathlib import Path

import pytest
import torch
from msgspec.structs import replace
from peft import get_peft_model_state_dict
from safetensors.torch import load_file

from tests.training.runs_again import Killed, killed_at, resume
from tests.work import PROMPT, Listener, fine_tune, lines, load_tiny, rows, session
from workbench import journal, runs
from workbench.data.prompting import encode_prompt
from workbench.data.splits import row_key
from workbench.inference.generation import generate
from workbench.inference.model import LoadedModel
from workbench.session import EvaluationSettings, GenerationSettings, Session, TrainingSettings
from workbench.settings import ClassificationSettings
from workbench.training import completion
from workbench.training.best import Best
from workbench.training.errors import BrokenNumbersError, TrainingError
from workbench.training.figures import check_metric, figures_of
from workbench.training.forecast import Forecast, coming

SHORT = GenerationSettings(max_new_tokens=6)
EVALUATED = {"eval_steps": 5, "evaluation_rows": 8, "max_steps": 10}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    """One for all: a run begins with the base weights."""
    return load_tiny(tmp_path_factory.mktemp("models"))


def made(**training: object) -> Session:
    return replace(session(**{**EVALUATED, **training}), generation=SHORT)


def evaluations(run: runs.Run) -> list[dict]:
    return [one for one in journal.read(run.folder / "metrics.jsonl") if "eval_loss" in one]


def samples(run: runs.Run) -> list[dict]:
    return journal.read(run.folder / "samples.jsonl")


def events(run: runs.Run, kind: str) -> list[dict]:
    return [one for one in journal.read(run.folder / "events.jsonl") if one["event"] == kind]


def test_each_evaluation_has_the_tasks_own_metrics(tiny: LoadedModel, tmp_path: Path) -> None:
    run = fine_tune(tiny, tmp_path, "a", made=made(metric_rows=8, num_train_epochs=2.0))
    found = evaluations(run)
    assert [one["step"] for one in found] == [0, 5, 10]
    for one in found:
        assert {"eval_accuracy", "eval_macro_f1", "eval_matthews"} <= set(one)
        assert 0 <= one["eval_accuracy"] <= 1
    assert not list(tmp_path.glob("results"))  # these are no measurements of the person's


def test_metrics_are_those_of_the_rows_and_the_weights_of_the_step(
    tiny: LoadedModel, tmp_path: Path
) -> None:
    """Accuracy by hand: the likelier of the two labels' log-probabilities."""
    run = fine_tune(tiny, tmp_path, "a", made=made(metric_rows=6))
    right = 0
    for row in rows().evaluation[:6]:
        ids = encode_prompt(tiny.tokenizer, PROMPT, row)
        scores = {}
        for label in ("positive", "negative"):
            answer = [*tiny.tokenizer(label)["input_ids"], tiny.tokenizer.eos_token_id]
            with tiny.answering("tuned"):
                logits = tiny.model(torch.tensor([[*ids, *answer]])).logits[0]
            told = logits[len(ids) - 1 : -1].log_softmax(-1)
            scores[label] = float(told.gather(1, torch.tensor(answer)[:, None]).sum())
        right += max(scores, key=scores.__getitem__) == row["label"]
    assert evaluations(run)[-1]["eval_accuracy"] == pytest.approx(right / 6)


def test_pinned_prompts_are_answered_at_each_evaluation_by_the_weights_of_then(
    tiny: LoadedModel, tmp_path: Path
) -> None:
    data = rows()
    pinned = [int(data.evaluation.numbers[3])]
    key = row_key(pinned[0], data.evaluation[3])
    run = fine_tune(tiny, tmp_path, "a", made=made(pinned=[key], learning_rate=2e-2))
    found = samples(run)
    assert [(one["step"], one["number"], one["pinned"]) for one in found] == [
        (step, pinned[0], True) for step in (0, 5, 10)
    ]
    assert {one["expected"] for one in found} == {data.evaluation[3]["label"]}
    assert data.evaluation[3]["text"] in found[0]["asked"]
    assert len({one["text"] for one in found}) > 1
    ids = encode_prompt(tiny.tokenizer, PROMPT, data.evaluation[3])
    now = generate(tiny, ids, SHORT, "tuned", threading.Event(), lambda *_: None)
    assert found[-1]["text"] == now.text


def test_without_pins_the_first_evaluation_rows_are_answered(
    tiny: LoadedModel, tmp_path: Path
) -> None:
    run = fine_tune(tiny, tmp_path, "a", made=made(pinned_count=2, max_steps=5))
    first = [int(one) for one in rows().evaluation.numbers[:2]]
    assert [one["number"] for one in samples(run)] == first * 2


def test_a_pinned_row_that_has_changed_is_named_and_the_run_goes_on(
    tiny: LoadedModel, tmp_path: Path
) -> None:
    run = fine_tune(tiny, tmp_path, "a", made=made(pinned=["3:0000", "x"], max_steps=5))
    assert samples(run) == []
    (problem,) = events(run, "problem")
    assert "rows 4, x" in problem["message"] or "row" in problem["message"]
    assert runs.status(run.folder).state == "finished"


def test_answers_and_metrics_change_nothing_of_the_training(
    tiny: LoadedModel, tmp_path: Path
) -> None:
    quiet = fine_tune(tiny, tmp_path, "quiet", lora_dropout=0.2, max_steps=6)
    sampled = replace(SHORT, do_sample=True, temperature=2.0)
    busy = replace(
        made(lora_dropout=0.2, max_steps=6, eval_steps=1, metric_rows=4, pinned_count=2),
        generation=sampled,
    )
    watched = fine_tune(tiny, tmp_path, "watched", made=busy)
    assert lines(watched, "metrics", "loss") == lines(quiet, "metrics", "loss")
    assert len(samples(watched)) == 14


def test_the_best_checkpoint_is_kept_and_is_what_the_run_means(
    tiny: LoadedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A loss that rises again after step 4: made so, for a tiny model learns on and on."""
    told = iter([9.0, 5.0, 3.0, 4.0, 5.0, 6.0, 7.0])
    checked = []

    def loss(self: completion.CompletionTrainer) -> dict[str, float]:
        if not checked:
            checked.append(True)
            return {"eval_loss": 1.0}
        return {"eval_loss": next(told)}

    monkeypatch.setattr(completion.CompletionTrainer, "evaluation_loss", loss)
    settings = made(eval_steps=2, save_steps=2, save_total_limit=2, max_steps=12)
    run = fine_tune(tiny, tmp_path, "a", made=settings)
    assert [step for step, _ in runs.finished_checkpoints(run.folder)] == [4, 10, 12]
    assert [(one["step"], one["value"]) for one in events(run, "best")] == [(2, 5.0), (4, 3.0)]
    assert events(run, "best")[0]["before"] == 9.0
    best = runs.best_checkpoint(run.folder)
    assert best is not None
    assert best[0] == 4
    saved = load_file(best[1] / "adapter_model.safetensors")
    here = get_peft_model_state_dict(tiny.model)
    assert all(torch.equal(saved[name], one) for name, one in here.items())
    assert events(run, "restored")[0]["step"] == 4


def test_it_stops_early_where_it_gets_no_better(
    tiny: LoadedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = iter([1.0, 9.0, 5.0, 4.9, 4.95, 4.85, 1.0])
    monkeypatch.setattr(
        completion.CompletionTrainer, "evaluation_loss", lambda _: {"eval_loss": next(told)}
    )
    settings = made(
        eval_steps=2, early_stopping_patience=2, early_stopping_threshold=0.5, max_steps=12
    )
    run = fine_tune(tiny, tmp_path, "a", made=settings)
    status = runs.status(run.folder)
    assert (status.state, status.step, status.total_steps) == ("finished", 6, 12)
    assert "not better by more than 0.5 in the last 2 evaluations" in status.message
    assert [one["step"] for one in events(run, "early_stopping")] == [6]
    assert [step for step, _ in runs.finished_checkpoints(run.folder)] == [2, 4, 6]


@pytest.mark.parametrize(
    ("metric", "values", "best"),
    [
        ("eval_loss", [3.0, 2.0, 2.5], 2),
        ("accuracy", [0.1, 0.5, 0.2], 2),
        ("eval_ter", [0.9, 0.5, 0.2], 3),
        ("eval_perplexity", [math.nan, math.nan, 4.0], 3),
        ("eval_macro_f1", [0.5, 0.5, 0.5], 1),
    ],
)
def test_which_is_the_best_is_known_of_each_metric(
    metric: str, values: list[float], best: int
) -> None:
    found = Best(TrainingSettings(metric_for_best_model=metric))
    for step, value in enumerate(values, 1):
        found.take(step, {found.metric: value})
    assert found.step == best


def test_of_equal_evaluations_the_one_of_the_lower_loss_is_the_best() -> None:
    settings = TrainingSettings(metric_for_best_model="accuracy", early_stopping_patience=2)
    found = Best(settings)
    for step, loss in ((1, 3.0), (2, 2.0), (3, 2.5)):
        found.take(step, {"eval_accuracy": 0.75, "eval_loss": loss})
    assert found.step == 2
    assert found.hopeless  # no evaluation after the first was better


def test_an_evaluation_that_lacks_the_metric_neither_ends_a_run_nor_counts(
    tiny: LoadedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where a judge's server does not answer once."""
    figures: list[dict[str, float]] = [{"eval_chrf": one} for one in (1.0, 1.0, 3.0)]
    told = iter([*figures, {"eval_loss": 1.0}, {"eval_chrf": 2.0}, {"eval_loss": 1.0}])
    monkeypatch.setattr(completion.CompletionTrainer, "evaluation_loss", lambda _: next(told))
    settings = made(
        eval_steps=2, metric_for_best_model="eval_chrf", early_stopping_patience=2, max_steps=8
    )
    monkeypatch.setattr(
        "workbench.training.evaluating.check_metric", lambda *_: None, raising=False
    )
    run = fine_tune(tiny, tmp_path, "a", made=settings)
    assert (runs.status(run.folder).state, runs.status(run.folder).step) == ("finished", 8)
    assert not events(run, "early_stopping")
    assert (runs.best_checkpoint(run.folder) or (0,))[0] == 2


def test_the_same_weights_evaluated_again_do_not_count(
    tiny: LoadedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [{"step": step, "eval_loss": 1.0} for step in (0, 2, 2, 2)]
    found = Best(TrainingSettings(eval_steps=2, early_stopping_patience=1))
    found.take_all(lines)
    assert (found.step, found.worse, found.hopeless) == (2, 0, False)
    found.take_all([{"step": 4, "eval_loss": 1.0}])
    assert found.hopeless


def test_a_metric_that_no_evaluation_gives_is_said_before_the_first_step(
    tiny: LoadedModel, tmp_path: Path
) -> None:
    with pytest.raises(TrainingError, match=r"eval_chrf.*gives eval_loss.*training.metric_rows"):
        fine_tune(tiny, tmp_path, "a", made=made(metric_for_best_model="chrf"))
    assert not lines_of(tmp_path / "runs" / "a", "loss")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"task": "sft"}, r"gives eval_loss\); set it to one of them, or set training.metric_rows"),
        ({"task": "sft", "metric_rows": 4}, "eval_ and a metric of evaluation.metrics"),
        ({"task": "dpo", "metric_rows": 4}, r"eval_reward_rejected\); set it to one of them\.$"),
        (
            {
                "task": "classification",
                "classification": ClassificationSettings(problem_type="regression"),
            },
            "gives eval_loss, eval_mae, eval_mse, eval_rmse, eval_pearson, eval_spearman",
        ),
    ],
)
def test_a_metric_that_no_evaluation_can_give_is_said_by_the_settings(
    settings: dict, said: str
) -> None:
    odd = made(metric_for_best_model="f1", evaluation_rows=4, **settings)
    with pytest.raises(TrainingError, match=said):
        check_metric(odd)
    check_metric(made(**{**settings, "evaluation_rows": 0}))
    for name in ("eval_loss", "loss", *figures_of(odd)):
        check_metric(made(metric_for_best_model=name, evaluation_rows=4, **settings))


@pytest.mark.parametrize(
    ("step", "saved", "said"),
    [
        (0, False, "at the first step already, with the weights as they came"),
        (3, False, "after step 3, and there is no checkpoint to go back to; start anew"),
        (3, True, "after step 3; resume the run"),
    ],
)
def test_broken_numbers_say_what_can_be_done(step: int, saved: bool, said: str) -> None:
    assert said in str(BrokenNumbersError("loss is", step, saved))


def lines_of(folder: Path, key: str) -> list[dict]:
    return [one for one in journal.read(folder / "metrics.jsonl") if key in one]


def test_an_error_in_the_evaluation_comes_before_the_first_step(
    tiny: LoadedModel, tmp_path: Path
) -> None:
    evaluation = EvaluationSettings(metrics=["regex"], pattern="(")
    with pytest.raises(Exception, match="pattern"):
        fine_tune(tiny, tmp_path, "a", made=replace(made(metric_rows=4), evaluation=evaluation))
    folder = tmp_path / "runs" / "a"
    assert not lines_of(folder, "loss")
    assert not lines_of(folder, "eval_loss")


def test_two_batches_are_evaluated_before_anything_else(
    tiny: LoadedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches: list[int] = []
    loss = completion.loss_of

    def counted(*given):
        if not torch.is_grad_enabled():
            batches[-1] += 1
        return loss(*given)

    evaluation = completion.CompletionTrainer.evaluation_loss

    def noted(self: completion.CompletionTrainer) -> dict[str, float]:
        batches.append(0)
        return evaluation(self)

    monkeypatch.setattr(completion, "loss_of", counted)
    monkeypatch.setattr(completion.CompletionTrainer, "evaluation_loss", noted)
    fine_tune(tiny, tmp_path, "a", made=made(evaluation_rows=16, max_steps=1))
    assert batches == [2, 4, 4]


def test_what_goes_wrong_in_a_later_measurement_is_noted_and_the_run_goes_on(
    tiny: LoadedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from workbench.training.sft import SupervisedFineTuning

    count = iter(range(9))

    def measure(_recipe: SupervisedFineTuning) -> dict[str, float]:
        if next(count) == 2:
            raise ValueError("no such luck")
        return {"accuracy": 0.5}

    monkeypatch.setattr(SupervisedFineTuning, "measure", measure)
    run = fine_tune(tiny, tmp_path, "a", made=made(metric_rows=4))
    assert runs.status(run.folder).state == "finished"
    (problem,) = events(run, "problem")
    assert "no such luck" in problem["message"]
    assert ["eval_accuracy" in one for one in evaluations(run)] == [True, False, True]


def test_a_stop_while_answers_are_written_leaves_the_figures_and_a_checkpoint(
    tiny: LoadedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from workbench.training.pinned import PinnedPrompts

    answering: list[int] = []
    answer = PinnedPrompts.answer

    def noted(self: PinnedPrompts, count: int = 0):
        if not count:
            answering.append(1)
        return answer(self, count)

    monkeypatch.setattr(PinnedPrompts, "answer", noted)
    hooks = Listener(stop=lambda _step: len(answering) > 1)  # in those of step 5
    run = fine_tune(tiny, tmp_path, "a", hooks, made=made(pinned_count=2))
    assert runs.status(run.folder).state == "stopped"
    assert [one["step"] for one in evaluations(run)] == [0, 5]
    assert [step for step, _ in runs.finished_checkpoints(run.folder)] == [5]
    assert {one["step"] for one in samples(run)} == {0}


@pytest.mark.parametrize(
    ("step", "total", "every", "left"),
    [(0, 12, 5, 3), (5, 12, 5, 2), (10, 10, 5, 0), (3, 12, 0, 1)],
)
def test_the_time_left_counts_the_evaluations_to_come(
    step: int, total: int, every: int, left: int
) -> None:
    assert coming(step, total, every) == left


def test_a_line_says_how_long_it_will_take(tiny: LoadedModel, tmp_path: Path) -> None:
    run = fine_tune(tiny, tmp_path, "a", max_steps=4)
    left = lines(run, "metrics", "seconds_left")
    assert len(left) == 4
    assert left[-1] == 0
    assert all(one >= 0 for one in left)


def test_the_time_of_whole_evaluations_alone_is_known_also_after_a_kill(
    tiny: LoadedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    noted: list[float] = []
    note = Forecast.note

    def noting(self: Forecast, what: str, seconds: float) -> None:
        note(self, what, seconds)
        if what == "evaluating":
            noted.append(seconds)

    monkeypatch.setattr(Forecast, "note", noting)
    settings = session(max_steps=6, save_steps=2, evaluation_rows=8, eval_steps=2)
    with pytest.raises(Killed):
        fine_tune(tiny, tmp_path, "a", killed_at(3), made=settings)
    run = runs.Run(tmp_path / "runs" / "a")
    run.close()
    assert len(noted) == 2  # after step 0 and 2; not the two batches before them
    assert lines(run, "metrics", "evaluation_seconds") == noted
    again = resume(tiny, run.folder, settings)
    assert noted[2:4] == noted[:2]  # as the lines tell them
    assert lines(again, "metrics", "evaluation_seconds") == noted[2:]
    assert lines(again, "metrics", "step").count(6) == 2


def test_a_run_that_got_no_better_than_before_says_so() -> None:
    settings = TrainingSettings()
    best = Best(settings)
    best.take_all([{"step": 0, "eval_loss": 0.5}, {"step": 20, "eval_loss": 0.6}])
    assert "0.5 then, and 0.6 at best" in best.no_gain
    best.take(40, {"eval_loss": 0.4})
    assert not best.no_gain
