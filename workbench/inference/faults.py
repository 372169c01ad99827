"""What goes wrong with a server that answers, as one sentence for the person.

Knows the errors of the `openai` client and what servers say in them; knows nothing of prompts. A
server may say anything, the key that it was sent included: what it says is cut, put on one line and
freed of the key before it goes anywhere.
"""

import json
import os
import re
import socket
import ssl
from dataclasses import dataclass, replace
from typing import Any, Literal
from urllib.parse import quote, urlsplit

import httpx2
import openai

from workbench.inference.errors import ModelError
from workbench.session import ModelSettings
from workbench.text import one_line

PLACEHOLDER = "none"  # sent where there is no key: local servers do not look at it
SHOWN = 200  # characters of what a server said
ALL = 4000  # of them, looked through for what it refuses
LONGEST_WAIT = 120.0  # seconds that a server may ask to wait for; also the client's own limit
HIDDEN = "[key]"
CERTAIN = 16  # characters from which on a text in an answer is the key and not a word like it
RETRIED = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 520, 522, 524, 529})
TOO_LONG = re.compile(
    r"context[ _](length|size|window)|maximum context|context_length|too many tokens|"
    r"(prompt|input)( is)? too long|longer than the maximum|exceeds? .{0,40}\btokens",
    re.I,
)
NO_MODEL = re.compile(r"\bmodel\b.{0,200}(not (exist|found)|no such|unknown|not supported)", re.I)
PINNED = re.compile(r"pinned to", re.I)
MODERATED = re.compile(r"moderat|flagged|content.?(policy|filter)", re.I)

Scope = Literal["row", "server", "all"]


@dataclass(frozen=True)
class Fault:
    """Why a request failed.

    `scope`: this question only; the server, which may be back for the next; or every question, now
    and later, such as a wrong key.
    """

    words: str
    scope: Scope = "row"
    retry: bool = False
    wait: float = 0.0  # seconds that the server asks for
    refused: str = ""  # what the server says against the request, where it is the request's fault
    parameter: str = ""
    code: int = 0  # of the server's answer


def key_of(settings: ModelSettings) -> str:
    """The server's key from the environment; a placeholder where there is none.

    Raises:
        ModelError: where it cannot be a key; the text does not hold it.
    """
    key = os.environ.get(settings.api_key_env, "").strip() if settings.api_key_env else ""
    if not key.isascii() or not key.isprintable() or " " in key:
        raise ModelError(
            f"The key in the environment variable {settings.api_key_env} has characters that no "
            "key has; set it again, on one line and without spaces."
        )
    return key or PLACEHOLDER


def scrub(text: str, settings: ModelSettings, shortest: int = 4) -> str:
    """The text without the server's key, in whatever way it is written in it.

    `shortest`: keys of fewer characters are left, since they are words such as EMPTY.
    """
    key = os.environ.get(settings.api_key_env, "").strip() if settings.api_key_env else ""
    if len(key) < max(shortest, 1):
        return text
    for written in {key, quote(key), quote(key, safe=""), json.dumps(key)[1:-1]}:
        text = text.replace(written, HIDDEN)
    return text


def half_a_key(text: str, settings: ModelSettings) -> int:
    """How many characters at the end of a text might be the beginning of the key."""
    key = os.environ.get(settings.api_key_env, "").strip() if settings.api_key_env else ""
    if len(key) < CERTAIN:
        return 0
    most = min(len(key) - 1, len(text))
    return next((n for n in range(most, 0, -1) if text.endswith(key[:n])), 0)


def host(settings: ModelSettings) -> str:
    """The server's name and port, to be shown."""
    try:
        name = urlsplit(settings.url).netloc or settings.url
    except ValueError:
        name = settings.url
    return one_line(name.rpartition("@")[2], 100)


def said(error: Any, settings: ModelSettings, limit: int = SHOWN) -> str:
    """What the server said in an error, in short and without the key."""
    body = getattr(error, "body", None)
    found = message_in(body) or message_in(as_json(text_of(error)))
    if not found:
        text = text_of(error)
        found = "" if looks_like_html(text) else text
    found = re.sub(r"\s+", " ", scrub(found, settings)).strip()
    return one_line(found, limit).rstrip(".")


def text_of(error: Any) -> str:
    response = getattr(error, "response", None)
    try:
        return str(response.text) if response is not None else ""
    except Exception:  # its body was not read
        return ""


def as_json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def message_in(body: Any) -> str:
    """The message in an error's body, wherever servers put it."""
    if isinstance(body, str):
        return body
    if isinstance(body, list):
        return json.dumps(body, ensure_ascii=False)
    if not isinstance(body, dict):
        return ""
    for name in ("message", "error", "detail", "msg", "error_description"):
        if found := message_in(body.get(name)):
            return found
    return ""


def looks_like_html(text: str) -> bool:
    return text.lstrip()[:15].lower().startswith(("<!doctype", "<html", "<head", "<?xml"))


def fault(error: BaseException, settings: ModelSettings, models: list[str] | None = None) -> Fault:
    """What an error means. `models`: the names that the server has, where they are known."""
    where = f"The server at {host(settings)}"
    if isinstance(error, openai.APIStatusError):
        found = status_fault(error, settings, where, models or [])
        return replace(found, code=error.status_code)
    names = {type(one).__name__ for one in causes(error)}
    if isinstance(error, openai.APITimeoutError | TimeoutError | httpx2.TimeoutException):
        return slow(settings, connecting="ConnectTimeout" in names)
    if isinstance(error, openai.APIConnectionError | httpx2.TransportError | OSError):
        return unreachable(error, settings, where)
    if isinstance(error, openai.APIResponseValidationError | ValueError | TypeError):
        return nonsense(settings)
    if isinstance(error, openai.APIError):  # said within a stream
        text = said(error, settings) or one_line(scrub(error.message, settings), SHOWN)
        return Fault(f"{where} broke off with an error: {text.rstrip('.')}.", "row", retry=True)
    text = one_line(scrub(str(error), settings), SHOWN).rstrip(".")
    return Fault(f"{where} could not be asked: {text or type(error).__name__}.", "server")


def status_fault(  # noqa: PLR0911  # one for each thing that a person can do about it
    error: openai.APIStatusError, settings: ModelSettings, where: str, models: list[str]
) -> Fault:
    code, text = error.status_code, said(error, settings)
    quoted = f": {text}" if text else ""
    if code == 407:
        return Fault(
            f"A proxy wants a password before it lets {host(settings)} be asked; correct "
            "HTTPS_PROXY in the environment, or name the server in NO_PROXY.",
            "all",
        )
    if code == 401 or (code == 403 and not MODERATED.search(text)):
        return Fault(wrong_key(settings, code, where, quoted), "all")
    if TOO_LONG.search(text):
        return Fault(
            f"The prompt and its answer are too long for {settings.name}{quoted}; shorten the "
            "prompt or generation.max_new_tokens.",
        )
    if code == 404 or PINNED.search(text) or (code == 400 and NO_MODEL.search(text)):
        return Fault(nothing_there(settings, where, quoted, text, models), "all")
    if code in {400, 405, 413, 415, 422}:
        return Fault(
            f"{where} refuses the request{quoted or f' (status {code})'}.",
            "all" if code == 405 else "row",
            refused=said(error, settings, ALL) or f"status {code}",
            parameter=str(error.param or ""),
        )
    if code == 429:
        wait = wait_of(error)
        if "insufficient_quota" in (error.code or "", error.type or ""):
            return Fault(f"{where} says that the account has no credit left{quoted}.", "all")
        asks = f" and asks to wait {wait:,.0f} seconds" if wait > LONGEST_WAIT else ""
        return Fault(
            f"{where} gets more requests than it takes{asks}{quoted}; wait, or lower "
            "model.concurrency.",
            "server",
            retry=wait <= LONGEST_WAIT,
            wait=wait,
        )
    words = f"{where} failed with status {code}{quoted}; look at the server, then ask again."
    wait = wait_of(error)
    return Fault(words, "server", retry=code in RETRIED and wait <= LONGEST_WAIT, wait=wait)


def wrong_key(settings: ModelSettings, code: int, where: str, quoted: str) -> str:
    name = settings.api_key_env
    if not name:
        return (
            f"{where} wants a key{quoted}; set model.api_key_env to the name of the environment "
            "variable that holds it."
        )
    if not os.environ.get(settings.api_key_env, "").strip():
        return (
            f"{where} wants a key and there is none{quoted}; put it into the environment variable "
            f"{name} and start again."
        )
    does = "does not take the key" if code == 401 else "does not allow this with the key"
    return f"{where} {does} in {name}{quoted}; correct it in the environment and start again."


def nothing_there(
    settings: ModelSettings, where: str, quoted: str, text: str, models: list[str]
) -> str:
    if models and not has_model(settings.name, models):
        return f"{where} has no model {one_line(settings.name, 80)}; {there_is(models)}."
    if NO_MODEL.search(text) or PINNED.search(text):
        return f"{where} does not answer as {one_line(settings.name, 80)}{quoted}."
    hint = "correct model.url"
    if not ends_in_v1(settings):
        hint = (
            f"most servers want an address that ends in /v1, such as {ending_in_v1(settings.url)}"
        )
    return f"{where} has nothing at {path_of(settings)}{quoted}; {hint}."


def ends_in_v1(settings: ModelSettings) -> bool:
    return urlsplit(settings.url).path.rstrip("/").endswith("/v1")


def path_of(settings: ModelSettings) -> str:
    return one_line(urlsplit(settings.url).path.rstrip("/") + "/chat/completions", 100)


def ending_in_v1(url: str) -> str:
    parts = urlsplit(url)
    return one_line(f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}/v1", 100)


def has_model(name: str, models: list[str]) -> bool:
    """Whether the server lists it; a name without a tag is that of the latest (Ollama)."""
    return name in models or f"{name}:latest" in models


def there_is(models: list[str], most: int = 8) -> str:
    names = ", ".join(one_line(name, 80) for name in models[:most])
    more = f" and {len(models) - most:,} more" if len(models) > most else ""
    return f"it has: {names}{more}"


def wait_of(error: openai.APIStatusError) -> float:
    """Seconds that the server asks to wait, 0 where it says nothing: a number or a date."""
    from email.utils import parsedate_to_datetime
    from time import time

    for name, unit in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        value = error.response.headers.get(name)
        if value is None:
            continue
        try:
            seconds = float(value) / unit
        except ValueError:
            try:
                seconds = parsedate_to_datetime(value).timestamp() - time()
            except (TypeError, ValueError, OverflowError):
                continue
        return seconds if 0 < seconds < float("inf") else 0.0  # also not for nan
    return 0.0


def causes(error: BaseException | None) -> list[BaseException]:
    """An error and all that led to it."""
    found: list[BaseException] = []
    while error is not None and error not in found:
        found.append(error)
        error = error.__cause__ or error.__context__
    return found


def slow(settings: ModelSettings, connecting: bool) -> Fault:
    if connecting:
        return Fault(
            f"The server at {host(settings)} cannot be reached: nothing answers there; start it or "
            "correct model.url.",
            "all",
        )
    return Fault(
        f"The server at {host(settings)} said nothing for {settings.timeout:g} seconds; raise "
        "model.timeout, or lower model.concurrency or generation.max_new_tokens.",
        "server",
    )


def unreachable(error: BaseException, settings: ModelSettings, where: str) -> Fault:
    chain = causes(error)
    names = {type(one).__name__ for one in chain}
    if "ProxyError" in names:
        return Fault(
            f"The proxy of the environment (HTTP_PROXY, HTTPS_PROXY) does not lead to "
            f"{host(settings)}; correct it, or name the server in NO_PROXY.",
            "all",
        )
    if any(isinstance(one, ssl.SSLError) for one in chain) or "CERTIFICATE" in str(chain):
        return Fault(
            f"No secure connection to {host(settings)} could be made; check whether the server "
            "speaks https and has a certificate that this machine trusts.",
            "all",
        )
    if any(isinstance(one, socket.gaierror) for one in chain):
        return Fault(f"There is no host {host(settings)}; correct model.url.", "all")
    if "ConnectError" in names:
        return Fault(
            f"{where} cannot be reached: nothing answers there; start it or correct model.url.",
            "all",
            retry=True,
        )
    if names & {"UnsupportedProtocol", "InvalidURL"}:
        return Fault(f"model.url is no address of a server: {host(settings)}; correct it.", "all")
    return Fault(f"{where} broke off the connection; ask again.", "server", retry=True)


def nonsense(settings: ModelSettings, html: bool = False) -> Fault:
    """For what is not the answer of an OpenAI-compatible server."""
    what = "a web page" if html else "something that is no chat completion"
    hint = "" if ends_in_v1(settings) else " (most end in /v1)"
    return Fault(
        f"The server at {host(settings)} answers with {what}; check that model.url is the address "
        f"of an OpenAI-compatible server{hint}.",
        "server",
    )
