"""The law by which bits fall with the amount of training text, fitted through a few points.

    L(D) = L∞ + (D_c / D)^α

L is in bits per character and D in characters of training text (Hestness et al. 2017, "Deep Learning Scaling Is
Predictable, Empirically"; Kaplan et al. 2020, "Scaling Laws for Neural Language Models"). L∞ is the floor that no
amount of text takes the model below, α the exponent, and D_c the amount of text at which it is one bit above its floor.

What is fitted is the logarithm of the excess E = L − S over the entropy S of the source where that is known, as of a
generated corpus; where it is not, S = 0 and the excess is the loss itself. Two laws are tried:

    E(D) = (D_c / D)^α            L∞ = S: with text enough, the model would get to the source. log E is a straight line
                                  in log D, fitted by least squares
    E(D) = F + (D_c / D)^α        L∞ = S + F: the model has a floor of its own, because it is too simple, its budget
                                  too small, or the entropy of the source is part of F. Least squares in log E

The third parameter must pay for itself: of the two, the one with the smaller AICc is reported (Hurvich & Tsai 1989).
For seven points that asks for residuals (in sums of squares) seven times smaller, for six a hundred times, and with
fewer no floor is fitted at all.

No law is reported for fewer than four points, or where the 95 % interval of the exponent of the straight line does not
lie above zero: such a curve does not decline, as far as it can be told.

The interval of α is Student's, from the residuals around the fit. It tells how well the law goes through these points,
not how α would vary with another training text or seed.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lmzoo.errors import UsageError

FEWEST = 4  # points: a straight line through three always looks well
STARTS = (0.1, 0.5, 0.8, 0.95, 0.995)  # of the search for a floor, as shares of the least excess
FLATTEST, STEEPEST = 1e-3, 10.0  # exponents of a law with a floor; beyond them it is a bend or a step
SMALLEST_ERROR = 1e-9  # of a logarithm: residuals below it are rounding, and say nothing for either law
Array = NDArray[np.float64]
Fit = dict[str, Any]


def power_law(characters: ArrayLike, bits: ArrayLike, source: float | None = None) -> Fit | None:
    """The law through `bits` per character (N,) at `characters` of training text (N,); None where there is none.

    `source` is the known entropy of the source, in bits per character. Returns exponent α with its standard_error and
    95 % interval; constant D_c in characters; floor L∞, and floor_is, how it was come by: "source", "fitted" or "none"
    (L∞ = 0); r2, the share of the variance of the logarithms that the law explains; and the number of points. Raises
    UsageError for amounts or bits that are no positive numbers.
    """
    x, y = _checked(characters, bits)
    known = source or 0.0
    if len(x) < FEWEST or np.ptp(x) == 0 or y.min() <= known:
        return None  # a point below the source, which chance can bring about, has no logarithm
    middle = float(x.mean())
    x, y = x - middle, np.log(y - known)
    law = _line(x, y) | {"floor": known, "floor_is": "source" if known else "none"}
    if law["interval"][0] <= 0:
        return None
    curve = _with_floor(x, y) if len(x) >= FEWEST + 2 else None
    if curve and _aicc(curve, 4) < _aicc(law, 3):
        law = curve | {"floor": known + curve["floor"], "floor_is": "fitted"}
    return _told(law, middle)


def predict(fit: Fit, characters: ArrayLike) -> Array:
    """Bits per character at each of `characters` of training text, by a law that `power_law` found."""
    distance = math.log(fit["constant"]) - np.log(np.asarray(characters, dtype=np.float64))
    bits: Array = fit["floor"] + np.exp(fit["exponent"] * distance)
    return bits


def _checked(characters: ArrayLike, bits: ArrayLike) -> tuple[Array, Array]:
    """log D and L, (N,) each."""
    amounts, y = (np.asarray(given, dtype=np.float64) for given in (characters, bits))
    if amounts.ndim != 1 or amounts.shape != y.shape:
        raise UsageError(f"a law needs as many bits as amounts of text, not {y.shape} and {amounts.shape}")
    for name, values in (("characters of training text", amounts), ("bits per character", y)):
        wrong = ~(np.isfinite(values) & (values > 0))
        if wrong.any():
            raise UsageError(f"{values[wrong][0]} {name} have no logarithm: a power law needs positive numbers")
    return np.log(amounts), y


def _line(x: Array, y: Array) -> Fit:
    """y = offset − α x by least squares, x having a mean of zero."""
    spread = float(x @ x)
    exponent, offset = -float(x @ y) / spread, float(y.mean())
    squares = _squares(y - offset + exponent * x)
    error = math.sqrt(squares / (len(x) - 2) / spread)
    return _facts(exponent, error, offset, squares, y, parameters=2)


def _with_floor(x: Array, y: Array) -> Fit | None:
    """y = log (floor + exp(offset − α x)) by least squares; None where α goes to zero or beyond STEEPEST.

    The search is for (log floor, offset, log α): it has no bounds then, and floor and α stay positive.
    """
    from scipy.optimize import least_squares

    def terms(p: Array) -> tuple[Array, float, Array]:
        """log of the part above the floor, α (kept from overflowing in a wild step), and log of the sum."""
        exponent = math.exp(min(p[2], math.log(10 * STEEPEST)))
        above = p[1] - exponent * x
        return above, exponent, np.logaddexp(p[0], above)

    def residuals(p: Array) -> Array:
        return terms(p)[2] - y

    def slopes(p: Array) -> Array:
        above, exponent, law = terms(p)
        part = np.exp(above - law)
        return np.stack([np.exp(p[0] - law), part, -exponent * x * part], axis=1)

    found = []
    for share in STARTS:
        floor = share * math.exp(y.min())
        line = _line(x, np.log(np.exp(y) - floor))
        start = [math.log(floor), line["offset"], math.log(max(line["exponent"], FLATTEST))]
        found.append(least_squares(residuals, start, slopes, method="lm", xtol=1e-12, ftol=1e-12, gtol=1e-12))
    best = min(found, key=lambda result: float(result.cost))
    floor, offset, exponent = math.exp(best.x[0]), float(best.x[1]), terms(best.x)[1]
    if not FLATTEST < exponent < STEEPEST:
        return None
    squares = _squares(best.fun)
    covariance = np.linalg.pinv(best.jac.T @ best.jac) * squares / (len(x) - 3)
    error = exponent * math.sqrt(covariance[2, 2])  # that of log α, times α
    return _facts(exponent, error, offset, squares, y, parameters=3) | {"floor": floor}


def _squares(residuals: Array) -> float:
    """Their sum of squares, rounding errors counted as no less than that."""
    return max(float(residuals @ residuals), len(residuals) * SMALLEST_ERROR**2)


def _facts(exponent: float, error: float, offset: float, squares: float, y: Array, parameters: int) -> Fit:
    from scipy.special import stdtrit

    width = float(stdtrit(len(y) - parameters, 0.975)) * error
    variance = float(((y - y.mean()) ** 2).sum())
    return {
        "exponent": exponent,
        "standard_error": error,
        "interval": [exponent - width, exponent + width],
        "offset": offset,
        "squares": squares,
        "r2": 1 - squares / variance if variance > squares else 0.0,
        "points": len(y),
    }


def _aicc(fit: Fit, parameters: int) -> float:
    """Akaike's criterion for small samples, the variance of the residuals being one of the parameters."""
    n, k = fit["points"], parameters
    return float(n * math.log(fit["squares"] / n) + 2 * k + 2 * k * (k + 1) / (n - k - 1))


def _told(fit: Fit, middle: float) -> Fit | None:
    """The fit with D_c, in place of what it was computed by; None where D_c is beyond all numbers, the curve flat."""
    log_constant = middle + fit["offset"] / fit["exponent"]
    if abs(log_constant) > 700:
        return None
    told = {key: value for key, value in fit.items() if key not in ("offset", "squares")}
    return told | {"constant": math.exp(log_constant)}
