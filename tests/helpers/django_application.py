"""A Django project in one file, for a server in a process of its own: Django's settings are the process's."""

import time
from typing import Any

import django  # type: ignore[import-untyped]
from django.conf import settings  # type: ignore[import-untyped]
from django.core.handlers.asgi import ASGIHandler  # type: ignore[import-untyped]
from django.http import HttpResponse, JsonResponse, StreamingHttpResponse  # type: ignore[import-untyped]
from django.urls import path  # type: ignore[import-untyped]

PIECE = bytes(range(256)) * 256


async def item(request: Any, number: int) -> Any:
    return JsonResponse({"number": number, "page": request.GET.get("page")})


def sync(request: Any) -> Any:
    time.sleep(0.001)
    return HttpResponse("sync")


def stream(request: Any) -> Any:
    async def pieces() -> Any:
        for _ in range(20):
            yield PIECE

    return StreamingHttpResponse(pieces())


async def upload(request: Any) -> Any:
    return JsonResponse({"length": len(request.body)})


async def broken(request: Any) -> Any:
    raise LookupError("broken")


urlpatterns = [
    path("items/<int:number>/", item),
    path("sync/", sync),
    path("stream/", stream),
    path("upload/", upload),
    path("broken/", broken),
]

settings.configure(
    ROOT_URLCONF=__name__,
    ALLOWED_HOSTS=["*"],
    SECRET_KEY="tests",
    MIDDLEWARE=["django.middleware.common.CommonMiddleware"],
    DATA_UPLOAD_MAX_MEMORY_SIZE=None,
)
django.setup(set_prefix=False)
application = ASGIHandler()
