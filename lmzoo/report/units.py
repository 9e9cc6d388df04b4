"""The unit of a corpus's scores: bits per character, or the one that others report for it."""

from lmzoo.comparison.results import Comparison, Scored

BITS = "bits per character"
PERPLEXITY = "perplexity per token"


def unit_of(comparison: Comparison) -> str:
    """The unit of what was published for this corpus, if any row can be given in it; else bits per character."""
    units = [one.unit for one in comparison.published if one.value is not None]
    scores = [row.score for row in comparison.rows if row.score and row.year is not None]
    return next((unit for unit in units if any(comparable(score, unit) for score in scores)), BITS)


def shared_unit(comparison: Comparison) -> str:
    """The same, where every score can be given in it: of figures and sentences that set all models side by side."""
    unit = unit_of(comparison)
    return unit if all(comparable(row.score, unit) for row in comparison.rows if row.score) else BITS


def comparable(score: Scored, unit: str) -> bool:
    """Whether a score can be given in that unit. Perplexities compare only if tokens are the words of the text."""
    return unit != PERPLEXITY or bool(score.tokens == score.words and score.perplexity_per_token)


def in_unit(bits: float, score: Scored, unit: str) -> float:
    """Bits of the test text in `unit`, divided by what `score` counted in it."""
    if unit == PERPLEXITY:
        return float(2 ** min(1000.0, bits / score.tokens))
    return float(bits / (score.bytes if unit == "bits per byte" else score.characters))
