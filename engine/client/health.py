"""Whether a coordinator serves and a member attends, asked as a monitor asks: over mutual TLS, with any home's keys."""

from __future__ import annotations

import grpc

from engine.client.calls import OPTIONS, PATIENCE_SECONDS
from engine.errors import BadFile, Unavailable
from engine.trusted.home import Home


def require_serving(home: Home, address: str, member: str = "") -> None:
    """Returns if the coordinator at ``address`` serves, and ``member`` attends there.

    Raises Unavailable NODE_UNREACHABLE, NODE_COORDINATOR_STOPPING or NODE_NOT_ATTENDING; BadFile FILE_PACKAGE.
    """
    try:
        from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
        from grpc_health.v1.health_pb2_grpc import HealthStub
    except ImportError:
        raise BadFile("FILE_PACKAGE", package="grpcio-health-checking") from None
    tls = home.tls()
    credentials = grpc.ssl_channel_credentials(tls.authority, tls.key, tls.certificate)
    try:
        with grpc.secure_channel(address, credentials, options=OPTIONS) as channel:
            asked = HealthCheckRequest(service=member)
            said = HealthStub(channel).Check(asked, timeout=PATIENCE_SECONDS, wait_for_ready=True)
    except grpc.RpcError:
        raise Unavailable("NODE_UNREACHABLE") from None
    if said.status != HealthCheckResponse.SERVING:
        raise Unavailable("NODE_NOT_ATTENDING", name=member) if member else Unavailable("NODE_COORDINATOR_STOPPING")


def address_of(home: Home) -> str:
    """Where the coordinator is: of its own home, the port that it took when it started. BadFile FILE_HOME_BROKEN."""
    bound = home.path / "address"
    try:
        return bound.read_text(encoding="utf-8").strip() if bound.exists() else home.coordinator
    except (OSError, ValueError) as error:
        raise BadFile("FILE_HOME_BROKEN", path=str(bound), internal=repr(error)) from None
