"""A node among callers who are wrong, slow or hostile."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

from dicomlab.archive import Archive
from dicomlab.catalog import Query
from dicomlab.dimse import Node, Peer, Service, remote_ae
from dicomlab.dimse._command import CommandField
from dicomlab.dimse._negotiation import numbered
from dicomlab.errors import AssociationError, RefusedError, StorageError
from dicomlab.journal import EventKind, Journal
from dicomlab.standard import IMPLEMENTATION_CLASS_UID
from tests.small import data_set, part10


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    with Archive.open(tmp_path / "archive") as opened:
        yield opened


@pytest.fixture
def node(archive: Archive) -> Iterator[Node]:
    with archive.receiver() as stores, Node(Service(archive, stores, timeout_s=20)) as running:
        yield running


def test_the_port_is_closed_with_the_node(archive: Archive) -> None:
    """Stopped means that nobody can connect (S-147)."""
    with Node(Service(archive)) as node:
        peer = Peer(remote_ae(node.address))
        assert peer.echo() > 0

    with pytest.raises(AssociationError, match="takes no connection"):
        peer.echo()


def test_another_title_is_rejected(archive: Archive) -> None:
    """Called AE title not recognised; each node answers to its own titles."""
    with Node(Service(archive, aets=("ONE", "TWO"))) as node, Node(Service(archive)) as other:
        for title in ("ONE", "TWO"):
            assert Peer(remote_ae(f"dicom://{title}@127.0.0.1:{node.port}")).echo() > 0
        with pytest.raises(AssociationError) as caught:
            Peer(remote_ae(f"dicom://ONE@127.0.0.1:{other.port}")).echo()

    assert (caught.value.source, caught.value.reason) == (1, 7)


def test_only_named_callers_are_let_in(archive: Archive, tmp_path: Path) -> None:
    """By AE title and by address; the journal has a security alert for the others."""
    with Journal.open(tmp_path / "journal.sqlite") as journal:
        titles = Service(archive, allow_aets={"FRIEND"}, record=journal.record_all)
        nets = Service(archive, allow_addresses=["10.0.0.0/8"], record=journal.record_all)
        with Node(titles) as by_title, Node(nets) as by_address:
            friend = remote_ae(by_title.address, aet="FRIEND")
            assert Peer(friend).echo() > 0
            with pytest.raises(AssociationError) as caught:
                Peer(remote_ae(by_title.address, aet="STRANGER")).echo()
            with pytest.raises(AssociationError):
                Peer(remote_ae(by_address.address)).echo()
        alerts = list(journal.events(kind=EventKind.SECURITY_ALERT))

    assert caught.value.reason == 3
    assert {one.aet for one in alerts} == {"STRANGER", None}


def test_a_node_is_not_open_to_the_network_by_accident(archive: Archive) -> None:
    """Beyond loopback somebody must be named, or the open mode."""
    with pytest.raises(RefusedError, match="open=True"):
        Node(Service(archive), addresses=["0.0.0.0"])
    with Node(Service(archive), addresses=["0.0.0.0"], open_to_all=True) as node:
        assert Peer(remote_ae(f"dicom://DICOMLAB@127.0.0.1:{node.port}")).echo() > 0


def test_a_port_that_is_held_is_said_so(node: Node, archive: Archive) -> None:
    """In a sentence."""
    with pytest.raises(StorageError, match="cannot be listened on"):
        Node(Service(archive), port=node.port)


@pytest.mark.parametrize(
    "data",
    [
        struct.pack(">BxI", 1, 0xFFFFFFFF),
        struct.pack(">BxI", 1, 68) + bytes(68),
        struct.pack(">BxI", 1, 2000) + b"\1" * 2000,
        struct.pack(">BxI", 4, 10) + bytes(10),
        b"GET / HTTP/1.1\r\n\r\n",
        b"\xff" * 100,
    ],
    ids=["endless", "empty", "nonsense", "data first", "HTTP", "unknown"],
)
def test_a_violation_is_answered_by_an_abort_and_nothing_else(node: Node, data: bytes) -> None:
    """The node lives on."""
    with socket.create_connection(("127.0.0.1", node.port), 20) as link:
        link.sendall(data)
        answer = b""
        while more := _received(link):
            answer += more

    assert answer[:1] in (b"\x07", b"\x03")
    assert len(answer) == 10
    assert Peer(remote_ae(node.address)).echo() > 0


def _received(link: socket.socket) -> bytes:
    try:
        return link.recv(1000)
    except ConnectionResetError:
        return b""


def test_connections_that_say_nothing_make_room_for_others(node: Node) -> None:
    """Of more than 200 that wait, the oldest is closed: nobody can hold all threads."""
    links = [socket.create_connection(("127.0.0.1", node.port), 20) for _ in range(220)]
    try:
        links[0].settimeout(20)
        assert _received(links[0]) == b""
        assert Peer(remote_ae(node.address)).echo() > 0
        assert len(node._waiting) <= 200
    finally:
        for link in links:
            link.close()


def test_a_peer_that_dies_amid_an_instance_leaves_nothing(node: Node, archive: Archive) -> None:
    """Half a data set is no instance."""
    contexts = numbered([(CTImageStorage, [ExplicitVRLittleEndian])])
    association = remote_ae(node.address).associate(contexts)
    (context,) = association.agreement.contexts.values()
    layer = association._connection
    command = {
        "CommandField": CommandField.C_STORE_RQ, "MessageID": 1, "Priority": 0,
        "AffectedSOPClassUID": CTImageStorage, "AffectedSOPInstanceUID": "1.2.3",
    }  # fmt: skip
    association.send(context, command, b"")
    association.send(context, command, bytes(1000))
    layer.close()

    assert Peer(remote_ae(node.address)).echo() > 0
    assert list(archive.records(Query("image"))) == []


@pytest.mark.parametrize(
    ("uid", "status"),
    [
        ("../../etc/passwd", 0xA900),
        ("/tmp/evil", 0xA900),
        ("1.2.3\0.4", 0xA900),
        ("1" * 200, 0xA900),
        ("CON", 0xA900),
    ],
)
def test_a_hostile_uid_names_no_file(
    node: Node, archive: Archive, tmp_path: Path, uid: str, status: int
) -> None:
    """What a sender calls an instance is compared with the instance, and used for nothing else."""
    before = {path for path in tmp_path.rglob("*") if "archive" not in path.parts}
    one = data_set()
    data = part10()
    data = data[144 + int.from_bytes(data[140:144], "little") :]
    contexts = numbered([(one.SOPClassUID, [ExplicitVRLittleEndian])])
    with remote_ae(node.address).associate(contexts) as association:
        (context,) = association.agreement.contexts.values()
        association.send(
            context,
            {
                "CommandField": CommandField.C_STORE_RQ, "MessageID": 1, "Priority": 0,
                "AffectedSOPClassUID": one.SOPClassUID, "AffectedSOPInstanceUID": uid,
            },
            data,
        )  # fmt: skip
        answer = association.receive()

    assert answer is not None
    assert answer.command.required("Status") == status
    assert list(archive.records(Query("image"))) == []
    assert {path for path in tmp_path.rglob("*") if "archive" not in path.parts} == before


def test_what_is_said_of_ourselves(node: Node) -> None:
    """Implementation class, version name, and 16,384 bytes as the longest P-DATA (S-085)."""
    from pynetdicom import AE

    entity = AE()
    entity.add_requested_context("1.2.840.10008.1.1")
    association = entity.associate("127.0.0.1", node.port, ae_title="DICOMLAB")
    said = association.acceptor
    association.release()

    assert said.implementation_class_uid == IMPLEMENTATION_CLASS_UID
    assert said.implementation_version_name == "DICOMLAB_0"
    assert said.maximum_length == 16384
    assert said.asynchronous_operations == (1, 1)


@pytest.mark.parametrize("max_pdu", [4095, 131073])
def test_a_length_beyond_the_bounds_is_refused(archive: Archive, max_pdu: int) -> None:
    """4096 to 131072."""
    with pytest.raises(ValueError, match="4096"):
        Service(archive, max_pdu=max_pdu)
