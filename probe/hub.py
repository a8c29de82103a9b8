"""Fetch a model from the Hugging Face hub into its cache, and wait no longer than needed where the hub is silent."""

import re
from pathlib import Path
from typing import Any

from probe.model_files import INDEX, SETTINGS, model_files, no_weights

_FETCHED: dict[str, Any] = {"allow_patterns": [*SETTINGS, INDEX, "*.safetensors"], "ignore_patterns": ["*/*"]}
_COMMIT = re.compile(r"[0-9a-f]{40}")


def fetch(hub_id: str, revision: str | None) -> tuple[Path, str]:
    """The folder of a model in the hub's cache, and the commit that it is.

    A branch or tag, as the main branch, is asked of the hub anew each time, so that one that has moved is noticed;
    where no answer comes within HF_HUB_ETAG_TIMEOUT seconds (10 where it is not set), what is whole in the cache is
    taken. A commit that is whole in the cache is not asked for.

    Raises ValueError where the hub does not have it, does not answer, or has pickled weights only.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import RevisionNotFoundError

    cached = _cached(hub_id, revision)
    if cached is not None and cached.name == revision:
        return cached, cached.name
    try:
        files = _listed(hub_id, revision)
        if any(file.endswith(".safetensors") for file in files):
            folder = Path(snapshot_download(hub_id, revision=revision, **_FETCHED))
            return folder, folder.name
    except Exception as error:
        if cached is None or isinstance(error, RevisionNotFoundError):
            raise _refusal(hub_id, revision, error) from error
        return cached, cached.name
    raise no_weights(hub_id, files)


def _refusal(hub_id: str, revision: str | None, error: Exception) -> ValueError:
    from huggingface_hub.errors import GatedRepoError, RevisionNotFoundError

    if isinstance(error, RevisionNotFoundError):
        return ValueError(
            f"{hub_id} has no revision {revision!r} on the Hugging Face hub: give a commit, tag or branch of it"
        )
    if isinstance(error, GatedRepoError):
        return ValueError(
            f"{hub_id} is for those only who have accepted its terms: accept them on its page of the Hugging Face hub, "
            "then log in with `hf auth login`"
        )
    at = f" at revision {revision!r}" if revision else ""
    return ValueError(
        f"{hub_id!r} is no folder here and not whole in the cache{at}, and the Hugging Face hub was not reachable or "
        f"does not have it ({type(error).__name__}): check name, revision and connection, or give a local folder or "
        "minilm"
    )


def _listed(hub_id: str, revision: str | None) -> list[str]:
    """The names of its files, by the hub; the one request that finds out whether the hub answers."""
    from huggingface_hub import HfApi, constants

    answer = HfApi().model_info(hub_id, revision=revision, timeout=constants.HF_HUB_ETAG_TIMEOUT)
    return [file.rfilename for file in answer.siblings or []]


def _cached(hub_id: str, revision: str | None) -> Path | None:
    """The folder in the cache, if it is there and whole."""
    from huggingface_hub import snapshot_download

    try:
        folder = Path(snapshot_download(hub_id, revision=revision, local_files_only=True, **_FETCHED))
        model_files(hub_id, folder)
    except (OSError, ValueError):
        return None
    return folder if (folder / "config.json").is_file() and _COMMIT.fullmatch(folder.name) else None
