"""Text from outside is shown literally."""

from workbench.text import literal, one_line


def test_no_control_character_survives() -> None:
    every = "".join(map(chr, range(0x300))) + "\u202e\u2066\u200b\ufeff"
    shown = literal(every)
    assert not {char for char in shown if ord(char) < 32 or 0x7F <= ord(char) < 0xA0} - {"\n"}
    assert not set("\u202e\u2066\u200b\ufeff") & set(shown)


def test_escape_sequences_can_be_read_but_not_obeyed() -> None:
    assert literal("\x1b]52;c;aGk=\x07") == "␛]52;c;aGk=␇"


def test_markup_is_left_as_it_is() -> None:
    assert literal("[/i][@click=app.quit]x") == "[/i][@click=app.quit]x"


def test_a_line_is_cut_with_an_ellipsis() -> None:
    assert one_line("a\nb", 10) == "a⏎b"
    assert one_line("x" * 20, 10) == "x" * 9 + "…"
    assert len(one_line("\t" * 20, 10)) <= 10
