"""The console in a real browser: every page, wide and narrow, light and dark; a promotion and a
rollback clicked through by keyboard; and over plain HTTP who may see and change what.
"""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlencode, urlsplit

import msgspec
import pyarrow.parquet as pq
import pytest
from fixtures.chromium import Chromium
from fixtures.console_world import SECRET, console_of, served, write_decisions
from fixtures.explorer_units import explorer_units

from equipoise.artifacts.explorer import write_explorer
from equipoise.serving.app.tokens import Token, Tokens, new_token, token_of
from equipoise.serving.console.folder import FolderConsole
from equipoise.serving.console.session import COOKIE, form_number
from equipoise.serving.console.tail import LogTail
from equipoise.serving.engine.controls import Controls
from equipoise.serving.explorer.units import keep_units
from equipoise.serving.log.writer import DecisionLog
from equipoise.serving.monitors.alarms import Alarm, Figure, Report
from equipoise.serving.records import ErasedRecord
from equipoise.serving.snapshots.build import build_snapshot
from equipoise.serving.snapshots.channels import Channels
from equipoise.serving.snapshots.publish import publish

NS = 1_790_000_000 * 10**9
CELLS = ("No E-Mail", "Mens E-Mail", "Womens E-Mail")
PAGES = ["", "/explore", "/versions", "/watch", "/units?unit=user-7"]
STATES = [(1280, False), (1280, True), (400, True), (400, False)]
DRAWN = "document.readyState === 'complete' && document.documentElement.dataset.drawn === 'true'"
WIDE = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
CUT = """[...document.querySelectorAll('main *')].filter((part) => {
  const box = part.getBoundingClientRect();
  return box.width && !part.closest('.scroll, .drawing, .voice, pre') && box.right > innerWidth + 1;
}).map((part) => part.outerHTML.slice(0, 80))"""


@pytest.fixture(scope="module")
def service(shipped, tmp_path_factory) -> Iterator[Any]:
    """A state folder: one snapshot live, another a candidate, decisions of half an hour."""
    state = tmp_path_factory.mktemp("console") / "state"
    units = state.parent / "units.parquet"
    pq.write_table(shipped.table.slice(0, 64), units)
    ids = [build_snapshot(state, shipped.folder), build_snapshot(state, shipped.folder, units)]
    publish(state, ids[0], by="ann")
    publish(state, ids[1], channel="candidate", by="ann")
    write_explorer(state.parent / "explorer.parquet", explorer_units(900))
    keep_units(state, ids[0], state.parent)
    log = DecisionLog(state / "log", 0)
    write_decisions(log, CELLS, time.time())
    yield SimpleNamespace(state=state, ids=ids, log=log)
    log.close()


@pytest.fixture(scope="module")
def address(service) -> Iterator[str]:
    with served(console_of(service.state)) as url:
        yield url


@pytest.fixture(scope="module")
def chromium() -> Iterator[Chromium]:
    with Chromium() as browser:
        yield browser


def opened(chromium: Chromium, url: str, width: int = 1280, dark: bool = False) -> None:
    chromium.complaints, chromium.requests = [], []
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    chromium.call("Emulation.setEmulatedMedia", features=[scheme])
    chromium.resize(width)
    chromium.call("Page.navigate", url=url)
    chromium.wait(DRAWN)


def press(chromium: Chromium, key: str, code: int, text: str = "") -> None:
    for kind in ("keyDown", "keyUp"):
        more = {"text": text} if text and kind == "keyDown" else {}
        chromium.call(
            "Input.dispatchKeyEvent",
            type=kind,
            key=key,
            code=key,
            windowsVirtualKeyCode=code,
            **more,
        )


def asked(url: str, method: str = "GET", body: Any = None, **headers: str) -> Any:
    """A request as a program makes it: status, headers and text."""
    parts = urlsplit(url)
    there = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=10)
    sent = urlencode(body) if isinstance(body, dict) else body
    path = parts.path + (f"?{parts.query}" if parts.query else "")
    there.request(method, path, sent, {k.replace("_", "-"): v for k, v in headers.items()})
    answer = there.getresponse()
    text = answer.read().decode()
    there.close()
    return SimpleNamespace(status=answer.status, headers=answer.headers, text=text)


# ---- in a browser


@pytest.mark.parametrize("page", PAGES)
def test_every_page_is_whole_wide_and_narrow_light_and_dark(chromium, address, page):
    for width, dark in STATES if page in ("", "/explore") else STATES[::2]:
        opened(chromium, address + page, width, dark)
        assert not chromium.ask(WIDE)
        assert chromium.ask(CUT) == []
        assert chromium.ask("document.querySelectorAll('h1').length") == 1
        assert chromium.ask("document.querySelectorAll('nav a[aria-current]').length") == 1
        assert chromium.complaints == []
        outside = [url for url in chromium.requests if not url.startswith((address, "data:"))]
        assert outside == []


def test_the_overview_lives(chromium, address, service):
    opened(chromium, address)
    chromium.wait("document.getElementById('live').dataset.ready === 'true'")
    assert len(chromium.ask("document.querySelector('.boards').innerText")) > 100
    id = write_decisions(service.log, CELLS, time.time() + 1800, count=1, seed=3)
    chromium.wait("document.querySelector('#decisions tr.new') !== null")
    first = "document.querySelector('#decisions tbody tr').innerText"
    assert "user-0" in chromium.ask(first)
    chromium.ask("document.getElementById('pause').focus(), 0")
    press(chromium, "Enter", 13, "\r")
    assert chromium.ask("document.getElementById('beat').textContent") == "paused"
    assert len(id) == 1
    assert chromium.complaints == []


def test_a_promotion_and_a_rollback_by_keyboard(chromium, address, service):
    first, candidate = service.ids
    for action, target in (("promote", candidate), ("rollback", first)):
        opened(chromium, f"{address}/versions")
        form = f"form[action$={action}]"
        fold = f"document.querySelector('{form}').closest('details')"
        chromium.ask(f"{fold}.querySelector('summary').focus(), 0")
        press(chromium, "Enter", 13, "\r")
        press(chromium, "Tab", 9)
        words = chromium.ask("document.activeElement.textContent")
        assert target[:12] in words
        press(chromium, "Enter", 13, "\r")
        live = "document.querySelector('#state code')?.textContent"
        chromium.wait(f"{live} === '{target[:12]}'")
        assert Channels(service.state).live().snapshot == target
        assert "console" in chromium.ask("document.querySelector('main').innerText")
        assert chromium.complaints == []
    publish(service.state, candidate, channel="candidate", by="ann")


def test_the_kill_switch_is_pulled_and_released(chromium, address, service):
    for killed in (True, False):
        opened(chromium, address)
        chromium.ask("document.querySelector('form[action$=kill] button').click(), 0")
        said = "document.querySelector('#state')?.textContent.includes('killed')"
        chromium.wait(f"{said} === {str(killed).lower()}")
        assert Controls(service.state / "control").now.kill is killed


def test_the_explorer_asks_the_service(chromium, address):
    opened(chromium, f"{address}/explore", 400, True)
    ready = "document.querySelector('.explorer').dataset.ready === 'true'"
    chromium.wait(ready)
    said = "document.querySelector('.explorer .chosen').textContent"
    before = chromium.ask(said)
    assert "On all 900 people" in before
    chromium.ask("document.querySelector('.explorer input[data-name=budget]').focus(), 0")
    for _ in range(8):
        press(chromium, "ArrowLeft", 37)
    chromium.wait(f"{said} !== {json.dumps(before)}")
    chromium.ask("document.getElementById('plan').click(), 0")
    chromium.wait("document.getElementById('saved').textContent !== ''")
    chromium.ask("document.querySelector('.explorer .back').click(), 0")
    chromium.wait(f"{said} === {json.dumps(before)}")
    assert [line for line in chromium.complaints if "403" not in line] == []


# ---- over HTTP


def test_who_is_not_signed_in_sees_the_door(service):
    entry, secret = new_token(["read"])
    late, gone = new_token(["operate"], expires="2020-01-01")
    with served(console_of(service.state), Tokens([token_of(entry), token_of(late)])) as url:
        for page in PAGES:
            assert asked(url + page).headers["location"].startswith("/console/login")
        assert asked(f"{url}/events").status == 401
        assert asked(f"{url}/explore/point", "POST", "{}").status == 401
        assert asked(f"{url}/login", "POST", {"token": gone}).status == 401
        assert asked(f"{url}/login?to=watch", "POST", {"token": "eq_no"}).status == 401
        inside = asked(f"{url}/login?to=watch", "POST", {"token": secret})
        assert (inside.status, inside.headers["location"]) == (303, "/console/watch")
        cookie = inside.headers["set-cookie"]
        assert {"HttpOnly", "SameSite=strict", "Path=/console"} <= set(cookie.split("; "))
        mine = {"cookie": f"{COOKIE}={secret}"}
        page = asked(f"{url}/versions", **mine)
        assert page.status == 200
        assert "Promote" not in page.text  # read alone changes nothing
        number = form_number(SECRET, token_of(entry))
        refused = asked(f"{url}/kill", "POST", {"form": number, "on": "yes"}, **mine)
        assert (refused.status, "operate" in refused.text) == (403, True)
        assert (
            asked(f"{url}/logout", "POST", **mine).headers["set-cookie"].startswith(f'{COOKIE}=""')
        )


def test_a_change_comes_from_our_own_page(address, service):
    number = form_number(SECRET, Token(b"", frozenset()))
    host = urlsplit(address).netloc
    for form, origin in (("", ""), ("0" * 64, ""), (number, "http://evil.example")):
        headers = {"origin": origin} if origin else {}
        answer = asked(f"{address}/kill", "POST", {"form": form, "on": "yes"}, **headers)
        assert answer.status == 403
    assert not FolderConsole(service.state).status().killed
    own = {"form": number, "snapshot": "ab" * 32}
    answer = asked(f"{address}/promote", "POST", own, origin=f"http://{host}")
    assert (answer.status, "still be" in answer.text) == (422, True)


def test_a_name_of_others_that_leads_here_reads_nothing(address):
    for host in ("evil.example", "evil.example:8080", ""):
        assert asked(f"{address}/versions", host=host).status == 303
        assert asked(f"{address}/kill", "POST", {"on": "yes"}, host=host).status == 303
    assert asked(f"{address}/versions", host="localhost:8080").status == 200


def test_pages_allow_nothing_of_others(address):
    for page in (*PAGES, "/login"):
        answer = asked(address + page)
        policy = answer.headers["content-security-policy"]
        assert "unsafe" not in policy
        assert "default-src 'none'" in policy
        assert answer.headers["cache-control"] == "no-store"
        assert " style=" not in answer.text
        assert "onclick" not in answer.text
    assert asked(f"{address}/static/console.js").headers["cache-control"].startswith("public")
    assert asked(f"{address}/static/../data.py").status == 404


def test_what_is_asked_is_text_and_bounded(address):
    nasty = "<script>alert(1)</script>"
    page = asked(f"{address}/units?{urlencode({'unit': nasty})}")
    assert nasty not in page.text
    assert "&lt;script&gt;" in page.text
    assert asked(f"{address}/explore/point", "POST", "x" * 70_000).status == 413
    for body in ('{"bounds": {"budget": 1e999}}', "{", '{"bound": {}}', b"\xff{".decode("latin-1")):
        assert asked(f"{address}/explore/point", "POST", body.encode()).status in (400, 422)
    assert asked(f"{address}/explore/plan", "POST", "{}").status in (200, 422)


def test_events_are_what_the_page_shows(address):
    parts = urlsplit(f"{address}/events")
    there = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=10)
    there.request("GET", parts.path)
    stream = there.getresponse()
    assert stream.headers["content-type"].startswith("text/event-stream")
    lines = iter(stream.readline, b"")
    event = json.loads(next(line for line in lines if line.startswith(b"data: "))[6:])
    there.close()
    assert [card["label"] for card in event["cards"]][:2] == ["Decisions a minute", "Get an offer"]
    assert len(event["plots"]) == 2
    assert event["decisions"][0][1].startswith("user-")


# ---- the log


def test_the_tail_reads_each_byte_once_and_over_every_writer(tmp_path):
    logs = [DecisionLog(tmp_path, slot) for slot in (0, 1)]
    now = time.time()
    tail = LogTail(tmp_path)
    for log in logs:
        write_decisions(log, CELLS, now, count=30, seed=log.slot)
    live = tail.look(now)
    assert sum(sum(minute.cells.values()) for minute in live.minutes) == 60
    assert live.cells == list(CELLS)
    followed = dict(tail._followed)
    assert tail.look(now).decisions == live.decisions
    assert tail._followed == followed
    write_decisions(logs[0], CELLS, now, count=1)
    later = tail.look(now + 7200)
    assert sum(sum(minute.cells.values()) for minute in later.minutes) == 0  # an hour is kept
    assert len(later.decisions) == 61
    for log in logs:
        log.close()


def test_a_unit_s_history_holds_what_came_of_it(tmp_path: Path):
    log = DecisionLog(tmp_path / "log", 0)
    write_decisions(log, CELLS, time.time(), count=100)
    log.close()
    view = FolderConsole(tmp_path).unit("user-0")
    what = [line.what for line in view.lines]
    assert sum(word.startswith("got ") for word in what) == 2
    assert "reward visit" in what
    assert what == [line.what for line in sorted(view.lines, key=lambda line: -line.at)]
    assert FolderConsole(tmp_path).unit("nobody").lines == []


def test_a_damaged_snapshot_hides_no_other(tmp_path):
    for id in ("a" * 64, "b" * 64):
        (tmp_path / "snapshots" / id).mkdir(parents=True)
    (tmp_path / "snapshots" / ("a" * 64) / "manifest.json").write_text("x")
    versions = FolderConsole(tmp_path).versions()
    assert sorted((one.snapshot[0], one.version) for one in versions) == [
        ("a", "damaged"),
        ("b", "damaged"),
    ]


def test_what_the_monitors_wrote_is_shown(tmp_path: Path):
    of = {"monitor": "drift", "column": "age", "span": "day", "value": 0.3}
    report = Report(
        ns=NS,
        decisions=900,
        rewards=0,
        figures=[
            Figure(**of, p=1e-9, n=900, ns=NS),
            Figure(**{**of, "column": "b"}, p=1, n=9, ns=NS),
        ],
        alarms=[Alarm(**of, threshold=0.0, p=1e-8, since=NS, text="age has changed")],
        reference={"drift": 1.0},
    )
    console = FolderConsole(tmp_path)
    assert console.watched() is None
    (tmp_path / "monitors.json").write_bytes(msgspec.json.encode(report))
    watched = console.watched()
    assert watched is not None
    assert [row.alarm for row in watched.rows] == [True, False]
    assert (watched.alarms[0].text, watched.alarms[0].since) == ("age has changed", NS * 1e-9)
    (tmp_path / "monitors.json").write_text("{")
    assert console.watched() is None


def test_a_unit_that_was_forgotten_has_no_history_whichever_worker_was_told(
    tmp_path: Path, chromium
):
    """The tombstone is in an older file of another worker, beyond the newest ones."""
    logs = [DecisionLog(tmp_path / "log", slot) for slot in (0, 1)]
    for _ in range(7):
        write_decisions(logs[1], CELLS, time.time(), count=1)
        logs[1].roll()
    assert len(FolderConsole(tmp_path).unit("user-0").lines) >= 7
    logs[0].append(ErasedRecord("user-0", time.time_ns()))
    lines = FolderConsole(tmp_path).unit("user-0").lines
    assert [line.what for line in lines] == ["erased"]
    write_decisions(logs[1], CELLS, time.time() + 3600, count=1)
    with served(FolderConsole(tmp_path)) as url:
        opened(chromium, f"{url}/units?unit=user-0")
        table = chromium.ask("document.querySelector('main').innerText")
    assert table.count("got ") == 1
    assert "it asked to be forgotten" in table
    for log in logs:
        log.close()
