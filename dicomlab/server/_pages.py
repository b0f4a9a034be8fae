"""Pages for people: studies, a study, the viewer; and what is said when a page cannot be."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from jinja2 import Environment, FileSystemLoader
from starlette.responses import HTMLResponse, RedirectResponse, Response

from dicomlab import catalog
from dicomlab.catalog import Browsable, Record, Series, Value
from dicomlab.errors import (
    DicomlabError,
    GeometryError,
    NonConformantError,
    NotFoundError,
    UnsupportedError,
)
from dicomlab.server._assets import Assets
from dicomlab.server._searches import Searches, form, study_query
from dicomlab.server._uids import Uid, VolumeName
from dicomlab.viewing import (
    STATIC_FOLDER,
    ViewService,
    VolumeView,
    bundle_file,
    date,
    other_writing,
    person,
    several,
    text,
    volume_id,
)

__all__ = ["Pages", "find_one"]

_FOLDER = Path(__file__).parent
_STUDIES = 50
_THUMBNAIL = 256
_HEADINGS = {
    HTTPStatus.NOT_FOUND: "There is no such page",
    HTTPStatus.METHOD_NOT_ALLOWED: "There is no such page",
    HTTPStatus.SERVICE_UNAVAILABLE: "Something is missing",
}


class _Row(dict[str, Value]):
    """A record whose absent attributes are `None`, for templates."""

    def __missing__(self, keyword: str) -> None:
        return None


@dataclass(frozen=True)
class _Shown:
    """A volume in the words of a page."""

    id: str
    title: str
    size: str
    slices: int

    @classmethod
    def of(cls, view: VolumeView) -> _Shown:
        slices, rows, columns = view.volume.shape
        mm = " × ".join(f"{one:.3g}" for one in reversed(view.volume.spacing_mm))
        size = f"{columns} × {rows} × {slices} voxels of {mm} mm"
        return cls(volume_id(view), view.title, size, slices)


class Pages:
    """The pages of one archive.

    Parameters
    ----------
    source
        Where the studies are.
    service
        Opens their volumes.
    dashboards
        Gives the address where dashboards are served, `None` where they are not.
    """

    def __init__(
        self,
        source: Browsable,
        service: ViewService,
        *,
        dashboards: Callable[[], str | None] = lambda: None,
    ) -> None:
        self._source = source
        self._service = service
        self._dashboards = dashboards
        self._searches = Searches()
        self.assets = {
            "server": Assets("server", _FOLDER / "assets"),
            "viewer": Assets("viewer", STATIC_FOLDER),
        }
        self._templates = Environment(
            loader=FileSystemLoader(_FOLDER / "templates"),
            autoescape=True,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters.update(date=date, person=person, several=several, text=text)
        self._templates.globals["own"] = self.assets["server"].url
        self.router = APIRouter(default_response_class=HTMLResponse)
        for path, page in (
            ("/", self.home),
            ("/studies/{study_instance_uid}", self.study),
            ("/series/{series_instance_uid}", self.series),
            ("/volumes/{name}", self.volume),
        ):
            self.router.add_api_route(path, page, methods=["GET", "HEAD"])
        self.router.add_api_route("/search", self.search, methods=["POST"])
        self.router.add_api_route(
            "/series/{series_instance_uid}/thumbnail.png", self.thumbnail, methods=["GET", "HEAD"]
        )

    def home(
        self,
        search: Annotated[str | None, Query(max_length=64)] = None,
        page: Annotated[int, Query(ge=1, le=1_000_000)] = 1,
    ) -> Response:
        """Return the list of studies that a search found, newest first."""
        asked = self._searches.recall(search)
        query = study_query(asked, limit=_STUDIES + 1, offset=(page - 1) * _STUDIES)
        found = [_Row(record) for record in self._source.records(query)]

        def neighbour(number: int) -> str:
            return f"/?search={search}&page={number}" if asked else f"/?page={number}"

        return self._page(
            "home.html",
            asked=asked,
            studies=found[:_STUDIES],
            page=page,
            earlier=neighbour(page - 1) if page > 1 else None,
            later=neighbour(page + 1) if len(found) > _STUDIES else None,
        )

    def search(self, asked: Annotated[dict[str, str], Depends(form)]) -> Response:
        """Keep a search and lead to what it finds, under an address that names no patient."""
        address = f"/?search={self._searches.keep(asked)}" if asked else "/"
        return RedirectResponse(address, HTTPStatus.SEE_OTHER)

    def study(self, study_instance_uid: Uid) -> Response:
        """Return the page of a study: its series, with pictures."""
        study = find_one(self._source, "study", "StudyInstanceUID", study_instance_uid)
        query = catalog.Query(
            "series", StudyInstanceUID=study_instance_uid, order_by=("SeriesNumber",)
        )
        dashboards = self._dashboards()
        return self._page(
            "study.html",
            study=study,
            series=[_Row(record) for record in self._source.records(query)],
            facts=list(_facts(study)),
            dashboard=f"{dashboards}/study?uid={study_instance_uid}" if dashboards else None,
        )

    def series(self, series_instance_uid: Uid) -> Response:
        """Return the viewer on a series' volume, or a choice, or why there is none."""
        series = find_one(self._source, "series", "SeriesInstanceUID", series_instance_uid)
        try:
            views = self._service.volumes(series_instance_uid)
        except (NonConformantError, UnsupportedError) as error:
            return self._unviewable(series, error)
        if len(views) == 1:
            return RedirectResponse(f"/volumes/{volume_id(views[0])}", HTTPStatus.SEE_OTHER)
        return self._page("volumes.html", series=series, volumes=[_Shown.of(v) for v in views])

    def volume(self, name: VolumeName) -> Response:
        """Return the viewer on a volume."""
        view = self._service.view(name)
        bundle_file("viewer.js")
        study = find_one(self._source, "study", "StudyInstanceUID", view.volume.study_instance_uid)
        shows_names = self._service.preferences.current().general.identifying_texts
        return self._page(
            "viewer.html",
            study=study,
            shows_names=shows_names,
            volume=_Shown.of(view),
            module=self.assets["viewer"].url("viewer.js"),
        )

    def thumbnail(self, series_instance_uid: Uid) -> Response:
        """Return a small picture of a series."""
        record = find_one(self._source, "series", "SeriesInstanceUID", series_instance_uid)
        picture = Series(self._source, record).thumbnail(_THUMBNAIL, decode=self._service.decode)
        if picture is None:
            address = self.assets["server"].url("no-picture.svg")
            return RedirectResponse(address, HTTPStatus.SEE_OTHER)
        return Response(picture, media_type="image/png")

    def problem(self, _request: Request, status: HTTPStatus, reason: str) -> Response:
        """Return the page that says why another cannot be."""
        heading = _HEADINGS.get(status, "This cannot be done")
        return self._page("problem.html", status, heading=heading, reason=reason)

    def _unviewable(self, series: Record, error: DicomlabError) -> Response:
        shape = isinstance(error, GeometryError)
        remedies = ["Look at its instances one by one: archive.series(uid).instances in Python."]
        if shape:
            remedies += [
                "Open it in Python with the remedy that the reason names.",
                "If instances may be missing, import or retrieve the series again.",
            ]
        return self._page(
            "unviewable.html",
            HTTPStatus.UNPROCESSABLE_ENTITY,
            series=series,
            heading="This series forms no regular grid" if shape else "This series has no volume",
            reason=str(error),
            remedies=remedies,
        )

    def _page(self, name: str, status: HTTPStatus = HTTPStatus.OK, **values: object) -> Response:
        return HTMLResponse(self._templates.get_template(name).render(values), status)


def find_one(source: Browsable, level: str, keyword: str, uid: str) -> Record:
    """Return the record of a study or series.

    Raises
    ------
    NotFoundError
        The source holds none of this UID.
    """
    for record in source.records(catalog.Query.of(level, {keyword: uid})):
        return _Row(record)
    raise NotFoundError(f"The archive holds no {level} of this UID.")


def _facts(study: Record) -> Iterator[tuple[str, str]]:
    said = study.get
    yield "Name in other writing", other_writing(said("PatientName"))
    yield "Patient ID", text(said("PatientID"))
    yield "Born", date(said("PatientBirthDate"))
    yield "Sex", text(said("PatientSex"))
    yield "Study date", date(said("StudyDate"))
    yield "Accession number", text(said("AccessionNumber"))
    yield "Study ID", text(said("StudyID"))
    yield "Referring physician", person(said("ReferringPhysicianName"))
    yield "Instances", text(said("NumberOfStudyRelatedInstances"))
