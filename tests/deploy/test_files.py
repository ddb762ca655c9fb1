"""The ready files say what is true of the program, and the programs that read them take them."""

import json
import re
import shlex
import shutil
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import dockerfile
import pytest

from bot.checks.page import page
from bot.settings import BadSetting, Settings, read_settings
from bot.telegram.webhook import Webhook
from bot.web.password import Door
from bot.web.password import routes as page_routes
from bot.web.watch import Watch
from bot.web.watch import routes as watch_routes
from tests.helpers.parent import SECRET

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "docs" / "deploy"
FILES = sorted(file for file in DEPLOY.iterdir() if file.suffix != ".md")
PAGES = [*FILES, *DEPLOY.glob("*.md"), ROOT / "docs" / "operations.md"]
BINARIES = Path(sys.executable).parent
SETTING = re.compile(r"\bSESAME_[A-Z_]{2,40}\b")

OF_THE_FILES = {"SESAME_SITE", "SESAME_PROCESSES"}
"""Words of Caddyfile and compose.yaml, which are no settings of the program."""

PUBLIC = {"/telegram", "/password", "/sms"}
"""What the world may reach: the webhook as sesame.env names it, the page, providers' reports."""


# ---- settings and paths ------------------------------------------------------------------------


@pytest.mark.parametrize("file", PAGES, ids=lambda file: file.name)
def test_every_setting_that_is_named_exists(file: Path) -> None:
    known = {f"SESAME_{name.upper()}" for name in Settings.model_fields} | OF_THE_FILES
    assert set(SETTING.findall(file.read_text("utf-8"))) <= known


def test_the_settings_are_valid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a secret of one's own, which nobody forgets; and with PostgreSQL instead of the file."""
    example = (DEPLOY / "sesame.env").read_text("utf-8")
    monkeypatch.chdir(tmp_path)
    Path(".env").write_text(example, encoding="utf-8")
    with pytest.raises(BadSetting, match="SESAME_SECRET: at least 32 characters"):
        read_settings()
    example = example.replace("SESAME_SECRET=make-one", f"SESAME_SECRET={SECRET}")
    Path(".env").write_text(example, encoding="utf-8")
    settings = read_settings()
    assert settings.database_file == Path("/var/lib/sesame/sesame.sqlite3")
    assert settings.webhook_path == "/telegram"
    assert settings.listen == "127.0.0.1:8081"
    assert settings.model_extra in (None, {})
    url = example.replace("SESAME_DATABASE_URL=sqlite", "#").replace("#SESAME_D", "SESAME_D")
    url = url.replace("/etc/sesame/authority.pem", ".env")  # some file that is there
    Path(".env").write_text(url, encoding="utf-8")
    assert str(read_settings().database).startswith("postgresql://sesame:PASSWORD@db.ecole")


def _answered(path: str) -> bool:
    """Whether the program has a page there."""
    hook = Webhook("/telegram", "https://x.example/telegram", "s")
    pages = [hook.route, *page_routes(Door("1:x", 12)), *watch_routes(Watch("db"))]
    return any(page.path == path or page.path.startswith(f"{path}/") for page in pages)


def test_every_path_in_these_files_is_answered() -> None:
    nginx = re.findall(r"location =? ?(/[a-z/]{1,20})", (DEPLOY / "nginx.conf").read_text("utf-8"))
    caddy = (DEPLOY / "Caddyfile").read_text("utf-8")
    [matched] = re.findall(r"^\t@ours path (.+)$", caddy, re.MULTILINE)
    passed = {path.rstrip("/*") for path in matched.split()}
    assert passed == PUBLIC == {path.rstrip("/") for path in nginx}
    for path in PUBLIC - {"/sms"}:  # bot/web/reports.py
        assert _answered(path), path
    for private in ("/health", "/ready", "/metrics"):
        assert _answered(private)
        assert private not in passed
    assert "/health" in (DEPLOY / "Containerfile").read_text("utf-8")
    assert page.__module__  # what `sesame doctor` opens is one of them: /password


def test_the_files_know_each_other() -> None:
    """Ports, folders and names that stand in several of them."""
    text = {file.name: file.read_text("utf-8") for file in FILES}
    for name in ("nginx.conf", "Caddyfile"):
        assert "127.0.0.1:8081" in text[name]
        assert "127.0.0.1:8082" in text[name]
    for name in ("sesame.service", "sesame@.service", "sesame-backup.service"):
        assert "WorkingDirectory=/etc/sesame\n" in text[name]
        assert "/opt/sesame/bin/sesame " in text[name]
    assert "StateDirectory=sesame\n" in text["sesame.service"]
    assert "/var/lib/sesame/" in text["sesame.env"]


# ---- systemd -----------------------------------------------------------------------------------

UNITS = ["sesame.service", "sesame@.service", "sesame-backup.service", "sesame-backup.timer"]
NEEDS_SYSTEMD = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="there is no systemd on this machine"
)


def _installed(folder: Path) -> dict[str, Path]:
    """The units, for a program that is on this machine; an instance of the template."""
    found = {}
    for unit in UNITS:
        text = (DEPLOY / unit).read_text("utf-8")
        found[unit] = folder / unit.replace("@", "@8081")
        found[unit].write_text(text.replace("/opt/sesame/bin/sesame", str(BINARIES / "sesame")))
    return found


def _said(*words: str) -> str:
    done = subprocess.run(words, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stderr or done.stdout
    return done.stdout + done.stderr


@pytest.mark.parametrize("page", ["operations.md", "deploy/postgresql.md"])
def test_every_process_is_stopped_and_no_back_up(page: str) -> None:
    """`sesame*` would stop the timer, and nothing would start it again."""
    text = (ROOT / "docs" / page).read_text("utf-8")
    stops = [
        line for line in re.findall(r"systemctl stop (.+?)(?:  +#.*)?$", text, re.M) if "*" in line
    ]
    assert stops
    for patterns in map(shlex.split, stops):
        stopped = {
            unit
            for unit in ("sesame.service", "sesame@8081.service", "sesame-backup.timer")
            if any(fnmatch(unit, pattern) for pattern in patterns)
        }
        assert stopped == {"sesame.service", "sesame@8081.service"}, patterns


@NEEDS_SYSTEMD
def test_systemd_takes_the_units(tmp_path: Path) -> None:
    units = _installed(tmp_path)
    assert _said("systemd-analyze", "verify", "--man=no", *map(str, units.values())) == ""
    broken = units["sesame.service"]
    broken.write_text(broken.read_text().replace("ProtectHome=yes", "ProtectHome=perhaps"))
    with pytest.raises(AssertionError):  # so this test can fail
        assert _said("systemd-analyze", "verify", "--man=no", str(broken)) == ""


@NEEDS_SYSTEMD
@pytest.mark.parametrize("unit", [unit for unit in UNITS if unit.endswith(".service")])
def test_systemd_calls_the_units_safe(tmp_path: Path, unit: str) -> None:
    """At most 1.5 of 10."""
    file = str(_installed(tmp_path)[unit])
    _said("systemd-analyze", "security", "--offline=true", "--threshold=15", file)


# ---- containers --------------------------------------------------------------------------------


def test_the_container_file_is_read() -> None:
    steps = dockerfile.parse_file(str(DEPLOY / "Containerfile"))
    words = [step.cmd.upper() for step in steps]
    assert words.count("FROM") == 2
    copied = [part for step in steps if step.cmd == "COPY" for part in step.value[:-1]]
    for part in copied:
        assert part.startswith("/opt/") or (ROOT / part).exists(), part
    assert {"bot", "flows", "locales", "storage"} <= set(copied)
    last = {step.cmd.upper(): step for step in steps}  # of each, the one in force
    assert last["USER"].value == ("10001",)  # nobody in particular, by number
    assert (last["ENTRYPOINT"].value, last["CMD"].value) == (("sesame",), ("serve",))
    assert "/health" in str(last["HEALTHCHECK"].value)
    compile(last["HEALTHCHECK"].value[-1], "health", "exec")
    extras = re.findall(r"EXTRAS=([a-z,]+)", (DEPLOY / "Containerfile").read_text("utf-8"))
    project = (ROOT / "pyproject.toml").read_text("utf-8")
    for extra in extras[0].split(","):
        assert re.search(rf"^{extra} = \[", project, re.MULTILINE), extra


def _composed(file: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [str(BINARIES / "docker-compose"), "-f", str(file), "config", "--format", "json"],
        capture_output=True,
        encoding="utf-8",
        env={"PATH": "/usr/bin:/bin", "SESAME_SITE": "sesame.ecole.example"},
        check=False,
    )


@pytest.mark.skipif(
    not (BINARIES / "docker-compose").exists(),
    reason="docker compose is not there: make test-servers",
)
def test_docker_compose_takes_its_file(tmp_path: Path) -> None:
    text = (DEPLOY / "compose.yaml").read_text("utf-8")
    file = tmp_path / "compose.yaml"
    file.write_text(text, encoding="utf-8")
    (tmp_path / "container.env").write_text((DEPLOY / "sesame.env").read_text("utf-8"))
    done = _composed(file)
    assert done.returncode == 0, done.stderr
    services = json.loads(done.stdout)["services"]
    assert set(services) == {"database", "sesame-1", "sesame-2", "proxy"}
    for name in ("sesame-1", "sesame-2"):
        ours = services[name]
        assert ours["read_only"]
        assert ours["cap_drop"] == ["ALL"]
        assert "ports" not in ours  # only the proxy is reached from outside
        assert ours["environment"]["SESAME_LISTEN"] == "0.0.0.0:8080"
        assert ours["build"]["dockerfile"] == "docs/deploy/Containerfile"
    assert "ports" not in services["database"]
    assert services["proxy"]["environment"]["SESAME_PROCESSES"] == "sesame-1:8080 sesame-2:8080"
    file.write_text(text.replace("read_only:", "read_onli:"), encoding="utf-8")
    assert "read_onli" in _composed(file).stderr  # so this test can fail
