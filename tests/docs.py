"""The parts of the documents that come from the code. `make docs` writes them; a test compares."""

import asyncio
import re
from collections.abc import Iterable, Sequence
from functools import cache
from logging import getLevelName
from pathlib import Path
from tempfile import TemporaryDirectory

import click
from prometheus_client.metrics_core import Metric

from bot.__main__ import main
from bot.diagram import account_diagram, activation_diagram
from bot.logs import FACTS, Event
from bot.metrics import Metrics
from bot.settings import settings_table
from flows.refusals import Reason
from locales import say
from tests.helpers.parent import core_parent
from tests.helpers.school import School

README = Path(__file__).parents[1] / "README.md"
DOCS = README.with_name("docs")
PAGES = (README, *(DOCS / f"{name}.md" for name in ("conversation", "causes", "operations")))
LINES = (
    "Hello",
    "parent",
    "activate my account",
    "O'Brien",
    "Sinéad",
    "01 42 68 53 00",
    "06 12 34 56 78",
    "yes",
    "<code>",
    "<password>",
    "<password>",
    "yes",
    "14/03/2014",
    "activate",
)


@cache
def blocks() -> dict[str, str]:
    """The generated parts, by name."""
    return {
        "transcript": f"```text\n{asyncio.run(transcript())}\n```",
        "commands": commands(),
        "settings": settings_table(),
        "diagram": f"```mermaid\n{activation_diagram()}```",
        "accounts": f"```mermaid\n{account_diagram()}```",
        "causes": table(
            ("cause", "what happened", "what to do"),
            ((f"`{cause}`", cause.meaning, cause.remedy) for cause in Reason),
        ),
        "metrics": table(
            ("metric", "kind", "what it counts"),
            ((f"`{_exposed(one)}`", one.type, one.documentation) for one in _metrics()),
        ),
        "events": table(
            ("event", "level", "what happened"),
            ((f"`{event}`", getLevelName(event.level).lower(), event.meaning) for event in Event),
        ),
        "facts": table(
            ("fact", "what it says"), ((f"`{name}`", meaning) for name, meaning in FACTS.items())
        ),
    }


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines).replace(" --- ", "---")


def _metrics() -> list[Metric]:
    return sorted(Metrics().registry.collect(), key=lambda metric: metric.name)


def _exposed(metric: Metric) -> str:
    """Its name on the page."""
    return metric.name + ("_total" if metric.type == "counter" else "")


def rewritten(page: str) -> str:
    """The page with its generated parts as the code has them now."""
    for name, block in blocks().items():
        page = re.sub(
            rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)",
            lambda found, block=block: f"{found[1]}{block}\n{found[2]}",  # type: ignore[misc]
            page,
            flags=re.DOTALL,
        )
    return page


def commands() -> str:
    """A table of the commands."""
    rows = ["| command | what it does |", "|---|---|"]
    for name, command in sorted(main.commands.items()):
        words = [f"sesame {name}"]
        for parameter in command.params:
            if isinstance(parameter, click.Argument):
                words.append(parameter.metavar or "FILE...")
            elif parameter.opts[0] != "--help":
                option = parameter.opts[0]
                words.append(option if parameter.required else f"[{option}]")
        rows.append(f"| `{' '.join(words)}` | {say(f'cli.{name}', 'en')} |")
    return "\n".join(rows)


async def transcript() -> str:
    """A real conversation, with its code and password masked."""
    school = School().knows("Sinéad O'BRIEN", "06 12 34 56 78", {"Léa O'BRIEN": "14/03/2014"})
    shown: list[str] = []
    with TemporaryDirectory() as folder:
        async with core_parent(Path(folder) / "t.sqlite3", school, lang="en") as parent:
            for line in LINES:
                typed = line
                if line == "<code>":
                    typed = parent.sms.last_code
                elif line == "<password>":
                    typed = "Three+blue+boats+7"
                await parent.says(typed)
                shown += [f"> {'••••••' if typed != line else line}", ""]
                shown += [parent.reads.replace("\n\n", "\n")]
                shown += ["    ".join(f"[{label}]" for label in parent.buttons), ""]
    return "\n".join(shown).strip()


if __name__ == "__main__":
    for page in PAGES:
        page.write_text(rewritten(page.read_text("utf-8")), encoding="utf-8")
