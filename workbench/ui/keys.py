"""Keys take effect in the order they were pressed in, however fast they come.

Textual gives a letter to the field that has the focus, and any other key only once it has bubbled
from there up to the app. In a burst, as a slow line or a program sends it, they would overtake each
other: a backspace deletes a letter typed after it, what follows a tab lands in the field before it
(github.com/Textualize/textual/issues/6605). So a key waits until the one before it is done with;
letters that go to the same field, and a key that is held, need not wait for each other.
"""

import time
from collections import deque
from typing import Any

from textual.app import App
from textual.events import Event, Key, Paste
from textual.message import Message
from textual.message_pump import MessagePump
from textual.widget import Widget

PATIENCE = 1.0  # seconds that keys wait for one that a busy field does not get to
GONE = 0.02  # seconds after which to look whether the field is there at all

HELD = frozenset({"up", "down", "left", "right", "pageup", "pagedown"})
HELD_IN_TEXT = frozenset({"left", "right", "backspace", "delete"})


def kind_of(event: Event, target: Widget) -> str:
    """Keys of a kind go the same way one behind the other, and no further; empty: it goes alone."""
    if not isinstance(event, Key):
        return ""
    if event.is_printable and target.check_consume_key(event.key, event.character):
        return "letters"
    typed_in = target.check_consume_key("a", "a")
    return event.key if event.key in (HELD_IN_TEXT if typed_in else HELD) else ""


class OrderedKeys(App[Any]):
    class Passed(Message):
        """Follows a key on its way: once it is at the app, the key has been everywhere."""

    def __init__(self) -> None:
        super().__init__()
        self.keys_waiting: deque[Event] = deque()
        self.key_under_way: OrderedKeys.Passed | None = None
        self.key_target: MessagePump | None = None
        self.key_screen: MessagePump | None = None  # of the last key
        # To whom keys of a kind are handed on without a wait.
        self.key_stream: tuple[MessagePump, str] | None = None
        self.key_since = 0.0
        self.key_watched = False

    async def on_event(self, event: Event) -> None:
        if not isinstance(event, Key | Paste) or event.is_forwarded:
            await super().on_event(event)
            return
        self.keys_waiting.append(event)
        if self.key_under_way is None:
            await self.next_keys()
        else:
            self.watch_key()

    async def next_keys(self) -> None:
        """Hand on what waits, up to the first that goes to a widget."""
        self.key_under_way = None
        while self.keys_waiting and self.key_under_way is None and self.screen_stack:
            if self.screen is not self.key_screen:  # a sheet that was opened, or left, by a key:
                self.key_screen = self.screen  # its fields have to be there first
                self.follow_key(self.screen)
                continue
            event, target = self.keys_waiting[0], self.focused or self.screen
            kind = kind_of(event, target)
            if self.key_stream is not None and self.key_stream != (target, kind):
                self.follow_key(self.key_stream[0])  # first what came before it
                continue
            self.keys_waiting.popleft()
            await super().on_event(event)
            if event.is_forwarded and kind:
                self.key_stream = target, kind
            else:
                # An action that has been done may have asked for the focus: it gets its turn, too.
                self.follow_key(target if event.is_forwarded else self)
        if self.keys_waiting:
            self.watch_key()

    def follow_key(self, target: MessagePump) -> None:
        self.key_stream = None
        passed = self.Passed()
        if target.post_message(passed):
            self.key_under_way, self.key_target = passed, target
            self.key_since = time.monotonic()

    async def on_ordered_keys_passed(self, message: Passed) -> None:
        if message is self.key_under_way:
            await self.next_keys()

    def watch_key(self) -> None:
        if not self.key_watched:
            self.key_watched = True
            self.set_timer(GONE, self.look_after_key)

    async def look_after_key(self) -> None:
        """Go on where the field has been closed by its key, so that nothing more comes from it."""
        self.key_watched = False
        if self.key_under_way is None or not self.keys_waiting:
            return
        target, spent = self.key_target, time.monotonic() - self.key_since
        if target is None or not target.is_attached or spent > PATIENCE:
            await self.next_keys()
        else:
            self.watch_key()
