"""Known units in a real Redis, which is stopped, frozen and filled while it is asked."""

from __future__ import annotations

import asyncio
import time

import pytest
from fixtures.known_units import IDS, METRICS, K, facts, same

from equipoise.core.errors import InputError
from equipoise.serving.errors import ConflictError, StoreError
from equipoise.serving.stores.building import build_store, open_store
from equipoise.serving.stores.redis_store import RedisStore
from equipoise.serving.stores.redis_units import RedisUnits

SNAPSHOT = "ab" * 32


@pytest.fixture(scope="module")
def batch():
    return facts()


@pytest.fixture(scope="module")
def local(batch, tmp_path_factory):
    folder = tmp_path_factory.mktemp("known")
    build_store(folder, K, METRICS, [batch])
    store = open_store(folder)
    yield store
    store.close()


@pytest.fixture
def uploaded(redis_server, local):
    units = RedisUnits(redis_server.url)
    units.upload(SNAPSHOT, local.header, local.items())
    yield redis_server
    redis_server.thaw()
    units.close()


def with_store(server, work, **more):
    """What an asynchronous function makes of a store."""

    async def whole():
        store = RedisStore(server.url, SNAPSHOT, **more)
        try:
            return await work(store)
        finally:
            await store.aclose()

    return asyncio.run(whole())


def test_the_same_bits_as_the_local_store(uploaded, local, batch):
    async def work(store):
        assert store.header.layout == local.header.layout
        assert len(store) == len(local)
        found = await asyncio.gather(*map(store.fetch, IDS))
        assert all(same(one, batch.unit(row)) for row, one in enumerate(found))
        assert same(store.get(IDS[4]), batch.unit(4))
        assert [await store.fetch(unit) for unit in ("nobody", "", "\ud800")] == [None] * 3
        return store.questions

    assert with_store(uploaded, work, deadline=5.0) == 2  # all at once, and nobody


def test_a_frozen_redis_costs_its_deadline_once_and_comes_back_by_itself(uploaded, batch):
    async def work(store):
        await store.fetch(IDS[0])
        uploaded.freeze()
        begun = time.monotonic()
        answers = await asyncio.gather(*map(store.fetch, IDS[:20]), return_exceptions=True)
        assert 0.04 < time.monotonic() - begun < 1.0
        assert {type(answer) for answer in answers} == {StoreError}
        assert "answer within 50 ms; got TimeoutError" in str(answers[0])
        begun = time.monotonic()
        for unit in IDS[:50]:  # nobody is asked, nobody waits
            with pytest.raises(StoreError, match="pause after a failure"):
                await store.fetch(unit)
        assert time.monotonic() - begun < 0.4
        assert (store.failures, store.refusals) == (1, 50)
        uploaded.thaw()
        await asyncio.sleep(0.51)
        late = [await store.fetch(unit) for unit in IDS[20:60]]  # never the answers of before
        assert all(same(one, batch.unit(20 + row)) for row, one in enumerate(late))

    with_store(uploaded, work, deadline=0.05, pause=0.5)


def test_after_a_pause_one_question_tries_and_others_do_not_wait_for_it(uploaded):
    async def work(store):
        uploaded.freeze()
        with pytest.raises(StoreError):
            await store.fetch(IDS[0])
        await asyncio.sleep(0.06)
        probe = asyncio.ensure_future(store.fetch(IDS[0]))
        await asyncio.sleep(0.01)
        with pytest.raises(StoreError, match="pause after a failure"):
            await store.fetch(IDS[1])
        assert not probe.done()
        with pytest.raises(StoreError, match="answer within"):
            await probe
        return store.questions, store.failures

    assert with_store(uploaded, work, deadline=0.1, pause=0.05) == (2, 2)


def test_a_redis_that_was_stopped_is_used_again(uploaded, local, batch):
    async def work(store):
        assert same(await store.fetch(IDS[0]), batch.unit(0))
        uploaded.stop()
        with pytest.raises(StoreError):
            await store.fetch(IDS[0])
        uploaded.start()  # without its memory
        await asyncio.sleep(0.11)
        with pytest.raises(StoreError, match="have the units of the snapshot"):
            await store.fetch(IDS[0])
        units = RedisUnits(uploaded.url)
        units.upload(SNAPSHOT, local.header, local.items())
        units.close()
        await asyncio.sleep(0.11)
        assert same(await store.fetch(IDS[0]), batch.unit(0))

    with_store(uploaded, work, deadline=1.0, pause=0.1)


def test_who_gives_up_takes_nothing_from_others(uploaded, batch):
    async def work(store):
        gone = asyncio.ensure_future(store.fetch(IDS[1]))
        other = asyncio.ensure_future(store.fetch(IDS[1]))
        await asyncio.sleep(0)
        gone.cancel()
        assert same(await other, batch.unit(1))

    with_store(uploaded, work, deadline=5.0)


def test_two_who_publish_at_once_and_what_becomes_of_the_old(uploaded, local):
    units = RedisUnits(uploaded.url)
    assert units.channel("live") is None
    units.advance("live", 0, {"snapshot": "one", "sequence": 1})
    units.advance("live", 1, {"snapshot": "two", "sequence": 2})
    with pytest.raises(ConflictError, match="at sequence 1; got sequence 2, snapshot two.*three"):
        units.advance("live", 1, {"snapshot": "three", "sequence": 2})
    with pytest.raises(ConflictError, match="got sequence 0, snapshot nothing"):
        units.advance("candidate", 3, {"snapshot": "three", "sequence": 4})
    assert units.channel("live") == {"snapshot": "two", "sequence": 2}
    assert SNAPSHOT in units.snapshots()
    units.upload("other", local.header, local.items())
    assert units.retire("other", seconds=60) == len(local) + 2
    assert units.snapshots() == {SNAPSHOT}
    assert RedisStore(uploaded.url, "other", deadline=1.0).get(IDS[0]) is not None
    units.retire("other", seconds=0)
    with pytest.raises(StoreError, match="have the units of the snapshot"):
        RedisStore(uploaded.url, "other", deadline=1.0)
    units.close()


def test_half_an_upload_is_no_snapshot(uploaded, local):
    units = RedisUnits(uploaded.url)
    with pytest.raises(StoreError, match="hold the 700 units"):
        units.upload("half", local.header, list(local.items())[:100])
    with pytest.raises(StoreError, match="have the units of the snapshot"):
        RedisStore(uploaded.url, "half", deadline=1.0)
    units.close()


def test_an_address_that_is_none(local):
    with pytest.raises(InputError, match="the address of Redis must be a URL"):
        RedisStore("http://x", SNAPSHOT, local.header)
    with pytest.raises(StoreError, match=r"answer within 20 ms; got ConnectionError"):
        RedisStore("redis://127.0.0.1:1/0", SNAPSHOT)
