"""The whole journey, on the starter model and the real reviews, from the keyboard alone."""

import json
import re
from pathlib import Path

import pytest

from tests.terminal.conftest import Open
from workbench import journal, runs
from workbench import session as sessions


@pytest.mark.own_host
def test_look_prompt_tune_ask_stop_compare_save_and_come_back(  # noqa: PLR0915 (one journey)
    terminal: Open, film_reviews: Path, tmp_path: Path
) -> None:
    text = film_reviews.read_text()
    film_reviews.write_text(text.replace("evaluation_rows = 100", "evaluation_rows = 16"))
    screen = terminal(str(film_reviews))

    # look: the rows, their count, the selected one in full
    screen.until(r"9,\d\d\d rows · 1,\d\d\d for evaluation")
    screen.until(r"\d+ tokens · \S+ % of 8,192", 120)
    screen.press("f2", "down", "down", "down")
    screen.until(r"\n.?\s+4 ▸")

    # prompt: what is typed is in what the model gets
    screen.press("f3")
    screen.still()
    screen.press("ctrl+end")
    screen.type(" Say why not.")
    screen.until("Say why not")
    screen.press("f9")
    screen.until(r"<\|im_start\|>user")
    screen.until("Say why not")
    screen.press("escape")
    screen.gone(r"<\|im_start\|>user")
    screen.until("saved")

    # an answer streams, with its figures
    screen.press("f5")
    screen.until(r"\d+ tokens? · first after \d", 120)
    screen.until("tokens/s")

    # fine-tune: start, and ask in the middle of it
    screen.press("f7")
    screen.until("1,?000")
    screen.press("enter")
    screen.until(r"running · .*step [2-9] of 250", 240)
    screen.press("f5")
    screen.until(r"Row 4 · label · step \d+ of film-reviews-1", 120)
    screen.until(r"tuned .*\n(.*\n)*.*tokens/s", 120)

    # stop with a checkpoint
    screen.press("f7")
    screen.until(r"(?i)checkpoint")
    screen.press("enter")
    screen.until("■ stopped", 120)
    folder = tmp_path / "runs" / "film-reviews-1"
    status = runs.status(folder)
    assert status.state == "stopped"
    assert (runs.last_checkpoint(folder) or (0,))[0] == status.step
    samples = journal.read(folder / "samples.jsonl")
    assert {one["weights"] for one in samples} == {"base", "tuned"}

    # compare: base and tuned side by side, from one model in memory
    screen.press("f5")
    screen.until(r"base .*│ tuned ", 120)
    screen.still(3)

    # save and leave: nothing is under way, so nothing is asked
    screen.press("f10")
    assert screen.ended() == 0
    kept = sessions.load(film_reviews)
    assert "Say why not." in kept.prompt().template + kept.prompt().completion + (
        kept.prompt().system
    )
    assert kept.layout.row == 3
    answers = [json.loads(line) for line in (tmp_path / "answers" / "film-reviews.jsonl").open()]
    assert len(answers) == 3

    # come back: the same state
    again = terminal(str(film_reviews))
    again.until("Say why not", 30)
    again.until(r"\n.?\s+4 ▸", 60)
    again.until("■ stopped")
    again.until(r"Row 4 · label")
    assert not re.search("Traceback", again.output)
