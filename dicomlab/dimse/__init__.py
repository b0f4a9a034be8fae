"""Application entities of the DICOM network: those that we call, and those that we are."""

from dicomlab.dimse._local import Service
from dicomlab.dimse._node import Node
from dicomlab.dimse._peer import Answers, Peer
from dicomlab.dimse._pull import Pull, PullReport, PullRow, Wanted
from dicomlab.dimse._push import Push, PushReport
from dicomlab.dimse._remote import RemoteAE, configured_peers, remote_ae
from dicomlab.dimse._search import Certificate
from dicomlab.dimse._services import STORED_SYNTAXES
from dicomlab.dimse._tls import client_context, server_context

__all__ = [
    "STORED_SYNTAXES",
    "Answers",
    "Certificate",
    "Node",
    "Peer",
    "Pull",
    "PullReport",
    "PullRow",
    "Push",
    "PushReport",
    "RemoteAE",
    "Service",
    "Wanted",
    "client_context",
    "configured_peers",
    "remote_ae",
    "server_context",
]
