"""Files and folders are whole or absent, no two writers share a place, and a killed one leaves nothing for long."""

import errno
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from lmzoo import drafts
from lmzoo.errors import UsageError


def interrupted(draft):
    draft.write_bytes(b"half")
    raise KeyboardInterrupt


def names(folder):
    return sorted(os.listdir(folder))


# ── Whole or absent ───────────────────────────────────────────────────────────────────────────────


def test_a_file_replaces_the_old_one_and_leaves_no_draft(tmp_path):
    drafts.write_atomically(tmp_path / "folder/file", b"old")
    drafts.write_atomically(tmp_path / "folder/file", b"new")
    assert (tmp_path / "folder/file").read_bytes() == b"new"
    assert names(tmp_path / "folder") == ["file"]


def test_others_may_read_it(tmp_path):
    drafts.write_atomically(tmp_path / "file", b"shared")
    (tmp_path / "plain").write_bytes(b"")
    assert (tmp_path / "file").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_file_that_fails_leaves_the_old_one(tmp_path):
    drafts.write_atomically(tmp_path / "file", b"old")
    with pytest.raises(KeyboardInterrupt), drafts.draft_of(tmp_path / "file") as draft:
        interrupted(draft)
    assert (tmp_path / "file").read_bytes() == b"old"
    assert names(tmp_path) == ["file"]


def test_files_written_together_are_all_written_before_any_is_replaced(tmp_path):
    (tmp_path / "a").write_text("old")
    with pytest.raises(FileNotFoundError):
        drafts.write_together(tmp_path, {"a": b"new", "no/b": b""})
    assert (tmp_path / "a").read_text() == "old"
    drafts.write_together(tmp_path, {"a": b"new", "b": b""})
    assert names(tmp_path) == ["a", "b"]
    assert (tmp_path / "a").read_text() == "new"


@pytest.mark.parametrize("can_exchange", [True, False])
def test_a_folder_replaces_the_old_one(tmp_path, monkeypatch, can_exchange):
    if not can_exchange:
        monkeypatch.setattr(drafts, "_exchange", lambda *_: False)
    for text in ("old", "new"):
        with drafts.draft_folder_of(tmp_path / "a/folder") as draft:
            (draft / text).write_text(text)
    assert names(tmp_path / "a/folder") == ["new"]
    assert names(tmp_path / "a") == ["folder"]


def test_a_folder_that_fails_leaves_the_old_one(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/old").write_text("old")
    with pytest.raises(KeyboardInterrupt), drafts.draft_folder_of(tmp_path / "folder") as draft:
        interrupted(draft / "new")
    assert names(tmp_path / "folder") == ["old"]
    assert names(tmp_path) == ["folder"]


def test_links_to_files_and_folders_stay_links(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    for name in ("file", "folder"):
        (tmp_path / name).symlink_to(f"elsewhere/{name}")
    for _ in range(2):  # what they link to is made, then replaced
        drafts.write_atomically(tmp_path / "file", b"text")
        with drafts.draft_folder_of(tmp_path / "folder") as draft:
            (draft / "file").write_text("text")
    assert (tmp_path / "file").is_symlink()
    assert (tmp_path / "folder").is_symlink()
    assert names(tmp_path / "elsewhere") == ["file", "folder"]


def test_a_device_or_pipe_is_not_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    for name in ("pipe", "link"):
        with pytest.raises(OSError, match="it is a device or a pipe, which is not replaced"):
            drafts.write_atomically(tmp_path / name, b"text")
    assert (tmp_path / "pipe").is_fifo()
    assert names(tmp_path) == ["link", "pipe"]


def test_a_link_to_itself_is_replaced_like_a_file(tmp_path):
    (tmp_path / "loop").symlink_to("loop")
    with drafts.reserved(tmp_path / "loop"):
        drafts.write_atomically(tmp_path / "loop", b"text")
    assert (tmp_path / "loop").read_bytes() == b"text"
    assert names(tmp_path) == ["loop"]


def test_a_folder_that_is_removed_meanwhile_is_made_again(tmp_path):
    with drafts.reserved(tmp_path / "a/run"):
        for path in (tmp_path / "a").iterdir():
            path.unlink()
        (tmp_path / "a").rmdir()
        with drafts.draft_folder_of(tmp_path / "a/run", overwrite=False) as draft:
            (draft / "file").write_text("text")
    assert names(tmp_path / "a") == ["run"]


# ── No two writers share a place ──────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("links", [True, False])
def test_what_came_there_meanwhile_is_not_replaced(tmp_path, monkeypatch, links):
    """As by a program that knows nothing of our locks: the result is kept beside it."""
    if not links:
        monkeypatch.setattr(os, "link", lambda *_: (_ for _ in ()).throw(OSError(errno.EPERM, "no links here")))

    def write_while_another_does(text):
        with drafts.draft_of(tmp_path / "model.arpa", overwrite=False) as draft:
            draft.write_text(text)
            (tmp_path / "model.arpa").write_text("another's")

    def fill_while_another_does():
        with drafts.draft_folder_of(tmp_path / "run", overwrite=False) as draft:
            (draft / "mine").touch()
            (tmp_path / "run").mkdir()
            (tmp_path / "run/theirs").touch()

    (tmp_path / "model-2.arpa").touch()
    for text in "34":
        with pytest.raises(drafts.TakenError, match=f"this result is in .*model-{text}.arpa"):
            write_while_another_does(text)
    with pytest.raises(drafts.TakenError, match=r"run exists and is not replaced: this result is in .*run-2"):
        fill_while_another_does()
    assert names(tmp_path) == ["model-2.arpa", "model-3.arpa", "model-4.arpa", "model.arpa", "run", "run-2"]
    assert [(tmp_path / f"model{n}.arpa").read_text() for n in ("", "-2", "-3", "-4")] == ["another's", "", "3", "4"]
    assert [names(tmp_path / name) for name in ("run", "run-2")] == [["theirs"], ["mine"]]


def test_of_many_that_write_one_place_at_once_one_gets_it_and_nothing_is_lost(tmp_path):
    def write(number):
        try:
            drafts.write_atomically(tmp_path / "file.txt", b"%d" % number, overwrite=False)
        except drafts.TakenError as error:
            taken.append(error)

    taken = []
    threads = [threading.Thread(target=write, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) == 11
    assert sorted(int(path.read_text()) for path in tmp_path.iterdir()) == list(range(12))
    assert (tmp_path / "file-12.txt").exists()


def test_a_place_is_reserved_for_one(tmp_path):
    (tmp_path / "link").symlink_to("new/run")
    with drafts.reserved(tmp_path / "new/run"):
        for place in ("new/run", "link"):
            with (
                pytest.raises(UsageError, match=rf"another lmzoo is at work on .*{place}"),
                drafts.reserved(tmp_path / place),
            ):
                pass
        with drafts.reserved(tmp_path / "new/other"):
            pass
    with drafts.reserved(tmp_path / "new/run"):
        pass
    assert names(tmp_path) == ["link"]


def test_a_place_where_nothing_can_be_written_is_not_reserved(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(NotADirectoryError), drafts.reserved(tmp_path / "file/run"):
        pass
    assert names(tmp_path) == ["file"]


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="there is no /proc here")
def test_a_folder_of_the_system_in_which_no_file_can_be_made_is_no_endless_loop():
    with pytest.raises(FileNotFoundError, match="no file can be made here"), drafts.locked(Path("/proc/self/fd/lock")):
        pass


def test_one_process_at_a_time_holds_a_lock_and_the_last_removes_it(tmp_path):
    program = "import sys; from pathlib import Path; from lmzoo.drafts import locked\n"
    program += "print('begun', flush=True)\nwith locked(Path(sys.argv[1])): print('held', flush=True)"
    with drafts.locked(tmp_path / ".lock"):
        other = subprocess.Popen([sys.executable, "-c", program, str(tmp_path / ".lock")], stdout=-1, text=True)
        assert other.stdout.readline() == "begun\n"
        time.sleep(0.3)  # in which it would be done
        assert other.poll() is None
    assert other.communicate()[0] == "held\n"
    assert names(tmp_path) == []


def test_a_lock_keeps_threads_apart_though_its_file_comes_and_goes(tmp_path):
    inside, most = [], []

    def work():
        for _ in range(20):
            with drafts.locked(tmp_path / "lock"):
                inside.append(1)
                most.append(len(inside))
                time.sleep(0.0005)
                inside.pop()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(most), max(most)) == (80, 1)
    assert names(tmp_path) == []


# ── What a killed process left ────────────────────────────────────────────────────────────────────

HOLDING = """
import sys, time
from pathlib import Path
from lmzoo import drafts
here = Path(sys.argv[1])
with drafts.reserved(here / "run"), drafts.draft_of(here / "file"), drafts.draft_folder_of(here / "run") as draft:
    (draft / "half").write_text("half")
    print("holding", flush=True)
    time.sleep(60)
"""


def test_the_next_writer_removes_what_a_killed_one_left_and_nothing_of_a_living_one(tmp_path):
    with subprocess.Popen([sys.executable, "-c", HOLDING, str(tmp_path)], stdout=-1, text=True) as other:
        assert other.stdout.readline() == "holding\n"
        held = names(tmp_path)
        assert len(held) == 3
        drafts.write_atomically(tmp_path / "mine", b"")
        assert names(tmp_path) == [*held, "mine"]
        other.send_signal(signal.SIGKILL)
    (tmp_path / ".lmzoo-notes").touch()  # a name of the user's own
    drafts.write_atomically(tmp_path / "mine", b"")
    assert names(tmp_path) == [".lmzoo-notes", "mine"]


def test_where_there_are_no_locks_a_draft_is_left_alone_for_a_day(tmp_path, monkeypatch):
    def no_locks(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(drafts.fcntl, "flock", no_locks)
    recent, stale = (f"{drafts.DRAFT}{digit * 12}" for digit in "01")
    for name in (recent, stale):
        (tmp_path / name).mkdir()
        (tmp_path / name / "half").write_text("a run")
    yesterday = time.time() - drafts.STALE - 60
    os.utime(tmp_path / stale, (yesterday, yesterday))
    with drafts.reserved(tmp_path / "folder"), drafts.draft_folder_of(tmp_path / "folder"):
        pass
    assert names(tmp_path) == [recent, "folder"]


@pytest.mark.parametrize("arrived", [True, False])
def test_killed_between_two_renames_the_old_folder_is_put_back(tmp_path, monkeypatch, arrived):
    """Where two folders cannot be exchanged in one step."""
    (tmp_path / "run").mkdir()
    (tmp_path / "run/old").touch()

    def killed(*_):
        raise SystemExit

    def replace():
        with drafts.draft_folder_of(tmp_path / "run") as draft:
            (draft / "new").touch()

    with monkeypatch.context() as patch:
        patch.setattr(drafts, "_exchange", lambda *_: False)
        patch.setattr(drafts, "_put_back", killed)
        patch.setattr(drafts, "_remove", lambda _: None)
        if not arrived:
            patch.setattr(Path, "rename", lambda a, b: os.rename(a, b) if "was" in b.name else killed())
        with pytest.raises(SystemExit):
            replace()
    assert len(names(tmp_path)) == 2
    drafts.remove_abandoned(tmp_path)
    assert names(tmp_path) == ["run"]
    assert names(tmp_path / "run") == ["new" if arrived else "old"]


def test_who_must_end_at_once_removes_what_it_holds(tmp_path):
    with drafts.reserved(tmp_path / "a/b/run"), drafts.draft_folder_of(tmp_path / "run") as draft:
        (draft / "half").touch()
        drafts.remove_held()
        assert names(tmp_path) == []
        draft.mkdir()
