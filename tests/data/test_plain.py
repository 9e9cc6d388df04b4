"""Values as JSON and back: the same value, of the same types, and a refusal that names what JSON cannot hold."""

from collections import Counter, defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmzoo.data import plain
from lmzoo.errors import FormatError, UsageError

keys = st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda k: st.tuples(k, k), max_leaves=3)
values = st.recursive(
    keys | st.floats(allow_nan=False, allow_infinity=False),
    lambda v: st.lists(v, max_size=3) | st.tuples(v) | st.dictionaries(keys, v, max_size=3) | st.sets(keys, max_size=3),
    max_leaves=4,
)


def there_and_back(value):
    return plain.from_arrays(plain.to_arrays({"counts": value}))["counts"]


@given(st.dictionaries(keys, values, max_size=2))
def test_a_value_comes_back_as_it_was(value):
    assert there_and_back(value) == value


def test_counters_count_and_defaults_are_made():
    counts = defaultdict(Counter, {("the", "cat"): Counter({7: 2})})
    back = there_and_back(counts)
    assert back == counts
    assert back["the", "cat"][8] == 0
    assert back["never", "seen"] == Counter()
    nested = there_and_back(defaultdict(lambda: defaultdict(int)))
    nested["a"]["b"] += 1
    assert nested["a"] == {"b": 1}


def test_arrays_in_a_dictionary_keep_their_type():
    back = there_and_back({3: np.array([[1, 2]], dtype=np.int16)})[3]
    assert back.dtype == np.int16
    np.testing.assert_array_equal(back, [[1, 2]])


def test_an_array_stays_an_array():
    assert list(plain.to_arrays({"table": np.zeros(3), "n": 4})) == ["table", "n"]


@pytest.mark.parametrize(
    ("value", "why"),
    [({"f": print}, "holds a builtin_function_or_method"), ({1: float("nan")}, "not JSON compliant"),
     (np.array(["a"], dtype=object), "holds a object")],
)  # fmt: skip
def test_what_json_cannot_hold_is_named(value, why):
    with pytest.raises(UsageError, match=f"in counts_ cannot be saved: .*{why}"):
        plain.to_arrays({"counts": value})


@pytest.mark.parametrize(
    "text", [b"{", b'{"dict": 3}', b'{"object": []}', b"[" * 100_000, b'{"attached": ["O", [1], [1]]}']
)
def test_other_json_is_refused_by_name(text):
    with pytest.raises(FormatError, match=r"counts.json is not what lmzoo writes there"):
        plain.from_arrays({"counts.json": np.frombuffer(text, dtype=np.uint8)})
