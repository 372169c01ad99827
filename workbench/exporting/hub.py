"""An export uploaded to the model hub, when a person asks for it.

The token is the one of HF_TOKEN or of the hub's own login; it is in no message and no file.
"""

import re
from pathlib import Path

from workbench.exporting.errors import ExportError
from workbench.inference.errors import reason

NAME = r"[A-Za-z0-9][\w.-]{0,95}(/[A-Za-z0-9][\w.-]{0,95})?"


def check_hub(name: str) -> None:
    """Raise ExportError where nothing can be uploaded to that name; before the long part."""
    from workbench.data.fetch import hub_is_off

    if not re.fullmatch(NAME, name) or ".." in name or "--" in name:
        raise ExportError(
            f"{name[:80]!r} cannot be the name of a repository; use owner/name, of letters, "
            "digits, - _ and single dots."
        )
    if hub_is_off():
        raise ExportError(
            "The hub is switched off by HF_HUB_OFFLINE; unset it to upload, or leave out the "
            "upload."
        )
    from huggingface_hub import get_token

    if not get_token():
        raise ExportError(
            "There is no token for the hub; set HF_TOKEN to one that may write, or run: hf auth "
            "login"
        )


def push(folder: Path, name: str, *, private: bool, message: str) -> str:
    """Upload all files of a folder; the address.

    Raises:
        ExportError: what went wrong and what to do; the folder stays as it is.
    """
    from workbench.data.fetch import quiet_hub

    hub = quiet_hub()
    api = hub.HfApi()
    try:
        made = api.create_repo(name, private=private, exist_ok=True, repo_type="model")
        found = api.upload_folder(
            repo_id=made.repo_id, folder_path=folder, commit_message=message, repo_type="model"
        )
    except Exception as error:  # the network's and the hub's errors are of many kinds
        raise ExportError(f"{failure(name, error)} The export itself is in {folder}.") from error
    return str(getattr(found, "repo_url", "") or made)


def failure(name: str, error: Exception) -> str:
    """The sentence for an upload that failed."""
    status = getattr(getattr(error, "response", None), "status_code", 0)
    if status == 401:
        return "The hub does not know the token; set HF_TOKEN to one that is valid."
    if status == 403:
        return f"The token may not write to {name}; use one that may, or another name."
    return f"{name} cannot be uploaded ({reason(error)}); check the network and the name."
