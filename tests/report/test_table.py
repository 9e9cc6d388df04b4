"""The headline table's columns: what each takes from a row, and what it says where nothing is known."""

import io

import pytest
from rich.console import Console

from lmzoo import files
from lmzoo.comparison.results import Row
from lmzoo.report import terminal
from lmzoo.report.sections.table import main_table
from lmzoo.report.table import DASH, UNLIMITED, amount, citation, columns, flops
from tests.comparisons import comparison, examination, made, public_sets, row


def texts(given: dict, head: str) -> list[str]:
    """A column's cells, from the best row to the worst."""
    view = main_table(made(given))
    (at,) = [i for i, column in enumerate(view.columns) if column.head == head]
    return [line.cells[at].text for line in view.lines]


def typed(given: dict) -> Row:
    return files.typed(given, Row, "row")


def heads(given: dict) -> list[str]:
    return [column.head for column in main_table(made(given)).columns]


@pytest.mark.parametrize(
    ("paper", "cited"),
    [
        ("Chen & Goodman 1998, An Empirical Study of Smoothing Techniques", "Chen & Goodman 1998"),
        ("Elman 1990, Finding Structure in Time; Mikolov et al. 2010, as a language model", "Elman 1990"),
        ("Vaswani et al. 2017a", "Vaswani et al. 2017a"),
        ("My own idea", ""),
        ("", ""),
    ],
)
def test_a_paper_is_cited_by_who_and_when(paper, cited):
    assert citation(paper) == cited


@pytest.mark.parametrize(
    ("number", "text"), [(4.83e11, "483 G"), (1.2e12, "1.20 T"), (3e15, "3.00 P"), (1e19, "10.0 E")]
)
def test_operations_have_names_beyond_billions(number, text):
    assert amount(number) == text


def test_flops_are_the_trainers_or_six_for_each_weight_and_token_read():
    size = {"count": 1000, "unit": "parameters", "bytes": 4000}
    assert flops(typed(row("gpt", 1, size=size, provenance={"flops": 5e9, "tokens_read": 100}))) == 5e9
    assert flops(typed(row("gpt", 1, size=size, provenance={"tokens_read": 100}))) == 6 * 1000 * 100
    assert flops(typed(row("glove", 1, size=size, provenance={}))) is None
    assert flops(typed(row("ngram", 1, provenance={"tokens_read": 100}))) is None  # its size is in n-grams
    assert flops(typed(row("mine", 1, size=None))) is None


def test_what_sees_everything_is_sorted_behind_what_sees_much():
    rows = [row("lstm", 1.0, reach=None), row("gpt", 1.1, reach=1024), row("uniform", 2.0, reach=0), row("bad", None)]
    assert texts(comparison(rows=rows), "reach") == ["all", "1,024", "0", DASH]
    (reach,) = [column for column in columns(made(comparison(rows=rows))) if column.head == "reach"]
    assert reach.number(typed(rows[0])) == UNLIMITED > reach.number(typed(rows[1]))


def test_the_exam_is_one_figure_the_mean_over_phenomena():
    given = comparison(**examination())
    # Of two phenomena uniform has 50 % and 25 %; the n-gram could not be asked one, and a mean of the other is no mean.
    assert texts(given, "exam") == [DASH, DASH, "37.5 %", DASH]
    assert "exam" not in heads(comparison())


def test_two_probes_stand_in_the_table_and_no_more():
    given = comparison(**public_sets())
    for grade, task in zip(given["probes"]["rows"][0]["grades"], ("SST-2", "CoLA"), strict=True):
        grade["task"] = task
    assert "SST-2" in heads(given)
    assert texts(given, "SST-2")[2] == "50.0 %"
    assert not {"CoLA", "tags"} & set(heads(given))


def test_certified_bits_stand_beside_those_that_were_counted():
    given = comparison()
    given["rows"][1]["certified"] = {
        "bits_per_character": 1.3127, "evaluator_bits_per_character": 1.3104, "characters": 5000, "seconds": 3.2,
    }  # fmt: skip
    given["rows"][2]["certified"] = {"error": "the model does not give the same probabilities twice"}
    assert texts(given, "certified")[:3] == ["1.313", DASH, DASH]
    view = main_table(made(given))
    cell = next(cell for cell in view.lines[0].cells if cell.text == "1.313")
    assert cell.aside == "(1.310)"
    assert "not certified: the model does not give the same probabilities twice" in view.notes
    assert "certified" not in heads(comparison())


def test_seeds_are_a_spread_where_there_are_several():
    given = comparison()
    assert "± seeds" not in heads(given)
    scored = next(one for one in given["rows"] if one["score"])
    scored["seeds"] = [
        {"seed": 1, "bits_per_character": 2.0, "error": None},
        {"seed": 2, "bits_per_character": 2.2, "error": None},
        {"seed": 3, "bits_per_character": None, "error": "it failed"},
    ]
    assert [text for text in texts(given, "± seeds") if text != DASH] == ["0.141"]
    line = next(line for line in main_table(made(given)).lines if line.row.seeds)
    assert "2 seeds, mean 2.100" in [cell.aside for cell in line.cells]


def test_the_terminals_table_has_room_within_120_characters_for_all_that_it_shows():
    given = comparison(**examination())
    for given_row in given["rows"][:3]:
        given_row["certified"] = {"bits_per_character": 2.3127, "evaluator_bits_per_character": 2.3104}
    out = io.StringIO()
    Console(width=120, file=out, color_system=None).print(terminal.table(made(given), 120))
    lines = out.getvalue().splitlines()
    assert max(map(len, lines)) <= 120
    view = main_table(made(given))
    shown = [column for column in view.columns if column.terminal]
    assert {"certified", "exam"} <= {column.head for column in shown}
    cells = {column.head: column.cell(view.lines[0].row).text for column in shown}
    assert all(any(text in line for line in lines) for text in cells.values())
    assert "\N{HORIZONTAL ELLIPSIS}" not in out.getvalue()
