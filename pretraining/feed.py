"""Batches of a run by their numbers, made in order by other processes ahead of time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from torch.utils.data import DataLoader, Dataset

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

Batch = TypeVar("Batch")


class _Numbered(Dataset[Batch]):
    def __init__(self, make: Callable[[int], Batch]) -> None:
        self.make = make

    def __getitem__(self, number: int) -> Batch:
        return self.make(number)


def _unchanged(batch: Any) -> Any:
    return batch


def feed(
    make: Callable[[int], Batch], numbers: Iterable[int], *, num_workers: int = 0, pinned: bool = False
) -> Iterator[Batch]:
    """Yield `make(number)` for these numbers in order; `make` is a function that other processes can import.

    With no worker each batch is made here, when it is asked for. Batches are `pinned` by their method `pin_memory`.
    """
    loader: DataLoader[Batch] = DataLoader(
        _Numbered(make),
        batch_size=None,
        sampler=numbers,
        num_workers=num_workers,
        collate_fn=_unchanged,
        pin_memory=pinned,
        multiprocessing_context="spawn" if num_workers else None,
        prefetch_factor=4 if num_workers else None,
    )
    return iter(loader)
