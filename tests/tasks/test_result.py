"""The result of a task, as it is written to results.json and read back."""

import json

from lmzoo.tasks.result import TaskResult

RESULT = TaskResult("SST-2", "accuracy", 0.8, (0.7, 0.9), chance=0.5, items=1821, kind="zero-shot")


def test_a_result_is_plain_json():
    assert json.loads(json.dumps(RESULT.to_json()))["interval"] == [0.7, 0.9]


def test_json_comes_back_as_the_same_result():
    assert TaskResult.from_json(json.loads(json.dumps(RESULT.to_json()))) == RESULT


def test_a_result_of_before_there_were_groups_has_none():
    assert TaskResult.from_json({key: x for key, x in RESULT.to_json().items() if key != "group"}) == RESULT


def test_the_keys_are_those_of_results_json():
    assert list(RESULT.to_json()) == [
        "task", "metric", "value", "interval", "chance", "items", "training", "kind", "protocol", "note", "group",
    ]  # fmt: skip
