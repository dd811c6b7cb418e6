"""Menus: files, mappings, rows without names, and what is wrong with them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from equipoise.core.errors import DataError, SpaceError
from equipoise.treatments import Strategy, read_menu
from equipoise.treatments.menu import menu_of, menu_text, own_name, places

HEAD = "name,total,count,interval"


def written(folder, text, **how):
    path = folder / "menu.csv"
    path.write_text(text, **how)
    return path


def test_a_file_with_and_without_waves(tmp_path):
    short = read_menu(written(tmp_path, f"{HEAD}\nbase, 0.2,2,4\n\nmore,1.2,4,3\n"))
    assert short == {"base": Strategy(0.2, 2, 4.0), "more": Strategy(1.2, 4, 3.0)}
    text = "total,name,count,interval,ic,is,ac,as\n1.2,late,4,3,0,0.1,0.4,-0.6\n"
    late = read_menu(written(tmp_path, text, encoding="utf-8-sig"))
    assert late == {"late": Strategy(1.2, 4, 3.0, (-0.6, 0.4), (0.1, 0.0))}
    assert read_menu(written(tmp_path, menu_text(short | late))) == short | late


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "have the first line name,total,count,interval or .*; got nothing"),
        ("name,total,count\nbase,1,2\n", "have the first line .*; got name,total,count"),
        (HEAD + ",note\nbase,1,2,3,x\n", "got name,total,count,interval,note"),
        (HEAD + "\n", "hold schedules; got none"),
        (HEAD + "\nbase,1,2\n", "have 4 entries; got base,1,2 at .*schedule 1"),
        (HEAD + "\nbase,1,two,3\n", "'count' of schedule 'base' must be a number; got 'two'"),
        (HEAD + "\nbase,1,2,3\nlong,1,6,4\n", "by 24 o'clock; got 28 o'clock at schedule 'long'"),
        (HEAD + "\nbase,1,2,3\nnone,1,0,4\n", "count must be a whole .*; got 0.0 at sch.* 'none'"),
        (HEAD + "\nbase,1,2,3\nbase,2,2,3\n", "a name of its own; got 'base'"),
        (HEAD + "\nbase,1,2,3\n,2,2,3\n", "got ''"),
        (HEAD + "\na,1,2,3\nb,2,2,3\nc,1,2,3\n", "be different; got the same as 'a' and 'c'"),
    ],
)
def test_files_that_are_no_menu(tmp_path, text, message):
    with pytest.raises(SpaceError, match=message):
        read_menu(written(tmp_path, text))


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(DataError, match="a menu must be a file of text"):
        read_menu(tmp_path / "none.csv")


def test_mappings_and_rows():
    named = menu_of({"base": Strategy(0.2, 2, 4.0), 7: (1.2, 4, 3)})
    assert list(named) == ["base", "7"]
    assert menu_of([("base", 0.2, 2, 4), ["7", 1.2, 4, 3]]) == named
    rows = menu_of(np.array([[0.2, 2, 4], [1.2, 1, 3]]))
    assert list(rows) == ["0.2 in 2 every 4 h", "1.2 in 1"]
    late = (1.2, 4, 3, -0.6, 0.4, 0, 0)
    assert own_name(np.array(late), "yuan") == ("1.2 yuan in 4 every 3 h, amounts -0.6 sin 0.4 cos")
    for menu, message in (([], "hold schedules"), (5, "hold schedules"), ({}, "hold schedules")):
        with pytest.raises(SpaceError, match=message):
            menu_of(menu)
    with pytest.raises(SpaceError, match="schedule 1 of the menu"):
        menu_of([(0.2, 2, 4), (0.2, 20, 4)])
    with pytest.raises(SpaceError, match="o'clock at schedule 'long'"):
        menu_of({"base": (0.2, 2, 4), "long": (1, 3, 4)}, (8, 15))


@settings(max_examples=30)
@given(st.lists(st.tuples(st.integers(1, 3), st.integers(1, 2), st.integers(0, 1)), max_size=12))
def test_places_are_those_of_a_loop(rows):
    known = np.array([[1, 1, 0], [2, 1, 1], [1, 2, 0], [2, 1, 1]], float)
    values = np.array(rows, float).reshape(-1, 3)
    brute = [next((s for s, k in enumerate(known) if (k == v).all()), -1) for v in values]
    assert places(values, known).tolist() == brute


def test_numbers_of_32_bits_are_those_of_the_menu():
    known = np.array([[0.1, 0.0], [0.3, -0.7], [0.30001, -0.7]])
    assert places(known.astype(np.float32).astype(float), known).tolist() == [0, 1, 2]
    assert places(known + 1e-5, known).tolist()[:2] == [-1, -1]
    assert places(np.full((1, 2), np.nan), known).tolist() == [-1]
