"""What goes wrong with an export."""


class ExportError(Exception):
    """What cannot be exported or written out; the text is one sentence for the person."""
