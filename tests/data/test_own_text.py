"""How a text of your own is split: as its folder is, by flags, or by a rule; no test text leaks."""

import gzip
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmzoo.data import corpus
from lmzoo.data.corpus import SPLITS, Paths
from lmzoo.data.own_text import LEAK, _label
from lmzoo.errors import UsageError

LINES = "".join(f"training line {n}\n" for n in range(100))


def splits(loaded):
    return [loaded.train, loaded.valid, loaded.test]


def refused(path):
    with pytest.raises(UsageError) as caught:
        corpus.load(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture
def folder(tmp_path):
    """Writes {"a/b.txt": text, …} and returns the folder."""

    def write(files):
        for name, text in files.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
        return tmp_path

    return write


# The split that a folder has


@pytest.mark.parametrize(
    "names",
    [
        "train.txt valid.txt test.txt",
        "train.txt dev.txt test.txt",
        "Train.txt Val.txt Test.txt",
        "wiki.train.tokens wiki.valid.tokens wiki.test.tokens",
        "ptb.train.txt ptb.valid.txt ptb.test.txt",
        "corpus.train corpus.dev corpus.test",
        "corpus-train.txt corpus-validation.txt corpus-test.txt",
        "reviews_training.text reviews_dev.text reviews_test.text",
        "train/a.txt validation/a.txt test/a.txt",
        "data/train/pos/1.txt data/dev/pos/1.txt data/test/pos/1.txt",
        "train.txt eval.txt test.txt",
        "train-00000-of-00001.txt valid-00000-of-00001.txt test-00000-of-00001.txt",
    ],
)
def test_a_folder_that_is_split_keeps_its_split(folder, names):
    train, valid, test = names.split()
    loaded = corpus.load(folder({train: LINES, valid: "for validation\n", test: "to test\n"}))
    assert splits(loaded) == [LINES, "for validation\n", "to test\n"]
    assert loaded.split == f"training: {train}; validation: {valid}; test: {test}"
    assert not loaded.notes


def test_refit_does_not_make_one_line_of_two(folder):
    path = folder({"train.txt": LINES.rstrip(), "valid.txt": "for validation\n", "test.txt": "to test\n"})
    assert corpus.load(path, refit=True).train == LINES + "for validation\n"


def test_a_packed_part_is_read(folder):
    loaded = corpus.load(folder({"train.txt.gz": gzip.compress(LINES.encode()), "test.txt": "to test\n"}))
    assert loaded.train + loaded.valid == LINES
    assert loaded.test == "to test\n"


def test_sub_folders_can_hold_thousands_of_files(folder):
    files = {f"train/{n:04}.txt": f"document {n}\n" for n in range(1000)} | {"dev/0.txt": "dev\n", "test/0.txt": "t"}
    loaded = corpus.load(folder(files))
    assert splits(loaded) == ["".join(f"document {n}\n" for n in range(1000)), "dev\n", "t"]
    assert "training: train/0000.txt, train/0001.txt, train/0002.txt … (1,000 files)" in loaded.split


def test_numbered_shards_are_one_part_in_order_of_number(folder):
    shards = {f"train.{n}.txt": f"shard {n}\n" for n in range(12)}
    loaded = corpus.load(folder({**shards, "valid.txt": "v\n", "test.txt": "t\n"}))
    assert loaded.train == "".join(f"shard {n}\n" for n in range(12))


@pytest.mark.parametrize(("lacks", "has"), [("valid", "test"), ("test", "valid")])
def test_what_is_missing_is_cut_from_the_end_of_the_training_text(folder, lacks, has):
    loaded = corpus.load(folder({"train.txt": LINES, f"{has}.txt": "held out\n"}))
    assert getattr(loaded, has) == "held out\n"
    assert loaded.train + getattr(loaded, lacks) == LINES
    assert loaded.train.endswith("training line 94\n")
    assert "the last 5 % of the training text, cut at line ends" in loaded.split


def test_other_files_are_left_out_and_named(folder):
    files = {"train.txt": LINES, "dev.txt": "d\n", "test.txt": "t\n", "vocab.bin": b"\xff\0", "README.md": "About.\n"}
    loaded = corpus.load(folder(files))
    assert splits(loaded) == [LINES, "d\n", "t\n"]
    assert loaded.split.endswith("; left out: vocab.bin")


@pytest.mark.parametrize(
    ("names", "says"),
    [
        ("train.txt valid.txt dev.txt test.txt", "has two texts for validation, dev.txt and valid.txt: say which"),
        ("train.en train.de test.en test.de", "has two texts for training, train.de and train.en"),
        ("train.txt train/a.txt test.txt", "has two texts for training, train and train.txt"),
        ("train.txt test2016.txt test2017.txt", "has two texts for test, test2016.txt and test2017.txt"),
        ("corpus.txt test.txt", "has test.txt, but no file or folder named train: give the training text with --train"),
        ("a.md b.md c.md training.md testing.md", "has testing.md and also a.md, b.md, c.md, whose names do not say"),
        ("train.txt gold.txt", "has train.txt and also gold.txt, which may be for testing: give --train"),
    ],
)
def test_an_ambiguous_folder_is_an_error_that_names_files_and_flags(folder, names, says):
    message = refused(path := folder(dict.fromkeys(names.split(), LINES)))
    assert says in message
    assert str(path) in message
    assert "--" in message


@pytest.mark.parametrize(
    ("path", "part"),
    [
        ("test", "test"),
        ("the-test-of-time.txt", ""),
        ("test-of-time.txt", "test"),
        ("newstest2016.de", ""),
        ("contest.txt", ""),
        ("dev-test.txt", ""),
        ("train/test.txt", "train"),
        ("books/dev/test.txt", "valid"),
        ("a.b.c", ""),
    ],
)
def test_the_part_that_a_path_is_named_after(path, part):
    assert _label(path.split("/"))[0] == part


@given(st.lists(st.sampled_from(["train", "test", "dev", "a", "b.c", "x-1", "of", ".", "-"]), min_size=1, max_size=5))
def test_any_path_has_one_part_or_none(names):
    part, candidate = _label(names)
    assert (part in SPLITS) == bool(candidate)
    assert "/".join(names).startswith(candidate)


def test_a_linked_folder_is_read_once(folder):
    path = folder({"data/train/a.txt": LINES, "data/test/a.txt": "to test\n"})
    (path / "linked").mkdir()
    (path / "linked/train").symlink_to(path / "data/train")
    (path / "linked/test").symlink_to(path / "data/test")
    (path / "data/test/up").symlink_to(path / "data/test")
    loaded = corpus.load(path / "linked")
    assert loaded.train + loaded.valid == LINES
    assert loaded.test == "to test\n"


# The split that flags give


def test_flags_give_the_parts(folder):
    path = folder({"a.txt": LINES, "b.txt": "for validation\n", "c/1.txt": "to\n", "c/2.txt": "test\n"})
    given = Paths(train=f"{path}/a.txt", valid=f"{path}/b.txt", test=f"{path}/c")
    loaded = corpus.load(given)
    assert splits(loaded) == [LINES, "for validation\n", "to\ntest\n"]
    assert loaded.name == "a.txt"
    assert loaded.paths == given
    assert corpus.load(Paths(train=f"{path}/a.txt", test=f"{path}/c")).valid.startswith("training line 95")
    assert splits(corpus.load(Paths(train=f"{path}/a.txt"))) == splits(corpus.load(path / "a.txt"))


def test_a_file_of_a_folder_that_a_flag_gives_is_not_trained_on(folder):
    path = folder({"a.txt": LINES, "b.txt": "the secret\n", "c.txt": LINES[::-1]})
    loaded = corpus.load(Paths(str(path), test=f"{path}/b.txt"))
    assert loaded.test == "the secret\n"
    assert "secret" not in loaded.train + loaded.valid
    assert LINES in loaded.train


def test_a_flag_settles_what_is_ambiguous(folder):
    files = {"train.txt": LINES, "dev.txt": "d\n", "test_a.txt": "a\n", "test_b.txt": "b\n"}
    path = folder(files)
    loaded = corpus.load(Paths(str(path), test=f"{path}/test_b.txt"))
    assert splits(loaded) == [LINES, "d\n", "b\n"]
    assert "left out: test_a.txt" in loaded.split


def test_flags_that_do_not_go_together(folder):
    path = folder({"a.txt": LINES})
    assert "--valid and --test go with --train or --corpus" in refused(Paths(test=f"{path}/a.txt"))
    assert "is given for training and for test" in refused(Paths(train=f"{path}/a.txt", test=f"{path}/a.txt"))
    assert "no file to train on" in refused(Paths(f"{path}/a.txt", test=f"{path}/a.txt"))


# The split by a rule


def test_a_folder_is_joined_in_order_of_name(folder):
    files = {"b.txt": "second\n", "a.txt": "first, and no line end", "sub/c.txt": "third", ".hidden": b"\xff"}
    loaded = corpus.load(folder(files))
    assert "".join(splits(loaded)) == "first, and no line end\nsecond\nthird"
    assert "3 files joined in order of name" in loaded.source


def test_a_folder_of_many_files_is_cut_between_them(folder):
    loaded = corpus.load(folder({f"{n:02}.txt": f"document {n:02}\n" for n in range(40)}))
    assert loaded.train.endswith("document 35\n")
    assert loaded.valid == "document 36\ndocument 37\n"
    assert loaded.test == "document 38\ndocument 39\n"
    assert "cut between documents; 40 files joined in order of name" in loaded.source


def test_what_is_about_the_texts_is_no_text_unless_there_is_nothing_else(folder):
    path = folder({"README": "About.\n", "LICENSE.txt": "Free.\n", "a.txt": LINES})
    assert "".join(splits(corpus.load(path))) == LINES
    (path / "a.txt").unlink()
    (path / "README").write_text("About.\n" * 10)
    assert "About." in "".join(splits(corpus.load(path)))


@given(text=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\ufeff{["), min_size=20))
def test_a_file_is_cut_and_nothing_in_it_changes(text, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "own.txt"
    path.write_bytes(text.encode())
    loaded = corpus.load(path)
    assert "".join(splits(loaded)) == text
    assert all(splits(loaded))


# JSON lines


def jsonl(*records):
    return "".join(json.dumps(record) + "\n" for record in records)


def test_json_lines_are_a_document_each(folder):
    names = [f"name {n}" for n in range(40)]
    path = folder({"c.jsonl": jsonl(*({"text": name, "label": 1} for name in names))})
    loaded = corpus.load(path / "c.jsonl")
    assert "".join(splits(loaded)) == "\n".join(names) + "\n"
    assert loaded.test == "name 38\nname 39\n"
    assert "each document is the field 'text' of a JSON object" in loaded.split


def test_a_blank_line_ends_documents_of_several_lines(folder):
    path = folder({"c.json": json.dumps([{"body": f"Title {n}\n\nIt is long.\n"} for n in range(40)])})
    loaded = corpus.load(Paths(str(path / "c.json"), field="body"))
    assert loaded.test == "Title 38\n\nIt is long.\n\nTitle 39\n\nIt is long.\n\n"


@pytest.mark.parametrize(
    ("contents", "says"),
    [
        (jsonl({"text": "a"}) + "{oh}\n", "c.jsonl, line 2 is not valid JSON: Expecting property name"),
        (jsonl({"text": "a"}, ["b"]), "c.jsonl, line 2 is not an object with a field 'text' but [\"b\"]"),
        (
            "\n" + jsonl({"body": "a", "id": 1}),
            "line 2 has no field 'text', only body, id: --field NAME says which",
        ),
        (jsonl({"text": None}), "line 1: its field 'text' is not text but null"),
        (jsonl({"text": "a"}) + "[" * 100_000, "line 2 is not valid JSON"),
    ],
)
def test_a_bad_line_is_named(folder, contents, says):
    assert says in refused(folder({"c.jsonl": contents}) / "c.jsonl")


def test_a_json_object_is_no_text(folder):
    assert "is JSON, not a text: give a text, or JSON lines" in refused(folder({"c.txt": '{\n "a": 1,\n "b": 2\n}'}))


def test_half_of_a_surrogate_pair_does_not_cost_the_file(folder):
    path = folder({"c.jsonl": jsonl({"text": "cut \ud83d emoji"}, {"text": "whole 😀 and more"})})
    loaded = corpus.load(path / "c.jsonl")
    assert "".join(splits(loaded)) == "cut \ufffd emoji\nwhole 😀 and more\n"
    assert "1 halves of surrogate pairs" in loaded.notes[0]


def test_an_empty_field_takes_the_lines_as_they_are(folder):
    contents = jsonl(*({"text": f"name {n}"} for n in range(40)))
    assert "".join(splits(corpus.load(Paths(str(folder({"c.jsonl": contents})), field="")))) == contents


def test_a_field_of_a_text_is_refused(folder):
    path = folder({"a.txt": LINES})
    assert refused(Paths(str(path), field="body")) == f"--field body is for JSON lines, and {path / 'a.txt'} is a text"


# Leaks


@pytest.mark.parametrize("test", [LINES, LINES[300:500]])
def test_a_test_text_that_is_in_the_training_text_is_noted(folder, test):
    loaded = corpus.load(folder({"train.txt": LINES, "valid.txt": "v\n", "test.txt": test}))
    assert loaded.notes[0].startswith("the test text is in the training text, whole: a score on text that was seen")


def test_a_training_text_that_is_in_the_test_text_is_noted(folder):
    loaded = corpus.load(folder({"train.txt": LINES, "valid.txt": "training line", "test.txt": "x\n" + LINES}))
    assert loaded.notes[0].startswith("the training text is in the test text, whole")


def test_long_documents_in_two_parts_are_counted(folder):
    long = [f"a review of film {n}, " + "which was long " * 10 for n in range(9)]
    files = {"train.jsonl": jsonl(*({"text": text} for text in [*long[:6], "short"])), "valid.txt": "v\n"}
    files["test.jsonl"] = jsonl(*({"text": text} for text in [*long[5:], "short", "short"]))
    assert corpus.load(folder(files)).notes == (
        f"1 of the 6 documents of the test text are in the training text too: {LEAK}",
    )
