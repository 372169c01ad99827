"""Text for the terminal's clipboard: OSC 52, which tmux passes on only in a wrapping of its own."""

import base64
import os


def sequence(text: str) -> str:
    """The bytes to write so that the terminal, also one behind tmux, takes the text."""
    payload = base64.b64encode(text.encode("utf-8", "replace")).decode("ascii")
    copy = f"\x1b]52;c;{payload}\x07"
    if os.environ.get("TMUX"):
        return "\x1bPtmux;" + copy.replace("\x1b", "\x1b\x1b") + "\x1b\\"
    return copy
