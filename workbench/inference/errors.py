"""What goes wrong with a model, as one sentence for the person."""

import re

LIMIT = 200  # characters of a library's message that a sentence can carry


class ModelError(Exception):
    """A model that cannot be loaded or used; the text is one sentence for the person."""


def reason(error: BaseException) -> str:
    """The first line of a library's message, without its full stop; the class where it is empty."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = re.sub(r"\s+", " ", lines[0]).rstrip(".:") if lines else type(error).__name__
    return text if len(text) <= LIMIT else text[: LIMIT - 1] + "…"
