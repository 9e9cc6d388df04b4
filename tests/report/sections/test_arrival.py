"""What is learned when: the points of a training are asked what the model is asked in the end, beside n-grams."""

from dataclasses import replace

import numpy as np
import pytest

from lmzoo.comparison import compare as comparing
from lmzoo.data import cards
from lmzoo.data import corpus as corpora
from lmzoo.data.grammar import Grammar
from lmzoo.evaluation.perplexity import evaluate
from lmzoo.evaluation.statistics import wilson
from lmzoo.interface import Run
from lmzoo.report.arrival_figure import Arrival, Curve, Grade, Group, Point, half
from lmzoo.report.canvas import NARROW, WIDE, colour
from lmzoo.report.section import find
from lmzoo.report.sections import arrival
from lmzoo.runs import store
from lmzoo.tasks import grammar_probes, suite, targeted
from lmzoo.tasks.zeroshot_items import Item, ZeroShotCard, ZeroShotSet
from tests.comparisons import arrivals, comparison, draw, pairs, render, tables

pytestmark = pytest.mark.usefixtures("few_questions")

MODELS = ["ngram:order=2", "lstm:preset=tiny"]
RUN = Run(steps=24, seed=1)
SMALL = {"ITEMS": 4, "TEXTS": 40, "CHARACTERS": 2500}


@pytest.fixture(scope="module", autouse=True)
def _small():
    with pytest.MonkeyPatch.context() as patch:
        for name, value in SMALL.items():
            patch.setattr(arrival, name, value)
        yield


def compared(corpus, folder, models=MODELS, **how):
    made = comparing.compare(models, corpus, folder, RUN, sections=[find("arrival")], **how)
    assert not made.errors
    return made


@pytest.fixture(scope="module")
def story():
    """The built-in corpus with little text."""
    return replace(corpora.load("storyworld:50kB"), name="storyworld")


@pytest.fixture(scope="module")
def told(story, tmp_path_factory):
    folder = tmp_path_factory.mktemp("told") / "report"
    return folder, compared(story, folder)


def test_there_is_a_point_for_each_checkpoint_and_each_amount_that_the_first_network_read(told):
    folder, made = told
    facts = made.facts["arrival"]
    assert [(curve.title, curve.family) for curve in facts.curves] == [
        ("bigram", "count"), ("5-gram", "count"), ("LSTM", "recurrent"),
    ]  # fmt: skip
    known = store.read_provenance(folder / "runs" / "lstm-tiny")["checkpoints"]
    assert [point.tokens for point in facts.curves[2].points] == [point["tokens"] for point in known]
    assert len(known) > 4
    read = [point.tokens for point in facts.curves[2].points]
    there = made.row(facts.curves[2].label).provenance["training_tokens"]
    assert [point.tokens for point in facts.curves[1].points] == sorted({min(n, there) for n in read})


def test_the_last_point_of_a_network_has_the_figures_of_the_finished_one(told, story):
    folder, made = told
    facts, curve = made.facts["arrival"], made.facts["arrival"].curves[2]
    model = store.load(folder / "runs" / "lstm-tiny")
    beginning = story.test[: facts.characters]
    assert beginning.endswith("\n\n")
    assert 0.8 * arrival.CHARACTERS < len(beginning) <= arrival.CHARACTERS
    bits = evaluate(model, beginning, story.protocol).bits_per_character
    assert curve.points[-1].bits_per_character == pytest.approx(bits, rel=1e-9)
    questions = suite.Exam(corpora.grammar_of(story), story).questions
    asked = targeted.ask(model, {name: items[: SMALL["ITEMS"]] for name, items in questions.items()})
    by_name = {result.task: result.value for result in asked}
    for group, grade in zip(facts.groups[:4], curve.points[-1].grades, strict=False):
        assert grade.phenomena == tuple(by_name[name] for name in group.phenomena)
        assert grade.accuracy == pytest.approx(np.mean(grade.phenomena))
        assert grade.interval == wilson(grade.accuracy * group.items, group.items)
        assert group.items == SMALL["ITEMS"] * len(group.phenomena)
    assert [group.name for group in facts.groups] == ["local", "near", "associative", "long", "probes"]


def test_networks_are_probed_and_n_grams_have_no_vectors_to_be(told, story):
    facts = told[1].facts["arrival"]
    assert all(point.grades[4] is None for curve in facts.curves[:2] for point in curve.points)
    sets = [arrival.first(one, SMALL["TEXTS"]) for one in grammar_probes.sets(corpora.grammar_of(story), story.train)]
    results = grammar_probes.evaluate(store.load(told[0] / "runs" / "lstm-tiny"), sets)
    assert facts.curves[2].points[-1].grades[4].phenomena == tuple(result.value for result in results)
    assert facts.groups[4].chance == pytest.approx(np.mean([result.chance for result in results]))
    assert [len(one.labels) for one in sets] == [3 * SMALL["TEXTS"]] * len(sets)
    assert facts.groups[4].items == sum(result.items for result in results)


def test_the_source_is_that_of_the_beginning(told, story):
    facts = told[1].facts["arrival"]
    grammar = Grammar.load(cards.folder() / "storyworld.grammar.toml")
    documents = grammar.documents(story.test[: facts.characters])
    assert facts.source == pytest.approx(-sum(map(grammar.log2_prob, documents)) / facts.characters)
    assert all(point.bits_per_character > facts.source for curve in facts.curves for point in curve.points)


def test_n_grams_count_the_beginning_of_the_text(told, story):
    point = told[1].facts["arrival"].curves[0].points[-1]
    model = store.load(told[0] / "runs" / "ngram-order-2")
    text = model.tokenizer.encode(story.train)
    if point.tokens == len(text):
        bits = evaluate(model, story.test[: told[1].facts["arrival"].characters], story.protocol)
        assert point.bits_per_character == pytest.approx(bits.bits_per_character)
    firsts = [curve.points[0].bits_per_character for curve in told[1].facts["arrival"].curves[:2]]
    assert min(firsts) > point.bits_per_character


def test_what_was_scored_is_read_again(told, story, monkeypatch):
    monkeypatch.setattr(arrival.Test, "score", lambda *_: 1 / 0)
    assert compared(story, told[0]).facts["arrival"] == told[1].facts["arrival"]


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    path = tmp_path_factory.mktemp("own") / "own.txt"
    path.write_text("".join(f"the {n % 7} cats sat on {n % 11} mats.\n" for n in range(900)), encoding="utf-8")
    return corpora.load(path)


def test_a_text_of_ones_own_has_bits_and_no_questions(own, tmp_path):
    networks = ["speedrun:preset=tiny", "lstm:preset=tiny", "rnn:preset=tiny,hidden=2"]
    facts = compared(own, tmp_path / "r", networks).facts["arrival"]
    assert [curve.model for curve in facts.curves] == ["ngram", "ngram", "lstm", "speedrun"]  # the best of each family
    assert (facts.test, facts.groups, facts.source) == ("", (), None)
    assert facts.characters == len(own.test)  # which is short
    assert all(point.grades == () for curve in facts.curves for point in curve.points)
    bits = [point.bits_per_character for point in facts.curves[-1].points]
    assert bits[-1] < bits[0]


def test_blimp_is_asked_by_fields_where_it_is_given(own, tmp_path):
    card = ZeroShotCard("BLiMP", ("blimp",), ("sum",), ("{a}", "{b}"), groups={"phenomenon": "term"})
    right, wrong = ("", "the 2 cats sat on 3 mats."), ("", "the mats 2 sat cats 3 on.")
    items = [Item((right, wrong), 0, groups={"phenomenon": term}) for term in ("binding", "ellipsis", "quantifiers")]
    tests = suite.Suite(zeroshot=[ZeroShotSet("blimp", card, items * 2, [])])
    facts = compared(own, tmp_path / "r", ["lstm:preset=tiny"], tests=tests).facts["arrival"]
    assert [(group.name, group.phenomena, group.items) for group in facts.groups] == [
        ("syntax", ("ellipsis",), 2), ("semantics", ("quantifiers",), 2), ("syntax and semantics", ("binding",), 2),
    ]  # fmt: skip
    assert [grade.accuracy for grade in facts.curves[1].points[-1].grades] == [1, 1, 1]


def test_without_networks_there_is_nothing_to_say(own, tmp_path):
    assert "arrival" not in compared(own, tmp_path / "r", ["ngram:order=2"]).facts


def test_networks_are_kept_at_points_only_where_a_section_asks(own, tmp_path):
    comparing.compare(["lstm:preset=tiny"], own, tmp_path / "r", RUN)
    assert not (tmp_path / "r" / "runs" / "lstm-tiny" / "checkpoints").exists()
    compared(own, tmp_path / "r", ["lstm:preset=tiny"])
    assert (tmp_path / "r" / "runs" / "lstm-tiny" / "checkpoints" / "step24").is_dir()


# ── Half of the way ───────────────────────────────────────────────────────────────────────────────

GROUP = Group("long", ("stars",), 100, chance=0.25, ceiling=0.75)


def curve(*points):
    grades = [(tokens, (Grade(accuracy, (0.0, 1.0), (accuracy,)),)) for tokens, accuracy in points]
    return Curve(label="x", title="x", family="other", points=tuple(Point(n, 1.0, of) for n, of in grades))


def test_half_of_the_way_is_between_guessing_and_the_source_and_between_points_on_a_log_scale():
    assert half(curve((100, 0.375), (1600, 0.625)), GROUP, 0) == pytest.approx(400)
    assert half(curve((100, 0.25), (200, 0.5), (400, 0.4)), GROUP, 0) == pytest.approx(200)
    assert half(curve((100, 0.6), (200, 0.7)), GROUP, 0) == 100
    assert half(curve((100, 0.25), (200, 0.49)), GROUP, 0) is None


@pytest.mark.parametrize(("near", "said"), [(4000, True), (400, False), (None, False)])
def test_that_the_near_comes_before_the_far_is_said_only_where_it_does(near, said):
    section, given = find("arrival"), comparison(**arrivals(near=near))
    facts = arrival_of(given)
    found = section.findings(facts, None)
    assert found == (
        ["Short dependencies are learned before long ones: in LSTM, 96 cells, local phenomena are halfway from chance "
         "to the source after 1.00 k tokens, near ones after 4.00 k, long ones after 16.0 k."] if said else []
    )  # fmt: skip


def test_what_is_far_may_not_have_been_learned_yet():
    given = arrivals()
    for point in given["arrival"]["curves"][1]["points"]:
        point["grades"][2] = given["arrival"]["curves"][1]["points"][0]["grades"][2]
    (found,) = find("arrival").findings(arrival_of(comparison(**given)), None)
    assert found.endswith("near ones after 4.00 k, long ones not yet.")


def arrival_of(given) -> Arrival:
    from lmzoo.comparison.results import Comparison

    return Comparison.from_json(given, [find("arrival")]).facts["arrival"]


# ── What is shown ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("canvas", [WIDE, NARROW], ids=["wide", "narrow"])
def test_each_model_has_a_panel_with_a_line_for_each_group_and_all_share_one_of_bits(canvas):
    given = comparison(**arrivals())
    facts = arrival_of(given)
    figure, words = draw("arrival", given, canvas)
    *panels, bits = figure.axes
    assert [panel.get_title() for panel in panels] == ["5-gram", "LSTM"]
    for panel, one in zip(panels, facts.curves, strict=True):
        lines = panel.lines[: len(facts.groups)]
        for n, (line, group) in enumerate(zip(lines, facts.groups, strict=True)):
            assert list(line.get_xdata()) == [point.tokens for point in one.points]
            assert list(line.get_ydata()) == [group.way(point.grades[n].accuracy) for point in one.points]
        assert panel.get_xscale() == "log"
        assert len(panel.collections) == len(facts.groups)  # the intervals
    assert [line.get_color() for line in bits.lines[:2]] == [colour("count"), colour("recurrent")]
    assert list(bits.lines[1].get_ydata()) == [point.bits_per_character for point in facts.curves[1].points]
    assert bits.lines[2].get_ydata()[0] == facts.source
    assert "LSTM, 96 cells: local after 1.00 k tokens" in words
    assert "5-gram, Kneser–Ney: local after 1.00 k tokens, near never, long never" in words


def test_the_tables_say_when_half_is_learned_and_everything():
    halves, everything = tables("arrival", comparison(**arrivals()))
    assert halves.heads == ["local", "near", "long"]
    assert [(label, [cell.text for cell in cells]) for label, cells in halves.lines] == [
        ("5-gram, Kneser–Ney", ["1.00 k", "–", "–"]), ("LSTM, 96 cells", ["1.00 k", "4.00 k", "16.0 k"]),
    ]  # fmt: skip
    assert pairs(everything.lines[0][1])[:3] == [("500", ""), ("1.500", ""), ("50.0 %", "40.4 %–59.6 %")]
    assert len(everything.lines) == 14


def test_the_page_says_what_was_asked():
    page = render(comparison(**arrivals()))["index.html"].decode()
    assert "What is learned when" in page
    assert "the same questions of the grammar exam" in page
    without = arrivals()["arrival"]
    without |= {"test": "", "groups": [], "source": None}
    for one in without["curves"]:
        for point in one["points"]:
            point["grades"] = []
    page = render(comparison(arrival=without))["index.html"].decode()
    assert "There are no questions on this text" in page
