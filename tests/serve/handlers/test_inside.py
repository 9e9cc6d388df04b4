"""What the screens Why and Inside are answered: each kind of model in its own way, whatever is typed."""

import json

import msgspec
import pytest
import torch

from lmzoo import models
from lmzoo.data import tokenizers
from lmzoo.errors import LmzooError, UsageError
from lmzoo.evaluation.text_model import TextModel
from lmzoo.interface import Data, Run
from lmzoo.models.ngram import Ngram
from lmzoo.models.svd import SVD
from lmzoo.models.uniform import Uniform
from lmzoo.runs import store
from lmzoo.serve.contestants import Contestant, Contestants
from lmzoo.serve.handlers import inside
from lmzoo.serve.handlers.inside import Explain, Inside, Measured, Words
from lmzoo.serve.reading import Reader

TEXT = "the old cat sat on the mat and the old dog saw the cats. " * 20
WORDS = tokenizers.train("word:300", TEXT)


def network(name):
    cls = models.find(name)
    torch.manual_seed(1)
    model = cls.from_config(models.presets(cls)["tiny"])
    return model.holding(model.build(WORDS.vocab_size).eval(), WORDS.vocab_size)


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The models of a page, by their ids."""
    place, data = (
        tmp_path_factory.mktemp("page"),
        Data.of(WORDS.encode(TEXT), WORDS.encode(TEXT[:300]), WORDS.vocab_size),
    )
    fitted = {name: network(name) for name in ("gpt", "lstm", "mlp")}
    fitted["ngram"] = Ngram(order=3).fit(data)
    fitted["svd"] = SVD.from_config(models.presets(SVD)["tiny"]).fit(data, Run(device="cpu"))
    fitted["uniform"] = Uniform().fit(data)
    (place / "text.txt").write_text(TEXT * 30)
    found = {}
    for name, model in fitted.items():
        store.save(TextModel(model, WORDS), place / name, {"corpus_path": str(place / "text.txt")})
        found[name] = Contestant(name, name, place / name, Reader(TextModel(model, WORDS)))
    return Contestants((*found.values(), Contestant("broken", "broken", place, None, "it is damaged")))


def answer(handle, page, request):
    """The last thing that a handler yields, as the page gets it."""
    return json.loads(json.dumps([one for one in handle(page, request) if one is not None][-1], allow_nan=False))


# ── Why ──

KINDS = {
    "ngram": "ngram",
    "gpt": "attention",
    "lstm": "gates",
    "mlp": "neighbours",
    "svd": "neighbours",
    "uniform": "none",
}


@pytest.mark.parametrize(("name", "kind"), KINDS.items())
@pytest.mark.parametrize("text", ["the old cat", "", " ", "\0", "😀‍🔥 עברית", "the old cat sat " * 120], ids=range(6))
def test_every_model_explains_every_text_in_its_way(page, name, kind, text):
    facts = answer(inside.explain, page, Explain(text, name))
    assert facts["kind"] == kind
    if kind != "none":
        assert facts["place"] == (len(facts["pieces"]) - 1 if facts["pieces"] else None)


def test_an_ngram_backs_off_from_what_it_saw_to_shorter_contexts(page):
    facts = answer(inside.explain, page, Explain("the old cat", "ngram"))
    assert (facts["token"], facts["context"][-1]) == ("␣cat", "␣old")
    assert [term["order"] for term in facts["terms"]] == list(range(len(facts["terms"]), 0, -1))
    last = next(term for term in facts["terms"] if term["context"] == ["␣old"])
    assert dict(last["followers"]) == {"␣cat": 20, "␣dog": 20}


def test_the_place_that_is_asked_about_is_explained(page):
    assert answer(inside.explain, page, Explain("the old cat", "ngram", 1))["token"] == "␣old"
    facts = answer(inside.explain, page, Explain("the old cat", "gpt", 1))
    assert facts["before"] == ["⊢", "the"]
    assert all(
        len(head["weights"]) == 2 and sum(head["weights"]) == pytest.approx(1, abs=0.01) for head in facts["heads"]
    )
    with pytest.raises(UsageError, match="place must be 0 or more and below 3, not 3"):
        answer(inside.explain, page, Explain("the old cat", "gpt", 3))


def test_gates_are_shown_up_to_where_the_token_is_predicted(page):
    facts = answer(inside.explain, page, Explain("the old cat", "lstm"))
    assert facts["read"] == ["⊢", "the", " old", " cat"]
    assert {name: len(values) for name, values in facts["gates"].items()} == {"input": 4, "forget": 4, "output": 4}
    held = inside.inside.held(inside._look(page.one("lstm").text_model, "the old cat").inside.recurrent[0])
    first = facts["changed"][0]
    assert first["after"] == pytest.approx(float(held[2, first["cell"] - 1]))  # behind " old", which predicts " cat"
    assert first["before"] == pytest.approx(float(held[1, first["cell"] - 1]))
    moves = [abs(one["after"] - one["before"]) for one in facts["changed"]]
    assert moves == sorted(moves, reverse=True)


def test_words_within_reach_are_shown_with_their_neighbours(page):
    facts = answer(inside.explain, page, Explain("the old cat sat on the mat", "mlp"))  # it sees four tokens
    assert [one["word"] for one in facts["context"]] == ["cat", "sat", "on", "the"]
    assert all(len(one["neighbours"]) == 6 for one in facts["context"])


# ── Inside ──


@pytest.mark.parametrize(
    ("name", "what", "keys"),
    [
        ("gpt", "attention", {"pieces", "weights", "layer", "head"}),
        ("gpt", "lens", {"pieces", "layers"}),
        ("gpt", "positions", {"points", "variance"}),
        ("lstm", "cells", {"pieces", "values", "gates"}),
    ],
)
def test_what_is_inside_is_shown(page, name, what, keys):
    assert keys <= set(answer(inside.look_inside, page, Inside(name, what, "the old cat")))


def test_heads_are_measured_and_cells_where_the_corpus_is_on_this_machine(page, monkeypatch):
    (found,) = answer(inside.measured, page, Measured("gpt"))["measured"]
    assert (found["what"], found["passed"]) == ("induction", False)
    cells = answer(inside.measured, page, Measured("lstm"))["measured"]
    assert {one["what"] for one in cells} == {"cell"}
    assert answer(inside.measured, page, Measured("mlp"))["measured"] == []
    monkeypatch.setattr(inside.inside_measured, "measuring", None)  # what was measured is remembered
    assert answer(inside.measured, page, Measured("lstm"))["measured"] == cells


# ── Words ──


def test_words_have_a_map_neighbours_and_analogies(page):
    facts = answer(inside.words, page, Words("svd"))
    assert len(facts["words"]) == len(facts["points"]) <= 60
    near = answer(inside.words, page, Words("svd", words=["cat", "dog"]))["neighbours"]
    assert [one["word"] for one in near] == ["cat", "dog"]
    answers = answer(inside.words, page, Words("svd", a="cats", b="cat", c="dog"))["answers"]
    assert not {"cats", "cat", "dog"} & {word for word, _ in answers}
    assert answers == inside._scored(inside._vectors(page.one("svd").text_model).analogy("cat", "cats", "dog", 6))


@pytest.mark.parametrize(
    ("handle", "request_", "message"),
    [
        (inside.look_inside, Inside("lstm", "attention", "a"), "lstm has no attention"),
        (inside.look_inside, Inside("lstm", "cells", "a", 1, 33), "no cell 33 in this model"),
        (inside.look_inside, Inside("ngram", "cells", "a"), "no neural network"),
        (inside.words, Words("uniform"), "uniform has no word vectors"),
        (inside.words, Words("svd", words=["ca"]), "no vector for 'ca' (perhaps"),
        (inside.words, Words("svd", a="cat", b="dog"), "no vector for ''"),
    ],
)
def test_what_is_not_there_is_said_in_a_line(page, handle, request_, message):
    error = answer(handle, page, request_)["error"]
    assert message in error
    assert "\n" not in error


@pytest.mark.parametrize(
    ("model", "message"), [("nobody", "there is no model 'nobody' here"), ("broken", "it is damaged")]
)
def test_a_model_that_cannot_be_read_is_said_as_well(page, model, message):
    for handle, kind in (
        (inside.explain, Explain("a", model)),
        (inside.measured, Measured(model)),
        (inside.words, Words(model)),
    ):
        with pytest.raises(LmzooError, match=message):
            answer(handle, page, kind)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (Explain, {"text": "a" * 2001, "model": "gpt"}),
        (Explain, {"text": "a", "model": "gpt", "place": -1}),
        (Explain, {"text": "a", "model": "gpt", "path": "/etc"}),
        (Inside, {"text": "a", "model": "gpt", "what": "weights"}),
        (Inside, {"text": "a", "model": "gpt", "what": "cells", "layer": 10**9}),
        (Words, {"model": "gpt", "words": ["a"] * 6}),
        (Words, {"model": "gpt", "a": "a" * 101}),
    ],
)
def test_requests_are_bounded(kind, body):
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(body, kind)
