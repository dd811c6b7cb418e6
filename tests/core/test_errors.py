import pickle

import pytest

from equipoise.core import errors
from equipoise.core.errors import EquipoiseError, InputError


def test_the_grammar():
    error = InputError("column 'cost'", "be >= 0", -1.5, "row 7", "mend or drop the row")
    assert str(error) == "column 'cost' must be >= 0; got -1.5 at row 7; mend or drop the row"
    assert str(InputError("budget", "be a number", "x")) == "budget must be a number; got x"


def every_error():
    return [
        thing
        for thing in vars(errors).values()
        if isinstance(thing, type) and issubclass(thing, EquipoiseError)
    ]


@pytest.mark.parametrize("kind", every_error())
def test_every_error_is_one_tree_and_travels_between_processes(kind):
    error = kind("a", "b", 3, "row 4", "do that")
    again = pickle.loads(pickle.dumps(error))
    assert str(again) == str(error)
    assert again.exit_code == 2
    assert issubclass(kind, EquipoiseError)


def test_the_tree_in_the_docstring_is_the_tree():
    assert errors.__doc__ is not None
    for kind in every_error():
        assert kind.__name__ in errors.__doc__


def test_a_message_can_be_read_and_printed():
    error = InputError("label 'a'", "be one of the arms", "x" * 5000, "row 1", "say \ud800 or \0")
    text = str(error)
    assert len(text) < 1200
    assert "x ... x" in text
    assert text.endswith("at row 1; say \\ud800 or \\x00")
    text.encode()
