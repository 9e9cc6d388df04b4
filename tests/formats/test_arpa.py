r"""ARPA files: what KenLM wrote is read to the same scores, what we write KenLM reads to the same scores, and whatever
is wrong with a file is said in one line that names the line."""

import bz2
import gzip
import json
import lzma
import os
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lmzoo.data import tokenizers
from lmzoo.data.split import lines_of
from lmzoo.errors import FormatError, LmzooError, UsageError
from lmzoo.evaluation.perplexity import UnknownWordsError, evaluate
from lmzoo.evaluation.text_model import TextModel
from lmzoo.formats import arpa, fields
from lmzoo.formats.arpa import lines as arpa_lines
from lmzoo.formats.arpa import reader
from lmzoo.interface import Data, Progress
from lmzoo.models.ngram import Ngram
from lmzoo.ngrams.smoothing import SMOOTHINGS

GOLDEN = Path(__file__).parents[1] / "golden.arpa"  # what lmplz -o 3 --discount_fallback made of the text in kenlm.json
KENLM = json.loads((Path(__file__).parents[1] / "models" / "kenlm.json").read_text())
TEXT = KENLM["text"]
WITH_UNKNOWN = TEXT.replace("old", "<unk>")  # what has no <unk> is given one when it is read
LN10 = np.log(10)
NO_UNKNOWN = (
    "there is no <unk> among the 1-grams, so unknown words have probability zero: eval gives the perplexity without "
    "them"
)

# As SRILM writes one: a blank line first, -99 for <s>, no back-off weight where none is needed, and, pruned, no "b c"
# though there is "a b c" (so p(· | b) is not changed by what follows "b").
SRILM = r"""
\data\
ngram 1=5
ngram 2=3
ngram 3=1

\1-grams:
-0.60206	</s>
-99	<s>	-0.4771213
-0.60206	a	-0.30103
-0.60206	b
-0.60206	c

\2-grams:
-0.1249387	<s> a
-0.30103	a b	-0.1760913
-0.60206	a c

\3-grams:
-0.30103	a b c

\end\
"""


def fitted(text=TEXT, spec="split", lines=True, **settings_):
    made = tokenizers.train(spec, text, lines)
    ids = made.encode(text)
    return Ngram(**{"order": 3, **settings_}).fit(Data.of(ids, ids[-40:], made.vocab_size)), made


def saved(path, text, **how):
    path.write_text(text, **how)
    return path


def same_trie(a, b):
    """Equal but for the counts, which no file has, and the root's γ, which nothing asks for."""
    gammas = np.array_equal(a.gammas[1:], b.gammas[1:])
    return gammas and all(
        np.array_equal(getattr(a, k), getattr(b, k)) for k in ("words", "probs", "children", "fallback")
    )


def log10_probs(model, made, text):
    return np.concatenate([model.log_probs(made.encode(line))[0] for line in lines_of(text)]) / LN10


class TestRead:
    def test_a_file_of_kenlms_scores_as_kenlm_does(self):
        model, made = arpa.read(GOLDEN)
        ours = log10_probs(model, made, KENLM["test"])  # "unicorn" is unknown, and read as <unk>
        assert np.abs(ours - KENLM["orders"]["3"]["log10_probs"]).max() < 1e-6
        assert model.remarks == []

    def test_words_keep_the_files_order_and_the_edges_of_lines_are_end(self):
        model, made = arpa.read(GOLDEN)
        assert (model.order, model.smoothing) == (3, "arpa")
        assert made.spec == "split"
        assert [made.token(i) for i in range(3)] == ["<unk>", "the", "old"]
        assert made.token(made.end) == "</s>"
        assert model.vocab_size_ == made.vocab_size

    def test_a_file_of_srilms_by_hand(self, tmp_path):
        model, made = arpa.read(saved(tmp_path / "srilm.arpa", SRILM))
        # As listed: a after <s>, b after a, c after "a b". Then, for "b c" is missing, </s> in no context at all.
        assert 10 ** log10_probs(model, made, "a b c\n") == pytest.approx([0.75, 0.5, 0.5, 0.25], rel=1e-6)
        # What "a b" does not list has 2/3 of what it has after "b", where nothing is listed.
        assert 10 ** log10_probs(model, made, "a b b\n") == pytest.approx([0.75, 0.5, 0.25 * 2 / 3, 0.25], rel=1e-6)
        assert 10 ** log10_probs(model, made, "b\n") == pytest.approx([0.25 / 3, 0.25], rel=1e-6)
        assert model.remarks == [NO_UNKNOWN]

    def test_without_an_unknown_word_one_of_probability_zero_is_added_as_in_kenlm(self, tmp_path):
        model, made = arpa.read(saved(tmp_path / "srilm.arpa", SRILM))
        assert [made.token(i) for i in range(made.vocab_size)] == ["a", "b", "c", "<unk>", "</s>"]
        # KenLM: 10^-100 for an unknown word, after which there is no context, so b has its unigram's probability
        found = 10 ** log10_probs(model, made, "a unheard-of b\n")
        assert found == pytest.approx([0.75, 0, 0.25, 0.25], rel=1e-6)

    @pytest.mark.parametrize(
        ("before", "after"),
        [
            ("\t", " "),
            ("\t", "  \t "),
            ("\n", "\r\n"),
            ("\n\\data\\", "made by hand,\non a Tuesday\n\n\\data\\"),
            ("\n\\data\\", "\ufeff\\data\\"),
            ("\n\n", "\n \t\n\n\n"),
            ("ngram 2=3", "ngram  2 =  3"),
            ("\\end\\\n", "\\end\\"),
            ("\\end\\\n", "\\end\\  \n\n \n"),
            ("-0.30103\ta b c", "-3.0103e-1\ta b c"),
            ("-0.30103\ta b c", "-.30103\ta b c\t0"),
            ("-0.30103\ta b c", "-0.301030000000000000000000000\ta b c"),
            ("-0.30103\ta b\t", "\n-0.30103\ta b\t"),
        ],
    )
    def test_what_is_as_good_is_read_the_same(self, tmp_path, before, after):
        plain, _ = arpa.read(saved(tmp_path / "plain.arpa", SRILM))
        assert before in SRILM
        other, _ = arpa.read(saved(tmp_path / "other.arpa", SRILM.replace(before, after), newline=""))
        assert same_trie(plain.trie_, other.trie_)

    def test_a_gzipped_file_is_known_by_its_first_bytes(self, tmp_path):
        path = tmp_path / "model.txt"
        path.write_bytes(gzip.compress(GOLDEN.read_bytes(), mtime=0))
        assert same_trie(arpa.read(path).model.trie_, arpa.read(GOLDEN).model.trie_)

    def test_ngrams_may_stand_in_any_order(self, tmp_path):
        turned = SRILM.replace("<s> a\n-0.30103\ta b\t-0.1760913\n", "<s> a\n").replace(
            "a c\n", "a c\n-0.30103\ta b\t-0.1760913\n"
        )
        assert turned != SRILM
        models = [arpa.read(saved(tmp_path / "model.arpa", text)).model.trie_ for text in (SRILM, turned)]
        assert same_trie(*models)

    def test_blocks_may_end_anywhere(self, monkeypatch):
        whole = arpa.read(GOLDEN).model.trie_
        for size in (1, 7, 100, 1000):
            monkeypatch.setattr(arpa_lines, "BLOCK", size)
            assert same_trie(arpa.read(GOLDEN).model.trie_, whole)

    def test_parts_of_a_block_are_read_by_many_threads_at_once(self, monkeypatch, tmp_path):
        whole = arpa.read(GOLDEN).model.trie_
        text = GOLDEN.read_text()
        surplus = saved(tmp_path / "surplus.arpa", text.replace("ngram 3=90", "ngram 3=89"))
        monkeypatch.setattr(arpa_lines, "BLOCK", 700)
        monkeypatch.setattr(reader, "WORTH_A_THREAD", 1)
        monkeypatch.setattr(reader, "THREADS", 5)
        assert same_trie(arpa.read(GOLDEN).model.trie_, whole)
        last = text.splitlines().index("\\end\\") - 1  # counted from 1, the line before the blank one before that
        with pytest.raises(FormatError, match=f"line {last}: one more 3-gram than"):
            arpa.read(surplus)

    def test_minus_99_is_a_probability_of_zero(self, tmp_path):
        model, made = arpa.read(saved(tmp_path / "zero.arpa", SRILM.replace("-0.60206\tb", "-99\tb")))
        assert model.log_probs(made.encode("b\n"))[0][0] == -np.inf

    def test_unk_in_capitals_is_the_unknown_word(self, tmp_path):
        model, made = arpa.read(saved(tmp_path / "unk.arpa", SRILM.replace("\tc", "\t<UNK>").replace(" c", " <UNK>")))
        assert made.encode("a unheard-of\n").tolist() == made.encode("a <unk>\n").tolist()
        assert model.remarks == ["<UNK> is read as <unk>"]

    def test_a_text_may_have_a_space_before_every_word(self):
        _, made = arpa.read(GOLDEN, layout="leading")
        ids = made.encode(" the cat sat \n")
        assert ids.tolist() == arpa.read(GOLDEN).tokenizer.encode("the cat sat\n").tolist()

    def test_progress_is_counted_in_bytes_of_the_file(self, tmp_path):
        class Count(Progress):
            done = 0

            def advance(self, amount=1, note=""):
                self.done += amount

        count = Count()
        packed = tmp_path / "golden.arpa.gz"
        packed.write_bytes(gzip.compress(GOLDEN.read_bytes(), mtime=0))
        arpa.read(packed, count)
        assert count.done == packed.stat().st_size

    def test_no_fit_can_make_one(self):
        with pytest.raises(UsageError, match="cannot be fitted"):
            Ngram(3, "arpa").fit(Data.of(np.array([0, 1]), np.array([0, 1]), 2))


class TestRemarks:
    def remarks(self, tmp_path, before, after):
        assert before in SRILM
        found = arpa.read(saved(tmp_path / "model.arpa", SRILM.replace(before, after))).model.remarks
        return [remark for remark in found if remark != NO_UNKNOWN]

    def test_what_does_not_sum_to_one_is_named_with_its_sum(self, tmp_path):
        (remark,) = self.remarks(tmp_path, "-0.1249387\t<s> a", "-0.30103\t<s> a")  # 1/2 + 1/3 · (1/4 + 1/4 + 1/4)
        assert remark == (
            "no distribution: the probabilities after '<s>' sum to 0.75, not 1 (wrong in 1 of 4 contexts looked at)"
        )

    def test_unigrams_too(self, tmp_path):
        (remark,) = self.remarks(tmp_path, "-0.60206\tc", "-0.1249387\tc")
        assert "the probabilities of the 1-grams sum to 1.5, not 1" in remark

    def test_ngrams_that_can_never_apply_are_left_out(self, tmp_path):
        more = SRILM.replace("ngram 2=3", "ngram 2=5").replace("\\3-grams:", "-1\ta <s>\n-1\t</s> a\n\n\\3-grams:")
        model, _ = arpa.read(saved(tmp_path / "more.arpa", more))
        left_out = "n-grams with <s> after another word or </s> before one, which can never apply, left out: 2"
        assert model.remarks == [NO_UNKNOWN, left_out]
        assert same_trie(model.trie_, arpa.read(saved(tmp_path / "plain.arpa", SRILM)).model.trie_)

    def test_a_weight_without_effect_is_named(self, tmp_path):
        remarks = self.remarks(tmp_path, "-0.60206\ta c\n", "-0.60206\ta c\t-0.5\n")
        assert remarks[0].startswith("1 back-off weights, such as that of 'a c'")

    def test_a_file_without_the_end_of_lines(self, tmp_path):
        remarks = self.remarks(tmp_path, "-0.60206\t</s>", "-0.60206\td")
        assert remarks[0] == "there is no </s> among the 1-grams, so the end of a line has probability zero"


def refusal(path):
    """What is said of a file, with its line, or None where it is read."""
    try:
        arpa.read(path)
    except FormatError as error:
        return re.fullmatch(r".*(, line \d+: .+|\.arpa is .+)", str(error))[0]
    return None


class TestOneBadWord:
    """It does not cost the file: what is good is kept, and one note counts the rest."""

    @staticmethod
    def note(model):
        (remark,) = [remark for remark in model.remarks if remark != NO_UNKNOWN]
        return remark

    def test_fields_are_parted_as_in_kenlm_by_spaces_and_tabs_alone(self, tmp_path):
        for space in ("\u00a0", "\u3000", "\u0085", "\u2028", "\x1c"):
            text = SRILM.replace("\tc", f"\tc{space}c").replace("a c", f"a c{space}c").replace("b c", f"b c{space}c")
            path = saved(tmp_path / "model.arpa", text, encoding="utf-8", newline="")
            model, made = arpa.read(path)
            assert log10_probs(model, made, f"a b c{space}c\n") == pytest.approx(
                log10_probs(*arpa.read(saved(tmp_path / "plain.arpa", SRILM)), "a b c\n")
            )
            assert made.token(2) == f"c{space}c"
            kept = "words with white space other than a space in them, kept whole"
            assert self.note(model) == f"{kept}: 1 ({made.token(2)!r})"

    def test_what_no_text_can_have_is_spelled_out(self, tmp_path):
        path = tmp_path / "model.arpa"
        path.write_bytes(SRILM.encode().replace(b"\tc", b"\t\xd1\x81\xd0").replace(b" c", b" \xd1\x81\xd0"))
        model, made = arpa.read(path)
        assert made.token(2) == "с<0xD0>"
        assert self.note(model) == "words that are not UTF-8, whose bytes were spelled <0xNN>: 1 ('с<0xD0>')"
        assert same_trie(model.trie_, arpa.read(saved(path, SRILM)).model.trie_)
        assert arpa.read(saved(path, SRILM.replace("c", "c\vc"))).tokenizer.token(2) == "c<0x0B>c"

    def test_of_duplicates_the_first_is_kept(self, tmp_path):
        more = SRILM.replace("1=5", "1=6").replace("2=3", "2=5").replace("\tc\n", "\tc\n-1\tb\n")
        more = more.replace("a c\n", "a c\n-1\ta b\n-2\t<s> a\n")
        model, _ = arpa.read(saved(tmp_path / "more.arpa", more))
        assert same_trie(model.trie_, arpa.read(saved(tmp_path / "plain.arpa", SRILM)).model.trie_)
        assert self.note(model) == "duplicate n-grams, of which the first was kept: 3 (first: 'b')"

    def test_words_with_spaces_are_left_out(self, tmp_path):
        more = SRILM.replace("1=5", "1=7").replace("2=3", "2=6").replace("3=1", "3=2")
        more = more.replace("\tc\n", "\tc\n-3\tnew york\n-3\twindows 95\t-0.5\n")
        more = more.replace("a c\n", "a c\n-1\tb new york\t-0.2\n-1\ta windows 95\n-1\tb windows 95\t0.2\n")
        more = more.replace("a b c\n", "a b c\n-1\ta b windows 95\n")
        model, _ = arpa.read(saved(tmp_path / "more.arpa", more))
        assert same_trie(model.trie_, arpa.read(saved(tmp_path / "plain.arpa", SRILM)).model.trie_)
        left_out = "n-grams with a space in a word, whose words cannot be told apart, left out"
        assert self.note(model) == f"{left_out}: 6 (first: 'new york')"

    @pytest.mark.parametrize("never", ["-inf", "-Infinity", "-1e999"])
    def test_minus_infinity_is_read_as_minus_99_is(self, tmp_path, never):
        text = SRILM.replace("-99", never).replace("-0.60206\ta c", f"{never}\ta c").replace("-0.1760913", never)
        model, _ = arpa.read(saved(tmp_path / "model.arpa", text))
        other = text.replace(never, "-99")
        assert same_trie(model.trie_, arpa.read(saved(tmp_path / "other.arpa", other)).model.trie_)
        assert "logarithms of -inf, read as -99 is: 3 (first: '<s>')" in model.remarks

    def test_all_that_was_odd_stands_in_one_note(self, tmp_path):
        text = SRILM.replace("1=5", "1=6").replace("\tc\n", "\tc\n-9\tb\n").replace("-99", "-inf")
        assert self.note(arpa.read(saved(tmp_path / "model.arpa", text)).model) == (
            "logarithms of -inf, read as -99 is: 1 ('<s>'); duplicate n-grams, of which the first was kept: 1 ('b')"
        )

    BAD_LINES = (
        {1: b"-1\tb", 2: b"-1\ta b\t-0.5", 3: b"-2\ta b c"},
        {1: b"-9\tnew york\t-1", 2: b"-9\tb new york", 3: b"-9\ta b windows 95"},
    )

    @given(
        word=st.binary(min_size=1, max_size=6).filter(lambda word: not set(word) & set(b" \t\r\n")),
        bad=st.lists(st.tuples(st.sampled_from(BAD_LINES), st.integers(1, 3)), max_size=6),
    )
    @settings(max_examples=150, deadline=None)
    def test_any_word_and_any_bad_lines_leave_the_rest_as_it_is(self, tmp_path_factory, word, bad):
        parts = SRILM.encode().split(b"\n\n")  # \\data\\, the n-grams of orders 1 to 3, \\end\\
        for lines, order in bad:
            parts[order] += b"\n" + lines[order]
            parts[0] = re.sub(rb"(?<=%d=)\d+" % order, lambda count: b"%d" % (int(count[0]) + 1), parts[0])
        folder = tmp_path_factory.mktemp("bad")
        (folder / "bad.arpa").write_bytes(re.sub(rb"(?<=[\t ])c\b", lambda _: word, b"\n\n".join(parts)))
        model, made = arpa.read(folder / "bad.arpa")
        if word not in (b"a", b"b", b"<s>", b"</s>", b"<unk>", b"<UNK>"):
            assert same_trie(model.trie_, arpa.read(saved(folder / "good.arpa", SRILM)).model.trie_)
            counts = [int(count) for remark in model.remarks for count in re.findall(r": (\d+) \(", remark)]
            odd = fields.spelled(word)
            assert sum(counts) == len(bad) + (odd.encode() != word) + (odd.split() != [odd])
            assert made.token(2) == re.sub("[\v\f]", lambda char: f"<0x{ord(char[0]):02X}>", odd)

    @pytest.mark.parametrize("codec", ["utf-16", "utf-8-sig", "utf-32"])
    @pytest.mark.parametrize("pack", [bytes, bz2.compress, lzma.compress, gzip.compress])
    def test_any_packing_and_any_utf(self, tmp_path, codec, pack):
        path = tmp_path / "model.arpa"
        path.write_bytes(pack(SRILM.lstrip().encode(codec)))
        assert same_trie(arpa.read(path).model.trie_, arpa.read(saved(tmp_path / "plain", SRILM)).model.trie_)


class TestRefusals:
    @pytest.mark.parametrize(
        ("before", "after", "says"),
        [
            ("\\data\\", "data", "line 22: the file ends here and has no \\data\\ line"),
            ("ngram 1=5\n", "", "line 3: the count of 1-grams is due here, not 'ngram 2=3'"),
            ("ngram 1=5", "ngram 1=five", "line 3: a count like 'ngram 1=1000' is due here, not 'ngram 1=five'"),
            ("ngram 2=3", "2-grams: 3", "line 4: a count like 'ngram 2=1000' is due here, not '2-grams: 3'"),
            ("ngram 2=3", "ngram 2=4", "line 19: 2-grams end here: 3 of the 4 that \\data\\ announces"),
            ("ngram 2=3", "ngram 2=2", "line 17: one more 2-gram than \\data\\ announces"),
            ("ngram 1=5", "ngram 1=6", "line 14: 1-grams end here: 5 of the 6 that"),
            ("ngram 1=5", "ngram 1=0", "line 7: 4 n-grams of order 1 to 3 are announced, 0 of them 1-grams"),
            ("ngram 1=5", "ngram 1=99999999999", "at most 64 orders and 2^31 n-grams"),
            ("ngram 3=1\n", "", "line 15: a back-off weight, '-0.1760913', on an n-gram of the highest order"),
            ("ngram 3=1\n", "ngram 3=1\nngram 4=0\n", "line 23: \\4-grams: is due here, not '\\\\end\\\\'"),
            ("\\2-grams:", "\\3-grams:", "line 14: \\2-grams: is due here, not '\\\\3-grams:'"),
            ("\\1-grams:", "\\1-gram:", "line 7: \\1-grams: is due here, not '\\\\1-gram:'"),
            (
                "-0.60206\ta c",
                "-0.60206\ta",
                "line 17: 2 fields, where a 2-gram has a log-probability, 2 words and perhaps",
            ),
            (
                "-0.30103\ta b\t",
                "-0.30103 a b c d ",
                "line 16: 6 fields, where a 2-gram has a log-probability, 2 words",
            ),
            (
                "-0.60206\tb\n",
                "-0.60206\tb\tc\td\n",
                "line 11: 4 fields, where a 1-gram has a log-probability, 1 word ",
            ),
            ("-0.30103\ta b\t", "inf\ta b\t", "line 16: the log-probability is 'inf', and must be finite or -inf"),
            ("-0.30103\ta b\t", "minus\ta b\t", "line 16: 'minus' is not a number, and a log-probability is due here"),
            ("-0.30103\ta b\t", "1_0\ta b\t", "line 16: '1_0' is not a number"),
            ("-0.1760913", "0x1p3", "line 16: 4 fields, where a 2-gram has a log-probability, 2 words and"),
            ("-0.30103\ta b\t", "nan\ta b\t", "line 16: the log-probability is 'nan', and must be finite or -inf"),
            ("-0.1760913", "NaN", "line 16: the back-off weight is 'NaN', and must be finite or -inf"),
            ("-0.1760913", "31", "line 16: the back-off weight 10^'31' is too large"),
            ("-0.30103\ta b\t", "0.30103\ta b\t", "line 16: the log-probability '0.30103' is positive"),
            ("-0.60206\tb\n", "0.1\tb\n", "line 11: the log-probability '0.1' is positive"),
            ("a c", "a d", "line 17: the word 'd' is not among the 1-grams"),
            ("a b c", "a d c", "line 20: the word 'd' is not among the 1-grams"),
            ("a b c", "b c a", "line 20: 'b c a' extends 'b c', which is not among the 2-grams"),
            ("a b c\n", "a b c\t-1\n", "line 20: a back-off weight, '-1', on an n-gram of the highest order"),
            ("\\end\\\n", "", "line 21: the file ends here, without \\end\\: it is cut short"),
            ("\\end\\\n", "\\end\\\n\n\\data\\\n", "line 24: there is text behind \\end\\: '\\\\data\\\\'"),
        ],
    )
    def test_it_names_the_line_and_what_is_wrong_there(self, tmp_path, before, after, says):
        assert before in SRILM
        path = saved(tmp_path / "bad.arpa", SRILM.replace(before, after, 1), encoding="utf-8")
        with pytest.raises(FormatError) as error:
            arpa.read(path)
        assert says in str(error.value)
        assert str(error.value).startswith(f"{path}, line ")
        assert "\n" not in str(error.value)

    @pytest.mark.parametrize(
        ("contents", "says"),
        [
            (b"", "line 1: the file is empty"),
            (b"\n\n", "line 2: the file ends here and has no \\data\\ line"),
            (
                b"mmap lm http://kheafield.com/code format version 5\n\0",
                "bad.arpa is a KenLM binary, not an ARPA file: import",
            ),
            (b"SRILM_BINARY_NGRAM_002\n\0", "bad.arpa is in SRILM's binary format, not an ARPA file: write it"),
            (
                SRILM.encode("utf-16-le"),
                "\\data\\ line: it is a text in UTF-16LE without its byte-order mark; write it as UTF-8",
            ),
            (b"blmt 3 9 9 9\n\0", "bad.arpa is in IRSTLM's binary format, not an ARPA file: write it"),
            (
                b"version https://git-lfs.github.com/spec/v1\n",
                "bad.arpa is a Git LFS pointer, not an ARPA file: the real",
            ),
            (
                b"<!doctype html>\n<p>",
                "line 2: the file ends here and has no \\data\\ line: it is an HTML page; save its",
            ),
            (b'{"a": 1}\n', "line 1: the file ends here and has no \\data\\ line: it is JSON lines"),
            (b"x" * (20 << 20), "line 1: this line is longer than 1,048,576 bytes"),
            (gzip.compress(SRILM.encode(), mtime=0)[:-20], "bad.arpa is damaged (Compressed file ended"),
            (gzip.compress(SRILM.encode(), mtime=0)[:-8] + b"\0" * 8, "bad.arpa is damaged (CRC check failed"),
            (gzip.compress(SRILM.encode(), mtime=0) + b"junk", "bad.arpa is damaged (Not a gzipped file"),
        ],
    )
    def test_it_is_not_text_or_not_whole(self, tmp_path, contents, says):
        path = tmp_path / "bad.arpa"
        path.write_bytes(contents)
        with pytest.raises(FormatError) as error:
            arpa.read(path)
        assert says in str(error.value)

    def test_no_file(self, tmp_path):
        with pytest.raises(UsageError, match=r"no\.arpa cannot be read: No such file"):
            arpa.read(tmp_path / "no.arpa")

    @pytest.mark.parametrize("packed", [False, True])
    def test_wherever_a_file_is_cut_that_is_seen(self, tmp_path, packed):
        whole = SRILM.encode()
        contents = gzip.compress(whole, mtime=0) if packed else whole
        path = tmp_path / "cut.arpa"
        accepted = []
        for size in range(len(contents)):
            path.write_bytes(contents[:size])
            if refusal(path) is None:
                accepted.append(contents[size:])
        assert accepted == ([] if packed else [b"\n"])

    @given(st.integers(0, len(SRILM) - 1), st.binary(max_size=3), st.integers(0, 3))
    @settings(deadline=None, max_examples=300)
    def test_whatever_is_damaged_is_read_or_refused(self, tmp_path_factory, at, written, lost):
        contents = SRILM.encode()[:at] + written + SRILM.encode()[at + lost :]
        path = tmp_path_factory.getbasetemp() / "damaged.arpa"
        path.write_bytes(contents)
        if refusal(path) is None:
            model, made = arpa.read(path)
            model.trie_.check(made.vocab_size)
            assert not np.isnan(model.log_probs(np.arange(made.vocab_size))[0]).any()


class TestNumbers:
    """The compiled loop reads a number as Python does, or leaves it to Python."""

    @staticmethod
    def read(text):
        return fields.number(np.frombuffer(text.encode() + b"\t", np.uint8), 0)

    @given(st.floats(-100, 40), st.sampled_from(["{}", "{:.7g}", "{:.4f}", "{:e}", "{:E}", "{:.0f}"]))
    def test_a_number_is_what_python_reads(self, value, how):
        text = how.format(value)
        found, stopped = self.read(text)
        assert np.isnan(found) or (found == pytest.approx(float(text), rel=1e-15) and stopped == len(text))
        assert not np.isnan(found) or len(text) > 17 or re.search(r"[eE]-", text)

    @pytest.mark.parametrize(
        "text", ["", "-", ".", "e5", "1e", "1e+", "nan", "-inf", "+1", "1" * 19, "1e23", "1e-2000"]
    )
    def test_the_rest_is_left(self, text):
        assert np.isnan(self.read(text)[0])


class TestWrite:
    @pytest.mark.parametrize("name", ["model.arpa", "model.arpa.gz"])
    def test_what_is_read_back_is_the_same_to_the_bit(self, tmp_path, name):
        model, made = fitted(WITH_UNKNOWN, order=4)
        counts = arpa.write(TextModel(model, made), tmp_path / name)
        again, words = arpa.read(tmp_path / name)
        assert same_trie(model.trie_, again.trie_)
        assert [words.token(i) for i in range(words.vocab_size)] == [made.token(i) for i in range(made.vocab_size)]
        assert sum(counts) == len(model.trie_.words)  # <s> is listed, the root is not

    @pytest.mark.parametrize("smoothing", [n for n, s in SMOOTHINGS.items() if s.is_distribution and n != "arpa"])
    @pytest.mark.parametrize("order", [1, 2, 3])
    def test_every_smoothing_gives_the_same_scores_when_read_back(self, tmp_path, smoothing, order):
        model, made = fitted(WITH_UNKNOWN, order=order, smoothing=smoothing)
        arpa.write(TextModel(model, made), tmp_path / "model.arpa")
        again, _ = arpa.read(tmp_path / "model.arpa")
        ids = made.encode("dog dog mat the sat\n\n" + WITH_UNKNOWN)
        assert np.array_equal(model.log_probs(ids)[0], again.log_probs(ids)[0])
        state, state_again = model.advance(0, ids[3:5]), again.advance(0, ids[3:5])
        assert np.array_equal(model.next_log_probs(state), again.next_log_probs(state_again))
        assert again.remarks == []

    def test_the_file_is_as_the_books_have_it(self, tmp_path):
        model, made = fitted("a b\na\n", order=2, smoothing="ml")
        arpa.write(TextModel(model, made), tmp_path / "model.arpa")
        # p(a) = 2/5, p(b) = 1/5, p(</s>) = 2/5; every line begins with a; b and half of the a are last in theirs
        assert (tmp_path / "model.arpa").read_text() == (
            "\\data\\\nngram 1=4\nngram 2=4\n\n"
            "\\1-grams:\n-0.39794\ta\t-99\n-0.69897\tb\t-99\n-0.39794\t</s>\n-99\t<s>\t-99\n\n"
            "\\2-grams:\n-0.30103\ta b\n-0.30103\ta </s>\n0\tb </s>\n0\t<s> a\n\n"
            "\\end\\\n"
        )

    def test_a_kenlm_file_goes_out_as_it_came_in(self, tmp_path):
        model, made = arpa.read(GOLDEN)
        arpa.write(TextModel(model, made), tmp_path / "again.arpa")

        def entries(path):
            lines = [line.split("\t") for line in path.read_text().splitlines() if "\t" in line]
            return {words: [float(p), float(rest[0]) if rest else 0.0] for p, words, *rest in lines}

        ours, theirs = entries(tmp_path / "again.arpa"), entries(GOLDEN)
        assert ours.pop("<s>") == [-99, pytest.approx(theirs.pop("<s>")[1], abs=1e-6)]
        assert ours.keys() == theirs.keys()
        assert all(ours[words] == pytest.approx(theirs[words], abs=1e-6) for words in theirs)

    def test_the_same_model_is_the_same_file(self, tmp_path):
        model, made = fitted()
        for name in ("a.arpa.gz", "b.arpa.gz"):
            arpa.write(TextModel(model, made), tmp_path / name)
        assert (tmp_path / "a.arpa.gz").read_bytes() == (tmp_path / "b.arpa.gz").read_bytes()

    def test_a_small_buffer_changes_nothing(self, tmp_path, monkeypatch):
        model, made = fitted()
        arpa.write(TextModel(model, made), tmp_path / "a.arpa")
        monkeypatch.setattr(arpa, "BLOCK", 1)
        arpa.write(TextModel(model, made), tmp_path / "b.arpa")
        assert (tmp_path / "a.arpa").read_text() == (tmp_path / "b.arpa").read_text()

    def test_scores_that_are_no_probabilities_are_refused(self, tmp_path):
        with pytest.raises(UsageError, match="stupid-backoff gives scores that do not sum to one"):
            arpa.write(TextModel(*fitted(smoothing="stupid-backoff")), tmp_path / "model.arpa")
        assert list(tmp_path.iterdir()) == []

    def test_another_models_tokenizer_is_refused(self, tmp_path):
        model, _ = fitted()
        with pytest.raises(UsageError, match=r"the model knows \d+ tokens and the tokenizer byte has 257"):
            arpa.write(TextModel(model, tokenizers.train("byte", "")), tmp_path / "model.arpa")

    @pytest.mark.parametrize("word", ["<s>", "</s>"])
    def test_a_word_that_means_something_else_is_refused(self, tmp_path, word):
        with pytest.raises(UsageError, match=f"the vocabulary has the word {word}"):
            arpa.write(TextModel(*fitted(f"a {word} b\n")), tmp_path / "model.arpa")

    def test_where_nothing_can_be_written_nothing_is_left(self, tmp_path):
        (tmp_path / "file").touch()
        with pytest.raises(LmzooError, match="could not be written"):
            arpa.write(TextModel(*fitted()), tmp_path / "file" / "model.arpa")
        (tmp_path / "folder.arpa").mkdir()
        with pytest.raises(LmzooError, match="could not be written"):
            arpa.write(TextModel(*fitted()), tmp_path / "folder.arpa")
        assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder.arpa"]


def spelling(word):
    """The bytes that a word of the file stands for: the rule of `arpa.words`, backwards."""
    parts = re.split("<0x([0-9A-F]{2})>", word)
    return b"".join(
        bytes([int(part, 16)]) if n % 2 else part.replace("▁", " ").encode() for n, part in enumerate(parts)
    )


class TestWords:
    ODD = "the café <s> </s> <unk> <0x41> ▁ \t\x00\u2028 😀 <0x4\n" * 9

    @pytest.mark.parametrize("spec", ["byte", "char", "word:50", "bpe:300"])
    @pytest.mark.parametrize("lines", [False, True])
    def test_every_token_is_one_word_that_tells_its_bytes(self, spec, lines):
        made = tokenizers.train(spec, self.ODD, lines)
        words = arpa.words(made)
        assert len(set(words)) == made.vocab_size
        assert all(word.split() == [word] and word not in ("<s>", "<unk>") for word in words)
        ids = made.encode(self.ODD)
        spelled = b"".join(b"\n" if i == made.end else spelling(words[i]) for i in ids)
        assert spelled == self.ODD.encode()

    def test_a_space_is_seen(self):
        made = tokenizers.train("word:9", "the cat the cat < café\n")
        words = arpa.words(made)
        assert "▁cat" in words
        assert "▁<0x3C>" in words
        assert words[10] == "<0x0A>"
        assert words[233] == "<0xE9>"

    def test_pieces_of_text_go_out_and_come_back(self, tmp_path):
        model, made = fitted(self.ODD, "char", lines=False)
        arpa.write(TextModel(model, made), tmp_path / "char.arpa")
        again, words = arpa.read(tmp_path / "char.arpa")
        ids = made.encode("the café \x00\n<")
        spelled = " ".join(arpa.words(made)[i] for i in ids)
        assert words.encode(spelled).tolist() == ids.tolist()
        assert np.array_equal(model.log_probs(ids)[0], again.log_probs(ids)[0])


class TestKenlm:
    """KenLM itself, where it is installed."""

    @pytest.fixture
    def scores(self, tmp_path):
        kenlm = pytest.importorskip("kenlm", reason="KenLM's Python module is not installed")

        def score(model, made, text):
            arpa.write(TextModel(model, made), tmp_path / "model.arpa")
            loaded = kenlm.Model(str(tmp_path / "model.arpa"))
            return [p for line in text.splitlines() for p, _, _ in loaded.full_scores(line)]

        return score

    @pytest.mark.parametrize(
        "smoothing", [n for n, s in SMOOTHINGS.items() if s.is_distribution and n not in ("arpa", "ml")]
    )
    def test_it_loads_ours_with_the_same_scores(self, scores, smoothing):
        model, made = fitted(smoothing=smoothing)
        text = "the cat sat on the old mat\n\nout came the warm cats and the floor sat\nmat mat mat\n"
        assert log10_probs(model, made, text) == pytest.approx(scores(model, made, text), abs=2e-6)

    def test_an_unk_of_the_text_is_its_unknown_word(self, scores):
        model, made = fitted(TEXT.replace("old", "<unk>"))
        theirs = scores(model, made, "the unicorn sat\n")
        assert log10_probs(model, made, "the <unk> sat\n") == pytest.approx(theirs, abs=2e-6)

    @pytest.mark.parametrize("word", ["10\u00a0000", "\u3000", "x\u0085", "\x1c", "\ufeffc", "c\u2028"])
    def test_it_reads_words_with_other_white_space_as_we_do(self, tmp_path, word):
        kenlm = pytest.importorskip("kenlm", reason="KenLM's Python module is not installed")
        # KenLM wants all suffixes, and finds what comes after an unknown word in no context, as we do.
        text = SRILM.replace("2=3", "2=4").replace("a c\n", "a c\n-0.2\tb c\n").replace("-99\t<s>", "-inf\t<s>")
        path = saved(
            tmp_path / "model.arpa", re.sub(r"(?<=[\t ])c\b", word, text).lstrip(), encoding="utf-8", newline=""
        )
        line = f"a b {word} {word} unicorn b a {word}"
        theirs = [(p, unknown) for p, _, unknown in kenlm.Model(str(path)).full_scores(line)]
        known = [p for p, unknown in theirs if not unknown]
        model, made = arpa.read(path)
        ours = log10_probs(model, made, line + "\n")
        assert np.isinf(ours).tolist() == [unknown for _, unknown in theirs]
        assert ours[np.isfinite(ours)] == pytest.approx(known, abs=2e-6)
        with pytest.raises(UnknownWordsError) as error:
            evaluate(TextModel(model, made), line + "\n", "lines")
        assert error.value.excluding["perplexity_per_token"] == pytest.approx(10 ** -np.mean(known), rel=1e-5)

    def test_it_scores_pieces_of_text_spelled_as_words(self, scores):
        text = "the café <s> ▁ sat on the mat\n" * 3
        model, made = fitted(text, "char", order=5)
        line = " ".join(arpa.words(made)[i] for i in made.encode("the mat sat ▁ on café")) + "\n"
        ids = np.append(made.encode("the mat sat ▁ on café"), made.end)
        assert model.log_probs(ids)[0] / LN10 == pytest.approx(scores(model, made, line), abs=3e-6)


@pytest.mark.data
@pytest.mark.parametrize("order", [2, 3, 5])
class TestOracle:
    """Files and per-word scores that KenLM made of a thousand lines of the Penn Treebank."""

    @pytest.fixture
    def files(self):
        folder = Path(os.environ["LMZOO_MIRROR"]).parent / "oracle" / "kenlm"
        if not folder.is_dir():
            pytest.skip("the files that KenLM made are not beside the mirror")
        return folder

    def test_every_word_scores_as_kenlm_says(self, files, order, tmp_path):
        model, made = arpa.read(files / f"train.o{order}.arpa", layout="leading")
        words = re.findall(r"(\S+)=\d+ \d+ (\S+)", (files / f"scores.o{order}.word.txt").read_text())
        theirs = np.array([float(score) for _, score in words])
        text = (files / "valid10.txt").read_text()
        assert np.abs(log10_probs(model, made, text) - theirs).max() <= 1e-6
        arpa.write(TextModel(model, made), tmp_path / "again.arpa")
        assert same_trie(model.trie_, arpa.read(tmp_path / "again.arpa").model.trie_)
