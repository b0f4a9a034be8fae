"""What can be configured, with what it means and what it is where nobody says."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, model_validator
from pydantic.config import JsonDict

from dicomlab.config._values import (
    AETitle,
    Criteria,
    Host,
    Hours,
    Location,
    Name,
    Port,
    Secret,
    Section,
    TransferSyntaxes,
    WebAddress,
)

_MIB = 1 << 20

Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0)]
AT_ONCE: JsonDict = {"applies": "at once"}
"""Marks a section whose changes take effect without a restart."""
AT_RESTART: JsonDict = {"applies": "at restart"}


class Tls(Section):
    """A secured link (PS3.15 B)."""

    ca: Location | None = None
    """Certificates to trust, PEM; by default those of the system."""
    certificate: Location | None = None
    """Our own certificate, PEM."""
    key: Location | None = None
    """The private key of our certificate, PEM."""
    key_password: Secret | None = None
    """What the private key is locked with."""


class LocalAE(Section):
    """An application entity that we are: what others call, and what we call ourselves."""

    aet: AETitle = "DICOMLAB"
    """AE title."""
    port: Port = 11112
    """TCP port to listen on."""
    addresses: Annotated[tuple[Host, ...], Field(min_length=1)] = ("127.0.0.1",)
    """Addresses to listen on; "0.0.0.0" is every IPv4 interface."""
    tls: Tls | None = None
    """Secured link; without this table the link is plain."""


class Courtesy(Section):
    """How much we ask of a location at the most, so that clinical work comes first."""

    associations: Count = 2
    """Associations or HTTP connections at one time."""
    requests_per_minute: Count | None = None
    """Queries and retrieves started in a minute."""
    bytes_per_s: Count | None = None
    """Bytes received in a second, as a mean over ten seconds."""
    hours: tuple[Hours, ...] = ()
    """When bulk work may run, local time, as "18:00-06:00"; none given means always."""
    back_off: bool = True
    """Slow down when the location says that it is out of resources, or answers late."""


class RemoteLocation(Section):
    """A site whose peers share an order of transfer syntaxes and a courtesy budget."""

    description: str = ""
    """What people call it."""
    transfer_syntaxes: TransferSyntaxes = ()
    """Transfer syntax UIDs to offer, the best first; none given leaves it to dicomlab."""
    courtesy: Courtesy = Courtesy()
    """How much is asked of all its peers together."""


class Peer(Section):
    """A remote application entity."""

    aet: AETitle
    """Its AE title."""
    host: Host
    """Host name or IP address."""
    port: Port = 104
    """TCP port."""
    location: Name | None = None
    """Name of its location, one of the tables in `locations`."""
    local: Name | None = None
    """Which of our own AEs calls it, one of the tables in `aes`; by default "main"."""
    tls: Tls | None = None
    """Secured link; without this table the link is plain."""


class DicomwebPeer(Section):
    """A DICOMweb server."""

    url: WebAddress
    """Its root, for example "https://pacs.example.org/dicom-web"."""
    location: Name | None = None
    """Name of its location, one of the tables in `locations`."""
    user: str | None = None
    """User name for HTTP Basic."""
    password: Secret | None = None
    """Password for HTTP Basic."""
    token: Secret | None = None
    """Bearer token."""
    tls: Tls | None = None
    """Own certificate, or certificates to trust."""


class Archive(Section):
    """The local archive."""

    location: Location | None = None
    """Folder or fsspec URL of its files; by default the folder "archive" under DICOMLAB_HOME."""
    index: Location | None = None
    """Database URL of its index, without password; by default SQLite in the folder."""
    index_password: Secret | None = None
    """Password of the index's database."""
    quota_bytes: Count | None = None
    """Refuse new instances when its files take more than this."""
    quarantine_bytes: Count = 1024 * _MIB
    """What refused files may take that are kept in quarantine."""
    quarantine_file_bytes: Count = 256 * _MIB
    """What one refused file may take to be kept."""


class Retention(Section):
    """Studies that are deleted after a time, or kept whatever other rules say."""

    match: Criteria = ()
    """The studies, each as "Keyword=Value", all of which must match; none given means every one."""
    arrived_days: Count | None = None
    """Days after which they expire, since their last instance arrived."""
    study_days: Count | None = None
    """Days after which they expire, since Study Date; where both are given, both must be over."""
    keep: bool = False
    """Never delete them; then no days are given."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        if self.keep == (self.arrived_days is not None or self.study_days is not None):
            raise ValueError("arrived_days or study_days, or else keep = true")
        return self


class Journal(Section):
    """The event log and audit."""

    url: Location | None = None
    """Database URL, without password; by default SQLite under DICOMLAB_HOME."""
    password: Secret | None = None
    """Password of its database."""
    keep_days: Count | None = None
    """Forget events that are older; by default none is."""


class Safety(Section):
    """What input may ask of us at the most; the names are those of `dicomlab.safety.Bounds`."""

    elements: Count = 1_000_000
    """Elements in one data set, all depths together."""
    depth: Count = 100
    """Sequences within sequences."""
    inflated_bytes: Count = 512 * _MIB
    """What a deflated data set may grow to."""
    inflation_ratio: Count = 200
    """How many times its size a deflated data set may grow to."""
    inflation_slack_bytes: Annotated[int, Field(ge=0)] = 16 * _MIB
    """Growth that is allowed on top, so that small data sets pass."""
    header_bytes: Count = 512 * _MIB
    """A data set without its pixel data."""
    frames: Count = 1_000_000
    """Frames that an image may declare."""
    image_bytes: Count = 4096 * _MIB
    """Bytes of pixels that an image may declare."""
    archive_entries: Count = 100_000
    """Members of a zip or tar."""
    archive_ratio: Count = 100
    """How many times its size a zip or tar may grow to."""


class Workers(Section):
    """Processes that decode frames for a server; names as of `dicomlab.safety.WorkerLimits`."""

    count: Count | None = None
    """How many there are at the most, by default one for each processor."""
    memory_bytes: Count = 512 * _MIB
    """Memory that one may have more than it begins with."""
    shared_bytes: Count = 128 * _MIB
    """Bytes of a frame, compressed and decoded together."""
    cpu_s: Positive = 5.0
    """Processor time for a frame."""
    cpu_s_per_mib: Annotated[float, Field(ge=0)] = 0.25
    """Processor time for each MiB that it decodes to, on top."""
    wall_s: Positive = 60.0
    """Time on the clock for a frame."""


class Server(Section):
    """The HTTP server."""

    host: Host = "127.0.0.1"
    """Address to listen on."""
    port: Port = 8080
    """TCP port to listen on."""
    allowed_hosts: tuple[Host, ...] = ("localhost", "127.0.0.1")
    """Host names that requests may name."""


class Window(Section):
    """A VOI window (PS3.3 C.11.2.1.2), in the units of the modality."""

    center: float
    """Window Center (0028,1050)."""
    width: Positive
    """Window Width (0028,1051)."""


class Interpolation(StrEnum):
    """How pixels are drawn between their centres."""

    NEAREST = "nearest"
    LINEAR = "linear"
    CUBIC = "cubic"


class Layout(StrEnum):
    """What the viewer shows first: three planes, or one of them."""

    PLANES = "planes"
    AXIAL = "axial"
    CORONAL = "coronal"
    SAGITTAL = "sagittal"


class InitialWindow(StrEnum):
    """Which window an instance is first shown with."""

    STORED = "stored"
    FULL_RANGE = "full-range"
    PRESET = "preset"


_WINDOWS: Mapping[Name, Window] = {
    "soft-tissue": Window(center=40, width=400),
    "lung": Window(center=-600, width=1500),
    "bone": Window(center=500, width=2000),
    "brain": Window(center=40, width=80),
}


class Viewing(Section):
    """How images are first shown."""

    initial_window: InitialWindow = InitialWindow.STORED
    """The window stored with the image, the full range of its values, or a preset."""
    preset: Name | None = None
    """Name of the window to begin with where `initial_window` is "preset"."""
    windows: Mapping[Name, Window] = _WINDOWS
    """Window presets by name. The usual ones are offered with CT in Hounsfield units; those given
    here replace them and are offered with every volume."""
    interpolation: Interpolation = Interpolation.LINEAR
    """How pixels are drawn between their centres."""
    layout: Layout = Layout.PLANES
    """Three planes, or one of them."""


class Storing(Section):
    """How images are written when we write them; received ones stay as they came."""

    transfer_syntaxes: TransferSyntaxes = ()
    """Transfer syntax UIDs for `dicomlab export`, the best first; the first that can be written is
    taken, and none given keeps what an image has."""


class General(Section):
    """What holds for showing and for storing."""

    frames_per_s: Positive = 15.0
    """Speed of cine where the image names none."""
    identifying_texts: bool = True
    """Write names and numbers of patients beside images."""
    prepared_bytes: Count = 50 << 30
    """Disk space for volumes prepared for viewing, under DICOMLAB_HOME; those viewed longest ago go
    first."""


class Images(Section):
    """Image preferences."""

    viewing: Viewing = Field(default=Viewing(), json_schema_extra=AT_ONCE)
    """How images are first shown."""
    storing: Storing = Field(default=Storing(), json_schema_extra=AT_ONCE)
    """How images are written."""
    general: General = Field(default=General(), json_schema_extra=AT_ONCE)
    """What holds for both."""


class Settings(Section):
    """Everything that can be configured.

    Sections marked ``at once`` in `dicomlab.config.schema` take effect when the file is written,
    for those who ask `Watched.current`; the others are read when a program starts.
    """

    aes: Mapping[Name, LocalAE] = Field(default={"main": LocalAE()}, json_schema_extra=AT_RESTART)
    """Application entities that we are, by name; "main" is the one where no other is named."""
    locations: Mapping[Name, RemoteLocation] = Field(default={}, json_schema_extra=AT_ONCE)
    """Sites, by name: what their peers have in common."""
    peers: Mapping[Name, Peer] = Field(default={}, json_schema_extra=AT_ONCE)
    """Remote application entities, by the name that commands and notebooks use."""
    dicomweb: Mapping[Name, DicomwebPeer] = Field(default={}, json_schema_extra=AT_ONCE)
    """DICOMweb servers, by the name that commands and notebooks use."""
    archive: Archive = Field(default=Archive(), json_schema_extra=AT_RESTART)
    """The local archive."""
    retention: Mapping[Name, Retention] = Field(default={}, json_schema_extra=AT_ONCE)
    """Rules by which studies expire, by name; "dicomlab archive retention" applies them."""
    journal: Journal = Field(default=Journal(), json_schema_extra=AT_RESTART)
    """The event log and audit."""
    safety: Safety = Field(default=Safety(), json_schema_extra=AT_RESTART)
    """Bounds on what comes in."""
    workers: Workers = Field(default=Workers(), json_schema_extra=AT_RESTART)
    """The processes that decode compressed frames for a server."""
    server: Server = Field(default=Server(), json_schema_extra=AT_RESTART)
    """The HTTP server."""
    images: Images = Field(default=Images(), json_schema_extra=AT_ONCE)
    """Image preferences."""

    def location_of(self, peer: Peer | DicomwebPeer) -> RemoteLocation:
        """Return what holds for a peer: its location's settings, or the usual ones."""
        return RemoteLocation() if peer.location is None else self.locations[peer.location]

    def local_of(self, peer: Peer) -> LocalAE:
        """Return the AE that we are towards a peer."""
        return self.aes[peer.local or "main"]

    def peers_at(self, location: str) -> Mapping[str, Peer]:
        """Return the remote AEs of a location, by name."""
        return {name: peer for name, peer in self.peers.items() if peer.location == location}
