import json

import pytest

from lmzoo.errors import LmzooError
from lmzoo.neural.training.metrics import FILE, MetricsLog


def test_a_line_can_be_read_as_soon_as_it_is_written(tmp_path):
    log = MetricsLog(tmp_path / "new", None)
    log.begin([])
    for step in (1, 2):
        log.write({"step": step, "loss": 0.5})
        lines = (tmp_path / "new" / FILE).read_text().splitlines()
        assert [json.loads(line)["step"] for line in lines] == list(range(1, step + 1))


def test_no_file_is_touched_before_begin(tmp_path):
    (tmp_path / FILE).write_text("what was there\n")
    MetricsLog(tmp_path, None)
    assert (tmp_path / FILE).read_text() == "what was there\n"


def test_a_resumed_log_goes_on_after_the_history(tmp_path):
    (tmp_path / FILE).write_text('{"step": 1}\n{"step": 2}\n{"step": 3, "los')  # killed in the middle of a line
    log = MetricsLog(tmp_path, None)
    log.begin([{"step": 1}])
    log.write({"step": 2})
    assert [json.loads(line) for line in (tmp_path / FILE).read_text().splitlines()] == [{"step": 1}, {"step": 2}]


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(LmzooError, match=r"metrics.jsonl could not be written: "):
        MetricsLog(tmp_path / "file", None).begin([])


def test_without_a_folder_nothing_is_written():
    log = MetricsLog(None, None)
    log.begin([{"step": 1}])
    log.write({"step": 2})
    log.close()
