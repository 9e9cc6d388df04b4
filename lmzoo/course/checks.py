"""What a check makes of a hand-in's answers: the share of its points, and a line for the student."""

import math
import numbers
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from lmzoo.course.remote import Fault, Question

CLOSE = 1e-5  # of a probability, relative: lmzoo's are float32
SUM = 1e-6  # how far from one a distribution may sum


@dataclass(frozen=True)
class Judged:
    """The share of a check's points, 0 to 1; for the student; and what may be said where the inputs are public."""

    share: float
    message: str
    example: str = ""
    value: float | None = None  # of a figure, bits per token
    behind: float | None = None  # bits per token beyond the reference's on the same tokens, a paired difference
    error: float | None = None  # its standard error


@dataclass(frozen=True)
class Differential:
    """Cases with one right answer each: the share of cases right."""

    expected: Sequence[Any]
    distributions: bool = False
    within: float = 0.0  # how far a number may be from the right one: relatively, or absolutely where that is below one

    def judge(self, question: Question, answers: Sequence[Any]) -> Judged:
        """Compare each answer with what is right."""
        right, first, example = 0, "", ""
        for (_, arguments), answer, expected in zip(question.cases, answers, self.expected, strict=True):
            wrong = self._wrong(answer, expected)
            right += not wrong
            if wrong and not first:
                first = wrong
                if not isinstance(answer, Fault):
                    example = f"first: {question.function} of {_short(arguments)}\n  yours  {_short(answer)}"
                    example += f"\n  right  {_short(expected)}"
        count = f"{right} of {len(self.expected)} cases right"
        return Judged(right / len(self.expected), f"{count}; {first}" if first else count, example)

    def _wrong(self, answer: Any, expected: Any) -> str:
        if isinstance(answer, Fault):
            return answer.message
        if not self.distributions:
            same = near(answer, expected, self.within) if self.within else _plain(answer) == _plain(expected)
            return "" if same else none_returned(answer) or "one differs from what is right"
        if fault := no_distribution(answer, len(expected)):
            return fault
        close = all(math.isclose(a, b, rel_tol=CLOSE, abs_tol=1e-12) for a, b in zip(answer, expected, strict=True))
        return "" if close else "one is a distribution, but not the right one"


@dataclass(frozen=True)
class Figure:
    """Bits per token on a hidden text: no point at the baseline, all at the target, in proportion between."""

    tokens: Sequence[int]  # what came next, for each case
    vocab_size: int
    baseline: float
    target: float
    reference: Sequence[float] = ()  # bits of each token by lmzoo's own model

    def judge(self, question: Question, answers: Sequence[Any]) -> Judged:  # noqa: ARG002
        """Measure; one answer that is no distribution, or gives what came next no probability, earns nothing."""
        spent = []
        for answer, token in zip(answers, self.tokens, strict=True):
            fault = answer.message if isinstance(answer, Fault) else no_distribution(answer, self.vocab_size)
            if not fault and answer[token] <= 0:
                fault = "a token that came next has probability 0, which is infinitely many bits"
            if fault:
                return Judged(0.0, fault)
            spent.append(-math.log2(answer[token]))
        bits = math.fsum(spent) / len(spent)
        share = min(1.0, max(0.0, (self.baseline - bits) / (self.baseline - self.target)))
        said = f"{bits:.3f} bits per token; {self.baseline:.3f} earn nothing, {self.target:.3f} all"
        beyond = [a - b for a, b in zip(spent, self.reference, strict=True)] if self.reference else []
        if len(beyond) < 2:
            return Judged(share, said, value=bits)
        error = statistics.stdev(beyond) / math.sqrt(len(beyond))
        return Judged(share, said, value=bits, behind=statistics.fmean(beyond), error=error)

    def decoded(self, answers: Sequence[Any], again: Sequence[Any]) -> int:
        """Bytes of the tokens, coded with `answers` and decoded with what another process gave `again`; 0 if it fails.

        Both are distributions, as `judge` has found of the first. A range coder, in 32-bit words.
        """
        import constriction
        import numpy as np

        queue, Categorical = constriction.stream.queue, constriction.stream.model.Categorical
        encoder = queue.RangeEncoder()
        for answer, token in zip(answers, self.tokens, strict=True):
            encoder.encode(token, Categorical(np.array(answer, np.float64), perfect=False))
        coded = encoder.get_compressed()
        decoder = queue.RangeDecoder(coded)
        for answer, token in zip(again, self.tokens, strict=True):
            if isinstance(answer, Fault) or no_distribution(answer, self.vocab_size):
                return 0
            if decoder.decode(Categorical(np.array(answer, np.float64), perfect=False)) != token:
                return 0
        return int(coded.nbytes)


class Judge(Protocol):
    """Who judges answers: the two above, or an assignment's own."""

    def judge(self, question: Question, answers: Sequence[Any]) -> Judged:
        """The share of the points that the answers, or faults, to the cases of a question earn."""


@dataclass(frozen=True)
class Drawn:
    """A check with its inputs: what to ask, and who judges the answers."""

    question: Question
    judge: Judge


def no_distribution(answer: Any, size: int) -> str:
    """What keeps `answer` from being `size` probabilities, or nothing."""
    if not isinstance(answer, list | tuple):
        return f"it returned {_kind(answer)}, and must return a list of {size} probabilities"
    if len(answer) != size:
        return f"it returned {len(answer)} probabilities instead of {size}, one for each token"
    if odd := [x for x in answer if isinstance(x, bool) or not isinstance(x, numbers.Real)]:
        return f"it returned {_kind(odd[0])} among the probabilities"
    if any(math.isnan(x) for x in answer):
        return "a probability is NaN (0/0?)"
    if not all(0 <= x <= 1 + SUM for x in answer):
        return "a probability is below 0 or above 1: give probabilities, not their logarithms or counts"
    total = math.fsum(answer)
    return "" if abs(total - 1) <= SUM else f"the probabilities sum to {total:.6g}, not to 1"


def near(answer: Any, expected: Any, within: float) -> bool:
    """Whether both are made of the same numbers, up to `within`; what a dictionary lacks is zero."""
    if isinstance(expected, dict):
        if not isinstance(answer, dict):
            return False
        return all(near(answer.get(key, 0), expected.get(key, 0), within) for key in answer.keys() | expected.keys())
    if isinstance(expected, list | tuple):
        alike = isinstance(answer, list | tuple) and len(answer) == len(expected)
        return alike and all(near(a, b, within) for a, b in zip(answer, expected, strict=True))
    numeric = isinstance(answer, int | float) and isinstance(expected, int | float)
    if numeric and not isinstance(answer, bool):
        return math.isclose(answer, expected, rel_tol=within, abs_tol=within)
    return bool(answer == expected)


def none_returned(answer: Any) -> str:
    """What is said of a function that ends without a return."""
    return f"it returned {_kind(answer)}" if answer is None else ""


def _plain(value: Any) -> Any:
    """Lists for tuples and lists; counts that are whole numbers as such; zero counts left out."""
    if isinstance(value, dict):
        return {key: item for key, item in value.items() if item != 0}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def _kind(value: Any) -> str:
    return "None: does it lack a return?" if value is None else f"a {type(value).__name__}"


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list | tuple):
        shown = ", ".join(map(_short, value[:12])) + (", …" if len(value) > 12 else "")
        return f"({shown})" if isinstance(value, tuple) else f"[{shown}]"
    text = repr(value)
    return text if len(text) <= 200 else text[:199] + "…"
