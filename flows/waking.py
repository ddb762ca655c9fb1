"""When a conversation acts by itself: to help at the code, to erase, and to remind, once (UX 2.4).

A parent who fell silent in the middle of an activation is reminded of it at a decent hour where the
school is, not where the bot runs: a school's code (UAI) begins with its department, and overseas
mobiles have numbers of their own.
"""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from flows.chat import Chat
from flows.policy import Policy
from flows.questions.phone import area, region_of_uai
from flows.states import S
from flows.table import QUESTIONS

ZONES = {
    "FR": "Europe/Paris",
    "GP": "America/Guadeloupe",
    "MQ": "America/Martinique",
    "GF": "America/Cayenne",
    "RE": "Indian/Reunion",
    "PM": "America/Miquelon",
    "YT": "Indian/Mayotte",
    "BL": "America/St_Barthelemy",
    "MF": "America/Marigot",
    "NC": "Pacific/Noumea",
    "PF": "Pacific/Tahiti",
    "WF": "Pacific/Wallis",
}
"""Of the regions of `flows.questions.phone.FRENCH_AREAS`."""

_ABROAD = ("099", "990")  # departments of the schools abroad: anywhere in the world

_LEAST_SILENCE = timedelta(hours=4)
"""Before a reminder on the same day."""


def wake_at(chat: Chat, policy: Policy) -> datetime | None:
    """The next moment at which the conversation wants a TimeCame; None when there is none."""
    moments = [chat.expires_at(policy), chat.nudge_at(policy), remind_at(chat, policy)]
    return min((moment for moment in moments if moment), default=None)


def remind_at(chat: Chat, policy: Policy) -> datetime | None:
    """The moment of the one reminder; None where there is none to come.

    The next morning; where the answers are erased before that, this evening, if that is not too
    soon.
    """
    expires = chat.expires_at(policy)
    if not _is_stuck(chat, policy) or chat.seen_at is None or expires is None:
        return None
    zone = zone_of(chat, policy)
    today = chat.seen_at.astimezone(zone).date()
    tomorrow = today + timedelta(days=1)
    morning = datetime.combine(tomorrow, time(policy.remind_from), zone).astimezone(UTC)
    evening = datetime.combine(today, time(policy.remind_until - 1), zone).astimezone(UTC)
    if morning < expires:
        return morning
    return evening if chat.seen_at + _LEAST_SILENCE <= evening < expires else None


def is_decent(chat: Chat, policy: Policy, now: datetime) -> bool:
    """Whether the reminder may still be given: its day is not over, nor too far gone.

    The bot may have been stopped meanwhile, or its clock set.
    """
    due = remind_at(chat, policy)
    if due is None:
        return False
    zone = zone_of(chat, policy)
    there = now.astimezone(zone)
    same_day = there.date() == due.astimezone(zone).date()
    return same_day and policy.remind_from <= there.hour < policy.remind_until


def zone_of(chat: Chat, policy: Policy) -> ZoneInfo:
    """The zone of the parent's school: by a child already known, else by the mobile's territory."""
    uais = [child.uai for child in chat.children if child.uai]
    if uais and uais[0][:3] not in _ABROAD:
        return ZoneInfo(ZONES[region_of_uai(uais[0])])
    region = area(chat.phone) if chat.phone else ""
    if region in ZONES and region != "FR":  # every school's parents may have a number of "FR"
        return ZoneInfo(ZONES[region])
    return ZoneInfo(policy.timezone)


def _is_stuck(chat: Chat, policy: Policy) -> bool:
    """In the middle of an activation, reachable, and not asked to be left alone."""
    question = QUESTIONS.get(chat.state)
    counted = question is not None and question.step > 0 and chat.state is not S.INVITED
    answered = bool(chat.last or chat.first or chat.phone)
    unwanted = chat.away or chat.reminded or chat.muted
    return policy.remind and not chat.goal and counted and answered and not unwanted
