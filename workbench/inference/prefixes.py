"""What a model has computed of prompts, kept for the next that begins the same.

Knows token ids, keys and values; knows nothing of what the tokens say.
"""


class Prefixes:
    """Keys and values of the last few prompts."""
