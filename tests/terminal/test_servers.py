"""A model on a server, prompted and measured from the screen."""

import json
from pathlib import Path

import torch
from msgspec.structs import replace
from transformers import AutoModelForCausalLM, AutoTokenizer

from tests.serving import serving
from tests.terminal.conftest import Open
from workbench import session as sessions
from workbench.data.prompting import encode_prompt
from workbench.session import Prompt, Session

NEW = 12  # tokens


def plain_answer(folder: str, prompt: Prompt, row: dict[str, object]) -> str:
    """What transformers answers by itself, greedily."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    ids = torch.tensor([encode_prompt(tokenizer, prompt, row)])
    made = model.generate(ids, max_new_tokens=NEW, do_sample=False)
    return str(tokenizer.decode(made[0, ids.shape[1] :], skip_special_tokens=True))


def test_transformers_serve_is_prompted_and_measured_from_the_screen(
    terminal: Open, film_reviews: Path, tmp_path: Path
) -> None:
    with serving(tmp_path) as model:
        session: Session = sessions.load(film_reviews)
        session = replace(
            session,
            model=model,
            generation=replace(session.generation, max_new_tokens=NEW),
            evaluation=replace(
                session.evaluation, rows=4, answer="write", metrics=["exact_match", "contains"]
            ),
        )
        sessions.save(session, film_reviews)
        screen = terminal(str(film_reviews), columns=160, rows=45)
        screen.until(r"9,\d\d\d rows")
        screen.until("127.0.0.1")
        screen.press("f5")
        screen.until(r"\d+ tokens? · first after", 120)
        screen.press("f8")
        screen.until(r"exact.match", 180)
        screen.press("f10")
        screen.ended()
    (card, *_) = [json.loads(line) for line in (tmp_path / "answers" / "film-reviews.jsonl").open()]
    from workbench.data.sources import open_dataset

    data = open_dataset(session.dataset, tmp_path, lambda *_: None)
    row = next(iter(data.train))
    expected = plain_answer(model.name, session.prompt(), row)
    assert card["parts"]["base"]["text"].strip() == expected.strip()
