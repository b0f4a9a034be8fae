"""Secured links both ways with DCMTK, and what they refuse (PS3.15 B.9 and B.10)."""

from __future__ import annotations

import datetime as dt
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

import dicomlab as dl
from dicomlab.dimse import Node, Service, client_context, server_context
from dicomlab.errors import AssociationError, RefusedError
from tests.dicom_peers import free_port, running
from tests.peers import Peers
from tests.small import part10

NOW = dt.datetime.now(dt.UTC)
DAY = dt.timedelta(days=1)


@dataclass(frozen=True)
class Pair:
    """A certificate and its key, in files."""

    certificate: Path
    key: Path


def name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def make(folder: Path, who: str, issuer: Pair | None = None, *, ends: dt.datetime) -> Pair:
    """Write a certificate, signed by an issuer or by itself."""
    key = rsa.generate_private_key(65537, 2048)
    signer, signed_by = key, name(who)
    if issuer is not None:
        loaded = serialization.load_pem_private_key(issuer.key.read_bytes(), None)
        assert isinstance(loaded, rsa.RSAPrivateKey)
        signer = loaded
        signed_by = x509.load_pem_x509_certificate(issuer.certificate.read_bytes()).subject
    alternative = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder()
        .subject_name(name(who))
        .issuer_name(signed_by)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - 10 * DAY)
        .not_valid_after(ends)
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(alternative, critical=False)
        .sign(signer, hashes.SHA256())
    )
    pair = Pair(folder / f"{who}.pem", folder / f"{who}.key")
    pair.certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    pair.key.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return pair


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("certificates")


@pytest.fixture(scope="module")
def authority(folder: Path) -> Pair:
    return make(folder, "authority", ends=NOW + DAY)


@pytest.fixture(scope="module")
def ours(folder: Path, authority: Pair) -> Pair:
    return make(folder, "ours", authority, ends=NOW + DAY)


@pytest.fixture(scope="module")
def theirs(folder: Path, authority: Pair) -> Pair:
    return make(folder, "theirs", authority, ends=NOW + DAY)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DICOMLAB_HOME", str(tmp_path / "home"))


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[dl.Archive]:
    with dl.open_archive(tmp_path / "archive") as opened:
        (tmp_path / "one").write_bytes(part10())
        yield opened


def trusting(authority: Pair, own: Pair | None = None) -> ssl.SSLContext:
    if own is None:
        return client_context(ca=authority.certificate)
    return client_context(ca=authority.certificate, certificate=own.certificate, key=own.key)


def test_we_send_to_a_secured_storescp(
    peers: Peers, tmp_path: Path, archive: dl.Archive, authority: Pair, ours: Pair, theirs: Pair
) -> None:
    """Mutual certificates; without ours it lets nobody in."""
    port = free_port()
    (tmp_path / "scp").mkdir()
    command = [
        peers.find("storescp"), "--fork", "+tls", theirs.key, theirs.certificate,
        "+cf", authority.certificate, "-rc", "-od", tmp_path / "scp", str(port),
    ]  # fmt: skip
    archive.import_(tmp_path / "one")
    url = f"dicoms://STORESCP@127.0.0.1:{port}"
    with running(command, tmp_path, port):
        report = archive.push(dl.connect(url, tls=trusting(authority, ours)), archive.find())
        with pytest.raises(AssociationError):
            dl.connect(url, tls=trusting(authority)).echo()

    assert report.is_complete
    assert len(list((tmp_path / "scp").iterdir())) == 1


def test_a_secured_storescu_sends_to_us(
    peers: Peers, tmp_path: Path, archive: dl.Archive, authority: Pair, ours: Pair, theirs: Pair
) -> None:
    """The caller shows a certificate that we trust; without one, or unsecured, it gets nothing."""
    tls = server_context(certificate=ours.certificate, key=ours.key, ca=authority.certificate)
    with dl.node(archive, port=0, tls=tls) as node:
        address = ["-aec", node.aet, "127.0.0.1", str(node.port)]
        peers.run(
            "storescu", "+tls", theirs.key, theirs.certificate, "+cf", authority.certificate,
            *address, tmp_path / "one",
        )  # fmt: skip
        anonymous = peers.run(
            "echoscu", "+tla", "+cf", authority.certificate, *address, check=False
        )
        plain = peers.run("echoscu", *address, check=False)

    assert len(archive.find("image")) == 1
    assert anonymous.returncode != 0
    assert plain.returncode != 0


@pytest.mark.parametrize("wrong", ["expired", "stranger", "plain"])
def test_a_peer_that_proves_nothing_is_not_spoken_to(
    tmp_path: Path, folder: Path, archive: dl.Archive, authority: Pair, wrong: str
) -> None:
    """An expired certificate, one of somebody else's, none at all: one readable sentence."""
    tls = None
    if wrong != "plain":
        issuer = authority if wrong == "expired" else make(folder, "other", ends=NOW + DAY)
        ends = NOW - DAY if wrong == "expired" else NOW + DAY
        pair = make(folder, wrong, issuer, ends=ends)
        tls = server_context(certificate=pair.certificate, key=pair.key)
    del tmp_path
    with Node(Service(archive.source, timeout_s=5, tls=tls)) as node:
        peer = dl.connect(
            f"dicoms://{node.aet}@127.0.0.1:{node.port}", tls=trusting(authority), timeout_s=5
        )
        with pytest.raises(AssociationError, match="No secured link"):
            peer.echo()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
def test_old_versions_are_not_spoken(authority: Pair, version: ssl.TLSVersion) -> None:
    """TLS 1.2 is the least (RFC 8996)."""
    for context in (
        trusting(authority),
        server_context(certificate=authority.certificate, key=authority.key),
    ):
        assert context.minimum_version > version


def test_a_file_that_is_none_is_said_so(tmp_path: Path) -> None:
    """Without its path in the message."""
    with pytest.raises(RefusedError, match="PEM") as caught:
        server_context(certificate=tmp_path / "nothing.pem")

    assert str(tmp_path) not in str(caught.value)
