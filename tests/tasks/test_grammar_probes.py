"""Labelled sets written by the grammar: the labels are what the grammar itself says, and no part knows another."""

import re
from pathlib import Path

import numpy as np
import pytest

from lmzoo.data import cards, tokenizers
from lmzoo.data.grammar import Grammar
from lmzoo.data.grammar_file import END
from lmzoo.errors import UsageError
from lmzoo.evaluation.text_model import TextModel
from lmzoo.models.ngram import Ngram
from lmzoo.tasks import grammar_probes
from lmzoo.tasks.probing.datasets import TEST, TRAIN, VALID
from tests.tasks.models import Table, fitted

SIZES = {TRAIN: 40, VALID: 40, TEST: 80}  # multiples of the strata: 2, 4, 8 and 10
BYTES = tokenizers.train("byte", "")


@pytest.fixture(scope="module")
def grammar():
    return Grammar.load(cards.folder() / "storyworld.grammar.toml")


@pytest.fixture(scope="module")
def training(grammar):
    return "".join(grammar.generate(200_000, "7/train"))


@pytest.fixture(scope="module")
def sets(grammar, training):
    made = grammar_probes.sets(grammar, training, sizes=SIZES)
    return dict(zip([question.key for question in grammar_probes.QUESTIONS], made, strict=True))


def labelled(examples):
    """(text, label) of each example."""
    (texts,) = examples.texts
    return [(text.removeprefix(END), examples.classes[n]) for text, n in zip(texts, examples.labels, strict=True)]


def test_every_part_and_every_beginning_of_the_training_texts_is_balanced(sets):
    for key, examples in sets.items():
        assert {part: (examples.parts == part).sum() for part in SIZES} == SIZES
        for part in SIZES:
            counts = np.bincount(examples.labels[examples.parts == part])
            assert len(counts) == len(examples.classes) and np.ptp(counts) == 0, key
        for first in range(1, 40):
            assert np.ptp(np.bincount(examples.labels[:first], minlength=len(examples.classes))) <= 2, key


def test_no_text_is_in_two_parts_or_in_the_training_text(sets, training):
    for examples in sets.values():
        texts = [text for text, _ in labelled(examples)]
        assert len(set(texts)) == len(texts) == 160
        assert not any(text in training for text in texts)


def test_texts_that_are_in_the_training_text_are_not_drawn_again(grammar, sets):
    known = "\n\n".join(text for text, _ in labelled(sets["meant"]))
    (again,) = grammar_probes.sets(grammar, known, ["meant"], sizes=SIZES)
    assert not {text for text, _ in labelled(again)} & {text for text, _ in labelled(sets["meant"])}


def test_the_same_seed_gives_the_same_texts_whatever_else_is_wanted(grammar, training, sets):
    stars, topic = grammar_probes.sets(grammar, training, ["topic", "stars"][::-1], sizes=SIZES)[::-1]
    assert stars.digest() == sets["stars"].digest()
    assert topic.digest() == sets["topic"].digest()
    (other,) = grammar_probes.sets(grammar, training, ["stars"], seed=2, sizes=SIZES)
    assert other.digest() != sets["stars"].digest()


# ── The labels ────────────────────────────────────────────────────────────────────────────────────


def test_the_grammar_can_write_a_text_with_the_right_verb_and_none_with_the_wrong_one(grammar, sets):
    for text, label in labelled(sets["grammatical"])[:60]:
        assert bool(grammar.derivations(text, prefix=True)) == (label == "right"), text


def test_a_subjects_number_is_that_of_the_verbs_that_can_follow(grammar, sets):
    verbs = [row.features for row in grammar.words["does"].values()]
    for text, label in labelled(sets["number"])[:60]:
        fits = {
            number: any(grammar.derivations(f"{text} {verb[number]} ", prefix=True) for verb in verbs[:3])
            for number in ("sg", "pl")
        }
        assert [number for number, fit in fits.items() if fit] == [label], text


def test_the_last_noun_before_the_verb_says_nothing_of_the_subjects_number(grammar, sets):
    plurals = {row.features["pl"] for table in ("animal", "job") for row in grammar.words[table].values()}
    nouns = plurals | {name for table in ("animal", "job") for name in grammar.words[table]}
    nearest = [[word for word in re.findall(r"\w+", text) if word in nouns][-1] for text, _ in labelled(sets["number"])]
    same = [
        (noun in plurals) == (label == "pl") for noun, (_, label) in zip(nearest, labelled(sets["number"]), strict=True)
    ]
    assert np.mean(same) == 0.5


def test_stars_are_one_and_one_more_for_each_kind_word(grammar, sets):
    names = {row.features["value"]: name for name, row in grammar.words["figure"].items()}
    for text, label in labelled(sets["stars"]):
        kind = sum(word in grammar.words["good"] for word in re.findall(r"\w+", text.partition(". ")[2]))
        assert names[1 + kind] == label, text


def test_a_topic_is_the_place_that_has_these_things_and_is_not_named(grammar, sets):
    for text, label in labelled(sets["topic"]):
        things = grammar.words["topic"][label].features["thing"]
        forms = {form for name in things for form in (name, grammar.words["thing"][name].features["pl"])}
        assert forms & set(re.findall(r"\w+", text)), text
        assert label not in text


def test_who_is_meant_is_the_first_who_was_named_and_no_pronoun_tells(grammar, sets):
    sex_of = {name: sex for sex in ("man", "woman") for name in grammar.words[sex]}
    for text, label in labelled(sets["meant"]):
        named = [sex_of[word] for word in re.findall(r"\w+", text) if word in sex_of]
        assert label in named and set(named) == {"man", "woman"}
        assert not re.search(r"\b(he|she|him|her|his)\b", text, re.IGNORECASE)


def test_a_kind_is_one_of_the_documents(grammar, sets):
    assert set(sets["kind"].classes) == set(grammar.kinds)
    assert all(text.endswith(".") for text, _ in labelled(sets["kind"]))


# ── Asking ────────────────────────────────────────────────────────────────────────────────────────


def test_a_model_with_vectors_is_scored_and_one_without_has_a_note(sets):
    some = [sets["stars"], sets["meant"]]
    results = grammar_probes.evaluate(TextModel(fitted(Table(), BYTES, "a cat sat."), BYTES), some)
    assert [(result.task, result.items, result.training) for result in results] == [
        ("stars", 80, 80), ("who is meant", 80, 80),
    ]  # fmt: skip
    assert all(0 <= result.value <= 1 for result in results)
    without = grammar_probes.evaluate(TextModel(fitted(Ngram(order=2), BYTES, "a cat sat."), BYTES), some)
    assert [result.value for result in without] == [None, None]
    assert "has no vectors to probe" in without[0].note


def test_another_grammar_is_refused(tmp_path):
    (tmp_path / "g.toml").write_text('documents = {a = 1}\nrules = {a = ["x {word}"]}\nwords = {word = ["b", "c"]}\n')
    grammar = Grammar.load(Path(tmp_path / "g.toml"))
    with pytest.raises(UsageError, match="no 'chronicle' to label: the probes are made for storyworld"):
        grammar_probes.sets(grammar)
