"""OpenLDAP's slapd: a real directory, with TLS, Argon2id and a service account that is no root."""

import datetime
import ipaddress
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.servers.running import Server, free_port

_FOUND = shutil.which("slapd", path="/usr/sbin:/usr/lib/openldap:/usr/bin")
MISSING = None if _FOUND else "slapd is not installed: make test-servers"

ROOT = "dc=ecole,dc=fr"
PARENTS = f"ou=parents,{ROOT}"
SERVICE, PASSWORD = f"uid=sesame,ou=services,{ROOT}", "the-service-password-of-the-tests"

# The service account is an ordinary one that may write below ou=parents: rootdn would pass by the
# directory's own rules.
_CONFIG = """
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload argon2
moduleload ppolicy
moduleload unique
pidfile {folder}/slapd.pid
TLSCertificateFile {folder}/cert.pem
TLSCertificateKeyFile {folder}/key.pem
TLSCACertificateFile {folder}/cert.pem
password-hash {{ARGON2}}
database mdb
suffix "{root}"
rootdn "cn=root,{root}"
rootpw root-of-the-tests
directory {folder}/data
overlay ppolicy
ppolicy_default "cn=policy,{root}"
overlay unique
unique_uri ldap:///{parents}?uid?sub
access to dn.subtree="{parents}" attrs=userPassword
    by dn.exact="{service}" =xw
    by anonymous auth
    by * none
access to dn.subtree="{parents}"
    by dn.exact="{service}" manage
    by * none
access to *
    by anonymous auth
    by dn.exact="{service}" read
    by * none
"""

_TREE = """
dn: {root}
objectClass: dcObject
objectClass: organization
dc: ecole
o: ecole

dn: cn=policy,{root}
objectClass: device
objectClass: pwdPolicy
cn: policy
pwdAttribute: userPassword
pwdLockout: TRUE
pwdMaxFailure: 10

dn: ou=services,{root}
objectClass: organizationalUnit
ou: services

dn: {parents}
objectClass: organizationalUnit
ou: parents

dn: {service}
objectClass: account
objectClass: simpleSecurityObject
uid: sesame
userPassword: {password}
"""


@dataclass(slots=True)
class Slapd:
    """A running directory."""

    server: Server
    folder: Path
    tls_port: int

    @property
    def authority(self) -> Path:
        """The certificate of its authority, which is its own."""
        return self.folder / "cert.pem"


@contextmanager
def running(folder: Path, settings: str = "") -> Iterator[Slapd]:
    """Start one that has a service account and no parents; `settings` go before all others."""
    port, tls_port = free_port(), free_port()
    certificate(folder)
    (folder / "data").mkdir()
    names = {"root": ROOT, "parents": PARENTS, "service": SERVICE, "password": PASSWORD}
    config, tree = folder / "slapd.conf", folder / "tree.ldif"
    config.write_text(settings + _CONFIG.format(folder=folder, **names))
    tree.write_text(_TREE.format(**names))
    assert _FOUND is not None
    slapadd = Path(_FOUND).with_name("slapadd")
    subprocess.run([slapadd, "-f", config, "-l", tree], check=True, capture_output=True)
    urls = f"ldap://127.0.0.1:{port}/ ldaps://127.0.0.1:{tls_port}/"
    server = Server([_FOUND, "-d", "0", "-f", str(config), "-h", urls], port, folder / "slapd.log")
    try:
        server.start()
        yield Slapd(server, folder, tls_port)
    finally:
        server.kill()


async def entries(slapd: Slapd) -> list[dict[str, list[str]]]:
    """What it holds of parents, as it holds it."""
    import bonsai  # noqa: PLC0415 - an extra

    client = bonsai.LDAPClient(f"ldap://127.0.0.1:{slapd.server.port}")
    client.set_credentials("SIMPLE", SERVICE, PASSWORD)
    names = ["*", "pwdAccountLockedTime"]
    client.set_raw_attributes(["mobile", "employeeNumber", "pwdAccountLockedTime"])
    async with client.connect(is_async=True) as connection:
        found = await connection.search(PARENTS, 1, "(uid=*)", names)
    return [
        {
            name: [one.decode() if isinstance(one, bytes) else str(one) for one in values]
            for name, values in entry.items(exclude_dn=True)
        }
        for entry in found
    ]


async def binds(slapd: Slapd, identifier: str, password: str) -> bool:
    """Whether somebody signs in by a bind."""
    import bonsai  # noqa: PLC0415 - an extra

    client = bonsai.LDAPClient(f"ldap://127.0.0.1:{slapd.server.port}")
    client.set_credentials("SIMPLE", f"uid={identifier},{PARENTS}", password)
    try:
        (await client.connect(is_async=True)).close()
    except bonsai.AuthenticationError:
        return False
    return True


def certificate(folder: Path) -> None:
    """Write one, which is its own authority: cert.pem, and key.pem."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    # An address: for "localhost" libldap looks at the machine's own name.
    loopback = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([loopback]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
