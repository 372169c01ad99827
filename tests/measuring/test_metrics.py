"""Every metric beside the library that is its reference, on the same answers."""

import math
import random
import warnings

import numpy
import pytest
import sacrebleu
import sklearn.calibration
import sklearn.metrics
from rouge_score.rouge_scorer import RougeScorer

from tests.measuring.made import chosen_labels, figures_of, replies_of, sentences
from workbench.data.prompting import PromptError
from workbench.measuring.metrics import Calibration, choose_metrics, confusion, score
from workbench.measuring.metrics.figures import figure
from workbench.measuring.metrics.translation import Bleu, Chrf, Ter
from workbench.measuring.replies import Reply, chosen, confidence_of
from workbench.session import EvaluationSettings

LABELS = ["good", "bad", "mixed", "unclear"]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("right", [0.0, 0.6, 1.0])
def test_figures_of_classes_are_scikit_learns(seed: int, right: float) -> None:
    expected, answers = chosen_labels(120, LABELS, right, seed)
    found = figures_of(replies_of(expected, answers), labels=LABELS)
    assert found["accuracy"].value == sklearn.metrics.accuracy_score(expected, answers)
    assert found["macro_f1"].value == pytest.approx(
        sklearn.metrics.f1_score(expected, answers, average="macro"), abs=1e-12
    )
    assert found["matthews"].value == pytest.approx(
        sklearn.metrics.matthews_corrcoef(expected, answers), abs=1e-12
    )
    assert (
        confusion(replies_of(expected, answers), LABELS)
        == sklearn.metrics.confusion_matrix(expected, answers, labels=LABELS).tolist()
    )


def test_an_answer_that_is_no_label_is_a_wrong_one() -> None:
    expected, answers = chosen_labels(200, LABELS, 0.7, 3)
    answers = ["I would say so" if n % 9 == 0 else one for n, one in enumerate(answers)]
    replies = replies_of(expected, answers)
    found = figures_of(replies, labels=LABELS)
    there = sorted({*expected, *answers} & set(LABELS))
    assert found["accuracy"].value == sklearn.metrics.accuracy_score(expected, answers)
    assert found["macro_f1"].value == pytest.approx(
        sklearn.metrics.f1_score(expected, answers, labels=there, average="macro"), abs=1e-12
    )
    assert found["matthews"].value == pytest.approx(
        sklearn.metrics.matthews_corrcoef(expected, answers), abs=1e-12
    )
    accuracy = choose_metrics(EvaluationSettings(), LABELS, [])[0]
    assert accuracy.notes(replies)[0].startswith("23 of 200 answers are none of the labels")
    assert sum(map(sum, confusion(replies, LABELS))) == 200 - 23


def test_labels_that_never_occur_change_nothing() -> None:
    expected, answers = chosen_labels(50, LABELS[:2], 0.7)
    replies = replies_of(expected, answers)
    few, many = figures_of(replies, labels=LABELS[:2]), figures_of(replies, labels=LABELS)
    assert few["macro_f1"] == many["macro_f1"]
    assert few["matthews"] == many["matthews"]


def test_one_class_has_no_correlation() -> None:
    replies = replies_of(["good"] * 10, ["good"] * 10)
    found = figures_of(replies, labels=LABELS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert found["matthews"].value == sklearn.metrics.matthews_corrcoef(["a"] * 9, ["a"] * 9)
    assert found["macro_f1"].value == 1.0


@pytest.mark.parametrize(
    ("metric", "reference"),
    [
        ("bleu", sacrebleu.metrics.BLEU()),
        ("chrf", sacrebleu.metrics.CHRF()),
        ("ter", sacrebleu.metrics.TER()),
    ],
)
@pytest.mark.parametrize("changed", [0.0, 0.3, 0.95])
def test_figures_of_translations_are_sacrebleus(
    metric: str, reference: sacrebleu.metrics.base.Metric, changed: float
) -> None:
    expected, answers = sentences(60, 7, changed)
    expected += ["Köln, 3.5 °C!", "short", "", "你好，世界。今天天气很好，我们去公园。"]
    answers += ["Cologne: 3.5 °C!", "", "something", "你好世界。今天天气不好，我们去公园。"]
    found = figures_of(replies_of(expected, answers), [metric])[metric]
    assert found.value == pytest.approx(reference.corpus_score(answers, [expected]).score, abs=1e-9)
    assert found.low <= found.value <= found.high


def test_rows_of_translations_are_sacrebleus_sentences() -> None:
    expected, answers = sentences(40, 2, 0.4)
    for reply in replies_of(expected, answers):
        for metric, reference in (
            (Bleu(), sacrebleu.metrics.BLEU(effective_order=True)),
            (Chrf(), sacrebleu.metrics.CHRF()),
            (Ter(), sacrebleu.metrics.TER()),
        ):
            assert metric.score(reply) == pytest.approx(
                reference.sentence_score(reply.answer, [reply.expected]).score, abs=1e-9
            )


def test_bleu_says_how_it_was_made() -> None:
    expected, answers = sentences(5)
    reference = sacrebleu.metrics.BLEU()
    reference.corpus_score(answers, [expected])
    metric, replies = Bleu(), replies_of(expected, answers)
    for reply in replies:
        metric.score(reply)
    assert metric.notes(replies) == []
    assert metric.signature() == str(reference.get_signature())
    made = figure(metric, replies, [{"bleu": metric.score(reply)} for reply in replies])
    assert made is not None
    assert made.signature == metric.signature()


@pytest.mark.parametrize("name", ["rouge1", "rouge2", "rougeL"])
def test_rouge_is_the_mean_of_rouge_scores(name: str) -> None:
    expected, answers = sentences(50, 4)
    scorer = RougeScorer([name])
    mean = numpy.mean(
        [scorer.score(*pair)[name].fmeasure for pair in zip(expected, answers, strict=True)]
    )
    found = figures_of(replies_of(expected, answers), [name])[name]
    assert found.value == pytest.approx(mean, abs=1e-12)


def test_rouge_says_that_it_cannot_read_other_scripts() -> None:
    replies = replies_of(["今天天气很好", "fine day"], ["今天天气很好", "fine day"])
    metric = choose_metrics(EvaluationSettings(metrics=["rougeL"]), [], [])[0]
    assert "1 expected answers have none" in metric.notes(replies)[0]


def test_perplexity_is_that_of_all_tokens_together() -> None:
    draw = random.Random(0)
    tokens = [draw.randint(1, 9) for _ in range(30)]
    logprobs = [-draw.random() * 3 * count for count in tokens]
    replies = replies_of(["x"] * 30, ["x"] * 30, logprob=logprobs, tokens=tokens)
    found = figures_of(replies, ["perplexity"])["perplexity"]
    assert found.value == pytest.approx(math.exp(-sum(logprobs) / sum(tokens)))
    assert found.better == "lower"


def test_a_token_that_cannot_come_leaves_a_figure_that_can_be_told() -> None:
    replies = replies_of(
        ["x"] * 4, ["x"] * 4, logprob=[-1.0, -math.inf, -2.0, -1.0], tokens=[2] * 4
    )
    found = figures_of(replies, ["perplexity"])["perplexity"]
    assert math.isfinite(found.value)
    assert math.isfinite(found.high)
    assert found.value > 1e70


def test_calibration_has_scikit_learns_bins() -> None:
    draw = random.Random(1)
    confidence = [*(draw.random() for _ in range(300)), 0.0, 0.1, 0.3, 1.0]
    right = [draw.random() < one**2 for one in confidence]
    replies = replies_of(
        ["yes"] * len(right), ["yes" if one else "no" for one in right], confidence=confidence
    )
    metric = choose_metrics(EvaluationSettings(), ["yes", "no"], [])[3]
    assert isinstance(metric, Calibration)
    share, mean = sklearn.calibration.calibration_curve(right, confidence, n_bins=10)
    bins = metric.bins(replies)
    assert [one[0] for one in bins] == pytest.approx(mean)
    assert [one[1] for one in bins] == pytest.approx(share)
    error = sum(abs(one[0] - one[1]) * one[2] for one in bins) / len(right)
    found = figures_of(replies, labels=["yes", "no"])["calibration"]
    assert found.value == pytest.approx(error)
    assert found.low <= found.value <= found.high


def test_a_confidence_is_the_softmax_over_the_labels() -> None:
    logprobs = [-20.5, -19.0, -23.0]
    weights = numpy.exp(logprobs)
    assert chosen(logprobs) == 1
    assert confidence_of(logprobs) == pytest.approx(weights.max() / weights.sum())
    assert confidence_of([-math.inf, -math.inf]) is None
    assert chosen([math.nan, -3.0]) == 1


@pytest.mark.parametrize(
    ("answer", "settings", "right"),
    [
        (" Paris \n", {}, True),
        ("paris", {}, False),
        ("PARIS", {"ignore_case": True}, True),
        ("Paris.", {"ignore_punctuation": True}, True),
        ("„Paris“ !", {"ignore_punctuation": True}, True),
        ("It is Paris", {}, False),
    ],
)
def test_exact_match_ignores_what_it_is_told_to(
    answer: str, settings: dict[str, bool], right: bool
) -> None:
    replies = [Reply(number=0, expected="Paris", answer=answer)]
    assert figures_of(replies, ["exact_match"], **settings)["exact_match"].value == right


def test_contains_finds_the_answer_within_a_sentence() -> None:
    replies = replies_of(["Paris", "Paris", "", ""], ["It is PARIS!", "Pa-ris", "x", " "])
    assert figures_of(replies, ["contains"], ignore_case=True)["contains"].value == 0.5
    both = figures_of(replies, ["contains"], ignore_case=True, ignore_punctuation=True)
    assert both["contains"].value == 0.75


def test_the_judges_grades_have_their_own_scale() -> None:
    replies = replies_of(["x"] * 4, ["y"] * 4, grade=[1.0, 5.0, 3.0, None])
    found = figures_of(replies, ["judge"])["judge"]
    assert (found.value, found.unit) == (3.0, "score")
    assert 1 <= found.low <= found.high <= 5


def test_failed_rows_are_no_part_of_any_figure() -> None:
    expected, answers = sentences(30)
    fine = replies_of(expected, answers)
    failed = [Reply(number=99, expected="x", answer="", problem="The server refused.")]
    names = ["bleu", "chrf", "ter", "rougeL", "exact_match", "accuracy", "contains"]
    assert figures_of(fine, names) == figures_of(fine + failed, names)
    labels = chosen_labels(30, LABELS, 0.5)
    fine = replies_of(*labels, confidence=[0.7] * 30)
    assert figures_of(fine, labels=LABELS) == figures_of(fine + failed, labels=LABELS)


def test_no_rows_have_no_figure() -> None:
    names = ["bleu", "rougeL", "exact_match", "perplexity", "judge", "macro_f1", "calibration"]
    assert figures_of([], names, labels=LABELS) == {}
    assert figures_of([Reply(number=0, expected="x", problem="No.")], names, LABELS) == {}


@pytest.mark.parametrize(
    ("labels", "expected", "names"),
    [
        (["a", "b"], ["a"], ["accuracy", "macro_f1", "matthews", "calibration"]),
        ([], ["Paris", "Rome"], ["exact_match"]),
        ([], ["the cat sat on the mat"] * 3, ["chrf", "bleu", "exact_match"]),
        ([], ["word " * 100], ["rougeL", "chrf", "exact_match"]),
        ([], [], ["exact_match"]),
        ([], ["3.5", "4", "-1.25"], ["mae", "rmse", "pearson", "spearman"]),
        ([], ["3", "4", "72"], ["exact_match"]),
    ],
)
def test_the_answers_say_which_metrics_are_usual(
    labels: list[str], expected: list[str], names: list[str]
) -> None:
    metrics = choose_metrics(EvaluationSettings(), labels, expected)
    assert [metric.name for metric in metrics] == names


def test_what_is_asked_for_comes_first_and_once() -> None:
    settings = EvaluationSettings(metrics=["chrf", "accuracy", "chrf"])
    assert [one.name for one in choose_metrics(settings, [], [])] == ["chrf", "accuracy"]


def test_macro_f1_of_free_text_is_refused() -> None:
    with pytest.raises(PromptError, match="macro_f1 needs labels"):
        choose_metrics(EvaluationSettings(metrics=["macro_f1"]), [], [])


@pytest.mark.parametrize(
    "text", ["", "\x00", "\ud800 half", "x" * 10_000_000, " \n ", "\u202e", "1e999999"]
)
def test_any_text_can_be_measured(text: str) -> None:
    names = ["exact_match", "contains", "bleu", "chrf", "ter", "rouge1", "rougeL", "accuracy"]
    names += ["multilabel_micro_f1", "multilabel_macro_f1", "subset_accuracy"]
    settings = EvaluationSettings(metrics=names, ignore_case=True)  # type: ignore[arg-type]
    metrics = choose_metrics(settings, [], [])
    for reply in (
        Reply(number=0, expected="the cat sat", answer=text),
        Reply(number=0, expected=text, answer="the cat sat"),
    ):
        values, problem = score(metrics, reply)
        assert set(values) == set(names)
        assert all(math.isfinite(value) for value in values.values())
        assert not problem
    if len(text) > 1_000_000:
        assert any(
            "first 100,000 characters of 1 long" in note for note in metrics[2].notes([reply])
        )


def test_edits_are_not_counted_again_where_a_rows_value_is_known() -> None:
    replies = replies_of(*sentences(60, 3, 0.5))
    metric, again = Ter(), Ter()
    scores = [metric.score(reply) for reply in replies]
    counted = metric.statistics([(reply, None) for reply in replies])
    known = again.statistics(list(zip(replies, scores, strict=True)))
    assert (known == counted).all()
    assert not again.counted
