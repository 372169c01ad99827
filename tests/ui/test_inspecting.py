"""Columns, tokens, lengths and problems: what is asked for, what is shown, what it changes."""

import msgspec
import pytest

from tests.ui.conftest import Bench, ready, screen_text, until
from tests.ui.fake import FakeLink
from workbench import protocol as p
from workbench.session import TrainingSettings
from workbench.ui.inspecting import Look
from workbench.ui.views.lengths import stepped, verdict
from workbench.ui.views.tokens import inspected_lines, sequence_lines
from workbench.ui.widgets.bars import merged, sideways, spark, upright
from workbench.ui.widgets.lines import INKS, cells

SIZES = [(160, 45), (80, 24)]


@pytest.mark.parametrize("size", SIZES)
async def test_columns_are_summed_up_and_enter_sorts_by_one(
    bench: Bench, size: tuple[int, int]
) -> None:
    app, link = bench.open()
    async with app.run_test(size=size) as pilot:
        await ready(pilot)
        await pilot.press("f2", "2")
        await until(pilot, lambda: "≈250" in screen_text(app))
        text = screen_text(app)
        assert "250 rows · 4 columns" in text
        assert "4.8 %" in text  # of the ratings are missing
        await pilot.press("down", "down", "down")
        await until(pilot, lambda: "33.6 %" in screen_text(app) or size == (80, 24))
        await pilot.press("tab", "end")
        await until(pilot, lambda: "sorts the rows by this column" in screen_text(app))
        await pilot.press("shift+tab", "enter")
        await until(pilot, lambda: "FindRows" in link.kinds())
        assert link.last(p.FindRows).sort == "label"
        assert app.dataset_pane.view == "rows"


async def test_a_summary_is_of_the_rows_shown_and_made_once(bench: Bench) -> None:
    app, link = bench.open()
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        await pilot.press("f2", "2")
        await until(pilot, lambda: app.inspecting.columns.result)
        await pilot.press("1", "2")
        await pilot.pause()
        assert link.kinds().count("SummariseColumns") == 1
        await pilot.press("slash", *"waste", "enter")
        await until(pilot, lambda: app.finding.found and app.finding.found.complete)
        await pilot.press("2")
        await until(pilot, lambda: "83 rows · 4 columns" in screen_text(app))
        assert link.last(p.SummariseColumns).view == app.finding.view


async def test_long_looks_say_how_far_they_are_and_can_be_stopped(bench: Bench) -> None:
    link = FakeLink(bench.rows, pace=0.4)
    app, _ = bench.open(link)
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        for key, words in (("2", "50 % · 125 of 250 rows · 3.0 s left"), ("5", "60 % · 60 of 100")):
            await pilot.press("f2", key)
            await until(pilot, lambda words=words: words in screen_text(app))
            await pilot.press("escape")
            await until(pilot, lambda: "Stopped." in screen_text(app))
            assert app.inspecting.look.request in link.cancelled
        link.pace = 0
        await pilot.press("u")
        await until(pilot, lambda: "36 rows are there twice" in screen_text(app))


async def test_tokens_follow_the_row_and_the_wording(bench: Bench) -> None:
    app, link = bench.open()
    async with app.run_test(size=(160, 45)) as pilot:
        await ready(pilot)
        await pilot.press("f2", "3")
        await until(pilot, lambda: "✓ Nothing odd about this row." in screen_text(app))
        text = screen_text(app)
        assert "trained on 1" in text
        assert "<|im_start|>user⏎" in text
        await pilot.press("right")
        await until(pilot, lambda: link.last(p.InspectTokens).values["id"] == 1001)
        await until(pilot, lambda: "row 2 " in screen_text(app))
        await pilot.press("f3", *"Hm")
        await until(pilot, lambda: "Hm" in link.last(p.InspectTokens).prompt.template)
        await pilot.press("alt+up")
        await until(pilot, lambda: link.last(p.InspectTokens).values["id"] == 1000)
        await pilot.press("f2", "i")
        await until(pilot, lambda: "<|im_start|> 100" in screen_text(app))


async def test_badges_stand_first_the_worst_at_the_top(bench: Bench) -> None:
    link = FakeLink(bench.rows)
    link.badges = [
        p.Badge(kind="pad_is_end", severity="note", words="The pad token is the end token."),
        p.Badge(kind="double_bos", severity="warn", words="Two beginnings [/b]."),
        p.Badge(kind="stop_not_trained", severity="bad", words="The end is not learnt."),
    ]
    app, _ = bench.open(link)
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        await pilot.press("f2", "3")
        await until(pilot, lambda: "✗ The end is not learnt." in screen_text(app))
        text = screen_text(app)
        places = [text.index(one) for one in ("✗ The end", "! Two beginnings [/b].", "· The pad")]
        assert places == sorted(places)
        assert "Nothing odd" not in text


def sequence(pieces: list[str], roles: list[str], kept: int) -> p.TokensInspected:
    one = p.TokenSequence(
        name="example",
        ids=list(range(len(pieces))),
        pieces=pieces,
        roles=roles,
        trained=1,
        kept=kept,
    )
    return p.TokensInspected(sequences=[one], badges=[], format="text", max_length=kept, how="So.")


def test_where_max_length_ends_is_said_between_the_tokens() -> None:
    result = sequence(["one", " two", " three"], ["context", "trained", "truncated"], 2)
    lines = sequence_lines(result.sequences[0], result, 60, ids=False)
    words = ["".join(part for part, _ in line) for line in lines]
    assert words[0] == "one two"
    assert words[1].startswith("── max_length 2: what follows is cut ──")
    assert words[2] == " three"


def test_roles_are_told_apart_without_colour() -> None:
    looks = [INKS[name][2] for name in ("context", "trained", "truncated", "token-special")]
    assert len(set(looks)) == 4
    assert INKS["token-special-trained"][2] not in looks


@pytest.mark.parametrize("width", [20, 56, 120])
@pytest.mark.parametrize("ids", [False, True])
def test_tokens_of_any_text_fit_and_are_literal(width: int, ids: bool) -> None:
    pieces = ["\x1b[31m", "[@click=app.quit]", "😀漢字" * 40, "\u202e", "", "\n\n", "a\tb", "�"]
    result = sequence(pieces, ["trained"] * len(pieces), len(pieces))
    lines = inspected_lines(result, width, ids)
    text = "".join(part for line in lines for part, _ in line)
    assert all(cells(line) <= width for line in lines)
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "[@click=app.quit]" in text.replace("\n", "")


def test_both_answers_of_a_preference_are_shown() -> None:
    one = sequence(["yes"], ["trained"], 1).sequences[0]
    both = p.TokensInspected(
        sequences=[
            msgspec.structs.replace(one, name="chosen"),
            msgspec.structs.replace(one, name="rejected", pieces=["no"]),
        ],
        badges=[],
        format="preference",
        max_length=9,
        how="Two.",
    )  # fmt: skip
    words = ["".join(part for part, _ in line) for line in inspected_lines(both, 60, ids=False)]
    assert [line for line in words if line in ("chosen", "yes", "rejected", "no")] == [
        "chosen",
        one.pieces[0],
        "rejected",
        "no",
    ]


async def test_a_row_that_cannot_become_tokens_says_why(bench: Bench) -> None:
    link = FakeLink(bench.rows)
    link.token_problem = "template: there is no column [/x]; there is text."
    app, _ = bench.open(link)
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        await pilot.press("f2", "3")
        await until(pilot, lambda: "✗ template: there is no column [/x]" in screen_text(app))
        link.token_problem = ""
        await pilot.press("u")
        await until(pilot, lambda: "Nothing odd" in screen_text(app))


@pytest.mark.parametrize("size", SIZES)
async def test_lengths_say_what_is_cut_and_keys_change_it(
    bench: Bench, size: tuple[int, int]
) -> None:
    app, link = bench.open()
    async with app.run_test(size=size) as pilot:
        await ready(pilot)
        await pilot.press("f2", "4")
        await until(pilot, lambda: "What a batch costs" in screen_text(app))
        text = screen_text(app)
        assert "At max_length 512, " in text
        assert "% of rows are cut and " in text
        assert "50.0 % is padding" in text
        assert "rows measured" in text or "measured in" in text
        await pilot.press("minus", "minus")
        await until(pilot, lambda: link.last(p.MeasureLengths).training.max_length == 256)
        assert app.session.training.max_length == 256
        await until(pilot, lambda: "At max_length 256" in screen_text(app))
        await pilot.press("c")
        await until(pilot, lambda: link.last(p.MeasureLengths).training.overlong == "drop")
        await until(pilot, lambda: "rows are dropped" in screen_text(app))
        assert link.last(p.MeasureLengths).rows > 0
        await pilot.press("a")
        await until(pilot, lambda: link.last(p.MeasureLengths).rows == 0)
        await pilot.press("f10")
    assert (bench.saved().training.max_length, bench.saved().training.overlong) == (256, "drop")


def test_max_length_steps_through_usual_sizes() -> None:
    assert [stepped(512, 1), stepped(512, -1), stepped(500, 1), stepped(500, -1)] == [
        768,
        384,
        512,
        384,
    ]
    assert stepped(8, -1) == 8


def test_the_sentence_on_lengths_says_what_the_setting_does() -> None:
    measured = p.LengthsMeasured(
        rows=1000, of=1000, quantiles={}, edges=[], counts=[], cut=31, lost=4, max_length=512,
        tokens=1, padded=1, grouped=1, packed=1, batch_size=8,
    )  # fmt: skip
    said = {
        name: verdict(measured, TrainingSettings(overlong=name), 200)[0][0][0]
        for name in ("cut", "drop", "split")
    }
    assert said["cut"].endswith("3.1 % of rows are cut and 0.4 % lose their whole answer.")
    assert said["drop"].endswith("3.1 % of rows are dropped.")
    assert said["split"].endswith("3.1 % of rows are split into several.")


async def test_problems_lead_to_their_rows_and_are_left_out(bench: Bench) -> None:
    app, link = bench.open()
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await ready(pilot)
        await pilot.press("f2", "5")
        await until(pilot, lambda: "36 rows are there twice" in screen_text(app))
        assert "What is there twice is learnt twice." in screen_text(app)
        await pilot.press("enter")
        await until(pilot, lambda: app.finding.found and app.finding.found.complete)
        assert link.last(p.FindRows).problem == "duplicates"
        assert "36 rows of 250" in screen_text(app)
        await pilot.press("escape", "5", "x")
        await until(pilot, lambda: link.last(p.OpenDataset).dataset.leave_out == ["duplicates"])
        await until(pilot, lambda: "left out" in screen_text(app))
        assert app.session.dataset.leave_out == ["duplicates"]
        assert "what is used has changed since" in screen_text(app)
        await pilot.press("x")
        await until(pilot, lambda: app.session.dataset.leave_out == [])
        await pilot.press("down", "down", "x")
        await until(pilot, lambda: "cannot be left out" in screen_text(app))
        await pilot.press("u")
        await until(pilot, lambda: not app.inspecting.problems.stale)
        assert link.kinds().count("FindProblems") == 2


async def test_no_problem_is_said_to_be_none(bench: Bench) -> None:
    link = FakeLink(bench.rows)
    link.problems = []
    app, _ = bench.open(link)
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(pilot)
        await pilot.press("f2", "5")
        await until(pilot, lambda: "✓ Nothing found in 250 rows." in screen_text(app))
        await pilot.press("enter", "x", "down")
        assert app.is_running


async def test_a_dataset_that_failed_says_so_in_every_view_and_is_tried_again(
    bench: Bench,
) -> None:
    link = FakeLink(bench.rows)
    link.dataset_problem = "[/b] is no file; choose another."
    app, _ = bench.open(link)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "could not be opened" in screen_text(app))
        for key in "2345":
            await pilot.press(key)
            await until(pilot, lambda: "opened. [/b] is no file; choose" in screen_text(app))
        link.dataset_problem = ""
        await pilot.press("u")
        await until(pilot, lambda: "kinds of problem in 250 rows" in screen_text(app))


async def test_the_chosen_line_is_lit_over_its_whole_width(bench: Bench) -> None:
    app, _ = bench.open()
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(pilot)
        await pilot.press("f2", "5")
        await until(pilot, lambda: "rows are there twice" in screen_text(app))
        listing = app.dataset_pane.views["problems"].listing
        strip = listing.render_line(len(listing.head_lines))
        grounds = {one.style.bgcolor for one in strip if one.style}
        assert len(grounds) == 1
        assert grounds != {listing.ink("text").bgcolor}


async def test_a_lost_worker_leaves_no_look_waiting(bench: Bench) -> None:
    link = FakeLink(bench.rows, pace=0.4)
    app, _ = bench.open(link)
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        await pilot.press("f2", "2")
        await until(pilot, lambda: app.inspecting.columns.under_way)
        link.pace = 0
        link.news(p.HostLost(message="The worker ended; a new one was started.", restarted=True))
        await until(pilot, lambda: app.inspecting.columns.result)


def test_bars_show_whatever_is_not_zero() -> None:
    assert spark([0, 1, 1000], 3) == " ▁█"
    assert len(spark(list(range(100)), 12)) == 12
    assert sum(merged(list(range(100)), 7)) == sum(range(100))
    assert upright([1, 0, 1000], 9, 2) == ["      ███", "▁▁▁   ███"]
    assert upright([], 9, 2) == []
    assert sideways(0.5, 3) == "█▌"
    assert sideways(7, 3) == "███"


def test_what_was_given_up_is_no_longer_under_way() -> None:
    look: Look[p.ProblemsFound] = Look()
    look.begin(3, "key")
    assert look.under_way
    look.clear()
    assert (look.under_way, look.key, look.request) == (False, None, -1)
