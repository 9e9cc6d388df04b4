"""`lmzoo unit`: a text coloured by a unit, what the network writes with it held fast, JSON, a page, and mistakes."""

import json

import pytest
import torch

from lmzoo import models
from lmzoo.cli.unit import show_unit
from lmzoo.data import tokenizers
from lmzoo.evaluation import units
from lmzoo.evaluation.text_model import TextModel
from lmzoo.runs import store


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Untrained networks that read bytes, one of them not recurrent."""
    place = tmp_path_factory.mktemp("unit")
    tokenizer = tokenizers.train("byte", "a")
    torch.manual_seed(0)
    for name in ("mlstm", "gpt"):
        model = models.make(models.find(name), {"preset": "tiny"})
        net = model.build(tokenizer.vocab_size).eval()
        store.save(TextModel(model.holding(net, tokenizer.vocab_size), tokenizer), place / name, {})
    return place


@pytest.fixture
def lmzoo(calling, monkeypatch, folder):
    monkeypatch.chdir(folder)
    monkeypatch.setenv("COLUMNS", "80")
    return calling(unit=show_unit)


def test_where_there_are_no_colours_words_have_values(lmzoo, folder):
    code, out, _ = lmzoo("mlstm", 3, "The old\ncat")
    assert code == 0
    text_model = store.load(folder / "mlstm")
    after = units.values(text_model, units.encoded(text_model, "The old cat"))[:, 3]
    rows = [line.split() for line in out.splitlines()[3:6]]
    assert rows == [[word, f"{after[t]:.3f}"] for word, t in (("The", 4), ("old", 8), ("cat", 12))]
    assert "unit 3 of mlstm: from " in out


def test_a_terminal_shows_colours(lmzoo, monkeypatch):
    for name, value in {"FORCE_COLOR": "1", "TERM": "xterm-256color", "COLORTERM": "truecolor"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("NO_COLOR", raising=False)
    _, out, _ = lmzoo("mlstm", 3, "The cat")
    assert out.count("\x1b[30;48;2;") == len(" The cat ")


def test_it_writes_freely_and_with_the_unit_low_and_high(lmzoo):
    _, out, _ = lmzoo("mlstm", 3, "The cat", "--write", 8, "--low", "-9", "--high", "9", "--json")
    free, low, high = json.loads(out)["written"]
    assert (free["value"], low["value"], high["value"]) == (None, -9, 9)
    assert free["text"] == json.loads(lmzoo("mlstm", 3, "The cat", "--write", 8, "--json")[1])["written"][0]["text"]
    assert len({one["text"] for one in (free, low, high)}) > 1


def test_it_is_held_as_low_and_as_high_as_it_goes_by_itself(lmzoo):
    free, low, high = json.loads(lmzoo("mlstm", 3, "a", "--write", 2, "--json", "--quiet")[1])["written"]
    assert free["value"] is None
    assert -2 < low["value"] < high["value"] < 2


def test_a_page_has_the_coloured_text(lmzoo, tmp_path):
    file = tmp_path / "unit.html"
    assert lmzoo("mlstm", 3, "The cat", "--write", 4, "--out", file)[0] == 0
    assert file.read_text().count("<figure>") == 4
    code, _, err = lmzoo("mlstm", 3, "The cat", "--out", file)
    assert code == 2
    assert "--overwrite" in err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["mlstm", 16, "a"], "mlstm: no unit 16 in this mlstm: there are 0 to 15"),
        (["gpt", 0, "a"], "gpt has no units that hold something from token to token: it is not recurrent"),
        (["mlstm", 0, "a" * 6000], "the text has 6,003 tokens: at most 5,000 can be coloured"),
        (["mlstm", 0, "a", "--temperature", "-1"], "temperature must be 0 or more"),
    ],
)
def test_mistakes_are_named_in_one_line(lmzoo, arguments, says):
    code, out, err = lmzoo(*arguments)
    assert (code, out) == (2, "")
    assert says in err
    assert err.count("\n") == 1
