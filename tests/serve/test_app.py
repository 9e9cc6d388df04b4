"""What the page asks and is answered."""

import json
import threading

import pytest

from lmzoo.serve import app
from lmzoo.serve.contestants import Contestants
from lmzoo.serve.handlers import Handler, Request
from tests.serve.served import Client, served

# Texts that nobody would type, and somebody will.
STRANGE = {
    "empty": "", "a space": " ", "NUL": "a\0b", "right to left": "שלום עולם", "joined": "👩‍👩‍👧‍👦" * 3,
    "unknown": "ﷺ𒀀", "lines": "a\n\n\nb", "bidi": "\u202eabc\u202c", "markup": "<img src=x onerror=alert(1)>",
    "many emoji": "😀" * 2000,
}  # fmt: skip


def test_models_are_named_by_an_id_and_never_by_their_folder(client, runs):
    facts = json.loads(client.send("GET", "/api/models")[2])
    names = [model["name"] for model in facts["models"]]
    years = [model["year"] for model in facts["models"] if "year" in model]
    assert years == sorted(years)
    assert "unigram" in names
    assert [model["id"] for model in facts["models"]] == [f"m{n}" for n in range(len(runs))]
    assert str(runs[0].parent) not in json.dumps(facts)


def test_a_run_that_cannot_be_read_says_why_and_the_others_answer(client):
    facts = json.loads(client.send("GET", "/api/models")[2])
    (damaged,) = [model for model in facts["models"] if model["name"] == "damaged"]
    assert "model.safetensors" in damaged["error"]
    answers = client.ask("/api/read", text="The cat")["models"]
    assert [one["id"] for one in answers if "error" in one] == [damaged["id"]]


@pytest.mark.parametrize("text", STRANGE.values(), ids=STRANGE)
def test_any_text_has_an_answer(client, text):
    status, answer = client.post("/api/read", {"text": text, "likeliest": True})
    if len(text) == 2000 and status == 400:  # of 8,000 bytes that are spelled, on a slow machine
        assert answer == {"error": "it took too long, and was stopped"}
        return
    for one in answer["models"]:
        if "error" in one:
            continue
        assert one["bits"] is None or one["bits"] >= 0
        assert "".join(piece[0] for piece in one["pieces"]).strip() == text.strip() or "\0" in text


def test_a_lone_surrogate_is_read_as_the_sign_for_what_is_none(client):
    status, _, answer = client.send("POST", "/api/read", b'{"text": "a \\ud800 b"}')
    assert status == 200
    assert len(json.loads(answer)["models"]) > 5


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "this is no request"),
        (b"[]", "Expected `object`"),
        (b'{"text": 3}', "Expected `str`"),
        (b'{"text": "%s"}' % (b"a" * 2001), "length <= 2000"),
        (b'{"text": "a", "models": ["../x"]}', "no model '../x'"),
        (b'{"text": "a", "folder": "x"}', "unknown field"),
        (b'{"text": "a", "models": NaN}', "NaN is no number"),
        (b"[" * 20000, "this is no request"),
    ],
)
def test_what_is_no_request_is_one_line(client, body, says):
    status, _, answer = client.send("POST", "/api/read", body)
    error = json.loads(answer)["error"]
    assert status == 400
    assert says in error
    assert "\n" not in error
    assert len(error) < 400


def counting(steps, seen):
    """A handler that counts its steps, until it is stopped."""

    def handle(contestants, request):
        for n in range(steps):
            seen.append(n)
            gate.wait(0.01)
            yield None
        yield {"steps": steps}

    gate = threading.Event()
    return Handler(Request, handle, seconds=20)


@pytest.fixture
def one(monkeypatch):
    """A page that answers /api/count with this handler."""

    def page(handler):
        monkeypatch.setattr(app, "handlers", lambda: {"/api/count": handler})
        return served(Contestants(()))

    return page


def test_a_clients_newest_request_cancels_its_older_one_and_no_others(one):
    seen, answers = [], {}
    with one(counting(100, seen)) as address:

        def ask(name, who):
            answers[name] = Client(address).post("/api/count", {}, X_Page=who)

        threads = [threading.Thread(target=ask, args=pair) for pair in (("older", "a"), ("other", "b"))]
        for thread in threads:
            thread.start()
        while len(seen) < 6:
            pass
        ask("newer", "a")
        for thread in threads:
            thread.join()
    assert answers["older"] == (409, {"error": "a newer request took its place"})
    assert answers["newer"] == answers["other"] == (200, {"steps": 100})
    assert len(seen) < 300


def test_what_takes_too_long_is_stopped(one):
    seen = []
    endless = counting(10**9, seen)
    with one(Handler(Request, endless.handle, seconds=0.1)) as address:
        status, answer = Client(address).post("/api/count", {})
    assert (status, answer["error"]) == (400, "it took too long, and was stopped")
    assert len(seen) < 1000


def test_a_bug_is_one_line_and_the_page_stands(one):
    def broken(contestants, request):
        yield None
        raise ZeroDivisionError("oh\nno")

    with one(Handler(Request, broken)) as address:
        assert Client(address).post("/api/count", {}) == (500, {"error": "ZeroDivisionError: oh no"})
        assert Client(address).send("GET", "/")[0] == 200


def test_a_stream_is_a_line_for_each_result_and_its_end_may_be_an_error(one):
    def lines(contestants, request):
        yield {"n": 1}
        yield None
        yield {"n": 2}
        raise ZeroDivisionError("no")

    with one(Handler(Request, lines, streams=True)) as address:
        found = Client(address).lines("/api/count")
    assert found == [{"n": 1}, {"n": 2}, {"error": "ZeroDivisionError: no"}]


def test_sixteen_at_once_are_all_answered(client):
    statuses = []

    def ask(n):
        for text in ("The cat", "The cat sat", "The cat sat on"):
            statuses.append(client.post("/api/read", {"text": f"{text} {n}"}, X_Page=str(n))[0])

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [200] * 48
