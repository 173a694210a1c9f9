"""Who may call, what is refused before anything is read, and what one connection's options are."""

from __future__ import annotations

import base64
import socket
from collections.abc import Iterator

import grpc
import pytest

from engine.desk.flight.server import FlightSqlServer
from engine.errors import BadFile
from protos.arrow import flight_pb2 as flight
from protos.arrow import flight_sql_pb2 as sql
from tests.desk_flight.conftest import ROWS, SQL, TOKEN, Raw, Served, descriptor, enveloped, fresh

INFO = sql.CommandGetSqlInfo(info=[0])


def basic(password: str) -> str:
    return f"Basic {base64.b64encode(f'user:{password}'.encode()).decode()}"


WRONG = (
    (),
    (("authorization", ""),),
    (("authorization", "Bearer"),),
    (("authorization", "Bearer "),),
    (("authorization", f"Bearer {TOKEN[:-1]}"),),
    (("authorization", f"Bearer {TOKEN}x"),),
    (("authorization", f"Token {TOKEN}"),),
    (("authorization", TOKEN),),
    (("authorization", basic(TOKEN)),),  # a password is for the handshake alone
    (("token", TOKEN),),
)
CALLS = ("GetFlightInfo", "PollFlightInfo", "GetSchema", "DoGet", "DoAction", "ListActions", "DoPut", "Handshake")


def call(raw: Raw, method: str) -> None:
    match method:
        case "GetFlightInfo" | "PollFlightInfo" | "GetSchema":
            raw.unary(method, descriptor(INFO), flight.Empty)
        case "DoGet":
            raw.stream(method, flight.Ticket(ticket=enveloped(INFO)), flight.FlightData)
        case "DoAction":
            raw.act("GetSessionOptions")
        case "ListActions":
            raw.stream(method, flight.Empty(), flight.ActionType)
        case "DoPut":
            raw.both(method, [flight.FlightData(flight_descriptor=descriptor(INFO))], flight.PutResult)
        case _:
            raw.both(method, [flight.HandshakeRequest()], flight.HandshakeResponse)


def test_every_method_of_the_server_is_called_here(served: Served) -> None:
    service = flight.DESCRIPTOR.services_by_name["FlightService"]
    assert set(CALLS) == set(service.methods_by_name)


@pytest.mark.parametrize("method", CALLS)
def test_a_call_without_the_token_is_refused(served: Served, method: str) -> None:
    for headers in WRONG:
        raw = Raw(served.server.port, headers)
        if method == "Handshake" and headers and headers[0][1] == basic(TOKEN):
            continue
        with pytest.raises(grpc.RpcError) as caught:
            call(raw, method)
        raw.channel.close()
        assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED, headers
        assert caught.value.details().startswith("[POLICY_DESK_TOKEN] ")


@pytest.mark.parametrize("method", [m for m in CALLS if m != "DoPut"])
def test_with_the_token_the_same_calls_are_served(raw: Raw, method: str) -> None:
    call(raw, method)


@pytest.mark.parametrize("authorization", [f"Bearer {TOKEN}", basic(TOKEN), basic(TOKEN).rstrip("=")])
def test_a_handshake_answers_with_the_bearer_token(served: Served, authorization: str) -> None:
    channel = grpc.insecure_channel(f"127.0.0.1:{served.server.port}")
    call = channel.stream_stream(
        "/arrow.flight.protocol.FlightService/Handshake",
        lambda m: m.SerializeToString(),
        flight.HandshakeResponse.FromString,
    )(iter([flight.HandshakeRequest()]), metadata=(("authorization", authorization),), timeout=20)
    assert list(call)
    assert dict(call.initial_metadata())["authorization"] == f"Bearer {TOKEN}"
    channel.close()


@pytest.mark.parametrize("password", ["", "x", f"{TOKEN}x", f"x:{TOKEN}"])
def test_a_handshake_with_another_password_is_refused(served: Served, password: str) -> None:
    raw = Raw(served.server.port, (("authorization", basic(password)),))
    with pytest.raises(grpc.RpcError) as caught:
        call(raw, "Handshake")
    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
    raw.channel.close()


@pytest.mark.parametrize("host", ["10.0.0.1", "::", "192.0.2.1", "example.org", "", "127.0.0.1:80", "unix:/tmp/x"])
def test_it_listens_on_this_machine_alone(served: Served, host: str) -> None:
    with pytest.raises(BadFile, match="FILE_DESK_ADDRESS"):
        FlightSqlServer.start(lambda: served.session, host, 0, TOKEN)


def test_a_port_that_is_taken_is_told_of(served: Served) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(BadFile, match=r"FILE_DESK_ADDRESS: .* at 127\.0\.0\.1:\d+: it is taken"):
            FlightSqlServer.start(lambda: served.session, "127.0.0.1", taken.getsockname()[1], TOKEN)


def test_a_short_token_is_no_token(served: Served) -> None:
    with pytest.raises(ValueError, match="16 characters"):
        FlightSqlServer.start(lambda: served.session, "127.0.0.1", 0, "short")


def test_it_stops_and_another_can_listen_there(served: Served) -> None:
    first = FlightSqlServer.start(lambda: served.session, "localhost", 0, TOKEN)
    first.stop()
    again = FlightSqlServer.start(lambda: served.session, "127.0.0.1", first.port, TOKEN)
    assert again.port == first.port
    again.stop()


NO_COMMANDS = (
    b"",
    b"\xff\xff",
    b"SELECT 1",
    enveloped(flight.Ticket(ticket=b"x")),
    enveloped(sql.TicketStatementQuery(statement_handle=b"x")),
    enveloped(sql.ActionCreatePreparedStatementRequest(query=SQL)),
    enveloped(sql.CommandPreparedStatementQuery(prepared_statement_handle=b"nobody")),
    enveloped(sql.CommandGetCatalogs()).replace(b"CommandGetCatalogs", b"CommandGetCatalogz"),
    enveloped(sql.CommandGetCatalogs()).replace(b"CommandGetCatalogs", b"DESCRIPTOR________"),
    enveloped(sql.CommandStatementQuery(query=SQL)) + b"x" * (2 << 20),
)


@pytest.mark.parametrize("command", NO_COMMANDS)
@pytest.mark.parametrize("method", ["GetFlightInfo", "GetSchema"])
def test_what_is_no_command_is_refused(raw: Raw, method: str, command: bytes) -> None:
    asked = flight.FlightDescriptor(type=flight.FlightDescriptor.CMD, cmd=command)
    with pytest.raises(grpc.RpcError) as caught:
        raw.unary(method, asked, flight.Empty)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert caught.value.details().startswith(("[SQL_COMMAND] ", "[SQL_HANDLE] "))


TICKETS = (b"", b"x", b"{}", b"[]", b'{"request": "zz", "sql": "", "intervals": false}', b'{"request": 1}')


@pytest.mark.parametrize("ticket", [*TICKETS, b'{"request": "00", "sql": "", "intervals": false}'])
@pytest.mark.parametrize("method", ["DoGet", "PollFlightInfo"])
def test_a_made_up_ticket_fetches_nothing(raw: Raw, method: str, ticket: bytes) -> None:
    command = sql.TicketStatementQuery(statement_handle=ticket)
    with pytest.raises(grpc.RpcError) as caught:
        if method == "DoGet":
            raw.stream(method, flight.Ticket(ticket=enveloped(command)), flight.FlightData)
        else:
            raw.unary(method, descriptor(command), flight.PollInfo)
    assert caught.value.details().startswith(("[SQL_HANDLE] ", "[POLICY_REQUEST_UNKNOWN] "))


@pytest.mark.parametrize(
    "action", ["BeginTransaction", "EndTransaction", "CreatePreparedSubstraitPlan", "CancelQuery", ""]
)
def test_actions_that_are_not_served_are_refused(raw: Raw, action: str) -> None:
    with pytest.raises(grpc.RpcError, match="SQL_COMMAND"):
        raw.act(action)


@pytest.mark.parametrize("action", ["CreatePreparedStatement", "ClosePreparedStatement", "SetSessionOptions"])
def test_a_broken_action_is_refused(raw: Raw, action: str) -> None:
    with pytest.raises(grpc.RpcError, match="SQL_COMMAND"):
        raw.act(action, b"\xff\xff\xff")


def test_what_was_not_foreseen_leaves_without_its_text(bench_served: Served) -> None:
    raw = Raw(bench_served.server.port)
    with pytest.raises(grpc.RpcError) as caught:
        raw.info(sql.CommandStatementQuery(query=SQL))
    assert caught.value.code() is grpc.StatusCode.INTERNAL
    assert caught.value.details().startswith("[BUG_UNEXPECTED] ")
    assert "secret" not in caught.value.details()
    raw.channel.close()


@pytest.fixture
def bench_served(served: Served) -> Iterator[Served]:
    def broken() -> object:
        raise RuntimeError("a secret")

    server = FlightSqlServer.start(broken, "127.0.0.1", 0, TOKEN)  # type: ignore[arg-type]
    yield Served(served.bench, server, served.session)
    server.stop()


def test_a_request_cannot_be_called_back(raw: Raw) -> None:
    (told,) = raw.act("CancelFlightInfo", flight.CancelFlightInfoRequest().SerializeToString())
    assert flight.CancelFlightInfoResult.FromString(told.body).status == 3


# -- options


def spent(served: Served) -> float:
    """The epsilon of the newest request."""
    newest = served.session.requests(1)[0].request_digest
    return float(served.session.archive.asked(newest).epsilon)


def test_options_come_with_the_connection(served: Served) -> None:
    with served.connect(epsilon=fresh(101), agreement="first-agreement", purpose="a test") as opened:
        cursor = opened.cursor()
        cursor.execute(SQL)
        assert cursor.fetchall() == ROWS
        cursor.execute("SELECT epsilon, delta, agreement, purpose FROM fed.requests LIMIT 1")
        assert cursor.fetchall() == [(1.101, 1e-9, "first-agreement", "a test")]
        cursor.close()


def test_options_are_set_for_a_session(served: Served) -> None:
    from adbc_driver_flightsql import ConnectionOptions

    prefix = ConnectionOptions.OPTION_SESSION_OPTION_PREFIX.value
    with served.connect(epsilon="0.5") as opened, served.connect(epsilon="0.5") as other:
        opened.adbc_connection.set_options(**{f"{prefix}epsilon": fresh(102), f"{prefix}intervals": "columns"})
        assert opened.adbc_connection.get_option(f"{prefix}epsilon") == "1.102"
        assert other.adbc_connection.get_option(f"{prefix}epsilon") == "0.5"
        with opened.cursor() as cursor:
            cursor.execute(SQL)
            assert [column[0] for column in cursor.description] == ["region", "n", "n_low", "n_high"]
            for _, n, low, high in cursor.fetchall():
                assert low < n < high
        assert spent(served) == 1.102


def test_a_driver_without_cookies_is_told_so_before_anything_is_spent(served: Served) -> None:
    from adbc_driver_flightsql import ConnectionOptions

    with served.connect(cookies=False) as opened, pytest.raises(opened.Error, match=r"\[SQL_SESSION\]"):
        opened.adbc_connection.set_options(**{f"{ConnectionOptions.OPTION_SESSION_OPTION_PREFIX.value}epsilon": "0.1"})


def cookie_of(raw: Raw) -> str:
    call = raw.channel.unary_unary(
        "/arrow.flight.protocol.FlightService/GetFlightInfo",
        lambda m: m.SerializeToString(),
        flight.FlightInfo.FromString,
    )
    _, done = call.with_call(descriptor(INFO), metadata=raw.headers, timeout=20)
    return str(dict(done.initial_metadata())["set-cookie"])


def test_a_closed_session_is_refused_not_served_with_other_options(served: Served, raw: Raw) -> None:
    own = Raw(served.server.port, (*raw.headers, ("cookie", cookie_of(raw))))
    asked = flight.SetSessionOptionsRequest()
    asked.session_options["epsilon"].double_value = 0.25
    asked.session_options["catalog"].string_value = "test"
    asked.session_options["colour"].string_value = "blue"
    asked.session_options["delta"].string_value = "much"
    (told,) = own.act("SetSessionOptions", asked.SerializeToString())
    errors = flight.SetSessionOptionsResult.FromString(told.body).errors
    assert {name: error.value for name, error in errors.items()} == {"colour": 1, "delta": 2}
    (told,) = own.act("GetSessionOptions")
    options = flight.GetSessionOptionsResult.FromString(told.body).session_options
    assert options["epsilon"].string_value == "0.25"
    (told,) = own.act("CloseSession")
    assert flight.CloseSessionResult.FromString(told.body).status == 1
    with pytest.raises(grpc.RpcError, match="SQL_SESSION"):
        own.info(INFO)
    own.channel.close()


@pytest.mark.parametrize("cookie", ["arrow_flight_session_id=made-up", "arrow_flight_session_id=ab.cd"])
def test_a_made_up_session_is_refused(served: Served, raw: Raw, cookie: str) -> None:
    own = Raw(served.server.port, (*raw.headers, ("cookie", cookie)))
    with pytest.raises(grpc.RpcError, match="SQL_SESSION"):
        own.info(INFO)
    own.channel.close()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("epsilon", "1e999999999"),
        ("epsilon", "-1"),
        ("epsilon", "nan"),
        ("epsilon", ""),
        ("delta", "1/0"),
        ("n_min", "0"),
        ("valid_days", ""),
        ("intervals", "yes"),
        ("wait", "4000"),
        ("purpose", "x" * 2_001),
    ],
)
def test_an_option_that_makes_no_sense_stops_every_call(served: Served, raw: Raw, name: str, value: str) -> None:
    own = Raw(served.server.port, (*raw.headers, (name, value)))
    with pytest.raises(grpc.RpcError, match=f"SQL_OPTION.*`{name}`"):
        own.info(sql.CommandStatementQuery(query=SQL))
    own.channel.close()


def test_an_amount_out_of_range_is_refused_as_everywhere(served: Served, raw: Raw) -> None:
    for name, value, code in (("epsilon", "0", "SQL_EPSILON_RANGE"), ("delta", "0.5", "SQL_DELTA_RANGE")):
        own = Raw(served.server.port, (*raw.headers, (name, value)))
        with pytest.raises(grpc.RpcError, match=code):
            own.info(sql.CommandStatementQuery(query=SQL))
        own.channel.close()
