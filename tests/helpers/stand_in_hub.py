"""A hub on this machine: one repository, served from a folder as the Hugging Face hub serves it, or silent."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

HUB_ID = "somebody/small"


class StandInHub(ThreadingHTTPServer):
    """commits: revision -> (commit, folder of its files). silent: take requests and never answer."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.commits: dict[str, tuple[str, Path]] = {}
        self.silent = threading.Event()
        self.closed = threading.Event()
        self.asked: list[str] = []

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the test says what went wrong."""

    def do_HEAD(self) -> None:
        self._answer(head=True)

    def do_GET(self) -> None:
        self._answer(head=False)

    def _answer(self, head: bool) -> None:
        hub, path = self._hub(), self.path.partition("?")[0]
        hub.asked.append(path)
        if hub.silent.is_set():
            hub.closed.wait()
            return
        api = f"/api/models/{HUB_ID}"
        if path.startswith(f"{api}/tree/"):
            _, folder = self._commit(path.rsplit("/", 1)[1])
            files = [
                {"type": "file", "path": file.name, "size": file.stat().st_size, "oid": file.name}
                for file in sorted(folder.iterdir())
            ]
            self._send(json.dumps(files).encode(), head)
        elif path == api or path.startswith(f"{api}/revision/"):
            revision = "main" if path == api else path.rsplit("/", 1)[1]
            if revision not in self._known():
                self._refuse("RevisionNotFound")
                return
            commit, folder = self._commit(revision)
            names = [{"rfilename": file.name} for file in sorted(folder.iterdir())]
            self._send(json.dumps({"id": HUB_ID, "sha": commit, "siblings": names}).encode(), head)
        elif path.startswith(f"/{HUB_ID}/resolve/"):
            *_, revision, name = path.split("/")
            commit, folder = self._commit(revision)
            content = (folder / name).read_bytes()
            self._send(content, head, {"X-Repo-Commit": commit, "ETag": f'"{commit}-{name}"'})
        else:
            self._refuse("EntryNotFound")

    def _hub(self) -> StandInHub:
        assert isinstance(self.server, StandInHub)
        return self.server

    def _refuse(self, code: str) -> None:
        self.send_response(404)
        self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _commit(self, revision: str) -> tuple[str, Path]:
        return self._known()[revision]

    def _known(self) -> dict[str, tuple[str, Path]]:
        """By branch, and by commit."""
        branches = self._hub().commits
        return branches | {commit: (commit, folder) for commit, folder in branches.values()}

    def _send(self, content: bytes, head: bool, headers: dict[str, str] | None = None) -> None:
        self.send_response(200)
        for name, value in {**(headers or {}), "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        if not head:
            self.wfile.write(content)


@contextmanager
def stand_in_hub() -> Iterator[StandInHub]:
    with StandInHub() as hub:
        threading.Thread(target=hub.serve_forever, daemon=True).start()
        try:
            yield hub
        finally:
            hub.closed.set()
            hub.shutdown()
