"""Who may ask the page: its own page, under its own name, in JSON, and briefly."""

import json
import socket
import time

import pytest

from lmzoo.serve.safety import HEADERS, MOST_BYTES, names


def test_every_answer_tells_the_browser_what_the_page_may_do(client):
    for method, path, body in (("GET", "/", b""), ("GET", "/nothing", b""), ("POST", "/api/read", b"{")):
        _, headers, _ = client.send(method, path, body)
        assert {key: headers[key.lower()] for key in HEADERS} == HEADERS
        assert not [key for key in headers if key.lower().startswith("access-control")]
        assert "server" not in headers
    assert "script-src" not in HEADERS["Content-Security-Policy"]  # which `default-src 'self'` is for all
    assert "unsafe" not in HEADERS["Content-Security-Policy"]


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "127.0.0.1:1", "127.0.0.1.evil.example:PORT", ""])
def test_a_name_that_only_points_here_is_refused(client, host):
    """DNS rebinding: the browser believes that it asks the site whose page it shows."""
    status, _, answer = client.send("GET", "/api/models", Host=host.replace("PORT", str(client.port)))
    assert status == 421
    assert b"unigram" not in answer


def test_our_own_names_are_answered(client):
    for host in ("127.0.0.1", "localhost", "LOCALHOST", "[::1]"):
        assert client.send("GET", "/api/models", Host=f"{host}:{client.port}")[0] == 200
    assert names(["a.example", "b.example:80", "[::1]"], 8765) == ["a.example:8765", "b.example:80", "[::1]:8765"]


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://127.0.0.1", "http://localhost:PORT", "file://"]
)
def test_pages_of_others_may_not_ask(client, origin):
    status, answer = client.post("/api/read", {"text": "a"}, Origin=origin.replace("PORT", str(client.port)))
    assert (status, answer) == (403, {"error": "only the page itself may ask"})


def test_its_own_page_may(client):
    own = f"http://127.0.0.1:{client.port}"
    assert client.post("/api/read", {"text": "a"}, Origin=own)[0] == 200


@pytest.mark.parametrize(
    "kind", [None, "text/plain", "application/x-www-form-urlencoded", "text/plain; application/json"]
)
def test_what_another_page_could_send_unasked_is_refused(client, kind):
    assert client.post("/api/read", {"text": "a"}, Content_Type=kind)[0] == 415


def test_a_request_is_short(client):
    status, _, answer = client.send("POST", "/api/read", b" " * (MOST_BYTES + 1))
    assert (status, json.loads(answer)) == (413, {"error": "a request has 32,768 bytes at most"})
    with socket.create_connection((client.host, client.port), timeout=10) as wire:  # which does not say how long it is
        wire.sendall(
            f"POST /api/read HTTP/1.1\r\nHost: {client.host}:{client.port}\r\nContent-Type: application/json\r\n"
            "Transfer-Encoding: chunked\r\n\r\n".encode()
        )
        for _ in range(MOST_BYTES // 4096 + 1):
            wire.sendall(b"1000\r\n" + b" " * 4096 + b"\r\n")
        assert b"HTTP/1.1 400" in wire.recv(64)


def test_no_path_leads_to_a_file(client):
    for path in (
        "/static/app.js",
        "/../app.py",
        "/screens/../../app.py",
        "/%2e%2e/app.py",
        "/screens/",
        "//etc/passwd",
    ):
        assert client.send("GET", path)[0] == 404, path


def test_slow_and_half_open_connections_stop_nobody(client):
    wires = [socket.create_connection((client.host, client.port)) for _ in range(40)]
    head = f"POST /api/read HTTP/1.1\r\nHost: {client.host}:{client.port}\r\nContent-Type: application/json\r\n"
    for n, wire in enumerate(wires):
        beginning = (b"", head.encode(), f"{head}Content-Length: 90\r\n\r\n{{".encode())[n % 3]
        wire.sendall(beginning)
    began = time.monotonic()
    assert client.ask("/api/read", text="The cat")["models"]
    assert time.monotonic() - began < 5
    for wire in wires:
        wire.close()
