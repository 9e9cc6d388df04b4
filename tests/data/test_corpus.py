"""What a corpus is: three texts cut from untouched files by a stated rule, and where they came from."""

import hashlib
import lzma
import os
import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmzoo.data import ambiguity, cards, corpus, reading
from lmzoo.data.corpus import Paths
from lmzoo.data.grammar import Grammar
from lmzoo.data.split import RULES, at_ends, by_bytes, by_characters, by_tenth_lines, by_words
from lmzoo.errors import FormatError, UsageError
from lmzoo.runs import train as training

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
CARDS = corpus.cards()
MIRROR = os.environ.get("LMZOO_MIRROR", "")
REFUSE = ambiguity.refuse
NO_MIRROR = "set LMZOO_MIRROR to a folder with the public data sets"


def refused(path, **options):
    """The one line that a bad corpus gets; its exit code is that of bad input."""
    with pytest.raises(UsageError) as caught:
        corpus.load(path, **options)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2
    return str(caught.value)


def splits(loaded):
    return [loaded.train, loaded.valid, loaded.test]


# The cards


def test_the_cards_that_there_are():
    names = "books brown enwik8 imdb names ptb shakespeare storyworld text8 wikitext2"
    assert set(CARDS) >= set(re.findall(r"\w+", names))


@pytest.mark.parametrize("card", CARDS.values(), ids=CARDS)
def test_a_card_tells_what_a_reader_needs(card):
    assert all([card.title, card.licence, card.citation, card.tokenizer, card.split["words"]])
    assert card.protocol == ("lines" if card.lines else "stream")
    assert card.generator or card.files
    for file in card.files:
        assert file.size > 0
        assert re.fullmatch(r"[0-9a-f]{64}|", file.sha256)
        assert re.fullmatch(r"https?://\S+|", file.url)
        assert not Path(file.path).is_absolute()
        assert ".." not in file.path


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("tokenizer", "#"), "tokenizer"),
        (("size =", "bytes ="), "lacks the field size"),
        (("url =", "link ="), "the unknown name 'link'"),
        (("[split]", "[split"), "line"),
        (('rule = "characters"', 'rule = "shuffled"'), "'shuffled': the rules are characters, bytes"),
        (('rule = "characters"', 'rule = "files"'), "train, valid, test"),
    ],
)
def test_a_card_that_is_not_right_is_named(tmp_path, monkeypatch, change, says):
    text = (cards.folder() / "shakespeare.toml").read_text()
    (tmp_path / "mine.toml").write_text(text.replace(*change))
    monkeypatch.setattr(cards, "folder", lambda: tmp_path)
    with pytest.raises(FormatError, match=r"mine\.toml") as caught:
        corpus.cards()
    assert says in str(caught.value)


@pytest.fixture
def three_lines(tmp_path, monkeypatch):
    """A card for a file of three lines, in a mirror; returns its load."""
    contents = "Ärger\nÖl\nÜbel\n".encode()
    card = f"""title = "T"\nlicence = "L"\ncitation = "C"\ntokenizer = "char"\nlines = true
        files = [{{ path = "mine/a.txt", size = {len(contents)} }}]
        split = {{ rule = "words", cuts = [1, 2], words = "a line each" }}"""
    (tmp_path / "mirror/mine").mkdir(parents=True)
    (tmp_path / "mirror/mine/a.txt.xz").write_bytes(lzma.compress(contents))
    (tmp_path / "mine.toml").write_text(card)
    monkeypatch.setattr(cards, "folder", lambda: tmp_path)
    monkeypatch.setenv("LMZOO_MIRROR", str(tmp_path / "mirror"))
    monkeypatch.setenv("LMZOO_CACHE", str(tmp_path / "cache"))
    return lambda **options: corpus.load("mine", **options)


def test_a_card_and_a_mirror_make_a_corpus(three_lines):
    loaded = three_lines()
    assert splits(loaded) == ["Ärger\n", "Öl\n", "Übel\n"]
    assert (loaded.name, loaded.title, loaded.protocol, loaded.tokenizer) == ("mine", "T", "lines", "char")
    assert loaded.split == "a line each"
    assert loaded.sha256["valid"] == hashlib.sha256("Öl\n".encode()).hexdigest()
    assert loaded.floor_bits is None


def test_the_text_of_labelled_lines_is_without_the_columns_before_it(three_lines, tmp_path):
    lines = b"1\tA\ttab\n0\tB\n1\tC\n"
    (tmp_path / "mirror/mine/a.txt.xz").write_bytes(lzma.compress(lines))
    card = tmp_path / "mine.toml"
    text = re.sub(r"size = \d+", f"size = {len(lines)}, columns = 1", card.read_text())
    card.write_text(text.replace("[1, 2]", "[2, 3]"))
    assert splits(three_lines()) == ["A\ttab\n", "B\n", "C\n"]


def test_a_hash_that_the_card_does_not_know_is_reported(three_lines):
    whole = hashlib.sha256("".join(splits(three_lines())).encode()).hexdigest()
    assert f"unconfirmed sha256 {whole}" in three_lines().source


def test_fetch_puts_files_into_the_cache_and_says_where_from(three_lines, tmp_path):
    (first,) = corpus.fetch("mine")
    (second,) = corpus.fetch("mine")
    assert first.source == f"mirror {tmp_path / 'mirror/mine/a.txt.xz'}"
    assert second.source == f"cache {tmp_path / 'cache/mine/a.txt'}"
    assert first.cached
    assert second.cached


def test_what_a_record_says_of_it_names_no_folder_of_this_machine(three_lines, tmp_path):
    first, second = three_lines().source, three_lines().source
    assert first.startswith("mirror mine/a.txt")
    assert second.startswith("cache mine/a.txt")
    assert str(tmp_path) not in first + second


def test_flags_come_before_the_environment(three_lines, tmp_path):
    three_lines(cache=tmp_path / "other")
    assert (tmp_path / "other/mine/a.txt").exists()
    assert not (tmp_path / "cache").exists()
    assert "is no folder" in refused("mine", mirror=tmp_path / "nowhere")


def test_refit_trains_on_validation_too(three_lines):
    plain, refit = three_lines(), three_lines(refit=True)
    assert refit.refit
    assert splits(refit) == [plain.train + plain.valid, plain.valid, plain.test]
    assert refit.sha256["train"] == hashlib.sha256(refit.train.encode()).hexdigest()


def test_refit_does_not_make_one_line_of_two():
    names = replace(_any_corpus(), lines=True, train="anna\nbo", valid="cy\n")
    assert corpus._refitted(names).train == "anna\nbo\ncy\n"


def _any_corpus():
    card = cards.Card("x", "x", "", "", "char", {})
    return corpus._corpus(card, {"train": "a", "valid": "b", "test": "c"}, "")


# The rules


@given(TEXTS, st.tuples(st.floats(0, 1), st.floats(0, 1)).map(sorted))
def test_cut_by_characters(text, cuts):
    pieces = by_characters(text, cuts)
    assert "".join(pieces) == text
    assert [len(pieces[0]), len(pieces[0] + pieces[1])] == [int(cut * len(text)) for cut in cuts]


def test_shakespeares_test_text_is_what_nanogpt_calls_validation():
    text = "x" * 1_115_394  # as long as Tiny Shakespeare
    pieces = by_characters(text, CARDS["shakespeare"].split["cuts"])
    assert [len(piece) for piece in pieces] == [948_084, 55_770, 111_540]
    assert len(pieces[2]) == len(text[int(0.9 * len(text)) :])


@given(TEXTS, st.tuples(st.integers(0, 50), st.integers(0, 50)).map(sorted))
def test_cut_by_bytes_never_breaks_a_character(text, cuts):
    pieces = by_bytes(text, cuts)
    assert "".join(pieces) == text
    ends = [len("".join(pieces[:i]).encode()) for i in (1, 2)]
    for end, cut in zip(ends, cuts, strict=True):
        assert min(cut, len(text.encode())) <= end < cut + 4


def test_a_cut_inside_a_character_moves_to_the_next():
    assert by_bytes("aé€b", [2, 4]) == ["aé", "€", "b"]


@given(TEXTS, st.tuples(st.integers(1, 9), st.integers(1, 9)).map(sorted))
def test_cut_by_words_keeps_lines_whole(text, cuts):
    pieces = by_words(text, cuts)
    assert "".join(pieces) == text
    for before, after in pairwise(pieces):
        assert not before or not after or before.endswith("\n")


def test_cut_by_words_is_at_the_first_line_end_with_enough():
    text = "one two\nthree four\nfive\nsix\n"
    assert by_words(text, [3, 5]) == ["one two\nthree four\n", "five\n", "six\n"]
    assert by_words(text, [2, 4]) == ["one two\n", "three four\n", "five\nsix\n"]


@given(st.lists(st.text("ab\r\u2028", max_size=3), max_size=35).map("\n".join))
def test_tenth_lines_woven_together_again_are_the_text(text):
    pieces = [re.findall(r"[^\n]*\n|[^\n]+\Z", piece) for piece in by_tenth_lines(text, [])]
    lines = []
    while any(pieces):
        train, valid, test = pieces
        lines += train[:8] + valid[:1] + test[:1]
        pieces = [train[8:], valid[1:], test[1:]]
    assert "".join(lines) == text


# Where it is best


@given(TEXTS.filter(lambda text: len(text) >= 20), st.sampled_from([[0.9, 0.95], [0.95]]))
def test_cut_at_ends_changes_nothing_and_leaves_no_piece_empty(text, cuts):
    pieces, _ = at_ends(text, cuts)
    assert "".join(pieces) == text
    assert all(pieces)
    assert len(pieces) == len(cuts) + 1


@given(st.lists(st.text("ab\r\u2028", max_size=30).map("a{}".format), min_size=10, max_size=60))
def test_ten_lines_or_more_are_not_cut_inside(lines):
    pieces, where = at_ends("\n".join(lines), [0.9, 0.95])
    assert where == "at line ends" or len(max(lines, key=len)) * 2 > len("".join(lines))
    assert where != "at line ends" or all(piece.endswith("\n") for piece in pieces[:2])


def test_the_best_place_to_cut():
    lines = [f"line {n:02}\n" for n in range(40)]
    assert at_ends("".join(lines), [0.9, 0.95])[0] == ["".join(lines[:36]), "".join(lines[36:38]), "".join(lines[38:])]
    stories = ["a story\nof lines\n \r\n"] * 20
    assert at_ends("".join(stories), [0.9, 0.95]) == (["".join(stories[:18]), stories[0], stories[0]], "at blank lines")
    ends = [len("".join(lines[: n + 1])) for n in range(1, 40, 2)]  # documents of two lines
    assert at_ends("".join(lines), [0.95], ends) == (["".join(lines[:38]), "".join(lines[38:])], "between documents")
    blank = ["a document\n"] * 38 + [" " * 11] * 2
    assert at_ends("".join(blank), [0.95], list(range(11, 441, 11)))[0][1] == "a document\n" + " " * 22
    assert at_ends("".join(lines), [0.95], ends[:9]) == (["".join(lines[:38]), "".join(lines[38:])], "at line ends")


def test_a_text_without_line_ends_is_cut_between_words_or_whole_characters():
    text = "abcd " * 100
    assert at_ends(text, [0.9, 0.95]) == (["abcd " * 90, "abcd " * 5, "abcd " * 5], "between words")
    marked = "e\u0301" * 35  # each a letter and its accent
    pieces, where = at_ends(marked, [0.9, 0.95])
    assert where == "between characters"
    assert all(piece[0] == "e" for piece in pieces)
    assert all(at_ends("e\u0301" * 15, [0.9, 0.95])[0])  # too few to cut between letters


def test_a_long_line_is_cut_if_next_to_nothing_would_be_left_to_train_on():
    assert at_ends("a title\n" + "word " * 1000 + "\nthe end\n", [0.9, 0.95])[1] == "between words"
    assert at_ends("a line\nanother line\nthe end\n", [0.9, 0.95])[0] == ["a line\n", "another line\n", "the end\n"]


def test_blank_lines_at_the_end_are_no_text_to_test_on():
    text = "ten words\n" * 18 + "\n" * 20
    assert at_ends(text, [0.9, 0.95])[0] == ["ten words\n" * 16, "ten words\n", "ten words\n" + "\n" * 20]


def test_blank_lines_far_from_the_cut_are_no_place_to_cut():
    text = "a title\n\nby somebody\n\n" + "and a line\n" * 100
    assert at_ends(text, [0.9, 0.95])[1] == "at line ends"


# A text of your own: `test_own_text.py` has how it is split


def test_marks_go_and_line_ends_stay_as_they_are(tmp_path):
    path = tmp_path / "windows.txt"
    path.write_bytes(b"\xef\xbb\xbfone\r\ntwo\rthree\n\x00 and what follows")
    assert corpus.load(path).train.startswith("one\r\ntwo\rthree\n\x00")


def test_a_file_says_by_which_rule_it_was_cut(tmp_path):
    path = tmp_path / "own.txt"
    path.write_text("a text of twenty or more")
    loaded = corpus.load(str(path))
    rule = "first 90 % of characters train, next 5 % validation, last 5 % test, cut between words"
    assert loaded.source == f"file {path} ({rule})"
    assert (loaded.split, loaded.protocol, loaded.name) == (rule, "stream", "own.txt")


@pytest.mark.parametrize(
    ("contents", "says"),
    [
        (b"", "is empty"),
        (b"x", "has 1 character: a corpus needs at least 20"),
        (b"x" * 19, "has 19 characters: a corpus needs at least 20"),
        (b"fine so far \xff and on and on", "is not UTF-8: byte 0xff at offset 12"),
        (b"cut inside a character \xe2\x82", "is not UTF-8: byte 0xe2 at offset 23"),
        (b"a surrogate half \xed\xa0\x80 in it", "is not UTF-8: byte 0xed at offset 17"),
        (b"%PDF-1.7\n%\xe2\xe3", "is a PDF document, not a text: extract its text"),
        (b"<html><title>404 Not Found</title></html>", "is an HTML page, not a text"),
    ],
    ids=["empty", "one character", "nineteen", "invalid", "cut short", "surrogate", "pdf", "html"],
)
@pytest.mark.parametrize("in_a_folder", [False, True])
def test_a_text_that_is_no_corpus(tmp_path, contents, says, in_a_folder):
    path = tmp_path / "bad.txt"
    path.write_bytes(contents)
    message = refused(tmp_path if in_a_folder else path)
    assert says in message
    assert str(tmp_path) in message


@pytest.mark.parametrize("name", ["shakespear", "", "no/such/file.txt", "x" * 5000, "nul\0"])
def test_what_is_neither_a_name_nor_a_path(name):
    message = refused(name)
    assert f"no corpus, file or folder is called {name!r}" in message
    assert "storyworld" in message


def test_a_part_that_is_not_there(tmp_path):
    (tmp_path / "own.txt").write_text("a text of twenty or more")
    message = refused(Paths(str(tmp_path / "own.txt"), test=str(tmp_path / "tset.txt")))
    assert message == f"--test {tmp_path / 'tset.txt'}: there is no such file or folder"


def test_a_corpus_with_a_card_has_its_own_split():
    assert "names has its own split" in refused(Paths("names", test="mine.txt"))
    assert "names has its own split" in refused(Paths("names", field="body"))


def test_the_nearest_name_is_suggested():
    assert "did you mean shakespeare?" in refused("shakespear")
    with pytest.raises(UsageError, match="did you mean wikitext2"):
        corpus.fetch("wikitext-2")


def test_a_file_that_cannot_be_read(tmp_path, monkeypatch):
    def denied(path, *_):
        raise PermissionError(13, "Permission denied", str(path))

    (tmp_path / "own.txt").touch()
    monkeypatch.setattr(reading, "open_file", denied)
    assert refused(tmp_path / "own.txt") == f"cannot read {tmp_path / 'own.txt'}: Permission denied"


# Counts


def test_describe_counts_each_split():
    counts = corpus.describe(replace(_any_corpus(), train="Zwei Öl-\nkannen", valid="\n \n", test=""))
    assert counts["train"] == {"characters": 15, "bytes": 16, "lines": 2, "words": 3}
    assert counts["valid"] == {"characters": 3, "bytes": 3, "lines": 2, "words": 0}
    assert counts["test"] == {"characters": 0, "bytes": 0, "lines": 0, "words": 0}


@pytest.mark.parametrize("edge", ["xx", " x", "x ", "  "])
def test_a_word_across_two_pieces_is_counted_once(edge):
    text = "a " * (2**19 - 1) + " " + edge + " b" * 1000  # `edge` lies around character 2**20
    assert text[2**20 - 1 : 2**20 + 1] == edge
    assert corpus._counts(text)["words"] == len(text.split())


# The built-in corpus


@pytest.fixture
def small_world(tmp_path, monkeypatch):
    """Storyworld with fewer characters; returns the folder of its card."""
    card, grammar = (cards.folder() / name for name in ("storyworld.toml", "storyworld.grammar.toml"))
    (tmp_path / "cards").mkdir()
    small = re.sub(r"(train|valid|test) = [0-9_]+", r"\1 = 2_000", card.read_text()).replace("train = 2", "train = 4")
    (tmp_path / "cards/storyworld.toml").write_text(small)
    (tmp_path / "cards/storyworld.grammar.toml").write_text(grammar.read_text())
    for module in (cards, corpus):
        monkeypatch.setattr(module, "folder", lambda: tmp_path / "cards")
    monkeypatch.setenv("LMZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(ambiguity, "refuse", lambda *_: None)  # half a second for each
    return tmp_path / "cards"


def test_storyworld_knows_its_floor(small_world):
    loaded = corpus.load("storyworld")
    source = Grammar.load(small_world / "storyworld.grammar.toml")
    for split, size in {"train": 4000, "valid": 2000, "test": 2000}.items():
        text = getattr(loaded, split)
        assert text == "".join(source.generate(size, f"1/{split}"))
        assert loaded.floor_bits[split] == pytest.approx(-sum(map(source.log2_prob, source.documents(text))), rel=1e-9)
    assert len({loaded.train[:500], loaded.valid[:500], loaded.test[:500]}) == 3


def test_refit_adds_the_floors(small_world):
    plain, refit = corpus.load("storyworld"), corpus.load("storyworld", refit=True)
    assert refit.floor_bits["train"] == plain.floor_bits["train"] + plain.floor_bits["valid"]
    assert refit.floor_bits["test"] == plain.floor_bits["test"]


@pytest.mark.parametrize("size", ["2kB", "2KB", "2000"])
def test_so_much_training_text_is_the_beginning_of_more(small_world, size):
    whole, part = corpus.load("storyworld"), corpus.load(f"storyworld:{size}")
    assert part.name == "storyworld:2kB"
    assert whole.train.startswith(part.train)
    assert 2000 <= len(part.train) < len(whole.train)
    assert (part.valid, part.test) == (whole.valid, whole.test)
    source = corpus.grammar_of(part)
    floor = -sum(map(source.log2_prob, source.documents(part.train)))
    assert part.floor_bits == whole.floor_bits | {"train": pytest.approx(floor, rel=1e-9)}


def test_a_run_finds_so_much_text_again(small_world):
    part = corpus.load("storyworld:2kB")
    assert corpus.load(corpus.trained_on(training.corpus_facts(part))) == part
    assert corpus.load("storyworld:4kB") == corpus.load("storyworld")


@pytest.mark.parametrize("size", ["0", "-3", "", "2GB", "2MBs", "1e6", "9", "1001MB", "2 MB", "1" * 999])
def test_what_is_no_size(size):
    assert re.match(
        f"storyworld:{size}: the size .* whole number .* as in storyworld:2MB", refused(f"storyworld:{size}")
    )


def test_a_text_that_is_not_generated_has_one_size():
    assert refused("shakespeare:2MB").startswith("shakespeare:2MB: shakespeare is a text of one size")
    assert "did you mean storyworld?" in refused("storywrld:2MB")


def test_storyworld_is_made_once(small_world, monkeypatch):
    first = corpus.load("storyworld")
    with monkeypatch.context() as patch:
        patch.setattr(Grammar, "draw", lambda *_: pytest.fail("made again"))
        assert corpus.load("storyworld") == first
        assert corpus.fetch("storyworld") == []


def test_storyworld_is_made_again_when_its_grammar_changes(small_world, tmp_path):
    corpus.load("storyworld")
    with open(small_world / "storyworld.grammar.toml", "a") as grammar:
        grammar.write("\n# changed\n")
    corpus.load("storyworld")
    assert len(list((tmp_path / "cache/storyworld").glob("*.json"))) == 2


@pytest.mark.parametrize("damage", [lambda b: b[:-100], lambda b: b.replace(b" the ", b" teh ", 1), lambda b: b"[]"])
def test_a_damaged_storyworld_is_made_again(small_world, tmp_path, damage):
    first = corpus.load("storyworld")
    (kept,) = (tmp_path / "cache/storyworld").glob("*.json")
    kept.write_bytes(damage(kept.read_bytes()))
    assert corpus.load("storyworld") == first


def test_a_grammar_of_two_derivations_for_a_text_is_refused_before_it_writes_a_corpus(
    small_world, tmp_path, monkeypatch
):
    monkeypatch.setattr(ambiguity, "refuse", REFUSE)
    (small_world / "storyworld.grammar.toml").write_text(
        "documents = { a = 1 }\nrules = { a = ['the {x}', '{y}'], x = ['cat'], y = ['the cat'] }"
    )
    assert "storyworld.grammar.toml: the rule 'a' has two ways to write 'the cat'" in refused("storyworld")
    assert not (tmp_path / "cache/storyworld").exists()


def test_storyworld_needs_no_cache(small_world, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    assert corpus.load("storyworld", cache=tmp_path / "file") == corpus.load("storyworld")


# The public data sets


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


def _has(card):
    return all(any(Path(MIRROR, f.path + x).exists() for x in ("", ".xz", ".gz")) for f in card.files)


@pytest.mark.data
@pytest.mark.skipif(not MIRROR, reason=NO_MIRROR)
@pytest.mark.parametrize("card", [card for card in CARDS.values() if card.files], ids=lambda card: card.name)
def test_the_counts_are_those_of_the_card(card, cache):
    if not _has(card):
        pytest.skip(f"the mirror does not have {card.name}")
    loaded = corpus.load(card.name, mirror=MIRROR, cache=cache)
    counts = corpus.describe(loaded)
    for split, expected in card.counts.items():
        assert {key: counts[split][key] for key in expected} == expected
    if not any(file.columns for file in card.files):
        assert sum(count["bytes"] for count in counts.values()) == sum(file.size for file in card.files)


@pytest.mark.data
@pytest.mark.skipif(not MIRROR, reason=NO_MIRROR)
def test_shakespeare_refitted_is_nanogpts_split(cache):
    loaded = corpus.load("shakespeare", mirror=MIRROR, cache=cache, refit=True)
    text = (cache / "tinyshakespeare/input.txt").read_bytes().decode()
    assert loaded.train == text[: int(0.9 * len(text))]
    assert loaded.test == text[int(0.9 * len(text)) :]


@pytest.mark.data
@pytest.mark.skipif(not MIRROR, reason=NO_MIRROR)
@pytest.mark.parametrize(
    ("name", "tokens"), [("ptb", [929_589, 73_760, 82_430]), ("wikitext2", [2_088_628, 217_646, 245_569])]
)
def test_words_and_line_ends_are_the_tokens_of_the_literature(name, tokens, cache):
    counts = corpus.describe(corpus.load(name, mirror=MIRROR, cache=cache))
    assert [count["words"] + count["lines"] for count in counts.values()] == tokens


def test_every_rule_is_on_the_page_that_explains_them():
    page = (cards.folder() / "README.md").read_text()
    assert all(f"| `{rule}` |" in page for rule in [*RULES, "files"])


def test_a_corpus_is_here_if_no_network_is_needed_for_it(tmp_path, monkeypatch):
    monkeypatch.setenv("LMZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("LMZOO_MIRROR", raising=False)
    assert corpus.is_here("storyworld:1MB")
    assert not corpus.is_here("shakespeare")
    for file in corpus.find("shakespeare").files:
        (tmp_path / "mirror" / file.path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "mirror" / file.path).touch()
    monkeypatch.setenv("LMZOO_MIRROR", str(tmp_path / "mirror"))
    assert corpus.is_here("shakespeare")
    (tmp_path / "own.txt").write_text("a text")
    assert corpus.is_here(tmp_path / "own.txt")
    assert not corpus.is_here(tmp_path / "none.txt")


def test_repeats_are_new_syllables_and_then_twice_the_same_again():
    source = Grammar.load(cards.folder() / "repeats.grammar.toml")
    ambiguity.refuse(source, 1)
    lengths = set()
    for document, log2_prob in source.draw(5000, "repeats"):
        syllables = document.split()
        third = len(syllables) // 3
        assert syllables == 3 * syllables[:third]
        assert len(set(syllables)) == third
        assert source.log2_prob(document) == pytest.approx(log2_prob, rel=1e-9)
        lengths.add(third)
    assert {4, 14} <= lengths <= {*range(4, 15)}
