"""Application entities of the DICOM network: those that we call, and those that we are."""

from dicomlab.dimse._local import Service
from dicomlab.dimse._node import Node
from dicomlab.dimse._peer import Answers, Peer
from dicomlab.dimse._remote import RemoteAE, remote_ae
from dicomlab.dimse._search import Certificate
from dicomlab.dimse._tls import client_context, server_context

__all__ = [
    "Answers",
    "Certificate",
    "Node",
    "Peer",
    "RemoteAE",
    "Service",
    "client_context",
    "remote_ae",
    "server_context",
]
