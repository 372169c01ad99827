"""A connection to a server: requests that are retried, and given up within a moment.

Knows the `openai` client and its errors; knows nothing of what is asked. Requests run in an event
loop of the calling thread, so that any of them can be cancelled wherever it waits.
"""

import asyncio
import ipaddress
import json
import logging
import random
import ssl
import threading
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack
from functools import lru_cache
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx2
import openai

from workbench.inference.errors import ModelError
from workbench.inference.faults import (
    LONGEST_WAIT,
    Fault,
    fault,
    host,
    key_of,
    looks_like_html,
    nonsense,
)
from workbench.session import ModelSettings

T = TypeVar("T")
LARGEST_BODY = 64_000_000  # bytes of an answer, read whole
GLANCE = 0.05  # seconds between two looks at whether to stop
FIRST_WAIT, MOST_WAIT = 0.5, 8.0  # seconds between retries, doubled from one to the next
CONNECTING = 10.0  # seconds to wait for a connection at most
# What these log of requests holds headers that a server says back, and texts of errors.
for _talkative in ("openai", "httpx2", "httpcore2"):
    logging.getLogger(_talkative).setLevel(logging.WARNING)


class FaultError(Exception):
    """A request that failed for good."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.words)
        self.fault = fault


def interruptible(work: Coroutine[Any, Any, T], stopped: threading.Event) -> T | None:
    """The result of `work`, run in an event loop here; None where it is given up for `stopped`."""

    if stopped.is_set():
        work.close()
        return None

    async def watched() -> T | None:
        task = asyncio.ensure_future(work)
        try:
            while not task.done():
                await asyncio.wait({task}, timeout=GLANCE)
                if stopped.is_set() and not task.done():
                    task.cancel()
                    await asyncio.wait({task}, timeout=1)
                    return None
            return task.result()
        finally:
            task.cancel()

    return asyncio.run(watched())


def is_loopback(settings: ModelSettings) -> bool:
    name = urlsplit(settings.url).hostname or ""
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def check_url(settings: ModelSettings) -> None:
    """Raise ModelError for what is no address of a server, or holds a password."""
    try:
        parts = urlsplit(settings.url)
        port_is_fine = parts.port is None or parts.port > 0
    except ValueError:
        parts, port_is_fine = urlsplit(""), False
    if parts.scheme not in {"http", "https"} or not parts.hostname or not port_is_fine:
        raise ModelError(
            f"model.url should be an address such as http://localhost:8000/v1 and is "
            f"{host(settings)!r}; correct it."
        )
    if parts.username is not None or parts.password is not None or parts.query:
        raise ModelError(
            "model.url holds a user, a password or a query, which would be kept and shown with "
            "it; take them out: the key comes from the environment variable model.api_key_env."
        )


@lru_cache(maxsize=1)
def certificates() -> ssl.SSLContext:
    """Read once: it takes 0.1 seconds, and an answer is waited for."""
    return httpx2.create_ssl_context()


def open_client(settings: ModelSettings) -> openai.AsyncOpenAI:
    """A client that retries nothing by itself. It sends the key, and no other secret that the
    environment may hold. A server on this machine is asked without a proxy.

    Raises:
        ModelError: where the address or the key cannot be one.
    """
    check_url(settings)
    patience = openai.Timeout(
        settings.timeout, connect=min(settings.timeout, CONNECTING), pool=None
    )
    client = openai.AsyncOpenAI(
        api_key=key_of(settings),
        base_url=settings.url.rstrip("/"),
        timeout=patience,
        max_retries=0,
        http_client=openai.DefaultAsyncHttpxClient(
            timeout=patience, verify=certificates(), trust_env=not is_loopback(settings)
        ),
    )
    client.organization = client.project = client.admin_api_key = client.webhook_secret = None
    return client


class Connection:
    """An open client, and when the server takes the next request."""

    def __init__(self, settings: ModelSettings, models: list[str] | None = None) -> None:
        self.settings = settings
        self.client = open_client(settings)
        self.models = models or []  # names that the server has, as far as known
        self.open_at = 0.0  # a server that asks to wait asks it of all requests

    async def __aenter__(self) -> "Connection":
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.client.close()

    async def chat(self, body: dict[str, Any]) -> AsyncGenerator[Any, None]:
        """One chat completion, as dictionaries: the pieces of a stream, or one for all.

        Raises:
            FaultError: after what came until then.
        """
        failed: Fault | None = None
        try:
            async with AsyncExitStack() as stack:
                async with asyncio.timeout(self.settings.timeout):
                    response = await stack.enter_async_context(self.request(body))
                kind = response.headers.get("content-type", "")
                if body.get("stream") and "event-stream" in kind:
                    async for piece in self.pieces(await response.parse()):
                        yield piece
                else:
                    async with asyncio.timeout(self.settings.timeout):
                        text = (await read(response)).decode("utf-8", errors="replace")
                    if looks_like_html(text):
                        failed = nonsense(self.settings, html=True)
                    else:
                        yield json.loads(text)
        except Exception as error:  # of the client, of its transport, of what a server wrote
            failed = fault(error, self.settings, self.models)
        if failed:  # out of the handler: the error holds what the server said
            raise FaultError(failed)

    def request(self, body: dict[str, Any]) -> Any:
        rest = {name: value for name, value in body.items() if name not in {"messages", "stream"}}
        completions: Any = self.client.chat.completions.with_streaming_response
        return completions.create(
            model=self.settings.name,
            messages=body["messages"],
            stream=bool(body.get("stream")),
            extra_body=rest,
        )

    async def pieces(self, stream: Any) -> AsyncGenerator[Any, None]:
        """What streams in. A server may also send signs of life that are no pieces: the time is
        taken from piece to piece."""
        pieces = aiter(stream)
        while True:
            async with asyncio.timeout(self.settings.timeout):
                piece = await anext(pieces, None)
            if piece is None:
                return
            yield piece.to_dict(warnings=False) if hasattr(piece, "to_dict") else piece

    async def post(self, path: str, body: dict[str, Any]) -> Any:
        """What the server answers to one request; a path that begins with / starts at its root.

        Raises:
            FaultError: where it answers nothing.
        """
        return await self.whole(self.client.post(self.address(path), cast_to=object, body=body))

    async def get(self, path: str) -> Any:
        """As `post`."""
        return await self.whole(self.client.get(self.address(path), cast_to=object))

    def address(self, path: str) -> str:
        if not path.startswith("/"):
            return f"/{path}"
        root = self.settings.url.rstrip("/").removesuffix("/v1")
        return root + path

    async def whole(self, request: Awaitable[Any]) -> Any:
        failed: Fault | None = None
        try:
            async with asyncio.timeout(self.settings.timeout):
                return await request
        except Exception as error:  # of the client, of its transport, of what a server wrote
            failed = fault(error, self.settings, self.models)
        raise FaultError(failed)  # out of the handler: the error holds what the server said

    async def retrying(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """What an attempt gives, tried again where that makes sense.

        Raises:
            FaultError: the last attempt's.
        """
        retries = 0
        while True:
            await self.turn()
            try:
                return await attempt()
            except FaultError as error:
                failed = error.fault
            if not failed.retry or retries >= self.settings.max_retries:
                raise FaultError(failed)
            await self.back_off(failed, retries)
            retries += 1

    async def turn(self) -> None:
        """Wait until the server takes requests again."""
        while (left := self.open_at - time.monotonic()) > 0:
            await asyncio.sleep(left)

    async def back_off(self, failed: Fault, retries: int) -> None:
        """Wait before a request is sent again: as the server asks, else longer each time."""
        wait = failed.wait or min(FIRST_WAIT * 2.0**retries, MOST_WAIT) * random.uniform(0.75, 1)
        if failed.wait:
            self.open_at = max(self.open_at, time.monotonic() + wait)
        await asyncio.sleep(min(wait, LONGEST_WAIT))


async def read(response: Any) -> bytes:
    """The body of a response.

    Raises:
        ValueError: where it is larger than any answer.
    """
    parts, size = [], 0
    async for part in response.iter_bytes():
        size += len(part)
        if size > LARGEST_BODY:
            raise ValueError("too large")
        parts.append(part)
    return b"".join(parts)
