"""Cuts, replays, repeats and gaps in any order: a view is gapless, and everything is said once."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from chat_schema import requests
from tests.support.client_model import ModelServer

STEPS = st.one_of(
    st.tuples(st.sampled_from(["ask", "strand"]), st.just(0)),
    st.tuples(st.sampled_from(["hear", "lost", "cut", "forget", "connect"]), st.just(0)),
    st.tuples(st.sampled_from(["serve", "deliver"]), st.integers(1, 4)),
    st.tuples(st.just("repeat"), st.integers(0, 5)),
)


def play(server: ModelServer, steps: list[tuple[str, int]]) -> None:
    """Let these things happen, one after the other."""
    for number, (step, count) in enumerate(steps):
        match step:
            case "ask":
                server.ask(f"mine {number}")
            case "strand":  # kept, and the author does not learn of it
                server.ask(f"mine {number}")
                server.serve(9)
                server.cut(forget=True)
            case "hear" | "lost":
                server.hear(lost=step == "lost")
            case "cut" | "forget":
                server.cut(forget=step == "forget")
            case "connect":
                server.connect()
            case "serve":
                server.serve(count)
            case "deliver":
                server.deliver(count)
            case "repeat":
                server.repeat(count)


@settings(max_examples=300, deadline=None)
@given(st.lists(STEPS, max_size=60), st.integers(0, 4))
def test_a_view_is_gapless_and_everything_is_said_once(
    steps: list[tuple[str, int]], replayed: int
) -> None:
    """Property: the view gets exactly 1 to n, each message is kept once and acknowledged once."""
    server = ModelServer(replayed)
    server.connect()
    server.session.ask(requests.Join(room="dev"))
    server.settle()
    play(server, steps)
    server.settle()
    server.hear()  # so that the client learns of what was lost on its way before
    server.settle()
    texts = [each["text"] for each in server.journal]
    assert server.seen == list(range(1, len(texts) + 1))
    assert server.missing == 0
    assert server.outcomes == {text: [texts.index(text) + 1] for text in server.outcomes}
    assert all(texts.count(text) == 1 for text in server.outcomes)
    assert server.session.waiting == 0
