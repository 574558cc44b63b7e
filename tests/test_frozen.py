"""Frozen dataclasses behave as those of the standard library."""

from __future__ import annotations

import copy
import dataclasses
from dataclasses import FrozenInstanceError, field
from functools import cached_property

import pytest

from rnnforecast.frozen import dataclass


@dataclass(frozen=True)
class Ours:
    """One."""

    name: str
    secret: str = field(default="hidden", repr=False)
    seen: list[str] = field(default_factory=list, compare=False)

    @cached_property
    def length(self) -> int:
        """Kept in the instance."""
        return len(self.name)


@dataclass(frozen=True)
class Longer(Ours):
    """Two."""

    size: int = 1

    def __hash__(self) -> int:
        return self.size


@dataclasses.dataclass(frozen=True)
class Standard:
    """The same with the standard decorator."""

    name: str
    secret: str = field(default="hidden", repr=False)
    seen: list[str] = field(default_factory=list, compare=False)


def test_equality_hash_and_text_are_those_of_the_standard_decorator() -> None:
    for kind in (Ours, Standard):
        one, same, other = kind("a", seen=["x"]), kind("a"), kind("b")
        assert one == same != other
        assert len({one, same, other}) == 2
        assert repr(one) == f"{kind.__name__}(name='a', seen=['x'])"
    assert Ours("a") != Longer("a")
    assert hash(Longer("a", size=7)) == 7


def test_fields_are_set_once() -> None:
    one = Longer("abc", size=2)
    assert one.length == 3
    with pytest.raises(FrozenInstanceError, match="cannot assign to field 'size'"):
        one.size = 3  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError, match="cannot delete field 'size'"):
        del one.size
    assert dataclasses.replace(one, size=4).size == 4
    assert dataclasses.asdict(one) == {"name": "abc", "secret": "hidden", "seen": [], "size": 2}
    assert copy.deepcopy(one) == one
