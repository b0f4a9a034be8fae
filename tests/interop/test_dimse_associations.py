"""What an association says, captured by the other side (PS3.7 D, PS3.8 9.3)."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from itertools import permutations
from pathlib import Path

import pytest
from pydicom.uid import generate_uid
from pynetdicom import AE

import dicomlab as dl
from dicomlab import phantoms
from dicomlab.dimse import Node, Peer, Service, remote_ae
from dicomlab.dimse._send import contexts_for
from dicomlab.standard import IMPLEMENTATION_CLASS_UID, STORAGE_CLASSES
from tests.dicom_peers import storescp
from tests.peers import Peers
from tests.scripted import scripted
from tests.small import part10

VERIFICATION = "1.2.840.10008.1.1"
CT = "1.2.840.10008.5.1.4.1.1.2"
EXPLICIT, IMPLICIT, J2K = (
    "1.2.840.10008.1.2.1", "1.2.840.10008.1.2", "1.2.840.10008.1.2.4.90",
)  # fmt: skip


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DICOMLAB_HOME", str(tmp_path / "home"))


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[dl.Archive]:
    """Hold a CT slice of half a megabyte and a secondary capture."""
    phantoms.write(phantoms.thorax_ct(slices=1, rows=512, noise_hu=0), tmp_path / "in")
    (tmp_path / "in" / "sc").write_bytes(part10())
    with dl.open_archive(tmp_path / "archive") as opened:
        opened.import_(tmp_path / "in")
        yield opened


@pytest.mark.req("S-084")
@pytest.mark.req("S-087")
def test_what_we_take_is_said_and_can_be_set(
    peers: Peers, tmp_path: Path, archive: dl.Archive
) -> None:
    """16,384 bytes; 4,096 to 131,072 where asked for, and what the peer takes is kept to."""
    with scripted(lambda _event: 0x0000, find=lambda _event: iter(())) as peer:
        archive.push(dl.connect(peer.url), archive.find())
        assert peer.requestor.maximum_length == 16384
        dl.connect(peer.url).find()
        assert peer.requestor.maximum_length == 16384
        for length in (4096, 131072):
            archive.push(dl.connect(peer.url, max_pdu=length), archive.find())
            assert peer.requestor.maximum_length == length
            dl.connect(peer.url, max_pdu=length).find()
            assert peer.requestor.maximum_length == length
    for length in (4095, 131073):
        with pytest.raises(ValueError, match="4096 to 131072"):
            dl.connect(peer.url, max_pdu=length)
    for length in (4096, 131072):
        with storescp(peers, tmp_path / f"{length}", "--max-pdu", str(length)) as scp:
            report = archive.push(dl.connect(scp.url, max_pdu=length), archive.find())
        assert len(report.sent) == 2


@pytest.mark.req("S-085")
@pytest.mark.req("S-088")
@pytest.mark.parametrize("length", [None, 4096, 131072])
def test_what_our_node_takes_is_said_and_can_be_set(
    peers: Peers, tmp_path: Path, archive: dl.Archive, length: int | None
) -> None:
    """The same as an SCP; storescu keeps to it, and getscu to what it takes itself."""
    options = {} if length is None else {"max_pdu": length}
    (tmp_path / "got").mkdir()
    study = archive.find()["StudyInstanceUID"][0]
    with dl.node(archive, port=0, **options) as node:
        entity = AE()
        entity.add_requested_context(VERIFICATION)
        association = entity.associate("127.0.0.1", node.port, ae_title=node.aet)
        said = association.acceptor.maximum_length
        association.release()
        address = ["-aec", node.aet, "127.0.0.1", str(node.port)]
        peers.run("storescu", *address, *(tmp_path / "in").iterdir())
        peers.run(
            "getscu", "-S", "--max-pdu", str(length or 16384), "-od", tmp_path / "got", *address,
            "-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={study}",
        )  # fmt: skip

    assert said == (length or 16384)
    assert len(list((tmp_path / "got").iterdir())) == 1
    for wrong in (4095, 131073):
        with pytest.raises(ValueError, match="4096 to 131072"):
            dl.node(archive, port=0, max_pdu=wrong)


@pytest.mark.req("S-083")
@pytest.mark.req("S-092")
@pytest.mark.req("S-093")
def test_what_we_say_of_ourselves(archive: dl.Archive) -> None:
    """Class and version; no asynchronous operations, no extended negotiation."""
    with scripted(lambda _event: 0x0000) as peer:
        archive.push(dl.connect(peer.url), archive.find())
        said = peer.requestor

    assert said.implementation_class_uid == IMPLEMENTATION_CLASS_UID
    assert said.implementation_version_name == "DICOMLAB_0"
    assert said.asynchronous_operations == (1, 1)
    assert said.sop_class_extended == {}


@pytest.mark.req("S-080")
@pytest.mark.parametrize("order", list(permutations((EXPLICIT, IMPLICIT, J2K))))
def test_transfer_syntaxes_are_proposed_in_the_configured_order(
    archive: dl.Archive, order: tuple[str, ...]
) -> None:
    """For each SOP class; the first that the peer takes is used."""
    with scripted(lambda _event: 0x0000) as peer:
        archive.push(dl.connect(peer.url, transfer_syntaxes=order), archive.find())
        proposed = [
            str(one.transfer_syntax[0])
            for one in peer.requestor.requested_contexts
            if one.abstract_syntax == CT
        ]

    assert proposed == list(order)


@pytest.mark.req("S-081")
@pytest.mark.parametrize("order", [(EXPLICIT, J2K, IMPLICIT), (J2K, EXPLICIT), (IMPLICIT,)])
def test_the_node_takes_the_configured_first(archive: dl.Archive, order: tuple[str, ...]) -> None:
    """Of all that a peer proposes in one context."""
    with dl.node(archive, port=0, transfer_syntaxes=order) as node:
        entity = AE()
        entity.add_requested_context(CT, [IMPLICIT, J2K, EXPLICIT, "1.2.840.10008.1.2.5"])
        association = entity.associate("127.0.0.1", node.port, ae_title=node.aet)
        (accepted,) = association.accepted_contexts
        association.release()

    assert accepted.transfer_syntax == [order[0]]


@pytest.mark.req("S-082")
def test_only_what_is_needed_is_proposed(archive: dl.Archive) -> None:
    """The classes of the job; more than 128 contexts are several associations."""
    with scripted(lambda _event: 0x0000) as peer:
        archive.push(dl.connect(peer.url), archive.find())
        proposed = {str(one.abstract_syntax) for one in peer.requestor.requested_contexts}

    many = contexts_for([(uid, EXPLICIT) for uid in STORAGE_CLASSES])
    assert proposed == set(archive.find("image")["SOPClassUID"])
    assert all(len(contexts) <= 128 for contexts in many)
    assert len(many) > 1
    assert {one.abstract_syntax for contexts in many for one in contexts} == set(STORAGE_CLASSES)


@pytest.mark.req("S-096")
def test_each_send_has_an_association_of_its_own(archive: dl.Archive) -> None:
    """Two sends, two associations."""
    with scripted(lambda _event: 0x0000) as peer:
        for _ in range(2):
            archive.push(dl.connect(peer.url), archive.find())

    assert peer.associations == 2


@pytest.mark.req("S-094")
def test_any_title_may_be_taken(archive: dl.Archive) -> None:
    """A node without titles of its own answers to all, from all."""
    with Node(Service(archive.source, aets=())) as node:
        for called, calling in (("ANY", "ONE"), ("other thing", "X" * 16), ("1", "a b")):
            address = f"dicom://{called.replace(' ', '%20')}@127.0.0.1:{node.port}"
            assert Peer(remote_ae(address, aet=calling)).echo() > 0


@pytest.mark.req("S-065")
def test_echo_beside_store(peers: Peers, archive: dl.Archive) -> None:
    """The node of C-STORE answers C-ECHO, for DCMTK and for ourselves."""
    with dl.node(archive, port=0) as node:
        peers.run("echoscu", "-aec", node.aet, "127.0.0.1", str(node.port))
        assert dl.connect(node.address).echo() > 0


@pytest.mark.req("S-241")
def test_two_services_have_titles_and_ports_of_their_own(archive: dl.Archive) -> None:
    """In one process."""
    with dl.node(archive, aet="ONE", port=0) as one, dl.node(archive, aet="TWO", port=0) as two:
        assert one.port != two.port
        for node, right, wrong in ((one, "ONE", "TWO"), (two, "TWO", "ONE")):
            entity = AE("CALLER")
            entity.add_requested_context(VERIFICATION)
            good = entity.associate("127.0.0.1", node.port, ae_title=right)
            assert good.is_established
            assert good.acceptor.ae_title == right
            good.release()
            assert entity.associate("127.0.0.1", node.port, ae_title=wrong).is_rejected


@pytest.mark.req("S-091")
def test_several_send_at_the_same_time(tmp_path: Path) -> None:
    """Sixteen associations at once, each acknowledged, all in the archive."""
    count, each = 16, 3
    root = generate_uid()
    failures: list[object] = []
    ready = threading.Barrier(count)

    def send(number: int) -> None:
        with dl.open_archive(tmp_path / f"{number}") as own:
            (tmp_path / f"in{number}").mkdir()
            for instance in range(each):
                uid = f"{root[:40]}.{number}.{instance}"
                data = part10(number + 1, 1, instance, SOPInstanceUID=uid)
                (tmp_path / f"in{number}" / f"{instance}").write_bytes(data)
            own.import_(tmp_path / f"in{number}")
            ready.wait(120)
            report = own.push(dl.connect(node.address), own.find())
            if not report.is_complete:
                failures.append(report)

    with dl.open_archive(tmp_path / "archive") as archive, dl.node(archive, port=0) as node:
        threads = [threading.Thread(target=send, args=(number,)) for number in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
        held = archive.find("image")

    assert failures == []
    assert len(held) == count * each
