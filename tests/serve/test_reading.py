"""What a model says of a text that is being typed: as the ruler has it, whichever way the text came about."""

import numpy as np
import pytest

from lmzoo.serve.reading import TOP, Reader

TEXT = "The old cat sat. The dog saw it."


def result(steps):
    try:
        while True:
            next(steps)
    except StopIteration as end:
        return end.value


@pytest.fixture(params=["trigram", "characters", "lstm", "gpt", "svd"])
def text_model(request, contestants):
    (run,) = [run for run, name in zip(contestants, names(contestants), strict=True) if name == request.param]
    return run.text_model


def names(contestants):
    return [run.folder.name for run in contestants]


def test_bits_ranks_and_what_was_likeliest_are_those_of_the_distributions(text_model):
    answer = result(Reader(text_model).read(f"{TEXT} ", likeliest=True))
    tokenizer, model = text_model.tokenizer, text_model.model
    ids = tokenizer.encode(TEXT)
    assert len(answer["pieces"]) == len(ids) + 1  # and the space, which more may follow
    rows = np.asarray(model.distributions(ids, model.start()), np.float64)
    for t, (piece, bits, rank, likeliest) in enumerate(answer["pieces"][: len(ids)]):
        assert piece == tokenizer.pieces(ids)[t]
        assert bits == pytest.approx(-rows[t, ids[t]] / np.log(2), abs=1e-4)
        assert rank == 1 + (rows[t] > rows[t, ids[t]]).sum()
        assert [p for _, p in likeliest] == pytest.approx(np.sort(np.exp(rows[t]))[::-1][:TOP])
    spellings = tokenizer.spellings_after(int(ids[3]))
    expected = spellings[int(np.argmax(rows[4]))].decode("utf-8", "replace")
    assert answer["pieces"][4][3][0][0] == expected


def test_key_by_key_is_what_reading_at_once_is(text_model):
    typing, at_once = Reader(text_model), Reader(text_model)
    for length in range(len(TEXT) + 1):
        typed = result(typing.read(TEXT[:length], likeliest=True))
    whole = result(at_once.read(TEXT, likeliest=True))
    assert typed["bits"] == pytest.approx(whole["bits"], abs=1e-3)
    assert [piece[:1] for piece in typed["pieces"]] == [piece[:1] for piece in whole["pieces"]]
    for ours, theirs in zip(typed["next"] + typed["words"], whole["next"] + whole["words"], strict=True):
        assert ours[1] == pytest.approx(theirs[1], abs=1e-5)


def test_the_bits_of_an_unfinished_word_are_those_of_all_tokens_that_begin_so(contestants):
    (run,) = [run for run in contestants if run.folder.name == "trigram"]
    tokenizer, model = run.text_model.tokenizer, run.text_model.model
    answer = result(Reader(run.text_model).read("The old c"))
    ids = tokenizer.encode("The old")
    chances = np.exp(model.next_log_probs(model.advance(model.start(), ids)))
    fitting = [n for n, text in enumerate(tokenizer.spellings_after(int(ids[-1]))) if text.startswith(b" c")]
    assert len(fitting) > 1
    assert answer["pieces"][-1][:2] == [" c", pytest.approx(-np.log2(chances[fitting].sum()), abs=1e-4)]
    likeliest = max(fitting, key=lambda n: chances[n])
    word, share, adds = answer["words"][0]
    assert share == pytest.approx(chances[likeliest] / chances[fitting].sum())
    assert " c" + adds == word == tokenizer.spellings_after(int(ids[-1]))[likeliest].decode()


@pytest.mark.parametrize("name", ["lstm", "gpt"])
def test_a_network_reads_each_token_once(contestants, name, monkeypatch):
    (run,) = [run for run in contestants if run.folder.name == name]
    reader, net, read = Reader(run.text_model), run.text_model.model.net_, []
    result(reader.read(""))
    forward = net.forward
    monkeypatch.setattr(net, "forward", lambda ids, carried: read.append(ids.numel()) or forward(ids, carried))
    ids = run.text_model.tokenizer.encode(TEXT)[: run.text_model.model.reach or None]
    for _ in reader.after(ids[:-1]):
        pass
    assert sum(read) == len(ids) - 1


@pytest.mark.parametrize("text", ["The old ", "The old ca", "The old cat\U0001f600"])
def test_characters_are_left_out_only_where_there_are_words(text_model, text):
    whole = result(Reader(text_model).read(text))
    answer = result(Reader(text_model).read(text, characters=False))
    assert answer == whole | ({"next": []} if whole["words"] else {})
    assert answer["next"] or answer["words"]


@pytest.mark.parametrize("name", ["lstm", "gpt", "trigram"])
def test_what_is_remembered_is_bounded_in_bytes(contestants, name):
    def typed(reader):
        for length in range(len(TEXT) + 1):
            answer = result(reader.read(TEXT[:length]))
            held = sum(map(size, reader.known.values()))
            assert held <= reader.bytes <= reader.remembered
        return answer, len(reader.known)

    (run,) = [run for run in contestants if run.folder.name == name]
    reader = Reader(run.text_model)
    expected, many = typed(reader)
    room = 3 * max(prefix.bytes + 100 for prefix in reader.known.values())
    answer, few = typed(Reader(run.text_model, room))
    assert 1 < few < many
    assert answer["bits"] == pytest.approx(expected["bits"], abs=1e-3)


def size(prefix):
    """The bytes of the arrays in it."""
    left, found = [prefix.state, prefix.log_probs], 0
    while left:
        value = left.pop()
        left += value if isinstance(value, tuple) else []
        found += getattr(value, "nbytes", 0)
    return found
