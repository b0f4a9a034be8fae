"""The volumes of a source, opened once and prepared in the background."""

from __future__ import annotations

import hashlib
import logging
import re
import threading
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from dicomlab.catalog import ReadsHeaders
from dicomlab.config import home
from dicomlab.errors import DicomlabError, NotFoundError, kind_and_place
from dicomlab.pixels import DecodeInto, decode_into
from dicomlab.viewing._preferences import Preferences
from dicomlab.viewing._views import VolumeView
from dicomlab.volume import volumes

__all__ = ["Preparation", "Stage", "ViewService", "volume_id"]

_LOG = logging.getLogger(__name__)
_ID = re.compile(r"([0-9.]{1,64})(?:_([0-9a-f]{16}))?")
_KEPT_SERIES = 16


class Stage(StrEnum):
    """How far the store of a volume is."""

    ABSENT = "absent"
    WORKING = "working"
    READY = "ready"
    FAILED = "failed"


@dataclass(frozen=True)
class Preparation:
    """How far the store of a volume is, for a progress bar.

    Attributes
    ----------
    done, total
        Parts of the work; 0 of 0 where nothing is known yet.
    reason
        Why it failed, for the user.
    """

    stage: Stage
    done: int = 0
    total: int = 0
    reason: str = ""


class _StoppedError(Exception):
    """The service closes; work in hand ends."""


def volume_id(view: VolumeView) -> str:
    """Return a volume's name in URLs: its Series Instance UID and what tells it from the others."""
    return f"{view.volume.series_instance_uid}_{view.digest[:16]}"


class ViewService:
    """Opens the volumes of a source's series, keeps the last few, prepares their stores.

    Parameters
    ----------
    source
        Where the instances are.
    folder
        Where OME-Zarr copies are kept, ``volumes`` under ``DICOMLAB_HOME`` by default.
    decode
        What decodes frames: a `dicomlab.pixels.CappedDecoder` where strangers sent them.
    """

    def __init__(
        self,
        source: ReadsHeaders,
        folder: Path | None = None,
        *,
        decode: DecodeInto = decode_into,
    ) -> None:
        self._source = source
        self.decode = decode
        self.preferences = Preferences()
        self._folder = folder or home() / "volumes"
        self._lock = threading.Lock()
        self._opened: OrderedDict[str, tuple[str, list[VolumeView]]] = OrderedDict()
        self._stages: dict[str, Preparation] = {}
        self.stopping = threading.Event()
        self._workers = ThreadPoolExecutor(2, thread_name_prefix="dicomlab-prepare")

    def volumes(self, series_instance_uid: str) -> list[VolumeView]:
        """Return the volumes of a series as it is now.

        Raises
        ------
        NotFoundError
            The source holds no such series.
        GeometryError
            Its slices form no regular grid.
        UnsupportedError
            It holds no pictures that a volume can be made of.
        """
        instances = self._source.instances(series_instance_uid)
        # A series grows while it is received: what was opened before holds for these instances.
        names = "\0".join(sorted(one.sop_instance_uid for one in instances))
        known_by = hashlib.sha256(names.encode()).hexdigest()
        with self._lock:
            known = self._opened.get(series_instance_uid)
            if known is not None and known[0] == known_by:
                self._opened.move_to_end(series_instance_uid)
                return known[1]
        found = [one.decoded_by(self.decode) for one in volumes(instances)]
        views = [VolumeView(one, folder=self._folder) for one in found]
        with self._lock:
            self._opened[series_instance_uid] = (known_by, views)
            while len(self._opened) > _KEPT_SERIES:
                self._opened.popitem(last=False)
        return views

    def view(self, name: str) -> VolumeView:
        """Return the volume of a `volume_id`, or the only one of a Series Instance UID.

        Raises
        ------
        NotFoundError
            There is none of that name, or its series has changed since.
        """
        match = _ID.fullmatch(name)
        if match is None:
            raise NotFoundError("There is no volume of that name.")
        if match[2] is None:
            found = self.volumes(match[1])
            if len(found) == 1:
                return found[0]
            raise NotFoundError(f"The series has {len(found)} volumes: name one of them.")
        with self._lock:
            known = self._opened.get(match[1])
        for view in known[1] if known is not None else ():
            if volume_id(view) == name:
                return view
        for view in self.volumes(match[1]):
            if volume_id(view) == name:
                return view
        raise NotFoundError(
            "There is no volume of that name, or its series has changed: open the series again."
        )

    def preparation(self, name: str) -> Preparation:
        """Return how far the store of a volume is."""
        if self.view(name).is_ready:
            return Preparation(Stage.READY)
        with self._lock:
            return self._stages.get(name, Preparation(Stage.ABSENT))

    def prepare(self, name: str) -> Preparation:
        """Begin to make the store of a volume, unless it is there or in hand; return at once."""
        view = self.view(name)
        if view.is_ready:
            return Preparation(Stage.READY)
        with self._lock:
            known = self._stages.get(name)
            if known is None or known.stage is not Stage.WORKING:
                known = self._stages[name] = Preparation(Stage.WORKING)
                self._workers.submit(self._make, name, view)
        return known

    def close(self) -> None:
        """End work in hand, which leaves nothing that looks complete, and let go of threads."""
        self.stopping.set()
        self._workers.shutdown(cancel_futures=True)

    def _make(self, name: str, view: VolumeView) -> None:
        def progress(done: int, total: int) -> None:
            if self.stopping.is_set():
                raise _StoppedError
            self._note(name, Preparation(Stage.WORKING, done, total))

        try:
            view.prepare(progress)
        except _StoppedError:
            self._note(name, Preparation(Stage.ABSENT))
        except DicomlabError as error:
            self._note(name, Preparation(Stage.FAILED, reason=str(error)))
        except Exception as error:  # noqa: BLE001  nobody waits for what this thread raises
            _LOG.error("unforeseen %s while preparing a volume", kind_and_place(error))
            self._note(name, Preparation(Stage.FAILED, reason="Something went wrong in dicomlab."))
        else:
            self._note(name, Preparation(Stage.READY))

    def _note(self, name: str, preparation: Preparation) -> None:
        with self._lock:
            self._stages[name] = replace(preparation)
