"""The server's end: quiet and soon, whatever is being answered."""

import asyncio
import json
import socket
import threading
from contextlib import ExitStack

from lmzoo.serve import app
from lmzoo.serve.contestants import Contestants
from lmzoo.serve.handlers import Handler, Request
from lmzoo.serve.server import listen
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


def test_an_answer_waits_for_no_acknowledgement_of_its_headers():
    class Connected(asyncio.Protocol):
        def connection_made(self, transport):
            found.append(transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            transport.close()

    async def connect(listening):
        async with await asyncio.get_running_loop().create_server(Connected, sock=listening):
            reader, writer = await asyncio.open_connection(*listening.getsockname())
            await reader.read()
            writer.close()

    found = []
    with listen("127.0.0.1", 0) as listening:
        thread = threading.Thread(target=lambda: asyncio.run(connect(listening)))  # Playwright has a loop in this one
        thread.start()
        thread.join()
    assert len(found) == 1
    assert found[0]
