"""The command `sesame` (also `python -m bot`)."""

import asyncio
import os
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import click

import locales

# Everything else is imported by the command that needs it: the first prompt comes in under a
# second, and `--help` at once.


def person_lang() -> str:
    """French or English, by the machine's locale; French where it says neither."""
    names = (os.environ.get(name) for name in ("LC_ALL", "LC_MESSAGES", "LANG"))
    return locales.guess(next(filter(None, names), "")) or "fr"


def _(key: str) -> str:
    return locales.say(key, person_lang())


def fail(line: str) -> None:
    """One clear line on standard error, and exit status 1."""
    click.echo(f"sesame: {line}", err=True)
    sys.exit(1)


def run(work: Coroutine[Any, Any, int | None]) -> None:
    """Run a command to its end; every error of ours is one line."""
    from bot.settings import BadSetting, Unclear
    from storage.database import StorageError
    from storage.vault import VaultError

    try:
        status = asyncio.run(work)
    except (BadSetting, Unclear, StorageError, VaultError) as error:
        fail(str(error))
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        from bot.logs import place_of

        fail(f"our mistake ({type(error).__name__} at {place_of(error)}): please report it.")
    else:
        sys.exit(status or 0)


def settings() -> Any:
    """The settings; a wrong one ends the program with one line."""
    from bot.settings import BadSetting, read_settings

    try:
        return read_settings()
    except BadSetting as error:
        return fail(str(error))


@click.group(help=_("cli.sesame"), context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """The group of all commands."""


@main.command(help=_("cli.chat"))
@click.option("--lang", type=click.Choice(locales.LANGUAGES), help=_("cli.option.lang"))
@click.option("--web", is_flag=True, help=_("cli.option.web"))
@click.option("--port", type=click.IntRange(0, 65535), help=_("cli.option.port"))
def chat(lang: str | None, web: bool, port: int | None) -> None:
    """The conversation in the terminal, or in the browser."""
    if web:
        from bot.web.chat import chat_in_browser

        return run(chat_in_browser(settings(), lang, person_lang(), port))
    if port is not None:
        raise click.UsageError(_("cli.port_without_web"))
    from bot.chat import chat as talk

    return run(talk(settings(), lang, person_lang()))


@main.command(help=_("cli.serve"))
def serve() -> None:
    """The Telegram bot."""
    from bot.logs import start_logging
    from bot.serve import serve as listen

    known = settings()
    start_logging(known.log_level)
    run(listen(known))


@main.command("import", help=_("cli.import"))
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--uai", default="", help=_("cli.option.uai"))
@click.option("--school", default="", help=_("cli.option.school"))
@click.option("--dry-run", is_flag=True, help=_("cli.option.dry_run"))
@click.option("--json", "as_json", is_flag=True, help=_("cli.option.json"))
@click.option("--details", type=click.Path(path_type=Path), help=_("cli.option.details"))
def import_register(
    files: tuple[Path, ...],
    uai: str,
    school: str,
    dry_run: bool,
    as_json: bool,
    details: Path | None,
) -> None:
    """The school's export into the register."""
    from bot.import_command import import_from_shell

    work = import_from_shell(
        settings(), list(files), uai, school, dry_run, as_json, details, lang=person_lang()
    )
    run(work)


@main.command(help=_("cli.invite"))
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--uai", default="", help=_("cli.option.one_school"))
@click.option(
    "--days", type=click.IntRange(1, 365), default=60, show_default=True, help=_("cli.option.days")
)
def invite(file: Path, uai: str, days: int) -> None:
    """Personal links, to be printed in the school's letters."""
    from bot.invite_command import invite as write

    run(write(settings(), file, uai, days, person_lang()))


def of_letters(command: Any) -> Any:
    """The options that letters have, for many or for one."""
    options = (
        click.option(
            "--out",
            type=click.Path(path_type=Path),
            required=True,
            metavar="DIR",
            help=_("cli.option.out"),
        ),
        click.option(
            "--days",
            type=click.IntRange(1, 365),
            default=90,
            show_default=True,
            help=_("cli.option.letter_days"),
        ),
        click.option(
            "--lang",
            type=click.Choice((*locales.LANGUAGES, "both")),
            default="both",
            show_default=True,
            help=_("cli.option.letter_lang"),
        ),
    )
    for option in options:
        command = option(command)
    return command


@main.command(help=_("cli.letters"))
@click.option("--uai", default="", help=_("cli.option.one_school"))
@click.option("--all", "everybody", is_flag=True, help=_("cli.option.everybody"))
@of_letters
def letters(uai: str, everybody: bool, days: int, lang: str, out: Path) -> None:
    """Letters with codes, to be printed."""
    from bot.letters_command import letters as write

    run(write(settings(), uai, everybody, days, lang, out, person_lang()))


@main.command(help=_("cli.letter"))
@click.argument("who", metavar="WHO")
@click.option("--uai", default="", help=_("cli.option.of_school"))
@of_letters
def letter(who: str, uai: str, days: int, lang: str, out: Path) -> None:
    """One person's letter."""
    from bot.letters_command import letter as write

    run(write(settings(), who, uai, days, lang, out, person_lang()))


@main.command(help=_("cli.status"))
@click.option("--json", "as_json", is_flag=True, help=_("cli.option.json"))
def status(as_json: bool) -> None:
    """Counts of everything."""
    from bot.status import show_status

    run(show_status(settings(), as_json, person_lang()))


WHO = click.argument("who", metavar="WHO")


def reason(command: Any) -> Any:
    """The option that every command about a person has: how the wish reached the school."""
    words = click.Choice(("call", "visit", "letter", "mistake", "test"))
    return click.option("--reason", type=words, required=True, help=_("cli.option.reason"))(command)


@main.command(help=_("cli.unlock"))
@WHO
@reason
def unlock(who: str, reason: str) -> None:
    """Pauses and spent limits."""
    from bot.operators import unlock as lift

    run(lift(settings(), who, reason, person_lang()))


@main.command(help=_("cli.freeze"))
@WHO
@reason
def freeze(who: str, reason: str) -> None:
    """An account, until it is unfrozen."""
    from bot.operators import freeze as stop

    run(stop(settings(), who, reason, person_lang()))


@main.command(help=_("cli.unfreeze"))
@WHO
@reason
def unfreeze(who: str, reason: str) -> None:
    """A frozen account."""
    from bot.operators import unfreeze as thaw

    run(thaw(settings(), who, reason, person_lang()))


@main.command(help=_("cli.erase"))
@WHO
@click.option("--name", default="", help=_("cli.option.name"))
@click.option("--yes", "sure", is_flag=True, help=_("cli.option.yes"))
@click.option("--undo", is_flag=True, help=_("cli.option.undo"))
@reason
def erase(who: str, name: str, sure: bool, undo: bool, reason: str) -> None:
    """A person, everywhere and for good."""
    from bot.operators import erase_person, readmit_person

    if undo:
        return run(readmit_person(settings(), who, reason, person_lang()))
    return run(erase_person(settings(), who, name, reason, sure, person_lang()))


@main.command(help=_("cli.purge"))
@click.option("--json", "as_json", is_flag=True, help=_("cli.option.json"))
def purge(as_json: bool) -> None:
    """What was kept long enough."""
    from bot.operators import purge_old

    run(purge_old(settings(), as_json, person_lang()))


@main.command(help=_("cli.backup"))
@click.argument("file", type=click.Path(path_type=Path), metavar="FILE")
def backup(file: Path) -> None:
    """A copy of the database."""
    from bot.backup_command import back_up

    run(back_up(settings(), file, person_lang()))


@main.command("rotate-key", help=_("cli.rotate-key"))
def rotate_key() -> None:
    """From one secret to the next."""
    from bot.operators import rotate_key as rotate

    run(rotate(settings(), person_lang()))


@main.command(help=_("cli.diagram"))
def diagram() -> None:
    """The conversation as a picture."""
    from bot.diagram import diagram as draw

    click.echo(draw(), nl=False)


@main.command(help=_("cli.doctor"))
@click.option("--json", "as_json", is_flag=True, help=_("cli.option.json"))
def doctor(as_json: bool) -> None:
    """What is configured, reachable and missing."""
    from bot.checks import Finding
    from bot.doctor import examine, listed
    from bot.settings import BadSetting, read_settings

    try:
        known = read_settings()
    except BadSetting as error:
        if as_json:  # a program that reads it gets a list, whatever is wrong
            click.echo(listed([Finding("settings", False, str(error))]))
            sys.exit(1)
        return fail(str(error))
    return run(examine(known, person_lang(), as_json))


if __name__ == "__main__":
    main()
