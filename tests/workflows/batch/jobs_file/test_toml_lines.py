from __future__ import annotations

import tomllib

from rnnforecast.workflows.batch.jobs_file.errors import line_of, locate_keys

TEXT = '''# a comment with [brackets] = "and signs"
store = "x"  # store = 3

[defaults]
horizon = 7
quantiles = [
  0.1,  # low ]
  0.9,
]
note = """
[[job]]
name = "not a key"
"""

[[job]]
name = "a # no comment"
"data" = 'c:\\[x]'
target.inner = 1

[[job]]
  name = "b"
  data = ["x", "]",
    "y"]
'''


def test_every_key_is_found_at_its_line() -> None:
    lines = locate_keys(TEXT)
    assert lines == {
        ("store",): 2,
        ("defaults",): 4,
        ("defaults", "horizon"): 5,
        ("defaults", "quantiles"): 6,
        ("defaults", "note"): 10,
        ("job", 0): 15,
        ("job", 0, "name"): 16,
        ("job", 0, "data"): 17,
        ("job", 0, "target", "inner"): 18,
        ("job", 1): 20,
        ("job", 1, "name"): 21,
        ("job", 1, "data"): 22,
    }


def test_the_keys_are_those_of_tomllib() -> None:
    document = tomllib.loads(TEXT)
    lines = locate_keys(TEXT)
    assert all(("job", number, key) in lines for number in (0, 1) for key in ("name", "data"))
    assert all(("defaults", key) in lines for key in document["defaults"])


def test_a_key_without_a_line_has_that_of_its_table() -> None:
    lines = locate_keys(TEXT)
    assert line_of(lines, ("job", 1, "output")) == 20
    assert line_of(lines, ("nowhere",)) == 1


def test_windows_line_ends_do_not_shift_lines() -> None:
    assert locate_keys("a = 1\r\n\r\n[t]\r\nb = 2\r\n") == {("a",): 1, ("t",): 3, ("t", "b"): 4}


def test_a_file_without_a_last_line_end_is_read_to_its_end() -> None:
    assert locate_keys("a = [1,\n2]") == {("a",): 1}
