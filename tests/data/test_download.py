"""How the bytes of a corpus arrive: whole, or with one clear line and nothing broken left behind."""

import gzip
import hashlib
import io
import lzma
import os
import re
import socket
import threading
import zipfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from lmzoo.data import download
from lmzoo.data.download import File, obtain
from lmzoo.drafts import write_atomically
from lmzoo.errors import DownloadError, UsageError
from lmzoo.interface import Progress

TEXT = b"".join(b"%06d and one more line\n" % i for i in range(20_000))  # 500 kB: many chunks
SHA = hashlib.sha256(TEXT).hexdigest()


class Handler(BaseHTTPRequestHandler):
    """Serves `server.files`; can drop the line half-way, and can be too simple to know ranges."""

    def do_GET(self):
        body, asked = self.server.files.get(self.path), self.headers.get("Range")
        self.server.asked.append((self.path, asked))
        start = int(re.fullmatch(r"bytes=(\d+)-", asked)[1]) if asked and self.server.knows_ranges else 0
        if isinstance(body, int) or body is None:
            return self.send_error(body or 404)
        self.send_response(206 if start < len(body) else 416) if start else self.send_response(200)
        if start:
            span = f"{start}-{len(body) - 1}" if start < len(body) else "*"
            self.send_header("Content-Range", f"bytes {span}/{len(body)}")
        self.send_header("Content-Length", str(len(body) - start))
        self.end_headers()
        self.wfile.write(body[start : self.server.drops_at])
        return None

    def log_message(self, *args):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = False  # so that closing waits for them, and no socket is left open
        server.files, server.asked, server.knows_ranges, server.drops_at = {}, [], True, None
        server.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def file(server):
    server.files["/text.txt"] = TEXT
    return File("some/text.txt", len(TEXT), SHA, url=f"{server.url}/text.txt")


def left_in(cache):
    return {path.name for path in cache.rglob("*") if path.is_file()}


@contextmanager
def one_clear_line(*parts, error=DownloadError):
    with pytest.raises(error) as caught:
        yield
    message = str(caught.value)
    assert "\n" not in message
    for part in parts:
        assert part in message


def zipped(members):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, contents in members.items():
            archive.writestr(name, contents)
    return packed.getvalue()


# From the origin


def test_a_download_enters_the_cache_and_is_not_asked_for_again(file, server, tmp_path):
    first, second = obtain(file, tmp_path), obtain(file, tmp_path)
    assert first.contents == second.contents == TEXT
    assert first.source == f"download {server.url}/text.txt"
    assert second.source == f"cache {tmp_path / 'some/text.txt'}"
    assert first.sha256 == SHA
    assert len(server.asked) == 1
    assert left_in(tmp_path) == {"text.txt"}


def test_a_server_that_sends_without_end_fills_no_disk(file, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "LARGEST", 100_000)
    small = replace(file, size=1000)
    with one_clear_line("/text.txt sends more than 100,000 bytes"):
        obtain(small, tmp_path)
    assert left_in(tmp_path) == set()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="has no named pipes")
def test_a_pipe_or_a_larger_file_in_the_cache_is_not_read(file, tmp_path):
    cached = tmp_path / file.path
    cached.parent.mkdir()
    cached.write_bytes(TEXT * 2)
    assert obtain(file, tmp_path).contents == TEXT
    cached.unlink()
    os.mkfifo(cached)
    with one_clear_line("text.txt is a pipe, not a file", error=UsageError):
        obtain(file, tmp_path)


def test_progress_counts_every_byte(file, tmp_path):
    seen = []

    class Bar(Progress):
        @contextmanager
        def task(self, name, total=None):
            seen.append((name, total))
            yield self

        def advance(self, amount=1, note=""):
            seen.append(amount)

    obtain(file, tmp_path, progress=Bar())
    assert seen[0] == ("fetching text.txt", len(TEXT))
    assert sum(seen[1:]) == len(TEXT)


def test_a_wrong_hash_names_both_and_leaves_nothing(file, server, tmp_path):
    server.files["/text.txt"] = TEXT[:-1] + b"X"
    found = hashlib.sha256(server.files["/text.txt"]).hexdigest()
    with one_clear_line(f"has sha256 {found} where {SHA} was expected", "try again"):
        obtain(file, tmp_path)
    assert left_in(tmp_path) == set()


def test_a_file_cut_short_at_the_server_names_both_sizes_and_leaves_nothing(file, server, tmp_path):
    server.files["/text.txt"] = TEXT[:1000]
    with one_clear_line("has 1,000 bytes where 500,000 were expected"):
        obtain(file, tmp_path)
    assert left_in(tmp_path) == set()


def test_a_server_gone_half_way_leaves_a_part_from_which_the_next_call_continues(file, server, tmp_path):
    server.drops_at = 200_000
    with one_clear_line("was lost after", "of 500,000 bytes", "the same command again continues"):
        obtain(file, tmp_path)
    assert left_in(tmp_path) == {"text.txt.part"}
    arrived = (tmp_path / "some/text.txt.part").stat().st_size
    assert 100_000 < arrived <= 200_000
    server.drops_at = None
    assert obtain(file, tmp_path).contents == TEXT
    assert server.asked[-1] == ("/text.txt", f"bytes={arrived}-")
    assert left_in(tmp_path) == {"text.txt"}


def test_a_server_that_cannot_continue_is_asked_for_the_whole(file, server, tmp_path):
    write_atomically(tmp_path / "some/text.txt.part", TEXT[:1000])
    server.knows_ranges = False
    assert obtain(file, tmp_path).contents == TEXT
    assert server.asked == [("/text.txt", "bytes=1000-"), ("/text.txt", None)]


def test_a_part_that_is_complete_already_is_taken_as_it_is(file, server, tmp_path):
    write_atomically(tmp_path / "some/text.txt.part", TEXT)
    server.files["/text.txt"] = TEXT
    assert obtain(file, tmp_path).contents == TEXT
    assert left_in(tmp_path) == {"text.txt"}


def test_a_part_longer_than_the_file_is_thrown_away(file, server, tmp_path):
    write_atomically(tmp_path / "some/text.txt.part", TEXT + b"more")
    assert obtain(file, tmp_path).contents == TEXT


def test_a_part_of_something_else_costs_one_clear_line_and_then_is_gone(file, tmp_path):
    write_atomically(tmp_path / "some/text.txt.part", b"?" * 1000)
    with one_clear_line("has sha256"):
        obtain(file, tmp_path)
    assert obtain(file, tmp_path).contents == TEXT


@pytest.mark.parametrize(("status", "says"), [(404, "answers 404 Not Found"), (503, "answers 503")])
def test_a_server_that_refuses(file, server, tmp_path, status, says):
    server.files["/text.txt"] = status
    with one_clear_line(says, file.url):
        obtain(file, tmp_path)
    assert left_in(tmp_path) == set()


def test_without_a_network_the_way_out_is_named(file, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))  # bound but not listening: connections are refused
        port = free.getsockname()[1]
        with one_clear_line(f"cannot reach 127.0.0.1:{port}", "LMZOO_MIRROR"):
            obtain(replace(file, url=f"http://127.0.0.1:{port}/text.txt"), tmp_path)
    assert left_in(tmp_path) == set()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full, where no byte ever fits")
def test_a_full_disk_while_downloading(file, tmp_path):
    (tmp_path / "some").mkdir()
    (tmp_path / "some/text.txt.part").symlink_to("/dev/full")
    with one_clear_line("cannot write some/text.txt", "No space left on device", "LMZOO_CACHE"):
        obtain(file, tmp_path)
    assert list((tmp_path / "some").iterdir()) == []


def test_a_disk_full_at_the_last_step(file, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with one_clear_line("cannot write some/text.txt", "No space left on device"):
        obtain(file, tmp_path)
    assert left_in(tmp_path) == set()


def test_a_cache_that_cannot_be_written_is_found_out_before_anything_is_fetched(file, server, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    with one_clear_line(f"into the cache {tmp_path / 'file/cache'}", "LMZOO_CACHE"):
        obtain(file, tmp_path / "file/cache")
    assert server.asked == []


def test_commands_started_together_fetch_once(file, server, tmp_path):
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: obtain(file, tmp_path), range(4)))
    assert [r.contents for r in results] == [TEXT] * 4
    assert len(server.asked) == 1


# The cache


def test_a_damaged_cache_is_mended(file, server, tmp_path):
    obtain(file, tmp_path)
    (tmp_path / "some/text.txt").write_bytes(TEXT[:-1] + b"X")
    assert obtain(file, tmp_path).contents == TEXT
    assert (tmp_path / "some/text.txt").read_bytes() == TEXT


def test_an_unknown_hash_is_recorded_when_first_found_and_held_to_afterwards(file, server, tmp_path):
    file = replace(file, sha256="")
    assert obtain(file, tmp_path).sha256 == SHA
    assert (tmp_path / "some/text.txt.sha256").read_text() == f"{SHA}  text.txt\n"
    (tmp_path / "some/text.txt").write_bytes(TEXT[:-1] + b"X")  # the size alone would not tell
    assert obtain(file, tmp_path).contents == TEXT
    assert len(server.asked) == 2


def test_a_file_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    write_atomically(tmp_path / "file", b"old")
    monkeypatch.setattr(os, "replace", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_atomically(tmp_path / "file", b"new")
    assert (tmp_path / "file").read_bytes() == b"old"
    assert left_in(tmp_path) == {"file"}


# Mirrors

PACKED = {"": TEXT, ".xz": lzma.compress(TEXT, preset=0), ".gz": gzip.compress(TEXT, mtime=0)}


@pytest.mark.parametrize("packing", PACKED)
def test_a_folder_is_a_mirror(file, server, tmp_path, packing):
    packed = tmp_path / f"mirror/some/text.txt{packing}"
    write_atomically(packed, PACKED[packing])
    found = obtain(file, tmp_path / "cache", str(tmp_path / "mirror"))
    assert (found.contents, found.source, found.cached) == (TEXT, f"mirror {packed}", True)
    assert (tmp_path / "cache/some/text.txt").read_bytes() == TEXT
    assert server.asked == []


@pytest.mark.parametrize("packing", PACKED)
def test_a_url_is_a_mirror(file, server, tmp_path, packing):
    server.files[f"/classroom/some/text.txt{packing}"] = PACKED[packing]
    found = obtain(file, tmp_path, f"{server.url}/classroom/")
    assert (found.contents, found.source) == (
        TEXT,
        f"download {server.url}/classroom/some/text.txt{packing}",
    )
    assert left_in(tmp_path) == {"text.txt"}


@pytest.mark.parametrize("of_the_server", [False, True])
def test_what_a_mirror_lacks_is_downloaded(file, server, tmp_path, of_the_server):
    mirror = f"{server.url}/empty" if of_the_server else str(tmp_path)
    assert obtain(file, tmp_path / "cache", mirror).source == f"download {file.url}"


def test_a_file_that_only_mirrors_have(file, tmp_path):
    file = replace(file, url="")
    with one_clear_line("no public address has some/text.txt", "set LMZOO_MIRROR"):
        obtain(file, tmp_path)
    with one_clear_line(f"the mirror {tmp_path} lacks it"):
        obtain(file, tmp_path, str(tmp_path))


def test_a_mirror_folder_serves_even_if_no_cache_can_be_written(file, tmp_path):
    write_atomically(tmp_path / "mirror/some/text.txt.xz", PACKED[".xz"])
    found = obtain(file, tmp_path / "mirror/some/text.txt.xz/cache", str(tmp_path / "mirror"))
    assert (found.contents, found.cached) == (TEXT, False)


@pytest.mark.parametrize(
    ("packed", "says"),
    [
        (PACKED[".xz"][:1000], "cannot be read"),
        (PACKED[".xz"][:-100] + b"?" * 100, "cannot be read"),
        (lzma.compress(TEXT[:-9]), "has 499,991 bytes where 500,000 were expected"),
        (lzma.compress(TEXT + b"\0" * 10_000_000), "has more than the 500,000 bytes"),
        (lzma.compress(TEXT[:-1] + b"X"), "has sha256"),
    ],
    ids=["cut short", "damaged", "too short", "bomb", "another text"],
)
def test_a_bad_file_in_a_mirror_is_named_and_kept_out_of_the_cache(file, tmp_path, packed, says):
    write_atomically(tmp_path / "mirror/some/text.txt.xz", packed)
    with one_clear_line(says, str(tmp_path / "mirror/some/text.txt.xz")):
        obtain(file, tmp_path / "cache", str(tmp_path / "mirror"))
    assert left_in(tmp_path / "cache") == set()


@pytest.mark.parametrize("mirror", ["/no/such/folder", "ftp://example.org", "http://[bad"])
def test_a_mirror_that_is_none(file, tmp_path, mirror):
    with one_clear_line(mirror, "LMZOO_MIRROR", error=UsageError):
        obtain(file, tmp_path, mirror)


# Zips


def test_a_member_of_a_zip(file, server, tmp_path):
    server.files["/all.zip"] = zipped({"readme": b"hello", "text": TEXT})
    file = replace(file, url=f"{server.url}/all.zip", member="text")
    assert obtain(file, tmp_path).contents == TEXT
    assert left_in(tmp_path) == {"text.txt"}


def test_names_in_a_zip_cannot_write_elsewhere(file, server, tmp_path):
    server.files["/all.zip"] = zipped({"../../evil": b"evil", "/tmp/evil": b"evil", "text": TEXT})
    file = replace(file, url=f"{server.url}/all.zip", member="text")
    obtain(file, tmp_path / "deep/cache")
    assert left_in(tmp_path) == {"text.txt"}


def test_members_are_joined_by_name_and_tags_are_dropped(file, server, tmp_path):
    # As NLTK packs the Brown corpus; `1/2/cd` is the word `1/2` with the tag `cd`.
    words = b"The jury said .\nIt took 1/2 an hour .\n"
    server.files["/brown.zip"] = zipped(
        {
            "brown/ca02": b"\n\tIt/pps took/vbd 1/2/cd an/at hour/nn ./.\n",
            "brown/ca01": b"\n\n\tThe/at jury/nn said/vbd ./.\n\n\n",
            "brown/README": b"not a document",
        }
    )
    file = File(
        "brown/brown.txt",
        len(words),
        url=f"{server.url}/brown.zip",
        member="brown/c[a-r][0-9][0-9]",
        tagged=True,
    )
    assert obtain(file, tmp_path).contents == words
    tagged = b"The/at jury/nn said/vbd ./.\nIt/pps took/vbd 1/2/cd an/at hour/nn ./.\n"
    kept = replace(file, path="brown/tagged.txt", size=len(tagged), tagged=False, sentences=True)
    assert obtain(kept, tmp_path).contents == tagged


@pytest.mark.parametrize(
    ("packed", "says"),
    [
        (b"<html>please log in</html>", "is damaged"),
        (zipped({"other": TEXT}), "no member 'text'"),
        (zipped({"text": TEXT * 50}), "25,000,000 bytes"),
        (zipped({"text": TEXT}).replace(b"PK\1\2", b"PK\1\3"), "is damaged"),
    ],
    ids=["no zip", "no member", "bomb", "damaged"],
)
def test_a_bad_zip_is_one_clear_line_and_is_deleted(file, server, tmp_path, packed, says):
    server.files["/all.zip"] = packed
    with one_clear_line(says, "try again"):
        obtain(replace(file, url=f"{server.url}/all.zip", member="text"), tmp_path)
    assert left_in(tmp_path) == set()
