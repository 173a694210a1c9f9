"""The methods of Flight, for one caller at a time: commands in, frames out.

GetSchema           the columns of a statement; free
GetFlightInfo       runs a statement or a command of the catalogue; its ticket fetches the rows
PollFlightInfo      the same without waiting: how far a request is
DoGet               the rows of a ticket
DoAction            prepare and close statements, options of the session
DoPut               the values of a prepared statement's parameters
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

import pyarrow as pa
from google.protobuf.message import DecodeError, Message

from engine.client.asking import Asked, read
from engine.client.options import Options, text_of
from engine.client.session import Session
from engine.desk.flight import ipc, metadata
from engine.desk.flight.answers import Answers, Progress, Ticket
from engine.desk.flight.messages import packed, shown, unpacked
from engine.desk.flight.prepared import Prepared, Statements, described
from engine.desk.flight.sessions import Sessions
from engine.errors import Refused, SplittallyError
from engine.trusted.random import Randomness
from protos.arrow import flight_pb2 as flight
from protos.arrow import flight_sql_pb2 as sql

NOT_CANCELLED, CLOSED = 3, 1
ACTIONS = {
    "CreatePreparedStatement": "Reads and prices a statement; nothing is sent or spent.",
    "ClosePreparedStatement": "Forgets a prepared statement.",
    "CancelFlightInfo": "Says that a request cannot be called back once it was submitted.",
    "SetSessionOptions": "Sets epsilon, delta, agreement, purpose, n_min, valid_days, intervals or wait.",
    "GetSessionOptions": "The options in force.",
    "CloseSession": "Forgets the options of a session.",
}


@dataclass(frozen=True, slots=True)
class Caller:
    """Whose call it is: the session of the person, the options of the connection, and its cookie's name, if any.

    ``alive``: whether anybody still waits for the answer.
    """

    session: Session
    options: Options
    named: str | None
    alive: Callable[[], bool]

    def read(self, text: str) -> Asked:
        return read(self.session, text, self.options)


class Service:
    """What the desk serves to drivers."""

    def __init__(self, sessions: Sessions, randomness: Randomness) -> None:
        self.statements = Statements(randomness)
        self._sessions, self._answers = sessions, Answers()

    def schema(self, asked: flight.FlightDescriptor, caller: Caller) -> flight.SchemaResult:
        return flight.SchemaResult(schema=ipc.schema_bytes(self._schema(unpacked(asked.cmd), caller)))

    def info(self, asked: flight.FlightDescriptor, caller: Caller) -> flight.FlightInfo:
        command = unpacked(asked.cmd)
        text = self._text(command)
        if text is None:
            return _info(metadata.answer(_catalogued(command), caller.session.catalogue).schema, asked, asked.cmd)
        ticket, schema = self._answers.execute(caller.read(text), text, caller.alive)
        return _info(schema, asked, _ticket(ticket))

    def poll(self, asked: flight.FlightDescriptor, caller: Caller) -> flight.PollInfo:
        command = unpacked(asked.cmd)
        if isinstance(command, sql.TicketStatementQuery):
            found = self._answers.resume(caller.session, Ticket.decoded(command.statement_handle))
            return _polled(found, asked)
        text = self._text(command)
        if text is None:
            return flight.PollInfo(info=self.info(asked, caller), progress=1.0)
        return _polled(self._answers.begin(caller.read(text), text), asked)

    def get(self, ticket: flight.Ticket, caller: Caller) -> Iterator[flight.FlightData]:
        command = unpacked(ticket.ticket)
        if isinstance(command, sql.TicketStatementQuery):
            table = self._answers.table(caller.session, Ticket.decoded(command.statement_handle))
        else:
            table = metadata.answer(_catalogued(command), caller.session.catalogue)
        yield from ipc.frames(table)

    def put(self, sent: Iterable[flight.FlightData], caller: Caller) -> Iterator[flight.PutResult]:
        frames = iter(sent)
        first = next(frames, flight.FlightData())
        command = unpacked(first.flight_descriptor.cmd)
        if not isinstance(command, sql.CommandPreparedStatementQuery):
            raise Refused("SQL_COMMAND", command=shown(type(command).__name__))
        handle = command.prepared_statement_handle
        bound = self.statements.find(handle).bound(ipc.table_of(chain((first,), frames)))
        self.statements.change(handle, bound)
        told = sql.DoPutPreparedStatementResult(prepared_statement_handle=handle)
        yield flight.PutResult(app_metadata=told.SerializeToString())

    def act(self, action: flight.Action, caller: Caller) -> Iterator[flight.Result]:
        actions: dict[str, Callable[[bytes, Caller], bytes | None]] = {
            "CreatePreparedStatement": self._prepare,
            "ClosePreparedStatement": self._close_statement,
            "CancelFlightInfo": lambda _, __: flight.CancelFlightInfoResult(status=NOT_CANCELLED).SerializeToString(),
            "SetSessionOptions": self._set_options,
            "GetSessionOptions": self._get_options,
            "CloseSession": self._close_session,
        }
        if action.type not in actions:
            raise Refused("SQL_COMMAND", command=shown(action.type))
        try:
            body = actions[action.type](action.body, caller)
        except DecodeError:
            raise Refused("SQL_COMMAND", command=shown(action.type)) from None
        if body is not None:
            yield flight.Result(body=body)

    def actions(self, _: flight.Empty, __: Caller) -> Iterator[flight.ActionType]:
        for name, about in ACTIONS.items():
            yield flight.ActionType(type=name, description=about)

    def _text(self, command: Message) -> str | None:
        """The statement of a command that has one, its parameters bound."""
        if isinstance(command, sql.CommandStatementQuery):
            return command.query
        if isinstance(command, sql.CommandPreparedStatementQuery):
            return self.statements.find(command.prepared_statement_handle).text
        return None

    def _schema(self, command: Message, caller: Caller) -> pa.Schema:
        if isinstance(command, sql.CommandStatementQuery):
            return described(command.query, caller.read)[0]
        if isinstance(command, sql.CommandPreparedStatementQuery):
            statement = self.statements.find(command.prepared_statement_handle)
            return described(statement.sql if statement.values is None else statement.text, caller.read)[0]
        return metadata.answer(_catalogued(command), caller.session.catalogue).schema

    def _prepare(self, body: bytes, caller: Caller) -> bytes:
        asked = unpacked(body)
        if not isinstance(asked, sql.ActionCreatePreparedStatementRequest):
            raise Refused("SQL_COMMAND", command=shown(type(asked).__name__))
        columns, parameters = described(asked.query, caller.read)
        made = sql.ActionCreatePreparedStatementResult(
            prepared_statement_handle=self.statements.keep(Prepared(asked.query)),
            dataset_schema=ipc.schema_bytes(columns),
            parameter_schema=ipc.schema_bytes(parameters) if len(parameters) else b"",
        )
        return packed(made)

    def _close_statement(self, body: bytes, _: Caller) -> None:
        asked = unpacked(body)
        if isinstance(asked, sql.ActionClosePreparedStatementRequest):
            self.statements.close(asked.prepared_statement_handle)

    def _set_options(self, body: bytes, caller: Caller) -> bytes:
        asked = flight.SetSessionOptionsRequest.FromString(body)
        told = flight.SetSessionOptionsResult()
        for name, value in asked.session_options.items():
            try:
                self._sessions.change(caller.named, name, _option_text(value))
            except SplittallyError as refused:
                if refused.code != "SQL_OPTION":
                    raise
                known = name in caller.options.texts
                told.errors[name].value = told.INVALID_VALUE if known else told.INVALID_NAME
        return told.SerializeToString()

    def _get_options(self, _: bytes, caller: Caller) -> bytes:
        told = flight.GetSessionOptionsResult()
        for name, text in caller.options.texts.items():
            told.session_options[name].string_value = text
        return told.SerializeToString()

    def _close_session(self, _: bytes, caller: Caller) -> bytes:
        self._sessions.close(caller.named)
        return flight.CloseSessionResult(status=CLOSED).SerializeToString()


def _catalogued(command: Message) -> metadata.Message:
    """A command of the catalogue; Refused SQL_COMMAND for one that is served elsewhere, or nowhere."""
    if isinstance(command, metadata.Message):
        return command
    raise Refused("SQL_COMMAND", command=shown(type(command).__name__))


def _ticket(ticket: Ticket) -> bytes:
    return packed(sql.TicketStatementQuery(statement_handle=ticket.encoded()))


def _info(schema: pa.Schema, asked: flight.FlightDescriptor, ticket: bytes, known: bytes = b"") -> flight.FlightInfo:
    return flight.FlightInfo(
        schema=ipc.schema_bytes(schema),
        flight_descriptor=asked,
        endpoint=[flight.FlightEndpoint(ticket=flight.Ticket(ticket=ticket))] if ticket else [],
        total_records=-1,
        total_bytes=-1,
        ordered=True,
        app_metadata=known,
    )


def _polled(found: Progress, asked: flight.FlightDescriptor) -> flight.PollInfo:
    """With a descriptor to poll with as long as it is not done."""
    ticket = _ticket(found.ticket)
    info = _info(found.schema, asked, ticket if found.done else b"", found.known)
    told = flight.PollInfo(info=info, progress=found.share)
    if not found.done:
        told.flight_descriptor.CopyFrom(flight.FlightDescriptor(type=flight.FlightDescriptor.CMD, cmd=ticket))
    return told


def _option_text(value: flight.SessionOptionValue) -> str:
    """The value of an option as its text; no value sets it back to nothing, which some options have."""
    kind = value.WhichOneof("option_value")
    found = None if kind is None else getattr(value, kind)
    return f"{found:.17g}" if isinstance(found, float) else text_of(found)
