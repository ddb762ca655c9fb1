"""SCIM 2.0 (RFC 7643, 7644): accounts in a school's identity provider.

What the provider knows is read first (/Schemas, /ResourceTypes, /ServiceProviderConfig); nothing
is sent that it does not know: providers refuse a whole account for one unknown attribute.
"""

import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from functools import partial
from typing import Any, Literal
from urllib.parse import parse_qs, quote, unquote, urlsplit

import httpx2
from scim2_client import RequestNetworkException, SCIMClientException
from scim2_client.engines.httpx2 import AsyncSCIMClient
from scim2_models import Attribute, Mutability, SCIMException

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

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
GUARDIAN = "urn:sesame:params:scim:schemas:extension:1.0:Guardian"
"""Our own extension: the children of a parent. docs/accounts.md has its definition."""

_ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"
_PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_NOT_SENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout)
_TIMEOUT = httpx2.Timeout(20, connect=5)  # seconds; the carrier's patience is shorter and longer
_KNOWN = 60  # seconds for which what the provider knows is not doubted
_LEEWAY = 30  # seconds by which a token is renewed before it ends
_UNCHECKED: dict[str, Any] = {"check_request_payload": False, "check_response_payload": False}

Json = dict[str, Any]
Ask = Callable[[AsyncSCIMClient], Awaitable[Any]]


class Scim:
    """An identity provider at `scim+https://CLIENT:SECRET@HOST/PATH?token_url=…`.

    Without `token_url` the password of the URL is the bearer token itself. `ca` names a PEM file
    with the authority of the provider's certificate, `scope` what a token is asked for.
    """

    needs: Literal["password", "digest"] = "password"

    def __init__(self, url: str, mapping: Mapping) -> None:
        """Raises DirectoryFault where the URL is none that we can use."""
        parts = urlsplit(url.removeprefix("scim+"))
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        host = parts.hostname or ""
        token_url = query.get("token_url", "")
        for one in (parts, urlsplit(token_url)) if token_url else (parts,):
            if one.scheme != "https" and not (one.scheme == "http" and one.hostname in _LOOPBACK):
                raise DirectoryFault("write scim+https://…; http is for this machine only")
        if not host or not parts.password:
            raise DirectoryFault(
                "write scim+https://CLIENT:SECRET@HOST/scim/v2?token_url=https://…, or"
                " scim+https://:TOKEN@HOST/scim/v2"
            )
        netloc = parts.netloc.rpartition("@")[2]
        self._base = f"{parts.scheme}://{netloc}{parts.path.rstrip('/')}"
        self._client_id = unquote(parts.username or "")
        self._secret = Secret(unquote(parts.password))
        self._token_url, self._scope = token_url, query.get("scope", "")
        self._ca = query.get("ca")
        self._mapping: dict[str, str] = {
            str(path): str(template) for path, template in mapping.get("scim", {}).items()
        }
        self._http: httpx2.AsyncClient | None = None
        self._client: AsyncSCIMClient | None = None
        self._token_until = self._known_at = 0.0

    def __repr__(self) -> str:
        return f"Scim({urlsplit(self._base).hostname})"

    # ---- the port ----------------------------------------------------------------------------

    async def open(self, account: Account, secret: Secret, *, again: bool) -> There:
        """As the port says. A second account is never made: an unclear answer is left unclear."""
        there = (await self._find(account)) if again else None
        if there is None:
            there = await self._create(account, secret)
            if there is not None:
                return there
            there = await self._find(account)  # the identifier is taken: by us, earlier?
            if there is None:
                raise DirectoryRefused("taken", "The provider has this identifier already.")
        await self.change(there.id, account)
        await self.set_password(there.id, secret)
        return there

    async def change(self, there: str, account: Account) -> None:
        """As the port says."""
        client = await self._known()
        resource = self._resource(client, account)
        if self._can_patch(client):
            return await self._write(_patch(there, list(_replacements(resource))))
        return await self._write(_replace(there, resource))

    async def set_password(self, there: str, secret: Secret) -> None:
        """As the port says."""
        client = await self._known()
        if self._can_patch(client):
            change = {"op": "replace", "path": "password", "value": secret.reveal()}
            await self._ask(_patch(there, [change]))
            return
        resource = await self._ask(lambda c: c.query(**_at(there)), reads=True)
        if not isinstance(resource, dict):
            raise DirectoryDown("The provider's answer cannot be read.")
        known = {name: value for name, value in resource.items() if name != "meta"}
        await self._ask(_replace(there, known | {"password": secret.reveal()}))

    async def remove(self, there: str | None, account_key: str) -> None:
        """As the port says."""
        if there is None:
            async for user in self._users(await self._by_key(account_key)):
                if self._key_of(user) == account_key:
                    there = str(user["id"])
        if there is not None:
            target = there
            await self._write(lambda c: c.delete("User", target, check_response_payload=False))

    async def check(self) -> str:
        """As the port says: discovers the provider anew, and reads its accounts."""
        self._client = None
        client = await self._known()
        await self._ask(partial(_list, {"startIndex": 1}), reads=True)
        guardian = "yes" if self._knows_guardian(client) else "no"
        patch = "yes" if self._can_patch(client) else "no"
        host = urlsplit(self._base).hostname
        return f"SCIM at {host}; PATCH: {patch}, children in our own schema: {guardian}"

    async def close(self) -> None:
        """As the port says."""
        if self._http is not None:
            await self._http.aclose()
        self._http = self._client = None

    # ---- what the provider knows -------------------------------------------------------------

    async def _known(self) -> AsyncSCIMClient:
        """The client, once it has read what the provider knows."""
        if self._client is None:
            client = AsyncSCIMClient(self._session())
            await self._asked(client, lambda c: c.discover(), reads=True)
            self._client, self._known_at = client, time.monotonic()
        return self._client

    def _attributes(self, client: AsyncSCIMClient, schema: str) -> dict[str, Attribute]:
        found = [one for one in client.provider.schemas if str(one.id) == schema]
        return {str(one.name): one for one in (found[0].attributes or [] if found else [])}

    def _knows_guardian(self, client: AsyncSCIMClient) -> bool:
        return bool(self._attributes(client, GUARDIAN))

    @staticmethod
    def _can_patch(client: AsyncSCIMClient) -> bool:
        config = client.provider.config
        return config is None or config.patch is None or config.patch.supported is not False

    @staticmethod
    def _can_filter(client: AsyncSCIMClient) -> bool:
        config = client.provider.config
        return bool(config and config.filter and config.filter.supported)

    def _keeps_external_id(self, client: AsyncSCIMClient) -> bool:
        """It is common to all resources (RFC 7643 3.1): one that is listed may be read-only."""
        known = self._attributes(client, USER).get("externalId")
        return known is None or known.mutability != Mutability.read_only

    # ---- an account as a resource ------------------------------------------------------------

    def _resource(
        self, client: AsyncSCIMClient, account: Account, secret: Secret | None = None
    ) -> Json:
        """What the provider knows of what we could say."""
        user: Json = {
            "userName": account.identifier,
            "name": {
                "formatted": f"{account.first} {account.last}",
                "familyName": account.last,
                "givenName": account.first,
            },
            "displayName": f"{account.first} {account.last}",
            "active": account.active,
            "phoneNumbers": [{"value": account.phone, "type": "mobile"}],
        }
        if secret is not None:
            user["password"] = secret.reveal()
        extensions: dict[str, Json] = {ENTERPRISE: {}}
        if self._knows_guardian(client):
            extensions[GUARDIAN] = {"children": [_child(child) for child in account.children]}
        else:
            facts = account.facts()
            extensions[ENTERPRISE] = {
                "organization": facts["schools"],
                "department": facts["children"],
            }
        resource = _pruned(user, self._attributes(client, USER)) | {"schemas": [USER]}
        if self._keeps_external_id(client):
            resource["externalId"] = account.key
        else:
            extensions[ENTERPRISE]["employeeNumber"] = account.key
        for urn, values in extensions.items():
            own = _pruned(values, self._attributes(client, urn))
            if own:
                resource[urn] = own
        for path, template in self._mapping.items():
            self._map(client, resource, path, template, fill(template, account))
        resource["schemas"] += [urn for urn in resource if urn.startswith("urn:")]
        return resource

    def _map(
        self, client: AsyncSCIMClient, resource: Json, path: str, template: str, value: str
    ) -> None:
        """One line of the mapping: an attribute, of an extension or not.

        An empty template leaves it out; one that is empty for this account empties it.
        """
        urn, _, name = path.rpartition(":")
        attribute = self._attributes(client, urn or USER).get(name.partition(".")[0])
        place = resource.setdefault(urn, {}) if urn else resource
        name, _, sub = name.partition(".")
        if not template:
            place.pop(name, None)
        elif sub:
            place.setdefault(name, {})[sub] = value
        elif not value:
            place[name] = ""  # no child: what was there of one goes
        elif attribute is not None and attribute.multi_valued:
            place[name] = [{"value": value}]
        else:
            place[name] = value

    @staticmethod
    def _key_of(user: Json) -> str:
        """Our key, where the provider keeps it."""
        enterprise = user.get(ENTERPRISE)
        number = enterprise.get("employeeNumber") if isinstance(enterprise, dict) else None
        return str(user.get("externalId") or number or "")

    # ---- finding and making ------------------------------------------------------------------

    async def _find(self, account: Account) -> There | None:
        """Our own account; raises DirectoryRefused where the identifier is somebody else's."""
        by_key = await self._by_key(account.key)
        by_name = f'userName eq "{account.identifier}"'
        taken = False
        for wanted in (by_key, by_name) if by_key else (None,):
            async for user in self._users(wanted):
                if self._key_of(user) == account.key:
                    return There(str(user["id"]), str(user["userName"]))
                taken |= str(user.get("userName")).casefold() == account.identifier
        if taken:
            raise DirectoryRefused("taken", "The provider has this identifier already.")
        return None

    async def _by_key(self, key: str) -> str | None:
        """A filter for what carries our key; None where the provider has no filters."""
        client = await self._known()
        if not self._can_filter(client):
            return None
        number = f"{ENTERPRISE}:employeeNumber"
        kept_in = "externalId" if self._keeps_external_id(client) else number
        return f'{kept_in} eq "{key}"'

    async def _users(self, wanted: str | None = None) -> AsyncIterator[Json]:
        """Accounts, page by page: of a size that the provider chooses, as some read no other."""
        start, total = 1, 1
        while start <= total:
            asked: Json = {"startIndex": start} | ({"filter": wanted} if wanted else {})
            page = await self._ask(partial(_list, asked), reads=True)
            users = page.get("Resources") if isinstance(page, dict) else None
            if not isinstance(page, dict) or not isinstance(page.get("totalResults"), int):
                raise DirectoryDown("The provider's list of accounts cannot be read.")
            for user in users or []:
                if isinstance(user, dict) and user.get("id") and user.get("userName"):
                    yield user
            total, start = page["totalResults"], start + max(len(users or []), 1)
            if not users:
                return

    async def _create(self, account: Account, secret: Secret) -> There | None:
        """Make it; None where the provider says that there is one of this name."""
        client = await self._known()
        resource = self._resource(client, account, secret)
        try:
            made = await self._ask(lambda c: c.create("User", resource, url="/Users", **_UNCHECKED))
        except DirectoryRefused as refused:
            if refused.kind == "taken":
                return None
            raise
        if not isinstance(made, dict) or not made.get("id") or not made.get("userName"):
            raise DirectoryUnclear("The provider's answer cannot be read.")
        key, name = self._key_of(made), str(made["userName"]).casefold()
        if key != account.key and (key or name != account.identifier):
            raise DirectoryUnclear("The provider answers with somebody else's account.")
        return There(str(made["id"]), str(made["userName"]))

    async def _write(self, work: Ask) -> None:
        """Change what is there; what is there no more stays so."""
        try:
            await self._ask(work)
        except _Gone:
            return

    # ---- asking ------------------------------------------------------------------------------

    async def _ask(self, work: Ask, *, reads: bool = False) -> Any:
        return await self._asked(await self._known(), work, reads)

    async def _asked(self, client: AsyncSCIMClient, work: Ask, reads: bool) -> Any:
        """The provider's answer; a token that it does not take any more is renewed, once."""
        fresh = await self._authorise()
        status, answer = await _attempt(client, work, reads)
        if status == 401 and not fresh and self._token_url:
            self._token_until = 0.0
            await self._authorise()
            status, answer = await _attempt(client, work, reads)
        if status >= 400:
            fault = _fault(status, answer, reads)
            if status in (400, 404, 501):  # has it learnt something since, or forgotten?
                self._client = None
                is_old = time.monotonic() - self._known_at >= _KNOWN
                if is_old and isinstance(fault, DirectoryRefused) and fault.kind == "schema":
                    raise DirectoryDown("The provider's rules have changed: they are read anew.")
            raise fault
        return answer

    def _session(self) -> httpx2.AsyncClient:
        if self._http is None:
            try:
                trusted = ssl.create_default_context(cafile=self._ca)
            except OSError:
                raise DirectoryFault("The file named by ca=… cannot be read.") from None
            self._http = httpx2.AsyncClient(base_url=self._base, timeout=_TIMEOUT, verify=trusted)
        return self._http

    async def _authorise(self) -> bool:
        """Have a token that is good; True where it is a new one."""
        session = self._session()
        if not self._token_url:
            session.headers["Authorization"] = f"Bearer {self._secret.reveal()}"
            return False
        if time.monotonic() < self._token_until:
            return False
        form = {"grant_type": "client_credentials"} | (
            {"scope": self._scope} if self._scope else {}
        )
        try:
            answer = await session.post(
                self._token_url, data=form, auth=(self._client_id, self._secret.reveal())
            )
            status, token = answer.status_code, answer.json() if answer.is_success else {}
        except (httpx2.RequestError, ValueError) as error:
            raise DirectoryDown(_silent(error)) from None
        if status in (400, 401, 403):
            raise DirectoryRefused("rights", "The provider does not take our client and secret.")
        if not isinstance(token, dict) or not isinstance(token.get("access_token"), str):
            raise DirectoryDown(f"The provider gives no token (HTTP {status}).")
        lasts = token.get("expires_in")
        self._token_until = time.monotonic() + (
            max(lasts - _LEEWAY, 0) if isinstance(lasts, int | float) else 60
        )
        session.headers["Authorization"] = f"Bearer {token['access_token']}"
        return True


async def _list(asked: Json, client: AsyncSCIMClient) -> Any:
    return await client.query(query_parameters=asked, url="/Users", **_UNCHECKED)


def _patch(there: str, operations: list[Json]) -> Ask:
    body = {"schemas": [_PATCH], "Operations": operations}
    return lambda client: client.modify("User", there, body, **_UNCHECKED)


def _replace(there: str, resource: Json) -> Ask:
    """For providers that do not patch: the whole account anew."""
    return lambda client: client.replace("User", resource | {"id": there}, **_at(there))


class _Gone(DirectoryRefused):
    """There is no such account."""

    def __init__(self) -> None:
        super().__init__("gone", "The provider has no such account, or this is not its address.")


def _at(there: str) -> Json:
    return {"url": f"/Users/{quote(there, safe='')}", **_UNCHECKED}


async def _attempt(client: AsyncSCIMClient, work: Ask, reads: bool) -> tuple[int, Any]:
    """The HTTP status, and what came with it."""
    try:
        answer = await work(client)
    except RequestNetworkException as error:
        cause = error.__cause__
        if reads or isinstance(cause, _NOT_SENT):
            raise DirectoryDown(_silent(cause)) from None
        raise DirectoryUnclear("The provider's answer was lost.") from None
    except (SCIMClientException, SCIMException) as error:
        response = getattr(error, "source", None)
        status = getattr(response, "status_code", 0)
        if status >= 400:
            return status, _body(response)
        fault, answered = DirectoryDown if reads else DirectoryUnclear, f" (HTTP {status})"
        raise fault(f"The provider's answer cannot be read{answered if status else ''}.") from None
    if isinstance(answer, dict) and _ERROR in (answer.get("schemas") or []):
        status = str(answer.get("status"))
        return int(status) if status.isdecimal() and len(status) == 3 else 500, answer
    return 200, answer


def _body(response: Any) -> Any:
    try:
        return response.json()
    except ValueError:
        return None


def _fault(status: int, answer: Any, reads: bool) -> DirectoryFault:
    """Whose fault a refusal is. What the provider wrote may quote what we sent: it is not shown."""
    said = answer if isinstance(answer, dict) else {}
    kind, detail = str(said.get("scimType", "")), str(said.get("detail", "")).lower()
    if status in (401, 403):
        return DirectoryRefused("rights", "The provider does not let us do this.")
    if status == 404:
        return _Gone()
    if status == 409 or kind == "uniqueness":
        return DirectoryRefused("taken", "The provider has this identifier already.")
    if status in (408, 429) or (status >= 500 and reads):
        return DirectoryDown(f"The provider cannot answer now (HTTP {status}).")
    if status >= 500 and status != 501:
        return DirectoryUnclear(f"The provider failed (HTTP {status}).")
    if "password" in detail:
        return DirectoryRefused("password", "The provider does not take this password.")
    return DirectoryRefused(
        "schema", f"The provider wants other attributes (HTTP {status}): see docs/accounts.md."
    )


def _silent(error: BaseException | None) -> str:
    """Why nothing came, in words for whoever runs the service."""
    for cause in (error, error and error.__cause__, error and error.__context__):
        if "CERTIFICATE_VERIFY_FAILED" in str(cause):
            return (
                "The certificate of the provider is not one that we trust: name its authority"
                " with ca=FILE."
            )
    return f"The provider does not answer ({type(error).__name__})."


def _child(child: Any) -> Json:
    return {
        "reference": child.reference,
        "givenName": child.first,
        "initial": child.initial,
        "schoolUai": child.uai,
        "schoolName": child.school,
    }


def _pruned(values: Json, known: dict[str, Attribute]) -> Json:
    """The values whose attributes the provider knows and lets us write."""
    kept: Json = {}
    for name, value in values.items():
        attribute = known.get(name)
        if attribute is None or attribute.mutability == Mutability.read_only:
            continue
        subs = {str(one.name) for one in attribute.sub_attributes or []}
        if isinstance(value, dict):
            kept[name] = {sub: one for sub, one in value.items() if sub in subs}
        elif isinstance(value, list):
            kept[name] = [{sub: one for sub, one in item.items() if sub in subs} for item in value]
        else:
            kept[name] = value
    return kept


_NEVER_CHANGED = ("schemas", "userName", "externalId")


def _replacements(resource: Json) -> Iterator[Json]:
    """The same resource as operations of a PATCH, one an attribute."""
    for name, value in resource.items():
        if name in _NEVER_CHANGED:
            continue
        if name.startswith("urn:"):
            for own, one in value.items():
                yield _replacement(f"{name}:{own}", one)
        else:
            yield _replacement(name, value)


def _replacement(path: str, value: Any) -> Json:
    if value in ("", []):
        return {"op": "remove", "path": path}
    return {"op": "replace", "path": path, "value": value}
