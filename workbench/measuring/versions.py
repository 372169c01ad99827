"""What makes answers what they are: the wording, the model and how it generates.

Knows settings; nothing of where versions are kept. Secrets stay out: an address loses its user,
password and query.
"""

import hashlib
from urllib.parse import urlsplit, urlunsplit

import msgspec

from workbench.session import GenerationSettings, ModelSettings, Prompt

# How a model is reached, not which it is.
REACHED = ("device", "api_key_env", "concurrency", "timeout", "max_retries")


def version_of(prompt: Prompt, model: ModelSettings, generation: GenerationSettings) -> str:
    """A name for all that makes the answers what they are: 16 hexadecimal digits.

    Neither the prompt's name counts nor how the model is reached; seeds, labels of a constraint
    and the rows are not part of it."""
    said = {
        "prompt": msgspec.structs.replace(prompt, name="-", model=None, generation=None),
        "model": without_reach(model),
        "generation": msgspec.structs.replace(generation, seed=0, num_return_sequences=1),
    }
    text = msgspec.json.encode(said, order="sorted")
    return hashlib.sha256(text).hexdigest()[:16]


def without_reach(model: ModelSettings) -> ModelSettings:
    defaults = {name: getattr(ModelSettings(), name) for name in REACHED}
    return msgspec.structs.replace(without_secrets(model), **defaults)


def without_secrets(model: ModelSettings) -> ModelSettings:
    """The same model without user, password and query in its address."""
    if not model.url:
        return model
    try:
        parts = urlsplit(model.url)
    except ValueError:
        return msgspec.structs.replace(model, url="")
    place = parts.netloc.rpartition("@")[2]
    return msgspec.structs.replace(model, url=urlunsplit((parts.scheme, place, parts.path, "", "")))


def prompt_without_secrets(prompt: Prompt) -> Prompt:
    if prompt.model is None:
        return prompt
    return msgspec.structs.replace(prompt, model=without_secrets(prompt.model))
