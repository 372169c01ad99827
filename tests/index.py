"""A package index and a model hub on this machine, small and real, for tests of fetching."""

import hashlib
import json
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from workbench.catalogue import Package

SHA = "0123456789abcdef0123456789abcdef01234567"


def make_wheel(folder: Path, name: str, files: dict[str, bytes]) -> Package:
    """A wheel of that name, version 1.0, holding these files."""
    path = folder / f"{name}-1.0-py3-none-any.whl"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n"
    wheel = "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    with zipfile.ZipFile(path, "w") as packed:
        for member, content in files.items():
            packed.writestr(member, content)
        packed.writestr(f"{name}-1.0.dist-info/METADATA", metadata)
        packed.writestr(f"{name}-1.0.dist-info/WHEEL", wheel)
        packed.writestr(f"{name}-1.0.dist-info/RECORD", "")
    return Package(name, "1.0", hashlib.sha256(path.read_bytes()).hexdigest())


class Server(ThreadingHTTPServer):
    """Serves wheels of a folder as a package index, and models as a hub; remembers what it gave."""

    daemon_threads = True

    def __init__(self, folder: Path, models: dict[str, dict[str, bytes]]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.folder, self.models = folder, models
        self.given: list[str] = []
        self.agents: list[str] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.answer(self.command == "GET")

    do_HEAD = do_GET  # noqa: N815 - the name that the server looks for

    def answer(self, body: bool) -> None:
        parts = self.path.split("?")[0].strip("/").split("/")
        content, headers = self.find(parts)
        self.server.agents.append(self.headers.get("Authorization", ""))
        self.send_response(200 if content is not None else 404)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content or b"")))
        self.end_headers()
        if body and content:
            self.server.given.append(self.path)
            self.wfile.write(content)

    def find(self, parts: list[str]) -> tuple[bytes | None, dict[str, str]]:
        if parts[0] == "simple":
            names = [path.name for path in self.server.folder.glob("*.whl")]
            links = "".join(f'<a href="/files/{name}">{name}</a>' for name in names)
            return f"<!DOCTYPE html><html><body>{links}</body></html>".encode(), {
                "Content-Type": "text/html"
            }
        if parts[0] == "files":
            return (self.server.folder / parts[1]).read_bytes(), {
                "Content-Type": "application/octet-stream"
            }
        if parts[:2] == ["api", "models"] and (
            files := self.server.models.get("/".join(parts[2:4]))
        ):
            if "tree" in parts:
                tree = [
                    {"type": "file", "path": name, "size": len(text), "oid": SHA}
                    for name, text in files.items()
                ]
                return json.dumps(tree).encode(), {"Content-Type": "application/json"}
            listing = {
                "id": "/".join(parts[2:4]),
                "sha": SHA,
                "siblings": [{"rfilename": name} for name in files],
            }
            return json.dumps(listing).encode(), {"Content-Type": "application/json"}
        if "resolve" in parts and (files := self.server.models.get("/".join(parts[:2]))):
            content = files.get("/".join(parts[4:]))
            etag = hashlib.sha256(content or b"").hexdigest()
            return content, {"ETag": f'"{etag}"', "X-Repo-Commit": SHA}
        return None, {}

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serving(folder: Path, models: dict[str, dict[str, bytes]] | None = None) -> Iterator[Server]:
    server = Server(folder, models or {})
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
