"""Measured, not asserted: a head or cell made by hand is found, and passes; what only looks like one does not."""

import random
import re

import numpy as np
import pytest
import torch

from lmzoo import models
from lmzoo.analysis import inside_measured as measured
from lmzoo.data import corpus
from lmzoo.data.grammar import Grammar
from lmzoo.data.tokenizers import train
from lmzoo.evaluation.text_model import TextModel
from lmzoo.neural import inside as networks
from lmzoo.neural.inside import Cells, Inside

GRAMMAR = Grammar.load(corpus.folder() / "storyworld.grammar.toml")
LETTERS = train("char", "the cat\nsat")


def network(name, tokenizer=LETTERS, **settings):
    cls = models.find(name)
    torch.manual_seed(1)
    model = cls.from_config(models.presets(cls)["tiny"] | settings)
    return TextModel(model.holding(model.build(tokenizer.vocab_size).eval(), tokenizer.vocab_size), tokenizer)


def attending(monkeypatch, choose):
    """The second head of the first layer looks where `choose(ids, t)` says, all others at the first token."""

    def read(_net, ids):
        maps = np.zeros((2, 2, len(ids), len(ids)))
        maps[:, :, :, 0] = 1
        maps[0, 1] = 0
        for t in range(len(ids)):
            maps[0, 1, t, choose(ids.tolist(), t)] = 1
        return Inside(np.zeros((len(ids), 1)), list(maps), [], [])

    monkeypatch.setattr(networks, "read", read)


def kind(found, what):
    return next(one for one in found if one["what"] == what)


# ── Induction ──


def test_random_tokens_come_twice_in_the_same_order_and_without_the_end():
    often = np.repeat([0, 2], [5, 44])
    rows = measured.repeats(often, 10, 3, seed=1)
    assert rows.shape == (3, 20)
    np.testing.assert_array_equal(rows[:, :10], rows[:, 10:])
    assert rows.min() >= 5
    assert rows.max() < 49
    assert all(len(set(row[:10])) == 10 for row in rows.tolist())
    assert (rows != measured.repeats(often, 10, 3, seed=2)).any()


def test_a_head_that_looks_behind_the_earlier_place_of_a_token_is_an_induction_head(monkeypatch):
    attending(monkeypatch, lambda ids, t: ids[:t].index(ids[t]) + 1 if ids[t] in ids[:t] else 0)
    found = kind(measured.measure(network("gpt", window=64)), "induction")
    assert (found["layer"], found["number"], found["passed"]) == (1, 2, True)
    assert found["value"] == pytest.approx(1)
    model = network("gpt", window=64).model  # what it costs is the model's own, whatever the head does
    rows = list(measured.repeats(np.arange(model.vocab_size_) < model.vocab_size_ - 1, 12, 8, 2))
    bits = -np.concatenate(model.log_probs_many(rows)).reshape(8, 24) / np.log(2)
    assert f"cost {bits[:, :12].mean():.1f} bits, and {bits[:, 13:].mean():.1f} when they come again" in found["about"]


def test_a_head_that_looks_at_the_earlier_place_itself_is_none(monkeypatch):
    attending(monkeypatch, lambda ids, t: ids.index(ids[t]))
    found = kind(measured.measure(network("gpt", window=64)), "induction")
    assert (found["value"], found["passed"]) == (0, False)


def test_an_untrained_network_has_no_induction_head():
    found = kind(measured.measure(network("gpt", window=64)), "induction")
    assert 0 < found["value"] < 0.1
    assert not found["passed"]


def test_tokens_are_repeated_as_often_as_the_held_out_text_has_them(monkeypatch):
    rows = []
    text_model = network("gpt", window=64)
    monkeypatch.setattr(measured, "_attention_to_the_next", lambda model, net, row: rows.append(row) or np.ones((2, 2)))
    measured.measure(text_model, "a" * 300 + "\n" * 300 + "c")
    first = [text_model.tokenizer.decode([row[0]]) for row in rows]
    assert {*first} <= {"a", "c"}
    assert first.count("a") > len(first) / 2
    assert "h" not in text_model.tokenizer.decode(np.concatenate(rows))


# ── Antecedents ──


def test_a_grammar_without_people_has_no_pronouns_to_ask_for():
    assert measured.pronouns(Grammar.load(corpus.folder() / "repeats.grammar.toml")) == []


QUESTIONS = measured.pronouns(GRAMMAR, many=80)
STORIES = train("word:2000", "".join(GRAMMAR.generate(60_000, 5)))


def test_questions_end_in_a_pronoun_and_half_of_them_mean_the_person_mentioned_last():
    assert len(QUESTIONS) == 80
    assert [one.recent for one in QUESTIONS] == [True, False] * 40
    for one in QUESTIONS:
        assert one.text[one.start :].lower() in {"he", "she", "him", "her", "his"}
        mentions = [one.text[start:end] for start, end in one.right]
        assert mentions[0].istitle()
        sex = {"he": "m", "him": "m", "his": "m", "she": "f", "her": "f"}
        assert (
            len(
                {sex[mention.lower()] for mention in mentions[1:] if mention.lower() in sex}
                | {sex[one.text[one.start :].lower()]}
            )
            == 1
        )


def test_the_person_mentioned_first_is_meant_in_one_half_and_not_in_the_other():
    people = {*GRAMMAR.words["man"], *GRAMMAR.words["woman"]}
    for one in QUESTIONS:
        first = next(word for word in re.findall(r"\w+", one.text) if word in people)
        assert (one.text[slice(*one.right[0])] == first) == (not one.recent)


def test_no_question_begins_a_document_of_the_training_text():
    training = "".join(one.text + " slept.\n\n" for one in QUESTIONS[:10])
    again = {one.text for one in measured.pronouns(GRAMMAR, training, many=80)}
    assert not again & {one.text for one in QUESTIONS[:10]}
    assert again & {one.text for one in QUESTIONS[10:]}


def pointing(monkeypatch, pick):
    """What is measured of a head that points to the name that `pick` chooses of (all names, the right ones)."""
    places = {}
    for one in QUESTIONS:
        ids = STORIES.encode(one.text)
        ends = np.cumsum([len(piece) for piece in STORIES.pieces(ids)])
        right = [int(np.searchsorted(ends, start, side="right")) + 1 for start, _ in one.right]
        query = int(np.searchsorted(ends, one.start, side="right"))
        places[tuple(ids[:query].tolist())] = right
    attending(monkeypatch, lambda ids, t: pick(places[tuple(ids[1:])], t) if tuple(ids[1:]) in places else 0)
    return kind(measured.measure(network("gpt", STORIES, window=128), pronouns=QUESTIONS), "antecedent")


def test_a_head_that_points_to_the_right_name_passes(monkeypatch):
    found = pointing(monkeypatch, lambda right, _: right[0])
    assert (found["layer"], found["number"], found["value"], found["passed"]) == (1, 2, 1, True)


def test_a_head_that_points_to_the_word_before_the_last_does_not(monkeypatch):
    found = pointing(monkeypatch, lambda _, t: t - 2)
    assert found["value"] < 0.2
    assert not found["passed"]


def test_a_head_that_is_right_every_second_time_does_not(monkeypatch):
    """As one that always points to the last name, or to the first, would be."""
    found = pointing(monkeypatch, lambda right, t: right[0] if right[0] > t / 2 else max(t - 1, 0))
    assert 0.2 < found["value"] < 0.65
    assert not found["passed"]


def test_a_window_too_short_for_all_documents_has_no_such_head():
    found = kind(measured.measure(network("gpt", STORIES, window=4), pronouns=QUESTIONS), "antecedent")
    assert not found["passed"]
    assert "window" in found["about"]


# ── Cells ──

LINE = 'one two "three four five" six (seven) eight. nine "ten eleven" twelve thirteen.\n'
DRAW = random.Random(1)
WORDS = [" ".join(DRAW.choices("abcde", k=DRAW.randint(1, 9))) for _ in range(400)]
QUOTED = " ".join(f'"{word}"' if DRAW.random() < 0.5 else word for word in WORDS)


def cells_that(monkeypatch, column, text=QUOTED):
    """The fourth cell of eight has what `column(text)` gives behind each character, the others noise."""

    def read(_net, ids):
        values = np.random.default_rng(len(ids)).normal(size=(len(ids), 8))
        if len(ids) > 1:
            values[1:, 3] = column(text[: len(ids) - 1])
        return Inside(values, [], [Cells(values, values, {})], [])

    monkeypatch.setattr(networks, "read", read)
    found = measured.measure(network("rnn", train("char", text)), text)
    return {one["about"].partition(", with")[0]: one for one in found}


def test_a_cell_that_is_high_within_quotations_is_found(monkeypatch):
    rng = np.random.default_rng(1)
    found = cells_that(
        monkeypatch, lambda text: measured.properties(text)["quotation"] - 2 + rng.normal(0, 0.2, len(text))
    )
    one = found["it follows whether a quotation is open"]
    assert (one["layer"], one["number"], one["passed"]) == (1, 4, True)
    assert 0.8 < one["value"] < 1


def test_a_cell_of_noise_is_none(monkeypatch):
    found = cells_that(monkeypatch, lambda text: np.random.default_rng(9).normal(size=len(text)))
    assert found
    assert not any(one["passed"] for one in found.values())


def test_a_cell_that_is_as_close_to_the_property_shifted_is_none(monkeypatch):
    """Both go up and down with every line, and any shift by a line fits as well: r says nothing there."""
    found = cells_that(monkeypatch, lambda text: measured.properties(text)["line"], LINE * 40)
    assert not found["it follows how long the line is"]["passed"]


def test_properties_behind_each_character():
    columns = measured.properties('a "b" (c).\nd')
    assert columns["quotation"].tolist() == [0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0]
    assert columns["brackets"].tolist() == [0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0]
    assert np.expm1(columns["line"]).round().tolist() == [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 0, 1]
    assert np.expm1(columns["sentence"]).round().tolist() == [0, 1, 1, 1, 1, 2, 2, 2, 2, 0, 0, 0]


def test_a_model_without_heads_and_cells_has_nothing_to_measure():
    assert measured.measure(network("mlp"), QUOTED, QUESTIONS) == []
