"""The entropy of a text from guesses: what people know of the next character, and machines by the same rule.

Shannon 1951, Prediction and Entropy of Printed English: somebody guesses each character of a hidden text until it is
right. If q_i is the share of characters that took i guesses, the entropy of a character, in bits, is between

    Σ i (q_i − q_{i+1}) log₂ i   ≤   H   ≤   − Σ q_i log₂ q_i                                  (his equation 17)

for whoever guesses in the best order, so that q descends. Guesses of a short game say too little of the rare ones: the
upper bound is biased low, by about (kinds of ranks − 1) / (2 n ln 2) bits (Miller 1955).

Cover & King 1978, A Convergent Gambling Estimate of the Entropy of English: who divides a capital among the characters
says probabilities, and −log₂ of the share on the true one is the number of bits, no bound.
"""

import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from lmzoo.errors import UsageError

Bounds = tuple[float, float]


def bounds(ranks: Sequence[int]) -> Bounds:
    """(lower, upper) bounds of the entropy in bits per character, of characters that took so many guesses each.

    The q are put in descending order, as the best guesser's are. Raises UsageError for no ranks, or one below 1.
    """
    if not ranks or min(ranks) < 1:
        raise UsageError("a character takes one guess or more, and there must be one")
    shares = sorted((count / len(ranks) for count in Counter(ranks).values()), reverse=True)
    upper = -sum(q * math.log2(q) for q in shares)
    after = [*shares[1:], 0.0]
    lower = sum(i * (q - less) * math.log2(i) for i, (q, less) in enumerate(zip(shares, after, strict=True), 1))
    return lower, upper + 0.0  # no −0


def bias(ranks: Sequence[int]) -> float:
    """By how many bits the upper bound of so few characters is too low, about (Miller 1955)."""
    return (len(set(ranks)) - 1) / (2 * len(ranks) * math.log(2))


def rank(chances: Mapping[str, float], character: str, kinds: int) -> int:
    """The guesses that a machine needs which guesses the likeliest first, and the first in the alphabet among equals.

    `chances`: P(character); those that it does not name come last, so the rank is `kinds`, all that there are.
    """
    if character not in chances:
        return max(kinds, len(chances) + 1)
    p = chances[character]
    return 1 + sum(q > p or (q == p and other < character) for other, q in chances.items())


def share(bets: Mapping[str, float], character: str, alphabet: Collection[str]) -> float:
    """The share of the capital on `character`: its bet, or its part of what is spread evenly over all others.

    So they are a distribution over the `alphabet`. Raises UsageError for bets that are no shares, leave less than a
    hundredth for what was not named, or name what is not in the alphabet.
    """
    if foreign := [one for one in bets if one not in alphabet]:
        raise UsageError(f"{foreign[0]!r} is no character of such text: bet on another")
    total = sum(bets.values())
    if any(not (0 < bet < 1) for bet in bets.values()) or not total <= 0.99:
        raise UsageError("bets are shares between 0 and 1, and leave 0.01 or more for all other characters")
    return bets.get(character, (1 - total) / max(1, len(alphabet) - len(bets)))
