"""One file, one section: found by its name, cached by its own version, and alone in its failure."""

from dataclasses import dataclass
from typing import get_args

import pytest

from lmzoo.comparison import compare as comparing
from lmzoo.data import corpus as corpora
from lmzoo.interface import Run
from lmzoo.report import section as finder
from lmzoo.report.section import FOLDER, Part, Section, find, sections

NEW = """
from dataclasses import dataclass
from lmzoo.report.section import Section

@dataclass(frozen=True)
class Count:
    models: int

section = Section("census", "Census", 5, facts=Count, compute=lambda entries, context: Count(len(entries)))
"""


def test_every_file_is_a_section_with_its_template_and_no_two_share_a_place():
    names = {path.stem for path in FOLDER.glob("*.py")} - {"__init__"}
    assert {section.id for section in sections()} == names
    assert all((FOLDER / section.template).is_file() for section in sections())
    parts = [section.part for section in sections()]
    assert sorted(parts, key=get_args(Part).index) == parts
    for part in get_args(Part):
        places = [section.place for section in sections() if section.part == part]
        assert places == sorted(set(places))


def test_titles_are_short_and_none_is_used_twice():
    titles = [section.title for section in sections()]
    assert len(set(titles)) == len(titles)
    assert max(map(len, titles)) <= 30


@pytest.mark.parametrize("code", ["", NEW + "another = section.__class__('b', 'B', 1)", NEW.replace('"census"', '"x"')])
def test_a_file_with_none_or_two_or_another_name_is_refused(code, tmp_path, monkeypatch):
    (tmp_path / "census.py").write_text(code, encoding="utf-8")
    monkeypatch.setattr("lmzoo.report.sections.__path__", [str(tmp_path)])
    monkeypatch.delitem(finder.importlib.sys.modules, "lmzoo.report.sections.census", raising=False)
    with pytest.raises(TypeError, match="must hold exactly one Section, whose id is 'census'"):
        find("census")
    finder.importlib.sys.modules.pop("lmzoo.report.sections.census", None)


@dataclass(frozen=True)
class Count:
    models: int


@pytest.fixture
def small(tmp_path):
    path = tmp_path / "small.txt"
    path.write_text("the cat sat on the mat\na dog lay on a rug\n" * 99, encoding="utf-8")
    return corpora.load(path)


def census(calls: list[str], version: int = 1) -> Section:
    def compute(entries, context):
        def work():
            calls.append("computed")
            return len(entries)

        return Count(context.cached(int, {"of": "all"}, work))

    return Section("census", "Census", 5, version=version, facts=Count, compute=compute)


def test_what_a_section_computes_is_cached_under_its_id_and_version(small, tmp_path):
    calls: list[str] = []
    for version, expected in ((1, 1), (1, 1), (2, 2)):
        found = comparing.compare(["uniform"], small, tmp_path / "r", Run(), sections=[census(calls, version)])
        assert found.facts["census"] == Count(1)
        assert found.to_json()["census"] == {"models": 1}
        assert len(calls) == expected


def test_a_section_that_fails_leaves_its_error_and_the_others_stand(small, tmp_path):
    def broken(entries, context):
        raise ZeroDivisionError("by hand")

    failing = Section("ruin", "Ruin", 1, facts=Count, compute=broken)
    found = comparing.compare(["uniform"], small, tmp_path, Run(), sections=[failing, census([])])
    assert found.errors == {"ruin": "ZeroDivisionError: by hand"}
    assert found.untested == ["ruin: ZeroDivisionError: by hand"]
    assert found.facts["census"] == Count(1)
    assert found.rows[0].score
