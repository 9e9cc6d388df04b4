"""The map of grades: every grade in its cell, and no darker than it has earned."""

import pytest

from lmzoo.files import typed
from lmzoo.report import heatmap as drawn
from lmzoo.report.canvas import NARROW, WIDE
from lmzoo.report.dark import contrast, turn
from lmzoo.report.task_rows import TaskRow
from lmzoo.tasks.result import TaskResult
from tests.comparisons import comparison, draw, examination, made
from tests.report.test_canvas import texts


def grade(value, chance=0.5, metric="accuracy"):
    return TaskResult("t", metric, value, chance=chance)


@pytest.mark.parametrize("canvas", [WIDE, NARROW], ids=["wide", "narrow"])
def test_without_an_exam_there_is_no_figure(canvas):
    assert draw("exam", comparison(), canvas) is None


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (grade(0.5), 0), (grade(1.0), 1), (grade(0.75), 0.5), (grade(0.25, chance=0.25), 0), (grade(0.2), 0),
        (grade(None), None), (grade(0.5, chance=None), None), (grade(0.1, 0.2, "word error rate"), 0.5),
        (grade(0.3, 0.0, "MCC"), 0.3),
    ],
)  # fmt: skip
def test_a_share_is_of_the_way_from_guessing_to_perfection(given, expected):
    assert drawn.progress(given) == (None if expected is None else pytest.approx(expected))


def test_a_cell_says_its_grade_and_a_dash_where_there_is_none():
    assert drawn.in_cell(grade(0.834)) == "83"
    assert drawn.in_cell(grade(-0.04)) == "\N{MINUS SIGN}4"
    assert drawn.in_cell(grade(None)) == "–"
    assert drawn.in_cell(grade(40.2, metric="perplexity")) == "40"
    assert drawn.in_cell(grade(1234.5, metric="perplexity")) == "1k"
    assert drawn.in_cell(grade(2.4e24, metric="perplexity")) == "2e24"


def test_a_task_says_its_metric_where_it_is_no_share_of_right_answers():
    assert drawn.named(grade(0.5)) == "t"
    assert drawn.named(grade(0.5, metric="Spearman")) == "t, Spearman"


def test_every_model_and_the_source_have_a_cell_in_every_row():
    figure, alt = draw("exam", comparison(**examination()), WIDE)
    axes = figure.axes[0]
    assert len(axes.patches) == 3 * 2
    assert [label.get_text() for label in axes.get_xticklabels()] == ["uniform", "ngram order=5", "the source"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["agreement", "stars"]
    assert {"50", "25", "90", "–", "100", "75"} <= set(texts(figure))
    assert alt == (
        "The best of 2 models in each task, in per cent. agreement: ngram order=5 90. "
        "In 1 of 2 tasks no model is above chance."
    )


@pytest.mark.parametrize("key", ["probes", "zeroshot"])
def test_test_sets_are_drawn_where_there_are_any(key):
    assert draw(key, comparison(), WIDE) is None
    figure, alt = draw(key, comparison(**{key: {"rows": examination()["exam"]["rows"]}}), WIDE)
    assert "agreement: ngram order=5 90" in alt
    assert len(figure.axes[0].patches) == 2  # nobody knows about stars: noise is counted, and not drawn
    assert figure.axes[0].get_xlabel() == "no model is above chance in 1 of 2"


def test_a_model_that_could_do_no_task_has_no_column():
    able, *others = examination()["exam"]["rows"]
    none = able | {"label": "trigram", "grades": [grade | {"value": None} for grade in able["grades"]]}
    figure, _ = draw("probes", comparison(probes={"rows": [none, able, *others]}), WIDE)
    assert "trigram" not in [label.get_text() for label in figure.axes[0].get_xticklabels()]
    assert len(figure.axes[0].patches) == 2


def test_numbers_can_be_read_on_every_shade_by_day_and_by_night():
    cells = [drawn.Cell("50", way / 100, True) for way in range(101)]
    for cell in [*cells, drawn.Cell("50", 0.0, False), drawn.Cell("–", None, False)]:
        fill, ink = drawn.colours(cell)
        assert contrast(fill, ink) >= 4.5, cell  # WCAG 2.2, of text
        assert contrast(turn(fill), turn(ink)) >= 4.5, cell


def test_a_cell_whose_interval_contains_chance_or_lies_below_it_is_grey():
    def known(low, high, metric="accuracy"):
        return TaskResult("t", metric, (low + high) / 2, interval=(low, high), chance=0.5)

    assert drawn.beyond_chance(known(0.51, 0.6))
    assert not drawn.beyond_chance(known(0.49, 0.6))
    assert not drawn.beyond_chance(known(0.2, 0.4))
    assert drawn.beyond_chance(known(0.2, 0.4, "word error rate"))
    assert not drawn.beyond_chance(grade(None))
    assert drawn.colours(drawn.Cell("45", 0.0, False))[0] == drawn.AT_CHANCE


def test_the_mean_of_a_group_counts_each_task_alike_and_its_interval_is_narrower():
    one = TaskResult("a", "accuracy", 0.6, interval=(0.5, 0.7), chance=0.5)
    other = TaskResult("b", "accuracy", 0.9, interval=(0.8, 1.0), chance=0.25)
    mean = drawn.mean_of([one, other])
    assert (mean.value, mean.chance) == (pytest.approx(0.75), 0.375)
    assert mean.interval == (pytest.approx(0.75 - 0.1 / 2**0.5), pytest.approx(0.75 + 0.1 / 2**0.5))
    assert drawn.mean_of([one, grade(None)]) is None


def test_twenty_models_fit_and_their_names_do_not_overlap():
    facts = examination()["exam"]
    rows = [facts["rows"][1] | {"label": f"gpt layers {i}"} for i in range(20)]
    for canvas in (WIDE, NARROW):
        figure, _ = drawn.heat_map(typed(rows, list[TaskRow], "rows"), made(), canvas)
        figure.draw_without_rendering()
        boxes = [label.get_window_extent() for label in figure.axes[0].get_xticklabels()]
        assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
        assert all(box.x1 <= figure.bbox.width + 1 for box in boxes)
