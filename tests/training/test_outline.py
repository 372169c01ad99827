"""The outline of a model that a plan is made from."""

from pathlib import Path

import pytest
from transformers import initialization

from workbench.inference.model import answering_head, load_model, model_config
from workbench.session import Session
from workbench.training.outline import outline


@pytest.mark.parametrize("loading", [False, True])
def test_shared_weights_count_once_even_while_another_thread_loads_a_model(
    session: Session, tmp_path: Path, loading: bool
) -> None:
    def quiet(*_: object) -> None: ...

    config = model_config(session.model, tmp_path, quiet)
    head = answering_head(session.model.name, config)
    whole = load_model(session.model, tmp_path, quiet, head).model
    if loading:  # what from_pretrained does meanwhile, to the whole process
        with initialization.no_tie_weights():
            made = outline(session.model, tmp_path, quiet, head).model
    else:
        made = outline(session.model, tmp_path, quiet, head).model
    assert whole.config.tie_word_embeddings
    assert sum(one.numel() for one in made.parameters()) == sum(
        one.numel() for one in whole.parameters()
    )
