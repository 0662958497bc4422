"""Which numbers a page of history has, and how it is cut to a size; the same for every journal."""

from __future__ import annotations

from collections.abc import Iterable

from chat_server.journal.base import Found, Page, Position


def span(position: Position, after: int | None, before: int | None, limit: int) -> tuple[int, int]:
    """The numbers of a page as a half-open range within what there is."""
    if after is not None:
        first = max(after + 1, position.oldest)
        return first, max(first, min(first + limit, position.head + 1))
    end = position.head + 1 if before is None else max(1, min(before, position.head + 1))
    end = max(end, position.oldest)
    return max(position.oldest, end - limit), end


def cut(
    bodies: list[bytes], position: Position, first: int, end: int, size: int, *, forward: bool
) -> Page:
    """Cut the page to `size` bytes on the far side of the reader, and say whether there is more."""
    chosen = within(bodies if forward else reversed(bodies), size)
    if forward:
        return Page(chosen, first + len(chosen) <= position.head, position)
    return Page(chosen[::-1], end - len(chosen) > position.oldest, position)


def within(bodies: Iterable[bytes], size: int) -> list[bytes]:
    """The first bodies that have `size` bytes together, at least one."""
    chosen: list[bytes] = []
    for body in bodies:
        size -= len(body)
        if size < 0 and chosen:
            break
        chosen.append(body)
    return chosen


def newest(bodies: Iterable[bytes], limit: int, size: int) -> Found:
    """The first `limit` of what comes newest first, within `size` bytes, turned round."""
    chosen: list[bytes] = []
    for body in bodies:
        size -= len(body)
        if len(chosen) == limit or (size < 0 and chosen):
            return Found(chosen[::-1], more=True)
        chosen.append(body)
    return Found(chosen[::-1], more=False)
