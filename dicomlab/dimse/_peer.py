"""A remote application entity as a source of studies."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from dicomlab.catalog import Query, Record
from dicomlab.dimse._association import Association
from dicomlab.dimse._command import RESPONSE, CommandField
from dicomlab.dimse._fetch import fetch
from dicomlab.dimse._identifier import IMPLICIT_LE, QUERY_SYNTAXES
from dicomlab.dimse._negotiation import Accepted, numbered
from dicomlab.dimse._remote import RemoteAE
from dicomlab.dimse._search import Certificate, Search, tally
from dicomlab.dimse._services import PATIENT_FIND, STUDY_FIND, VERIFICATION
from dicomlab.dimse._status import Status, failure
from dicomlab.errors import AssociationError, UnsupportedError
from dicomlab.safety import ByteSource
from dicomlab.standard import Level, uid_name

_SYNTAXES: Final = (IMPLICIT_LE, "1.2.840.10008.1.2.1")


class Answers(Iterator[Record]):
    """Records as a peer answers them.

    Attributes
    ----------
    certificate
        What was asked, and how far the answer is whole; final when the last record came.
    """

    def __init__(self, records: Iterator[Record], certificate: Certificate) -> None:
        self._records = records
        self.certificate = certificate

    def __next__(self) -> Record:
        return next(self._records)


class Peer:
    """A PACS or another application entity: it finds, it gives instances, it takes them.

    Parameters
    ----------
    remote
        Who it is, and how we call it.
    """

    def __init__(self, remote: RemoteAE) -> None:
        self.remote = remote

    def echo(self) -> float:
        """Ask whether it is there (C-ECHO), and return how long its answer took, in seconds.

        Raises
        ------
        AssociationError
            It cannot be reached, rejects us, or falls silent.
        StatusError
            It answers that it cannot.
        """
        with self.remote.associate(numbered([(VERIFICATION, _SYNTAXES)])) as association:
            context = granted(association, VERIFICATION)
            start = self.remote.clock()
            association.send(
                context,
                {
                    "CommandField": CommandField.C_ECHO_RQ,
                    "MessageID": association.next_message_id(),
                    "AffectedSOPClassUID": VERIFICATION,
                },
            )
            message = association.receive()
            took = self.remote.clock() - start
            if message is None or message.command.field != CommandField.C_ECHO_RQ | RESPONSE:
                raise AssociationError("The peer answered the echo with something else.")
            if message.command.required("Status") != Status.SUCCESS:
                raise failure(CommandField.C_ECHO_RQ, message.command, doing="the echo")
            return took

    def records(self, query: Query, *, patient_root: bool | None = None) -> Answers:
        """Yield what matches, as the peer answers it (C-FIND).

        Lower levels are asked for below each entity that leads to them, so that a peer without
        relational queries answers too. A list is one request for each value, but for UIDs. What a
        request cannot say is matched here.

        Parameters
        ----------
        patient_root
            Which information model: Patient Root, Study Root, or what the peer takes.
        """
        certificate = Certificate(self.remote.aet, str(query.level))
        found = self._records(query, certificate, patient_root=patient_root)
        return Answers(query.arrange(tally(query, certificate, found)), certificate)

    def retrieve(self, query: Query) -> Iterator[tuple[str, ByteSource]]:
        """Yield SOP Instance UID and bytes of each instance that matches, or is below (C-GET).

        One study is fetched at a time, and waits in temporary files until it was yielded.

        Raises
        ------
        UnsupportedError
            The peer has no C-GET.
        """
        return fetch(self, query)

    def _records(
        self, query: Query, certificate: Certificate, *, patient_root: bool | None
    ) -> Iterator[Record]:
        needs_patient = query.level is Level.PATIENT if patient_root is None else patient_root
        models = (PATIENT_FIND,) if needs_patient else (STUDY_FIND, PATIENT_FIND)
        if patient_root is False:
            models = (STUDY_FIND,)
        proposals = numbered([(uid, QUERY_SYNTAXES) for uid in models])
        with self.remote.associate(proposals) as association:
            context = granted(association, *models)
            search = Search(
                association, context, query, certificate,
                patient_root=context.abstract_syntax == PATIENT_FIND,
            )  # fmt: skip
            yield from search.records()

    def __repr__(self) -> str:
        return f"<Peer {self.remote}>"


def granted(association: Association, *abstract_syntaxes: str) -> Accepted:
    """Return the context of the first of some SOP classes that the peer takes.

    Raises
    ------
    UnsupportedError
        It takes none of them.
    """
    for uid in abstract_syntaxes:
        context = association.context_for(uid)
        if context is not None:
            return context
    names = " and ".join(uid_name(uid) or uid for uid in abstract_syntaxes)
    raise UnsupportedError(
        f"The peer does not take {names}. Have its administrator allow it for our AE title.",
        sop_class_uid=abstract_syntaxes[0],
    )
