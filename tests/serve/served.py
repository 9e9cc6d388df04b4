"""The live page in a thread of the tests, and requests to it as they are on the wire."""

import http.client
import json
from contextlib import contextmanager

from lmzoo.serve.app import application
from lmzoo.serve.safety import LOOPBACK, Guard, names
from lmzoo.serve.server import listen, serving


@contextmanager
def served(contestants):
    """The address (host, port) at which the page of these runs is served."""
    with listen("127.0.0.1", 0) as listening:
        port = listening.getsockname()[1]
        with serving(Guard(application(contestants), names(LOOPBACK, port)), listening):
            yield "127.0.0.1", port


def fill(page, text):
    """Puts a text into the box of a page and waits until what is shown is what the models say of it."""
    shown = page.get_attribute("main", "data-read")
    page.fill("#text", text)
    page.wait_for_function("shown => document.querySelector('main').dataset.read !== shown", arg=shown)


class Client:
    """Asks the page at an address."""

    def __init__(self, address):
        self.host, self.port = address

    @contextmanager
    def opened(self, method, path, body=b"", **headers):
        """The answer, to be read; `headers` replace those that a browser would send, with _ for -."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=20)
        sent = {"Host": f"{self.host}:{self.port}"}
        if method == "POST":
            sent["Content-Type"] = "application/json"
        sent |= {key.replace("_", "-"): value for key, value in headers.items()}
        connection.request(method, path, body, {key: value for key, value in sent.items() if value is not None})
        yield connection.getresponse()
        connection.close()

    def send(self, method, path, body=b"", **headers):
        """(status, headers, body)."""
        with self.opened(method, path, body, **headers) as answer:
            return answer.status, dict(answer.getheaders()), answer.read()

    def post(self, path, body, **headers):
        """(status, the JSON of the answer)."""
        status, _, answer = self.send("POST", path, json.dumps(body).encode(), **headers)
        return status, json.loads(answer)

    def ask(self, path, **body):
        """The JSON of an answer that must be there."""
        status, answer = self.post(path, body)
        assert status == 200, answer
        return answer

    def lines(self, path, **body):
        """The lines of a stream."""
        status, _, answer = self.send("POST", path, json.dumps(body).encode())
        assert status == 200, answer
        return [json.loads(line) for line in answer.splitlines()]
