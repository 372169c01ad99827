import random
import threading
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model

from tests.inference.kinds import KINDS, load_kind
from tests.work import load_tiny, nobody_listens
from workbench.inference import together
from workbench.inference.abilities import abilities, manner
from workbench.inference.answering import Answer, Question, Wanted
from workbench.inference.batches import batches, groups
from workbench.inference.generation import configuration
from workbench.inference.local import LocalAnswerer
from workbench.inference.model import LoadedModel
from workbench.inference.prefixes import Prefixes
from workbench.inference.sharing import NAME
from workbench.session import GenerationSettings

LABELS = ["positive", "negative", "so so"]
MANNERS = {
    "llama": "fused",
    "qwen3": "fused",
    "gpt2": "fused",
    "mistral": "fused",
    "gemma2": "repeated",
    "gemma3_text": "fused",
    "gpt_oss": "repeated",
    "gptj": "fused",
    "deepseek_v3": "repeated",
    "bloom": "whole",
    "mamba": "whole",
    "lfm2": "whole",
    "openai-gpt": "whole",
}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    return load_tiny(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module", params=sorted(KINDS))
def kind(request: pytest.FixtureRequest) -> LoadedModel:
    return load_kind(request.param)


def prompts(common: int, count: int = 6, seed: int = 0) -> list[Question]:
    """Questions that begin with the same tokens and go on with others, of different lengths."""
    chance = random.Random(seed)
    begun = [chance.randrange(3, 600) for _ in range(common)]
    return [
        Question(ids=[*begun, *(chance.randrange(3, 600) for _ in range(2 + n))])
        for n in range(count)
    ]


def alone(loaded: LoadedModel, ids: list[int]) -> torch.Tensor:
    """The plain way: logits of one whole row, without padding or a cache, [tokens, words]."""
    named = {"use_cache": False} if "use_cache" in loaded.accepts else {}
    with loaded.answering("base"):
        return loaded.model(torch.tensor([ids]), **named).logits[0].float()


def likelihood(loaded: LoadedModel, prompt: list[int], answer: list[int]) -> float:
    said = alone(loaded, [*prompt, *answer]).log_softmax(-1)
    return sum(float(said[len(prompt) - 1 + n, token]) for n, token in enumerate(answer))


def greedy(loaded: LoadedModel, ids: list[int], count: int) -> list[int]:
    made: list[int] = []
    while len(made) < count and not (made and made[-1] in loaded.end_tokens):
        made.append(int(alone(loaded, [*ids, *made])[-1].argmax()))
    return made


def written(answerer: LocalAnswerer, questions: list[Question], **settings) -> list[Answer]:
    found: dict[int, Answer] = {}
    chosen = GenerationSettings(**settings)
    answerer.write(questions, chosen, found.__setitem__, threading.Event(), labels=LABELS)
    return [found[n] for n in range(len(questions))]


def chosen(answerer: LocalAnswerer, questions: list[Question], labels=LABELS) -> torch.Tensor:
    found: dict[int, list[float]] = {}
    answerer.choose(questions, labels, found.__setitem__, threading.Event())
    return torch.tensor([found[n] for n in range(len(questions))])


def answerer(loaded: LoadedModel, **named) -> LocalAnswerer:
    return LocalAnswerer(loaded, "base", Prefixes(), **named)


@pytest.mark.parametrize("common", [20, 60])  # within the window of those that have one, and not
def test_rows_read_together_get_what_each_gets_alone(kind: LoadedModel, common: int) -> None:
    name = kind.settings.name
    with kind.answering("base"):
        assert manner(kind) == MANNERS[name], name
    questions = prompts(common)
    before = kind.model.config._attn_implementation
    found = chosen(answerer(kind), questions)
    ids = [
        [*kind.tokenizer(label)["input_ids"], 2] for label in LABELS
    ]  # of different lengths: the end is asked for, too
    expected = [[likelihood(kind, one.ids, label) for label in ids] for one in questions]
    torch.testing.assert_close(found, torch.tensor(expected), atol=2e-3, rtol=1e-4)
    answers = written(answerer(kind), questions, max_new_tokens=5)
    texts = [kind.tokenizer.decode(greedy(kind, one.ids, 5)) for one in questions]
    assert [one.text for one in answers] == [text.replace("<|im_end|>", "") for text in texts]
    assert kind.model.config._attn_implementation == before


def test_a_batch_writes_what_generate_writes_one_at_a_time(tiny: LoadedModel) -> None:
    questions = prompts(40, 9)
    for settings in (
        GenerationSettings(max_new_tokens=24),
        GenerationSettings(max_new_tokens=24, repetition_penalty=1.4),
        GenerationSettings(max_new_tokens=24, do_sample=True, temperature=1.7, seed=3),
        GenerationSettings(max_new_tokens=24, do_sample=True, top_k=0, top_p=1, temperature=1),
    ):
        found: dict[int, Answer] = {}
        answerer(tiny).write(questions, settings, found.__setitem__, threading.Event())
        for number, question in enumerate(questions):
            ids = torch.tensor([question.ids])
            torch.manual_seed(settings.seed)
            with tiny.answering("base"):
                made = tiny.model.generate(
                    ids,
                    attention_mask=torch.ones_like(ids),
                    generation_config=configuration(tiny, settings),
                )[0, ids.shape[1] :].tolist()
            assert found[number].tokens == len(made)
            assert found[number].text == tiny.tokenizer.decode(made, skip_special_tokens=True)
            assert found[number].reason == ("end" if made[-1] in tiny.end_tokens else "length")


def test_likelihood_is_that_of_one_row_at_a_time(kind: LoadedModel) -> None:
    questions = prompts(20, 5)
    answers = ["a", "good film", "", "ünïcödé", "so so so"]
    found: dict[int, tuple[float, int]] = {}
    answerer(kind).likelihood(
        questions,
        answers,
        lambda n, score, size: found.update({n: (score, size)}),
        threading.Event(),
    )
    for number, (question, answer) in enumerate(zip(questions, answers, strict=True)):
        ids = [*kind.tokenizer(answer)["input_ids"], 2]
        assert found[number][1] == len(ids)
        assert found[number][0] == pytest.approx(likelihood(kind, question.ids, ids), abs=2e-3)


def test_a_label_goes_on_from_what_stands_before_it(tiny: LoadedModel) -> None:
    asked = [Question(ids=prompts(20, 1)[0].ids, before=before) for before in ("", " ")]
    found = chosen(answerer(tiny), asked, ["yes", "no"])
    for row, before in enumerate(("", " ")):
        ids = [tiny.tokenizer(before + label)["input_ids"] for label in ("yes", "no")]
        ids = ids if len(ids[0]) == len(ids[1]) else [[*one, 2] for one in ids]
        expected = [likelihood(tiny, asked[0].ids, one) for one in ids]
        torch.testing.assert_close(found[row], torch.tensor(expected), atol=1e-3, rtol=0)


def test_a_question_says_what_stands_before_its_answer(tiny: LoadedModel) -> None:
    one = answerer(tiny)
    turns = [{"role": "user", "content": "A film."}]
    assert one.question(turns).before == ""
    assert one.question(turns, "Label:").before == " "
    assert one.question(turns, "Label: ").before == ""


def test_labels_are_compared_in_float32_in_a_bfloat16_model(tmp_path: Path) -> None:
    loaded = load_tiny(tmp_path, dtype="bfloat16")
    with torch.no_grad():
        loaded.model.lm_head.weight.mul_(40)  # so that steps between logits are large
        question = prompts(20, 1)[0]
        hidden = loaded.model.model(torch.tensor([question.ids])).last_hidden_state[0, -1].float()
        exact = hidden @ loaded.model.lm_head.weight.float().T
        rounded = loaded.model(torch.tensor([question.ids])).logits[0, -1].float()
    labels = ["yes", "no"]
    ids = [loaded.tokenizer(label)["input_ids"] for label in labels]
    first = [one[0] for one in ids]
    found = chosen(answerer(loaded), [question], [loaded.tokenizer.decode(n) for n in first])[0]
    apart = float(exact[first[0]] - exact[first[1]])
    assert float(found[0] - found[1]) == pytest.approx(apart, abs=1e-3)
    assert abs(float(rounded[first[0]] - rounded[first[1]]) - apart) > 1e-3


def test_logits_that_a_model_caps_stay_capped() -> None:
    loaded = load_kind("gemma2")
    loaded.model.to(torch.bfloat16)
    loaded.model.lm_head.weight.data.mul_(10)
    question = prompts(20, 1)[0]
    said = alone(loaded, question.ids)[-1].log_softmax(-1)
    found = chosen(answerer(loaded), [question], ["a", "b"])[0]
    ids = [loaded.tokenizer(label)["input_ids"][0] for label in ("a", "b")]
    torch.testing.assert_close(found, said[ids], atol=1e-5, rtol=0)


def test_the_beginning_is_read_once(tiny: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    forward = type(tiny.model).forward

    def counting(self, *arguments, **named):
        read.append(named["input_ids"].numel())
        return forward(self, *arguments, **named)

    questions = prompts(200, 8)
    one = answerer(tiny)
    chosen(one, questions)  # also tries how the model can be read
    monkeypatch.setattr(type(tiny.model), "forward", counting)
    chosen(one, questions, ["a", "b"])
    assert sum(read) < 8 * 12  # the beginning was kept from the first time
    read.clear()
    chosen(answerer(tiny), questions, ["a", "b"])
    assert 200 < sum(read) < 200 + 8 * 12


def test_prompts_are_grouped_by_what_they_begin_with() -> None:
    chance = random.Random(0)
    rows = [
        [*[1] * 20, *[kind] * 300, *(chance.randrange(9) for _ in range(20))]
        for kind in (3, 4, 5)
        for _ in range(20)
    ]
    found = groups([*rows, [8, 8]])
    assert sorted(position for group in found for position in group.members) == list(range(61))
    assert sorted(group.shared for group in found if len(group.members) == 20)[0] >= 320
    assert [group.shared for group in groups([[1, 2, 3], [1, 2, 3], [1, 2, 3]])] == [2]
    assert groups([]) == []
    deep = [[1] * n for n in range(1, 900)]
    assert sum(len(group.members) for group in groups(deep)) == 899


def test_batches_hold_rows_of_about_the_same_length() -> None:
    assert list(batches([5, 3, 9, 9, 2], 2)) == [[2, 3], [0, 1], [4]]
    assert list(batches([5, 3, 9, 9, 2], 9, tokens=18)) == [[2, 3], [0, 1, 4]]
    assert list(batches([5, 3, 9, 9, 2], 9, even=True)) == [[2, 3], [0], [1], [4]]


def test_where_memory_runs_out_rows_are_read_in_halves(
    tiny: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    questions = prompts(30, 8)
    expected = written(answerer(tiny), questions, max_new_tokens=8)
    sizes: list[int] = []
    step = together.States.step

    def small(self, tokens):
        sizes.append(len(tokens))
        if len(tokens) > 3:
            raise torch.OutOfMemoryError("out of memory")
        return step(self, tokens)

    monkeypatch.setattr(together.States, "step", small)
    told: list[int] = []
    answerer(tiny).write(
        questions,
        GenerationSettings(max_new_tokens=8),
        lambda position, _answer: told.append(position),
        threading.Event(),
    )
    assert sorted(told) == list(range(8))
    assert max(sizes) == 8
    again = written(answerer(tiny), questions, max_new_tokens=8)
    assert [one.text for one in again] == [one.text for one in expected]


def test_a_question_that_does_not_fit_fails_alone(tiny: LoadedModel) -> None:
    questions = [*prompts(20, 3), Question(ids=[5] * 510)]
    answers = written(answerer(tiny), questions, max_new_tokens=8)
    assert [one.reason for one in answers[:3]] == ["length"] * 3
    assert answers[3].reason == "failed"
    assert "has 510 tokens" in answers[3].problem
    found: dict[int, list[float]] = {}
    answerer(tiny).choose(questions, LABELS, found.__setitem__, threading.Event())
    assert [len(found[n]) for n in range(4)] == [3, 3, 3, 0]


def test_writing_stops_with_what_has_come(tiny: LoadedModel) -> None:
    stopped, told = threading.Event(), []

    def first(position: int, _answer: Answer) -> None:
        told.append(position)
        stopped.set()

    questions = prompts(20, 12)
    settings = GenerationSettings(max_new_tokens=6)
    answerer(tiny, most=3).write(questions, settings, first, stopped)
    assert 1 <= len(told) <= 3


def test_going_on_from_an_alternative_begins_with_it(tiny: LoadedModel) -> None:
    question, one = prompts(30, 1)[0], answerer(tiny)
    settings = GenerationSettings(max_new_tokens=12)
    told: list[tuple[str, int]] = []
    first = one.stream(
        question, settings, nobody_listens, threading.Event(), Wanted(alternatives=4)
    )
    assert len(first.detail) == first.tokens
    at = first.detail[3]
    assert [option.logprob for option in at.options] == sorted(
        (option.logprob for option in at.options), reverse=True
    )
    other = next(option for option in at.options if option.id != at.id)
    begin = [*(token.id for token in first.detail[:3]), other.id]
    second = one.stream(
        question,
        settings,
        lambda text, count, _tokens: told.append((text, count)),
        threading.Event(),
        Wanted(alternatives=4, begin=begin),
    )
    assert [token.id for token in second.detail[:4]] == begin
    assert sum(count for _, count in told) == second.tokens == 12
    for now, then in zip(second.detail[:3], first.detail[:3], strict=True):
        assert (now.id, now.logprob) == (then.id, pytest.approx(then.logprob, abs=1e-4))
    same = [token.id for token in first.detail[:5]]
    third = one.stream(question, settings, nobody_listens, threading.Event(), Wanted(begin=same))
    assert third.text == first.text


def test_a_token_s_probability_is_the_model_s_own(tiny: LoadedModel) -> None:
    question = prompts(30, 1)[0]
    settings = GenerationSettings(
        max_new_tokens=6, do_sample=True, temperature=3.0, repetition_penalty=1.5
    )
    made = answerer(tiny).stream(
        question, settings, nobody_listens, threading.Event(), Wanted(alternatives=3)
    )
    ids = [token.id for token in made.detail]
    said = alone(tiny, [*question.ids, *ids]).log_softmax(-1)[len(question.ids) - 1 :]
    for place, token in enumerate(made.detail):
        assert token.logprob == pytest.approx(float(said[place, token.id]), abs=1e-4)
        best = said[place].topk(3)
        assert [option.id for option in token.options] == best.indices.tolist()
    assert made.logprob == pytest.approx(sum(token.logprob for token in made.detail), abs=1e-4)


def test_a_prompt_edited_at_its_end_is_read_from_there(
    tiny: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = [n % 590 + 5 for n in range(0, 4 * 400, 4)]
    one = answerer(tiny)
    settings = GenerationSettings(max_new_tokens=8)
    never = threading.Event()
    one.stream(Question(ids=[*long, 7, 8, 9]), settings, nobody_listens, never)
    read: list[int] = []
    forward = type(tiny.model).forward

    def counting(self, *arguments, **named):
        read.append((arguments[0] if arguments else named["input_ids"]).numel())
        return forward(self, *arguments, **named)

    monkeypatch.setattr(type(tiny.model), "forward", counting)
    edited = [*long, 7, 50, 51]
    made = one.stream(Question(ids=edited), settings, nobody_listens, never)
    assert read[0] == 2
    expected = greedy(tiny, edited, 8)
    assert made.text == tiny.tokenizer.decode(expected, skip_special_tokens=True)


def with_adapter(folder: Path) -> LoadedModel:
    loaded = load_tiny(folder)
    loaded.model = get_peft_model(loaded.model, LoraConfig(r=4, target_modules="all-linear"))
    return loaded


def test_what_was_read_is_not_used_for_other_weights(tmp_path: Path) -> None:
    loaded = with_adapter(tmp_path)
    prefixes = Prefixes()
    tuned = LocalAnswerer(loaded, "tuned", prefixes)
    base = LocalAnswerer(loaded, "base", prefixes)
    assert tuned.fingerprint != base.fingerprint
    questions = prompts(60, 4)
    plain = chosen(base, questions)
    first, name = chosen(tuned, questions), tuned.fingerprint
    torch.testing.assert_close(first, plain)  # a new adapter changes nothing
    parameters = [one for key, one in loaded.model.named_parameters() if "lora_" in key]
    optimizer = torch.optim.AdamW(parameters, lr=0.3)
    loaded.model.train()
    for one in parameters:
        one.requires_grad_(True)
    ids = torch.tensor([questions[0].ids])
    loaded.model(input_ids=ids, labels=ids).loss.backward()
    optimizer.step()
    assert tuned.fingerprint != name
    found = chosen(tuned, questions)
    assert (found - first).abs().max() > 0.1
    with loaded.answering("tuned"):
        labels = [[*loaded.tokenizer(label)["input_ids"], 2] for label in LABELS]
        whole = [*questions[1].ids, *labels[0]]
        said = loaded.model(input_ids=torch.tensor([whole])).logits[0].log_softmax(-1)
    start = len(questions[1].ids) - 1
    expected = sum(float(said[start + n, token]) for n, token in enumerate(labels[0]))
    assert float(found[1, 0]) == pytest.approx(expected, abs=1e-3)
    torch.testing.assert_close(chosen(base, questions), plain)
    assert loaded.model.training
    assert all(one.requires_grad for one in parameters)


def test_an_error_puts_the_model_s_own_attention_back(
    tiny: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    questions = prompts(40, 4)
    chosen(answerer(tiny), questions)

    def fail(*_arguments, **_named):
        assert tiny.model.config._attn_implementation == NAME
        raise RuntimeError("something broke")

    monkeypatch.setattr("workbench.inference.together.Together.beginning", kept_beginning(tiny))
    monkeypatch.setattr("workbench.inference.states.forward", fail)
    with pytest.raises(Exception, match=r"could not answer \(something broke\)"):
        chosen(answerer(tiny), questions)
    assert tiny.model.config._attn_implementation == "sdpa"


def kept_beginning(loaded: LoadedModel):
    """What stands in for reading: keys of a beginning that was read before."""
    from workbench.inference.states import States

    with loaded.answering("base"):
        states = States(loaded, 1)
        states.read([[5] * 40])
        kept = states.kept([5] * 40)
    return lambda *_arguments: kept.first(20)


def test_prompts_that_were_read_take_a_bounded_share_of_memory(tiny: LoadedModel) -> None:
    one = LocalAnswerer(tiny, "base", prefixes := Prefixes(limit=200_000))
    settings, never = GenerationSettings(max_new_tokens=2), threading.Event()
    for seed in range(6):
        one.stream(prompts(100, 1, seed)[0], settings, nobody_listens, never)
    assert 0 < prefixes.size <= 200_000
    prefixes.clear()
    assert prefixes.size == 0


def test_abilities_know_how_far_each_token_is_seen(tiny: LoadedModel) -> None:
    assert abilities(tiny).limit == 512
    assert abilities(load_kind("mistral")).limit == 32
    assert not abilities(load_kind("mamba")).padding
