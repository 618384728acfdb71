"""Temporary files of a process end with it, however it ends."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from wakeline_process.scratch import NO_LONGER_USED, own_folder

PROCESS = """
import sys, time
from pathlib import Path
from wakeline_process.scratch import own_folder
with own_folder("wakeline-ours-", Path(sys.argv[1])) as folder:
    (folder / "part").mkdir()
    (folder / "part" / "file").write_bytes(bytes(1000))
    print(folder, flush=True)
    time.sleep(60)
"""


def test_what_a_killed_process_has_left_is_deleted_by_the_next_one_and_nothing_else(
    tmp_path: Path,
) -> None:
    processes = [
        subprocess.Popen([sys.executable, "-c", PROCESS, tmp_path], stdout=subprocess.PIPE)
        for _ in range(2)
    ]
    try:
        dead, alive = (Path(os.fsdecode(_line_of(one))) for one in processes)
        (tmp_path / "wakeline-theirs-1").mkdir()
        processes[0].send_signal(signal.SIGKILL)
        processes[0].wait()
        assert (dead / "part" / "file").exists(), "it could not clear up"
        with own_folder("wakeline-ours-", tmp_path) as own:
            found = set(tmp_path.iterdir())
            assert found == {own, alive, tmp_path / "wakeline-theirs-1"}
            assert (alive / "part" / "file").exists()
        assert not own.exists()
    finally:
        for one in processes:
            one.kill()
            one.wait()


def _line_of(process: "subprocess.Popen[bytes]") -> bytes:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_what_the_release_before_has_left_goes_once_nobody_can_be_using_it(tmp_path: Path) -> None:
    old, young = tmp_path / "wakeline-once-a1", tmp_path / "wakeline-once-b2"
    for folder in (old, young):
        folder.mkdir()
        (folder / "file").write_bytes(b"an archive")
    (tmp_path / "wakeline-ours-link").symlink_to(young)
    long_ago = time.time() - NO_LONGER_USED - 60
    os.utime(old, (long_ago, long_ago))
    with own_folder("wakeline-ours-", tmp_path, ["wakeline-once-"]):
        assert not old.exists()
        assert (young / "file").exists()


def test_a_folder_that_is_not_there_is_made(tmp_path: Path) -> None:
    with own_folder("wakeline-ours-", tmp_path / "some" / "where") as own:
        assert own.parent == tmp_path / "some" / "where"
