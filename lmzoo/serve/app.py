"""The page as an ASGI application: its files, its models, and what its screens ask (`handlers`).

Every answer is computed by one thread (`worker`), a step at a time; a client's newest request cancels its older one.
Nothing that is asked becomes a path, nothing is written, and nothing is kept of it but the states of what was read.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from lmzoo.errors import LmzooError, UsageError
from lmzoo.serve.contestants import Contestants
from lmzoo.serve.handlers import MOST_CHARACTERS, Handler, handlers
from lmzoo.serve.safety import MOST_BYTES
from lmzoo.serve.worker import DONE, Job, SupersededError, Worker, said

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

STATIC = Path(__file__).parent / "static"
KINDS = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
PATIENCE = 10.0  # seconds that a body may take to arrive
EXAMPLE = "Clara came to the lucky salon because she wanted a red ticket."  # in the box at first
MOST_WAITING = 64  # requests at once


def files() -> dict[str, tuple[bytes, str]]:
    """path → (content, media type) of everything that the page is made of, read once: no request opens a file."""
    found = {}
    for path in sorted(STATIC.rglob("*")):
        if path.suffix in KINDS:
            found[f"/{path.relative_to(STATIC).as_posix()}"] = path.read_bytes(), KINDS[path.suffix]
    found["/"] = found.pop("/index.html")
    return found


def screens() -> list[str]:
    """The names of the screens that there are: the modules of static/screens."""
    return sorted(path.stem for path in (STATIC / "screens").glob("*.js"))


def facts(contestants: Contestants) -> dict[str, Any]:
    """What `GET /api/models` answers: who is there, and which screens."""
    models = [run.to_json() for run in contestants]
    return {"models": models, "screens": screens(), "most_characters": MOST_CHARACTERS, "example": EXAMPLE}


def application(contestants: Contestants) -> "Starlette":
    """The page of these runs."""
    from starlette.applications import Starlette
    from starlette.responses import JSONResponse, Response
    from starlette.routing import Route

    worker, known = Worker(), facts(contestants)

    async def models(_: "Request") -> Response:
        return JSONResponse(known)

    def file(content: bytes, kind: str) -> Callable[["Request"], Awaitable[Response]]:
        async def answer(_: "Request") -> Response:
            return Response(content, media_type=kind)

        return answer

    routes = [Route(path, file(*found)) for path, found in files().items()]
    routes.append(Route("/api/models", models))
    for path, handler in handlers().items():
        routes.append(Route(path, _answering(handler, contestants, worker), methods=["POST"]))
    return Starlette(routes=routes, exception_handlers={404: _none, 405: _none})


async def _none(request: "Request", _: Exception) -> "Response":
    return _problem(f"there is nothing at {request.method} {request.url.path[:60]}", 404)


def _answering(
    handler: Handler, contestants: Contestants, worker: Worker
) -> Callable[["Request"], Awaitable["Response"]]:
    async def answer(request: "Request") -> "Response":
        from starlette.requests import ClientDisconnect
        from starlette.responses import Response, StreamingResponse

        try:
            asked = _decode(await asyncio.wait_for(_body(request), PATIENCE), handler)
        except (TimeoutError, ClientDisconnect):
            return _problem("the request did not arrive in time", 408)
        except LmzooError as error:
            return _problem(said(error), 400)
        if worker.waiting >= MOST_WAITING:
            return _problem("too many ask at once: try again", 503)
        job = worker.submit(_who(request), handler.handle(contestants, asked), handler.seconds)
        first = await _first(job, request)
        if isinstance(first, BaseException):
            superseded = isinstance(first, SupersededError)
            expected = isinstance(first, LmzooError)
            return _problem(said(first), 409 if superseded else 400 if expected else 500)
        if not handler.streams:
            return Response(msgspec.json.encode(first), media_type="application/json")
        return StreamingResponse(_lines(first, job), media_type="application/x-ndjson")

    return answer


def _who(request: "Request") -> str:
    """Whose older request on this path a newer one cancels: a page's, by the number that it has given itself."""
    page = request.headers.get("x-page", "")[:40]
    return f"{request.client.host if request.client else ''} {page} {request.url.path}"


async def _body(request: "Request") -> bytes:
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > MOST_BYTES:
            raise UsageError(f"a request has {MOST_BYTES:,} bytes at most")
    return body


def _decode(body: bytes, handler: Handler) -> Any:
    """The request in `body`. Raises UsageError, in one line, for what it may not be."""
    try:
        # Python's reader first: a lone surrogate, which JSON can write as an escape, becomes the sign for what is none.
        value = json.loads(body, parse_constant=_refuse)
        plain = json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")
        return msgspec.json.decode(plain, type=handler.request)
    except (ValueError, RecursionError) as error:  # msgspec's errors are ValueErrors
        raise UsageError(f"this is no request: {error}") from None


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no number")


async def _first(job: Job, request: "Request") -> Any:
    """The first result; a client that leaves cancels the job."""
    result = asyncio.ensure_future(job.results.get())
    gone = asyncio.ensure_future(_gone(request))
    await asyncio.wait({result, gone}, return_when=asyncio.FIRST_COMPLETED)
    gone.cancel()
    if not result.done():
        job.cancel()
        result.cancel()
        return SupersededError()
    return LmzooError("there is no answer") if result.result() is DONE else result.result()


async def _gone(request: "Request") -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _lines(first: Any, job: Job) -> AsyncIterator[bytes]:
    """The results as lines of JSON, the last one an error if there was one."""
    result = first
    try:
        while result is not DONE:
            if isinstance(result, BaseException):
                result = {"error": said(result)}
            yield msgspec.json.encode(result) + b"\n"
            result = await job.results.get()
    finally:
        job.cancel()


def _problem(problem: str, code: int) -> "Response":
    from starlette.responses import JSONResponse

    return JSONResponse({"error": problem}, code)
