"""The grammar's own probability of a word in a blank, against each word tried by itself."""

import math
import random
import re

import pytest

from lmzoo.data.blanks import Fillings, entropy
from lmzoo.data.grammar import Grammar
from lmzoo.data.grammar_file import END
from tests.data.test_grammar import FILE, small


def brute_force(grammar, words, left, right):
    """log2 P of the document with each word, where there is a derivation of it."""
    found = {}
    for word in words:
        ways = grammar.derivations(left + word + right)
        if ways:
            found[word] = math.log2(sum(2**one.log2_prob for one in ways))
    return found


def test_by_hand():
    fillings = Fillings(Grammar(small()), [" cat", " cats", " dog", " dogs", " sits", " sit", " pig"])
    # The document of one pet: a cat three times in four.
    conditional = fillings.conditional("The", " sits." + END)
    assert {word: 2**log2 for word, log2 in conditional.items()} == pytest.approx({" cat": 0.75, " dog": 0.25})
    assert entropy(conditional) == pytest.approx(-(0.75 * math.log2(0.75) + 0.25 * math.log2(0.25)))
    # What stands on the right decides: a dog beside is no dog before.
    assert fillings.conditional("The", " sit and dog." + END) == {" cats": 0.0}
    assert fillings.conditional("The cat", "." + END) == {" sits": 0.0}
    assert fillings.conditional("The pig", "." + END) == {}


@pytest.mark.parametrize("spaced", [True, False])
def test_every_word_of_small_documents_is_as_each_word_tried_by_itself(spaced):
    grammar, source = Grammar(small(documents={"pets": 1})), random.Random(1)
    pieces = r" ?\w+|[^\w ]" if spaced else r"\w+| |[^\w ]"
    documents = [grammar.sample(source).text for _ in range(40)]
    words = sorted({piece for text in documents for piece in re.findall(pieces, text)} | {" ca", "Th", "t"})
    fillings = Fillings(grammar, words)
    for text in documents[:12]:
        for match in re.finditer(pieces, text):
            left, right = text[: match.start()], text[match.end() :]
            found = fillings.log2_probs(left, right)
            assert found == pytest.approx(brute_force(grammar, words, left, right))
            assert match[0] in found
            assert sum(2**log2 for log2 in fillings.conditional(left, right).values()) == pytest.approx(1)


def test_a_few_blanks_of_storyworld_are_as_each_word_tried_by_itself():
    world, source = Grammar.load(FILE), random.Random("blanks")
    documents = [world.sample(source).text for _ in range(60)]
    words = sorted({piece for text in documents for piece in re.findall(r" ?[\w']+|[^\w ]", text)})[::3]
    fillings = Fillings(world, words)
    text = min(documents, key=len)
    for match in [*re.finditer(r" ?[\w']+", text)][2:6:2]:
        left, right = text[: match.start()], text[match.end() :]
        assert fillings.log2_probs(left, right) == pytest.approx(brute_force(world, words, left, right))
