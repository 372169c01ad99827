"""An upload, with the hub's own client up to where it would speak to the network."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx2
import huggingface_hub
import pytest
from huggingface_hub.errors import HfHubHTTPError

from workbench.exporting.errors import ExportError
from workbench.exporting.hub import check_hub, push


@pytest.fixture(autouse=True)
def online(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    monkeypatch.setenv("HF_TOKEN", "hf_secret")


def test_all_files_go_to_a_private_repository(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[tuple[str, Any]] = []

    def create(_api: Any, name: str, **given: Any) -> Any:
        heard.append((name, given["private"]))
        return SimpleNamespace(repo_id=name)

    def upload(_api: Any, **given: Any) -> Any:
        heard.append((given["repo_id"], sorted(p.name for p in given["folder_path"].iterdir())))
        return SimpleNamespace(repo_url="https://hub/me/mine")

    monkeypatch.setattr(huggingface_hub.HfApi, "create_repo", create)
    monkeypatch.setattr(huggingface_hub.HfApi, "upload_folder", upload)
    (tmp_path / "README.md").write_text("# Mine")
    assert push(tmp_path, "me/mine", private=True, message="Step 3") == "https://hub/me/mine"
    assert heard == [("me/mine", True), ("me/mine", ["README.md"])]


@pytest.mark.parametrize(
    ("status", "words"), [(401, "set HF_TOKEN to one that is valid"), (403, "may not write")]
)
def test_a_refusal_is_one_sentence_without_the_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int, words: str
) -> None:
    response = httpx2.Response(status, request=httpx2.Request("POST", "https://hub/api"))

    def create(*_: Any, **__: Any) -> Any:
        raise HfHubHTTPError("no: Bearer hf_secret", response=response)

    monkeypatch.setattr(huggingface_hub.HfApi, "create_repo", create)
    with pytest.raises(ExportError, match=words) as caught:
        push(tmp_path, "me/mine", private=True, message="x")
    assert "hf_secret" not in str(caught.value)
    assert str(tmp_path) in str(caught.value)


@pytest.mark.parametrize("name", ["a b", "me/mine/too", "../x", "me/mi--ne", "[red]"])
def test_a_name_that_can_be_none(name: str) -> None:
    with pytest.raises(ExportError, match="cannot be the name of a repository"):
        check_hub(name)


def test_without_a_token_or_a_network_nothing_is_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ExportError, match="switched off by HF_HUB_OFFLINE"):
        check_hub("me/mine")
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    monkeypatch.setattr(huggingface_hub, "get_token", lambda: None)
    with pytest.raises(ExportError, match="no token for the hub; set HF_TOKEN"):
        check_hub("me/mine")
