"""How many processors a run computes with, and what it does where others compute, too."""

from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from tests.training.runs_again import Killed, killed_at, resume
from tests.work import Listener, fine_tune, lines, load_tiny, session
from workbench import journal
from workbench.processor import OWN_THREADS
from workbench.training.choices import threads
from workbench.training.completion import CompletionTrainer
from workbench.training.crowding import LONGEST_WAIT, Crowding, Vacancy, idle_seconds
from workbench.training.stopwatch import Stopwatch


def steps(share: float, of: int = 2, each: float = 1.0, count: int = 40) -> list[int]:
    """The steps after which a run that gets that share of its processors is told so."""
    crowding = Crowding()
    return [
        step
        for step in range(1, count + 1)
        if crowding.crowded(of, step * each, step * each * of * share)
    ]


def test_a_run_that_gets_its_processors_goes_on_with_all_of_them() -> None:
    assert steps(1.0) == steps(0.97) == []


def test_one_that_does_not_is_told_after_ten_seconds() -> None:
    assert steps(0.6)[0] == 11
    assert steps(0.6, each=20.0)[0] == 4  # three steps at least
    assert steps(0.6, each=0.1, count=100) == []
    assert steps(0.6, each=0.1, count=200)[0] in (101, 102)  # 0.1 is no sum of halves


def test_what_others_take_later_is_seen_then() -> None:
    crowding = Crowding()
    computed, told = 0.0, []
    for step in range(1, 61):
        computed += 2.0 if step <= 30 else 1.1
        if crowding.crowded(2, float(step), computed):
            told.append(step)
    assert 33 <= told[0] <= 50


def vacancies(idle: Any, count: int) -> list[int]:
    """The seconds after which a processor is found free that idles so in each second."""
    vacancy, so_far, found = Vacancy(), 0.0, []
    for second in range(1, count + 1):
        so_far += idle(second)
        if vacancy.vacant(1, float(second), so_far):
            found.append(second)
    return found


def test_a_processor_is_free_when_nothing_ran_on_it_for_half_a_minute() -> None:
    assert vacancies(lambda _: 0.97, 31) == [31]
    assert vacancies(lambda _: 0.0, 4000) == []
    assert vacancies(lambda second: float(second % 10 < 7), 4000) == []
    assert 130 < vacancies(lambda second: float(second > 100), 200)[0] <= 161


def test_each_time_it_has_to_be_free_for_longer() -> None:
    found = vacancies(lambda _: 1.0, 4000)
    gaps = [later - earlier for earlier, later in pairwise(found)]
    assert gaps[:4] == [61, 121, 241, 481]
    assert set(gaps[4:]) == {LONGEST_WAIT + 1}


def test_idle_time_is_that_of_our_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    each = [SimpleNamespace(idle=one) for one in (1.0, 20.0, 300.0)]
    monkeypatch.setattr("psutil.cpu_times", lambda **_: each)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 2}, raising=False)
    assert idle_seconds() == 301.0
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {5, 6}, raising=False)
    assert idle_seconds() == 321.0  # numbered in a way of the container's own
    monkeypatch.delattr("os.sched_getaffinity", raising=False)
    assert idle_seconds() == 321.0
    monkeypatch.setattr("psutil.cpu_times", lambda **_: [])
    assert idle_seconds() == 0.0


def test_the_watch_counts_processor_time_of_training_only(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("time.perf_counter", lambda: now[0])
    monkeypatch.setattr("time.process_time", lambda: 2 * now[0])
    watch = Stopwatch()
    watch.start()
    now[0] = 3.0
    with watch.paused():
        now[0] = 10.0
    now[0] = 11.0
    assert (watch.seconds, watch.computed) == (4.0, 8.0)
    watch.stop()
    now[0] = 20.0
    assert (watch.seconds, watch.computed) == (4.0, 8.0)


@pytest.mark.parametrize(
    ("there", "device", "task", "expected"),
    [
        (1, "cpu", "sft", 1),
        (2, "cpu", "sft", 2),
        (2, "cpu", "grpo", 1),
        (2, "cuda", "sft", 1),
        (16, "cpu", "sft", 15),
    ],
)
def test_threads_go_by_processors_device_and_task(
    there: int, device: str, task: Any, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workbench.training.choices.cores", lambda: there)
    monkeypatch.setenv("OMP_NUM_THREADS", str(max(1, there - 1)))
    monkeypatch.setenv(OWN_THREADS, str(max(1, there - 1)))
    assert threads(device, task)[0] == expected
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert threads(device, task)[0] == expected


def test_threads_that_the_person_set_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workbench.training.choices.cores", lambda: 2)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.delenv(OWN_THREADS, raising=False)
    assert threads("cpu", "sft") == (1, "OMP_NUM_THREADS says so")
    monkeypatch.setenv(OWN_THREADS, "7")  # inherited, and changed by the person since
    assert threads("cpu", "sft") == (1, "OMP_NUM_THREADS says so")


def crowded_from_the_third() -> Any:
    """In place of `Crowding.crowded`: others compute after the third step that asks."""
    calls = [0]

    def crowded(_self: Crowding, threads: int, seconds: float, computed: float) -> bool:
        calls[0] += 1
        assert threads == 2
        assert min(seconds, computed) > 0
        return calls[0] == 3

    return crowded


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """On a machine of two processors: (step, threads) of each batch trained on."""
    seen: list[tuple[int, int]] = []
    compute = CompletionTrainer.compute_loss

    def noted(self: CompletionTrainer, *given: Any, **named: Any) -> Any:
        seen.append((self.state.global_step, torch.get_num_threads()))
        return compute(self, *given, **named)

    for module in ("recorder", "computing"):
        monkeypatch.setattr(f"workbench.training.{module}.cores", lambda: 2)
    monkeypatch.setattr(CompletionTrainer, "compute_loss", noted)
    return seen


def test_a_run_leaves_a_processor_to_others_and_is_resumed_so(
    tmp_path: Path, computed: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny, before = load_tiny(tmp_path), torch.get_num_threads()
    made = session(max_steps=8, save_steps=2, eval_steps=0, evaluation_rows=0, threads=2)
    served: list[int] = []
    hooks = Listener(lambda _: served.append(torch.get_num_threads()))
    monkeypatch.setattr(Crowding, "crowded", crowded_from_the_third())
    whole = fine_tune(tiny, tmp_path, "whole", hooks, made=made)
    assert torch.get_num_threads() == before
    assert set(served) == {1}  # with both busy an answer would take ten times as long
    assert computed == [(step, 2 if step < 3 else 1) for step in range(8)]
    (said,) = lines(whole, "events", "value")
    assert said == 1
    for killed, first in ((3, 2), (5, 4)):
        monkeypatch.setattr(Crowding, "crowded", crowded_from_the_third())
        with pytest.raises(Killed):
            fine_tune(tiny, tmp_path, f"part-{killed}", killed_at(killed), made=made)
        monkeypatch.setattr(Crowding, "crowded", lambda *_: False)  # what is noted is enough
        if killed == 3:  # the kill came before the word
            monkeypatch.setattr(Crowding, "crowded", crowded_after_its_first())
        computed.clear()
        again = resume(tiny, tmp_path / "runs" / f"part-{killed}", made)
        assert computed == [(step, 2 if step < 3 else 1) for step in range(first, 8)]
        assert lines(again, "metrics", "loss") == lines(whole, "metrics", "loss")


def crowded_after_its_first() -> Any:
    calls = [0]

    def crowded(*_: Any) -> bool:
        calls[0] += 1
        return calls[0] == 1

    return crowded


def test_it_takes_the_processor_back_and_is_resumed_so(
    tmp_path: Path, computed: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny = load_tiny(tmp_path)
    made = session(max_steps=9, save_steps=4, eval_steps=0, evaluation_rows=0, threads=2)
    calls = [0]

    def vacant(_self: Vacancy, processors: int, seconds: float, idle: float) -> bool:
        assert (processors, seconds > 0, idle >= 0) == (1, True, True)
        calls[0] += 1
        return calls[0] == 3

    def others_come_and_go() -> None:
        calls[0] = 0
        monkeypatch.setattr(Crowding, "crowded", crowded_from_the_third())
        monkeypatch.setattr(Vacancy, "vacant", vacant)

    expected = [(step, 1 if 3 <= step < 6 else 2) for step in range(9)]
    others_come_and_go()
    whole = fine_tune(tiny, tmp_path, "whole", made=made)
    assert computed == expected
    assert lines(whole, "events", "value") == [1, 2]
    assert "free again: 2 threads" in str(journal.read(whole.folder / "events.jsonl"))
    others_come_and_go()
    with pytest.raises(Killed):
        fine_tune(tiny, tmp_path, "part", killed_at(8), made=made)
    monkeypatch.setattr(Crowding, "crowded", lambda *_: False)
    monkeypatch.setattr(Vacancy, "vacant", lambda *_: True)  # before step 6 it is not asked
    computed.clear()
    again = resume(tiny, tmp_path / "runs" / "part", made)
    assert computed == expected[4:]
    assert lines(again, "metrics", "loss") == lines(whole, "metrics", "loss")
