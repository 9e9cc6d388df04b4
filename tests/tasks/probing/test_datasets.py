"""Labelled texts: how they are read and split."""

import re
import tomllib
from pathlib import Path

import numpy as np
import pytest

from lmzoo.data import task_cards
from lmzoo.errors import FormatError, UsageError
from lmzoo.tasks.probing import datasets, label_files
from lmzoo.tasks.probing.datasets import TEST, TRAIN, UNSPLIT, VALID, ProbeSet, splits


def examples(parts, labels=None, **more):
    count = len(parts)
    labels = np.arange(count) % 2 if labels is None else np.array(labels)
    return ProbeSet("toy", ([f"text {n}" for n in range(count)],), labels, np.array(parts), **more)


@pytest.fixture
def contents(monkeypatch):
    """What `tasks.fetch` finds, to be filled in."""
    files = {}
    monkeypatch.setattr(task_cards, "fetch", lambda *_: files)
    return files


def test_a_set_with_a_split_keeps_it():
    (split,) = splits(examples([TRAIN, VALID, TEST, TRAIN]))
    assert [split.train.tolist(), split.valid.tolist(), split.test.tolist()] == [[0, 3], [1], [2]]


def test_without_a_validation_set_a_tenth_of_the_training_examples_is_one():
    (split,) = splits(examples([TRAIN] * 100 + [TEST] * 7))
    assert (len(split.train), len(split.valid)) == (90, 10)
    assert sorted([*split.train, *split.valid]) == list(range(100))
    assert split.test.tolist() == list(range(100, 107))


def test_without_a_split_each_example_is_tested_once_in_ten_folds():
    found = splits(examples([UNSPLIT] * 103))
    assert len(found) == 10
    assert sorted(np.concatenate([split.test for split in found])) == list(range(103))
    for split in found:
        assert sorted([*split.train, *split.valid, *split.test]) == list(range(103))


def test_folds_are_stratified():
    labels = [0] * 70 + [1] * 20 + [2] * 10
    for split in splits(examples([UNSPLIT] * 100, labels)):
        assert np.bincount(np.array(labels)[split.test]).tolist() == [7, 2, 1]


def test_splits_are_reproducible_and_shuffled():
    first, again = splits(examples([UNSPLIT] * 50)), splits(examples([UNSPLIT] * 50))
    assert all((a.test == b.test).all() for a, b in zip(first, again, strict=True))
    assert first[0].test.tolist() != list(range(5))


def test_a_limit_holds_for_each_part():
    few = examples([TRAIN] * 50 + [TEST] * 30 + [VALID] * 2).limited(10)
    assert np.bincount(few.parts).tolist() == [10, 2, 10]
    assert [text.split()[1] for text in few.texts[0]] == sorted([t.split()[1] for t in few.texts[0]], key=int)
    again = examples([TRAIN] * 50 + [TEST] * 30 + [VALID] * 2).limited(10)
    assert few.texts == again.texts


def test_a_limit_keeps_words_with_their_sentences():
    whole = ProbeSet("toy", (["a b", "c", "d e f"],), np.arange(6), np.array([0, 0, 0, 2, 2, 2]), word_labels=True)
    few = whole.limited(1)
    labels = {"a b": [0, 1], "c": [2], "d e f": [3, 4, 5]}
    assert few.labels.tolist() == [label for text in few.texts[0] for label in labels[text]]
    assert list(few.test_texts()) == ["d e f"]


def test_a_pair_is_tested_with_both_texts():
    pairs = ProbeSet("toy", (["a", "b"], ["c", "d"]), np.array([0, 1]), np.array([TRAIN, TEST]))
    assert list(pairs.test_texts()) == ["b", "d"]


def test_a_line_has_a_label_and_a_text_that_may_be_empty(contents):
    contents["custrev"] = "1 good .\n0 \n0 bad , 2 stars\n"
    (cr,) = datasets.load("cr")
    assert cr.texts == (["good .", "", "bad , 2 stars"],)
    assert cr.labels.tolist() == [1, 0, 0]
    assert set(cr.parts) == {UNSPLIT}


def test_a_line_without_a_label_is_named(contents):
    contents["custrev"] = "1 good .\nbad .\n"
    with pytest.raises(FormatError, match="custrev, line 2 has the label 'bad', which is not a number or a class"):
        datasets.load("cr")


def test_sick_has_entailment_entailment_from_the_hypothesis_alone_and_relatedness(contents):
    head = "pair_ID\tsentence_A\tsentence_B\trelatedness_score\tentailment_judgment\n"
    for file, row in (("SICK_train", "1\tA cat\tA dog\t4.5\tNEUTRAL"), ("SICK_trial", "2\tx\ty\t1\tENTAILMENT")):
        contents[file] = f"{head}{row}\n"
    contents["SICK_test_annotated"] = f"{head}3\tu\tv\t2.5\tCONTRADICTION\n"
    entailment, half, related = datasets.load("sick")
    assert entailment.texts == (["A cat", "x", "u"], ["A dog", "y", "v"]) == related.texts
    assert half.texts == (["A dog", "y", "v"],)
    assert [entailment.classes[label] for label in entailment.labels] == ["neutral", "entailment", "contradiction"]
    assert related.labels.tolist() == [4.5, 1.0, 2.5]
    assert related.is_regression and not entailment.is_regression
    assert entailment.parts.tolist() == [TRAIN, VALID, TEST]


def test_a_line_with_a_missing_column_is_named(contents):
    contents |= {"in_domain_train": "gj04\t1\t\tA cat sat.\n", "in_domain_dev": "gj04\t1\tA cat sat.\n"}
    with pytest.raises(FormatError, match="in_domain_dev, line 1 has 3 columns where 4 are expected"):
        datasets.load("cola")


CARD = """
title = "T"
licence = "none"
citation = "nobody"
files = []

[[probe]]
column = "Toy"
files = { train = "a", test = "b" }
fields = ["text", "label"]
texts = ["text"]
classes = ["no", "yes"]
"""


def test_a_new_card_is_a_new_task(tmp_path, monkeypatch):
    (tmp_path / "toy.toml").write_text(CARD)
    monkeypatch.setattr(task_cards, "_folder", lambda: tmp_path)
    monkeypatch.setattr(task_cards, "fetch", lambda *_: {"a": "x\tyes\ny\tno\n", "b": "z\t1\n"})
    assert datasets.names() == ["toy"]
    (toy,) = datasets.load("toy")
    assert (toy.task, toy.texts, toy.labels.tolist()) == ("Toy", (["x", "y", "z"],), [1, 0, 1])
    (tmp_path / "toy.toml").write_text(CARD + 'clases = ["no"]\n')
    with pytest.raises(FormatError, match=r"the card of toy is not right: its \[\[probe\]\] .*'clases'"):
        datasets.load("toy")


def test_the_example_of_the_documentation_works(monkeypatch):
    manual = (Path(__file__).parents[3] / "corpora" / "README.md").read_text("utf-8")
    (table,) = re.findall(r"```toml\n(\[\[probe\]\].*?)```", manual, re.DOTALL)
    card = task_cards.Task("toy", "", "", "", (), probe=tomllib.loads(table)["probe"])
    monkeypatch.setattr(task_cards, "names", lambda: ["toy"])
    monkeypatch.setattr(task_cards, "find", lambda _: card)
    monkeypatch.setattr(task_cards, "fetch", lambda *_: {"toy.train": "good\tpositive\n", "toy.test": "bad\t0\n"})
    (toy,) = datasets.load("toy")
    assert (toy.texts, toy.labels.tolist(), toy.parts.tolist()) == ((["good", "bad"],), [1, 0], [TRAIN, TEST])


def test_an_unknown_task_is_answered_with_the_nearest():
    with pytest.raises(UsageError, match="no probing task 'sst'; did you mean sst2"):
        datasets.load("sst")


def test_sentences_of_words_stay_whole_where_validation_examples_are_taken_from_training():
    sentences = [f"a{n} b{n} c{n}" for n in range(20)] + ["d e"]
    labels, parts = np.arange(62) % 4, np.repeat([TRAIN, TEST], [60, 2])
    (split,) = splits(ProbeSet("tags", (sentences,), labels, parts, word_labels=True))
    assert (len(split.train), len(split.valid), split.test.tolist()) == (54, 6, [60, 61])
    assert not set(split.train // 3) & set(split.valid // 3)


@pytest.mark.parametrize(
    ("tag", "universal"),
    [
        ("nn-tl", "NOUN"), ("np$", "NOUN"), ("vbd", "VERB"), ("bez*", "VERB"), ("md", "VERB"), ("jjr", "ADJ"),
        ("pps+bez", "PRON"), ("wps", "PRON"), ("at", "DET"), ("wdt", "DET"), ("in", "ADP"), ("cs", "ADP"),
        ("cc", "CONJ"), ("cd", "NUM"), ("rp", "PRT"), ("to", "PRT"), ("*", "ADV"), ("wrb", "ADV"), ("fw-nn", "X"),
        ("``", "."), (".", "."), (",-hl", "."), ("--", "."), ("(", "."),
    ],
)  # fmt: skip
def test_tags_of_brown_map_to_universal_ones(tag, universal):
    (card,) = task_cards.find("brown-tags").probe
    assert label_files.coarse(tag, card["tags"]) == universal


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "sizes"),
    [
        ("sst2", [6920, 872, 1821]),
        ("trec", [4906, 546, 500]),
        ("mr", [8528, 1067, 1067]),
        ("cr", [3019, 378, 378]),
        ("subj", [8000, 1000, 1000]),
        ("mpqa", [8484, 1061, 1061]),
        ("cola", [7695, 856, 527]),
        ("sick", [4500, 500, 4927]),
        ("sst2-raw", [6920, 872, 1821]),
        ("imdb", [22_500, 2_500, 25_000]),
        ("rte", [3030, 337, 800]),
        ("balanced-copa", [600, 100, 300]),
    ],
)
def test_the_public_sets_have_the_published_sizes(name, sizes):
    split = splits(datasets.load(name)[0])[0]
    assert [len(split.train), len(split.valid), len(split.test)] == sizes


@pytest.mark.data
def test_words_of_brown_are_drawn_from_documents_of_their_part():
    (tags,) = datasets.load("brown-tags")
    assert len(tags.classes) == 12
    words = [word for text in tags.texts[0] for word in text.split(" ")]
    assert len(words) == len(tags.labels)
    assert {tags.classes[label] for word, label in zip(words, tags.labels, strict=True) if word == "the"} == {"DET"}
    most = {TRAIN: 20_000, VALID: 5_000, TEST: 10_000}
    assert all(0.95 < np.mean(tags.parts == part) * len(words) / most[part] <= 1 for part in most)
