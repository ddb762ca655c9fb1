"""SMS by apprise, to the many services that it knows. All one learns is whether it was accepted."""

import logging
import re
from typing import Any
from urllib.parse import quote

from bot.settings import BadSetting
from bot.sms.port import Simple, Sms, SmsFault, SmsUnclear, Taken

TO = re.compile(r"\{(?:to|digits)\}")


class AppriseSms(Simple):
    """A service of apprise. Its URL holds `{to}` or `{digits}` where the number belongs."""

    name = "apprise"

    def __init__(self, url: str) -> None:
        """Raises BadSetting for an URL that apprise does not take, or where it is missing."""
        try:
            import apprise  # noqa: PLC0415 - an extra, and slow to import
        except ModuleNotFoundError:
            raise BadSetting(
                'SESAME_SMS: apprise: is not installed; add it with: pip install "sesame-activation'
                '[apprise]".'
            ) from None
        for name in ("apprise", "urllib3", "requests"):  # they log addresses
            logging.getLogger(name).setLevel(logging.CRITICAL)
        self._apprise = apprise
        self._url = url
        if not TO.search(url):
            raise BadSetting("SESAME_SMS: apprise: write {to} in the URL where the number belongs.")
        if not self._service("+33612345678"):
            raise BadSetting("SESAME_SMS: apprise: it does not know this URL.")

    def _service(self, to: str) -> Any:
        """The service for this number; None where the URL is none of apprise's."""
        digits = to.removeprefix("+")
        url = self._url.replace("{to}", quote(to, safe="")).replace("{digits}", digits)
        service = self._apprise.Apprise.instantiate(url, suppress_exceptions=True)
        if service:  # whatever its URL wants: what may have left is not sent again, or elsewhere
            service.retry, service.redirects = 0, False
        return service

    async def send(self, sms: Sms) -> Taken:
        """Hand it over. "No" may be anything: whether it left, nobody knows."""
        sending = self._apprise.Apprise()
        sending.add(self._service(sms.to))
        if not await sending.async_notify(body=sms.text):
            raise SmsUnclear("not_accepted")
        return Taken(self.name)

    async def check(self) -> str | None:
        """Nothing can be asked without sending."""
        if not self._service("+33612345678"):
            raise SmsFault("SESAME_SMS: apprise: it does not know this URL.")
        return None
