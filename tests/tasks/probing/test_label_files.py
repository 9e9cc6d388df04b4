"""Files of labelled texts: the forms that public sets come in, and a TSV of one's own."""

import numpy as np
import pytest

from lmzoo.errors import FormatError, UsageError
from lmzoo.tasks.probing import datasets, label_files
from lmzoo.tasks.probing.label_files import TEST, TRAIN, UNSPLIT, VALID, ProbeCard


def card(**more):
    return ProbeCard(column="toy", files={"train": "a", "test": "b"}, **more)


def test_the_last_column_may_be_the_rest_of_the_line():
    columns = card(fields=("label", "text"), texts=("text",), rest=True)
    assert label_files.read(columns, {"a": "1\tgood\tand short\n", "b": "0\tbad\n"}).texts == (
        ["good\tand short", "bad"],
    )


def test_csv_has_texts_with_commas_quotes_and_line_ends():
    rows = 'label,sentence\n1,"Good, ""very"" good"\n0,Bad.\n'
    read = label_files.read(card(format="csv", texts=("sentence",)), {"a": rows, "b": "sentence,label\nWell.,1\n"})
    assert read.texts == (['Good, "very" good', "Bad.", "Well."],)
    assert (read.labels.tolist(), read.parts.tolist()) == ([1, 0, 1], [TRAIN, TRAIN, TEST])
    with pytest.raises(FormatError, match="b, line 2 has 1 columns where 2 are expected"):
        label_files.read(card(format="csv", texts=("sentence",)), {"a": rows, "b": "label,sentence\nx\n"})


PAIRS = """<?xml version="1.0"?><corpus>
<pair id="1" value="TRUE"><t>A cat
sleeps.</t><h>It is &quot;asleep&quot;.</h></pair>
</corpus>"""


def test_xml_has_an_example_in_an_element_whose_names_and_values_the_card_may_replace():
    xml = card(
        format="xml", element="pair", texts=("t", "h and {t}"), label="entailment", classes=("no", "yes"),
        values={"value": "entailment", "TRUE": "yes"},
    )  # fmt: skip
    read = label_files.read(xml, {"a": PAIRS, "b": PAIRS.replace("value", "entailment").replace("TRUE", "no")})
    assert read.texts == (["A cat sleeps."] * 2, ["h and A cat sleeps."] * 2)
    assert read.labels.tolist() == [1, 0]
    with pytest.raises(FormatError, match="b is not XML"):
        label_files.read(xml, {"a": PAIRS, "b": "<corpus>"})
    with pytest.raises(FormatError, match="b, pair 1 has the label 'MAYBE', which is not a number or a class"):
        label_files.read(xml, {"a": PAIRS, "b": PAIRS.replace("TRUE", "MAYBE")})


def test_several_files_are_one_part_and_examples_in_order_are_cut_into_parts():
    many = ProbeCard("toy", {"unsplit": ("a", "b")}, fields=("text", "label"), texts=("text",), cuts=((1, 2, 4),))
    read = label_files.read(many, {"a": "u\t0\nv\t1\n", "b": "w\t1\nx\t0\n"})
    assert (read.texts, read.parts.tolist()) == ((["u", "v", "w", "x"],), [TRAIN, VALID, TEST, TEST])


def test_words_with_tags_are_sentences_between_blank_lines_with_span_tags_in_the_order_of_the_metric():
    spans = card(format="conll", fields=("word", "tag"), texts=("word",), label="tag", metric="F1")
    read = label_files.read(spans, {"a": "In\tO\nNew\tB-place\nYork\tI-place\n\t\nhi\tO\n", "b": "\nAnn\tB-name\n"})
    assert read.texts == (["In New York", "hi", "Ann"],)
    assert read.classes == ("O", "B-name", "I-name", "B-place", "I-place")
    assert (read.labels.tolist(), read.parts.tolist()) == ([0, 3, 4, 0, 1], [TRAIN] * 4 + [TEST])
    with pytest.raises(FormatError, match="the tag 'NN' is none of a span"):
        label_files.read(spans, {"a": "In\tNN\n", "b": ""})
    with pytest.raises(FormatError, match="a, line 2 has 1 columns where 2 are expected"):
        label_files.read(spans, {"a": "In\tO\nNew\n", "b": ""})


def test_conllu_leaves_out_comments_and_the_numbers_of_several_words():
    columns = ["id", "form", "lemma", "upos", *"abcdef"]
    lines = ["# text = don't", "1-2\tdon't" + "\t_" * 8, "1\tdo\tdo\tAUX" + "\t_" * 6, "2\tn't\tnot\tPART" + "\t_" * 6]
    tags = card(format="conllu", fields=tuple(columns), texts=("form",), label="upos")
    read = label_files.read(tags, {"a": "\n".join(lines), "b": lines[2]})
    assert (read.texts, read.classes, read.labels.tolist()) == ((["do n't", "do"],), ("AUX", "PART"), [0, 1, 0])


def own(folder, text):
    path = folder / "mine.tsv"
    path.write_text(text)
    return path


def test_a_file_of_ones_own_names_its_columns(tmp_path):
    mine = datasets.own(own(tmp_path, "label\ttext\ngood\tyes , well\nbad\tno\n\ngood\ta\nbad\tb\n"))
    assert (mine.task, mine.texts, mine.classes) == ("mine", (["yes , well", "no", "a", "b"],), ("bad", "good"))
    assert mine.labels.tolist() == [1, 0, 1, 0] and set(mine.parts) == {UNSPLIT}


def test_a_file_of_ones_own_may_have_pairs_parts_and_numbered_classes(tmp_path):
    lines = ["text\ttext2\tlabel\tsplit", "a\tb\t10\ttrain", "c\td\t9\tvalid", "e\tf\t10\ttest", "g\th\t9\ttrain"]
    mine = datasets.own(own(tmp_path, "\n".join(lines)))
    assert mine.texts == (["a", "c", "e", "g"], ["b", "d", "f", "h"])
    assert (mine.classes, mine.labels.tolist()) == (("9", "10"), [1, 0, 1, 0])
    assert mine.parts.tolist() == [TRAIN, VALID, TEST, TRAIN]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "must have the column 'text' once"),
        ("text\tlable\na\t1\n", "has the column 'lable'; did you mean label"),
        ("text\tlabel\tlabel\na\t1\t1\n", "must have the column 'label' once"),
        ("text\tlabel\n", "has no examples"),
        ("text\tlabel\na\tx\nb\tx\n", "has one class, 'x'"),
        ("text\tlabel\na\tx\nb\n", "line 3 has 1 columns where 2 are expected"),
        ("text\tlabel\na\tx\n  \ty\n", "line 3 has an empty text"),
        ("text\tlabel\na\t1\nb\t2.5\n", "line 3 has the label 2.5: a label is a class"),
        ("text\tlabel\na\t1\nb\t\n", "line 3 has an empty label"),
        ("text\tlabel\na\tu\nb\tv\nc\tw\n", "has 3 different labels on 3 lines: labels are classes"),
        ("text\tlabel\tsplit\na\t1\ttrain\nb\t2\ttrain\n", "has no line whose split is test"),
    ],
)
def test_a_wrong_file_of_ones_own_is_one_line(tmp_path, text, message):
    with pytest.raises(FormatError, match=message):
        datasets.own(own(tmp_path, text))


def test_a_wrong_split_is_answered_with_the_nearest(tmp_path):
    with pytest.raises(UsageError, match=r"no split in .*, line 2 'trian'; did you mean train"):
        datasets.own(own(tmp_path, "text\tlabel\tsplit\na\t1\ttrian\n"))


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "words", "classes"), [("conll2000", 259_104, 23), ("wnut17", 101_857, 13), ("ud-ewt", 254_818, 17)]
)
def test_the_public_sets_of_tags_have_the_published_numbers_of_words(name, words, classes):
    (tags,) = datasets.load(name)
    assert (len(tags.labels), len(tags.classes)) == (words, classes)
    assert len(np.unique(tags.parts)) == (2 if name == "conll2000" else 3)
    assert sum(text.count(" ") + 1 for text in tags.texts[0]) == words
