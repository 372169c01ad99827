"""The words that the rows of a run were put in.

Knows sessions and formats; knows nothing of weights.
"""

from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

from workbench.exporting.trained import Trained
from workbench.inference.heads import Kind
from workbench.protocol import FormatFound
from workbench.session import Prompt


def wording(trained: Trained, kind: Kind, architecture: str = "") -> Prompt:
    """The wording of the prompt pane; where it is empty the format's own, as a model that ends in
    `kind` gets it: one that reads a text as a whole gets no words around it."""
    from workbench.data.pairing import worded
    from workbench.data.wordings import WORDED, in_use

    prompt = trained.session.prompt()
    if prompt.template.strip():
        return prompt
    found = recognised(trained)
    if found is None:
        return prompt
    if kind in ("classifier", "masked"):
        plain = found.format not in WORDED or found.format == "classification"
        return prompt if plain else in_use(found, prompt)
    if kind == "seq2seq":
        prompt = worded(SimpleNamespace(encoder_decoder=architecture), found, prompt)
    return in_use(found, prompt)


def recognised(trained: Trained) -> FormatFound | None:
    """What the rows are, by the first of them, where the data is on this machine."""
    from workbench import catalogue
    from workbench.data.formats import recognise_table
    from workbench.data.sources import open_source

    settings = trained.session.dataset
    here = trained.workspace / Path(settings.source).expanduser()
    if settings.source not in catalogue.STARTERS and not here.exists():
        return None
    with suppress(Exception):  # gone or changed since: the card says less
        source = open_source(settings, trained.workspace, lambda *_: None)
        return recognise_table(source.table(settings.split), settings, trained.session.prompt())
    return None
