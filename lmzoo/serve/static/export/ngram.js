// An n-gram over characters, in the page: the same automaton over contexts as lmzoo/ngrams/trie.py, from its numbers.

const TOP = 5, NEXT = 6;  // as in lmzoo/serve/reading.py
const BYTES = 256;

/** A model from {order, chars, lines, words, probs, degrees, gammas}, the last four arrays in base64, little-endian. */
export function characterModel(data) {
  const words = numbers(data.words, Uint16Array), probs = numbers(data.probs, Float32Array);
  const gammas = numbers(data.gammas, Float32Array), degrees = numbers(data.degrees, Uint16Array);
  const contexts = gammas.length, size = degrees[0], end = size - 1;
  const chars = [...data.chars], ids = new Map(chars.map((char, n) => [char, BYTES + n]));

  const children = new Uint32Array(contexts + 1), fallback = new Uint32Array(words.length);
  children[0] = 1;
  for (let c = 0; c < contexts; c++) children[c + 1] = children[c] + degrees[c];
  const isContext = node => node < contexts && children[node + 1] > children[node];

  function find(state, word) {
    if (state === 0) return 1 + word;
    let low = children[state], high = children[state + 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (words[middle] < word) low = middle + 1;
      else high = middle;
    }
    return low < children[state + 1] && words[low] === word ? low : -1;
  }

  /** The node of the longest context that ends in `state` and `word` and was seen. */
  function step(state, word) {
    let child = find(state, word);
    while (child < 0) child = find(state = fallback[state], word);
    return isContext(child) ? child : fallback[child];
  }

  // Shorter n-grams stand first, so the fallbacks that are needed are there.
  for (let c = 1; c < contexts; c++)
    for (let child = children[c]; child < children[c + 1]; child++) fallback[child] = step(fallback[c], words[child]);

  /** P(token | state) of every token, a Float64Array (V,). */
  function distribution(state) {
    const chain = [], shares = [], found = new Float64Array(size);
    let share = 1;
    for (; state !== 0; state = fallback[state]) {
      chain.push(state);
      shares.push(share);
      share *= gammas[state];
    }
    for (let word = 0; word < size; word++) found[word] = probs[1 + word] * share;
    for (let n = chain.length - 1; n >= 0; n--)
      for (let child = children[chain[n]]; child < children[chain[n] + 1]; child++)
        found[words[child]] = probs[child] * shares[n];
    return found;
  }

  /** The ids of a text: a character is a token, or its bytes are. */
  function encode(text) {
    const found = [];
    for (const char of text) {
      const code = char.codePointAt(0);
      if (code === 10 && data.lines) found.push(end);
      else if (code < 128) found.push(code);
      else if (ids.has(char)) found.push(ids.get(char));
      else found.push(...bytes(code));
    }
    return found;
  }

  const spelled = token => token === end ? (data.lines ? "\n" : "") : token >= BYTES ? chars[token - BYTES]
    : token < 128 ? String.fromCharCode(token) : "\ufffd";

  /** P(token | text) of every token. */
  const after = text => distribution(encode(text).reduce(step, step(0, end)));

  /** What lmzoo's Reader says of a text: {bits, pieces, next, words}. */
  function read(text) {
    let state = step(0, end), bits = 0;
    const pieces = [];
    for (const char of text) {
      const spelling = encode(char);
      spelling.forEach((token, n) => {
        const found = distribution(state), p = found[token];
        const rank = 1 + found.reduce((more, other) => more + (other > p), 0);
        bits -= Math.log2(p);
        const top = likeliest(found, TOP).map(one => [spelled(one), found[one]]);
        pieces.push([n === spelling.length - 1 ? char : "", p > 0 ? rounded(-Math.log2(p)) : null, rank, top]);
        state = step(state, token);
      });
    }
    const found = distribution(state), top = likeliest(found, NEXT);
    return {
      bits: Number.isFinite(bits) ? rounded(bits) : null, pieces,
      next: top.map(one => [spelled(one), found[one]]),
      words: top.map(one => [spelled(one) || "<end>", found[one], spelled(one)]),
    };
  }

  return { size, after, read };
}

const rounded = bits => Math.round(bits * 1e4) / 1e4;

function likeliest(found, most) {
  return Array.from(found.keys()).filter(one => found[one] > 0).sort((a, b) => found[b] - found[a]).slice(0, most);
}

function numbers(base64, kind) {
  const binary = atob(base64), raw = new Uint8Array(binary.length);
  for (let n = 0; n < raw.length; n++) raw[n] = binary.charCodeAt(n);
  return new kind(raw.buffer);  // every browser's machine is little-endian
}

/** UTF-8 of a code point, a lone surrogate too. */
function bytes(code) {
  const rest = shift => 0x80 | ((code >> shift) & 0x3f);
  if (code < 0x800) return [0xc0 | (code >> 6), rest(0)];
  if (code < 0x10000) return [0xe0 | (code >> 12), rest(6), rest(0)];
  return [0xf0 | (code >> 18), rest(12), rest(6), rest(0)];
}
