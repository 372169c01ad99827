"""The sheet before a run: its settings, what it will take, presets."""

from msgspec.structs import replace

from tests.ui.conftest import Bench, ready, screen_text, until
from tests.ui.test_watching import to_setting
from workbench import protocol as p


async def test_the_plan_stands_beside_the_settings_and_follows_them(bench: Bench) -> None:
    app, link = bench.open()
    async with app.run_test(size=(160, 45)) as pilot:
        await ready(pilot)
        await pilot.press("f7")
        await until(pilot, lambda: "about 6 min 01 s" in screen_text(app))
        text = screen_text(app)
        assert "▶ Start the run" in text
        assert "134.5 M × 2 bytes" in text
        assert "task sft: the rows say what to answer" in text
        assert "reinforcement" not in text  # of no use to this task
        await to_setting(pilot, app, "rows")
        await pilot.press("enter", "home", "ctrl+k", *"320", "enter")
        await until(pilot, lambda: "320 rows" in screen_text(app))
        assert link.last(p.PlanTraining).session.training.rows == 320
        assert app.session.training.rows == 0  # nothing is kept before it starts
        await pilot.press("escape")
        await pilot.pause(0.1)
        assert "StartTraining" not in link.kinds()


async def test_a_preset_changes_what_goes_together(bench: Bench) -> None:
    app, link = bench.open()
    async with app.run_test(size=(160, 45)) as pilot:
        await ready(pilot)
        await pilot.press("f7")
        await until(pilot, lambda: "about 6 min" in screen_text(app))
        await pilot.press("1")
        await until(pilot, lambda: "quick look" in app.messages[-1])
        await until(pilot, lambda: link.last(p.PlanTraining).session.training.rows == 200)
        await pilot.press("home", "enter")
        await until(pilot, lambda: "StartTraining" in link.kinds())
        assert link.last(p.StartTraining).session.training.rows == 200


async def test_what_keeps_a_run_from_beginning_is_said_beside_the_settings(bench: Bench) -> None:
    app, link = bench.open()
    link.plan = {"problem": "Of all 250 rows none is left; correct dataset.where.", "fits": False}
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(pilot)
        await pilot.press("f7")
        await until(pilot, lambda: "none is left; correct" in screen_text(app))


async def test_what_is_unwise_is_said_as_one_types(bench: Bench) -> None:
    app, _ = bench.open()
    async with app.run_test(size=(160, 45)) as pilot:
        await ready(pilot)
        training = replace(app.session.training, learning_rate=0.9)
        app.change(replace(app.session, training=training))
        await pilot.press("f7")
        await until(pilot, lambda: "far above what is usual" in screen_text(app))
        await to_setting(pilot, app, "seed")
        await until(pilot, lambda: "far above what is usual" not in screen_text(app))


async def test_all_settings_are_a_key_away(bench: Bench) -> None:
    app, _ = bench.open()
    async with app.run_test(size=(160, 45)) as pilot:
        await ready(pilot)
        await pilot.press("f7")
        await until(pilot, lambda: "about 6 min" in screen_text(app))
        before = len(app.screen.keys)
        await pilot.press("a")
        await until(pilot, lambda: len(app.screen.keys) > before)


async def test_a_formula_too_long_for_its_line_stands_whole_below_its_part(bench: Bench) -> None:
    formula = "4 rows × 512 tokens × 30 layers of 576, without checkpointing"
    app, link = bench.open()
    link.plan = {
        "memory": [p.MemoryPart(name="activations", bytes=1_200_000_000, formula=formula)],
        "rows_left_out": 12,
        "rows_cut": 34,
    }
    async with app.run_test(size=(120, 45)) as pilot:
        await ready(pilot)
        await pilot.press("f7")
        await until(pilot, lambda: "checkpointing" in screen_text(app))
        text = screen_text(app)
        assert "4 rows × 512 tokens × 30 layers of 576" in text
        assert "12 left out · 34 cut" in text
        assert "100 to evaluate on" in text


async def test_what_does_not_fit_is_started_only_when_asked_twice(bench: Bench) -> None:
    app, link = bench.open()
    link.plan = {"memory_free": 1_000_000_000, "fits": False}
    async with app.run_test(size=(120, 40)) as pilot:
        await ready(pilot)
        await pilot.press("f7")
        await until(pilot, lambda: "it does not fit" in screen_text(app))
        await pilot.press("enter")
        await until(pilot, lambda: "enter again starts it" in app.messages[-1])
        assert "StartTraining" not in link.kinds()
        await pilot.press("enter")
        await until(pilot, lambda: "StartTraining" in link.kinds())
