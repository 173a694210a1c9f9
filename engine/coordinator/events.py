"""What a request's rounds are told and what they ask for: terms, events and actions of rounds.py."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Windows:
    """How long each phase may last, in ms. ``rejoin``: how long a lost node is waited for."""

    gather: int = 3_000
    ready: int = 5_000
    share: int = 120_000
    answer: int = 30_000
    rejoin: int = 3_000


@dataclass(frozen=True, slots=True)
class Candidate:
    """A member that may serve as helper, and its body."""

    name: str
    body: str


@dataclass(frozen=True, slots=True)
class Terms:
    """What one request fixes: ``candidates`` in order of preference, none of the analyst's body."""

    hosts: tuple[str, ...]
    candidates: tuple[Candidate, ...]
    n_min: int
    helpers: int
    max_attempts: int
    expires: int
    windows: Windows = Windows()
    names_keys: bool = False  # a first phase: it ends with the nodes' lists, and no helper answers
    joins: bool = False  # of two owners' rows: both are asked whether they are ready, and both are needed


# -- events: what happened


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed."""


@dataclass(frozen=True, slots=True)
class Joined:
    name: str


@dataclass(frozen=True, slots=True)
class Lost:
    name: str


@dataclass(frozen=True, slots=True)
class Readied:
    member: str


@dataclass(frozen=True, slots=True)
class Unready:
    """A member that was asked for a *ready* refused, or sent none that is valid. Of no round: none is open."""

    member: str
    code: str


@dataclass(frozen=True, slots=True)
class Shared:
    """A complete share set whose signatures and vector were found valid."""

    attempt: int
    node: str
    digest: bytes


@dataclass(frozen=True, slots=True)
class Declined:
    """A member of a round refused, or sent what is not valid."""

    attempt: int
    member: str
    code: str


@dataclass(frozen=True, slots=True)
class Answered:
    attempt: int
    helper: str


@dataclass(frozen=True, slots=True)
class Halt:
    """Not of the rounds: the request goes no further here. ``code``: it has ended; none: somebody looks at it anew."""

    code: str = ""
    reason: str = ""


Event = Tick | Joined | Lost | Readied | Unready | Shared | Declined | Answered

# -- actions: what to do


@dataclass(frozen=True, slots=True)
class AskReadies:
    """``participants``: every host that may take part; a *ready* that leaves one out is refused by all."""

    members: tuple[str, ...]  # helpers; in a join then its owners
    participants: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Open:
    attempt: int
    participants: tuple[str, ...]
    helpers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Reopen:
    """Send the round's manifest once more, to a node that came back."""

    node: str


@dataclass(frozen=True, slots=True)
class Keep:
    """Add this node's vector: it counts."""

    node: str


@dataclass(frozen=True, slots=True)
class Dismiss:
    """A second, different share set under one round: refused; the first one stands."""

    node: str


@dataclass(frozen=True, slots=True)
class AskAnswers:
    survivors: tuple[str, ...]
    helpers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Abandon:
    """Close the round without a result; another may follow."""

    code: str


@dataclass(frozen=True, slots=True)
class Release:
    survivors: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Refuse:
    code: str


Action = AskReadies | Open | Reopen | Keep | Dismiss | AskAnswers | Abandon | Release | Refuse
