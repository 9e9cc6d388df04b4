import json

import pytest

from lmzoo.errors import LmzooError
from lmzoo.neural.training.metrics import FILE, MetricsLog


def test_a_line_is_there_as_soon_as_it_is_written(tmp_path):
    journal = MetricsLog(tmp_path / "new", None)
    journal.begin([])
    for step in (1, 2):
        journal.write({"step": step, "loss": 0.5})
        lines = (tmp_path / "new" / FILE).read_text().splitlines()
        assert [json.loads(line)["step"] for line in lines] == list(range(1, step + 1))


def test_nothing_is_touched_before_it_begins(tmp_path):
    (tmp_path / FILE).write_text("what was there\n")
    MetricsLog(tmp_path, None)
    assert (tmp_path / FILE).read_text() == "what was there\n"


def test_it_goes_on_from_what_is_known(tmp_path):
    (tmp_path / FILE).write_text('{"step": 1}\n{"step": 2}\n{"step": 3, "los')  # killed in the middle of a line
    journal = MetricsLog(tmp_path, None)
    journal.begin([{"step": 1}])
    journal.write({"step": 2})
    assert [json.loads(line) for line in (tmp_path / FILE).read_text().splitlines()] == [{"step": 1}, {"step": 2}]


def test_where_nothing_can_be_written_it_says_so(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(LmzooError, match=r"metrics.jsonl could not be written: "):
        MetricsLog(tmp_path / "file", None).begin([])


def test_without_a_folder_it_keeps_silent():
    journal = MetricsLog(None, None)
    journal.begin([{"step": 1}])
    journal.write({"step": 2})
    journal.close()
