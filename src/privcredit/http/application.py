"""The one way to build a node's HTTP application: strict bodies, problem details, roles, OpenAPI, safe headers."""

from collections.abc import Mapping, Sequence
from typing import Any

from litestar import Litestar, Request, Response, get
from litestar.config.app import AppConfig
from litestar.connection import ASGIConnection
from litestar.datastructures import MutableScopeHeaders
from litestar.di import NamedDependency, Provide
from litestar.handlers import BaseRouteHandler
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import License
from litestar.types import ControllerRouterHandler, Guard, LifespanHook, Scope
from litestar.types import Message as AsgiMessage
from litestar.utils.sync import AsyncCallable

from privcredit.errors import RefusedError
from privcredit.http.body import MAX_BODY_BYTES, StrictRequest, StrictResponse
from privcredit.http.observability import Observability, observe
from privcredit.http.pki import Peer
from privcredit.http.problems import MEDIA_TYPE, respond
from privcredit.http.server import PEER_SCOPE_KEY

CallingPeer = NamedDependency[Peer]
"""Annotate a handler's argument `peer` with it to receive the certificate's owner."""

OPENAPI_MEDIA_TYPE = "application/vnd.oai.openapi+json"

SECURITY_HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
"""For an API that no page embeds. A handler that serves pages sets its own and is not overridden."""


def make_app(
    name: str,
    version: str,
    route_handlers: Sequence[ControllerRouterHandler],
    *,
    observability: Observability | None = None,
    guards: Sequence[Guard] = (),
    dependencies: Mapping[str, Provide] | None = None,
    max_body_bytes: int = MAX_BODY_BYTES,
    on_startup: Sequence[LifespanHook] = (),
    on_shutdown: Sequence[LifespanHook] = (),
    description: str | None = None,
) -> Litestar:
    """Return the application of one node.

    name, version: title and version in /openapi.json. guards: for all routes except the schema, usually `require_role`.
    Handlers may take `peer: CallingPeer`, the certificate's owner (refused with wrong-role where there is none).
    """
    own = {"peer": Provide(_peer_dependency, sync_to_thread=False), **(dependencies or {})}
    app = Litestar(
        route_handlers=[*route_handlers, _openapi_handler],
        dependencies=own,
        guards=[_except_schema(guard) for guard in guards],
        exception_handlers={Exception: respond},
        request_class=StrictRequest,
        response_class=StrictResponse,
        request_max_body_size=max_body_bytes,
        before_send=[_add_security_headers],
        openapi_config=_openapi_config(name, version, description),
        on_startup=on_startup,
        on_shutdown=on_shutdown,
        on_app_init=[_quiet],
        logging_config=None,
        debug=False,
    )
    _unwrap_handlers(app)
    if observability is not None:
        app.asgi_handler = observe(app.asgi_handler, observability)
    return app


def require_role(*roles: str) -> Guard:
    """Return a guard that lets in only peers whose certificate names one of `roles` (threat N2)."""

    def guard(connection: ASGIConnection[Any, Any, Any, Any], _handler: BaseRouteHandler) -> None:
        peer = current_peer(connection.scope)
        if peer.role not in roles:
            raise RefusedError("wrong-role", f"This is for {' and '.join(roles)}; {peer.party} is {peer.role}.")

    return guard


def current_peer(scope: Scope) -> Peer:
    """Return who sends the request of `scope`. Raises RefusedError where no certificate says so."""
    peer = scope.get(PEER_SCOPE_KEY)
    if not isinstance(peer, Peer):
        raise RefusedError("wrong-role", "This needs a federation certificate that names a party and its role.")
    return peer


def _peer_dependency(request: Request[Any, Any, Any]) -> Peer:
    return current_peer(request.scope)


def _except_schema(guard: Guard) -> Guard:
    def guarded(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> Any:  # noqa: ANN401 - a guard may be async
        return None if handler.opt.get("schema") else guard(connection, handler)

    return guarded


def _unwrap_handlers(app: Litestar) -> None:
    """Undo Litestar 2's repeated wrapping of synchronous handlers.

    It registers a handler anew for every further method of its path and each time wraps it for a thread, so that a PUT
    next to a GET and a DELETE returns a coroutine in place of its result (litestar-org/litestar#4738, mended in 3).
    """
    for route in app.routes:
        for handler in getattr(route, "route_handlers", ()):
            wrapped = handler.fn
            while isinstance(wrapped, AsyncCallable) and isinstance(wrapped.func, AsyncCallable):
                wrapped = wrapped.func
            handler._fn = wrapped  # noqa: SLF001 - there is no public way to replace it


def _quiet(config: AppConfig) -> AppConfig:
    config.logging_config = None
    return config


async def _add_security_headers(message: AsgiMessage, _scope: Scope) -> None:
    if message["type"] == "http.response.start":
        headers = MutableScopeHeaders.from_message(message)
        for name, value in SECURITY_HEADERS.items():
            headers.setdefault(name, value)


def _openapi_config(name: str, version: str, description: str | None) -> OpenAPIConfig:
    return OpenAPIConfig(
        title=name,
        version=version,
        description=description,
        license=License(name="Apache-2.0", identifier="Apache-2.0"),
        path="/openapi",
        render_plugins=[JsonRenderPlugin(path="/schema.json")],
        use_handler_docstrings=True,
    )


@get("/openapi.json", include_in_schema=False, sync_to_thread=False, media_type=OPENAPI_MEDIA_TYPE, schema=True)
def _openapi_handler(request: Request[Any, Any, Any]) -> Response[Any]:
    """The API's description (OpenAPI 3.1)."""
    return StrictResponse(_with_problems(request.app.openapi_schema.to_schema()), media_type=OPENAPI_MEDIA_TYPE)


def _with_problems(schema: dict[str, Any]) -> dict[str, Any]:
    """Return `schema` with our problem details as every operation's answer to errors, instead of the framework's."""
    problem = {"description": "RFC 9457 problem details", "content": {MEDIA_TYPE: {"schema": _PROBLEM_SCHEMA}}}
    operations = (op for path in schema.get("paths", {}).values() for op in path.values() if isinstance(op, dict))
    for operation in operations:
        responses = operation.setdefault("responses", {})
        responses.pop("400", None)
        responses["default"] = problem
    return schema


_PROBLEM_SCHEMA = {
    "type": "object",
    "required": ["type", "title", "status"],
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "instance": {"type": "string", "format": "uri"},
        "culprit": {"type": "string"},
        "step": {"type": "string"},
    },
}
