"""Who looks after a room, and whom it lets in and lets speak."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat_schema import limits
from chat_schema.errors import Refused
from chat_schema.moderation_events import Settings
from chat_server.domain import moderation
from chat_server.domain.accounts import Account
from chat_server.domain.moderation import Applicant, Mode, Policy, Sanction, Secret
from chat_server.domain.people import Person
from chat_server.domain.rights import Rank

NOW = 1_000_000.0
HOME = "192.0.2.1"
GUEST = Applicant("ug", "guest", None, HOME)
MEMBER = Applicant("um", "member", NOW - 9, HOME)


def members(*uids: str, registered: tuple[str, ...] = ()) -> dict[str, Person]:
    """People in the order in which they came."""
    return {
        uid: Person(uid, f"n{uid}", Account(uid, f"n{uid}", 0, "") if uid in registered else None)
        for uid in uids
    }


def room_of(owner: str, *, registered: bool = False) -> Policy:
    """A room that somebody owns."""
    policy = Policy()
    assert policy.enter(owner, f"n{owner}", registered=registered)
    return policy


def code_of(refused: Refused | None) -> str | None:
    """The code, or None."""
    return None if refused is None else refused.code


def ban(policy: Policy, **fields: Any) -> Sanction:
    """Ban somebody."""
    sanction = Sanction(policy.next_id(), by="alice", **{"since": NOW, **fields})
    policy.bans.impose(sanction)
    return sanction


def mute(policy: Policy, **fields: Any) -> Sanction:
    """Mute somebody."""
    sanction = Sanction(policy.next_id(), by="alice", **{"since": NOW, **fields})
    policy.mutes.impose(sanction)
    return sanction


def test_the_first_to_enter_owns_the_room() -> None:
    """And nobody who comes later."""
    policy = room_of("u1")
    assert not policy.enter("u2", "n2", registered=True)
    assert (policy.rank("u1"), policy.rank("u2")) == (Rank.OWNER, Rank.GUEST)


def test_case_66_a_guests_ownership_passes_to_the_first_moderator_there() -> None:
    """Not to one who is elsewhere, nor to who has been there longer without an office."""
    policy = room_of("u1")
    policy.appoint("u8", "n8", Rank.MODERATOR, registered=True)
    policy.appoint("u3", "n3", Rank.MODERATOR, registered=False)
    policy.appoint("u4", "n4", Rank.MODERATOR, registered=False)
    assert policy.leave("u1", members("u2", "u4", "u3")) == "u3"
    assert policy.owners == {"u3": "nu3"}
    assert list(policy.moderators) == ["u8", "u4"]


def test_case_66_else_to_who_has_been_there_longest() -> None:
    """For good, where they have an account."""
    policy = room_of("u1")
    assert policy.leave("u1", members("u2", "u3", registered=("u2",))) == "u2"
    assert policy.leave("u2", members("u3")) is None
    assert policy.rank("u2") is Rank.OWNER


def test_case_66_with_another_owner_nothing_passes_on() -> None:
    """Even if that one is not there."""
    policy = room_of("u1")
    policy.appoint("u2", "n2", Rank.OWNER, registered=True)
    assert policy.leave("u1", members("u3")) is None
    assert list(policy.owners) == ["u2"]


def test_case_66_when_nobody_is_left_nobody_owns_it() -> None:
    """The next to enter does."""
    policy = room_of("u1")
    assert policy.leave("u1", {}) is None
    assert policy.enter("u2", "n2", registered=False)


def test_who_has_no_office_leaves_without_a_trace() -> None:
    """The owner stays the owner."""
    policy = room_of("u1")
    assert policy.leave("u2", members("u1")) is None
    assert list(policy.owners) == ["u1"]


def test_case_66_an_heir_is_found_even_among_too_many_officers() -> None:
    """Inheriting is not refused."""
    policy = room_of("u0")
    for number in range(1, limits.STAFF):
        policy.appoint(f"m{number}", "n", Rank.MODERATOR, registered=True)
    policy.appoint("u0", "n", Rank.MODERATOR, registered=True)
    assert policy.pass_on("", members("new")) == "new"


def test_who_gives_up_the_last_office_does_not_inherit_it() -> None:
    """Somebody else does, if anybody is there."""
    policy = room_of("u1", registered=True)
    assert policy.dismiss("u1", members("u1", "u2")) == "u2"
    policy = room_of("u1", registered=True)
    assert policy.dismiss("u1", members("u1")) is None
    assert policy.rank("u1") is Rank.GUEST


def test_an_account_keeps_what_the_guest_held() -> None:
    """Registering makes an office last."""
    policy = room_of("u1")
    assert policy.forgettable
    policy.register("u1", "alice")
    assert not policy.forgettable
    assert policy.leave("u1", members("u2")) is None
    assert policy.as_record()["owners"] == {"u1": "alice"}


def test_one_office_at_a_time_and_not_too_many() -> None:
    """The limit counts people."""
    policy = room_of("u0")
    for number in range(1, limits.STAFF):
        policy.appoint(f"u{number}", "n", Rank.MODERATOR, registered=False)
    with pytest.raises(Refused) as refusal:
        policy.appoint("new", "n", Rank.MODERATOR, registered=False)
    assert (refusal.value.code, refusal.value.limit) == ("server.busy", limits.STAFF)
    policy.appoint("u1", "n", Rank.OWNER, registered=False)
    assert "u1" not in policy.moderators


@pytest.mark.parametrize(
    ("mode", "applicant", "password", "code"),
    [
        (Mode(), GUEST, None, None),
        (Mode(members_only=True), GUEST, None, "room.members_only"),
        (Mode(members_only=True), MEMBER, None, None),
        (Mode(invite_only=True), MEMBER, None, "room.invite_only"),
        (Mode(password=Secret.of("open", "s")), MEMBER, None, "room.password"),
        (Mode(password=Secret.of("open", "s")), MEMBER, "Open", "room.password"),
        (Mode(password=Secret.of("open", "s")), GUEST, "open", None),
        (Mode(password=Secret.of("open", "s"), members_only=True), GUEST, "open",
         "room.members_only"),
        (Mode(moderated=True, slow=9), GUEST, None, None),
    ],
)  # fmt: skip
def test_the_mode_decides_who_enters(
    mode: Mode, applicant: Applicant, password: str | None, code: str | None
) -> None:
    """Each by a code of its own; staff and the invited enter whatever it is."""
    policy = Policy()
    policy.mode = mode
    assert code_of(policy.refuse_entry(applicant, password, NOW)) == code
    assert policy.refuse_entry(applicant, None, NOW, True) is None
    policy.invite(applicant.uid, "n", registered=False)
    assert policy.refuse_entry(applicant, None, NOW) is None
    policy.uninvite(applicant.uid)
    assert code_of(policy.refuse_entry(applicant, password, NOW)) == code
    policy.appoint(applicant.uid, "n", Rank.MODERATOR, registered=False)
    assert policy.refuse_entry(applicant, None, NOW) is None


def test_a_ban_goes_before_everything() -> None:
    """An invitation, the password, and an office."""
    policy = Policy()
    policy.invite("ug", "guest", registered=False)
    policy.appoint("ug", "guest", Rank.MODERATOR, registered=False)
    ban(policy, uid="ug", reason="flooding", until=NOW + 60)
    refused = policy.refuse_entry(GUEST, None, NOW, True)
    assert code_of(refused) == "room.banned"
    assert refused is not None
    assert refused.message == "You are banned from the room for another 60 s: flooding"
    assert policy.refuse_entry(GUEST, None, NOW + 60) is None


def test_an_address_keeps_out_no_staff() -> None:
    """Not those of the room, nor those of the server."""
    policy = Policy()
    ban(policy, network="192.0.2.0/24")
    assert code_of(policy.refuse_entry(GUEST, None, NOW)) == "room.banned"
    assert policy.refuse_entry(GUEST, None, NOW, True) is None
    policy.appoint("ug", "guest", Rank.MODERATOR, registered=False)
    assert policy.refuse_entry(GUEST, None, NOW) is None


def test_a_mute_lets_nobody_speak_whom_it_binds() -> None:
    """Staff only when it was spoken against them; it says for how long."""
    policy = Policy()
    assert not policy.guarded
    mute(policy, uid="u1", nick="mallory", addresses=(HOME,), until=NOW + 30)
    assert policy.guarded
    refused = policy.refuse_speech(GUEST, Rank.GUEST, NOW, None)
    assert refused is not None
    assert (refused.code, refused.retry_after, refused.retryable) == ("room.muted", 30, True)
    assert policy.refuse_speech(GUEST, Rank.MODERATOR, NOW, None) is None
    himself = Applicant("u1", "renamed", NOW - 9, "198.51.100.1")
    assert code_of(policy.refuse_speech(himself, Rank.OWNER, NOW, None)) == "room.muted"
    assert policy.refuse_speech(himself, Rank.GUEST, NOW + 30, None) is None


def test_what_is_over_guards_nothing_any_more() -> None:
    """It is dropped when somebody asks to speak, or to enter."""
    policy = Policy()
    mute(policy, uid="u1", until=NOW + 30)
    ban(policy, uid="u1", until=NOW + 30)
    policy.refuse_speech(GUEST, Rank.GUEST, NOW + 29, None)
    policy.refuse_entry(GUEST, None, NOW + 29)
    assert (policy.guarded, policy.blank) == (True, False)
    policy.refuse_speech(GUEST, Rank.GUEST, NOW + 30, None)
    policy.refuse_entry(GUEST, None, NOW + 30)
    assert (policy.guarded, policy.blank) == (False, True)


def test_in_a_moderated_room_moderators_speak() -> None:
    """And nobody else."""
    policy = Policy()
    policy.mode = Mode(moderated=True)
    assert policy.guarded
    assert code_of(policy.refuse_speech(MEMBER, Rank.ACCOUNT, NOW, None)) == "room.moderated"
    assert policy.refuse_speech(MEMBER, Rank.MODERATOR, NOW, None) is None


def test_case_122_a_clock_that_is_set_back_silences_nobody() -> None:
    """Slow mode asks for no more than its seconds, whatever the clock did in between."""
    policy = Policy()
    policy.mode = Mode(slow=10)
    assert policy.refuse_speech(GUEST, Rank.GUEST, NOW - 3600, NOW) is None
    assert policy.refuse_speech(GUEST, Rank.GUEST, NOW, NOW) is not None


def test_slow_mode_wants_time_between_messages() -> None:
    """And says how much is left."""
    policy = Policy()
    policy.mode = Mode(slow=10)
    assert policy.guarded
    assert policy.refuse_speech(GUEST, Rank.GUEST, NOW, None) is None
    refused = policy.refuse_speech(GUEST, Rank.GUEST, NOW + 7.5, NOW)
    assert refused is not None
    assert (refused.code, refused.retry_after) == ("room.slow", 2.5)
    assert policy.refuse_speech(GUEST, Rank.GUEST, NOW + 10, NOW) is None
    assert policy.refuse_speech(GUEST, Rank.MODERATOR, NOW, NOW) is None


def test_everybody_sees_the_mode_and_not_the_password() -> None:
    """What is not so is left out."""
    mode = Mode(moderated=True, slow=5, password=Secret.of("open", "salt"))
    assert mode.settings == Settings(moderated=True, slow=5, password=True)
    assert Mode().settings == Settings()


def test_two_rooms_with_one_password_do_not_show_it() -> None:
    """The salt makes them differ; neither holds the password."""
    one, other = Secret.of("open", "a"), Secret.of("open", "b")
    assert one.digest != other.digest
    assert "open" not in repr(one)


def test_only_so_many_invitations_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest gives way; one renewed is new."""
    monkeypatch.setattr(moderation, "INVITED", 2)
    policy = Policy()
    for uid in ("a", "b", "a", "c"):
        policy.invite(uid, "n", registered=True)
    assert list(policy.invited) == ["a", "c"]
    assert policy.registered == {"a", "c"}


def test_all_of_it_is_recorded() -> None:
    """Guests too, whose stays can outlive a restart; ids go on where they were."""
    policy = room_of("u1", registered=True)
    policy.appoint("u2", "bob", Rank.MODERATOR, registered=True)
    policy.appoint("u3", "guest", Rank.MODERATOR, registered=False)
    policy.invite("u4", "carol", registered=True)
    policy.mode = Mode(slow=5, password=Secret.of("open", "salt"))
    ban(policy, uid="ug", nick="guest", addresses=(HOME,), until=NOW + 60)
    mute(policy, uid="um")
    again = Policy.from_record(json.loads(json.dumps(policy.as_record())))
    assert again.owners == {"u1": "nu1"}
    assert again.moderators == {"u2": "bob", "u3": "guest"}
    assert again.invited == {"u4": "carol"}
    assert again.registered == {"u1", "u2", "u4"}
    assert again.guests == ["u3"]
    assert again.mode == policy.mode
    assert list(again.bans) == list(policy.bans)
    assert list(again.mutes) == list(policy.mutes)
    assert again.next_id() == "#3"


@pytest.mark.parametrize(
    "change",
    [
        lambda policy: policy.enter("u1", "n", registered=False),
        lambda policy: policy.appoint("u1", "n", Rank.MODERATOR, registered=True),
        lambda policy: policy.invite("u1", "n", registered=True),
        lambda policy: ban(policy, uid="u1"),
        lambda policy: mute(policy, uid="u1"),
        lambda policy: setattr(policy, "mode", Mode(slow=1)),
        lambda policy: setattr(policy, "lockdown", "accounts"),
    ],
)
def test_what_is_worth_keeping(change: Callable[[Policy], object]) -> None:
    """Any office, sanction, invitation or setting."""
    policy = Policy()
    assert policy.blank
    change(policy)
    assert not policy.blank
    assert not Policy.from_record(json.loads(json.dumps(policy.as_record()))).blank


THERE = members("u1", "u2", "u3")
STEPS: dict[str, Callable[[Policy, str, bool], object]] = {
    "enter": lambda policy, uid, flag: policy.enter(uid, "n", registered=flag),
    "leave": lambda policy, uid, _: policy.leave(uid, THERE),
    "promote": lambda policy, uid, flag: policy.appoint(uid, "n", Rank.MODERATOR, registered=flag),
    "own": lambda policy, uid, flag: policy.appoint(uid, "n", Rank.OWNER, registered=flag),
    "demote": lambda policy, uid, _: policy.dismiss(uid, THERE),
    "invite": lambda policy, uid, flag: policy.invite(uid, "n", registered=flag),
    "register": lambda policy, uid, _: policy.register(uid, "n"),
    "ban": lambda policy, uid, _: ban(
        policy, uid=uid, nick="n", addresses=(f"198.51.100.{uid[1]}",)
    ),
    "unban others": lambda policy, uid, _: policy.bans.lift(
        one.id for one in policy.bans.named("", NOW, uid) if uid != "u1"
    ),
    "mute": lambda policy, uid, _: mute(policy, uid=uid),
    "mode": lambda policy, _, flag: setattr(policy, "mode", Mode(invite_only=flag)),
}
"""What can happen in a room but for one thing: that u1 is unbanned."""

Step = tuple[str, str, bool]
steps = st.lists(
    st.tuples(
        st.sampled_from([*STEPS, "restart"]),
        st.sampled_from(["u1", "u2", "u3", "u4", "u5"]),
        st.booleans(),
    ),
    max_size=40,
)


def act(policy: Policy, step: Step) -> Policy:
    """Do one thing, or come back after a restart."""
    name, uid, flag = step
    if name == "restart":
        return Policy.from_record(json.loads(json.dumps(policy.as_record())))
    STEPS[name](policy, uid, flag)
    return policy


@given(steps, steps, st.booleans())
def test_case_63_the_banned_are_never_let_in(
    before: list[Step], after: list[Step], staff: bool
) -> None:
    """Whatever else happens, until they are unbanned; from their address no other guest either."""
    policy = Policy()
    for step in before:
        policy = act(policy, step)
    ban(policy, uid="u1", nick="mallory", addresses=(HOME,))
    for step in after:
        policy = act(policy, step)
        for tried in (
            Applicant("u1", "renamed", None, "203.0.113.9"),
            Applicant("u1", "account", NOW - 9, "203.0.113.9"),
        ):
            assert code_of(policy.refuse_entry(tried, None, NOW + 9, staff)) == "room.banned"
        other = Applicant("u9", "fresh", None, HOME)
        assert code_of(policy.refuse_entry(other, None, NOW + 9)) == "room.banned"


@given(steps)
def test_whatever_happens_offices_are_in_order(done: list[Step]) -> None:
    """Nobody holds two, a room where somebody inherits has an owner, and ids are never reused."""
    policy = Policy()
    ids: list[str] = []
    for step in done:
        policy = act(policy, step)
        assert not policy.owners.keys() & policy.moderators.keys()
        held = {*policy.owners, *policy.moderators, *policy.invited}
        assert policy.registered <= held
        ids.append(policy.next_id())
    assert len(set(ids)) == len(ids)
