"""The built-in source: reproducible, exact, unambiguous, and with something in it to learn."""

import hashlib
import itertools
import math
import random
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from lmzoo.data import ambiguity, corpus
from lmzoo.data.grammar import Grammar
from lmzoo.data.grammar_file import END
from lmzoo.errors import FormatError, UsageError

FILE = Path(__file__).parents[2] / "corpora" / "storyworld.grammar.toml"


@pytest.fixture(scope="module")
def world():
    return Grammar.load(FILE)


@pytest.fixture(scope="module")
def sample(world):
    source = random.Random("tests")
    return [world.sample(source) for _ in range(1000)]


@pytest.fixture(scope="module")
def text(sample):
    return "".join(document.text for document in sample)


def small(**changes):
    tree = {
        "documents": {"pets": 3, "sums": 1},
        "rules": {
            "pets": ["The {a=pet} {does@a #agreement}.", [2, "The {a=pet.pl} {does@a #agreement} and {b=pet not a}."]],
            "sums": ["{x=few} and {y=few below x} is {n=number: x+y}, {^x}."],
        },
        "words": {
            "pet": {"*": {"pl": "*s"}, "cat": {"weight": 3}, "dog": {"weight": 1}},
            "does": {"sit": {"sg": "sits", "pl": "sit"}},
            "few": {"two": {"value": 2}, "three": {"value": 3, "weight": 1}},
            "number": ["one", "two", "three", "four", "five"],
        },
    }
    return tree | changes


class TestTheProbabilityIsExact:
    def test_by_hand(self):
        grammar = Grammar(small())
        # documents 3/4, the first of weights 1 and 2, cat 3 of 4
        assert grammar.log2_prob("The cat sits." + END) == pytest.approx(math.log2(3 / 4 * 1 / 3 * 3 / 4))
        # ... the second, cats 3/4; then nothing is left but a dog
        assert grammar.log2_prob("The cats sit and dog." + END) == pytest.approx(math.log2(3 / 4 * 2 / 3 * 3 / 4))

    def test_all_documents_together_have_probability_one(self):
        grammar, source = Grammar(small(documents={"pets": 1})), random.Random(0)
        documents = {grammar.sample(source).text for _ in range(500)}
        assert len(documents) == 4
        assert sum(2 ** grammar.log2_prob(document) for document in documents) == pytest.approx(1)

    def test_of_a_prefix_is_that_of_all_documents_that_begin_so(self):
        grammar, source = Grammar(small(documents={"pets": 1})), random.Random(0)
        documents = {grammar.sample(source).text for _ in range(500)}
        for cut in ("", "The", "The cat", "The cats", "The cats sit and dog." + END, "The dog sits"):
            expected = sum(2 ** grammar.log2_prob(d) for d in documents if d.startswith(cut))
            assert 2 ** grammar.log2_prob(cut, prefix=True) == pytest.approx(expected)

    def test_ambiguous_texts_get_the_sum_of_their_derivations(self):
        grammar = Grammar({"documents": {"a": 1}, "rules": {"a": ["{x}b", "{y}"], "x": ["a"], "y": ["ab", "c"]}})
        assert len(grammar.derivations("ab" + END)) == 2
        assert grammar.log2_prob("ab" + END) == pytest.approx(math.log2(1 / 2 + 1 / 4))

    def test_reading_finds_the_very_choices_that_writing_made(self, world, sample):
        for document in sample[:300]:
            assert world.derivations(document.text) == [document]  # one, with the same bits and the same tags

    def test_prefixes_only_get_less_likely(self, world, sample):
        for document in sample[:10]:
            cuts = range(0, len(document.text) + 1, 23)
            logs = [world.log2_prob(document.text[:cut], prefix=True) for cut in cuts]
            assert logs[0] == pytest.approx(0, abs=1e-12)
            assert all(later <= earlier + 1e-12 for earlier, later in itertools.pairwise(logs))
            assert world.log2_prob(document.text, prefix=True) == document.log2_prob

    def test_no_other_weights_predict_the_source_better(self, world, sample):
        flat = Grammar.load(FILE)
        flat.rules = {rule: [(1.0, text) for _, text in options] for rule, options in world.rules.items()}
        ours = np.array([document.log2_prob for document in sample[:150]])
        theirs = np.array([flat.log2_prob(document.text) for document in sample[:150]])
        gain = ours - theirs  # Gibbs: positive on average
        assert gain.mean() > 5 * gain.std() / math.sqrt(len(gain))


class TestTheTextIsReproducible:
    def test_the_same_bytes_for_a_seed_everywhere(self, world):
        written = "".join(world.generate(20_000, "7/train")).encode("ascii")
        assert hashlib.sha256(written).hexdigest() == "936cc49dbcc1fdc770c522bacc054fe534814c5455f66056ddd33f37ba32387a"

    def test_another_seed_writes_another_text(self, world):
        splits = [set(world.generate(20_000, f"{seed}/{split}")) for seed in (0, 1) for split in ("train", "test")]
        assert all(one.isdisjoint(other) for one, other in itertools.combinations(splits, 2))

    def test_it_stops_at_the_first_document_that_is_enough(self, world):
        documents = world.generate(5_000, 3)
        assert sum(map(len, documents)) >= 5_000 > sum(map(len, documents[:-1]))

    def test_documents_are_cut_apart_without_loss(self, world, sample, text):
        assert world.documents(text) == [document.text for document in sample]
        for odd in ("", "x", "a\n", "a\n\n\nb", "\n\n", "a\n\n\n\n\n\n"):
            assert "".join(world.documents(odd)) == odd

    def test_the_bits_of_a_text_are_those_of_its_documents(self, world, sample, text):
        documents = world.documents(text[:20_000])[:20]
        assert list(map(world.log2_prob, documents)) == [document.log2_prob for document in sample[:20]]


class TestTheFloor:
    def test_two_samples_have_the_same_entropy_within_their_sampling_error(self, world):
        rates, errors = [], []
        for seed in ("one", "two"):
            documents, logs = zip(*world.draw(100_000, seed), strict=True)
            bits, lengths = -np.array(logs), np.array(list(map(len, documents)))
            rates.append(bits.sum() / lengths.sum())
            errors.append((bits - rates[-1] * lengths).std() / lengths.mean() / math.sqrt(len(bits)))
        assert abs(rates[0] - rates[1]) < 4 * math.hypot(*errors)
        assert 0.3 < rates[0] < 1.1

    def test_no_two_documents_of_two_megabytes_are_alike(self, sample):
        documents = corpus.load("storyworld:2MB").train.split(END)
        assert len(set(documents)) == len(documents) > 2000
        assert min(-document.log2_prob for document in sample) > 25

    def test_it_is_plain_ascii_in_documents_that_end_in_a_blank_line(self, sample):
        for document in sample:
            assert document.text.isascii()
            assert document.text.endswith(END)
            assert document.text.count(END) == 1
            assert document.text == document.text.lstrip() and "  " not in document.text

    def test_hundreds_of_word_types_with_a_zipf_like_tail(self, world):
        text = "".join(world.generate(500_000, "zipf"))
        counts = np.array(sorted(Counter(re.findall(r"[a-z]+", text.lower())).values(), reverse=True))
        assert 500 < len(counts) < 2000
        ranks = np.arange(5, 500)
        slope = np.polyfit(np.log(ranks), np.log(counts[ranks]), 1)[0]
        assert -1.3 < slope < -0.7

    def test_sentences_begin_in_many_ways(self, text):
        openings = Counter(re.findall(r"(?:^|[.?!] )([A-Z]\w*(?: \w+)?)", text, re.MULTILINE))
        assert len(openings) > 500


class TestWhatThereIsToLearn:
    """Each phenomenon, checked in the text by a rule of its own rather than by the grammar's."""

    def test_kinds_and_phenomena_are_tagged(self, world, sample):
        assert {document.spans[0][0] for document in sample} == set(world.kinds)
        tags = {tag for document in sample for tag, _, _ in document.spans} - set(world.kinds)
        explained = set(re.findall(r"#(\w+)", FILE.read_text().partition("\n[documents]")[0].partition("The tags")[2]))
        assert tags == explained

    def test_verbs_agree_with_the_noun_before_them(self, world, text):
        one, many = (f"{forms(world, 'animal', n)}|{forms(world, 'job', n)}" for n in ("sg", "pl"))
        sits, sit = (f"{forms(world, 'does', n)}|{forms(world, 'be', n)}" for n in ("sg", "pl"))
        simple = [s for s in re.split(r"[.\n]", text) if " that " not in s]
        assert sum(len(re.findall(rf"\b({one}) ({sits})\b", s)) for s in simple) > 20
        assert sum(len(re.findall(rf"\b({many}) ({sit})\b", s)) for s in simple) > 20
        assert not any(re.search(rf"\b({one}) ({sit})\b|\b({many}) ({sits})\b", s) for s in simple)

    @pytest.mark.parametrize(
        "between",
        ["that the (?:{temper} )?({one}|{many}) (?:{adverb} )?(?:{sees})", "that (?:{met}) the ({one}|{many})"],
    )
    def test_and_with_the_noun_before_a_relative_clause(self, world, between):
        text = "".join(world.generate(1_500_000, "relative clauses"))
        of = {"temper": r"\w+", "adverb": r"\w+", "met": forms(world, "greeted", "base"), **numbers(world, "animal")}
        clause = between.format(sees=forms(world, "sees", "sg") + "|" + forms(world, "sees", "pl"), **of)
        seen = Counter()
        for head, nearer, verb in re.findall(rf"\b({of['one']}|{of['many']}) {clause} (\w+)", text):
            verbs = {"sg": forms(world, "does", "sg").split("|"), "pl": forms(world, "does", "pl").split("|")}
            if verb in verbs["sg"] + verbs["pl"]:
                plural = [bool(re.fullmatch(of["many"], noun)) for noun in (head, nearer)]
                assert verb in verbs["pl" if plural[0] else "sg"]
                seen[plural[0] == plural[1]] += 1
        assert min(seen.values()) > 0.35 * seen.total() > 20  # a noun between is as often of the other number

    def test_he_and_she_mean_whoever_was_named_first(self, world, sample):
        women, others_between = set(world.words["woman"]), 0
        for document in sample:
            if document.spans[0][0] != "story":
                continue
            spans = [document.text[start:end].lower() for tag, start, end in document.spans if tag == "pronoun"]
            named = re.findall(names(world), document.text)
            assert set(spans) == {"she" if named[0] in women else "he"}
            others_between += len({name in women for name in named}) > 1
        assert others_between > 50

    def test_who_eats_what_and_what_belongs_to_a_trade(self, world, text):
        assert re.search(r"hyenas? full of (carrion|zebra|bones)\b", text)
        assert not re.search(r"hyenas? full of (cream|bread|hay)", text)
        assert not re.search(r"bakers? with an? \w+ (anchor|rope|razor)\b", text)

    def test_stars_count_the_kind_judgements(self, world, sample):
        values = {name: value for value, table in enumerate(("bad", "good")) for name in world.words[table]}
        figures, seen = dict(zip(world.words["figure"], range(1, 5), strict=True)), Counter()
        for document in sample:
            if document.spans[0][0] == "review":
                judgements, figure = re.search(
                    r"[.] (The [a-z]+ was [^.]*)[.] .*gave it ([a-z]+) of four", document.text
                ).groups()
                kind = [values[word] for word in re.findall(r"\w+", judgements) if word in values]
                assert len(kind) == 1 + judgements.count(",") + judgements.count(" and ")
                assert figures[figure] == 1 + sum(kind)
                seen[figure] += 1
        assert len(seen) == 4

    def test_a_colour_is_that_of_the_thing_before(self, world, sample):
        colours, again = forms(world, "colour", "base"), 0
        for document in sample:
            found = re.findall(rf"\b({colours})\b", document.text) if document.spans[0][0] in ("story", "facts") else []
            assert len(set(found)) <= 1, document.text
            again += len(found) > 1
        assert again > 200

    def test_what_is_opened_is_closed(self, sample):
        opened = Counter()
        for document in sample:
            assert document.text.count("(") == document.text.count(")")
            assert document.text.count('"') % 2 == 0
            assert not re.search(r"\([^)]*\"|\"[^\"]*\([^\"]*\"", document.text)
            opened += Counter(document.text)
        assert min(opened["("], opened['"']) > 20

    def test_lists_are_in_order(self, sample):
        for document in sample:
            listed = re.findall(r"\b(First|Second|Third|Fourth),", document.text)
            assert listed == ["First", "Second", "Third", "Fourth"][: len(listed)]


class TestWhatBadInputGets:
    def test_a_changed_text_is_refused_at_its_first_wrong_character(self, world, sample):
        for document in sample[:20]:
            at = len(document.text) // 2
            with pytest.raises(UsageError, match=f"at character {at}:"):
                world.log2_prob(document.text[:at] + "#" + document.text[at + 1 :])

    def test_the_offset_counts_from_the_start_of_the_text(self, world, sample):
        document, offset = sample[1].text[:30] + "#" + sample[1].text[31:], len(sample[0].text)
        with pytest.raises(UsageError, match=f"at character {offset + 30}:"):
            world.log2_prob(document, offset=offset)

    def test_a_document_that_is_cut_short_is_only_a_prefix(self, world, sample):
        with pytest.raises(UsageError, match="ends inside a document"):
            world.log2_prob(sample[0].text[:40])

    @pytest.mark.parametrize(
        ("rules", "complaint"),
        [
            ({"a": ["x", "x"]}, "twice"),
            ({"a": ["{b"]}, "brace without its partner"),
            ({"a": ["{b c}"]}, "cannot read the slot {b c}"),
            ({"a": ["{c}"], "bc": ["x"]}, "'c' is no rule, no word table and never remembered"),
            ({"a": ["{b}"], "b": ["x{a}"]}, "leads back to itself"),
            ({"a": [[0, "x"]]}, "not above 0"),
            ({"a": ["x\n\ny"]}, "blank line"),
            ({"a": [["x"]]}, "not a grammar"),
            ({"b": ["x"]}, "'a' is no rule"),
            ({"a": []}, "rule 'a' has no template"),
        ],
    )
    def test_a_grammar_that_cannot_work_is_refused(self, rules, complaint):
        with pytest.raises(FormatError, match=re.escape(complaint)) as error:
            Grammar({"documents": {"a": 1}, "rules": rules}, "mine.toml")
        assert "mine.toml" in str(error.value)
        assert "\n" not in str(error.value)

    @pytest.mark.parametrize(
        ("rules", "complaint"),
        [
            # the same text of two alternatives; of two kinds of documents
            (
                {"a": ["{x}b", "{y}"], "x": ["a"], "y": ["ab", "c"]},
                "the rule 'a' has two ways to write 'ab', '{x}b' and",
            ),
            ({"a": ["a b", "{x}", "{y}"], "x": ["c"], "y": ["d", "{z} b"], "z": ["a"]}, "'a b', 'a b' and '{y}'"),
            ({"a": ["one"], "b": ["one", "two"]}, "the table 'documents' has two ways to write 'one', 'a' and 'b'"),
            # what is behind decides
            (
                {"a": ["{x}{y}."], "x": ["a", "ab"], "y": ["bc", "c"]},
                "the rule 'x' has two ways to write 'abc.', 'a' and 'ab'",
            ),
            ({"a": ["{x} {pet}{y}"], "x": ["c", "{pet}"], "y": ["", "d"]}, ""),
            # words of one table; of the same word in two forms
            ({"a": ["the {p=pet.pl} {p}"]}, ""),
            ({"a": ["the {pet.pl}"]}, "the table 'pet' has two ways to write 'sheep', 'lamb' and 'ram'"),
            ({"a": ["{cow} and {x}"], "x": ["{cow}", "{cow.pl}"]}, ""),
            # found only by reading documents: what depends on an earlier word is not followed
            (
                {"a": ["{p=pet}: {x}"], "x": ["{p}s", "{p.many}", "none"]},
                "has two ways to write 'lambs', '{p}s' and '{p.many}'",
            ),
        ],
    )
    def test_a_text_of_two_derivations_is_refused_with_the_rule(self, rules, complaint, monkeypatch):
        if "lambs" not in complaint:
            monkeypatch.setattr(ambiguity, "DOCUMENTS", 0)
        pets = {"*": {"many": "*s"}, "cat": {"pl": "cats"}, "lamb": {"pl": "sheep"}, "ram": {"pl": "sheep"}}
        grammar = Grammar(
            {
                "documents": {kind: 1 for kind in rules if kind in "ab"},
                "rules": rules,
                "words": {"pet": pets, "cow": {"cow": {"pl": "cows"}}},
            }
        )
        if complaint:
            with pytest.raises(FormatError, match=re.escape(complaint)) as error:
                ambiguity.refuse(grammar, 1)
            assert "\n" not in str(error.value)
        else:
            ambiguity.refuse(grammar, 1)

    @pytest.mark.parametrize(
        ("part", "complaint"),
        [
            ('rules = { a = ["x"], b = ["y #tag"] }', "the rule 'b' never occurs"),
            ('rules = { a = ["x"] }\nwords = { pet = ["cat"] }', "the word table 'pet' never occurs"),
        ],
    )
    def test_what_never_occurs_is_refused(self, tmp_path, part, complaint):
        (tmp_path / "mine.toml").write_text(f"documents = {{ a = 1 }}\n{part}\n")
        with pytest.raises(FormatError, match=rf"^mine\.toml: {complaint}"):
            Grammar.load(tmp_path / "mine.toml")

    def test_the_built_in_grammar_writes_each_text_in_one_way(self, world):
        ambiguity.refuse(world, 1)

    @pytest.mark.parametrize(
        "word",
        [
            {"weight": 0},
            {"weight": "3"},
            {"weight": 1e300},
            {"weight": True},
            {"value": "two"},
            {"pl": 3},
            {"pl": ["x"]},
            {"spot": {"mat": -1}},
            {"spot": {"mat": {}}},
        ],
    )
    def test_a_word_whose_features_are_none_is_refused(self, word):
        (key,) = word
        with pytest.raises(FormatError, match=rf"^mine\.toml: 'cat' of 'pet' has {key} = "):
            Grammar({"documents": {"a": 1}, "rules": {"a": ["{pet}"]}, "words": {"pet": {"cat": word}}}, "mine.toml")

    def test_a_grammar_has_documents(self):
        with pytest.raises(FormatError, match=r"there is no kind of document: \[documents\] names one"):
            Grammar({"documents": {}, "rules": {"a": ["x"]}})

    def test_words_that_begin_other_words_are_refused(self):
        with pytest.raises(FormatError, match="'red' begins 'red hot'"):
            Grammar({"documents": {"a": 1}, "rules": {"a": ["{c}"]}, "words": {"c": ["red", "red hot"]}})

    def test_a_file_that_is_missing_or_no_toml_is_one_line(self, tmp_path):
        (tmp_path / "bad.toml").write_text("[rules\n")
        for name in ("bad.toml", "missing.toml"):
            with pytest.raises(FormatError, match=name):
                Grammar.load(tmp_path / name)

    def test_using_what_is_not_remembered_yet_is_said(self):
        grammar = Grammar({"documents": {"a": 1}, "rules": {"a": ["{x.pl} {x=c}"]}, "words": {"c": ["d"]}})
        with pytest.raises(FormatError, match="'x'"):
            grammar.sample(random.Random(0))


def forms(world, table, form):
    return "|".join(word.features[form] for word in world.words[table].values())


def names(world):
    return r"\b(" + "|".join([*world.words["woman"], *world.words["man"]]) + r")\b"


def numbers(world, table):
    return {"one": forms(world, table, "sg"), "many": forms(world, table, "pl")}
