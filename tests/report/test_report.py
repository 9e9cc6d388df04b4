"""What a report is: its files, and its table in the terminal."""

import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from lmzoo.errors import FormatError, ScoreError, UsageError
from lmzoo.report import drawing, page, terminal
from lmzoo.report.section import find
from tests.comparisons import comparison, made, render, row, with_associations

# The files


def test_a_report_is_a_page_its_figures_and_its_json(tmp_path):
    path = page.write(tmp_path / "new" / "storyworld", made())
    assert path == tmp_path / "new" / "storyworld" / "index.html"
    names = {file.name for file in path.parent.iterdir()}
    drawn = ("history", "bars", "cost", "orders")
    assert names == {
        "index.html",
        "README.md",
        "results.json",
        *(f"{n}.{kind}" for n in drawn for kind in ("png", "svg")),
    }
    assert (path.parent / "bars.png").read_bytes().startswith(b"\x89PNG")


def test_results_json_gives_the_comparison_back(tmp_path):
    given = made()
    page.write(tmp_path, given)
    results = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))
    assert results == given.to_json()
    assert made(results) == given


def test_the_same_comparison_gives_the_same_bytes():
    assert render() == render()


@pytest.mark.pictures
def test_figures_drawn_in_two_processes_have_the_same_bytes():
    shown = [find(name) for name in ("bars", "orders")]
    assert drawing.draw(shown, made(), 2) == drawing.draw(shown, made(), 1)


def test_the_comparison_is_left_as_it_was():
    given = made()
    page.render(given)
    assert given == made()


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf"), np.float64("nan")])
def test_a_number_that_is_not_finite_is_refused_by_name(tmp_path, number):
    given = made()
    given.rows[1].score = replace(given.rows[1].score, bits=number)
    with pytest.raises(ScoreError, match=r"rows\[1\]\.score\.bits is -?(nan|inf)"):
        page.write(tmp_path / "out", given)
    assert not (tmp_path / "out").exists()
    with pytest.raises(ScoreError, match=r"rows\[1\]\.score\.bits"):
        terminal.table(given)


def test_what_json_cannot_hold_is_refused_by_name(tmp_path):
    with pytest.raises(UsageError, match=r"comparison\.machine is a set"):
        page.write(tmp_path, replace(made(), machine={"a"}))


def broken(*_):
    raise RuntimeError("the <pen> broke")


@pytest.mark.parametrize("part", ["table", "figure", "view"])
def test_a_section_that_cannot_be_shown_leaves_its_error_and_the_others_stand(part, monkeypatch):
    whole = page.sections()
    sections = tuple(replace(one, **{part: broken}) if one.id == "orders" else one for one in whole)
    monkeypatch.setattr(page, "sections", lambda: sections)
    files = render()
    html = files["index.html"].decode()
    assert "could not be computed: <bdi>RuntimeError: the &lt;pen&gt; broke</bdi>" in html
    assert "orders.png" not in files
    assert all(f'<section id="{one.id}"' in html for one in whole if one.id in ("table", "orders", "samples"))


def test_a_section_that_could_not_be_computed_says_so():
    files = render(comparison(errors={"exam": "no such grammar"}))
    assert "This section could not be computed: <bdi>no such grammar</bdi>" in files["index.html"].decode()
    assert json.loads(files["results.json"])["errors"] == {"exam": "no such grammar"}


def test_a_report_is_written_again_from_its_numbers_alone(tmp_path):
    given = comparison()
    given["rows"] = [one | {"model": "lstm"} for one in given["rows"]]
    del given["rows"][1]["family"]  # as in reports of older versions
    page.write(tmp_path, made(given))
    for file in ("index.html", "README.md", "bars.svg"):
        (tmp_path / file).unlink()
    assert page.redraw(tmp_path) == tmp_path / "index.html"
    assert (tmp_path / "bars.svg").is_file()
    rows = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))["rows"]
    assert rows[1]["family"] == "recurrent"


def test_what_is_no_report_is_not_written_again(tmp_path):
    with pytest.raises(UsageError, match=r"results\.json cannot be read: No such file"):
        page.redraw(tmp_path)
    (tmp_path / "results.json").write_text('{"rows": "none"}')
    with pytest.raises(FormatError):
        page.redraw(tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["results.json"]


def test_a_failure_of_the_page_leaves_the_old_report(tmp_path, monkeypatch):
    page.write(tmp_path, made())
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    monkeypatch.setattr(page, "_filled", broken)
    with pytest.raises(RuntimeError, match="pen"):
        page.write(tmp_path, replace(made(), title="New"))
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before


def test_a_full_disk_leaves_the_old_report_and_says_so(tmp_path, monkeypatch):
    page.write(tmp_path, made())
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}

    def full(self, content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(UsageError, match="No space left on device"):
        page.write(tmp_path, replace(made(), title="New"))
    monkeypatch.undo()
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before


def test_a_folder_that_is_a_file_is_one_clear_line(tmp_path):
    (tmp_path / "taken").write_text("mine")
    with pytest.raises(UsageError, match=r"cannot write the report into .*taken: "):
        page.write(tmp_path / "taken", made())
    assert (tmp_path / "taken").read_text() == "mine"


def test_the_summary_is_a_table_in_markdown_whatever_the_labels(tmp_path):
    page.write(tmp_path, made(comparison(rows=[row("a|b\n<script>", 1.5), row("plain", 2.5)])))
    summary = (tmp_path / "README.md").read_text(encoding="utf-8")
    for table, columns in zip(summary.split("<details>"), (5, 12), strict=False):
        lines = [line for line in table.splitlines() if line.startswith("| ")]
        assert [line.replace("\\|", "").count("|") for line in lines] == [columns] * 4
    assert "![Bits per character](bars.png)" in summary


def test_the_summary_shows_what_the_vectors_know(tmp_path):
    page.write(tmp_path, made(with_associations()))
    summary = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert "| 0.625 (300 of 353) |" in summary
    assert "RG-65" not in summary  # only what everybody reports
    assert "![Word map](map.png)" in summary
    assert {"distances.png", "factorised.svg", "map.svg"} <= {file.name for file in tmp_path.iterdir()}


def test_a_second_report_takes_away_figures_that_no_longer_hold(tmp_path):
    page.write(tmp_path, made())
    (tmp_path / "notes.txt").write_text("mine")
    page.write(tmp_path, made(comparison(orders=[])))
    names = {file.name for file in tmp_path.iterdir()}
    drawn = ("history", "bars", "cost")
    pictures = {f"{name}.{kind}" for name in drawn for kind in ("png", "svg")}
    assert names == {"index.html", "README.md", "results.json", "notes.txt", *pictures}


# The terminal


def drawn(given: dict, width: int = 80) -> str:
    out = Console(width=width, file=io.StringIO(), color_system=None)
    out.print(terminal.table(made(given), width))
    return out.file.getvalue()


def test_the_terminal_shows_the_same_table():
    shown = drawn(comparison(), width=120)
    heads = [column.header.replace("\n", "") for column in terminal.table(made()).columns]
    assert heads == [
        "model",
        "year",
        "bits/char",
        "ppl/word",
        "ppl/token",
        "above",
        "size",
        "on disk",
        "train",
        "tokens/s",
    ]
    assert shown.index("1.310") < shown.index("1.470") < shown.index("2.460")
    assert "1.290\u20131.330" in shown
    assert "[1] every token has probability zero" in shown


@pytest.mark.parametrize("width", [120, 80, 60, 30])
def test_a_narrow_terminal_keeps_the_names_and_drops_columns_from_the_right(width):
    given = comparison()
    given["rows"][0]["label"] = "modified Kneser–Ney, 5-gram"
    shown = drawn(given, width)
    heads = [column.header for column in terminal.table(made(given)).columns]
    kept = [column.header for column in terminal.table(made(given), width).columns]
    assert kept == heads[: len(kept)]
    assert {120: 10, 80: 7, 60: 4, 30: 2}[width] == len(kept)
    assert (f"{len(heads) - len(kept)} more columns" in " ".join(shown.split())) == (kept != heads)
    assert width == 30 or "modified Kneser–Ney, 5-gram" in shown
    assert width == 30 or "1.290\u20131.330" in shown
    assert "\u2026" not in shown


def test_peak_memory_is_left_to_the_page():
    given = with_associations()
    assert "250 MB" not in drawn(given, width=200)
    assert "250 MB" in render(given)["README.md"].decode()


def test_a_label_cannot_steer_the_terminal():
    assert "\x1b" not in drawn(comparison(rows=[row("\x1b[31mred", 2.0), row("x", None, error="\x1b[2J")]))


def test_a_label_is_no_markup_in_the_terminal():
    assert "[red]x[/red]" in drawn(comparison(rows=[row("[red]x[/red]", 2.0)]), width=120)
