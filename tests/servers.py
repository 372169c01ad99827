"""A server that speaks OpenAI's chat completions on loopback, well or as badly as it is told to.

    with FakeServer() as server:
        settings = server.settings(name="model")
        server.mode = "drops"

It answers each question with `answer(body)`: by default the last turn's text, turned round.
"""

import json
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

from workbench.session import ModelSettings

Mode = Literal[
    "well",
    "slow",  # says nothing for `seconds`
    "drips",  # a comment now and then, and never a piece
    "drops",  # closes the connection in the middle
    "ends",  # a stream that ends properly, in the middle
    "busy",  # 429 with Retry-After for the first `failures` requests
    "fails",  # 500 for the first `failures` requests
    "key",  # 401, saying back the key that was sent
    "html",
    "nonsense",  # JSON of another shape
    "garbage",  # no JSON
    "no_choices",
    "empty",
    "thinks",  # thoughts and no answer
    "huge",
    "error_in_stream",
    "too_long",  # 400: the context is exceeded
    "no_model",
    "echoes_key",  # as the answer
    "moderates",  # 403 for what holds the word "forbidden"
]


class FakeServer:
    """`refuses`: names of parameters that are answered with 400. `requests`: the bodies that came.
    `most_at_once`: of requests under way. `routes`: what is answered at other paths. `owner`: whose
    server it says it is."""

    def __init__(self, mode: Mode = "well", owner: str = "someone") -> None:
        self.mode: Mode = mode
        self.owner = owner
        self.models = ["model", "other"]
        self.refuses: set[str] = set()
        self.ignores: set[str] = set()
        self.refusal = ""  # in place of what it says against the first of them
        self.pieces: Callable[[str], list[str]] = words_of
        self.failures = 10**9
        self.retry_after = "0.2"
        self.seconds = 30.0
        self.delay = 0.0  # of each answer
        self.answer: Callable[[dict[str, Any]], str] = turned_round
        self.routes: dict[str, Callable[[dict[str, Any]], Any]] = {}  # path: what it answers
        self.requests: list[dict[str, Any]] = []
        self.times: list[float] = []
        self.headers: list[dict[str, str]] = []
        self.at_once = self.most_at_once = self.failed = 0
        self.lock = threading.Lock()
        self.closing = threading.Event()

    def __enter__(self) -> "FakeServer":
        outer = self

        class Bound(Handler):
            server_of_test = outer

        self.http = Listening(("127.0.0.1", 0), Bound)
        self.url = f"http://127.0.0.1:{self.http.server_port}/v1"
        threading.Thread(target=self.http.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.closing.set()
        self.http.shutdown()
        self.http.server_close()

    def settings(self, **changes: Any) -> ModelSettings:
        given = {
            "name": "model",
            "url": self.url,
            "timeout": 5.0,
            "max_retries": 2,
            "api_key_env": "OPENAI_API_KEY",
        }
        return ModelSettings(**{**given, **changes})

    @property
    def asked(self) -> int:
        """Chat completions that were asked for."""
        return len(self.requests)


class Listening(ThreadingHTTPServer):
    request_queue_size = 128  # else a client of many requests waits a second for some
    daemon_threads = True


def turned_round(body: dict[str, Any]) -> str:
    return str(body["messages"][-1]["content"])[::-1]


def words_of(text: str) -> list[str]:
    """The text in pieces that a model's tokens might be."""
    pieces: list[str] = []
    for word in text.split(" "):
        pieces.append(f" {word}" if pieces else word)
    return pieces


class Handler(BaseHTTPRequestHandler):
    server_of_test: FakeServer
    protocol_version = "HTTP/1.1"

    def log_message(self, *_words: Any) -> None:
        """Nothing: a test's output is its own."""

    def do_GET(self) -> None:
        server = self.server_of_test
        if server.mode == "key":
            self.refuse_key()
        elif server.mode == "html":
            self.say(200, b"<!DOCTYPE html><html><body>Sign in</body></html>", "text/html")
        elif self.path == "/v1/models":
            data = [
                {"id": name, "object": "model", "owned_by": server.owner, "max_model_len": 2048}
                for name in server.models
            ]
            self.say_json(200, {"object": "list", "data": data})
        elif self.path == "/version":
            self.say_json(200, {"version": "0.11.2"})
        else:
            self.say_json(404, {"detail": "Not Found"})

    def do_POST(self) -> None:
        server = self.server_of_test
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with server.lock:
            server.requests.append(body)
            server.times.append(time.monotonic())
            server.headers.append({name.title(): value for name, value in self.headers.items()})
            server.at_once += 1
            server.most_at_once = max(server.most_at_once, server.at_once)
        try:
            server.closing.wait(server.delay)
            with suppress(BrokenPipeError, ConnectionResetError):
                self.reply(body)
        finally:
            with server.lock:
                server.at_once -= 1

    def reply(self, body: dict[str, Any]) -> None:
        server = self.server_of_test
        if self.path in server.routes:
            self.say_json(200, server.routes[self.path](body))
            return
        if self.path != "/v1/chat/completions":
            self.say_json(404, {"detail": "Not Found"})
            return
        if refused := sorted(set(body) & server.refuses):
            words = server.refusal or f"Unrecognized request argument supplied: {refused[0]}"
            self.say_json(400, {"error": {"message": words, "param": None, "code": None}})
            return
        odd = getattr(self, f"mode_{server.mode}", None)
        if odd is None or odd(body):
            self.complete(body, server.answer(body))

    # --- as it is told to -----------------------------------------------------------------------

    def mode_slow(self, _body: dict[str, Any]) -> bool:
        self.server_of_test.closing.wait(self.server_of_test.seconds)
        return True

    def mode_drips(self, _body: dict[str, Any]) -> None:
        self.begin_stream()
        end = time.monotonic() + self.server_of_test.seconds
        while time.monotonic() < end and not self.server_of_test.closing.wait(0.05):
            self.chunk(b": still there\n\n")

    def mode_drops(self, body: dict[str, Any]) -> None:
        pieces = words_of(self.server_of_test.answer(body))
        self.begin_stream()
        for piece in pieces[: max(1, len(pieces) // 2)]:
            self.chunk(event(delta(piece)))
        self.close_connection = True
        self.connection.close()

    def mode_ends(self, body: dict[str, Any]) -> None:
        self.begin_stream()
        self.chunk(event(delta(words_of(self.server_of_test.answer(body))[0])))
        self.chunk(b"")

    def mode_busy(self, _body: dict[str, Any]) -> bool:
        headers = {"Retry-After": self.server_of_test.retry_after}
        return self.fail(429, {"error": {"message": "Slow down"}}, headers)

    def mode_fails(self, _body: dict[str, Any]) -> bool:
        return self.fail(500, {"error": "CUDA error: out of memory\nTraceback …"}, {})

    def mode_key(self, _body: dict[str, Any]) -> None:
        self.refuse_key()

    def mode_html(self, _body: dict[str, Any]) -> None:
        self.say(200, b"<!DOCTYPE html><html><body>Sign in</body></html>", "text/html")

    def mode_nonsense(self, _body: dict[str, Any]) -> None:
        self.say_json(200, {"choices": {"a": 1}, "text": ["?"]})

    def mode_garbage(self, _body: dict[str, Any]) -> None:
        self.say(200, b"\x00\xff OK", "application/json")

    def mode_no_choices(self, _body: dict[str, Any]) -> None:
        self.say_json(200, {"choices": [], "usage": {"completion_tokens": 0}})

    def mode_empty(self, _body: dict[str, Any]) -> None:
        choice = {"index": 0, "message": {"role": "assistant", "content": None}}
        self.say_json(200, {"choices": [choice]})

    def mode_thinks(self, _body: dict[str, Any]) -> None:
        message = {"role": "assistant", "content": "", "reasoning_content": "Hm, let me see"}
        choice = {"index": 0, "message": message, "finish_reason": "length"}
        self.say_json(200, {"choices": [choice], "usage": {"completion_tokens": 12}})

    def mode_huge(self, body: dict[str, Any]) -> None:
        if not body.get("stream"):
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            while not self.server_of_test.closing.is_set():
                self.chunk(b"[" * 1_000_000)
        self.begin_stream()
        while not self.server_of_test.closing.is_set():
            self.chunk(event(delta("a" * 500_000)))

    def mode_error_in_stream(self, body: dict[str, Any]) -> None:
        self.begin_stream()
        self.chunk(event(delta(words_of(self.server_of_test.answer(body))[0])))
        self.chunk(event({"error": {"message": "the worker died", "code": 500}}))
        self.chunk(b"")

    def mode_too_long(self, body: dict[str, Any]) -> bool:
        if len(str(body["messages"])) < 1000:
            return True
        words = (
            "This model's maximum context length is 2048 tokens. However, you requested 3000 "
            "tokens (2872 in the messages, 128 in max_tokens). Please reduce the length."
        )
        self.say_json(400, {"object": "error", "message": words, "code": 400})
        return False

    def mode_no_model(self, body: dict[str, Any]) -> None:
        words = f"The model `{body['model']}` does not exist."
        self.say_json(404, {"object": "error", "message": words, "code": 404})

    def mode_echoes_key(self, body: dict[str, Any]) -> None:
        self.complete(body, f"You sent {self.headers['Authorization']} to me")

    def mode_moderates(self, body: dict[str, Any]) -> bool:
        if "forbidden" not in str(body["messages"]):
            return True
        self.say_json(403, {"error": {"message": "Your input was flagged by moderation"}})
        return False

    # --- answers --------------------------------------------------------------------------------

    def complete(self, body: dict[str, Any], text: str) -> None:
        pieces = self.server_of_test.pieces(text)[
            : body.get("max_tokens") or body.get("max_completion_tokens")
        ]
        text = "".join(pieces)
        cut = len(pieces) < len(self.server_of_test.pieces(self.server_of_test.answer(body)))
        told = body.get("logprobs") and "logprobs" not in self.server_of_test.ignores
        reason = "length" if cut else "stop"
        used = {"prompt_tokens": 7, "completion_tokens": len(pieces) + (not cut)}
        if not body.get("stream"):
            choice: dict[str, Any] = {"index": 0, "message": {"role": "assistant", "content": text}}
            choice |= {"finish_reason": reason}
            if told:
                choice["logprobs"] = {"content": [logprob(one, body) for one in pieces]}
            self.say_json(200, {"object": "chat.completion", "choices": [choice], "usage": used})
            return
        self.begin_stream()
        for piece in pieces:
            said = delta(piece)
            if told:
                said["choices"][0]["logprobs"] = {"content": [logprob(piece, body)]}
            self.chunk(event(said))
        self.chunk(event(delta("", reason)))
        if (body.get("stream_options") or {}).get("include_usage"):
            self.chunk(event({"object": "chat.completion.chunk", "choices": [], "usage": used}))
        self.chunk(b"data: [DONE]\n\n")
        self.chunk(b"")

    def fail(self, code: int, said: Any, headers: dict[str, str]) -> bool:
        """Whether there were failures enough."""
        server = self.server_of_test
        with server.lock:
            server.failed += 1
            enough = server.failed > server.failures
        if not enough:
            self.say_json(code, said, headers)
        return enough

    def refuse_key(self) -> None:
        key = self.headers["Authorization"]
        words = f"Incorrect API key provided: {key}. Find yours at https://example.com"
        self.say_json(401, {"error": {"message": words, "code": "invalid_api_key"}}, {"X-Key": key})

    def say_json(self, code: int, said: Any, headers: dict[str, str] | None = None) -> None:
        self.say(code, json.dumps(said).encode(), "application/json", headers)

    def say(self, code: int, body: bytes, kind: str, headers: dict[str, str] | None = None) -> None:
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def begin_stream(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream; charset=utf-8")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def chunk(self, data: bytes) -> None:
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()


def event(said: Any) -> bytes:
    return f"data: {json.dumps(said)}\n\n".encode()


def delta(text: str, reason: str | None = None) -> dict[str, Any]:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": reason}
    return {"object": "chat.completion.chunk", "choices": [choice]}


def logprob(token: str, body: dict[str, Any]) -> dict[str, Any]:
    others = [
        {"token": f" other{n}", "logprob": -2.0 - n, "bytes": None}
        for n in range(body.get("top_logprobs") or 0)
    ]
    return {"token": token, "logprob": -0.25, "bytes": None, "top_logprobs": others}
