"""Checkpoints: what can be wrong with one, and that it is left as it is."""

import shutil
from dataclasses import replace

import pytest
import torch
from safetensors.torch import save_file

from lmzoo.errors import FormatError, LmzooError, UsageError
from lmzoo.interface import Data, Run
from lmzoo.neural.training import checkpoint
from lmzoo.testing import VOCAB_SIZE, practice_text
from tests.neural.networks import TRAIN, VALID, begin, network, weights


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("unfinished")
    trainer = begin(network(), folder=folder)
    trainer.step()
    trainer._clock(type("Nobody", (), {"requested": False}))
    trainer._report()
    trainer.save()
    return folder


@pytest.fixture
def folder(saved, tmp_path):
    return shutil.copytree(saved, tmp_path / "unfinished")


def resume(folder, model=None, train=TRAIN, valid=VALID, vocab_size=VOCAB_SIZE, lines=False, **run):
    run = Run(**({"steps": 20} | run), folder=folder, resume=True)
    return (model or network()).fit(replace(Data.of(train, valid, vocab_size), lines=lines), run)


def test_a_checkpoint_can_be_resumed_more_than_once(folder):
    trainers = [begin(network(), folder=folder) for _ in range(2)]
    for trainer in trainers:
        trainer.resume()
        trainer.step()
    assert [trainer.step_number for trainer in trainers] == [2, 2]
    assert torch.equal(weights(trainers[0].module), weights(trainers[1].module))
    assert not list(folder.glob(".*"))  # no draft is left


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"model": network(hidden=33)}, r"another setting hidden \(32, and now 33\)"),
        ({"model": network(learning_rate=0.5)}, "another setting learning_rate"),
        ({"model": network("mlp")}, r"another model \(lstm, and now mlp\)"),
        ({"train": practice_text(4000, seed=9)}, "another training text: "),
        ({"train": TRAIN[:-1]}, "another training text: "),
        ({"lines": True}, "another training text: "),
        ({"valid": VALID[:-1]}, "another validation text: "),
        ({"vocab_size": VOCAB_SIZE + 1}, r"another vocabulary \(12, and now 13\)"),
        ({"seed": 1}, r"another seed \(0, and now 1\)"),
        ({"steps": 21}, r"another budget of steps \(20, and now 21\)"),
        ({"seconds": 5.0}, r"another budget of seconds \(None, and now 5.0\)"),
        ({"precision": "bfloat16"}, r"another precision \(float32, and now bfloat16\)"),
    ],
    ids=str,
)
def test_resuming_another_training_is_an_error_in_one_line_and_loses_nothing(folder, other, words):
    (folder / "metrics.jsonl").write_text("{}\n")
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    with pytest.raises(UsageError, match=words) as caught:
        resume(folder, **other)
    assert "\n" not in str(caught.value)
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before


def damage(path, how):
    content = path.read_bytes()
    if how == "cut short":
        path.write_bytes(content[: len(content) * 2 // 3])
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "a byte of its tensors":
        path.write_bytes(content[:-100] + bytes([content[-100] ^ 1]) + content[-99:])
    elif how == "a digit of its facts":
        at = content.index(b'step_number\\": 1')
        path.write_bytes(content[: at + 15] + b"2" + content[at + 16 :])
    elif how == "a text":
        path.write_text("hello, this is no checkpoint but some text")
    elif how == "somebody's tensors":
        save_file({"weight": torch.zeros(3)}, path)


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("cut short", "is cut short, or no checkpoint"),
        ("empty", "is cut short, or no checkpoint"),
        ("a byte of its tensors", "is damaged: its contents do not match its checksum"),
        ("a digit of its facts", "is damaged: its contents do not match its checksum"),
        ("a text", "is cut short, or no checkpoint"),
        ("somebody's tensors", "is cut short, or no checkpoint"),
    ],
)
def test_a_damaged_checkpoint_is_an_error_in_one_line_and_stays_in_place(folder, how, words):
    path = checkpoint.path(folder)
    damage(path, how)
    before = path.read_bytes()
    with pytest.raises(FormatError, match=words) as caught:
        resume(folder)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == before


def test_resuming_without_a_checkpoint_is_an_error(tmp_path):
    with pytest.raises(UsageError, match=r"there is nothing to resume: .* does not exist"):
        resume(tmp_path)


def test_failing_to_write_a_checkpoint_leaves_the_older_one(folder, monkeypatch):
    before = checkpoint.path(folder).read_bytes()

    def full(tensors, path, header):
        path.write_bytes(b"half of it")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint, "save_file", full)
    trainer = begin(network(), folder=folder)
    trainer.step()
    with pytest.raises(LmzooError, match="could not be written: No space left on device; an older one"):
        trainer.save()
    assert checkpoint.path(folder).read_bytes() == before
    assert not list(folder.glob(".*"))
