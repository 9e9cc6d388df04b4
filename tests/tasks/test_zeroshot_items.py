"""Test sets as items: every template of every card, compared with a text written by hand."""

import json
import re
import tomllib
from collections import Counter
from pathlib import Path

import pytest

from lmzoo.data import task_cards
from lmzoo.errors import FormatError, UsageError
from lmzoo.tasks import zeroshot_items
from lmzoo.tasks.zeroshot_items import ZeroShotCard, load, names, read

ARC = {"query": "Question: What melts?", "choices": ["ice", "a stone"], "gold": 0}
SCIENCE = {
    "question": {"stem": "What melts?", "choices": [{"label": "A", "text": "ice"}, {"label": "B", "text": "a stone"}]},
    "answerKey": "A",
}
PAIR = {
    "UID": "adjunct_island",
    "linguistics_term": "island_effects",
    "sentence_good": "Who should Ann hug?",
    "sentence_bad": "Who should hug Ann?",
}
ANIMATE = {**PAIR, "UID": "animate_subject_trans", "linguistics_term": "s-selection"}
COPA = {"query": "The man sat, because", "choices": ["he was tired.", "he was tall."], "gold": 0}
TROPHY = {"context_options": ["It fell because it", "It fell because he"], "continuation": "slipped.", "gold": 0}
BARE = {"context_options": ["We saw cats", "We saw dogs"], "continuation": ".", "gold": 1}
TOY_FILES = {
    "arc": {"arc_easy.test": json.dumps(ARC), "arc_challenge.test": json.dumps(ARC)},
    "science": {
        f"AI2-{grade}-NDMC-Feb2016-{part}": json.dumps(SCIENCE)
        for grade in ("Elementary", "8thGr")
        for part in ("Train", "Dev")
    },
    "blimp": {"blimp": f"{json.dumps(PAIR)}\n{json.dumps(ANIMATE)}\n"},
    "copa": {"copa": json.dumps(COPA)},
    "winograd": {"wsc273": f"{json.dumps(TROPHY)}\n{json.dumps(BARE)}"},
    "lambada": {"lambada_test": json.dumps({"text": "He said {so} to the dogs"})},
    "sst2": {"stsa.binary.test": "1 a fine film , really .\n0 dull\n"},
    "cola": {
        "in_domain_train": "gj04\t1\t\tThey sang.\ngj04\t0\t*\tSang they the.\n",
        "in_domain_dev": "gj04\t1\t\tThey sang.\n",
        "out_of_domain_dev": "clc95\t0\t*\tSang they the.\n",
    },
}
ASKED = "Question: What melts? Answer:"
QUESTION = ((ASKED, " ice"), (ASKED, " a stone")), 0, (("Answer:", " ice"), ("Answer:", " a stone"))
HUG = (("", "Who should Ann hug?"), ("", "Who should hug Ann?")), 0, ()
EXPECTED = {
    "arc": {"ARC easy": [QUESTION], "ARC challenge": [QUESTION]},
    "science": {"Science, grades 3 to 5": [QUESTION] * 2, "Science, grade 8": [QUESTION] * 2},
    "blimp": {"BLiMP": [HUG, HUG]},
    "copa": {
        "COPA": [
            (
                (("The man sat, because", " he was tired."), ("The man sat, because", " he was tall.")),
                0,
                (("because", " he was tired."), ("because", " he was tall.")),
            )
        ]
    },
    "winograd": {
        "Winograd, full": [
            ((("", "It fell because it slipped."), ("", "It fell because he slipped.")), 0, ()),
            ((("", "We saw cats."), ("", "We saw dogs.")), 1, ()),
        ],
        "Winograd, partial": [
            ((("It fell because it", " slipped."), ("It fell because he", " slipped.")), 0, ()),
            ((("We saw cats", "."), ("We saw dogs", ".")), 1, ()),
        ],
    },
    "lambada": {"LAMBADA": [((("He said {so} to the", " dogs"),), 0, ())]},
    "sst2": {
        "SST-2, very …": [
            (
                (("a fine film , really . very", " negative"), ("a fine film , really . very", " positive")),
                1,
                (("very", " negative"), ("very", " positive")),
            ),
            (
                (("dull very", " negative"), ("dull very", " positive")),
                0,
                (("very", " negative"), ("very", " positive")),
            ),
        ]
    },
    "cola": {
        "CoLA, in domain": [((("", "They sang."),), 1, ())],
        "CoLA, out of domain": [((("", "Sang they the."),), 0, ())],
    },
}


@pytest.fixture
def toy(monkeypatch):
    """The cards as they are, with a few lines of our own for their files."""
    monkeypatch.setattr(task_cards, "fetch", lambda name, mirror=None, progress=None: TOY_FILES[name])


def test_every_zero_shot_card_is_specified_here():
    assert set(names()) == set(EXPECTED)


@pytest.mark.parametrize("name", sorted(EXPECTED))
@pytest.mark.usefixtures("toy")
def test_every_template_gives_the_text_written_by_hand(name):
    found = {s.card.column: [(i.candidates, i.right, i.premises) for i in s.items] for s in load(name)}
    assert found == EXPECTED[name]


@pytest.mark.usefixtures("toy")
def test_groups_are_named_and_one_is_merged_as_in_the_paper():
    (section,) = load("blimp")
    assert [dict(item.groups) for item in section.items] == [
        {"phenomenon": "island_effects", "set": "adjunct_island"},
        {"phenomenon": "argument_structure", "set": "animate_subject_trans"},
    ]


@pytest.mark.usefixtures("toy")
def test_a_threshold_has_training_sentences():
    assert [[item.right for item in section.training] for section in load("cola")] == [[1, 0]] * 2


@pytest.mark.usefixtures("toy")
def test_the_text_of_an_item_is_both_parts_of_its_right_candidate():
    assert [item.text for section in load("winograd") for item in section.items[:1]] == [
        "It fell because it slipped."
    ] * 2
    assert [item.text for item in load("cola")[1].items] == ["Sang they the."]


def test_the_example_of_the_documentation_works():
    manual = (Path(__file__).parents[2] / "corpora" / "README.md").read_text("utf-8")
    (table,) = re.findall(r"```toml\n(\[\[zeroshot\]\].*?)```", manual, re.DOTALL)
    (line,) = re.findall(r"^`({.*})`:$", manual, re.MULTILINE)
    (item,) = read(ZeroShotCard.of(tomllib.loads(table)["zeroshot"][0]), line)
    assert item.candidates == (("The capital of Peru is", " Cusco."), ("The capital of Peru is", " Lima."))
    assert item.premises == (("It is", " Cusco."), ("It is", " Lima."))
    assert (item.right, item.groups) == (1, {"continent": "America"})


def test_without_a_beginning_there_is_no_space_before_the_continuation():
    table = {"column": "C", "files": [], "rules": ["sum"], "choices": ["{a}"], "beginning": "{b}"}
    card = ZeroShotCard.of({**table, "continuation": " {choice}"})
    texts = [item.candidates[0] for item in read(card, '{"a": "x", "b": ""}\n{"a": "x", "b": "y"}')]
    assert texts == [("", "x"), ("y", " x")]


def test_every_published_figure_belongs_to_a_column_and_explains_a_different_protocol():
    for name in names():
        for table in task_cards.find(name).zeroshot:
            protocol = ZeroShotCard.of(table)
            for figure in protocol.published:
                assert figure.rule in protocol.rules
                assert figure.source
                assert figure.same == (figure.why == "")


def test_limited_items_are_evenly_spaced(monkeypatch):
    lines = "\n".join(json.dumps({**PAIR, "UID": f"set {n // 10}"}) for n in range(40))
    monkeypatch.setattr(task_cards, "fetch", lambda *_: {"blimp": lines})
    (section,) = load("blimp", limit=8)
    assert Counter(item.groups["set"] for item in section.items) == {f"set {n}": 2 for n in range(4)}


@pytest.mark.usefixtures("toy")
def test_wrong_names_and_limits_are_refused():
    with pytest.raises(UsageError, match="no zero-shot task 'blmp'; did you mean blimp"):
        load("blmp")
    with pytest.raises(UsageError, match="limit must be 0"):
        load("blimp", limit=-1)


BLIMP = {"column": "BLiMP", "files": ["blimp"], "rules": ["sum"], "choices": ["{sentence_good}", "{sentence_bad}"]}


@pytest.mark.parametrize(
    ("table", "line", "message"),
    [
        (BLIMP, '{"sentence_good": "Yes."}', "blimp, line 2 is no item of BLiMP: KeyError.'sentence_bad'"),
        (BLIMP, "yes", "blimp, line 2 is not JSON: Expecting value"),
        ({**BLIMP, "fields": ["label", "text"]}, "alone", "blimp, line 2 is no item of BLiMP: ValueError"),
        ({**BLIMP, "cut": "text"}, '{"text": "no last word "}', "text ends in a space, so it has no last word"),
        ({**BLIMP, "right": 2}, json.dumps(PAIR), "the right answer is 2, and there are 2 choices"),
    ],
)
def test_a_mistake_in_a_file_is_named_with_its_line(table, line, message):
    with pytest.raises(FormatError, match=message):
        read(ZeroShotCard.of(table), f"\n{line}\n", "blimp")


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"colum": "BLiMP"}, "colum"),
        ({**BLIMP, "rules": ["pmi"]}, "needs a premise"),
        ({**BLIMP, "rules": ["som"]}, "did you mean sum"),
    ],
)
def test_a_mistake_in_a_card_is_named(monkeypatch, table, message):
    card = task_cards.Task("blimp", "", "", "", (), zeroshot=(table,))
    monkeypatch.setattr(zeroshot_items.task_cards, "find", lambda name: card)
    with pytest.raises(FormatError, match=f"the card of blimp is not right.*{message}"):
        load("blimp")


@pytest.fixture(scope="module")
def published_sets():
    """Every zero-shot test set, by the heading of its column."""
    return {section.card.column: section for name in names() for section in load(name)}


@pytest.mark.data
def test_the_sets_have_their_published_sizes(published_sets):
    counts = {column: len(section.items) for column, section in published_sets.items()}
    assert counts == {
        "BLiMP": 67_000,
        "LAMBADA": 5_153,
        "Winograd, full": 273,
        "Winograd, partial": 273,
        "COPA": 100,
        "CoLA, in domain": 527,
        "CoLA, out of domain": 516,
        "SST-2, very …": 1_821,
        "ARC easy": 2_376,
        "ARC challenge": 1_172,
        "Science, grades 3 to 5": 516,
        "Science, grade 8": 358,
    }


@pytest.mark.data
def test_blimp_has_67_sets_of_12_phenomena(published_sets):
    section = published_sets["BLiMP"]
    sets = Counter(item.groups["set"] for item in section.items)
    assert len(sets) == 67
    assert set(sets.values()) == {1000}
    assert len({item.groups["phenomenon"] for item in section.items}) == 12
