"""The server's end: quiet and soon, whatever is being answered."""

import json
import threading
from contextlib import ExitStack

from lmzoo.serve import app
from lmzoo.serve.contestants import Contestants
from lmzoo.serve.handlers import Handler, Request
from tests.serve.served import Client, served


def test_it_ends_quietly_while_an_answer_streams(monkeypatch, capfd):
    def endless(contestants, request):
        while True:
            gate.wait(0.01)
            yield {"more": True}

    gate = threading.Event()
    handler = Handler(Request, endless, streams=True, seconds=60)
    monkeypatch.setattr(app, "handlers", lambda: {"/api/endless": handler})
    others = {*threading.enumerate()}
    with ExitStack() as until:
        with served(Contestants(())) as address:
            answer = until.enter_context(Client(address).opened("POST", "/api/endless", b"{}"))
            assert json.loads(answer.readline()) == {"more": True}
            servers = [
                thread for thread in threading.enumerate() if thread.name == "lmzoo page" and thread not in others
            ]
        answer.close()
    assert [thread.join(1.0) or thread.is_alive() for thread in servers] == [False]
    assert capfd.readouterr() == ("", "")
