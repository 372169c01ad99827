"""News is merged on its way, answers are not held up."""

import threading
import time

from workbench.protocol import AnyEvent, Done, RunStatus, Tokens, TrainingAdvanced
from workbench.worker.outbox import INTERVAL, Outbox


def tokens(text: str, request: int = 1) -> Tokens:
    return Tokens(request=request, weights="base", text=text, count=1)


def test_streamed_text_is_merged_and_none_is_lost() -> None:
    batches: list[list[AnyEvent]] = []
    outbox = Outbox(batches.append)
    for number in range(500):
        outbox.put(tokens(f"{number} "))
        if number % 10 == 0:
            time.sleep(0.0005)
    outbox.close()
    events = [event for batch in batches for event in batch]
    assert "".join(event.text for event in events) == "".join(f"{n} " for n in range(500))  # type: ignore[union-attr]
    assert sum(event.count for event in events) == 500  # type: ignore[union-attr]
    assert len(events) < 100


def test_the_order_is_kept_and_different_things_are_not_merged() -> None:
    heard: list[AnyEvent] = []
    hold = threading.Event()

    def deliver(events: list[AnyEvent]) -> None:
        hold.wait(5)
        heard.extend(events)

    outbox = Outbox(deliver)
    outbox.put(tokens("first", 7))
    time.sleep(2 * INTERVAL)
    for event in (tokens("a"), tokens("b"), tokens("c", 2), Done(request=1), tokens("d")):
        outbox.put(event)
    hold.set()
    outbox.close()
    assert heard[1:] == [
        Tokens(request=1, weights="base", text="ab", count=2),
        tokens("c", 2),
        Done(request=1),
        tokens("d"),
    ]


def test_of_a_run_only_the_latest_step_is_told() -> None:
    heard: list[AnyEvent] = []
    hold = threading.Event()
    outbox = Outbox(lambda events: (hold.wait(5), heard.extend(events))[1])
    for step in range(100):
        status = RunStatus(name="r", folder="", state="running", step=step)
        outbox.put(TrainingAdvanced(run=status))
    hold.set()
    outbox.close()
    assert len(heard) <= 3
    assert heard[-1].run.step == 99  # type: ignore[union-attr]
