"""A power law of the loss in the amount of training text, fitted to a few points.

    L(D) = L∞ + (D_c / D)^α

L is in bits per character and D in characters of training text (Hestness et al. 2017, "Deep Learning Scaling Is
Predictable, Empirically"; Kaplan et al. 2020, "Scaling Laws for Neural Language Models"). L∞ is the irreducible loss,
α the exponent, and D_c the amount of text at which the loss is one bit above L∞.

Fitted is the logarithm of the excess loss E = L − S over the entropy S of the source where that is known (a generated
corpus), else S = 0. Two laws compete, by least squares in log E:

    E(D) = (D_c / D)^α            L∞ = S: with enough text the model would reach the source
    E(D) = F + (D_c / D)^α        L∞ = S + F: a floor of the model's own, which may include the unknown entropy

The one with the smaller AICc is reported (Hurvich & Tsai 1989): a floor, the third parameter, must reduce the sum of
squares sevenfold for seven points, a hundredfold for six, and is not fitted for fewer. The interval of α is Student's,
from the residuals: it says how well the law fits these points, not how α varies with the training text or the seed.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lmzoo.errors import UsageError

FEWEST = 4  # points: three are always close to a straight line
STARTS = (0.1, 0.5, 0.8, 0.95, 0.995)  # initial floors of the search, as shares of the smallest excess
FLATTEST, STEEPEST = 1e-3, 10.0  # exponents allowed beside a floor: beyond them the curve is a bend or a step
SMALLEST_ERROR = 1e-9  # of a logarithm: smaller residuals are rounding errors
Array = NDArray[np.float64]
Fit = dict[str, Any]


def power_law(characters: ArrayLike, bits: ArrayLike, source: float | None = None) -> Fit | None:
    """The law of `bits` per character (N,) in `characters` of training text (N,).

    `source` is the entropy of the source in bits per character, where known. Returns exponent α with its standard_error
    and 95 % interval; constant D_c in characters; floor L∞, and floor_is, its origin: "source", "fitted" or "none"
    (L∞ = 0); r2, of the logarithms; and the number of points. None for fewer than four points, or where the interval of
    the straight line's exponent includes zero: no decline is certain. Raises UsageError for numbers that are not
    positive.
    """
    x, y = _checked(characters, bits)
    known = source or 0.0
    if len(x) < FEWEST or np.ptp(x) == 0 or y.min() <= known:
        return None  # a point below the source, possible by chance, has no logarithm
    middle = float(x.mean())
    x, y = x - middle, np.log(y - known)
    law = _line(x, y) | {"floor": known, "floor_is": "source" if known else "none"}
    if law["interval"][0] <= 0:
        return None
    curve = _with_floor(x, y) if len(x) >= FEWEST + 2 else None
    if curve and _aicc(curve, 4) < _aicc(law, 3):
        law = curve | {"floor": known + curve["floor"], "floor_is": "fitted"}
    return _with_constant(law, middle)


def predict(fit: Fit, characters: ArrayLike) -> Array:
    """Bits per character at each of `characters` of training text, by a law of `power_law`."""
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
    """y = log (floor + exp(offset − α x)) by least squares; None where α leaves FLATTEST … STEEPEST.

    The parameters are (log floor, offset, log α), so that the search needs no bounds to keep floor and α positive.
    """
    from scipy.optimize import least_squares

    def terms(p: Array) -> tuple[Array, float, Array]:
        """log of the part above the floor, α (bounded, so that a large step cannot overflow), and log of the sum."""
        exponent = math.exp(min(p[2], math.log(10 * STEEPEST)))
        above = p[1] - exponent * x
        return above, exponent, np.logaddexp(p[0], above)

    def residuals(p: Array) -> Array:
        return terms(p)[2] - y

    def slopes(p: Array) -> Array:
        above, exponent, law = terms(p)
        part = np.exp(above - law)
        return np.stack([np.exp(p[0] - law), part, -exponent * x * part], axis=1)

    fits = []
    for share in STARTS:
        floor = share * math.exp(y.min())
        line = _line(x, np.log(np.exp(y) - floor))
        start = [math.log(floor), line["offset"], math.log(max(line["exponent"], FLATTEST))]
        fits.append(least_squares(residuals, start, slopes, method="lm", xtol=1e-12, ftol=1e-12, gtol=1e-12))
    best = min(fits, key=lambda result: float(result.cost))
    floor, offset, exponent = math.exp(best.x[0]), float(best.x[1]), terms(best.x)[1]
    if not FLATTEST < exponent < STEEPEST:
        return None
    squares = _squares(best.fun)
    covariance = np.linalg.pinv(best.jac.T @ best.jac) * squares / (len(x) - 3)
    error = exponent * math.sqrt(covariance[2, 2])  # that of log α, times α
    return _facts(exponent, error, offset, squares, y, parameters=3) | {"floor": floor}


def _squares(residuals: Array) -> float:
    """The sum of squares, at least that of rounding errors."""
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
    """Akaike's criterion corrected for small samples; the variance of the residuals is one of the parameters."""
    n, k = fit["points"], parameters
    return float(n * math.log(fit["squares"] / n) + 2 * k + 2 * k * (k + 1) / (n - k - 1))


def _with_constant(fit: Fit, middle: float) -> Fit | None:
    """The fit with D_c instead of its offset; None where D_c overflows, for the curve is flat."""
    log_constant = middle + fit["offset"] / fit["exponent"]
    if abs(log_constant) > 700:
        return None
    law = {key: value for key, value in fit.items() if key not in ("offset", "squares")}
    return law | {"constant": math.exp(log_constant)}
