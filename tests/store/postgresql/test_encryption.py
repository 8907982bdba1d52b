"""Connections are encrypted, and the server is verified, as the URL asks for; what is wrong is said plainly."""

import asyncio
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from os import geteuid
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlencode

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from headcount.store.postgresql import database
from headcount.testing.postgresql import PostgresqlServer, temporary_postgresql
from processes import refusal, run, server, tenant_with_token, user
from store.conftest import DEBIAN

HOST = "127.0.0.1"


class Authority:
    """A certificate authority, and what it issues."""

    def __init__(self, name: str) -> None:
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.certificate = self._sign(self._name, self._key, x509.BasicConstraints(ca=True, path_length=0))

    def _sign(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, extension: x509.ExtensionType
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder(self._name, subject, key.public_key(), x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(hours=1))
            .add_extension(extension, critical=False)
            .sign(self._key, hashes.SHA256())
        )

    def issue(self, folder: Path) -> tuple[Path, Path]:
        """The files of a certificate for the host, and of its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "database")])
        names = x509.SubjectAlternativeName([x509.IPAddress(ip_address(HOST))])
        certificate, secret = folder / "server.crt", folder / "server.key"
        certificate.write_bytes(pem(self._sign(subject, key, names)))
        secret.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return certificate, secret


def pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Certificates of the authority that issued the server's, and of another one."""
    return tmp_path_factory.mktemp("certificates")


@pytest.fixture(scope="module")
def encrypted(folder: Path) -> Iterator[PostgresqlServer]:
    """A server with a certificate for 127.0.0.1, and for no name."""
    authority = Authority("ours")
    (folder / "ours.crt").write_bytes(pem(authority.certificate))
    (folder / "theirs.crt").write_bytes(pem(Authority("theirs").certificate))
    with TemporaryDirectory(prefix="headcount-certificates-") as place:
        certificate, key = authority.issue(Path(place))
        key.chmod(0o600)
        Path(place).chmod(0o755)
        if geteuid() == 0:
            shutil.chown(key, "nobody")
        settings = {"ssl": "on", "ssl_cert_file": str(certificate), "ssl_key_file": str(key)}
        with temporary_postgresql(DEBIAN, settings) as running:
            yield running


@pytest.fixture
def url(encrypted: PostgresqlServer, folder: Path) -> Callable[..., str]:
    """Makes URLs of the database with options."""

    def make(host: str = HOST, authority: str = "ours", **options: str) -> str:
        query = urlencode({"sslmode": "verify-full", "sslrootcert": folder / f"{authority}.crt", **options})
        return f"{encrypted.url()}?{query}".replace(f"@{HOST}:", f"@{host}:")

    return make


def test_a_server_that_is_verified_is_served_from_over_encrypted_connections_only(
    tmp_path: Path, encrypted: PostgresqlServer, url: Callable[..., str]
) -> None:
    settings = {"HEADCOUNT_DATABASE": url(application_name="verified")}
    token = tenant_with_token(tmp_path, settings=settings)
    with server(tmp_path, settings=settings) as running, running.client(token) as client:
        assert client.post("/Users", json=user("ada")).status_code == 201
        assert client.get("/Users").json()["totalResults"] == 1
        encryption = "SELECT DISTINCT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE application_name = "
        assert encrypted.sql(f"{encryption}'verified'") == "t"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"authority": "theirs"}, "certificate verify failed"),
        ({"authority": "theirs", "sslmode": "verify-ca"}, "certificate verify failed"),
        ({"host": "localhost"}, "Hostname mismatch, certificate is not valid for 'localhost'"),
        ({"authority": "none"}, "sslrootcert: there is no file"),
    ],
    ids=["another authority", "another authority, names aside", "another name", "no such file"],
)
def test_a_server_that_cannot_be_verified_is_refused(
    tmp_path: Path, url: Callable[..., str], options: dict[str, str], said: str
) -> None:
    done = run(tmp_path, "tenant", "list", settings={"HEADCOUNT_DATABASE": url(**options)})
    _, shown = refusal(done)
    assert "cannot connect to postgresql://" in shown
    assert said in shown


def test_verify_ca_asks_for_the_authority_and_not_for_the_name(url: Callable[..., str]) -> None:
    async def is_encrypted() -> bool:
        connection = await database.connect(url(host="localhost", sslmode="verify-ca"))
        try:
            return bool(await connection.fetchval("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"))
        finally:
            await connection.close()

    assert asyncio.run(is_encrypted())
