"""Files and folders are whole or absent, and locks keep processes apart."""

import os
import subprocess
import sys
import time

import pytest

from lmzoo import files


def interrupted(draft):
    draft.write_bytes(b"half")
    raise KeyboardInterrupt


def test_a_file_replaces_the_old_one_and_leaves_no_draft(tmp_path):
    files.write_atomically(tmp_path / "folder/file", b"old")
    files.write_atomically(tmp_path / "folder/file", b"new")
    assert (tmp_path / "folder/file").read_bytes() == b"new"
    assert os.listdir(tmp_path / "folder") == ["file"]


def test_others_may_read_it(tmp_path):
    files.write_atomically(tmp_path / "file", b"shared")
    (tmp_path / "plain").write_bytes(b"")
    assert (tmp_path / "file").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_file_that_fails_leaves_the_old_one(tmp_path):
    files.write_atomically(tmp_path / "file", b"old")
    with pytest.raises(KeyboardInterrupt), files.draft_of(tmp_path / "file") as draft:
        interrupted(draft)
    assert (tmp_path / "file").read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


def test_files_written_together_are_all_written_before_any_is_replaced(tmp_path):
    (tmp_path / "a").write_text("old")
    with pytest.raises(FileNotFoundError):
        files.write_together(tmp_path, {"a": b"new", "no/b": b""})
    assert (tmp_path / "a").read_text() == "old"
    files.write_together(tmp_path, {"a": b"new", "b": b""})
    assert sorted(os.listdir(tmp_path)) == ["a", "b"]
    assert (tmp_path / "a").read_text() == "new"


def test_a_folder_replaces_the_old_one(tmp_path):
    for text in ("old", "new"):
        with files.draft_folder_of(tmp_path / "a/folder") as draft:
            (draft / text).write_text(text)
    assert os.listdir(tmp_path / "a/folder") == ["new"]
    assert os.listdir(tmp_path / "a") == ["folder"]


def test_a_folder_that_fails_leaves_the_old_one(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/old").write_text("old")
    with pytest.raises(KeyboardInterrupt), files.draft_folder_of(tmp_path / "folder") as draft:
        interrupted(draft / "new")
    assert os.listdir(tmp_path / "folder") == ["old"]
    assert os.listdir(tmp_path) == ["folder"]


def test_a_link_to_a_folder_stays_a_link(tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "here").symlink_to("there")
    with files.draft_folder_of(tmp_path / "here") as draft:
        (draft / "file").write_text("text")
    assert (tmp_path / "here").is_symlink()
    assert (tmp_path / "there/file").read_text() == "text"


def test_what_a_killed_process_left_is_removed_by_the_next_after_a_day(tmp_path):
    for name in ("recent", "stale"):
        (tmp_path / f"{files.DRAFT}{name}").mkdir()
        (tmp_path / f"{files.DRAFT}{name}/half").write_text("a run")
    yesterday = time.time() - files.STALE - 60
    os.utime(tmp_path / f"{files.DRAFT}stale", (yesterday, yesterday))
    with files.draft_folder_of(tmp_path / "folder"):
        pass
    assert sorted(os.listdir(tmp_path)) == [f"{files.DRAFT}recent", "folder"]


def test_one_process_at_a_time_holds_a_lock(tmp_path):
    program = "import sys; from pathlib import Path; from lmzoo.files import locked\n"
    program += "with locked(Path(sys.argv[1])): print('held', flush=True)"
    with files.locked(tmp_path / "folder/.lock"):
        other = subprocess.Popen([sys.executable, "-c", program, str(tmp_path / "folder/.lock")], stdout=-1, text=True)
        time.sleep(1)
        assert other.poll() is None
    assert other.communicate()[0] == "held\n"


def test_try_to_write_leaves_nothing(tmp_path):
    files.try_to_write(tmp_path / "new/folder")
    assert os.listdir(tmp_path) == []
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="Not a directory"):
        files.try_to_write(tmp_path / "file")
