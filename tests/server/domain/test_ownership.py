"""How many rooms an account owns for good."""

from __future__ import annotations

from chat_server.domain.moderation import Policy
from chat_server.domain.ownership import Ownership
from chat_server.domain.rights import Rank


def owned(*uids: str) -> Policy:
    """The policy of a room that these accounts own."""
    policy = Policy()
    for uid in uids:
        policy.appoint(uid, uid, Rank.OWNER, registered=True)
    return policy


def test_who_owns_enough_owns_the_next_as_a_guest() -> None:
    """Others are not concerned, and what is owned already stays so, however often it is settled."""
    ownership, rooms = Ownership(2), [owned("u1"), owned("u1"), owned("u1", "u2")]
    for _ in range(2):
        for number, policy in enumerate(rooms):
            ownership.settle(f"r{number}", policy)
    assert [sorted(policy.lasting_owners) for policy in rooms] == [["u1"], ["u1"], ["u2"]]
    assert rooms[2].rank("u1") is Rank.OWNER
    assert not rooms[0].forgettable
    third = owned("u1")
    ownership.settle("r3", third)
    assert third.forgettable


def test_what_is_given_up_makes_place() -> None:
    """The room may be given to somebody else, or end."""
    ownership, policy = Ownership(1), owned("u1")
    ownership.settle("r0", policy)
    policy.dismiss("u1", {})
    ownership.settle("r0", policy)
    ownership.settle("r1", again := owned("u1"))
    assert again.lasting_owners == {"u1"}
    ownership.settle("r1", Policy())
    ownership.settle("r2", last := owned("u1"))
    assert last.lasting_owners == {"u1"}


def test_what_an_earlier_run_has_left_is_counted_and_stays() -> None:
    """Even if it is more than may be owned now."""
    ownership, rooms = Ownership(1), [owned("u1"), owned("u1")]
    for number, policy in enumerate(rooms):
        ownership.count(f"r{number}", policy)
    for number, policy in enumerate(rooms):
        ownership.settle(f"r{number}", policy)
    assert all(policy.lasting_owners for policy in rooms)
    ownership.settle("r2", late := owned("u1"))
    assert late.forgettable


def test_without_a_bound_all_is_for_good() -> None:
    """As in tests."""
    ownership = Ownership(None)
    for number in range(100):
        ownership.settle(f"r{number}", policy := owned("u1"))
        assert policy.lasting_owners == {"u1"}
