"""The commands about one's account: having a name, proving it, and whom not to hear."""

from __future__ import annotations

from pathlib import Path

from chat_client.command import (
    Action,
    Command,
    Question,
    Secret,
    UsageError,
    only_word,
    refuse_secret,
    unless_alone,
)
from chat_client.place import Place
from chat_schema import requests

NEW = Question("New password: ", new=True)
OWN = Question("Password: ")


def _register(place: Place, rest: str) -> Action:
    refuse_secret(rest, 0, "register")
    question = NEW._replace(text=f"New password for {place.user.nick}: ")
    return Secret((question,), lambda password: requests.Register(password=password))


def _login(place: Place, rest: str) -> Action:
    refuse_secret(rest, 1, "login")
    nick = requests.Nick(nick=rest or place.user.nick).nick
    question = Question(f"Password for {nick}: ")
    return Secret((question,), lambda password: requests.Login(nick=nick, password=password))


def _logout(place: Place, rest: str) -> Action:
    return requests.Logout()


def _passwd(place: Place, rest: str) -> Action:
    refuse_secret(rest, 0, "passwd")
    questions = (Question("Password until now: "), NEW)
    return Secret(questions, lambda old, new: requests.Passwd(old=old, new=new))


def _unregister(place: Place, rest: str) -> Action:
    refuse_secret(rest, 0, "unregister")
    return Secret((OWN,), lambda password: requests.Unregister(password=password))


def _key(place: Place, rest: str) -> Action:
    if rest in ("", "-"):
        return requests.Key(public="" if rest else None)
    from chat_client.keys import KeyTrouble, public_in

    try:
        return requests.Key(public=public_in(Path(rest).expanduser()))
    except KeyTrouble as trouble:
        raise UsageError(str(trouble)) from None


def _ignore(place: Place, rest: str) -> Action:
    return requests.Ignore(target=only_word(rest, "/ignore NICK"))


def _unignore(place: Place, rest: str) -> Action:
    return requests.Unignore(target=only_word(rest, "/unignore NICK"))


def _ignores(place: Place, rest: str) -> Action:
    return requests.Ignores()


COMMANDS = (
    Command(
        "register", "", "Make your nick yours; asks for a password.", "/register", _register,
        theme="account", reveals=unless_alone(0),
    ),
    Command(
        "login", "[NICK]", "Log in to an account; asks for its password.", "/login alice", _login,
        theme="account", reveals=unless_alone(1),
        more=("`chat-client --nick alice --login` does it on the way in.",),
    ),
    Command(
        "logout", "", "Be a guest again.", "/logout", _logout, theme="account",
        reveals=unless_alone(0),
    ),
    Command(
        "passwd", "", "Change your password.", "/passwd", _passwd, theme="account",
        reveals=unless_alone(0),
    ),
    Command(
        "unregister", "", "Give your account up.", "/unregister", _unregister, theme="account",
        reveals=unless_alone(0),
    ),
    Command(
        "key", "[FILE|-]", "Show, set or remove the key you can log in by.", "/key", _key,
        theme="account",
        more=("FILE is a public key as `chat-client key new FILE` makes it: FILE.pub.",),
    ),
    Command(
        "ignore", "NICK", "Hear nothing of somebody any more.", "/ignore bob", _ignore,
        theme="account",
    ),
    Command(
        "unignore", "NICK", "Hear them again.", "/unignore bob", _unignore, theme="account",
    ),
    Command("ignores", "", "List whom you ignore.", "/ignores", _ignores, theme="account"),
)  # fmt: skip
"""In the order of /help."""
