"""Texts of all models from one seed: those of `lmzoo generate`, in turns, with what was copied."""

import http.client
import json

import pytest

from lmzoo.serve.handlers import write
from lmzoo.serve.handlers.write import Generate, generate


def lines(contestants, **asked):
    return [line for line in generate(contestants, Generate(**asked)) if line is not None]


def written(found, id_):
    return "".join(line.get("text", "") for line in found if line["id"] == id_)


@pytest.mark.parametrize("how", [{}, {"temperature": 0}, {"temperature": 0.7, "top_p": 0.9}])
def test_each_model_writes_what_it_writes_alone_with_that_seed(contestants, how):
    found = lines(contestants, prompt="The old cat", length=12, seed=7, **how)
    again = lines(contestants, prompt="The old cat", length=12, seed=7, **how)
    for one in contestants:  # in what turns they write depends on what has been indexed
        assert [line for line in found if line["id"] == one.id] == [line for line in again if line["id"] == one.id]
    for run in contestants:
        if run.reader:
            alone = "".join(run.text_model.generate("The old cat", 12, seed=7, **how))
            assert written(found, run.id) == alone != ""
    if not how:
        assert found != lines(contestants, prompt="The old cat", length=12, seed=8)


def test_all_models_have_begun_before_one_has_gone_on(contestants):
    found = [line["id"] for line in lines(contestants, prompt="The", length=20) if "text" in line]
    writers = [run.id for run in contestants if run.reader]
    assert found[: len(writers)] == writers


def test_a_run_that_cannot_be_read_says_so_and_the_others_write(contestants):
    found = lines(contestants, prompt="The", length=2)
    failed = [line["id"] for line in found if "error" in line]
    assert failed == [run.id for run in contestants if run.reader is None] != []
    assert len([line for line in found if line.get("done")]) == len(list(contestants)) - 1


def test_what_stands_in_the_training_text_is_marked(contestants, monkeypatch):
    run = next(run for run in contestants if run.reader)
    text = "".join(run.text_model.generate("The", 60))
    monkeypatch.setattr(write, "_INDEXED", {})
    monkeypatch.setattr(write, "training_text", lambda _: f"\0{text[5:45]}\0{text[50:79]}\0")  # of which 29 are too few
    *_, last = lines(contestants, prompt="The", length=60, models=[run.id])
    assert last == {"id": run.id, "done": True, "copied": [[5, 45]], "note": ""}


def test_the_training_text_is_that_of_the_run(contestants, story):
    found = [write.training_of(run) for run in contestants if run.reader]
    assert all(len(text) > 10_000 and text in story for text in found)


def test_a_training_text_is_read_once_for_all_models_and_kept(contestants, monkeypatch):
    read = []
    monkeypatch.setattr(write, "_INDEXED", {})
    monkeypatch.setattr(write, "_facts", lambda _: b"{}")
    monkeypatch.setattr(write, "training_text", lambda facts: read.append(facts) or "The old cat sat. " * 20_000)
    steps = generate(contestants, Generate(prompt="The", length=2))
    while not read:
        next(steps)
    steps.close()  # a newer request takes its place, and goes on with the index
    lines(contestants, prompt="The", length=2)
    lines(contestants, prompt="The", length=2)
    assert len(read) == 1


def test_a_training_text_that_is_gone_is_not_searched(contestants, monkeypatch):
    monkeypatch.setattr(write, "_INDEXED", {})
    monkeypatch.setattr(write, "training_text", lambda _: None)
    done = [line for line in lines(contestants, prompt="The", length=1) if line.get("done")]
    assert {line["note"] for line in done} == {write.NOT_HERE}


def test_a_step_is_one_token_of_one_model(contestants):
    """So a newer request has to wait no longer."""
    steps = generate(contestants, Generate(prompt="The", length=200))
    texts = 0
    for _ in range(60):
        line = next(steps)
        texts += len((line or {}).get("text", "")) > 0
    assert 20 < texts < 60


@pytest.mark.parametrize(
    "wrong", ['"temperature": 2.1', '"temperature": -1', '"top_p": 0', '"length": 257', '"length": 0', '"seed": -1']
)
def test_what_is_out_of_range_is_refused(client, wrong):
    status, _, answer = client.send("POST", "/api/generate", f'{{"prompt": "The", {wrong}}}'.encode())
    assert status == 400
    assert b'{"error":"this is no request: ' in answer


def test_the_lines_arrive_as_json(client):
    found = client.lines("/api/generate", prompt="The \ud800 cat", length=3)
    assert {line["id"] for line in found if line.get("done")} | {"m6"} == {line["id"] for line in found}


def test_a_newer_request_of_the_same_page_ends_the_older_between_two_tokens(client):
    connection = http.client.HTTPConnection(client.host, client.port, timeout=20)
    asked = json.dumps({"prompt": "The", "length": 256})
    headers = {"Content-Type": "application/json", "X-Page": "the same"}
    connection.request("POST", "/api/generate", asked, headers)
    older = connection.getresponse()
    first = older.readline()
    newer = client.post("/api/generate", {"prompt": "The", "length": 300}, X_Page="the same")[0]
    assert newer == 400  # refused before it took the place of any
    client.send(
        "POST",
        "/api/generate",
        json.dumps({"prompt": "The", "length": 1}).encode(),
        X_Page="the same",
        Content_Type="application/json",
    )
    lines = [json.loads(line) for line in (first, *older)]
    connection.close()
    assert lines[-1] == {"error": "a newer request took its place"}
    assert len(lines) < 1000 < 6 * 256
