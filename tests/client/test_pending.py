"""What was typed and is not acknowledged, as a user sees it."""

from __future__ import annotations

from chat_client.pending import SHOWN, Pending, text_of
from chat_schema import events, requests
from chat_schema.names import User

ME = User(uid="u1", nick="alice")


def say(text: str) -> requests.Broadcast:
    """A message whose cid is the beginning of its text."""
    return requests.Broadcast(room="dev", text=text, cid=text[:8].replace("\n", " "))


def test_what_waits_is_a_line_until_it_is_settled() -> None:
    """By its event, or by its answer."""
    pending = Pending()
    for request in (say("a"), requests.Whisper(to="bob", text="b", cid="b"), requests.Rooms()):
        pending.add(request)
    assert pending.lines(80) == ["… a", "… [to bob] b"]
    event = events.Broadcast(room="dev", seq=1, ts="", user=ME, text="a", cid="a")
    assert pending.arrived(event)
    assert not pending.arrived(event)
    pending.settle(requests.Whisper(to="bob", text="b", cid="b"))
    pending.settle(requests.Rooms())
    assert pending.lines(80) == []


def test_lines_are_escaped_and_cut_and_not_too_many() -> None:
    """A paste does not push away what is read."""
    pending = Pending()
    for number in range(SHOWN + 2):
        pending.add(say(f"{number} \u202e {'x' * 100}\nmore"))
    lines = pending.lines(40)
    assert len(lines) == SHOWN + 1
    assert lines[-1] == "… and 2 more"
    assert lines[0].startswith("… 0 \\u202e xx")
    assert all(len(line) < 40 for line in lines)


def test_a_text_is_given_back_so_that_it_can_be_typed_again() -> None:
    """All its lines; a whisper with its command; anything else is no text."""
    assert text_of(say("a\nb")) == ["   a", "   b"]
    whisper = requests.Whisper(to="bob", text="b", cid="b")
    assert text_of(whisper) == ["   /whisper bob b"]
    assert text_of(requests.Rooms()) == []
