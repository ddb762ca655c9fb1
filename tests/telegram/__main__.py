"""Telegram on this machine, and a parent at this terminal: to see a whole set-up at work.

    python -m tests.telegram --port 8081 [--webhook http://127.0.0.1:8080/telegram]

`sesame serve` is started beside it, with SESAME_TELEGRAM_API_URL=http://127.0.0.1:8081 and the
token 123456:TRY. Each line is a message; a number presses that button of the last message, `:start`
the Start button, `:contact` shares the own number, `:wait 3` waits so many seconds.
"""

import argparse
import asyncio
import sys
import time
from contextlib import AsyncExitStack

from tests.telegram.phone import Person
from tests.telegram.server import BotApi, Message


class Screen:
    """Shows what the bot says, as it comes."""

    def __init__(self, person: Person) -> None:
        self._person = person
        self._seen = 0
        self._deleted = set[int]()

    async def follow(self, server: BotApi) -> None:
        """Show messages for ever."""
        messages = self._person.chat.messages
        while True:
            for message in messages[self._seen :]:
                if message.from_bot:
                    self._show(message)
            self._seen = len(messages)
            for message in messages:
                if message.deleted and message.id not in self._deleted:
                    self._deleted.add(message.id)
                    print("  (the message with the password is gone)", flush=True)
            await server.until(lambda: len(messages) > self._seen, 0.5)

    def _show(self, message: Message) -> None:
        print("\n".join(f"  | {line}" for line in message.text.splitlines()))
        for number, button in enumerate(message.offered, start=1):
            print(f"  [{number}] {button.label}")
        print(flush=True)


async def does(person: Person, line: str) -> None:
    """Do what a line says."""
    match line.split():
        case []:
            pass
        case [":start", *payload]:
            person.starts(*payload)
        case [":contact"]:
            person.shares_contact()
        case [":wait", seconds]:
            await asyncio.sleep(float(seconds))
        case [number] if number.isdigit() and 0 < int(number) <= len(person.last.offered):
            person.presses_old(person.last, person.last.offered[int(number) - 1].label)
        case _:
            person.says(line)


async def main(port: int, webhook: str, name: str, phone: str, lang: str) -> None:
    """Serve, and read lines until their end."""
    numbers = int(time.time())  # another time other updates, or they had been taken before
    async with (
        BotApi("123456:TRY", port=port, first_update_id=numbers) as server,
        AsyncExitStack() as stack,
    ):
        person = server.person(name, lang, phone=phone)
        showing = asyncio.create_task(Screen(person).follow(server))
        stack.callback(showing.cancel)
        print(f"SESAME_TELEGRAM_API_URL={server.url} SESAME_TELEGRAM_TOKEN=123456:TRY", flush=True)
        if webhook:
            await server.until(lambda: bool(server.webhook), 600)
            await stack.enter_async_context(server.pushing(webhook))
        while line := await asyncio.to_thread(sys.stdin.readline):
            print(f"> {line.strip()}", flush=True)
            await does(person, line.strip())
            await asyncio.sleep(0.1)
            await server.until(lambda: not server.pending, 30)
            await asyncio.sleep(1)


if __name__ == "__main__":
    reader = argparse.ArgumentParser(prog="python -m tests.telegram", description=__doc__)
    reader.add_argument("--port", type=int, default=8081)
    reader.add_argument("--webhook", default="", help="where updates are really posted")
    reader.add_argument("--name", default="Marie")
    reader.add_argument("--phone", default="33612345678")
    reader.add_argument("--lang", default="fr")
    given = reader.parse_args()
    asyncio.run(main(given.port, given.webhook, given.name, given.phone, given.lang))
