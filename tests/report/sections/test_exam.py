"""What the page says of the exam, given its grades."""

import pytest

from lmzoo.report.section import find
from lmzoo.report.task_rows import at_chance, counted, telling
from tests.comparisons import comparison, examination, made, row, tables, view


def grouped() -> dict:
    """Four phenomena, two of each group, in no order; chance is a half, and intervals are ± 10 points."""
    facts = examination()["exam"]
    grade, about = facts["ceiling"][0], facts["about"][0]
    known = {"far": "long", "next": "local", "further": "long", "here": "local"}

    def grades(*values: float) -> list[dict]:
        return [
            grade | {"task": name, "value": value, "interval": [value - 0.1, value + 0.1], "chance": 0.5}
            for name, value in zip(known, values, strict=True)
        ]

    facts["about"] = [about | {"phenomenon": name, "group": group} for name, group in known.items()]
    facts["ceiling"] = grades(1, 1, 1, 1)
    facts["rows"] = [
        {"label": "lstm", "model": "lstm", "grades": grades(0.8, 0.9, 0.9, 1.0)},
        {"label": "ngram", "model": "ngram", "grades": grades(0.5, 0.9, 0.55, 0.8)},
    ]
    return comparison(rows=[row("lstm", 1.2), row("ngram", 1.4)], exam=facts)


def test_a_grade_is_at_chance_where_its_interval_contains_what_guessing_scores():
    far, near, further, here = made(grouped()).facts["exam"].rows[1].grades
    assert [at_chance(grade) for grade in (far, near, further, here)] == [True, False, True, False]


def test_grades_at_chance_are_counted_and_tasks_in_which_all_are():
    rows = made(grouped()).facts["exam"].rows
    assert counted(rows) == "2 of 8 grades are at chance: their 95 % interval contains what guessing scores."
    assert telling(rows) == [0, 1, 2, 3]
    assert telling(rows[1:]) == [1, 3]
    assert counted(rows[1:]).startswith("In 2 of 4 rows every model is at chance. 2 of 4 grades")
    assert counted(rows[:1]) == ""


def test_phenomena_stand_by_their_groups_and_the_last_line_counts_those_at_chance():
    (table,) = tables("exam", grouped())
    assert [label for label, _ in table.lines] == ["next", "here", "far", "further", "at chance"]
    assert [cell.text for cell in table.lines[-1][1]][-3:] == ["0 of 4", "2 of 4", "0 of 4"]
    assert [one.phenomenon for one in view("exam", grouped())["about"]] == ["next", "here", "far", "further"]


def test_the_finding_goes_from_group_to_group():
    given = made(grouped())
    said = find("exam").findings(given.facts["exam"], given)
    assert said == ["By groups of phenomena: local 95 % against 85 %, long 85 % against 52 %."]


@pytest.mark.parametrize("absent", ["group", "occurrences"])
def test_an_older_exam_has_no_groups(absent):
    given = grouped()
    for about in given["exam"]["about"]:
        del about[absent]
    assert len(tables("exam", given)[0].lines) == 5
