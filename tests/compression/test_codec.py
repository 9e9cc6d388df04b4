"""Compressing by a language model: every file comes back, and costs the bits that the evaluator says."""

import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lmzoo import models
from lmzoo.compression import certify, codec
from lmzoo.compression.codec import TOTAL, compress, decompress, payload_bits, whole_numbers
from lmzoo.compression.container import SIZE, Container, arithmetic, fingerprint
from lmzoo.data import tokenizers
from lmzoo.errors import FormatError, LmzooError, ScoreError, TokenizerError, UsageError
from lmzoo.evaluation.perplexity import evaluate
from lmzoo.evaluation.text_model import TextModel
from lmzoo.interface import Data, Vocabulary
from lmzoo.models.cache import Cache
from lmzoo.models.ngram import Ngram
from lmzoo.models.uniform import Uniform
from lmzoo.runs import store
from tests.fake_models import Stateless

TEXT = "the cat sat on the mat and the dög sat on the log because the cat did not like the dög\n\n" * 20
SPECS = ("byte", "char", "word:40", "bpe:300")
TOKENIZERS = {spec: tokenizers.train(spec, TEXT) for spec in SPECS}


def trained(made, model=None):
    ids = made.encode(TEXT)
    return (model or Ngram(order=3)).fit(Data.of(ids, ids, made.vocab_size))


MODELS = {spec: trained(made) for spec, made in TOKENIZERS.items()}
CHAR = MODELS["char"], TOKENIZERS["char"]


def there_and_back(model, made, data, protocol="stream"):
    return decompress(TextModel(model, made), compress(TextModel(model, made), data, protocol))


# ── Every file comes back ─────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("spec", SPECS)
@settings(max_examples=50)
@given(text=st.text(st.characters(exclude_categories=()), max_size=30), protocol=st.sampled_from(["stream", "lines"]))
def test_every_text_comes_back_lone_surrogates_and_all(spec, text, protocol):
    data = text.encode("utf-8", "surrogatepass")
    assert there_and_back(MODELS[spec], TOKENIZERS[spec], data, protocol) == data


@pytest.mark.parametrize("spec", SPECS)
@settings(max_examples=50)
@given(data=st.binary(max_size=40))
def test_every_string_of_bytes_comes_back(spec, data):
    assert there_and_back(MODELS[spec], TOKENIZERS[spec], data) == data


def test_nothing_is_a_header_and_one_byte_hardly_more():
    empty = compress(TextModel(*CHAR), b"")
    assert (len(empty), decompress(TextModel(*CHAR), empty)) == (SIZE, b"")
    for byte in range(0, 256, 15):
        one = compress(TextModel(*CHAR), bytes([byte]))
        assert len(one) <= SIZE + 12
        assert decompress(TextModel(*CHAR), one) == bytes([byte])


def test_with_lines_the_newline_is_a_token_that_comes_back():
    made = tokenizers.train("word:40", TEXT, lines=True)
    for data in (TEXT.encode(), b"no newline at the end", b"\n\n\n"):
        assert there_and_back(trained(made), made, data, "lines") == data


def test_latin_1_costs_as_many_tokens_as_characters():
    """Not three for each byte that is not UTF-8."""
    data = "dög\n".encode("latin-1") * 50
    file = compress(TextModel(*CHAR), data)
    assert Container.unpack(file).tokens == len(data)
    assert decompress(TextModel(*CHAR), file) == data


# ── What it costs ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("spec", SPECS)
def test_a_file_has_as_many_bytes_as_the_evaluator_counts_bits_for(spec):
    held_out = "the dog did not like the cat because the log sat on the mät\n" * 40
    for protocol in ("stream", "lines"):
        score = evaluate(TextModel(MODELS[spec], TOKENIZERS[spec]), held_out, protocol)
        bits = payload_bits(compress(TextModel(MODELS[spec], TOKENIZERS[spec]), held_out.encode(), protocol))
        assert score.bits <= bits <= score.bits * 1.001 + 64


def test_each_line_is_coded_from_the_start_under_the_protocol_lines():
    made = TOKENIZERS["char"]
    bits = {p: payload_bits(compress(TextModel(*CHAR), TEXT.encode(), p)) for p in ("stream", "lines")}
    scores = {p: evaluate(TextModel(CHAR[0], made), TEXT, p).bits for p in ("stream", "lines")}
    assert bits["lines"] - bits["stream"] == pytest.approx(scores["lines"] - scores["stream"], abs=64)
    assert abs(scores["lines"] - scores["stream"]) > 64


@pytest.mark.parametrize("vocab_size", [2, 3, 257, 5000, 50257])
def test_uniform_tokens_cost_the_logarithm_of_the_vocabulary(vocab_size):
    tokens = 2000 if vocab_size < 1000 else 400  # a large distribution takes long, and the cost is per token
    ids = np.random.default_rng(0).integers(0, vocab_size, tokens)
    bits = coded(Uniform().fit(Data.of(ids[:1], ids[:1], vocab_size)), ids)
    assert bits == pytest.approx(tokens * np.log2(vocab_size), abs=64)


@pytest.mark.parametrize(("power", "most"), [(10, 10), (20, 20), (30, 24), (900, 24)])
def test_a_symbol_may_be_rarer_than_the_coders_precision(power, most):
    """It counts in parts of 2⁻²⁴, so nothing costs more than 24 bits among those of its block."""
    bits = coded(Rare(-power * np.log(2)), np.zeros(100, np.int64))
    assert 100 * (most - 0.2) <= bits <= 100 * (most + 0.1) + 64


def test_a_rare_symbol_in_a_rare_block_costs_48_bits_at_most():
    assert 100 * 24 <= coded(Rare(-900.0), np.full(100, 8)) <= 100 * 48 + 64


def test_what_is_certain_costs_next_to_nothing():
    assert coded(Rare(-1000.0), np.ones(2000, np.int64)) <= 64


@given(st.lists(st.floats(0, 1), min_size=2, max_size=300).filter(lambda w: sum(w) > 1e-3))
def test_whole_numbers_leave_one_for_each_symbol_and_sum_to_the_rest(weights):
    shares = whole_numbers(np.array(weights))
    assert shares.sum() == TOTAL - len(weights)
    assert shares.min() >= 0
    assert (shares == np.floor(shares)).all()
    expected = np.array(weights) / np.sum(weights) * (TOTAL - len(weights))
    assert np.abs(shares - expected).max() <= len(weights)


def test_the_range_coder_takes_the_whole_numbers_as_they_are():
    rng, coder, ideal = np.random.default_rng(0), codec._Encoder(), 0.0
    for _ in range(3000):
        shares = whole_numbers(rng.dirichlet(np.full(17, 0.02)))
        symbol = int(rng.integers(17))  # mostly rare ones, at one part in 2²⁴ or a few
        coder.code(shares, symbol)
        ideal -= np.log2((shares[symbol] + 1) / TOTAL)
    assert 0 <= 8 * len(coder.payload()) - ideal <= 64


# ── Networks ──────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module", params=["lstm", "gpt"])
def net(request):
    """A network that prefers some tokens to others, depending on what it has read; and its tokenizer."""
    torch = pytest.importorskip("torch")
    torch.manual_seed(1)
    cls = models.find(request.param)
    model = cls.from_config(models.presets(cls)["tiny"])
    model.vocab_size_ = TOKENIZERS["char"].vocab_size
    model.net_ = model.build(model.vocab_size_).eval()
    for weight in model.net_.parameters():
        torch.nn.init.normal_(weight, std=0.3)
    return model, TOKENIZERS["char"]


@pytest.mark.parametrize("protocol", ["stream", "lines"])
def test_a_long_text_is_read_by_a_network_in_parts_side_by_side(net, monkeypatch, protocol):
    text = TEXT[:403]  # parts of 101, 101, 101 and 100 tokens
    whole = compress(TextModel(*net), text.encode(), protocol)
    monkeypatch.setattr(codec, "LANE", 100)
    file = compress(TextModel(*net), text.encode(), protocol)
    monkeypatch.undo()  # who decompresses is told by the file
    assert (Container.unpack(whole).lanes, Container.unpack(file).lanes) == (1, 4)
    assert decompress(TextModel(*net), file) == decompress(TextModel(*net), whole) == text.encode()
    expected = evaluate(TextModel(*net), text, protocol).bits
    assert payload_bits(whole) == pytest.approx(expected, abs=64)
    assert payload_bits(file) == pytest.approx(expected, rel=0.05)


def test_a_fresh_process_decodes_what_a_network_encoded_whatever_its_threads(net, monkeypatch, tmp_path):
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(codec, "LANE", 100)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        file = compress(TextModel(*net), TEXT[:250].encode())
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    store.save(TextModel(*net), tmp_path / "run")
    assert certify._elsewhere(tmp_path / "run", file, None)[0] == TEXT[:250].encode()


# ── Models that cannot ────────────────────────────────────────────────────────────────────────────


@dataclass
class Rare(Stateless):
    """Of 9 tokens, 1 is likely, 0 beside it has a log-probability to choose, and the others are rarer by far."""

    log_prob: float = 0.0
    vocab_size_ = 9

    def next_log_probs(self, state):
        found = np.full(9, self.log_prob - 20.0)
        found[0] = self.log_prob
        found[1] = np.log1p(-np.exp(found[found < -1e-9]).sum())
        return found


@dataclass
class Broken(Uniform):
    """Uniform, until position `at`."""

    at: int = 3
    value: float = np.nan

    def start(self):
        return 0

    def advance(self, state, tokens):
        return state + len(tokens)

    def next_log_probs(self, state):
        found = np.full(self.vocab_size_, -np.log(self.vocab_size_))
        if state == self.at:
            found = np.full(self.vocab_size_, -np.log(self.vocab_size_ - (self.value == -np.inf)))
            found[ord("c")] = self.value
        return found


FIRST = 0x20000


def coded(model, ids):
    """The bits of a payload that `ids` were coded in, having seen that they come back."""
    made = Ids(model.vocab_size_)
    data = "".join(chr(FIRST + i) for i in ids).encode()
    file = compress(TextModel(model, made), data)
    assert decompress(TextModel(model, made), file) == data
    return payload_bits(file)


class Ids(tokenizers.Tokenizer):
    """Ids as characters from FIRST on."""

    def __init__(self, vocab_size):
        super().__init__("ids", vocab_size, False)

    def _encode(self, text):
        yield np.array([ord(char) - FIRST for char in text], np.int32)

    def decode(self, ids):
        return "".join(chr(FIRST + int(i)) for i in ids)

    def pieces(self, ids):
        return list(self.decode(ids))

    def token(self, token_id):
        return str(token_id)

    def word(self, token_id):
        return ""

    @property
    def vocabulary(self):
        return Vocabulary.of_size(self.vocab_size)

    def to_json(self):
        return {}


def uniform(kind=Uniform, **settings):
    ids = np.zeros(1, np.int32)
    return kind(**settings).fit(Data.of(ids, ids, TOKENIZERS["char"].vocab_size)), TOKENIZERS["char"]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (np.nan, "'c' a probability of NaN at position 3 .character 3"),
        (np.inf, "sum to inf, not 1, at position 3"),
        (0.0, "sum to 1.99.*, not 1, at position 3"),
        (-np.inf, "token 'c' at position 3 .character 3. a probability of zero"),
    ],
)
def test_an_invalid_probability_is_an_error_that_names_the_position(value, said):
    with pytest.raises(ScoreError, match=said):
        compress(TextModel(*uniform(Broken, value=value)), b"abbcc")


def test_another_number_of_probabilities_than_tokens_is_an_error():
    model, made = uniform()
    model.next_log_probs = lambda state: np.zeros(3)
    with pytest.raises(ScoreError, match=r"\(3,\) numbers, not one for each of 258 tokens, at position 0"):
        compress(TextModel(model, made), b"abc")


def test_a_zero_for_tokens_that_do_not_come_is_no_matter():
    zero = uniform(Broken, value=-np.inf)
    assert there_and_back(*zero, b"abcabc") == b"abcabc"


def test_the_first_token_of_a_vocabulary_may_be_impossible():
    model = trained(TOKENIZERS["char"], Ngram(order=1, smoothing="ml"))
    assert model.next_log_probs(model.start())[0] == -np.inf
    assert there_and_back(model, TOKENIZERS["char"], TEXT.encode()) == TEXT.encode()


def test_scores_that_are_no_distribution_are_refused():
    model = trained(TOKENIZERS["char"], Ngram(order=3, smoothing="stupid-backoff"))
    assert not model.is_distribution
    with pytest.raises(ScoreError, match="do not sum to one"):
        compress(TextModel(model, TOKENIZERS["char"]), b"the")


def test_a_model_of_other_tokens_is_refused():
    with pytest.raises(UsageError, match="not of the same run"):
        compress(TextModel(MODELS["word:40"], TOKENIZERS["char"]), b"the")
    with pytest.raises(UsageError, match="no protocol named 'pages'"):
        compress(TextModel(*CHAR), b"the", "pages")


def test_a_closed_vocabulary_refuses_what_it_cannot_write():
    words = "the cat sat\non the mat\n" * 5
    made = tokenizers.train("split", words)
    assert there_and_back(trained_on(made, words), made, b"the mat\n", "lines") == b"the mat\n"
    for data, said in (
        (b"the dog\n", "'dog' is not in the closed vocabulary"),
        (b"the\xff\n", "a lone surrogate"),
    ):
        with pytest.raises(TokenizerError, match=f"cannot be compressed with this run's tokenizer: .*{said}"):
            compress(TextModel(trained_on(made, words), made), data)
    unknown = tokenizers.train("split:min=6", words)
    with pytest.raises(TokenizerError, match=r"reads 'cat sat.* at character 4 as '<unk> <unk>.* would not come back"):
        compress(TextModel(trained_on(unknown, words), unknown), words.encode())


def trained_on(made, text):
    ids = made.encode(text)
    return Ngram(order=2).fit(Data.of(ids, ids, made.vocab_size))


def test_a_model_that_learns_as_it_reads_can_be_coded_by():
    cache = trained(TOKENIZERS["word:40"], Cache())
    held_out = "the log sat on the cat, the mat on the dög\n" * 20
    file = compress(TextModel(cache, TOKENIZERS["word:40"]), held_out.encode(), "lines")
    assert decompress(TextModel(cache, TOKENIZERS["word:40"]), file) == held_out.encode()
    score = evaluate(TextModel(cache, TOKENIZERS["word:40"]), held_out, "lines")
    assert payload_bits(file) == pytest.approx(score.bits, abs=64)


# ── Files that cannot be ──────────────────────────────────────────────────────────────────────────


def test_no_damaged_file_is_decoded():
    file = compress(TextModel(*CHAR), b"the cat sat")
    for n in range(len(file)):
        damaged = bytearray(file)
        damaged[n] ^= 1 << n % 8
        with pytest.raises(FormatError):
            decompress(TextModel(*CHAR), bytes(damaged))
        with pytest.raises(FormatError):
            decompress(TextModel(*CHAR), file[:n])


def crafted(payload=b"", lines=False, lanes=1, length=1 << 60, tokens=1 << 60):
    """A file whose checksum is right, as an attacker would write it for this model."""
    model = fingerprint(TextModel(*CHAR))
    return Container(0, lines, lanes, model, arithmetic(), length, tokens, 0, payload).pack()


def test_a_header_cannot_claim_more_tokens_than_its_bytes_can_hold():
    """A file of 56 bytes that claimed 2**60 tokens was decoded for ever."""
    with pytest.raises(FormatError, match="it cannot have 1,152,921,504,606,846,976 tokens, as its header says, in 56"):
        decompress(TextModel(*CHAR), crafted(b"1234"))


def test_a_header_cannot_claim_more_tokens_than_memory_holds(monkeypatch):
    zeros = np.zeros

    def no_memory(size, **kind):
        if size == 10**7:
            raise MemoryError
        return zeros(size, **kind)

    monkeypatch.setattr(np, "zeros", no_memory)
    with pytest.raises(FormatError, match="says that it has 10,000,000 tokens: no memory holds so many"):
        decompress(TextModel(*CHAR), crafted(b"1234", tokens=10**7))


def test_decoding_ends_where_the_bits_do():
    with pytest.raises(LmzooError, match="its tokens take more bits than it has"):
        decompress(TextModel(*CHAR), crafted(b"1234", tokens=10**7))


@given(
    st.binary(max_size=16).map(lambda b: b[: len(b) // 4 * 4]),
    st.integers(1, 255),
    st.integers(0, 1 << 64),
    st.booleans(),
)
@settings(max_examples=50, deadline=None)
def test_a_crafted_file_is_an_error_or_a_text_at_once(payload, lanes, tokens, lines):
    length, began = min(tokens, (1 << 64) - 1), time.process_time()
    with suppress(LmzooError):
        decompress(TextModel(*CHAR), crafted(payload, lines, lanes, length, length))
    assert time.process_time() - began < 2


def test_another_model_is_refused():
    file = compress(TextModel(*CHAR), b"the cat sat")
    with pytest.raises(UsageError, match="with another model"):
        decompress(TextModel(trained(TOKENIZERS["char"], Ngram(order=2)), TOKENIZERS["char"]), file)


def test_a_model_that_does_not_say_the_same_twice_is_found_out(monkeypatch):
    file = compress(TextModel(*CHAR), TEXT.encode())
    said = CHAR[0].next_log_probs

    def otherwise(state):
        probs = np.exp(said(state)) + 1e-5
        return np.log(probs / probs.sum())

    monkeypatch.setattr(CHAR[0], "next_log_probs", otherwise)
    with pytest.raises(LmzooError, match=r"is not what was compressed .*: the model does not give the same probabil"):
        decompress(TextModel(*CHAR), file)
    monkeypatch.setattr(codec, "arithmetic", lambda: b"else")
    with pytest.raises(LmzooError, match="another processor or with other versions of NumPy"):
        decompress(TextModel(*CHAR), file)


def test_without_constriction_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "constriction", None)
    with pytest.raises(UsageError, match="needs constriction, which is not installed: pip install constriction"):
        compress(TextModel(*CHAR), b"the")


def test_constriction_is_not_loaded_before_it_is_used():
    code = "import sys, lmzoo.compression.codec, lmzoo.cli.main; print('constriction' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
