"""A long text read in parts side by side, by a network that reads one token after another.

A batch of one text waits for the weights at every token; a batch of sixteen reads three times as many tokens a second.
So a long text is cut into parts of equal length, which are the rows of a batch:

    1.  The first part is read from the state before the text, every other one as if a text began there.
    2.  Every part but the first is read again from the state in which the part before it ended, until the states of
        both readings agree: a network forgets how it began, most within 100 to 500 tokens. What follows was read from
        the right state the first time.

A part that ends before they agree left a wrong state to the next one. Then everything from that part on is read anew,
by parts; where half of the parts ended so, all of it and what follows is read in order. So every score rests on states
that agree.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lmzoo.interface import Ids
from lmzoo.neural import barriers
from lmzoo.neural.module import Module

PARTS = 16  # at most
SHORTEST, LONGEST = 512, 4096  # tokens of a part: each reads some hundred again, and keeps its states until then
LEAST = 4 * SHORTEST  # tokens of a text for which it pays
# Tokens between two comparisons of states, at first and later: most agree soon, and long steps are faster.
STEP, LATER = 128, 512
# How far the values of two states that agree may be apart, absolutely or relatively to them: about ten times the
# rounding of float32 in batches of different sizes.
SAME = 1e-5

States = tuple[Tensor, ...]  # of B texts: the hidden vectors (B, D) that predict their next tokens, and what is carried
Use = Callable[[Tensor, NDArray[np.intp]], None]  # given the hidden vectors (n, D) that predict n tokens, their places


def read(net: Module, before: States, start: States, tokens: Ids, use: Use) -> tuple[int, States]:
    """Read the beginning of `tokens` (T,), all but a rest, from `before`; `start` is the state at a text's beginning.

    Both are of one text. `use` may be given a place again, and then the better vector. Returns how many tokens were
    read, and the state after them.
    """
    done, worth_it = 0, True
    while worth_it and len(tokens) - done >= LEAST:
        span = tokens[done : done + PARTS * LONGEST]
        read, before, worth_it = _read_span(net, before, start, span, partial(_moved, use, done))
        done += read
    return done, before


def _moved(use: Use, by: int, hidden: Tensor, places: NDArray[np.intp]) -> None:
    use(hidden, places + by)


def _read_span(net: Module, before: States, start: States, tokens: Ids, use: Use) -> tuple[int, States, bool]:
    """`read` of a text that is not too long; also returns whether it is worth going on so."""
    count = min(PARTS, len(tokens) // SHORTEST)
    length = len(tokens) // count
    places = np.arange(count * length).reshape(count, length)
    ids = torch.from_numpy(np.asarray(tokens[: count * length], dtype=np.int64)).to(net.device).view(count, length)
    rows = zip(before, start, strict=True)
    states = tuple(torch.cat([one, other.expand(count - 1, *other.shape[1:])]) for one, other in rows)
    known: list[States] = []  # the states of the first reading after each step
    steps = [slice(t, t + STEP) for t in range(0, min(LATER, length), STEP)]
    steps += [slice(t, t + LATER) for t in range(LATER, length, LATER)]
    for step in steps:
        hidden, states = _step(net, ids[:, step], states)
        if [part.shape[1:] for part in states] != [part.shape[1:] for part in before]:
            return 0, before, False  # what it carries grows with what it reads, and never agrees
        known.append(states)
        use(hidden, places[:, step].ravel())
    apart, states = np.arange(1, count), tuple(part[:-1] for part in states)
    for step, first in zip(steps, known, strict=True):
        hidden, states = _step(net, ids[apart, step], states)
        use(hidden, places[apart, step].ravel())
        differ = _differ(states, tuple(part[apart] for part in first))
        apart, states = apart[differ.numpy(force=True)], tuple(part[differ] for part in states)
        if not len(apart):
            return count * length, _row(known[-1], count - 1), True
    # The parts before the first of these are right to their ends. But where most states never agree, rounding may grow
    # from token to token, too.
    worth_it = len(apart) < count // 2
    right = int(apart[0]) if worth_it else 0
    return right * length, _row(known[-1], right - 1) if right else before, worth_it


def _step(net: Module, ids: Tensor, states: States) -> tuple[Tensor, States]:
    """Read ids (B, n): the hidden vectors (B · n, D) that predict them, text after text, and the states after them."""
    barriers.adapt()
    hidden, carried = net(ids, states[1:])
    predicting = torch.cat([states[0][:, None], hidden[:, :-1]], 1)
    return predicting.flatten(0, 1), (hidden[:, -1].clone(), *carried)  # no view, which would keep all


def _differ(a: States, b: States) -> Tensor:
    """Which of B states are not the same: (B,) bool."""
    agree = [torch.isclose(one, other, rtol=SAME, atol=SAME).flatten(1).all(1) for one, other in zip(a, b, strict=True)]
    return ~torch.stack(agree).all(0)


def _row(states: States, n: int) -> States:
    return tuple(part[n : n + 1].clone() for part in states)
