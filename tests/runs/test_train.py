"""What trainings that were killed leave beside the runs, and who removes it."""

import pytest

from lmzoo import drafts
from lmzoo.errors import UsageError
from lmzoo.runs import store, train


@pytest.fixture
def unfinished(tmp_path):
    """Make the folder of an unfinished training with these files."""

    def make(name, **contents):
        folder = train.unfinished(tmp_path / name)
        folder.mkdir(parents=True)
        for file, text in contents.items():
            (folder / file.replace("_", ".")).write_text(text)
        return folder

    return make


def claim(folder, **flags):
    with train.claimed(folder, **{"resume": False, "overwrite": False} | flags):
        pass


def test_what_no_training_can_go_on_from_is_removed_by_the_next(tmp_path, unfinished):
    unfinished("run", metrics_jsonl="{}")
    unfinished("other", key="k")
    draft = unfinished("third") / f"{drafts.DRAFT}{'0' * 12}"
    draft.write_text("half a checkpoint")
    checkpoint = unfinished("fourth", checkpoint_safetensors="whole", metrics_jsonl="{}")
    own = unfinished("fifth", notes="of the user")
    claim(tmp_path / "run")
    assert sorted(tmp_path.iterdir()) == [own, checkpoint]


def test_a_living_process_keeps_what_it_has(tmp_path, unfinished):
    mine = unfinished("mine", metrics_jsonl="{}")
    with drafts.reserved(tmp_path / "mine"):
        claim(tmp_path / "run")
        assert mine.exists()
        with pytest.raises(UsageError, match="another lmzoo is at work on"):
            claim(tmp_path / "mine", resume=True)
    claim(tmp_path / "run")
    assert not mine.exists()


@pytest.mark.parametrize("same", [True, False])
def test_the_checkpoints_of_a_run_that_is_whole_are_removed(tmp_path, unfinished, same):
    """Killed between saving the run and removing them; those of a later training that replaces the run stay."""
    left = unfinished("run", checkpoint_safetensors="whole", metrics_jsonl='{"seconds": 1.234}\n')
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / store.METRICS).write_text('{"seconds": 1.234}\n' if same else '{"seconds": 1.235}\n')
    train.remove_useless(tmp_path)
    assert left.exists() != same


def test_a_name_too_long_for_its_checkpoints_is_refused_before_any_work(tmp_path):
    with pytest.raises(UsageError, match="File name too long; choose another --out"):
        claim(tmp_path / ("x" * 250))


def test_checkpoints_are_neither_overwritten_nor_missed(tmp_path, unfinished):
    with pytest.raises(UsageError, match="nothing to resume"):
        claim(tmp_path / "run", resume=True)
    unfinished("run", checkpoint_safetensors="whole")
    with pytest.raises(UsageError, match="--resume continues it, --overwrite starts from scratch"):
        claim(tmp_path / "run")
    claim(tmp_path / "run", resume=True)
    claim(tmp_path / "run", overwrite=True)
    assert train.unfinished(tmp_path / "run").exists()
