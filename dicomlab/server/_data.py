"""Routes for programs: records, scenes, objects of a store, planes."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import Annotated, Literal, cast

from fastapi import APIRouter, Query, Request
from starlette.responses import JSONResponse, Response

from dicomlab import catalog
from dicomlab.catalog import Browsable
from dicomlab.errors import NotFoundError
from dicomlab.pixels import VoiWindow
from dicomlab.server._assets import Assets
from dicomlab.server._pages import find_one
from dicomlab.server._uids import AxisNumber, Uid, VolumeName
from dicomlab.viewing import Axis, ByteRange, Preparation, ViewService, volume_id

__all__ = ["Data", "asked_range"]

_READ = ["GET", "HEAD"]
_RANGE = re.compile(r"bytes=(?:(?P<start>\d{1,18})-(?P<last>\d{1,18})?|-(?P<suffix>\d{1,18}))")
_UNCHANGING = "public, max-age=31536000, immutable"


class Data:
    """What programs and the viewer read of one archive.

    Parameters
    ----------
    source
        Where the studies are.
    service
        Opens and prepares their volumes.
    assets
        Files that pages load.
    """

    def __init__(self, source: Browsable, service: ViewService, assets: dict[str, Assets]) -> None:
        self._source = source
        self._service = service
        self._assets = assets
        self.router = APIRouter()
        for path, answer in (
            ("/api/studies", self.studies),
            ("/api/studies/{study_instance_uid}", self.study),
            ("/api/studies/{study_instance_uid}/series", self.series),
            ("/api/series/{series_instance_uid}/volumes", self.volumes),
            ("/volumes/{name}/scene", self.scene),
            ("/volumes/{name}/store", self.preparation),
            ("/volumes/{name}/zarr/{key:path}", self.object),
            ("/volumes/{name}/plane/{axis}/{index}.png", self.rendered_plane),
            ("/volumes/{name}/plane/{axis}/{index}", self.plane),
            ("/assets/{folder}/{digest}/{path:path}", self.asset),
        ):
            self.router.add_api_route(path, answer, methods=_READ)
        self.router.add_api_route("/volumes/{name}/store", self.prepare, methods=["POST"])

    def studies(
        self,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
        offset: Annotated[int, Query(ge=0, le=2**53)] = 0,
    ) -> Response:
        """Return the records of studies, newest first."""
        query = catalog.Query("study", limit=limit, offset=offset, order_by=("-StudyDate",))
        return JSONResponse([dict(record) for record in self._source.records(query)])

    def study(self, study_instance_uid: Uid) -> Response:
        """Return the record of a study."""
        found = find_one(self._source, "study", "StudyInstanceUID", study_instance_uid)
        return JSONResponse(dict(found))

    def series(self, study_instance_uid: Uid) -> Response:
        """Return the records of a study's series."""
        find_one(self._source, "study", "StudyInstanceUID", study_instance_uid)
        query = catalog.Query(
            "series", StudyInstanceUID=study_instance_uid, order_by=("SeriesNumber",)
        )
        return JSONResponse([dict(record) for record in self._source.records(query)])

    def volumes(self, series_instance_uid: Uid) -> Response:
        """Return the volumes of a series: id, title, shape."""
        return JSONResponse(
            [
                {"id": volume_id(view), "title": view.title, "shape": view.volume.shape}
                for view in self._service.volumes(series_instance_uid)
            ]
        )

    def scene(self, name: VolumeName) -> Response:
        """Return what the viewer needs to know of a volume."""
        root = f"/volumes/{name}"
        scene = self._service.view(name).scene(
            store=f"{root}/zarr",
            plane_url=f"{root}/plane/{{axis}}/{{index}}",
            images=self._service.preferences.current(),
        )
        return JSONResponse(scene)

    def preparation(self, name: VolumeName) -> Response:
        """Return how far the store of a volume is."""
        return _progress(self._service.preparation(name))

    def prepare(self, name: VolumeName) -> Response:
        """Begin to make the store of a volume."""
        return _progress(self._service.prepare(name))

    def object(self, request: Request, name: VolumeName, key: str) -> Response:
        """Return one object of a volume's store, or the range of it that was asked for."""
        view = self._service.view(name)
        if not view.is_ready:
            raise NotFoundError("The volume's store is not there yet: POST to /store first.")
        size = view.object_size(key)
        headers = {"Accept-Ranges": "bytes"}
        kind = "application/json" if key.endswith(".json") else "application/octet-stream"
        part = asked_range(request.headers.get("range"))
        status, start, end = HTTPStatus.OK, 0, size
        if part is not None:
            bounds = part.within(size)
            if bounds is None:
                headers["Content-Range"] = f"bytes */{size}"
                return Response(b"", HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, headers)
            status, (start, end) = HTTPStatus.PARTIAL_CONTENT, bounds
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
        if request.method == "HEAD":
            headers["Content-Length"] = str(end - start)
            return Response(None, status, headers, kind)
        return Response(view.chunk(key, part), status, headers, kind)

    def plane(
        self,
        name: VolumeName,
        axis: AxisNumber,
        index: int,
        level: Annotated[int, Query(ge=0, le=30)] = 0,
    ) -> Response:
        """Return the stored values of a plane, little-endian."""
        plane = self._service.view(name).plane(cast("Axis", axis), index, level)
        rows, columns = plane.shape
        headers = {"X-Dicomlab-Shape": f"{rows},{columns}", "X-Dicomlab-Dtype": plane.dtype}
        return Response(plane.data, headers=headers, media_type="application/octet-stream")

    def rendered_plane(
        self,
        name: VolumeName,
        axis: AxisNumber,
        index: int,
        center: Annotated[float | None, Query(ge=-1e9, le=1e9)] = None,
        width: Annotated[float | None, Query(ge=1, le=1e9)] = None,
        size: Annotated[int | None, Query(ge=16, le=4096)] = None,
    ) -> Response:
        """Return a plane as PNG."""
        window = None
        if center is not None and width is not None:
            window = VoiWindow(center=center, width=width)
        view = self._service.view(name)
        picture = view.rendered_plane(cast("Axis", axis), index, window, size=size)
        return Response(picture, media_type="image/png")

    def asset(self, folder: Literal["server", "viewer"], digest: str, path: str) -> Response:
        """Return a file that pages load; under its URL it never changes."""
        content, kind = self._assets[folder].read(digest, path)
        return Response(content, media_type=kind, headers={"Cache-Control": _UNCHANGING})


def asked_range(header: str | None) -> ByteRange | None:
    """Return the range that a Range header asks for (RFC 9110 14.1.2).

    `None` where it asks for none, for several, or for what is no range of bytes: a server answers
    those with the whole.
    """
    match = _RANGE.fullmatch(header.strip()) if header else None
    if match is None:
        return None
    if match["suffix"] is not None:
        return ByteRange(suffix_length=int(match["suffix"]))
    start = int(match["start"])
    if match["last"] is None:
        return ByteRange(offset=start)
    last = int(match["last"])
    return ByteRange(offset=start, length=last - start + 1) if last >= start else None


def _progress(preparation: Preparation) -> Response:
    return JSONResponse(
        {
            "stage": preparation.stage.value,
            "done": preparation.done,
            "total": preparation.total,
            "reason": preparation.reason,
        }
    )
