"""The ASGI application."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager

from fastapi import FastAPI

from dicomlab.catalog import Browsable, Stores
from dicomlab.dicomweb import DicomWebRoot
from dicomlab.server._data import Data
from dicomlab.server._dicomweb import DicomWeb
from dicomlab.server._gate import LOOPBACK_HOSTS, Gate
from dicomlab.server._pages import Pages
from dicomlab.server._problems import answer_errors
from dicomlab.viewing import ViewService

__all__ = ["create_app"]


def create_app(
    source: Browsable,
    *,
    service: ViewService | None = None,
    stores: Stores | None = None,
    hosts: Iterable[str] = LOOPBACK_HOSTS,
    dashboards: Callable[[], str | None] = lambda: None,
) -> FastAPI:
    """Return the application that shows a source of studies.

    Parameters
    ----------
    source
        Where the studies are.
    service
        Opens and prepares volumes; by default one that keeps them under ``DICOMLAB_HOME``. It is
        closed with the application.
    stores
        Takes the instances that are sent by DICOMweb; without it none are taken.
    hosts
        Names or addresses that the application answers to, without port.
    dashboards
        Gives the address of the dashboards, `None` where there are none.
    """
    views = service or ViewService(source)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        views.close()

    # No generated documentation pages: they load their scripts from another host.
    app = FastAPI(
        title="dicomlab", docs_url=None, redoc_url=None, openapi_url=None, lifespan=lifespan
    )
    pages = Pages(source, views, dashboards=dashboards)
    root = DicomWebRoot(source, stores=stores, decode=views.decode)
    app.include_router(Data(source, views, pages.assets).router)
    app.include_router(DicomWeb(root).router)
    app.include_router(pages.router)
    answer_errors(app, pages.problem)
    app.add_middleware(Gate, hosts=tuple(hosts))
    return app
