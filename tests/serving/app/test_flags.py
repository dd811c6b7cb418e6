"""OpenFeature's remote protocol, read by the public provider of its SDK."""

from __future__ import annotations

import pytest
from openfeature import api
from openfeature.contrib.provider.ofrep import OFREPProvider
from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import ErrorCode
from serving.app.test_routes import ask

from equipoise.serving.app.flags import REASONS, evaluation, request_of
from equipoise.serving.app.flags import EvaluationRequest as RequestInHand
from equipoise.serving.messages import DecideAnswer
from equipoise.serving.reasons import REASONS as CODES

ANSWER = DecideAnswer(
    decision="0" * 32,
    unit="u",
    candidate="5 USD",
    probability=0.5,
    reason="lot",
    text="",
    scores={},
    weights={},
    prices={},
    snapshot="s",
    policy="p",
    logged=True,
    amount=5.0,
)


@pytest.fixture(scope="module")
def flags(service):
    """A client of the SDK."""
    provider = OFREPProvider(
        service.url, headers_factory=lambda: {"authorization": f"Bearer {service.token}"}
    )
    api.set_provider_and_wait(provider, domain="equipoise")
    yield api.get_client(domain="equipoise")
    provider.session.close()
    api.clear_providers()


def of(unit: str, **attributes) -> EvaluationContext:
    """The context of a unit."""
    return EvaluationContext(targeting_key=unit, attributes=attributes)


def test_the_provider_reads_candidate_reason_and_decision(flags, http):
    details = flags.get_string_details("shop", "none", of("0000003"))
    status = http.get(f"/decisions/{details.flag_metadata['decision']}").json()
    assert details.value == details.variant == status["answer"]["candidate"]
    assert details.reason == "TARGETING_MATCH"
    assert details.flag_metadata["probability"] == 1.0
    assert status["answer"]["unit"] == "0000003"
    whole = flags.get_object_details("shop.decision", {}, of("0000003")).value
    assert whole == {"candidate": details.value, "probability": 1.0, "reason": "best_score"}


def test_an_unknown_unit_has_the_default_with_its_reason(flags):
    details = flags.get_string_details("shop", "none", of("who knows"))
    assert (details.value, details.reason) == ("0", "DEFAULT")


@pytest.mark.parametrize(
    ("flag", "context", "code"),
    [
        ("sohp", of("0000003"), ErrorCode.FLAG_NOT_FOUND),
        ("shop.amount", of("0000003"), ErrorCode.FLAG_NOT_FOUND),
        ("shop", EvaluationContext(), ErrorCode.TARGETING_KEY_MISSING),
        ("shop", of("somebody", age=3), ErrorCode.INVALID_CONTEXT),
    ],
)
def test_errors_have_the_codes_of_the_protocol(flags, flag, context, code):
    details = flags.get_string_details(flag, "none", context)
    assert (details.value, details.error_code) == ("none", code)


def test_an_amount_that_is_none_decides_nothing(http):
    context = {"targetingKey": "nobody has asked for me"}
    said = http.post("/ofrep/v1/evaluate/flags/shop.amount", json={"context": context})
    assert (said.status_code, said.json()["errorCode"]) == (404, "FLAG_NOT_FOUND")
    assert http.get("/units/nobody%20has%20asked%20for%20me").json()["decisions"] == []


def test_all_flags_by_one_decision(http):
    found = ask(http, "/ofrep/v1/evaluate/flags", {"context": {"targetingKey": "0000003"}})
    assert [flag["key"] for flag in found["flags"]] == ["shop", "shop.decision"]
    assert len({flag["metadata"]["decision"] for flag in found["flags"]}) == 1
    failed = ask(http, "/ofrep/v1/evaluate/flags", {"context": {"targetingKey": ""}}, 400)
    assert "got an empty one" in failed["errorDetails"]
    failed = ask(http, "/ofrep/v1/evaluate/flags", b"{", 400)
    assert failed["errorCode"] == "PARSE_ERROR"
    settings = http.get("/ofrep/v1/configuration").json()
    assert settings["capabilities"]["cacheInvalidation"]["polling"]["enabled"] is False


def test_every_reason_has_one_of_openfeature():
    assert set(REASONS) == set(CODES)


def test_an_amount_is_a_number_and_in_the_object():
    assert evaluation("p.amount", "p", ANSWER).value == 5.0
    assert evaluation("p.decision", "p", ANSWER).value["amount"] == 5.0
    assert evaluation("p", "p", ANSWER).reason == "SPLIT"


def test_a_context_becomes_features():
    asked = request_of(
        RequestInHand({"targetingKey": "u", "n": 3, "s": "a", "l": [1], "b": True, "z": None})
    )
    assert asked.features == {"n": 3.0, "s": "a", "b": True, "z": None}
    assert request_of(RequestInHand({"targetingKey": "u", "l": [1]})).features is None


def test_a_number_beyond_float64_is_no_error_of_ours(http):
    body = b'{"context":{"targetingKey":"0000003","age":%b}}' % (b"9" * 400)
    for path in ("/ofrep/v1/evaluate/flags", "/ofrep/v1/evaluate/flags/shop"):
        failed = ask(http, path, body, 400)
        assert failed["errorCode"] == "PARSE_ERROR"
        assert "age must be a number within float64" in failed["errorDetails"]
