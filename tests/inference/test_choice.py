import pytest
import torch

from tests.tiny import reviews
from tests.work import PROMPT, load_tiny
from workbench.data.prompting import encode_answer, encode_prompt, end_of_turn
from workbench.inference.choice import score_labels, score_whole, with_ends
from workbench.inference.model import LoadedModel


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    return load_tiny(tmp_path_factory.mktemp("models"))


def log_probability(loaded: LoadedModel, prompt: list[int], label: list[int]) -> float:
    """The plain way: one row, no padding, no cache, all logits."""
    with torch.no_grad():
        logits = loaded.model(torch.tensor([[*prompt, *label]])).logits[0].log_softmax(-1)
    start = len(prompt) - 1
    return sum(float(logits[start + i, token]) for i, token in enumerate(label))


def test_the_scores_of_labels_are_those_of_one_row_at_a_time(tiny: LoadedModel) -> None:
    prompts = [encode_prompt(tiny.tokenizer, PROMPT, one) for one in reviews(8)]
    labels = [
        encode_answer(tiny.tokenizer, PROMPT, text) for text in ("positive", "negative", "so so")
    ]
    labels = with_ends(labels, end_of_turn(tiny.tokenizer))
    assert len({len(label) for label in labels}) > 1
    assert len({len(prompt) for prompt in prompts}) > 3
    expected = torch.tensor(
        [[log_probability(tiny, one, label) for label in labels] for one in prompts]
    )
    with tiny.answering("base"):
        torch.testing.assert_close(score_labels(tiny, prompts, labels), expected, atol=1e-4, rtol=0)
        torch.testing.assert_close(score_whole(tiny, prompts, labels), expected, atol=1e-4, rtol=0)


def test_labels_of_one_token_need_no_more_than_the_next_token(tiny: LoadedModel) -> None:
    prompts = [encode_prompt(tiny.tokenizer, PROMPT, one) for one in reviews(4)]
    labels = [[40], [41], [300]]
    expected = [[log_probability(tiny, one, label) for label in labels] for one in prompts]
    with tiny.answering("base"):
        found = score_labels(tiny, prompts, labels)
    torch.testing.assert_close(found, torch.tensor(expected), atol=1e-4, rtol=0)


def test_a_label_that_begins_another_is_told_apart_by_its_end() -> None:
    assert with_ends([[1], [1, 2]], [9]) == [[1, 9], [1, 2, 9]]
    assert with_ends([[1, 2], [3, 4]], [9]) == [[1, 2], [3, 4]]
    assert with_ends([[], [3]], [9]) == [[9], [3, 9]]
