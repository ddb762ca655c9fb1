"""LDAP: accounts as inetOrgPerson entries of a school's directory (OpenLDAP and its like).

The password travels as `{ARGON2}` and our Argon2id hash, which OpenLDAP's argon2 module checks: the
password itself is known to nobody after the parent typed it.
"""

import asyncio
import json
import logging
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import parse_qs, unquote, urlsplit

import bonsai
from bonsai import LDAPClient, LDAPEntry, LDAPModOp, LDAPSearchScope

from flows.secret import Secret
from storage.directories import (
    Account,
    DirectoryDown,
    DirectoryFault,
    DirectoryRefused,
    DirectoryUnclear,
    Mapping,
    There,
    fill,
)

if TYPE_CHECKING:
    from bonsai.asyncio import AIOLDAPConnection

logging.getLogger("bonsai").setLevel(logging.WARNING)

CONNECTING, ANSWERING = 5.0, 15.0  # seconds
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_CONSTRAINT = 0x13  # RFC 4511: what OpenLDAP's overlays unique and ppolicy answer with
_BUSY = (0x33, 0x34)  # busy, unavailable
_ELSEWHERE = 0x0A  # a referral: this server is a copy that takes no changes

ATTRIBUTES = {
    "cn": "{name}",
    "sn": "{last}",
    "givenName": "{first}",
    "displayName": "{name}",
    "mobile": "{phone}",
}
"""What an entry holds by default, besides uid, our key, the schools and the children."""

OBJECT_CLASSES = ("top", "person", "organizationalPerson", "inetOrgPerson")
NEVER = "000001010000Z"
"""pwdAccountLockedTime, of the overlay ppolicy: locked until somebody lifts it."""

_STARTTLS = bytes.fromhex("301d02010177188016") + b"1.3.6.1.4.1.1466.20037"
"""ExtendedRequest (RFC 4511, 4.14.1)."""

_LOST = (bonsai.ConnectionError, bonsai.TimeoutError, bonsai.ClosedConnection, TimeoutError)


class Ldap:
    """A directory at `ldaps://BIND-DN:PASSWORD@HOST/BASE`, the DN percent-encoded.

    `ldap://…?starttls` begins in the clear and goes on with TLS. `ca` names a PEM file with the
    authority of the directory's certificate; it is always verified.
    """

    needs: Literal["password", "digest"] = "digest"

    def __init__(self, url: str, mapping: Mapping) -> None:
        """Raises DirectoryFault where the URL is none that we can use."""
        parts = urlsplit(url)
        query = parse_qs(parts.query, keep_blank_values=True)
        starttls = "starttls" in query
        host, base = parts.hostname or "", unquote(parts.path.lstrip("/"))
        if not (host and base and parts.username and parts.password):
            raise DirectoryFault("write ldaps://BIND-DN:PASSWORD@HOST/BASE, percent-encoded")
        if parts.scheme == "ldap" and not starttls and host not in _LOOPBACK:
            raise DirectoryFault("write ldaps://… or ldap://…?starttls: a password is sent")
        own: Mapping = mapping.get("ldap", {})
        self._host, self._base = host, base
        self._classes = list(own.get("object_classes", OBJECT_CLASSES))
        self._key: str = own.get("key", "employeeNumber")
        self._children: str = own.get("children", "description")
        self._schools: str = own.get("schools", "o")
        self._disabled: dict[str, str] = own.get("disabled", {"pwdAccountLockedTime": NEVER})
        self._templates: dict[str, str] = {**ATTRIBUTES, **own.get("attributes", {})}
        self._port = parts.port or (636 if parts.scheme == "ldaps" else 389)
        self._tls = parts.scheme == "ldaps" or starttls
        self._starttls = starttls
        address = f"[{host}]" if ":" in host else host
        port = f":{parts.port}" if parts.port else ""
        self._client = LDAPClient(f"{parts.scheme}://{address}{port}", starttls)
        self._client.set_credentials("SIMPLE", unquote(parts.username), unquote(parts.password))
        self._client.set_cert_policy("demand")
        if "ca" in query:
            self._client.set_ca_cert(query["ca"][-1])

    def __repr__(self) -> str:
        return f"Ldap({self._host})"

    # ---- the port ----------------------------------------------------------------------------

    async def open(self, account: Account, secret: Secret, *, again: bool) -> There:
        """As the port says."""
        async with self._connection() as connection:
            there = (await self._find(connection, account)) if again else None
            if there is None:
                there = await self._create(connection, account, secret)
                if there is not None:
                    return there
                there = await self._find(connection, account)
                if there is None:
                    raise DirectoryRefused("taken", "The directory has this identifier already.")
        await self.set_password(there.id, secret)  # the overlay ppolicy lifts a lock by it
        await self.change(there.id, account)
        return there

    async def change(self, there: str, account: Account) -> None:
        """As the port says."""
        wanted = self._attributes(account)
        for name, value in self._disabled.items():
            wanted[name] = [] if account.active else [value]
        try:
            await self._modify(there, wanted)
        except _Gone:
            return

    async def set_password(self, there: str, secret: Secret) -> None:
        """As the port says."""
        await self._modify(there, {"userPassword": [_password(secret)]})

    async def remove(self, there: str | None, account_key: str) -> None:
        """As the port says."""
        async with self._connection() as connection:
            if there is None:
                found = await self._search(connection, self._key, account_key)
                there = str(found[0].dn) if found else None
            if there is not None:
                try:
                    entry: Any = LDAPEntry(there, connection)
                    await entry.delete(timeout=ANSWERING)
                except bonsai.NoSuchObjectError:
                    return
                except bonsai.LDAPError as error:
                    raise _fault(error) from None

    async def check(self) -> str:
        """As the port says: binds, and reads where accounts are opened."""
        await self._check_certificate()
        async with self._connection() as connection:
            try:
                found = await connection.search(
                    self._base, LDAPSearchScope.BASE, "(objectClass=*)", ["1.1"], timeout=ANSWERING
                )
            except bonsai.LDAPError as error:
                raise _fault(error, reads=True) from None
            if not found:
                raise DirectoryRefused(
                    "rights", f"We may not read {self._base}, or it is not there."
                )
        return f"LDAP at {self._host}, below {self._base}"

    async def _check_certificate(self) -> None:
        """The library does not tell a certificate that it does not trust from silence."""
        if not self._tls:
            return
        try:
            trusted = ssl.create_default_context(cafile=self._client.ca_cert or None)
        except OSError:
            raise DirectoryFault("The file named by ca=… cannot be read.") from None
        try:
            async with asyncio.timeout(CONNECTING):
                await self._shake_hands(trusted)
        except ssl.SSLCertVerificationError as error:
            raise DirectoryDown(
                "The certificate of the directory is not one that we trust"
                f" ({error.verify_message}): name its authority with ca=FILE."
            ) from None
        except (OSError, TimeoutError) as error:
            raise DirectoryDown(
                f"The directory does not answer ({type(error).__name__})."
            ) from None

    async def _shake_hands(self, trusted: ssl.SSLContext) -> None:
        at_once = None if self._starttls else trusted
        reader, writer = await asyncio.open_connection(self._host, self._port, ssl=at_once)
        try:
            if self._starttls:
                writer.write(_STARTTLS)
                await reader.read(4096)  # a refusal is found by the bind
                await writer.start_tls(trusted, server_hostname=self._host)
        finally:
            writer.close()

    async def close(self) -> None:
        """As the port says: each call has had a connection of its own."""

    # ---- an account as an entry --------------------------------------------------------------

    def _attributes(self, account: Account) -> dict[str, list[str]]:
        """Attributes with their values; those without any are taken away."""
        filled = {name: fill(one, account) for name, one in self._templates.items() if one}
        found = {name: [value] if value else [] for name, value in filled.items()}
        found[self._key] = [account.key]
        if self._schools:
            found[self._schools] = list(account.schools)
        if self._children:
            found[self._children] = [_child(child) for child in account.children]
        return found

    def _dn(self, account: Account) -> str:
        return f"uid={bonsai.escape_attribute_value(account.identifier)},{self._base}"

    async def _create(
        self, connection: "AIOLDAPConnection", account: Account, secret: Secret
    ) -> There | None:
        """Add it; None where there is one of this name."""
        entry = LDAPEntry(self._dn(account))
        entry["objectClass"] = self._classes
        entry["uid"] = account.identifier
        for name, values in self._attributes(account).items():
            if values:
                entry[name] = values
        entry["userPassword"] = _password(secret)
        try:
            await connection.add(entry, timeout=ANSWERING)
        except bonsai.AlreadyExists:
            return None
        except bonsai.LDAPError as error:
            if error.hexcode == _CONSTRAINT and await self._search(
                connection, "uid", account.identifier
            ):
                return None  # elsewhere below the base
            raise _fault(error) from None
        except TimeoutError:
            raise DirectoryUnclear("The directory's answer was lost.") from None
        return There(str(entry.dn), account.identifier)

    async def _find(self, connection: "AIOLDAPConnection", account: Account) -> There | None:
        for entry in await self._search(connection, self._key, account.key):
            return There(str(entry.dn), str(entry["uid"][0]))
        if await self._search(connection, "uid", account.identifier):
            raise DirectoryRefused("taken", "The directory has this identifier already.")
        return None

    async def _search(
        self, connection: "AIOLDAPConnection", name: str, value: str
    ) -> list[LDAPEntry]:
        wanted = f"({name}={bonsai.escape_filter_exp(value)})"
        try:
            found: list[LDAPEntry] = await connection.search(
                self._base, LDAPSearchScope.SUB, wanted, ["uid"], timeout=ANSWERING
            )
        except (bonsai.LDAPError, TimeoutError) as error:
            raise _fault(error, reads=True) from None
        return found

    async def _modify(self, there: str, wanted: dict[str, list[str]]) -> None:
        """Set these attributes."""
        async with self._connection() as connection:
            entry: Any = LDAPEntry(there, connection)
            for name, values in wanted.items():
                entry.change_attribute(name, LDAPModOp.REPLACE, *values)
            try:
                await entry.modify(timeout=ANSWERING)
            except bonsai.NoSuchObjectError:
                raise _Gone from None
            except (bonsai.LDAPError, TimeoutError) as error:
                raise _fault(error) from None

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator["AIOLDAPConnection"]:
        """A connection that is bound; where there is none, nothing was done."""
        await self._reach()
        try:
            connection: Any = await self._client.connect(is_async=True, timeout=CONNECTING)
        except (bonsai.AuthenticationError, bonsai.InsufficientAccess):
            raise DirectoryRefused(
                "rights", "The directory does not take our name and password."
            ) from None
        except (bonsai.LDAPError, TimeoutError) as error:
            raise DirectoryDown(
                f"The directory does not answer ({type(error).__name__})."
            ) from None
        try:
            yield connection
        finally:
            connection.close()

    async def _reach(self) -> None:
        """See in our own time whether something answers there, and say nothing to it.

        The library's own connecting, and the greeting of TLS in it, hold up this whole process for
        as long as the other side is silent: minutes, or for ever. So it begins only where something
        has answered a moment ago.
        """
        url = self._client.url
        tls = _trusting_anybody() if url.scheme == "ldaps" else None
        try:
            async with asyncio.timeout(CONNECTING):
                _, writer = await asyncio.open_connection(self._host, url.port, ssl=tls)
            writer.transport.abort()
        except (OSError, TimeoutError) as error:
            raise DirectoryDown(
                f"The directory does not answer ({type(error).__name__})."
            ) from None


def _trusting_anybody() -> ssl.SSLContext:
    """For a connection over which nothing is said. The library's own verifies."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


class _Gone(DirectoryRefused):
    """There is no such entry."""

    def __init__(self) -> None:
        super().__init__("gone", "The directory has no such account.")


def _password(digest: Secret) -> str:
    return "{ARGON2}" + digest.reveal()


def _child(child: Any) -> str:
    """One value: the same names as in our SCIM extension (docs/accounts.md)."""
    return json.dumps(
        {
            "reference": child.reference,
            "givenName": child.first,
            "initial": child.initial,
            "schoolUai": child.uai,
            "schoolName": child.school,
        },
        ensure_ascii=False,
    )


def _fault(error: Exception, *, reads: bool = False) -> DirectoryFault:
    """Whose fault it is. What the directory wrote is not shown: it may quote what we sent."""
    if isinstance(error, _LOST):
        if reads:
            return DirectoryDown("The directory does not answer.")
        return DirectoryUnclear("The directory's answer was lost.")
    if isinstance(error, bonsai.InsufficientAccess | bonsai.AuthenticationError):
        return DirectoryRefused("rights", "The directory does not let us do this.")
    if isinstance(error, bonsai.PasswordPolicyError):
        return DirectoryRefused("password", "The directory does not take this password.")
    code = error.hexcode if isinstance(error, bonsai.LDAPError) else None
    if code in _BUSY:
        return DirectoryDown("The directory cannot answer now.")
    if code == _ELSEWHERE:  # followed nowhere: our password is for this server alone
        return DirectoryRefused("rights", "The directory sends us to another server: name that.")
    return DirectoryRefused(
        "schema",
        f"The directory wants other attributes ({type(error).__name__}): see docs/accounts.md.",
    )
