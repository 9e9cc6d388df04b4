import os

import pytest
from hypothesis import settings

# Each worker of pytest-xdist has a core of its own: threads of several that wait for each other take ten times as long.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# No test is timed, and CI tries the same examples each time: what it finds can be found again.
settings.register_profile("lmzoo", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("lmzoo")


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory):
    """Nothing of the machine's cache is read or written; what tests make is shared between them."""
    before = os.environ.get("LMZOO_CACHE")
    os.environ["LMZOO_CACHE"] = str(tmp_path_factory.getbasetemp().parent / "lmzoo-cache")
    yield
    if before is None:
        del os.environ["LMZOO_CACHE"]
    else:
        os.environ["LMZOO_CACHE"] = before


def pytest_collection_modifyitems(items):
    if not os.environ.get("LMZOO_MIRROR"):
        skip = pytest.mark.skip(reason="LMZOO_MIRROR is not set: the public data sets are not here")
        for item in items:
            if "data" in item.keywords:
                item.add_marker(skip)
