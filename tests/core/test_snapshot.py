import errno
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from equipoise.core import snapshot
from equipoise.core.errors import InputError, SnapshotError
from equipoise.core.snapshot import (
    Earlier,
    read_snapshot,
    replacing,
    seal_snapshot,
    verify_snapshot,
    write_snapshot,
)

PARTS = {"tree.txt": b"a tree", "arrays/x.npy": b"\x00\x01"}


def test_what_goes_in_comes_out_under_one_id(tmp_path):
    first = write_snapshot(tmp_path / "a", PARTS, {"budget": 0.1})
    second = write_snapshot(tmp_path / "b", PARTS, {"budget": 0.1})
    read = read_snapshot(tmp_path / "a")
    assert read.parts == PARTS
    assert read.meta == {"budget": 0.1}
    assert read.id == first == second
    assert write_snapshot(tmp_path / "c", PARTS, {"budget": 0.2}) != first


def changed(folder):
    (folder / "tree.txt").write_bytes(b"a tref")


def missing(folder):
    (folder / "tree.txt").unlink()


def extra(folder):
    (folder / "more.txt").write_bytes(b"")


def half_manifest(folder):
    manifest = folder / "manifest.json"
    manifest.write_bytes(manifest.read_bytes()[:40])


def other_format(folder):
    manifest = folder / "manifest.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"format": 99}))


def another_part(folder):
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["sha256"]["../secret"] = "0"
    (folder / "manifest.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize(
    "harm", [changed, missing, extra, half_manifest, other_format, another_part]
)
def test_a_harmed_snapshot_is_refused(tmp_path, harm):
    write_snapshot(tmp_path / "s", PARTS, {})
    harm(tmp_path / "s")
    with pytest.raises(SnapshotError):
        read_snapshot(tmp_path / "s")


@pytest.mark.parametrize("way", ["its name", "a link"])
def test_a_forged_snapshot_reads_nothing_outside_its_folder(tmp_path, way):
    """Not even with the right sums everywhere."""
    secret, forged = tmp_path / "secret", tmp_path / "s" / "forged"
    write_snapshot(forged, {"../../secret" if way == "its name" else "part": b"word"}, {})
    secret.write_bytes(b"word")
    if way == "a link":
        (forged / "part").unlink()
        (forged / "part").symlink_to(secret)
    with pytest.raises(SnapshotError, match="a part's name must stay inside the snapshot"):
        read_snapshot(forged)


def test_writing_again_replaces_the_whole_folder(tmp_path):
    write_snapshot(tmp_path / "s", PARTS, {})
    write_snapshot(tmp_path / "s", {"other": b""}, {})
    assert set(read_snapshot(tmp_path / "s").parts) == {"other"}
    assert [path.name for path in tmp_path.iterdir()] == ["s"]


def interrupted(path):
    with replacing(path) as beside:
        beside.write_text("half")
        raise KeyboardInterrupt


def test_a_failure_leaves_the_old_and_nothing_beside(tmp_path):
    (tmp_path / "f").write_text("old")
    with pytest.raises(KeyboardInterrupt):
        interrupted(tmp_path / "f")
    assert (tmp_path / "f").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["f"]


def test_any_changed_byte_of_the_manifest_is_refused(tmp_path):
    write_snapshot(tmp_path / "s", PARTS, {"space": {"arms": ["none", "mail"]}, "price": 0.25})
    file = tmp_path / "s" / "manifest.json"
    whole = file.read_bytes()
    for at in range(len(whole)):
        file.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        with pytest.raises(SnapshotError):
            read_snapshot(tmp_path / "s")
    file.write_bytes(whole + b"\n")
    with pytest.raises(SnapshotError):
        read_snapshot(tmp_path / "s")


def test_the_folder_around_a_snapshot_points_to_it(tmp_path):
    write_snapshot(tmp_path / "run" / "policy", {"a.txt": b"1"}, {})
    with pytest.raises(SnapshotError, match="did you mean '.*policy'"):
        read_snapshot(tmp_path / "run")
    with pytest.raises(SnapshotError, match="write it again"):
        read_snapshot(tmp_path / "nowhere")


def without_swap(monkeypatch):
    """As on a system that cannot swap two places in one step."""
    monkeypatch.setattr(snapshot, "_exchange", lambda one, other: False)


@pytest.mark.parametrize("swaps", [True, False], ids=["one step", "two renames"])
@pytest.mark.parametrize(
    "problem",
    [KeyboardInterrupt(), OSError(28, "No space left on device")],
    ids=["Ctrl-C", "full disk"],
)
def test_an_accident_at_the_last_rename_loses_nothing(tmp_path, monkeypatch, problem, swaps):
    place, real = tmp_path / "run", snapshot.os.replace
    place.mkdir()
    (place / "metrics.json").write_text("earlier")
    if not swaps:
        without_swap(monkeypatch)

    def accident(source, target):
        if str(target) == str(place):
            raise problem
        real(source, target)

    monkeypatch.setattr(snapshot.os, "replace", accident)
    said = ""
    try:
        with replacing(place) as beside:
            beside.mkdir()
            (beside / "metrics.json").write_text("new")
    except (KeyboardInterrupt, OSError) as error:
        assert (place / "metrics.json").read_text() == "earlier"
        said = str(error)
    assert (place / "metrics.json").read_text() == ("new" if swaps else "earlier")
    if said:  # a disk that refuses is no wish to stop: what hours have made is kept
        kept = Path(re.search("the finished work is kept as '(.*?)'", said)[1])
        assert (kept / "metrics.json").read_text() == "new"
        shutil.rmtree(kept.parent)
    assert [entry.name for entry in tmp_path.iterdir()] == ["run"]


@pytest.mark.parametrize("swaps", [True, False], ids=["one step", "two renames"])
def test_a_block_that_wrote_nothing_loses_nothing(tmp_path, monkeypatch, swaps):
    write_snapshot(tmp_path / "s", PARTS, {})
    if not swaps:
        without_swap(monkeypatch)
    with pytest.raises(FileNotFoundError), replacing(tmp_path / "s"):
        pass
    assert read_snapshot(tmp_path / "s").parts == PARTS


def test_a_folder_replaces_a_folder_without_a_swap(tmp_path, monkeypatch):
    without_swap(monkeypatch)
    write_snapshot(tmp_path / "s", PARTS, {})
    write_snapshot(tmp_path / "s", {"other": b""}, {})
    assert set(read_snapshot(tmp_path / "s").parts) == {"other"}


def swap(one, other):
    """What renamex_np of macOS does."""
    Path(os.fsdecode(one)).rename(Path(os.fsdecode(other)).with_name("third"))
    Path(os.fsdecode(other)).rename(os.fsdecode(one))
    Path(os.fsdecode(other)).with_name("third").rename(os.fsdecode(other))


@pytest.mark.parametrize("system", ["macOS", "neither"])
def test_a_folder_replaces_a_folder_on_other_systems(tmp_path, monkeypatch, system):
    """macOS swaps by another call; a system that has neither moves the old one away first."""
    calls = []

    def renamex_np(one, other, flag):
        calls.append(flag)
        return swap(one, other) or 0

    libc = SimpleNamespace(renamex_np=renamex_np) if system == "macOS" else SimpleNamespace()
    monkeypatch.setattr(snapshot.ctypes, "CDLL", lambda *_, **__: libc)
    write_snapshot(tmp_path / "s", PARTS, {})
    write_snapshot(tmp_path / "s", {"other": b""}, {})
    assert set(read_snapshot(tmp_path / "s").parts) == {"other"}
    assert [path.name for path in tmp_path.iterdir()] == ["s"]
    assert calls == ([snapshot.SWAP] if system == "macOS" else [])


@pytest.mark.parametrize("code", [errno.EINVAL, errno.EIO], ids=errno.errorcode.get)
def test_a_disk_that_does_not_write_is_no_file_system_that_cannot_sync(tmp_path, monkeypatch, code):
    """The first loses nothing and is told; the second is no trouble."""
    write_snapshot(tmp_path / "s", PARTS, {})

    def fails(_):
        raise OSError(code, "as asked")

    monkeypatch.setattr(snapshot.os, "fsync", fails)
    if code == errno.EINVAL:
        write_snapshot(tmp_path / "s", {"other": b""}, {})
        assert set(read_snapshot(tmp_path / "s").parts) == {"other"}
    else:
        with pytest.raises(OSError, match="as asked"):
            write_snapshot(tmp_path / "s", {"other": b""}, {})
        assert read_snapshot(tmp_path / "s").parts == PARTS
    assert [path.name for path in tmp_path.iterdir()] == ["s"]


LETTER = Earlier("an earlier letter", lambda path: path.read_text().startswith("Dear"))


def written(path, text, earlier=LETTER):
    with replacing(path, earlier) as beside:
        beside.write_text(text)


def test_only_what_is_said_is_replaced(tmp_path):
    place = tmp_path / "letter"
    written(place, "Dear A")
    written(place, "Dear B")
    assert place.read_text() == "Dear B"
    place.write_text("a poem")
    with pytest.raises(InputError, match="must be free or an earlier letter; got another file"):
        written(place, "Dear C")
    assert place.read_text() == "a poem"
    assert [entry.name for entry in tmp_path.iterdir()] == ["letter"]


@pytest.mark.parametrize("thing", ["a file", "a folder", "an empty folder", "a harmed snapshot"])
def test_a_snapshot_takes_no_place_but_a_free_one_or_its_own(tmp_path, thing):
    place = tmp_path / "model"
    if thing == "a file":
        place.write_text("class Net: ...")
    else:
        place.mkdir()
    if thing == "a folder":
        (place / "net.py").write_text("class Net: ...")
    if thing == "a harmed snapshot":
        place.rmdir()
        write_snapshot(place, PARTS, {})
        (place / "notes.txt").write_text("mine")
    before = {entry.name for entry in tmp_path.rglob("*")}
    if thing == "an empty folder":
        write_snapshot(place, PARTS, {})
        assert read_snapshot(place).parts == PARTS
        return
    with pytest.raises(InputError, match="be free or an earlier snapshot that verifies"):
        write_snapshot(place, PARTS, {})
    assert {entry.name for entry in tmp_path.rglob("*")} == before


def written_while_another_comes(place):
    with replacing(place, LETTER) as beside:
        beside.write_text("Dear D")
        place.write_text("a poem")


def test_what_came_in_between_stays_and_the_work_is_kept(tmp_path):
    """The place was free before the work, and not any more when it is done."""
    place = tmp_path / "letter"
    with pytest.raises(InputError, match="the finished work is kept as '(.*)'") as caught:
        written_while_another_comes(place)
    assert place.read_text() == "a poem"
    kept = Path(re.search("kept as '(.*)'", str(caught.value))[1])
    assert kept.read_text() == "Dear D"
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["letter", kept.parent.name]


def abandoned(folder, name, age):
    """A shelter whose writer is gone."""
    shelter = folder / f".{name}{snapshot.SHELTER}abc"
    shelter.mkdir()
    (shelter / name).write_text("half")
    os.utime(shelter, (time.time() - age,) * 2)
    return shelter


def test_leftovers_of_the_dead_are_swept_and_no_others(tmp_path):
    old, fresh = abandoned(tmp_path, "letter", 3600), abandoned(tmp_path, "other", 3600)
    held = tmp_path / f".letter{snapshot.SHELTER}live"
    held.mkdir()
    os.utime(held, (time.time() - 3600,) * 2)
    mine = tmp_path / ".letter.settings"
    mine.mkdir()
    with snapshot.locked(held):
        written(tmp_path / "letter", "Dear E")
    assert [path.exists() for path in (old, fresh, held, mine)] == [False, True, True, True]
    newest = abandoned(tmp_path, "letter", 0)
    written(tmp_path / "letter", "Dear F")
    assert newest.exists()


def test_what_a_dead_writer_moved_away_is_back_at_once(tmp_path):
    """It was killed between two renames, a second ago; whoever moves has its shelter's lock."""
    place = tmp_path / "s"
    write_snapshot(place, PARTS, {})
    shelter = abandoned(tmp_path, "s", 0)
    place.rename(shelter / snapshot.MOVED)
    with pytest.raises(ZeroDivisionError), replacing(place):
        1 / 0  # noqa: B018
    assert read_snapshot(place).parts == PARTS
    assert [entry.name for entry in tmp_path.iterdir()] == ["s"]


def test_a_place_that_cannot_be_asked_is_not_taken_for_a_free_one(tmp_path, monkeypatch):
    """Else what was moved away would be removed with the shelter, or a file be replaced."""
    place, real = tmp_path / "s", os.lstat
    write_snapshot(place, PARTS, {})
    shelter = abandoned(tmp_path, "s", 3600)
    place.rename(shelter / snapshot.MOVED)

    def fails(path, **rest):
        if str(path).endswith(snapshot.MOVED):
            raise OSError(errno.EIO, "Input/output error", str(path))
        return real(path, **rest)

    monkeypatch.setattr(snapshot.os, "lstat", fails)
    snapshot._sweep(place)
    monkeypatch.undo()
    assert read_snapshot(shelter / snapshot.MOVED).parts == PARTS
    snapshot._sweep(place)
    assert read_snapshot(place).parts == PARTS


def test_what_a_publish_within_left_behind_is_not_published(tmp_path):
    with replacing(tmp_path / "run") as beside:
        beside.mkdir()
        write_snapshot(beside / "policy", PARTS, {})
        (beside / ".policy.equipoise-left").mkdir()
        (beside / ".policy.equipoise-left" / "policy").write_text("an earlier one")
    assert [entry.name for entry in (tmp_path / "run").iterdir()] == ["policy"]


def test_a_lock_that_does_not_close_hides_no_refusal(tmp_path, monkeypatch):
    """The error says where the finished work is, whatever else goes wrong."""
    real = os.close

    def fails(handle):
        real(handle)
        raise OSError(errno.EIO, "Input/output error")

    def refused():
        with replacing(tmp_path / "letter", LETTER) as beside:
            beside.write_text("Dear G")
            (tmp_path / "letter").write_text("a poem")
            monkeypatch.setattr(snapshot, "flush", lambda path: None)
            monkeypatch.setattr(snapshot.os, "close", fails)

    with pytest.raises(InputError, match="the finished work is kept as"):
        refused()


def test_the_swap_is_on_disk_before_the_earlier_one_is_removed(tmp_path, monkeypatch):
    """Else a power cut may leave the removal without the swap."""
    place, synced = tmp_path / "s", []
    write_snapshot(place, PARTS, {})
    monkeypatch.setattr(snapshot.os, "fsync", lambda handle: synced.append(os.fstat(handle).st_ino))
    honest = shutil.rmtree

    def remove(shelter, **rest):
        assert tmp_path.stat().st_ino in synced
        honest(shelter, **rest)

    monkeypatch.setattr(snapshot.shutil, "rmtree", remove)
    write_snapshot(place, {"deep/er": b"1", "a": b""}, {})
    files = {entry.stat().st_ino for entry in (place, *place.rglob("*"))}
    assert files == set(synced[: len(files)])  # every file and folder of the new one before


@pytest.mark.parametrize("what", ["a folder", "a file", "nothing"])
def test_a_link_stays_and_what_it_points_to_is_replaced(tmp_path, what):
    link, target = tmp_path / "latest", tmp_path / "runs" / "today"
    target.parent.mkdir()
    link.symlink_to(target)
    if what == "a folder":
        write_snapshot(target, PARTS, {})
        write_snapshot(link, {"other": b""}, {})
        assert set(read_snapshot(target).parts) == {"other"}
    else:
        if what == "a file":
            target.write_text("Dear H")
        written(link, "Dear I")
        assert target.read_text() == "Dear I"
    assert link.is_symlink()
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["latest", "runs"]


@pytest.mark.parametrize("place", ["", ".", ".."])
def test_a_place_without_a_name_is_refused(tmp_path, monkeypatch, place):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="the place to write must have a name"):
        write_snapshot(place, PARTS, {})
    assert not list(tmp_path.iterdir())


WRITER = """
import sys
from equipoise.core.snapshot import write_snapshot
for i in range(1000):
    write_snapshot(sys.argv[1], {"a": bytes([i % 251]) * 100_000, "b": bytes([i % 251])}, {"i": i})
"""


def test_a_kill_at_any_moment_leaves_a_whole_snapshot(tmp_path):
    """Writers are killed at random moments; what stands there always verifies."""
    place, rng = tmp_path / "s", np.random.default_rng(0)
    write_snapshot(place, {"a": b"0"}, {})
    for wait in rng.uniform(0, 0.1, 8):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(place)])
        while len(list(tmp_path.iterdir())) == 1 and writer.poll() is None:
            time.sleep(0.001)
        time.sleep(wait)
        writer.kill()
        writer.wait()
        parts = read_snapshot(place).parts
        assert set(parts["a"]) == set(parts.get("b", parts["a"]))
        for shelter in tmp_path.glob(".s*"):
            os.utime(shelter, (0, 0))
        write_snapshot(place, {"a": b"0"}, {})
        assert [entry.name for entry in tmp_path.iterdir()] == ["s"]


def pipe(folder):
    os.mkfifo(folder / "pipe")


def dangling(folder):
    (folder / "link").symlink_to("nowhere")


def hollow(folder):
    (folder / "empty" / "inner").mkdir(parents=True)


def link_to_folder(folder):
    (folder / "more").symlink_to(folder / "arrays")


@pytest.mark.parametrize("extra_one", [pipe, dangling, hollow, link_to_folder])
def test_what_is_no_file_is_extra_too(tmp_path, extra_one):
    write_snapshot(tmp_path / "s", PARTS, {})
    extra_one(tmp_path / "s")
    with pytest.raises(SnapshotError, match="hold just the files of its manifest"):
        read_snapshot(tmp_path / "s")


@pytest.mark.parametrize("name", ["tree.txt", "manifest.json"])
def test_a_pipe_in_the_place_of_a_file_is_not_waited_for(tmp_path, name):
    write_snapshot(tmp_path / "s", PARTS, {})
    (tmp_path / "s" / name).unlink()
    os.mkfifo(tmp_path / "s" / name)
    with pytest.raises(SnapshotError, match="be readable|readable manifest"):
        read_snapshot(tmp_path / "s")


def test_files_that_stand_there_become_a_snapshot_without_being_held(tmp_path):
    for name, data in PARTS.items():
        (tmp_path / "s" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "s" / name).write_bytes(data)
    sealed = seal_snapshot(tmp_path / "s", {"a": 1})
    assert sealed == write_snapshot(tmp_path / "same", PARTS, {"a": 1})
    (tmp_path / "s" / "manifest.hmac").write_text("whose it is")
    content = verify_snapshot(tmp_path / "s")
    assert (content.id, content.meta, set(content.sums)) == (sealed, {"a": 1}, set(PARTS))
    assert read_snapshot(tmp_path / "s").parts == PARTS


@pytest.mark.parametrize("harm", [changed, missing, extra, another_part])
def test_what_is_verified_in_a_stream_is_refused_alike(tmp_path, harm):
    write_snapshot(tmp_path / "s", PARTS, {})
    harm(tmp_path / "s")
    with pytest.raises(SnapshotError) as whole:
        read_snapshot(tmp_path / "s")
    with pytest.raises(SnapshotError) as stream:
        verify_snapshot(tmp_path / "s")
    assert str(whole.value) == str(stream.value)
