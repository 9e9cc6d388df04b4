"""Who may ask the page, and what the browser may do with it: checked before anything is read.

A page of another site can make a visitor's browser send requests to this computer, also under a name of its own that
it has let point here (DNS rebinding). So a request must name a host that we go by, come from our own page if it says
from where it comes, and be JSON, which another site's page cannot send without asking first; and nobody is answered
that they may.
"""

from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any

MOST_BYTES = 32 * 1024  # of a body: 2,000 emoji as \u escapes of JSON take 24,000
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class Guard:
    """An ASGI application around `app` that answers only requests as above, and puts HEADERS on every answer."""

    def __init__(self, app: Callable[..., Awaitable[None]], hosts: Sequence[str]) -> None:
        self.app, self.hosts = app, {host.lower() for host in hosts}

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":  # there are no sockets, and nothing happens when the server starts
            return
        from starlette.responses import JSONResponse

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [
                    *message["headers"],
                    *((key.lower().encode(), value.encode()) for key, value in HEADERS.items()),
                ]
            await send(message)

        code, problem = self.problem(scope)
        app = JSONResponse({"error": problem}, code) if code else self.app
        await app(scope, receive, send_with_headers)

    def problem(self, scope: Message) -> tuple[int, str]:
        """(status code, what is wrong with the request), (0, "") if nothing is."""
        headers: dict[str, list[str]] = {}
        for key, value in scope["headers"]:
            headers.setdefault(key.decode("latin-1").lower(), []).append(value.decode("latin-1"))
        host = ",".join(headers.get("host", [])).lower()
        if host not in self.hosts:
            return (
                421,
                "open the address that lmzoo serve printed, or name another with --allow-host",
            )
        for origin in headers.get("origin", []):
            if origin.lower() not in (f"http://{host}", f"https://{host}"):
                return 403, "only the page itself may ask"
        if scope["method"] == "POST":
            if ",".join(headers.get("content-type", [])).partition(";")[0].strip().lower() != "application/json":
                return 415, "a request is JSON: Content-Type: application/json"
            if not (length := headers.get("content-length", ["0"])[0]).isdigit() or int(length) > MOST_BYTES:
                return 413, f"a request has {MOST_BYTES:,} bytes at most"
        return 0, ""


def names(hosts: Sequence[str], port: int) -> list[str]:
    """What a browser may call us: each host with the port, those with a port of their own as they are."""
    return [host if ":" in host.rpartition("]")[2] else f"{host}:{port}" for host in hosts]
