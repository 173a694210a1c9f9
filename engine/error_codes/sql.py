"""SQL_: the statement, refused before anything is spent."""

from __future__ import annotations

from engine.error_codes.row import ErrorCode

CODES: dict[str, ErrorCode] = {
    "SQL_SYNTAX": ErrorCode("The statement cannot be read: {detail}.", "Check it near the place shown."),
    "SQL_TYPE_MISMATCH": ErrorCode("{function} takes {expected}.", "Change or cast what it is given."),
    "SQL_TOO_LARGE": ErrorCode(
        "Numbers could become too large to add up exactly: {what}.",
        "Use columns with bounds, limit values with LEAST and GREATEST, or have `at_most` stated in the catalogue.",
    ),
    "SQL_KEY_NO_DOMAIN": ErrorCode(
        "A group key has no published list of values, and its values are not of a kind that nodes can name.",
        "Group by a text, an integer or a date, or by a CASE with literal outcomes. A division gives decimals: write"
        " `x // 10 * 10` for bands of ten.",
    ),
    "SQL_KEYS_SELECTED_TWICE": ErrorCode(
        "More than one group key has no published list of values.",
        "Keep one of them, or join them into one text: `a || ' / ' || b`.",
    ),
    "SQL_KEY_TOO_MANY": ErrorCode(
        "A group key has more values than the federation allows.",
        "Group by a coarser key, such as `x // 10 * 10` or `date_trunc('month', d)`.",
    ),
    "SQL_UNBOUNDED_MEASURE": ErrorCode(
        "A sum or average is over values without published bounds.",
        "Limit them in the statement: GREATEST(0, LEAST(1000, x)).",
    ),
    "SQL_PERSON_LITERAL": ErrorCode(
        "The person column is compared with a literal.", "No statement may single out a person; leave that out."
    ),
    "SQL_PERSON_COLUMN": ErrorCode(
        "The person column is used as a value or group key.", "Count it with COUNT(DISTINCT ...), or leave it out."
    ),
    "SQL_EPSILON_RANGE": ErrorCode(
        "Epsilon and delta do not give a usable privacy loss.", "Epsilon from 0.001 to 1000, delta such as 1e-9."
    ),
    "SQL_RUNS_RANGE": ErrorCode(
        "A request has at least one run and is valid for 1 to 3,660 days.", "Give `--runs` and `--valid-days` so."
    ),
    "SQL_RUNS_KEYS": ErrorCode(
        "A statement with a key that has no published list cannot be a standing request in this version.",
        "Submit it once for each run, or group by a key with a published list.",
    ),
    "SQL_DELTA_RANGE": ErrorCode(
        "Delta is outside the range that is allowed.", "Give a delta from 1e-15 to 1e-3, such as 1e-9."
    ),
    "SQL_PURPOSE_LONG": ErrorCode("The purpose is longer than {most} characters.", "Say it in fewer words."),
    "SQL_OVERLAP_PERSONS": ErrorCode(
        "Distinct persons cannot be counted where one person may appear at several nodes.",
        "Count rows with COUNT(*), or have `overlap: 1` stated in the catalogue if it is true.",
    ),
    "SQL_OVERLAP_FEATURES": ErrorCode(
        "Figures per person and joins need all rows of a person at one node, and here a person may be at several.",
        "Ask without them, or have `overlap: 1` and one `placement` stated in the catalogue if that is true.",
    ),
    "SQL_JOIN_PLACEMENT": ErrorCode(
        "`{left}` and `{right}` are not placed together, so rows of one person cannot be joined where they lie.",
        "Join datasets of one `placement`, or two that are held by one node each, of two departments.",
    ),
    "SQL_JOIN_HOSTS": ErrorCode(
        "A join of two departments takes one node a side, and `{dataset}` is held by {hosts}.",
        "Ask about each dataset by itself, or join datasets that have one host each.",
    ),
    "SQL_JOIN_IDENTIFIER": ErrorCode(
        "`{left}` and `{right}` are held by two departments that name persons by different identifiers, or spell them"
        " differently.",
        "Ask about each by itself, or have one identifier and form stated for both in the catalogue if that is true.",
    ),
    "SQL_JOIN_SIDES": ErrorCode(
        "An expression reads rows of both departments, and a private join only multiplies what each of them computes.",
        "Use one side in each key, condition and factor: SUM(a.x * b.y) FILTER (WHERE a.z > 1 AND b.z > 1), not a CASE"
        " of both; SUM(a.x) + SUM(b.y), not SUM(a.x + b.y), which leaves out rows where either is NULL.",
    ),
    "SQL_JOIN_KIND": ErrorCode(
        "{join} across two departments would need rows of persons whom the other one does not have.",
        "Ask for all persons of the one and for those of both (JOIN, EXISTS), and take the difference.",
    ),
    "SQL_JOIN_DEPARTMENTS": ErrorCode(
        "This joins rows of three departments, and a private join has two.",
        "Ask for two of them at a time; further datasets must be held where one of the two is.",
    ),
    "SQL_JOIN_NESTED": ErrorCode(
        "Rows joined across two departments are only counted and added up, in groups.",
        "Filter, union, join and group by the person within each department first, in a derived table for each; then"
        " join the two, and ask for figures.",
    ),
    "SQL_JOIN_FIGURE": ErrorCode(
        "{figure} over rows of two departments is not answered.",
        "Ask for COUNT, SUM, AVG, VARIANCE or COVAR_POP, or for quantiles of one department by itself.",
    ),
    "SQL_JOIN_KEY": ErrorCode(
        "A group key of a join of two departments needs a published list of values.",
        "Group by a column with `domain` or `bounds`, or by CASE or date_trunc of one.",
    ),
    "SQL_UNION_HOSTS": ErrorCode(
        "UNION ALL of {left} and {right}: they are not held by the same nodes under one identifier.",
        "Ask one statement for each of them and add the figures.",
    ),
    "SQL_JOIN_PERSON": ErrorCode(
        "This does not join rows of the same person, and persons are joined by nothing else.",
        "Write JOIN b ON a.person = b.person, EXISTS (SELECT 1 FROM b WHERE b.person = a.person), or person IN (...).",
    ),
    "SQL_NAME_AMBIGUOUS": ErrorCode("More than one table here has a column `{name}`.", "Write `{meant}`."),
    "SQL_EXISTENCE_MISPLACED": ErrorCode(
        "EXISTS and IN with a query stand in WHERE, with AND between them and other conditions.",
        "Put it there, or LEFT JOIN the other rows and test their person with IS NULL.",
    ),
    "SQL_TEXT_TOO_LONG": ErrorCode("The statement is longer than 16 KiB.", "Ask for less in one statement."),
    "SQL_TOO_DEEP": ErrorCode(
        "The statement is nested too deeply: at most 64 brackets, or 39 functions within functions.",
        "Write it in a flatter form.",
    ),
    "SQL_TOO_MANY_PARTS": ErrorCode(
        "The statement has more than 2,000 parts, with the queries it names written out.",
        "Ask for less in one statement.",
    ),
    "SQL_CHARACTER": ErrorCode(
        "The character {character} has no meaning here.",
        "Use ASCII outside text in single quotes, and no control or invisible characters anywhere.",
    ),
    "SQL_NOT_ONE_STATEMENT": ErrorCode("There is not exactly one statement.", "Send one SELECT at a time."),
    "SQL_NOT_A_QUERY": ErrorCode(
        "The statement does not begin with SELECT or WITH.", "Write SELECT ... FROM a dataset."
    ),
    "SQL_NO_DATASET": ErrorCode("The statement names no dataset.", "Add FROM and the name of a dataset."),
    "SQL_FILE": ErrorCode(
        "Only datasets of the catalogue can stand after FROM: no files, values or functions.",
        "Write FROM and the name of a dataset.",
    ),
    "SQL_LITERAL": ErrorCode("A literal cannot be used: {problem}.", "Write it in another form."),
    "SQL_PARAMETERS": ErrorCode(
        "The statement has {wanted} parameters, and {given} values were given.",
        "Give one row of values, one for each `?` outside quotes and comments.",
    ),
    "SQL_OPTION": ErrorCode(
        "The option `{name}` is not known, or cannot have that value.", "Options are {names}; see the page on drivers."
    ),
    "SQL_SESSION": ErrorCode(
        "The session that the call names was closed, or the call names none and sets options for one.",
        "Connect again with cookies turned on, or give the options as headers of the connection.",
    ),
    "SQL_COMMAND": ErrorCode(
        "The desk does not serve `{command}`.",
        "Ask with SELECT; nothing can be written, and there are no transactions.",
    ),
    "SQL_HANDLE": ErrorCode("The prepared statement is not known here, or was closed.", "Prepare it again."),
    "SQL_PLOT": ErrorCode(
        "A chart needs a key to stand along the bottom and a figure to be drawn.",
        "Name the columns: x and colour are keys; y is one of {figures}.",
    ),
    "SQL_FED_SELECT": ErrorCode(
        "Of a table of `fed`, columns can be selected, with WHERE column = value, ORDER BY and LIMIT: {detail}.",
        "Read it whole with SELECT * FROM fed.{table}, which is free, and do the rest on your side.",
    ),
    "SQL_NOT_SUPPORTED": ErrorCode("{construct} is not part of the language.", "{instead}"),
    "SQL_NOT_YET_SUPPORTED": ErrorCode("{construct} is planned, but not in this version.", "{instead}"),
    "SQL_UNKNOWN_FUNCTION": ErrorCode("There is no function `{name}` in the language.", "{meant}"),
    "SQL_UNKNOWN_DATASET": ErrorCode("There is no dataset `{name}` in the catalogue.", "{meant}"),
    "SQL_UNKNOWN_COLUMN": ErrorCode("There is no column `{name}` here.", "{meant}"),
    "SQL_NAME_TAKEN": ErrorCode(
        "The name `{name}` is already the name of {what}.", "Choose another name, for example `{other}`."
    ),
    "SQL_ROWS": ErrorCode(
        "The statement asks for rows; only figures over many rows are released.",
        "Use COUNT, SUM or AVG, with GROUP BY for one figure a group.",
    ),
    "SQL_UNGROUPED_COLUMN": ErrorCode(
        "`{name}` is neither a key of GROUP BY nor inside COUNT, SUM or AVG.",
        "Add it to GROUP BY, or put it inside an aggregate.",
    ),
    "SQL_AGGREGATE_MISPLACED": ErrorCode(
        "An aggregate cannot stand {where}.", "Aggregates stand in SELECT, HAVING and ORDER BY, not inside each other."
    ),
    "SQL_ROW_CLAUSE": ErrorCode(
        "{clause} on rows is not part of the language; it acts on released figures only.",
        "Leave it out of the inner query and use it in the outer one.",
    ),
    "SQL_CIRCULAR_NAME": ErrorCode("The name `{name}` is defined by itself.", "Write the expression out."),
    "SQL_POSITION": ErrorCode("There is no column number {number} in the SELECT list.", "Count from 1."),
    "SQL_UNTYPED_NULL": ErrorCode(
        "A NULL stands where nothing says what type it is.", "Write CAST(NULL AS INTEGER), or another type."
    ),
    "SQL_COMPARED_NULL": ErrorCode(
        "Something is compared with NULL, which holds for no row.",
        "Write IS NULL or IS NOT NULL. A parameter that was given no value is NULL too.",
    ),
    "SQL_NEVER_TRUE": ErrorCode(
        "No row can pass `{condition}`, whatever the data: {why}.",
        "Mend the condition, or leave it out with its figure: what is known beforehand would cost as much as any.",
    ),
    "SQL_ALWAYS_NULL": ErrorCode(
        "`{what}` is NULL for every row, whatever the data.",
        "Mend it or leave it out: what is known beforehand would cost as much as any. Division by zero, a cast of text"
        " that is no number, NULLIF of equals and CASE without a branch that is taken give NULL.",
    ),
    "SQL_NO_ROW": ErrorCode(
        "The answer would show no row: {why}.",
        "Mend HAVING, LIMIT or the outer WHERE: figures that are not shown would cost as much as any.",
    ),
    "SQL_TOO_COMPLEX": ErrorCode("The statement is too large: {what}.", "Ask for less in one statement."),
    "SQL_CARD_COLUMN": ErrorCode(
        "A quality card cannot ask that of `{name}`: {why}.",
        "Choose other columns; `splittally card ask --help` says what a card asks.",
    ),
    "SQL_TEXT_UNPRINTABLE": ErrorCode(
        "A text in the statement has characters that cannot be shown.", "Use printable characters only."
    ),
}
