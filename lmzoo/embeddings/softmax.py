"""Softmax over a large vocabulary in one pass over memory, a row at a time while it is in the processor's cache.

numpy takes five passes (base, maximum, difference, exponential, sum), which for 30,000 words is most of the time of
scoring a text. The float32 exponential is that of Moshier's Cephes library: e^x = 2^n e^r with r in ±log(2)/2 and a
polynomial for e^r, within 2 units in the last place.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from os import cpu_count

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from lmzoo.interface import Array

THREADS = min(8, cpu_count() or 1)
FEW = 64  # rows that are done before threads have started
LOG2_E = np.float32(1.44269504)
LN2_HIGH, LN2_LOW = np.float32(0.693359375), np.float32(-2.12194440e-4)  # their sum is log 2, the first exact
LOWEST = np.float32(-87.0)  # e^-87 is about the smallest normal float32
C0, C1, C2, C3, C4, C5 = (
    np.float32(c) for c in (1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 0.5)
)
HALF, ONE = np.float32(0.5), np.float32(1.0)


def log_normalisers(logits: Array, base: Array, exponentiate: bool = False) -> Array:
    """log Z of each row of `logits` (N, V) float32, Z = Σ_w e^(logit + base), for `base` (V,) float32: (N,).

    Adds `base` to `logits` in place; to `exponentiate` replaces them by softmax(logits + base).
    """
    log_z = np.empty(len(logits))
    in_parts(len(logits), lambda rows: _rows(logits[rows], base, log_z[rows], exponentiate))
    return log_z


def in_parts(length: int, work: Callable[[slice], None]) -> None:
    """`work` on 0 … length, a part on each core: its loops are compiled and release the GIL."""
    if length < FEW:
        work(slice(0, length))
        return
    cuts = np.linspace(0, length, THREADS + 1).astype(int).tolist()
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(work, map(slice, cuts[:-1], cuts[1:])))


@intrinsic
def _as_float(context, bits):  # type: ignore[no-untyped-def]  # noqa: ARG001
    """The float32 that has these 32 bits."""

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]  # noqa: ARG001
        return builder.bitcast(arguments[0], ir.FloatType())

    return types.float32(types.int32), generate


@njit(inline="always")
def _exp(x):  # type: ignore[no-untyped-def]
    """e^x for float32 x ≤ 0."""
    x = max(x, LOWEST)
    n = np.int32(x * LOG2_E - HALF)  # rounds to the nearest integer: for x ≤ 0 conversion truncates upwards
    whole = np.float32(n)
    r = x - whole * LN2_HIGH
    r = r - whole * LN2_LOW
    p = ((((C0 * r + C1) * r + C2) * r + C3) * r + C4) * r + C5
    power = _as_float(np.int32((n + np.int32(127)) << np.int32(23)))  # type: ignore
    return (p * r * r + r + ONE) * power


@njit(cache=True, nogil=True, fastmath={"nnan", "nsz"})  # without these the maximum is not vectorised
def _add(row, base):  # type: ignore[no-untyped-def]
    """Add `base` to the row in place; returns the maximum."""
    highest = np.float32(-np.inf)
    for w in range(len(row)):
        row[w] += base[w]
        highest = max(highest, row[w])
    return highest


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract", "nsz", "arcp"})
def log_normaliser(row, base):  # type: ignore[no-untyped-def]
    """log Z of one row of logits (V,) float32, to which `base` (V,) is added in place; called by compiled code."""
    highest = _add(row, base)
    total = np.float32(0)
    for w in range(len(row)):
        total += _exp(row[w] - highest)
    return np.log(total) + highest


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract", "nsz", "arcp"})
def _rows(logits, base, log_z, write):  # type: ignore[no-untyped-def]
    for n in range(len(logits)):
        row = logits[n]
        if not write:
            log_z[n] = log_normaliser(row, base)
            continue
        highest = _add(row, base)
        total = np.float32(0)
        for w in range(len(row)):
            row[w] = _exp(row[w] - highest)
            total += row[w]
        scale = ONE / total
        for w in range(len(row)):
            row[w] *= scale
        log_z[n] = np.log(total) + highest
