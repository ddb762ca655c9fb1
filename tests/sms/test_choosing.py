"""SESAME_SMS and SESAME_SMS_PROFILES: what is taken, and what is said of what is not."""

import traceback
from pathlib import Path

import pytest

from bot.settings import BadSetting
from bot.sms import SmsSender
from bot.sms.choosing import sms_sender
from bot.sms.http import HttpSms, holes
from bot.sms.profiles import profiles
from tests.helpers.parent import test_settings
from tests.sms.providers import OWN_PROFILE

SECRET = "p4ssw0rd-of-the-account"


def chosen(url: str, tmp_path: Path | None = None, **own: object) -> SmsSender:
    settings = test_settings((tmp_path or Path("unused")) / "db", sms=url, **own)
    return sms_sender(settings, lambda _to, _text: None)


@pytest.mark.parametrize(
    "url",
    [
        f"kannel://sesame:{SECRET}@here?from=a-name-that-is-too-long",
        f"kannel://sesame:{SECRET}@here:port",
        f"kannel://sesame:{SECRET}/@here:1",
        f"kannel://sesame:{SECRET}@a b:1",
        f"ovh://key:{SECRET}@?consumer=c",
        f"ovh://key:{SECRET}@?service=s",
        f"orange://key:{SECRET}@",
        f"pigeon://sesame:{SECRET}@here",
        f"apprise:json://sesame:{SECRET}@here/",
        f"apprise:no-such-service://{SECRET}@here/{{to}}",
        f"smpp:{SECRET}",
        f"gammu:/no/such/{SECRET}",
    ],
)
def test_what_is_not_taken_says_why_and_no_secret(url: str) -> None:
    with pytest.raises(BadSetting) as wrong:
        chosen(url)
    said = str(wrong.value)
    assert said.startswith("SESAME_SMS: ")
    assert "\n" not in said
    if not url.startswith("gammu"):
        written = "".join(traceback.format_exception(wrong.value))
        assert SECRET not in written.replace(url, "")


def test_no_secret_in_the_settings_themselves() -> None:
    settings = test_settings(Path("unused"), sms=f"kannel://sesame:{SECRET}@here")
    assert SECRET not in repr(settings)
    assert SECRET not in str(settings.model_dump())
    assert SECRET not in repr(chosen(f"kannel://sesame:{SECRET}@here"))


def test_what_stands_in_an_url_is_decoded() -> None:
    sender = chosen(
        "kannel://s%40me:p%2F%3A%20%C3%A9@here:13013?from=Coll%C3%A8ge".replace("%C3%A8", "e")
    )
    assert isinstance(sender, HttpSms)
    way = sender._way
    assert (way.user, way.password, way.host) == ("s@me", "p/: é", "here:13013")


@pytest.mark.parametrize(
    ("own", "base"),
    [
        ({}, None),
        ({"listen": "127.0.0.1:8080"}, "http://127.0.0.1:8080"),
        ({"listen": "0.0.0.0:8080"}, "http://127.0.0.1:8080"),
        ({"listen": "[::]:8080"}, "http://[::1]:8080"),
        ({"public_url": "https://sesame.ecole.fr"}, None),
    ],
)
def test_where_kannel_reports(own: dict[str, object], base: str | None) -> None:
    sender = chosen("kannel://sesame:pw@", **own)  # type: ignore[arg-type]
    assert isinstance(sender, HttpSms)
    assert sender._base == base


def test_where_others_report() -> None:
    own = {"listen": "127.0.0.1:8080", "public_url": "https://sesame.ecole.fr/app"}
    sender = chosen("brevo://:key@", **own)  # type: ignore[arg-type]
    assert isinstance(sender, HttpSms)
    assert sender._base == "https://sesame.ecole.fr/app"
    sender = chosen("brevo://:key@?reports=https://elsewhere.fr/")
    assert isinstance(sender, HttpSms)
    assert sender._base == "https://elsewhere.fr"


# ---- profiles --------------------------------------------------------------------------------


def test_ours_are_read_and_say_whether_they_were_tried() -> None:
    found = profiles()
    assert {name: each.tried for name, each in found.items()} == {
        "kannel": "live",
        "ovh": "documentation",
        "brevo": "documentation",
        "octopush": "documentation",
        "orange": "documentation",
    }
    for name, each in found.items():
        assert each.report is not None, name
        assert each.check is not None, name
        assert {"to", "digits"} & holes(each.model_dump()), name
        assert "text" in holes(each.model_dump()), name


def test_ones_own_stand_beside_ours_and_may_replace_them(tmp_path: Path) -> None:
    file = tmp_path / "profiles.toml"
    file.write_text(OWN_PROFILE + OWN_PROFILE.replace("[own", "[brevo"))
    found = profiles(file)
    assert found["own"] == found["brevo"]
    assert found["kannel"] == profiles()["kannel"]


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("[own", "is not TOML"),
        ("[own]\n", "own.method"),
        ('["no name"]\nmethod = "GET"\n', "is no name"),
        (OWN_PROFILE.replace("answers", "answer"), "own.answer"),
        (OWN_PROFILE.replace('"accepted"', '"taken"'), "own.answers.0.is"),
        (OWN_PROFILE.replace('"accepted"', '"busy"'), "own.answers"),
        (OWN_PROFILE.replace('"POST"', '"PUT"'), "own.method"),
        (OWN_PROFILE.replace("[200]", "200", 1), "own.answers.0.status"),
    ],
)
def test_a_slip_of_the_pen_is_found_on_start(tmp_path: Path, text: str, word: str) -> None:
    file = tmp_path / "profiles.toml"
    file.write_text(text)
    with pytest.raises(BadSetting) as wrong:
        chosen("own://user:pw@here", tmp_path, sms_profiles=file)
    assert str(wrong.value).startswith("SESAME_SMS_PROFILES: ")
    assert word in str(wrong.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BadSetting, match=r"^SESAME_SMS_PROFILES: .* cannot be read"):
        chosen("own://user:pw@here", tmp_path, sms_profiles=tmp_path / "none.toml")


def test_what_a_profile_needs_stands_in_the_url(tmp_path: Path) -> None:
    file = tmp_path / "profiles.toml"
    file.write_text(OWN_PROFILE.replace('phone = "{to}"', 'phone = "{to}", shop = "{shop}"'))
    with pytest.raises(BadSetting, match=r"own: shop= is missing"):
        chosen("own://user:pw@here", tmp_path, sms_profiles=file)
    assert chosen("own://user:pw@here?shop=7", tmp_path, sms_profiles=file).name == "own"
