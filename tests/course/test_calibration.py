"""`lmzoo course calibrate`: what a right hand-in takes and reaches."""

import json
from pathlib import Path

import pytest

from lmzoo.cli.main import main
from lmzoo.course import calibration

REFERENCE = Path(__file__).parent / "ruler" / "reference.py"


def test_a_right_hand_in_earns_everything_and_reaches_the_target(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["course", "calibrate", "1", str(REFERENCE), "--students", "2", "--json"])
    shown, _ = capsys.readouterr()
    assert ended.value.code == 0
    checks = json.loads(shown)
    assert all(check["shares"] == [1, 1] for check in checks)
    assert all(0 < used < check["limit"] / 2 for check in checks for used in check["cpu"])
    figure = checks[-1]
    assert len(set(figure["values"])) == 2  # each student has a text of its own
    assert figure["threshold"] < 1.01


def test_the_threshold_is_the_mean_and_three_standard_deviations():
    one = calibration.Calibrated("figure", [], [], [], [0.8, 1.0])
    assert one.threshold == pytest.approx(0.9 + 3 * 0.02**0.5)
    assert calibration.Calibrated("check", [], [], [], []).threshold is None


@pytest.mark.parametrize(("words", "said"), [(["--students", "1"], "students"), ([], "there is no nothing.py")])
def test_wrong_use(capsys, words, said):
    with pytest.raises(SystemExit) as ended:
        main(["course", "calibrate", "1", "nothing.py" if not words else str(REFERENCE), *words])
    assert ended.value.code == 2
    assert said in capsys.readouterr().err
