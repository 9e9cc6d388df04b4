"""Scoring many tokens at a time with a trie: look-ups that do not wait for each other.

Look-ups in a large trie wait for memory most of the time. So some hundred tokens are looked up together, first their
bigrams, then their trigrams …: the n-gram that ends at a token is the child, by that token, of the (n-1)-gram that ends
at the token before. Loops that wait for memory do little else, so that as many waits as possible overlap, and have no
branch that depends on what they wait for.
"""

import numpy as np

from lmzoo.loops import loop

ROWS = 1024  # tokens looked up at a time
ODD, ODDER = 0x9E3779B97F4A7C15 - (1 << 64), 0xC2B2AE3D27D4EB4F - (1 << 64)  # as int64, to hash with


@loop
def walk_many(  # type: ignore[no-untyped-def]
    tokens, starts, states, text, stop, out, firsts, contexts, read, places, best, order, rows_of, low, many, active,
    wanted, seen, bigrams, words, probs, children, gammas, fallback,
):  # fmt: skip
    """Put p of each token of the texts from `text` to `stop` into `out`; see `Trie.walk_many`.

    Of each row: the word that is `read`, -1 where the row is the state before the first word of a text; its place in
    `out`; the `best` node, of the longest n-gram that ends there, and its `order`; the nodes with children of each
    order, `contexts`, -1 where there is none.
    """
    orders = len(firsts) - 1
    t, carry = -1, 0  # the token to read next; 1 if its text was begun in the rows before
    while True:
        rows = 0
        if carry > 0:
            read[0] = -1
            for n in range(orders):
                contexts[0, n] = contexts[len(read) - 1, n]
            rows = 1
        while rows < len(read):
            if t < 0:  # the next text that has tokens
                while text < stop and starts[text] == starts[text + 1]:
                    text += 1
                if text == stop:
                    break
                _put_chain(states[text], rows, firsts, contexts, children, fallback)
                read[rows] = -1
                t = int(starts[text])
                text += 1
            else:
                node = 1 + np.int64(tokens[t])
                read[rows], places[rows], best[rows], order[rows] = tokens[t], t, node, 0
                contexts[rows, 0] = _as_context(node, children)
                t = t + 1 if t + 1 < starts[text] else -1
            rows += 1
        for n in range(1, orders):
            searches = 0
            for row in range(1, rows):
                if read[row] >= 0:
                    context = np.int64(contexts[row - 1, n - 1])
                    contexts[row, n] = -1
                    rows_of[searches], wanted[searches], low[searches] = row, read[row], context
                    searches += 1 if context >= 0 else 0
            if searches == 0:
                continue
            if n == 1 and len(bigrams) > 0:
                _look_up(searches, low, many, wanted, seen, bigrams, children)
            else:
                _search(searches, low, many, wanted, active, seen, words, children)
            for k in range(searches):
                row = rows_of[k]
                found = np.int64(seen[k] == wanted[k])
                best[row] += found * (low[k] - best[row])
                order[row] += found * (n - order[row])
                low[k] *= found
            _keep_contexts(searches, low, many, children)
            for k in range(searches):
                contexts[rows_of[k], n] = low[k]
        for row in range(1, rows):
            if read[row] >= 0:
                gamma = 1.0
                for n in range(orders - 1, order[row], -1):
                    if contexts[row - 1, n - 1] >= 0:
                        gamma *= gammas[contexts[row - 1, n - 1]]
                out[places[row]] = gamma * probs[best[row]]
        if rows < len(read):
            return
        carry = 1 if t >= 0 else 0


@loop
def _put_chain(state, row, firsts, contexts, children, fallback):  # type: ignore[no-untyped-def]
    """The state's context and all shorter ones that have children, by order."""
    for n in range(len(firsts) - 1):
        contexts[row, n] = -1
    n = len(firsts) - 2
    while state > 0:
        while firsts[n] > state:
            n -= 1
        contexts[row, n] = _as_context(state, children)
        state = fallback[state]


@loop
def _as_context(node, children):  # type: ignore[no-untyped-def]
    """The node, or -1 if it has no children, or is the root; without a branch."""
    last = len(children) - 2
    place = min(node, last)
    has = np.int64(children[place + 1] > children[place]) & np.int64(node <= last) & np.int64(node > 0)
    return has * (node + 1) - 1


@loop
def _search(searches, low, many, wanted, active, seen, words, children):  # type: ignore[no-untyped-def]
    """Binary searches among the children of each node in `low`, a step of each in turns.

    `low` becomes the last child whose word is at most the `wanted`, `seen` its word.
    """
    for k in range(searches):
        node = low[k]
        low[k], many[k] = children[node], children[node + 1]
    left = 0
    for k in range(searches):
        many[k] -= low[k]
        active[left] = k
        left += 1 if many[k] > 1 else 0
    while left > 0:
        for i in range(left):
            k = active[i]
            seen[i] = words[low[k] + (many[k] >> 1)]
        steps, left = left, 0
        for i in range(steps):
            k = active[i]
            half = many[k] >> 1
            low[k] += half * np.int64(seen[i] <= wanted[k])
            many[k] -= half
            active[left] = k
            left += 1 if many[k] > 1 else 0
    for k in range(searches):
        seen[k] = words[low[k]]


@loop
def _keep_contexts(searches, low, many, children):  # type: ignore[no-untyped-def]
    """Make a node in `low` -1 if it has no children or is the root."""
    last = len(children) - 2
    for k in range(searches):
        place = min(low[k], last)
        many[k] = children[place + 1] - children[place]
    for k in range(searches):
        node = low[k]
        has = np.int64(many[k] > 0) & np.int64(node <= last) & np.int64(node > 0)
        low[k] = has * (node + 1) - 1


@loop
def put_bigrams(table, words, children):  # type: ignore[no-untyped-def]
    """A hash table of the nodes of order 2, with open addressing: a word in the upper half, its node in the lower."""
    mask = len(table) - 1
    for context in range(1, children[1]):
        for node in range(children[context], children[context + 1]):
            row = _home(context, words[node], mask)
            while table[row] > 0:
                row = (row + 1) & mask
            table[row] = np.int64(words[node]) << 32 | node


@loop
def _home(context, word, mask):  # type: ignore[no-untyped-def]
    mixed = np.int64(context) * ODD ^ np.int64(word) * ODDER
    return (mixed ^ mixed >> 29) & mask


@loop
def _look_up(searches, low, many, wanted, seen, table, children):  # type: ignore[no-untyped-def]
    """`_search` of bigrams: `low` becomes the child, and `seen` the wanted word, -1 where there is none."""
    mask = len(table) - 1
    for k in range(searches):
        many[k] = _home(low[k], wanted[k], mask)
    for k in range(searches):
        seen[k] = table[many[k]]
    for k in range(searches):
        row, entry, context = many[k], seen[k], low[k]
        low[k], seen[k] = 0, -1
        while entry > 0:
            node = entry & 0xFFFFFFFF
            if entry >> 32 == wanted[k] and children[context] <= node < children[context + 1]:
                low[k], seen[k] = node, wanted[k]
                break
            row = (row + 1) & mask
            entry = table[row]
