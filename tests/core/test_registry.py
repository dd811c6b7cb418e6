import json

import pytest

from equipoise.core.errors import InputError
from equipoise.core.registry import Registry

CODECS = Registry("codec", {"json": "json:dumps", "decoder": "json.decoder:JSONDecoder"})


def test_loads_by_name_and_names_what_it_loaded():
    assert CODECS.load("json") is json.dumps
    assert CODECS.find(json.JSONDecoder) == "decoder"
    assert list(CODECS) == ["json", "decoder"]
    assert "json" in CODECS
    assert len(CODECS) == 2


def test_an_unknown_name_suggests_the_nearest():
    with pytest.raises(InputError, match="did you mean 'json'"):
        CODECS.load("jsn")
    with pytest.raises(InputError, match="known: json, decoder"):
        CODECS.load("xml")
    assert CODECS.find(dict) is None
