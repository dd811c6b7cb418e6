"""The console of a running service: signed in by a token, it sets what every worker obeys."""

from __future__ import annotations

import re

import httpx
from serving.app.test_routes import ask
from serving.conftest import until


def test_the_console_of_a_service(service, http):
    secret = http.headers["authorization"].partition(" ")[2]
    with httpx.Client(base_url=str(http.base_url), follow_redirects=True) as person:
        assert "Sign in" in person.get("/console").text
        inside = person.post("/console/login", data={"token": secret})
        assert inside.url.path == "/console"
        ask(http, "/decide", {"unit": "0000004"})
        for page in ("", "/versions", "/watch", "/explore", "/units?unit=0000004"):
            answer = person.get(f"/console{page}")
            assert (answer.status_code, "Traceback" in answer.text) == (200, False)
        assert "got " in answer.text
        assert "stored with the snapshot" in answer.text
        number = re.search(r'name="form" value="(\w+)"', inside.text)[1]
        for on, reason in (("yes", True), ("no", False)):
            person.post("/console/kill", data={"form": number, "on": on})
            status = person.get("/console").text
            assert ("killed: everybody gets control" in status) is reason
        assert person.post("/console/kill", data={"form": "0", "on": "yes"}).status_code == 403
        assert "kill off" in person.get("/console/versions").text
        until(lambda: not http.get("/policy").json()["killed"])  # workers look four times a second
    last = http.get("/admin/audit").json()[0]
    assert (last["what"], last["by"].startswith("console")) == ("kill", True)
