"""A run on disk: what comes back is what was saved, and what was tampered with does not come back."""

import errno
import hashlib
import json
import os
import re
import shutil
import stat
import subprocess
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from lmzoo import drafts, files, models
from lmzoo.data import tokenizers
from lmzoo.errors import FormatError, LmzooError, UsageError
from lmzoo.evaluation.text_model import TextModel
from lmzoo.interface import Data, LanguageModel, Run
from lmzoo.runs import store

TEXT = "the cat sat on the mat, and the dog saw café 😀.\n" * 20


def make(name="ngram", text=TEXT, **settings_):
    made = tokenizers.train("char", text)
    ids = made.encode(text)
    model = models.find(name)
    small = models.presets(model).get("tiny", {}) | settings_
    return model.from_config(small).fit(Data.of(ids, ids[:100], made.vocab_size), Run(steps=10)), made


def forge(run, **changes):
    """Change a JSON or array file of a run and make its checksums right again, as an attacker would."""
    for name, change in changes.items():
        path = run / {"arrays": "model.safetensors"}.get(name, f"{name}.json")
        if name == "arrays":
            save_file({**load_file(path), **change}, path)
        else:
            path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    sums = [f"{hashlib.sha256((run / name).read_bytes()).hexdigest()}  {name}\n" for name in store.FILES]
    (run / store.SUMS).write_text("".join(sums))


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    return store.save(TextModel(*make(order=3)), tmp_path_factory.mktemp("store") / "run", {"seed": 0})


@pytest.fixture
def run(original, tmp_path):
    return Path(shutil.copytree(original, tmp_path / "run"))


# ── There and back ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", models.names())
def test_what_is_loaded_gives_the_same_numbers(name, tmp_path):
    model, made = make(name)
    again, text_tokenizer = store.load(store.save(TextModel(model, made), tmp_path / "run"))
    assert again.config() == model.config()
    assert again.size() == model.size()
    ids = made.encode("the dog sat on a zebra 漢")
    assert np.array_equal(text_tokenizer.encode("the dog sat on a zebra 漢"), ids)
    if isinstance(model, LanguageModel):
        assert np.array_equal(again.log_probs(ids)[0], model.log_probs(ids)[0])


def test_checksums_can_be_checked_by_hand(original):
    subprocess.run(["sha256sum", "--strict", "-c", store.SUMS], cwd=original, check=True, capture_output=True)


def test_everyone_who_may_read_a_file_may_read_a_run(tmp_path):
    before = os.umask(0o022)
    try:
        run = store.save(TextModel(*make("uniform")), tmp_path / "run")
    finally:
        os.umask(before)
    assert stat.S_IMODE(run.stat().st_mode) == 0o755
    assert {stat.S_IMODE(path.stat().st_mode) for path in run.iterdir()} == {0o644}


def test_a_lone_surrogate_in_the_command_is_kept(tmp_path):
    run = store.save(TextModel(*make("uniform")), tmp_path / "run", {"command": "lmzoo train \udcff"})
    assert store.read_provenance(run) == {"command": "lmzoo train \udcff"}


# ── Whole or absent ───────────────────────────────────────────────────────────────────────────────


def full_disk(*_, **__):
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize(
    ("module", "step"), [(store, "_write_json"), (files, "sha256_of"), (drafts, "sync"), (drafts, "replace_folder")]
)
def test_a_full_disk_leaves_the_old_run_whole(run, monkeypatch, module, step):
    before = contents(run)
    model, made = make("uniform")
    monkeypatch.setattr(module, step, full_disk)
    with pytest.raises(LmzooError, match="No space left on device"):
        store.save(TextModel(model, made), run, overwrite=True)
    assert contents(run) == before
    assert [path.name for path in run.parent.iterdir()] == ["run"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError(errno.EIO, "Input/output error")])
def test_an_interruption_between_the_two_renames_puts_the_old_run_back(run, monkeypatch, error):
    before = contents(run)
    model, made = make("uniform")
    rename = Path.rename

    def interrupted(self, target):
        if Path(target) == run and (self / "config.json").exists() and "uniform" in (self / "config.json").read_text():
            raise error
        return rename(self, target)

    monkeypatch.setattr(drafts, "_exchange", lambda *_: False)  # as on a system that has no such step
    monkeypatch.setattr(Path, "rename", interrupted)
    with pytest.raises((KeyboardInterrupt, LmzooError)):
        store.save(TextModel(model, made), run, overwrite=True)
    assert contents(run) == before
    assert [path.name for path in run.parent.iterdir()] == ["run"]


def test_runs_saved_at_once_do_not_mix(tmp_path):
    made = [make("ngram", order=order) for order in (1, 2, 3, 4)]
    threads = [
        threading.Thread(target=store.save, args=(TextModel(*one), tmp_path / "run", None, (), True))
        for one in made * 5
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.load(tmp_path / "run").model.order in (1, 2, 3, 4)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_a_link_to_a_run_stays_a_link(run, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(run)
    store.save(TextModel(*make("uniform")), link, overwrite=True)
    assert link.is_symlink()
    assert store.load(run).model.name == "uniform"


def test_the_history_of_a_training_is_saved_where_there_is_one(original, tmp_path):
    assert not (original / store.METRICS).exists()
    history = [{"step": 10, "loss": 2.5}, {"step": 20, "loss": 1.25}]
    run = store.save(store.load(original), tmp_path / "run", history=history)
    assert [json.loads(line) for line in (run / store.METRICS).read_text().splitlines()] == history
    assert store.METRICS in (run / store.SUMS).read_text()
    (run / store.METRICS).write_text("{}\n")
    with pytest.raises(FormatError, match=f"{store.METRICS} is damaged"):
        store.load(run)


@pytest.mark.parametrize("place", ["notes", "file"])
def test_nothing_but_a_run_is_written_over(original, tmp_path, place):
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes/file").write_text("mine")
    (tmp_path / "file").write_text("mine")
    with (
        pytest.raises(UsageError, match="is not a run, so it is not overwritten"),
        store.claimed(tmp_path / place, True),
    ):
        pass
    with pytest.raises(drafts.TakenError, match=rf"{place} exists and is not replaced: this result is in .*{place}-2"):
        store.save(store.load(original), tmp_path / place, overwrite=True)
    assert store.digest(tmp_path / f"{place}-2") == store.digest(original)
    assert [(tmp_path / name).read_text() for name in ("file", "notes/file")] == ["mine", "mine"]


def test_without_overwrite_the_run_that_is_there_stays_and_the_new_one_is_kept_beside_it(run, original):
    with pytest.raises(drafts.TakenError, match=r"run-2"):
        store.save(TextModel(*make("uniform")), run)
    assert store.digest(run) == store.digest(original)
    assert store.load(run.with_name("run-2")).model.name == "uniform"


def test_a_run_is_claimed_only_to_be_replaced(run):
    with pytest.raises(UsageError, match="exists already"), store.claimed(run):
        pass
    message = "another lmzoo is at work on"
    with (
        store.claimed(run, overwrite=True),
        pytest.raises(UsageError, match=message),
        store.claimed(run, overwrite=True),
    ):
        pass


def test_a_model_of_ones_own_is_loaded_from_its_own_file(tmp_path):
    uniform = Path(models.__file__).with_name("uniform.py").read_text()
    (tmp_path / "mine.py").write_text(uniform.replace('"uniform"', '"mine"'))
    (tmp_path / "other.py").write_text(uniform.replace('"uniform"', '"other"'))
    tokenizer = tokenizers.train("byte", TEXT)
    model = models.find(str(tmp_path / "mine.py"))().fit(Data.of([0], [], tokenizer.vocab_size))
    run = store.save(TextModel(model, tokenizer), tmp_path / "run")
    assert store.load(run, tmp_path / "mine.py").model.vocab_size_ == tokenizer.vocab_size
    with pytest.raises(UsageError, match="a model of your own: say which with --code"):
        store.load(run)
    with pytest.raises(UsageError, match=r"made by the model 'mine', and .* has 'other'"):
        store.load(run, tmp_path / "other.py")


def test_the_error_for_a_missing_run_says_how_to_make_one(tmp_path):
    with pytest.raises(UsageError, match=r"no run at .*: lmzoo train MODEL --out"):
        store.load(tmp_path / "nothing")


@pytest.mark.parametrize("sums", [None, "", "not checksums\n", "0  config.json\n"])
def test_a_run_without_its_checksums_is_not_whole(run, sums):
    (run / store.SUMS).unlink()
    if sums is not None:
        (run / store.SUMS).write_text(sums)
    with pytest.raises(FormatError, match=f"not a whole run: it has no readable {store.SUMS}"):
        store.load(run)


def test_a_digest_is_that_of_the_predictions_not_of_their_provenance(original, run, tmp_path):
    forge(run, provenance={"seed": 1})
    assert store.digest(run) == store.digest(original)
    assert store.digest(run) != store.digest(store.save(TextModel(*make(order=2)), tmp_path / "other"))


def test_bytes_on_disk_are_those_of_model_and_tokenizer(run):
    sizes = {name: (run / name).stat().st_size for name in ("model.safetensors", "tokenizer.json")}
    assert store.bytes_on_disk(run) == sum(sizes.values())


def test_a_place_is_claimed_without_leaving_anything(tmp_path):
    with store.claimed(tmp_path / "a" / "b" / "run"):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("place", ["file/run", "file", "full", "x" * 300, "dangling"])
def test_a_place_that_cannot_be_had(tmp_path, place):
    (tmp_path / "file").write_text("")
    (tmp_path / "full").mkdir()
    (tmp_path / "dangling").symlink_to("nowhere")
    for overwrite in (False, True):
        with pytest.raises(UsageError, match="choose another --out"), store.claimed(tmp_path / place, overwrite):
            pass


def test_a_folder_that_cannot_be_written_to_is_refused_before_any_work(tmp_path, monkeypatch):
    def refuse(lock, *_):
        raise PermissionError(errno.EACCES, "Permission denied", str(lock))

    monkeypatch.setattr(drafts, "_lock", refuse)
    with (
        pytest.raises(UsageError, match="cannot be written: Permission denied; choose"),
        store.claimed(tmp_path / "run"),
    ):
        pass


def test_what_is_not_numbers_is_not_saved(tmp_path):
    model, made = make("uniform")
    model.words_ = np.array(["a", "b"])
    with pytest.raises(UsageError, match="words_ cannot be saved: it holds a <U1"):
        store.save(TextModel(model, made), tmp_path / "run")
    assert list(tmp_path.iterdir()) == []


# ── Damaged ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", [*store.FILES, store.SUMS])
@example(position=0.998046875, bit=0)  # of the last line end, which a vertical tab is for some
@given(position=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
@settings(max_examples=20, deadline=None)
def test_one_flipped_bit_is_found(original, tmp_path_factory, name, position, bit):
    run = Path(shutil.copytree(original, tmp_path_factory.mktemp("flipped") / "run"))
    data = bytearray((run / name).read_bytes())
    data[int(position * len(data))] ^= 1 << bit
    (run / name).write_bytes(data)
    with pytest.raises(FormatError):
        store.load(run)


@pytest.mark.parametrize("name", [*store.FILES, store.SUMS])
def test_a_file_that_is_missing_or_cut_short_is_named(run, name):
    whole = (run / name).read_bytes()
    (run / name).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(FormatError, match=name):
        store.load(run)
    (run / name).unlink()
    with pytest.raises(FormatError, match=name):
        store.load(run)


def test_parts_of_two_runs_do_not_make_one(run, tmp_path):
    other = store.save(TextModel(*make(order=2, text="another text altogether " * 9)), tmp_path / "other")
    shutil.copy(other / "model.safetensors", run)
    with pytest.raises(FormatError, match=r"model\.safetensors is damaged"):
        store.load(run)
    forge(run)
    with pytest.raises(FormatError, match="of different runs"):
        store.load(run)


def test_the_tokenizer_of_another_run(run, tmp_path):
    other = store.save(TextModel(*make(text="plain ASCII " * 9)), tmp_path / "other")
    shutil.copy(other / "tokenizer.json", run)
    forge(run)
    with pytest.raises(FormatError, match="of different runs"):
        store.load(run)


def test_a_link_in_the_place_of_a_file(run, tmp_path):
    (run / "config.json").rename(tmp_path / "elsewhere.json")
    (run / "config.json").symlink_to(tmp_path / "elsewhere.json")
    with pytest.raises(FormatError, match=r"config\.json is a link"):
        store.load(run)


# ── Forged: the checksums are right, and what they are of is not ──────────────────────────────────


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"format": 2}, "has format 2; this version of lmzoo reads format 1"),
        ({"format": "1"}, "has format '1'"),
        ({"model": "gpt9"}, "'gpt9', which this version"),
        ({"model": ["ngram"]}, "config.json: expected str, got array in model"),
        ({"model": "uniform"}, "different runs|does not hold"),
        ({"config": {"order": 0}}, "order must be 1 to 64"),
        ({"config": {"order": "3"}}, "the setting order: invalid enum value '3'"),
        ({"config": {"order": 3.0}}, "the setting order: expected int.*, got float"),
        ({"model": "\ud800"}, "which this version"),
        ({"outside": "\ud800"}, "expected bool|surrogates not allowed"),
        ({"config": {"no_such_field": 3}}, "no_such_field"),
        ({"config": [3]}, "expected object, got array in config"),
        ({"vocab_size": 7}, "different runs"),
        ({"vocab_size": True}, "expected int, got bool in vocab_size"),
        ({"outside": "yes"}, "expected bool, got str in outside"),
    ],
)
def test_a_configuration_that_no_save_has_written(run, changes, says):
    forge(run, config=changes)
    if changes == {"model": "uniform"}:
        forge(run, config={"config": {"order": 3}})
    with pytest.raises(FormatError, match=says):
        store.load(run)


def test_no_run_can_name_code_to_execute(run, tmp_path):
    (tmp_path / "evil.py").write_text("raise SystemExit('executed')")
    forge(run, config={"model": str(tmp_path / "evil.py")})
    with pytest.raises(FormatError, match="does not have"):
        store.load(run)


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json"])
@pytest.mark.parametrize("text", ["", "{", "[]", "null", "3", '{"format": 1}'])
def test_json_that_is_something_else(run, name, text):
    (run / name).write_text(text)
    forge(run)
    with pytest.raises(FormatError, match=name.split(".")[0]):
        store.load(run)


@pytest.mark.parametrize(("array", "says"), [("smoothing", "it lacks 'smoothing'"), ("gammas", "'gammas'")])
def test_an_array_that_is_not_there_is_named(run, array, says):
    arrays = load_file(run / "model.safetensors")
    del arrays[array]
    save_file(arrays, run / "model.safetensors")
    forge(run)
    with pytest.raises(FormatError, match=f"does not hold a ngram of this version: .*{says}"):
        store.load(run)


def test_arrays_that_are_none(run):
    (run / "model.safetensors").write_bytes(b"\xff" * 64)
    forge(run)
    with pytest.raises(FormatError):
        store.load(run)


ARRAYS = ("words", "probs", "children", "gammas", "fallback", "vocab_size")
WILD = st.sampled_from([-(2**31), -1, 0, 1, 2, 7, 255, 10**6, 2**31 - 1])


def test_a_vocabulary_of_fractions(tmp_path):
    run = store.save(TextModel(*make("uniform")), tmp_path / "run")
    forge(run, arrays={"vocab_size": load_file(run / "model.safetensors")["vocab_size"].astype(float)})
    with pytest.raises(FormatError, match="different runs"):
        store.load(run)


@given(name=st.sampled_from(ARRAYS), position=st.floats(0, 1, exclude_max=True), value=WILD)
@settings(max_examples=60, deadline=None)
def test_wild_values_are_refused_or_do_no_harm(original, tmp_path_factory, name, position, value):
    run = Path(shutil.copytree(original, tmp_path_factory.mktemp("wild") / "run"))
    array = load_file(run / "model.safetensors")[name]
    array.reshape(-1)[int(position * array.size)] = value
    forge(run, arrays={name: array})
    try:
        model, made = store.load(run)
    except FormatError:
        return
    scores, state = model.log_probs(made.encode(TEXT))
    assert len(scores) == len(made.encode(TEXT))
    assert model.next_log_probs(state).shape == (made.vocab_size,)


@pytest.mark.parametrize("name", ARRAYS)
@pytest.mark.parametrize("change", ["empty", "longer", "square", "nan"])
def test_arrays_of_another_shape_are_refused_or_do_no_harm(run, name, change):
    array = load_file(run / "model.safetensors")[name]
    changed = {
        "empty": lambda: array.reshape(-1)[:0],
        "longer": lambda: np.concatenate([array.reshape(-1), array.reshape(-1)[-1:]]),
        "square": lambda: np.zeros((2, 2), array.dtype),
        "nan": lambda: np.full(array.shape, np.nan),
    }[change]()
    forge(run, arrays={name: changed})
    try:
        model, made = store.load(run)
    except FormatError:
        return
    scores, state = model.log_probs(made.encode(TEXT))
    assert len(scores) == len(made.encode(TEXT))
    assert model.next_log_probs(state).shape == (made.vocab_size,)


# ── What is no regular file ───────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "name", ["config.json", "model.safetensors", "tokenizer.json", "provenance.json", "SHA256SUMS"]
)
@pytest.mark.parametrize("make_it", [os.mkfifo, lambda path: os.symlink("/dev/zero", path), os.mkdir])
def test_a_run_has_files_only(run, name, make_it):
    """A pipe would block for ever, and /dev/zero fill the memory."""
    (run / name).unlink()
    make_it(run / name)
    with pytest.raises(UsageError, match=re.escape(name)):
        store.load(run)


def test_a_configuration_of_no_reasonable_size(run):
    (run / "config.json").write_bytes(b'{"format": 1, "model": "' + b"x" * (17 << 20))
    with pytest.raises(FormatError, match=r"config\.json has 17,825,816 bytes, where 16,777,216 are the most"):
        store.read_config(run)


@pytest.mark.parametrize("changes", [{"corpus": 5}, {"sha256": {"test": 3}}, {"remarks": "none"}, {"refit": "yes"}])
def test_what_is_read_of_a_provenance_has_its_type(run, changes):
    forge(run, provenance=changes)
    with pytest.raises(FormatError, match=rf"provenance\.json: expected .* in {next(iter(changes))}"):
        store.read_provenance(run)
