"""How many calls an activation costs at Telegram: one a turn where one suffices (UX R1).

`pytest -s tests/telegram/test_calls.py` prints them.
"""

from collections import Counter
from pathlib import Path

import pytest

from flows.states import S
from storage import accounts
from tests.helpers.dialogue import PASSWORD, Dialogue
from tests.helpers.school import a_school
from tests.telegram.chat_driver import TelegramParent, telegram_parent

SAY, REWRITE = "sendMessage", "editMessageText"
ANSWER, TAKE, ERASE = "answerCallbackQuery", "editMessageReplyMarkup", "deleteMessage"
FETCHING = {"getMe", "getUpdates", "deleteWebhook"}

NUMBER, SHARES = "06 12 34 56 78", "(shares the number)"
TYPED = (
    *("/start", "[parent]", "[activate]", "Dupont", "Marie", NUMBER, "[yes]", "(code)"),
    *(PASSWORD, PASSWORD, "[yes]", "14/03/2014", "[activate_now]"),
)
ROADS = {
    "the number is typed": TYPED,
    "the number is shared": tuple(SHARES if line == NUMBER else line for line in TYPED),
    "impatient": (*TYPED[:7], "[resend]", "[resend]", "[resend]", *TYPED[7:]),
}


@pytest.fixture(autouse=True)
def quick_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accounts, "_MEMORY_KIB", 8)


@pytest.mark.parametrize("road", ROADS)
@pytest.mark.parametrize("lang", ["fr", "en"])
async def test_one_call_a_turn(tmp_path: Path, lang: str, road: str) -> None:
    table: list[tuple[str, Counter[str]]] = []
    async with telegram_parent(tmp_path / "db", a_school(), lang=lang) as parent:
        marie = Dialogue(parent, lang)
        for at, line in enumerate(ROADS[road]):
            before = len(parent.bot.server.calls)
            has_keys, has_buttons = bool(parent.person.keyboard), _has_buttons(parent)
            await (parent.shares_own_number("+33612345678") if line == SHARES else marie.does(line))
            if line.startswith("["):
                await parent.person.is_alerted()  # nothing waits for the answer to a press
            calls = Counter(call.method for call in parent.bot.server.calls[before:])
            for method in FETCHING:
                del calls[method]
            if line == "[resend]" == ROADS[road][at - 1]:
                expected = Counter({REWRITE: 1})
            else:  # a keyboard needs a message of its own to go, buttons an edit
                expected = +Counter({SAY: 1 + has_keys, TAKE: int(has_buttons)})
            expected[ANSWER] += line.startswith("[")
            expected[ERASE] += line == PASSWORD
            assert calls == expected, line
            table.append(("(the password)" if line == PASSWORD else line, calls))
        marie.is_asked(S.DONE)
        assert parent.bot.server.refused == []
    _show(f"{road}, {lang}", table)


def _has_buttons(parent: TelegramParent) -> bool:
    return any(message.buttons for message in parent.person.screen)


def _show(title: str, table: list[tuple[str, Counter[str]]]) -> None:
    methods = (SAY, REWRITE, TAKE, ANSWER, ERASE)
    total = Counter[str]()
    print(f"\n{title:24}", *methods)
    for line, calls in table:
        total += calls
        print(f"{line:24}", *(f"{calls[name] or '':>{len(name)}}" for name in methods))
    print(f"{f'{total.total()} calls':24}", *(f"{total[name]:>{len(name)}}" for name in methods))
