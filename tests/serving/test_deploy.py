"""Files of operations against the code: every metric they name is one that the service tells, every
file that they mount is there, every setting is known.
"""

from __future__ import annotations

import configparser
import json
import re
from pathlib import Path

import pytest
import yaml

from equipoise.serving.app.prometheus import HELP
from equipoise.serving.config import read_config
from equipoise.serving.reasons import REASONS

DEPLOY = Path(__file__).parents[2] / "deploy"
METRIC = re.compile(r"equipoise_[a-z_]+")
HISTOGRAMS = {name for name in HELP if name.endswith("_seconds")}


def known(name: str) -> bool:
    """Whether the service tells a series of this name."""
    return name in HELP or any(name == f"{one}_bucket" for one in HISTOGRAMS)


def dashboard():
    return json.loads((DEPLOY / "grafana" / "equipoise.json").read_text(encoding="utf-8"))


def expressions() -> list[str]:
    """Of the dashboard and of the alerts."""
    rules = yaml.safe_load((DEPLOY / "alerts.yml").read_text(encoding="utf-8"))
    alerts = [rule["expr"] for group in rules["groups"] for rule in group["rules"]]
    return alerts + [t["expr"] for panel in dashboard()["panels"] for t in panel["targets"]]


def test_every_metric_is_one_that_the_service_tells():
    named = {name for text in expressions() for name in METRIC.findall(text)}
    assert len(named) > 15
    assert [name for name in sorted(named) if not known(name)] == []


def test_a_metric_that_is_gone_would_be_noticed():
    assert not known("equipoise_budget_gone")
    assert not known("equipoise_decisions_total_bucket")


def test_every_reason_that_alerts_name_is_one():
    named = re.findall(r'reason="(\w+)"', " ".join(expressions()))
    assert named
    assert set(named) <= set(REASONS)


def test_panels_do_not_lie_over_each_other():
    taken: set[tuple[int, int]] = set()
    for panel in dashboard()["panels"]:
        at = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert at["x"] + at["w"] <= 24
        assert not cells & taken, panel["title"]
        taken |= cells


def test_compose_mounts_what_is_there():
    compose = yaml.safe_load((DEPLOY / "compose.yml").read_text(encoding="utf-8"))
    assert set(compose["services"]) == {"equipoise", "redis", "prometheus", "grafana"}
    made_by_users = {"./run"}
    for service in compose["services"].values():
        assert set(service.get("secrets", [])) <= set(compose["secrets"])
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            if source.startswith("."):
                assert source in made_by_users or (DEPLOY / source).is_file(), volume
            else:
                assert source in compose["volumes"]
    assert (DEPLOY.parent / compose["services"]["equipoise"]["build"]["dockerfile"]).is_file()


def test_prometheus_asks_the_service():
    config = yaml.safe_load((DEPLOY / "prometheus.yml").read_text(encoding="utf-8"))
    compose = yaml.safe_load((DEPLOY / "compose.yml").read_text(encoding="utf-8"))
    settings = read_config(DEPLOY / "serve.toml")
    (job,) = config["scrape_configs"]
    assert job["static_configs"] == [{"targets": [f"equipoise:{settings.port}"]}]
    assert compose["services"]["equipoise"]["ports"] == [f"{settings.port}:{settings.port}"]
    assert all((DEPLOY / name).is_file() for name in config["rule_files"])


class UnitFile(configparser.RawConfigParser):
    """With keys that may come twice, in their own letters."""

    def optionxform(self, optionstr: str) -> str:
        return optionstr


@pytest.fixture(scope="module")
def unit():
    parser = UnitFile(strict=False)
    parser.read(DEPLOY / "equipoise.service", encoding="utf-8")
    return parser


def test_the_unit_gives_the_service_no_rights_it_does_not_need(unit):
    service = unit["Service"]
    for key in ("DynamicUser", "NoNewPrivileges", "PrivateTmp", "ProtectHome"):
        assert service[key] == "yes"
    assert service["ProtectSystem"] == "strict"
    assert service["StateDirectory"] == "equipoise"
    assert service["CapabilityBoundingSet"] == ""


def test_the_unit_starts_a_verb_that_there_is(unit, equipoise_help):
    words = unit["Service"]["ExecStart"].split()
    assert words[:2] == ["/opt/equipoise/bin/equipoise", "serve"]
    for option in (word for word in words if word.startswith("--")):
        assert option in equipoise_help
    assert "HUP" in unit["Service"]["ExecReload"]


@pytest.fixture(scope="module")
def equipoise_help():
    serve = pytest.importorskip("equipoise.cli.serve")
    return " ".join(re.findall(r"--[a-z-]+", Path(serve.__file__).read_text(encoding="utf-8")))
