"""The standard health service of gRPC: of the coordinator, and by name whether a member attends here."""

from __future__ import annotations

import grpc
from grpc_health.v1 import health
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse

from engine.coordinator.links import Links


class Health(health.HealthServicer):  # type: ignore[misc]  # the library has no types
    """The service "" is the coordinator; any other is the name of a node or helper: it serves while it attends."""

    def __init__(self, links: Links) -> None:
        super().__init__()
        self._links = links

    def Check(self, request: HealthCheckRequest, context: grpc.ServicerContext) -> HealthCheckResponse:  # noqa: N802
        if not request.service:
            return super().Check(request, context)
        attends = request.service in self._links.names()
        return HealthCheckResponse(status=HealthCheckResponse.SERVING if attends else HealthCheckResponse.NOT_SERVING)
