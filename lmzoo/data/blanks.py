"""What the grammar itself puts into a blank: P(word | what stands on both sides), exactly.

    Fillings(grammar, words).conditional("The cat sat on the", ".\\n\\n")     {" mat": log2 P(it | both sides), …}

A document with a word in the blank is derived like any other. Only the words that can follow on the left are tried, and
what is on the left is derived once for all of them. Normalised over the words, the probabilities are what no model that
knows these words, and that one of them is hidden, can expect to beat.
"""

import math
from collections.abc import Collection, Iterable, Mapping

from lmzoo.data.grammar import Grammar, State, close, follow
from lmzoo.data.grammar_file import Close, Slot


class Fillings:
    """The words that may stand in a blank, in one document after another."""

    def __init__(self, grammar: Grammar, words: Collection[str]):
        self.grammar, self.words = grammar, frozenset(words) - {""}
        self.beginnings = frozenset(word[:n] for word in self.words for n in range(len(word)))

    def log2_probs(self, left: str, right: str) -> dict[str, float]:
        """log2 P of the document `left` + word + `right`, for each word with which it is one."""
        states = self.grammar.derived(left, prefix=True)
        found = {}
        for word in sorted(self._next(states, len(left))):
            ends = self.grammar.derived(left + word + right, prefix=False, states=states)
            if ends:
                found[word] = _log2_sum(state.log2_prob for state in ends)
        return found

    def conditional(self, left: str, right: str) -> dict[str, float]:
        """log2 P(word | left, right, that it is one of the words); the probabilities sum to one, where there is any."""
        joint = self.log2_probs(left, right)
        total = _log2_sum(joint.values()) if joint else 0.0
        return {word: value - total for word, value in joint.items()}

    def _next(self, states: Iterable[State], length: int) -> set[str]:
        """The words that documents which begin as in `states`, their first `length` characters, can go on with."""
        found: set[str] = set()
        agenda = [(state, "") for state in states]  # with what is written from the state's position on
        while agenda:
            state, written = agenda.pop()
            more = written[length - state.position :]
            step = state.todo[0] if state.todo else None
            if step is None or more not in self.beginnings:  # enough is written to tell
                found |= {more[:n] for n in range(1, len(more) + 1)} & self.words
            elif isinstance(step, str):
                agenda.append((state._replace(todo=state.todo[1]), written + step))  # type: ignore[index]
            elif isinstance(step, Close):
                agenda.append((close(step, state), written))
            elif isinstance(step, Slot):
                choice = self.grammar.alternatives(step, state.memory)
                for number, item in enumerate(choice.items):
                    if number not in choice.closed:
                        agenda.append((follow(step, item, state, None), written))
        return found


def _log2_sum(logs: Iterable[float]) -> float:
    listed = [*logs]
    highest = max(listed)
    return highest + math.log2(sum(2 ** (one - highest) for one in listed))


def entropy(probabilities: Mapping[str, float]) -> float:
    """In bits, of log2 probabilities that sum to one: the least that can be expected to be needed for the blank."""
    return -sum(2**one * one for one in probabilities.values())
