"""Sentence embeddings, and the rows that are nearest by them."""

import json
import shutil
import threading
from pathlib import Path
from typing import Any

import numpy
import pytest

from tests.prompting.pools import pool_of, shots
from workbench import catalogue
from workbench.data.engine import Stopped
from workbench.inference.errors import ModelError
from workbench.prompting import nearest
from workbench.prompting.embedding import Encoder, load_encoder
from workbench.session import ExampleSettings

TEXTS = [
    "The acting is superb.",
    "A boring waste of two hours.",
    "",
    "Ünïcödé 電影 🎬",
    " ".join(["A very long sentence that goes on and on."] * 60),
]
ROWS: list[dict[str, Any]] = [
    {"text": "The goalkeeper saved a penalty in the last minute.", "label": "sports"},
    {"text": "Interest rates rose, and shares of banks with them.", "label": "business"},
    {"text": "The striker scored twice before half-time.", "label": "sports"},
    {"text": "The central bank left its policy as it was.", "label": "business"},
    {"text": "Simmer the onions in butter until they are golden.", "label": "cooking"},
    {"text": "Whisk the eggs and fold in the flour.", "label": "cooking"},
]
NEAREST = ExampleSettings(choose="nearest", count=2)


@pytest.fixture(scope="module")
def minilm() -> Path:
    if not catalogue.present("minilm-l6"):
        pytest.skip("the starter minilm-l6 is not in the cache")
    return catalogue.fetch("minilm-l6", lambda *_: None)


@pytest.fixture(scope="module")
def encoder(minilm: Path) -> Encoder:
    return load_encoder("minilm-l6", Path(), lambda *_: None)


def test_vectors_are_those_of_the_models_card(minilm: Path, encoder: Encoder) -> None:
    """The card's own code: mean pooling over the mask, then length 1; texts cut after 256 tokens,
    as sentence_bert_config.json says."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(minilm, local_files_only=True)
    model = AutoModel.from_pretrained(minilm, local_files_only=True, dtype="float32").eval()
    inputs = tokenizer(TEXTS, padding=True, truncation=True, max_length=256, return_tensors="pt")
    assert inputs["input_ids"].shape[1] == 256
    with torch.no_grad():
        hidden = model(**inputs).last_hidden_state
    mask = inputs["attention_mask"].unsqueeze(-1).expand(hidden.size()).float()
    mean = (hidden * mask).sum(1) / mask.sum(1).clamp(min=1e-9)
    expected = torch.nn.functional.normalize(mean, p=2, dim=1).numpy()
    found = encoder.embed(TEXTS)
    assert found.dtype == numpy.float32
    assert numpy.allclose(found, expected, atol=2e-6)


def test_vectors_do_not_depend_on_their_neighbours(encoder: Encoder) -> None:
    alone = numpy.concatenate([encoder.embed([text]) for text in TEXTS])
    assert numpy.allclose(alone, encoder.embed(TEXTS), atol=2e-6)
    assert encoder.embed([]).shape[0] == 0


def test_similar_texts_are_nearer_than_others(encoder: Encoder) -> None:
    film, praise, bread = encoder.embed(
        ["A wonderful, moving film.", "This movie is beautiful and touching.", "Bake the bread."]
    )
    assert film @ praise > film @ bread + 0.3


def test_the_nearest_row_is_the_similar_one_and_stands_last(encoder: Encoder) -> None:
    made = shots(pool_of(ROWS), NEAREST)
    for text, label in (
        ("The team won the cup after extra time.", "sports"),
        ("Melt the chocolate and stir in the cream.", "cooking"),
        ("The currency fell against the dollar.", "business"),
    ):
        found = made.for_row({"text": text, "label": ""})
        assert [row["label"] for _, row in found] == [label, label]
        likeness = encoder.embed([row["text"] for _, row in found]) @ encoder.embed([text])[0]
        assert likeness[0] <= likeness[1]


def test_a_row_is_not_the_nearest_to_itself(encoder: Encoder) -> None:
    made = shots(pool_of(ROWS), NEAREST)
    for number, row in enumerate(ROWS):
        assert number not in [one for one, _ in made.for_row(row, number)]
        assert number not in [one for one, _ in made.for_row(row)]


def test_rows_are_the_same_asked_one_by_one_or_prepared_together(encoder: Encoder) -> None:
    asked = [{"text": f"{row['text']} Really.", "label": ""} for row in ROWS]
    one_by_one = [shots(pool_of(ROWS), NEAREST).for_row(row) for row in asked]
    nearest.ASKED.clear()
    together = shots(pool_of(ROWS), NEAREST)
    together.prepare(asked)
    assert [together.for_row(row) for row in asked] == one_by_one


def test_vectors_are_kept_until_what_is_embedded_changes(
    encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    embedded: list[int] = []
    true = Encoder.embed

    def counting(self: Encoder, texts: Any, *rest: Any) -> Any:
        embedded.append(len(texts))
        return true(self, texts, *rest)

    monkeypatch.setattr(Encoder, "embed", counting)
    rows = [{**row, "text": f"{row['text']} (kept)"} for row in ROWS]
    asked = {"text": "The referee blew the whistle.", "label": ""}
    nearest.LATEST.clear()
    first = shots(pool_of(rows), NEAREST).for_row(asked)
    assert sorted(embedded) == [1, len(rows)]
    nearest.LATEST.clear()  # as after a new start
    assert shots(pool_of(rows), NEAREST).for_row(asked) == first
    assert sorted(embedded) == [1, len(rows)]
    rows[0] = {**rows[0], "text": "Changed."}
    shots(pool_of(rows), NEAREST).for_row(asked)
    assert sorted(embedded) == [1, len(rows), len(rows)]


def test_damaged_vectors_are_made_anew(encoder: Encoder) -> None:
    rows = [{**row, "text": f"{row['text']} (damaged)"} for row in ROWS]
    asked = {"text": "A goal in the last minute.", "label": ""}
    first = shots(pool_of(rows), NEAREST).for_row(asked)
    nearest.LATEST.clear()
    for path in (catalogue.cache_folder() / "embeddings").glob("*.npy"):
        path.write_bytes(b"\x93NUMPY broken")
    assert shots(pool_of(rows), NEAREST).for_row(asked) == first


def test_only_values_of_the_template_are_compared(encoder: Encoder) -> None:
    made = shots(pool_of(ROWS), NEAREST)
    assert made.nearest.text(ROWS[0]) == ROWS[0]["text"]


def test_of_a_large_pool_a_sample_is_embedded_and_said(
    encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nearest, "MOST", 5)
    made = shots(pool_of(ROWS), NEAREST)
    assert len(made.for_row({"text": "A penalty kick.", "label": ""})) == 2
    assert "5 of the 6 rows" in made.describe()


def test_embedding_stops(encoder: Encoder) -> None:
    made = shots(pool_of([{**row, "text": f"{row['text']} (stopped)"} for row in ROWS]), NEAREST)
    made.stopped.set()
    with pytest.raises(Stopped):
        made.for_row({"text": "x", "label": ""})


def test_a_model_that_writes_is_refused(tiny_model: Path) -> None:
    with pytest.raises(ModelError, match=r"writes .*set examples\.embedder to an encoder"):
        Encoder("tiny", tiny_model)


def test_a_folder_whose_pooling_is_not_known_is_refused(minilm: Path, tmp_path: Path) -> None:
    folder = tmp_path / "encoder"
    shutil.copytree(minilm, folder, copy_function=lambda a, b: Path(b).symlink_to(a))
    (folder / "modules.json").unlink()
    modules = json.loads((minilm / "modules.json").read_text())
    modules.insert(2, {"type": "sentence_transformers.models.Dense", "path": "2_Dense"})
    (folder / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(ModelError, match="Dense"):
        Encoder("dense", folder)


def test_without_modules_an_encoder_pools_by_the_mean(
    minilm: Path, tmp_path: Path, encoder: Encoder
) -> None:
    folder = tmp_path / "plain"
    shutil.copytree(minilm, folder, copy_function=lambda a, b: Path(b).symlink_to(a))
    (folder / "modules.json").unlink()
    plain = Encoder("plain", folder)
    assert plain.pooling == ["mean_tokens"]
    assert numpy.allclose(plain.embed(TEXTS[:2]), encoder.embed(TEXTS[:2]), atol=2e-6)


def test_an_encoder_that_is_not_there_is_a_sentence() -> None:
    with pytest.raises(ModelError, match=r"there is no"):
        load_encoder("./nowhere", Path("/"), lambda *_: None)


def test_threads_may_ask_at_the_same_time(encoder: Encoder) -> None:
    expected = encoder.embed(TEXTS)
    results: list[Any] = []
    threads = [
        threading.Thread(target=lambda: results.append(encoder.embed(TEXTS))) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 3
    assert all(numpy.allclose(one, expected, atol=2e-6) for one in results)
