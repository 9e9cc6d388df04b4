"""A comparison that is made again: what is finished is not done twice, and nothing that was killed is lost.

Each test compares what a comparison found, apart from times and sizes of memory, with what one found that nobody
disturbed.
"""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lmzoo.analysis import calibration, context_length, memorization, surprisal
from lmzoo.comparison import entry
from lmzoo.comparison.compare import compare
from lmzoo.data import cards
from lmzoo.data import corpus as corpora
from lmzoo.data.corpus import Corpus
from lmzoo.data.grammar import Grammar
from lmzoo.evaluation.text_model import TextModel
from lmzoo.interface import Data, Run
from lmzoo.models.ngram import Ngram
from lmzoo.report import page as report
from lmzoo.runs import store
from lmzoo.runs import train as training
from tests.comparisons import compared, made
from tests.processes import Started

pytestmark = pytest.mark.usefixtures("few_questions")

CONTESTANTS = ["uniform", "ngram:order=3", "gpt:preset=tiny"]
# What two runs of one comparison may differ in.
TIMES = (
    "seconds",
    "train_seconds",
    "training_seconds",
    "tokens_per_second",
    "peak_bytes",
    "other_processes_cores",
    "date",
    "command",
    "name",
)


# `lmzoo` that writes a checkpoint whenever it evaluates, not once a minute, asks few questions and renders no figure.
LMZOO = """
from matplotlib.figure import Figure
from lmzoo.analysis import calibration, context_length
from lmzoo.cli.main import main
from lmzoo.neural.training import trainer
from lmzoo.report import canvas, drawing
drawing.picture = lambda draw: draw(canvas.WIDE) and canvas.Picture("", b"<svg/>", b"<svg/>", b"")
Figure.draw_without_rendering = lambda _: None
context_length.STRETCHES = 30
calibration.POSITIONS = 200
trainer.CHECKPOINT_EVERY = 0.0
trainer.CHECKPOINT_SHARE = 1.0
main()
"""


def without_times(value):
    if isinstance(value, dict):
        return {key: without_times(item) for key, item in value.items() if key not in TIMES}
    return [without_times(item) for item in value] if isinstance(value, list) else value


def results(folder):
    return without_times(json.loads((folder / "results.json").read_text("utf-8")))


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    """60 kB of the built-in grammar, as a file."""
    path = tmp_path_factory.mktemp("corpus") / "small.txt"
    grammar = Grammar.load(cards.folder() / "storyworld.grammar.toml")
    path.write_text("".join(grammar.generate(60_000, "again")), encoding="utf-8")
    return path


def started(text, folder, *contestants, limit=None):
    """`lmzoo compare` in a process of its own, whose files have `limit` bytes at most."""
    words = ["compare", *(contestants or CONTESTANTS), "--corpus", text, "--tokenizer", "char"]
    flags = ["--budget", "60steps", "--out", folder, "--quiet"]
    limited = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))\n" if limit else ""
    limited += "import sys; sys.dont_write_bytecode = True\n" if limit else ""  # it would be cut short, and stay
    return Started(words + flags, limited + LMZOO)


def finished(process):
    out, error = process.communicate()
    assert process.returncode == 0, error
    return out


@pytest.fixture(scope="module")
def undisturbed(text, tmp_path_factory):
    folder = tmp_path_factory.mktemp("reports") / "undisturbed"
    finished(started(text, folder))
    return folder


def _kill_when(process, pattern, folder):
    """kill -9, as soon as a path in `folder` matches `pattern`, and check that it was running until then."""
    deadline = time.monotonic() + 300
    while not any(folder.glob(pattern)) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.002)
    there = any(folder.glob(pattern))
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert there, f"it never wrote {pattern}"
    assert process.returncode == -signal.SIGKILL, f"it ended before it was killed at {pattern}"


def test_killed_at_any_moment_and_begun_again_it_finds_the_same(text, undisturbed, tmp_path):
    folder = tmp_path / "killed"
    for moment in (
        "runs/ngram-order-3",  # a model is saved
        "runs/gpt-tiny.unfinished/checkpoint*",  # a network is training, from a checkpoint of which it goes on
        "kept/score-*.json",  # (of the first models, again) on the way to the network
        "kept/calibration-*.json",  # all are trained, and sections are computed
    ):
        _kill_when(started(text, folder), moment, folder)
        trained = (folder / "runs" / "gpt-tiny").is_dir()
        assert trained == ("calibration" in moment)  # the network was killed while it trained
    written = {path: path.stat().st_mtime_ns for path in folder.glob("runs/*/model.safetensors")}
    assert len(written) == len(CONTESTANTS)
    finished(started(text, folder))
    assert results(folder) == results(undisturbed)
    assert {path: path.stat().st_mtime_ns for path in written} == written  # no model was trained twice


def test_two_at_once_in_one_folder_find_the_same(text, undisturbed, tmp_path):
    both = [started(text, tmp_path / "shared") for _ in range(2)]
    for process in both:
        finished(process)
    assert results(tmp_path / "shared") == results(undisturbed)
    assert not list((tmp_path / "shared").glob("runs/*.unfinished"))


def test_a_full_disk_is_a_one_line_error_and_the_old_files_stay(text, undisturbed, tmp_path):
    """A limit on the size of files stands for the end of the disk: what is larger cannot be written."""
    folder = tmp_path / "full"
    finished(started(text, folder, "uniform"))
    before = (folder / "results.json").read_bytes()
    process = started(text, folder, "uniform", "ngram:order=3", "--overwrite", limit=20_000)
    _, error = process.communicate()
    assert process.returncode in (1, 2)
    assert "Traceback" not in error
    assert "File too large" in error
    assert len(error.strip().splitlines()) == 1
    assert (folder / "results.json").read_bytes() == before
    assert not list(folder.glob("runs/ngram*"))


@pytest.fixture(scope="module")
def small(text):
    return corpora.load(text)


def scored(*specs_corpus_folder_run, **how):
    """A comparison without sections, as JSON: for tests of what is trained and scored."""
    return compare(*specs_corpus_folder_run, sections=(), **how).to_json()


def counting(monkeypatch):
    """The models that are trained from now on, by name."""
    trained = []
    fit = training.fit
    monkeypatch.setattr(training, "fit", lambda name, *rest: (trained.append(name), fit(name, *rest))[1])
    return trained


def test_nothing_is_trained_or_asked_twice(small, tmp_path, monkeypatch):
    first = compared(["uniform", "ngram:order=2"], small, tmp_path / "r", Run(seed=1))
    trained = counting(monkeypatch)
    monkeypatch.setattr(entry, "evaluate", lambda *_: pytest.fail("it was scored before"))
    for asked in (surprisal, memorization, context_length, calibration):
        monkeypatch.setattr(asked, "facts_of", lambda *_: pytest.fail("it was asked before"))
    again = compared(["uniform", "ngram:order=2"], small, tmp_path / "r", Run(seed=1))
    assert trained == []
    assert without_times(again) == without_times(first)


@pytest.mark.parametrize(
    ("words", "run"),
    [("ngram:order=3", Run(seed=1)), ("ngram:order=2", Run(seed=2)), ("ngram:order=2", Run(seed=1, memory=1 << 30))],
)
def test_what_could_change_the_result_is_trained_anew(words, run, small, tmp_path, monkeypatch):
    scored(["ngram:order=2"], small, tmp_path / "r", Run(seed=1))
    trained = counting(monkeypatch)
    scored([words], small, tmp_path / "r", run)
    assert trained == ["ngram"]


def test_a_corpus_that_changed_is_trained_on_anew(small, tmp_path, monkeypatch):
    first = scored(["ngram:order=2"], small, tmp_path / "r", Run(seed=1))
    changed = corpora.load(
        _written(tmp_path / "small.txt", small.train.replace("cat", "ant") + small.valid + small.test)
    )
    trained = counting(monkeypatch)
    second = scored(["ngram:order=2"], changed, tmp_path / "r", Run(seed=1))
    assert "ngram" in trained
    assert second["rows"][0]["provenance"]["sha256"] == changed.sha256 != first["rows"][0]["provenance"]["sha256"]


def _changed(corpus):
    """Its whole text with some words of the training text replaced."""
    return corpus.train.replace(" the ", " an ") + corpus.valid + corpus.test


def _written(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def test_a_finished_run_of_a_corpus_that_changed_says_so(small, tmp_path):
    scored(["ngram:order=2"], small, tmp_path / "r", Run(seed=1))
    mine = str(tmp_path / "r" / "runs" / "ngram-order-2")
    same = scored([mine], small, tmp_path / "s", Run(seed=1))
    changed = corpora.load(
        _written(tmp_path / "small.txt", small.train.replace("cat", "dog") + small.valid + small.test)
    )
    of_another = scored([mine], changed, tmp_path / "t", Run(seed=1))
    assert not any("changed" in note for note in same["rows"][0]["notes"])
    assert any("small.txt has changed since" in note for note in of_another["rows"][0]["notes"])


def test_a_damaged_run_is_trained_anew(small, tmp_path):
    first = scored(["ngram:order=2"], small, tmp_path / "r", Run(seed=1))
    model = tmp_path / "r" / "runs" / "ngram-order-2" / "model.safetensors"
    model.write_bytes(model.read_bytes()[:-5])
    again = scored(["ngram:order=2"], small, tmp_path / "r", Run(seed=1))
    assert without_times(again) == without_times(first)
    store.load(model.parent)


def test_an_interrupted_training_goes_on_and_another_is_not_taken_for_it(text, tmp_path, monkeypatch):
    source = corpora.load(text)
    run = Run(seed=1, steps=30)
    coded = training.encode(source, "char", run)
    given = {"preset": "tiny"}
    folder = tmp_path / "gpt"
    resumed = []
    fit = training.fit

    def watched(name, given, text, run):
        resumed.append(run.resume)
        return fit(name, given, text, run)

    monkeypatch.setattr(training, "fit", watched)
    left = training.unfinished(folder)
    left.mkdir()
    (left / training.KEY).write_text(training.key("gpt", given, coded, run))
    (left / "checkpoint.safetensors").write_bytes(b"damaged")
    fitted = training.fit_going_on("gpt", given, coded, run, folder)
    assert resumed == [True, False]  # it was damaged, and is begun anew
    assert fitted.provenance["steps"] == 30
    left.mkdir(exist_ok=True)  # which is removed with its training where that left nothing to resume
    (left / training.KEY).write_text("of something else")
    training.fit_going_on("gpt", given, coded, run, folder)
    assert resumed == [True, False, False]


class TestSeeds:
    def test_spreads_are_of_the_same_model_with_other_seeds(self, small, tmp_path):
        words = ["ngram:order=2", "gpt:preset=tiny"]
        outcome = scored(words, small, tmp_path, Run(seed=1, steps=5), "char", seeds=3)
        counted, trained = (row["seeds"] for row in outcome["rows"])
        assert [one["seed"] for one in trained] == [1, 2, 3]
        assert len({one["bits_per_character"] for one in counted}) == 1  # counting has no chance in it
        assert len({one["bits_per_character"] for one in trained}) == 3
        assert trained[0]["bits_per_character"] == outcome["rows"][1]["score"]["bits_per_character"]

    def test_another_seed_is_a_run_of_its_own(self, small, tmp_path):
        scored(["ngram:order=2"], small, tmp_path, Run(seed=1), seeds=2)
        assert {path.name for path in (tmp_path / "runs").glob("n*")} == {"ngram-order-2", "ngram-order-2-seed-2"}


# Scores so many megabytes of a text, over and over, and says how much memory that took.
SCORES = """
import resource, sys
from pathlib import Path
from lmzoo.runs import store
from lmzoo.evaluation.perplexity import evaluate
text_model = store.load(sys.argv[1])
text = Path(sys.argv[2]).read_text() * 999
evaluate(text_model, text[: int(sys.argv[3]) * 1_000_000])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


class TestSizes:
    @pytest.mark.pictures
    def test_twenty_models_fit_in_one_report(self, small, tmp_path):
        words = [f"ngram:order={order},smoothing={how}" for order in range(1, 6)
                 for how in ("kneser-ney", "witten-bell", "modified-kneser-ney", "add-k")]  # fmt: skip
        outcome = compared(words, small, tmp_path, Run(seed=1))
        assert sum(row["score"] is not None for row in outcome["rows"]) == 20
        page = report.write(tmp_path, made(outcome))
        assert page.stat().st_size < 2 * 5e6  # 5 MB for ten

    @pytest.mark.parametrize("test", ["a", "\nné"])
    def test_a_test_text_of_a_few_characters_has_its_bits(self, test, small, tmp_path):
        tiny = Corpus(**{**vars(small), "test": test, "floor_bits": None})
        outcome = compared(["uniform", "ngram:order=3", "svd:dimensions=3"], tiny, tmp_path, Run(seed=1))
        assert all(row["score"] and row["interval"] is None for row in outcome["rows"])
        assert report.write(tmp_path, made(outcome)).is_file()

    def test_megabytes_are_scored_in_bounded_memory(self, small, tmp_path):
        """The most memory of a process that scores 10 MB, beside one that scores a tenth of that."""
        coded = training.encode(small, "char", Run())
        model = Ngram(order=4).fit(Data.of(coded.train, coded.valid, coded.tokenizer.vocab_size))
        run = store.save(TextModel(model, coded.tokenizer), tmp_path / "run")
        text = _written(tmp_path / "text.txt", small.train)
        peak = {}
        for megabytes in (1, 5):
            words = [sys.executable, "-c", SCORES, str(run), str(text), str(megabytes)]
            done = subprocess.run(words, capture_output=True, text=True, check=True)
            peak[megabytes] = int(done.stdout) * 1024
        assert (peak[5] - peak[1]) / 4e6 < 60  # bytes for each character more


def test_the_key_of_a_training_is_in_its_provenance(small, tmp_path):
    outcome = scored(["ngram:order=2"], small, tmp_path, Run(seed=1))
    (row,) = outcome["rows"]
    text = training.encode(small, None, Run())
    assert row["provenance"]["key"] == training.key("ngram", {"order": "2"}, text, Run(seed=1))


def test_a_model_of_ones_own_is_another_where_its_code_is(small, tmp_path):
    path = Path(entry.__file__).parents[1] / "models" / "uniform.py"
    own = _written(tmp_path / "own.py", path.read_text("utf-8"))
    text = training.encode(small, None, Run())
    before = training.key(str(own), {}, text, Run())
    _written(own, path.read_text("utf-8") + "\n# another line\n")
    assert training.key(str(own), {}, text, Run()) != before
