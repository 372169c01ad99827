"""What is pasted is text, escape characters and all."""

import pytest
from textual import events

from workbench.ui.pasting import GuardedParser

PASTE = "red \x1b[31m text\x1b\nand \x1b[20 no end"


@pytest.mark.parametrize("size", [1, 3, 7, 1000])
def test_an_escape_in_a_paste_is_shown_and_presses_nothing(size: int) -> None:
    sent = f"a\x1b[200~{PASTE}\x1b[201~b\x1b[A"
    parser = GuardedParser()
    if size < 6:  # the mark that opens a paste comes in one piece from a terminal
        pieces = ["a", "\x1b[200~"]
        rest = sent[len("a\x1b[200~") :]
    else:
        pieces, rest = [], sent
    pieces += [rest[at : at + size] for at in range(0, len(rest), size)]
    heard = [event for piece in pieces for event in parser.feed(piece)]
    pasted = [event.text for event in heard if isinstance(event, events.Paste)]
    keys = [event.key for event in heard if isinstance(event, events.Key)]
    assert pasted == [PASTE.replace("\x1b", "␛")]
    assert keys[:2] == ["a", "b"]
