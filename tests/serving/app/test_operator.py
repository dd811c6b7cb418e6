"""What an operator does over HTTP, and what stands in the audit and in the counters."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families
from serving.app.test_routes import ask, wrong
from serving.conftest import until


def test_the_kill_switch_and_back(http):
    assert ask(http, "/admin/kill", {"on": True})["kill"] is True
    answer = ask(http, "/decide", {"unit": "0000001"})
    assert (answer["candidate"], answer["reason"]) == ("0", "killed")
    assert ask(http, "/admin/kill", {"on": False})["kill"] is False
    assert ask(http, "/decide", {"unit": "0000001"})["reason"] != "killed"
    last = http.get("/admin/audit").json()[0]
    assert (last["what"], last["about"]) == ("kill", {"on": False})
    assert len(last["by"]) == 8


def test_an_override_and_back(http):
    unit = "0000002"
    ask(http, "/admin/override", {"unit": unit, "candidate": "1"})
    answer = ask(http, "/decide", {"unit": unit})
    assert (answer["candidate"], answer["reason"], answer["probability"]) == ("1", "override", 1.0)
    assert http.get(f"/units/{unit}").json()["override"] == "1"
    assert unit not in http.get("/admin/audit").text
    ask(http, "/admin/override", {"unit": unit, "candidate": None})
    assert ask(http, "/decide", {"unit": unit})["reason"] != "override"
    assert "control or a candidate" in wrong(
        http, "/admin/override", {"unit": unit, "candidate": "7"}, 422
    )


def test_prices_and_shares_change_at_once(http):
    before = http.get("/policy").json()
    name = next(iter(before["prices"]))
    ask(http, "/admin/prices", {"prices": {name: 1000.0}, "shares": {"holdout": 0.25}})
    now = http.get("/policy").json()
    assert (now["prices"][name], now["holdout"]) == (1000.0, 0.25)
    ask(http, "/admin/prices", {"prices": None, "shares": {"holdout": 0.0}})
    assert http.get("/policy").json() == before
    assert "name prices or shares" in wrong(http, "/admin/prices", {}, 422)
    wrong(http, "/admin/prices", {"prices": {name: 5.0}, "shares": {"holdout": 2}}, 422)
    assert http.get("/policy").json() == before
    assert "name a demand" in wrong(http, "/admin/prices", {"prices": {"x": 1}}, 422)


def test_what_cannot_be_published_is_told(http):
    live = http.get("/policy").json()["snapshot"]
    assert "begin with it" in wrong(http, "/admin/publish", {"snapshot": "zz"}, 422)
    assert "another than the one that is live" in wrong(
        http, "/admin/publish", {"snapshot": live}, 422
    )
    wrong(http, "/admin/rollback", {}, 422)


def test_counters_count(http):
    def page():
        families = text_string_to_metric_families(http.get("/metrics").text)
        return {(s.name, *sorted(s.labels.items())): s.value for f in families for s in f.samples}

    before, synced = page(), ("equipoise_log_sync_seconds_count",)
    ask(http, "/decide/batch", {"units": [{"unit": "who knows"}] * 5})
    ask(http, "/decide", {"unit": "0000001", "dry_run": True})
    ask(http, "/decide", {"unit": 1}, 422)
    until(lambda: page().get(synced, 0) > before.get(synced, 0))
    after = page()

    def more(name, **labels):
        key = (name, *sorted(labels.items()))
        return after[key] - before.get(key, 0)

    decided = {"policy": "shop", "candidate": "0", "reason": "unknown_unit"}
    assert more("equipoise_decisions_total", **decided) == 5
    assert more("equipoise_http_requests_total", route="/decide", status="422") == 1
    assert more("equipoise_decision_duration_seconds_count") == 5
    assert more("equipoise_store_reads_total", found="no") == 5
    assert more("equipoise_store_reads_total", found="yes") == 1
    assert after["equipoise_workers",] >= 1
