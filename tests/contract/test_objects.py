"""What every object store keeps to, the fake included: `adapters.candle_store.objects.base.ObjectStore`."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from adapters.candle_store.objects.base import ObjectStore, StoredObject, Version, VersionConflict
from adapters.candle_store.objects.local import LocalObjects
from adapters.in_memory import InMemoryObjects
from domain.errors import StorageUnavailable
from tests.contract.crash_points import kill_at_every_step, refuse_every_step

TREE = Path(__file__).resolve().parents[2]
KEYS = ("a/x", "a/y", "a/b/x", "ab/x", "z")
HERE = {**os.environ, "PYTHONPATH": str(TREE)}
WRITERS = range(3)
CONTENTS = st.binary(max_size=5)

APPEND = """
import sys
from pathlib import Path
from adapters.candle_store.objects.local import LocalObjects
from tests.contract.test_objects import append
for number in range(30):
    append(LocalObjects(Path(sys.argv[1])), f"{sys.argv[2]} {number}")
"""


@pytest.fixture(params=["local", "in memory"])
def objects(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    return LocalObjects(tmp_path / "not yet there") if request.param == "local" else InMemoryObjects()


def append(objects: ObjectStore, line: str, key: str = "a/lines") -> None:
    """Add a line, once and for good: over every conflict, and over every answer that was lost."""
    while True:
        found = objects.get(key)
        there = found.content if found else b""
        if line in there.decode().splitlines():
            return
        with suppress(VersionConflict, StorageUnavailable):
            objects.put_if(key, there + f"{line}\n".encode(), found.version if found else None)


def lines(objects: ObjectStore, key: str = "a/lines") -> list[str]:
    found = objects.get(key)
    return found.content.decode().splitlines() if found else []


def test_an_object_is_there_whole_and_in_parts_once_it_was_put(objects: ObjectStore) -> None:
    version = objects.put_if("a/x", b"0123456789", None)
    assert objects.get("a/x") == StoredObject(b"0123456789", version, 10)
    for start, length, part in (
        (0, 4, b"0123"),
        (4, 3, b"456"),
        (8, 9, b"89"),
        (10, 1, b""),
        (99, 1, b""),
        (0, 0, b""),
    ):
        assert objects.get_range("a/x", start, length) == StoredObject(part, version, 10)


def test_what_is_not_there_is_none_and_can_be_deleted_all_the_same(objects: ObjectStore) -> None:
    objects.put_if("b/x", b"", None)
    for key in ("a/x", "b/y", "x", "b", "b/x/z"):
        objects.delete(key)
        assert objects.get(key) is None
        assert objects.get_range(key, 0, 1) is None
    assert objects.list() == ["b/x"]


def test_only_who_has_seen_the_version_there_is_replaces_it(objects: ObjectStore) -> None:
    first = objects.put_if("a/x", b"first", None)
    second = objects.put_if("a/x", b"second", first)
    for seen in (None, first, Version("made up")):
        with pytest.raises(VersionConflict, match="a/x is not in the version"):
            objects.put_if("a/x", b"third", seen)
    with pytest.raises(VersionConflict):
        objects.put_if("a/y", b"third", second)
    assert objects.get("a/x") == StoredObject(b"second", second, 6)
    assert objects.list() == ["a/x"]


def test_a_version_never_comes_back_not_even_with_its_content(objects: ObjectStore) -> None:
    versions = [objects.put_if("a/x", b"same", None)]
    for _ in range(100):
        versions.append(objects.put_if("a/x", b"same", versions[-1]))
    objects.delete("a/x")
    versions.append(objects.put_if("a/x", b"same", None))
    assert len(set(versions)) == len(versions)


def test_the_list_has_the_keys_that_begin_so_in_order(objects: ObjectStore) -> None:
    for key in reversed(KEYS):
        objects.put_if(key, b"", None)
    assert objects.list() == sorted(KEYS)
    for prefix in ("", "a", "a/", "a/b", "a/b/x", "a/x", "ab", "nothing/there", "z/"):
        assert objects.list(prefix) == sorted(key for key in KEYS if key.startswith(prefix))


@pytest.mark.parametrize("key", ["", "/a", "a/", "a//b", ".lock", "a/.hidden/b", "../a", "a/../b", "a.tmp", "a\0b"])
def test_what_is_no_key_is_refused_before_anything_is_touched(objects: ObjectStore, key: str) -> None:
    touches: list[Callable[[], object]] = [
        lambda: objects.get(key),
        lambda: objects.get_range(key, 0, 1),
        lambda: objects.put_if(key, b"", None),
        lambda: objects.delete(key),
        lambda: objects.list(f"{key}/"),
    ]
    for touch in touches:
        with pytest.raises(ValueError, match="is no key"):
            touch()


@pytest.mark.parametrize("share_of_failures", [0.0, 0.5])
def test_of_threads_that_add_a_line_each_none_loses_anothers(objects: ObjectStore, share_of_failures: float) -> None:
    if isinstance(objects, InMemoryObjects):
        objects = InMemoryObjects(seed=7, share_of_failures=share_of_failures)
    wanted = [str(number) for number in range(60)]
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda line: append(objects, line), wanted))
    assert sorted(lines(objects)) == sorted(wanted)


def test_of_processes_that_add_a_line_each_none_loses_anothers(tmp_path: Path) -> None:
    names = ("even", "odd")
    writers = [
        subprocess.Popen([sys.executable, "-c", APPEND, str(tmp_path), name], cwd=TREE, env=HERE) for name in names
    ]
    assert [writer.wait(60) for writer in writers] == [0, 0]
    assert sorted(lines(LocalObjects(tmp_path))) == sorted(f"{name} {number}" for name in names for number in range(30))


def test_the_failures_of_the_fake_come_from_its_seed() -> None:
    def outcomes(seed: int) -> list[str]:
        objects, told = InMemoryObjects(seed, share_of_failures=0.5), []
        for number in range(50):
            try:
                told.append(objects.put_if(str(number), b"", None))
            except (VersionConflict, StorageUnavailable) as error:
                told.append(str(error))
        return told

    assert outcomes(1) == outcomes(1) != outcomes(2)
    assert {kind for kind in ("read it again", "not be reached", "was lost") for one in outcomes(1) if kind in one} == {
        "read it again",
        "not be reached",
        "was lost",
    }


@pytest.mark.parametrize("at_every_step", [kill_at_every_step, refuse_every_step])
def test_a_write_cut_short_leaves_the_old_object_or_the_new_one(
    tmp_path: Path, at_every_step: Callable[..., int]
) -> None:
    old, new = b"old" * 1000, b"new" * 2000

    def prepare(place: Path) -> None:
        LocalObjects(place).put_if("a/x", old, None)

    def act(place: Path) -> None:
        objects = LocalObjects(place)
        found = objects.get("a/x")
        assert found is not None
        objects.put_if("a/x", new, found.version)
        objects.put_if("a/y", new, None)

    def check(place: Path) -> None:
        objects = LocalObjects(place)
        found = objects.get("a/x")
        assert found is not None
        assert found.content in (old, new)
        second = objects.get("a/y")
        assert second is None or (second.content == new == found.content)
        assert objects.list() == (["a/x", "a/y"] if second else ["a/x"])
        objects.put_if("a/x", new, found.version)
        assert list(place.rglob("*.tmp")) == []

    assert at_every_step(tmp_path, prepare, act, check) > 10


@pytest.mark.parametrize("at_every_step", [kill_at_every_step, refuse_every_step])
def test_a_delete_cut_short_leaves_the_object_or_none(tmp_path: Path, at_every_step: Callable[..., int]) -> None:
    def check(place: Path) -> None:
        objects = LocalObjects(place)
        found = objects.get("a/x")
        assert found is None or found.content == b"old"
        assert objects.list() == (["a/x"] if found else [])
        objects.delete("a/x")
        assert objects.get("a/x") is None

    assert (
        at_every_step(
            tmp_path,
            lambda place: LocalObjects(place).put_if("a/x", b"old", None),
            lambda place: LocalObjects(place).delete("a/x"),
            check,
        )
        > 2
    )


def test_a_clock_set_back_brings_no_version_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    objects = LocalObjects(tmp_path)
    versions = [objects.put_if("x", b"same", None)]
    monkeypatch.setattr("time.time_ns", lambda: 1_000)
    for _ in range(50):
        versions.append(objects.put_if("x", b"same", versions[-1]))
    assert len(set(versions)) == len(versions)


def test_what_a_killed_writer_left_is_no_object_and_goes_with_the_next_write(tmp_path: Path) -> None:
    objects = LocalObjects(tmp_path)
    objects.put_if("a/x", b"", None)
    (tmp_path / "a" / "y.tmp").write_text("half")
    assert objects.list() == ["a/x"]
    objects.put_if("a/z", b"", None)
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == [".lock", "x", "z"]


def test_a_folder_that_cannot_be_used_is_named_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    objects = LocalObjects(tmp_path / "file")
    with pytest.raises(StorageUnavailable, match="file cannot be used: "):
        objects.put_if("x", b"", None)


def test_a_writer_that_never_lets_go_is_given_up(tmp_path: Path) -> None:
    objects = LocalObjects(tmp_path, lock_timeout_seconds=0.0)
    with objects.locked("a/x"), pytest.raises(StorageUnavailable, match="another writer has held it for 0 s"):
        objects.put_if("a/y", b"", None)


def test_a_local_store_travels_and_a_conflict_too(tmp_path: Path) -> None:
    LocalObjects(tmp_path).put_if("x", b"here", None)
    found = pickle.loads(pickle.dumps(LocalObjects(tmp_path))).get("x")
    assert found is not None
    assert found.content == b"here"
    assert str(pickle.loads(pickle.dumps(VersionConflict("x")))) == str(VersionConflict("x"))


class WritersTakingTurns(RuleBasedStateMachine):
    """Some writers, each with the version it has seen last, beside a plain dictionary that is right."""

    is_reliable = True

    def __init__(self) -> None:
        super().__init__()
        self.stored: dict[str, tuple[bytes, Version]] = {}
        self.seen: dict[tuple[int, str], Version | None] = {}

    def new_store(self, seed: int) -> ObjectStore:
        raise NotImplementedError

    @initialize(seed=st.integers(0, 1000))
    def begin(self, seed: int) -> None:
        self.objects = self.new_store(seed)

    @rule(writer=st.sampled_from(WRITERS), key=st.sampled_from(KEYS))
    def read(self, writer: int, key: str) -> None:
        found = self.objects.get(key)
        assert (found and (found.content, found.version)) == self.stored.get(key)
        self.seen[writer, key] = found.version if found else None

    @rule(writer=st.sampled_from(WRITERS), key=st.sampled_from(KEYS), content=CONTENTS)
    def write(self, writer: int, key: str, content: bytes) -> None:
        seen, (_, present) = self.seen.get((writer, key)), self.stored.get(key, (b"", None))
        try:
            version = self.objects.put_if(key, content, seen)
        except VersionConflict:
            assert seen != present or not self.is_reliable
        except StorageUnavailable:
            assert not self.is_reliable
            found = self.objects.get(key)
            if found and found.version != present:
                assert (seen, found.content) == (present, content)
                self.stored[key] = content, found.version
        else:
            assert seen == present, "another's write was lost"
            self.stored[key] = content, version
            self.seen[writer, key] = version

    @rule(key=st.sampled_from(KEYS))
    def delete(self, key: str) -> None:
        self.objects.delete(key)
        self.stored.pop(key, None)

    @rule(key=st.sampled_from(KEYS), start=st.integers(0, 6), length=st.integers(0, 6))
    def read_a_part(self, key: str, start: int, length: int) -> None:
        found = self.objects.get_range(key, start, length)
        content, version = self.stored.get(key, (b"", None))
        assert found == (version and StoredObject(content[start : start + length], version, len(content)))

    @rule(prefix=st.sampled_from(["", "a", "a/", "a/b", "ab/", "z", "nothing/"]))
    def list_some(self, prefix: str) -> None:
        assert self.objects.list(prefix) == sorted(key for key in self.stored if key.startswith(prefix))

    @invariant()
    def the_list_sees_what_get_sees(self) -> None:
        if hasattr(self, "objects"):
            assert self.objects.list() == [key for key in sorted(KEYS) if self.objects.get(key) is not None]


class LocalWriters(WritersTakingTurns):
    def new_store(self, seed: int) -> ObjectStore:
        self.folder = tempfile.TemporaryDirectory()
        return LocalObjects(Path(self.folder.name))

    def teardown(self) -> None:
        if hasattr(self, "folder"):
            self.folder.cleanup()


class InMemoryWriters(WritersTakingTurns):
    def new_store(self, seed: int) -> ObjectStore:
        return InMemoryObjects(seed)


class WritersWhoFail(WritersTakingTurns):
    is_reliable = False

    def new_store(self, seed: int) -> ObjectStore:
        return InMemoryObjects(seed, share_of_failures=0.5)


TestLocalWriters = LocalWriters.TestCase
TestInMemoryWriters = InMemoryWriters.TestCase
TestWritersWhoFail = WritersWhoFail.TestCase
TestLocalWriters.settings = settings(max_examples=30, stateful_step_count=30, deadline=None)
