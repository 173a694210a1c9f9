"""The table of error codes: sentence and hint of each. Codes are never reused or renamed.

One table on purpose, however long: codes are looked up here, and a code must not stand twice.

Sentences are filled with public facts in braces. Prefixes decide the exit status (engine/errors.py).
"""

from __future__ import annotations

from typing import NamedTuple


class ErrorCode(NamedTuple):
    sentence: str
    hint: str


CODES: dict[str, ErrorCode] = {
    # -- FILE_: files people write and options they give
    "FILE_MISSING": ErrorCode("There is no file {path}.", "Check the path."),
    "FILE_FOLDER": ErrorCode("{path} is a folder, and a file is needed.", "Give the file itself."),
    "FILE_PACKAGE": ErrorCode(
        "The Python package {package} is not installed, and this needs it.", "Run `pip install {package}`."
    ),
    "FILE_DESK_ADDRESS": ErrorCode(
        "Drivers cannot be served at {address}: {why}.",
        "Use 127.0.0.1 and a free port, or port 0 for any.",
    ),
    "FILE_STORE_URL": ErrorCode(
        "That is no URL of a store.", "Give postgresql://USER@HOST:PORT/DATABASE, and the password in PGPASSWORD."
    ),
    "FILE_HOME_MISSING": ErrorCode(
        "There is no {path}, so {home} is not a complete home.", "Make homes with `splittally federation init`."
    ),
    "FILE_HOME_BROKEN": ErrorCode(
        "The file {path} cannot be read.", "Restore it from a copy, or check who may read it."
    ),
    "FILE_HOME_NOT_A_NODE": ErrorCode(
        "The home {path} is not a node's: it is that of {name}, whose role is {role}.",
        "Give the home of a node, which holds its budgets; an analyst asks the department what is left.",
    ),
    "FILE_HOME_NOT_AN_ANALYST": ErrorCode(
        "The home {path} of {name} is not an analyst's.", "Give the home of the analyst who asked."
    ),
    "FILE_LEDGER_BROKEN": ErrorCode(
        "The ledger {path} cannot be read.",
        "Restore its newest copy. Never begin a new one: what was spent would be forgotten.",
    ),
    "FILE_HOME_KEY_OPEN": ErrorCode(
        "The key file {path} can be read by other users.",
        "Run `chmod 600` on it; if others may have read it, replace the key.",
    ),
    "FILE_HOME_KEY_FOREIGN": ErrorCode(
        "The key {path} is not the one the federation manifest names for this member.",
        "Restore the member's own key, or have the manifest issued again.",
    ),
    "FILE_HOME_EXISTS": ErrorCode("The directory {path} already holds a home.", "Choose another directory."),
    "FILE_CATALOGUE_UNREADABLE": ErrorCode(
        "The catalogue {file} cannot be read as YAML: {problem}.", "Check the indentation and quotes near that place."
    ),
    "FILE_CATALOGUE_UNKNOWN_KEY": ErrorCode("{file}: there is no key `{key}` in a catalogue.", "{meant}"),
    "FILE_CATALOGUE_MISSING_KEY": ErrorCode("{file}: {where} has no `{key}`.", "{instead}"),
    "FILE_CATALOGUE_REPEATED_KEY": ErrorCode("{file}: `{key}` stands there twice.", "Keep one of them."),
    "FILE_CATALOGUE_WRONG_VALUE": ErrorCode("{file}: `{key}` {problem}.", "{instead}"),
    "FILE_MEMBER_NAME": ErrorCode(
        "{name} cannot be the name of a member: it is taken or not well formed.",
        "Use names of their own: lower-case letters, digits and hyphens, a letter first.",
    ),
    "FILE_FEDERATION_OPTION": ErrorCode(
        "A federation cannot be founded like this: {problem}.", "Change the option; nothing was written."
    ),
    "FILE_FEDERATION_CHANGE": ErrorCode("The federation manifest cannot be like this: {problem}.", "{instead}"),
    "FILE_APPLICATION": ErrorCode("This is no application to a federation: {problem}.", "{instead}"),
    "FILE_RECORD": ErrorCode("The file {path} is no {wanted}.", "Give the file that `splittally` wrote."),
    "FILE_ROOT_NO_AUTHORITY": ErrorCode(
        "The home {path} does not keep the federation's certificate authority, so it cannot admit anybody.",
        "Give the home of the root that was founded first too.",
    ),
    "FILE_WELCOME_OTHER": ErrorCode(
        "The welcome is not for {name}, or not for the key that {name} applied with.",
        "Give the welcome made from this home's newest application.",
    ),
    "FILE_WELCOME_MISSING": ErrorCode(
        "{name} has no certificate for these keys yet.", "Give the welcome that came with the manifest too."
    ),
    "FILE_NOT_AGREED": ErrorCode(
        "Nothing was signed: what was shown was not agreed to.", "Read it, then answer y, or give --yes."
    ),
    "FILE_RULES": ErrorCode("{problem}", "{instead}"),
    "FILE_DATA_NOT_A_HOST": ErrorCode(
        "The catalogue names no node {node}.", "Give --data NAME=DIR for its hosts: {hosts}."
    ),
    "FILE_DATA_MISSING": ErrorCode(
        "The catalogue names the node {node}, and no data is given for it.",
        "Add --data {node}=DIR, or leave the node out of `hosts`.",
    ),
    "FILE_DATA_OPTION": ErrorCode("The option --data {text} is not NAME=DIR.", "Write --data {example}=DIR."),
    "FILE_DATA_NO_FOLDER": ErrorCode("There is no folder {path} for the node {node}.", "Check the path."),
    "FILE_DATA_NO_TABLE": ErrorCode(
        "The folder {path} of the node {node} holds neither {dataset}.parquet nor {dataset}.csv.",
        "Put the file there, or take the node out of the dataset's `hosts`.",
    ),
    "FILE_DATA_TWO_TABLES": ErrorCode(
        "The folder {path} of the node {node} holds both {dataset}.parquet and {dataset}.csv.",
        "Keep the one that is meant; bind several files with a node.toml.",
    ),
    "FILE_DATA_HEADER": ErrorCode(
        "The first line of the file {path} of the node {node} does not name the columns: it is {header}.",
        "Write the names of the columns there, and commas between them and between the values.",
    ),
    "FILE_DATA_COLUMN_TYPE": ErrorCode(
        "The column {column} of the file {path} of the node {node} is of a type that is not supported.",
        "Store it as a boolean, number, date, timestamp or text.",
    ),
    "FILE_DATA_NO_COLUMN": ErrorCode(
        "The file {path} of the node {node} has no column {column}.",
        "Rename a column of the file, or take the column out of the catalogue.",
    ),
    "FILE_REHEARSE_EXTRA": ErrorCode(
        "Rehearsing runs nodes and a coordinator on this machine, and the package {package} is not installed.",
        "Run `pip install 'splittally[node,coordinator]'`; `splittally forecast` needs neither.",
    ),
    "FILE_REHEARSE_KEEP": ErrorCode(
        "The folder {path} is not empty, so dummy files are not written there.", "Give --keep a new folder."
    ),
    "FILE_NODE_TOML_OTHER": ErrorCode(
        "The file {file} is for the node {name}, and the home is that of {home}.", "Give the home of {name}."
    ),
    "FILE_DEMO_PACKAGE": ErrorCode(
        "The package pseudopeople, which simulates the residents, is not installed or did not run.",
        "Run `pip install 'splittally[demo]'`, or use --generated.",
    ),
    "FILE_AGREEMENT": ErrorCode("{problem}", "{instead}"),
    "FILE_AGREEMENT_OTHER": ErrorCode(
        "The file is not the next edition of the agreement before: {problem}.",
        "Change the file of the edition before, and leave its name as it is.",
    ),
    "FILE_FORM": ErrorCode("There is no form {form}.", "Use one of {forms}."),
    "FILE_REGISTER_HOME": ErrorCode(
        "{path} is the home of {role}, who does not see all requests.",
        "Give the home of an auditor, of a policy officer or of the coordinator.",
    ),
    "FILE_DESK_HOME": ErrorCode(
        "{path} is the home of a {role}, and a desk is for people.",
        "Give the home of an analyst, a guardian, a policy officer or an auditor.",
    ),
    "FILE_DESK_PORT": ErrorCode(
        "The port {port} cannot be used on this machine.", "Give another one, or leave --port out for a free one."
    ),
    "FILE_DESK_FIELD": ErrorCode(
        "The field “{field}” takes a whole number from 1 to {most}.", "Correct it, or leave it empty."
    ),
    "FILE_DESK_EXTRA": ErrorCode(
        "The package {package} is not installed, and the desk needs it.", "Run `pip install 'splittally[desk]'`."
    ),
    "FILE_REGISTER_FOLDER": ErrorCode(
        "{path} holds something that is no register.", "Give a new folder, or that of an older register."
    ),
    "FILE_MANUAL_FOLDER": ErrorCode(
        "{path} holds something that is no manual.", "Give a new folder, or that of an older manual."
    ),
    "FILE_BINDING_DATASET": ErrorCode(
        "The binding names the dataset {dataset}, which the catalogue does not give to this node.",
        "Check the name, or the dataset's `hosts` in the catalogue.",
    ),
    "FILE_BINDING_COLUMN": ErrorCode(
        "The binding of {dataset} must have one entry for each column of the catalogue; check {column}.",
        "Give every declared column a local name or an expression, once.",
    ),
    "FILE_BINDING_TYPE": ErrorCode(
        "The binding of {dataset}.{column} gives a value of a type that cannot become the declared one.",
        "Bind it to a local column, or to an expression, of a fitting type.",
    ),
    "FILE_SOURCE_FORMAT": ErrorCode(
        "The file {path} is neither .parquet nor .csv.", "Convert it, or name only Parquet and CSV files."
    ),
    "FILE_SOURCE_UNREADABLE": ErrorCode(
        "The file {path} cannot be read as a table.",
        "CSV files need a header of distinct names, commas, UTF-8, one kind of line end, as many fields in each line.",
    ),
    "FILE_SOURCE_COLUMN_MISSING": ErrorCode(
        "A file bound to {dataset} has no column {column}.", "Check the names in the file and in the binding."
    ),
    "FILE_SOURCE_COLUMN_TYPE": ErrorCode(
        "The column {column} of a file bound to {dataset} is of another type than when the binding was prepared.",
        "Run `splittally node prepare` again and look at what it says.",
    ),
    "FILE_SOURCE_TOO_LARGE": ErrorCode(
        "The files bound to {dataset} hold more rows or persons than its `at_most` states.",
        "Correct the statement in the catalogue, or the files.",
    ),
    "FILE_NODE_TOML_UNREADABLE": ErrorCode("{file} cannot be read as TOML: {problem}.", "Check it at that place."),
    "FILE_NODE_TOML_UNKNOWN_KEY": ErrorCode("{file}: `{key}` means nothing there.", "{problem}"),
    "FILE_NODE_TOML_MISSING": ErrorCode("{file} has no `{key}`: {problem}.", "Add it."),
    "FILE_NODE_TOML_VALUE": ErrorCode("{file}: `{key}` cannot be used: {problem}.", "Correct it."),
    "FILE_NODE_TOML_EXPRESSION": ErrorCode("{file}: the expression `{key}` is refused: {problem}.", "{instead}"),
    "FILE_CHECK_ENCODING": ErrorCode("{path} is not UTF-8 text.", "Save the statement as UTF-8."),
    "FILE_CHECK_LINE": ErrorCode(
        "The line is not a JSON object with a text `sql`.", 'Write one object a line: {{"id": 1, "sql": "SELECT ..."}}.'
    ),
    # -- SQL_: the statement, refused before anything is spent
    "SQL_SYNTAX": ErrorCode("The statement cannot be read: {detail}.", "Check it near the place shown."),
    "SQL_TYPE_MISMATCH": ErrorCode("{function} takes {expected}.", "Change or cast what it is given."),
    "SQL_TOO_LARGE": ErrorCode(
        "Numbers could become too large to add up exactly: {what}.",
        "Use columns with bounds, limit values with LEAST and GREATEST, or have `at_most` stated in the catalogue.",
    ),
    "SQL_KEY_NO_DOMAIN": ErrorCode(
        "A group key has no published list of values, and its values are not of a kind that nodes can name.",
        "Group by a text, an integer or a date, or by a CASE with literal outcomes.",
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
    "SQL_TOO_COMPLEX": ErrorCode("The statement is too large: {what}.", "Ask for less in one statement."),
    "SQL_TEXT_UNPRINTABLE": ErrorCode(
        "A text in the statement has characters that cannot be shown.", "Use printable characters only."
    ),
    # -- POLICY_: what the federation's rules or a node's own policy forbid
    "POLICY_DESK_TOKEN": ErrorCode(
        "The call does not carry this desk's token.",
        "Give the token that `splittally desk` printed when it started, as a bearer token or as the password.",
    ),
    "POLICY_PLAN_INVALID": ErrorCode(
        "The plan is not one that this node can verify.", "Update the software of both sides and ask again."
    ),
    "POLICY_NOT_SUPPORTED": ErrorCode(
        "This version does not run {operator} yet.", "Ask without it, or update the software."
    ),
    "POLICY_TOO_FEW_HONEST": ErrorCode(
        "n_min and f leave no honest node to make the noise, or ask for more nodes than there are.",
        "Choose n_min of at most the number of hosts and above f.",
    ),
    "POLICY_CATALOGUE_DIFFERS": ErrorCode(
        "The plan was made for another catalogue than this node's.", "Fetch the federation manifest and ask again."
    ),
    "POLICY_WIRE_INVALID": ErrorCode(
        "A message has unknown, repeated or malformed fields.", "Update the software of both sides."
    ),
    "POLICY_SIGNATURE_INVALID": ErrorCode(
        "A signature on a record is not valid.", "Have the record signed again by the member it names."
    ),
    "POLICY_RECORD_INVALID": ErrorCode(
        "A signed record is not of the kind, version or shape expected here.",
        "Update the software of both sides and sign again.",
    ),
    "POLICY_UNKNOWN_MEMBER": ErrorCode(
        "The federation manifest has no member {name} with that role.",
        "Check the name, or ask a policy officer for a new manifest.",
    ),
    "POLICY_MANIFEST_INVALID": ErrorCode(
        "The federation manifest contradicts itself.", "Have the federation's roots issue a corrected one."
    ),
    "POLICY_MANIFEST_UNSIGNED": ErrorCode(
        "The federation manifest lacks signatures of root keys pinned here.", "Collect the missing root signatures."
    ),
    "POLICY_MANIFEST_STALE": ErrorCode(
        "The federation manifest is out of date and its grace is over.",
        "Install the current manifest of the federation.",
    ),
    "POLICY_MANIFEST_OLD": ErrorCode(
        "A newer federation manifest is already installed.", "Install the current manifest of the federation."
    ),
    "POLICY_MANIFEST_RIVAL": ErrorCode(
        "There are two federation manifests of one epoch, and they differ.",
        "Keep both as evidence and ask the federation's roots; a corrected manifest has a higher epoch.",
    ),
    "POLICY_ROOTS_NOT_AGREED": ErrorCode(
        "The fingerprint of the root keys was not agreed to, so nothing was installed.",
        "Ask the federation for its fingerprint by another way, and compare.",
    ),
    "POLICY_APPLICATION_OTHER": ErrorCode(
        "{name} applied to another federation.", "Have the application made again for this one."
    ),
    "POLICY_APPLICATION_UNPROVEN": ErrorCode(
        "A member called {name} exists, and its present key did not sign this application, or more than keys differ.",
        "Have it made by `splittally federation rotate`; if the old key is lost, ask the member and use --replace.",
    ),
    "POLICY_CERTIFICATE_REQUEST": ErrorCode(
        "A certificate request asks for more than a certificate for its own key, or is not signed by it.",
        "Have the application made again by `splittally federation apply` or `rotate`.",
    ),
    "POLICY_REASON_MISSING": ErrorCode("This decision needs a reason.", "Say why in a sentence: --reason TEXT."),
    "POLICY_AGREEMENT_INVALID": ErrorCode(
        "The agreement does not fit this federation.", "Have it drawn up again for this federation's datasets."
    ),
    "POLICY_AGREEMENT_UNSIGNED": ErrorCode(
        "The agreement lacks the signature of {name}.", "Collect the missing signature."
    ),
    "POLICY_AGREEMENT_EXPIRED": ErrorCode("The agreement has ended.", "Ask for a new edition of the agreement."),
    "POLICY_AGREEMENT_REVOKED": ErrorCode(
        "The agreement {name} was revoked.",
        "Ask the policy officer who decided it, and for a new agreement; nothing more is answered under this one.",
    ),
    "POLICY_RELEASE_NOT_OWN": ErrorCode(
        "The release was shared by {name}, who alone may share or publish it.", "Ask {name} to do so."
    ),
    "POLICY_SUBMISSION_RUNS": ErrorCode(
        "Another program of your home is submitting a question, and does not come to its end.",
        "Nothing was asked. Close the other program, such as one that was stopped in a terminal; then submit again.",
    ),
    "POLICY_REHEARSAL_RUNS": ErrorCode(
        "Another rehearsal is still running at this desk.", "Wait for it to end; each one starts a whole federation."
    ),
    "POLICY_NOT_CONFIRMED": ErrorCode(
        "Publishing cannot be taken back, and was not confirmed.", "Look at the release again, then add --yes."
    ),
    "POLICY_RELEASES_DIFFER": ErrorCode(
        "The two releases cannot be compared: {detail}.", "Compare two releases of the same statement."
    ),
    "POLICY_AGREEMENT_NOT_YET": ErrorCode("The agreement is not yet in force.", "Ask again once it has begun."),
    "POLICY_SEAL_INVALID": ErrorCode(
        "A sealed message was not meant for this key and purpose, or was altered.",
        "Start a new round; if it happens again, check the members' keys.",
    ),
    "POLICY_PROOF_INVALID": ErrorCode(
        "A journal proof does not lead to the signed head.",
        "Keep the proof as evidence and tell the federation's auditors.",
    ),
    "POLICY_HEAD_FORKED": ErrorCode(
        "The journal of {name} contradicts a head it signed before.",
        "Keep both heads as evidence and tell the federation's auditors.",
    ),
    "POLICY_JOURNAL_INVALID": ErrorCode(
        "The journal does not hold: {detail}.", "Do not rely on it. Keep it, and tell the federation's auditors."
    ),
    "POLICY_RECEIPT_INVALID": ErrorCode(
        "The receipt does not hold: {detail}.", "Do not rely on it. Keep it, and ask the analyst for the original."
    ),
    "POLICY_SHARE_LARGE": ErrorCode(
        "The release is too large to be shared.", "Share a release of fewer cells, or publish it."
    ),
    "POLICY_ATTEMPTS_EXHAUSTED": ErrorCode(
        "The request has used all the attempts it was signed for.", "Sign a new request."
    ),
    "POLICY_ROUND_ANSWERED": ErrorCode("This helper has already answered the round.", "Open a new round."),
    "POLICY_EPOCH_DIFFERS": ErrorCode(
        "The round was opened under another edition of the federation manifest.",
        "Install the current manifest on both sides and ask again.",
    ),
    "POLICY_REQUEST_EXPIRED": ErrorCode("The request is past its date.", "Sign a new request."),
    "POLICY_SEALING_KEY": ErrorCode(
        "The key answers would be sealed to is not the one the federation knows for {name}.",
        "Submit from the home whose keys stand in the federation manifest.",
    ),
    "POLICY_PLAN_DIFFERS": ErrorCode("The plan is not the one the analyst signed for.", "Submit the statement again."),
    "POLICY_AGREEMENT_SUPERSEDED": ErrorCode(
        "A newer edition of the agreement is in force.", "Ask again: the newer edition is then used."
    ),
    "POLICY_RECORD_OLD": ErrorCode(
        "The record is known already, or a newer one holds.", "Nothing has to be done; to change it, sign a newer one."
    ),
    "POLICY_CONSENT_PURPOSE": ErrorCode(
        "The department's consent rules name no rows for this agreement's purpose.",
        "Ask under an agreement whose legal gateway the department's rules name, or ask the department to add it.",
    ),
    "POLICY_WATCHES_LIMITED": ErrorCode(
        "Too many requests are being watched at once.", "End some of them, and watch again; requests go on unwatched."
    ),
    "POLICY_RETENTION_OVER": ErrorCode(
        "The answer was deleted when its agreement's retention ended; its proofs were kept.",
        "Use the copy that its analyst holds, or ask again.",
    ),
    "POLICY_SNAPSHOT_USED": ErrorCode(
        "An earlier run of this standing request was answered from the same snapshot.",
        "Wait until the department cuts its next snapshot.",
    ),
    "POLICY_REFUSALS_LIMITED": ErrorCode(
        "Too many questions of {name} were refused in the last hour.",
        "Wait an hour, and use `splittally check` and `forecast`, which are free.",
    ),
    "POLICY_AGREEMENT_UNKNOWN": ErrorCode(
        "A member of the round does not hold the agreement named in the request.",
        "Have the signed agreement installed at every hosting node and helper.",
    ),
    "POLICY_ANALYST_NOT_NAMED": ErrorCode(
        "The agreement does not name the analyst {name}.", "Ask for a new edition of the agreement."
    ),
    "POLICY_DATASET_OUT_OF_SCOPE": ErrorCode(
        "The agreement does not cover the dataset {name}.", "Leave it out, or ask for a new edition of the agreement."
    ),
    "POLICY_COLUMN_OUT_OF_SCOPE": ErrorCode(
        "The agreement does not cover the column {name}.", "Leave it out, or ask for a new edition of the agreement."
    ),
    "POLICY_OPERATION_OUT_OF_SCOPE": ErrorCode(
        "The agreement does not allow the operation {name}.",
        "Ask without it, or ask for a new edition of the agreement.",
    ),
    "POLICY_PRICE_ABOVE_AGREEMENT": ErrorCode(
        "The statement costs more than the agreement allows for one plan.", "Ask with a smaller epsilon."
    ),
    "POLICY_F_DIFFERS": ErrorCode(
        "The request assumes another number of corrupt nodes than the federation's rules.",
        "Update the federation manifest on the analyst's machine and ask again.",
    ),
    "POLICY_N_MIN": ErrorCode(
        "The request would accept fewer nodes than the federation's rules allow.", "Ask with a larger n_min."
    ),
    "POLICY_N_MIN_HOSTS": ErrorCode(
        "At least {n_min} nodes are to answer, and the statement has {count}: {hosts}.",
        "Ask with an n_min of at most {count}.",
    ),
    "POLICY_COMMITTEE_JOIN": ErrorCode(
        "A private join has three helpers, and the federation's rules or the request ask for more.",
        "Ask a question over one department; larger committees cannot share out a product.",
    ),
    "POLICY_N_MIN_JOIN": ErrorCode(
        "A join of two departments needs both of them to answer: {hosts}.",
        "Ask with an n_min of {count}, or with none.",
    ),
    "POLICY_REQUEST_UNKNOWN": ErrorCode(
        "There is no request of yours with this request id.", "See `splittally requests` for the request ids."
    ),
    "POLICY_REQUEST_NOT_QUEUED": ErrorCode(
        "No one request that you may decide about has an id that begins so.",
        "See `splittally requests --all`, and give at least six letters of the id.",
    ),
    "POLICY_REQUEST_ENDED": ErrorCode(
        "The request has ended, and nothing about it is left to decide.", "See `splittally requests --all`."
    ),
    "POLICY_REQUEST_WITHDRAWN": ErrorCode(
        "The request was withdrawn by its analyst.", "Submit the statement again if it is wanted after all."
    ),
    "POLICY_CALLER": ErrorCode(
        "The certificate presented does not name a member who may do this.",
        "Use the home whose keys the federation manifest names.",
    ),
    "POLICY_AGREEMENT_CHOICE": ErrorCode(
        "Which agreement is meant is not clear: those in force for {name} are {agreements}.",
        "Name one of them, or give the start of its digest.",
    ),
    "POLICY_AGREEMENT_NAME": ErrorCode(
        "No agreement in force for {name} is called {wanted}; those in force are {agreements}.",
        "Name one of them, or ask a policy officer for a new agreement.",
    ),
    "POLICY_AGREEMENT_NONE": ErrorCode(
        "No agreement that names {name} is in force.", "Ask a policy officer for a new agreement, or a new edition."
    ),
    # -- BUDGET_: privacy budget
    "BUDGET_EXHAUSTED": ErrorCode(
        "The privacy budget of {account} does not allow this statement.",
        "Ask with a smaller epsilon, or ask the department what is left; {refreshes}.",
    ),
    "BUDGET_NO_CAP": ErrorCode(
        "The federation's rules set no budget for the identifier {name}.",
        "Ask a policy officer to set its caps in the manifest.",
    ),
    # -- APPROVAL_: people who have to agree
    "APPROVAL_WAITING": ErrorCode(
        "The request waits for {names}.",
        "Ask those who have to decide; `splittally result` with the request id, or the same statement, fetches the"
        " answer once there is one.",
    ),
    "APPROVAL_WAITING_REQUEST": ErrorCode(
        "The request {request} waits for {names}.",
        "Run the same SQL again once they have decided, which fetches the answer, or see SELECT * FROM fed.requests.",
    ),
    "APPROVAL_MISSING": ErrorCode(
        "A department's guardians have not approved the request.",
        "`splittally requests` names those who have to decide.",
    ),
    "APPROVAL_OWN_REQUEST": ErrorCode(
        "{name} asked this, and nobody decides about a request of one's own.",
        "Another guardian of the department has to decide.",
    ),
    "APPROVAL_NOT_A_HOST": ErrorCode(
        "The request reads nothing that {name} holds.", "Only guardians of a node that is asked decide about it."
    ),
    "APPROVAL_OTHER_REQUEST": ErrorCode(
        "The approval of {name} is for another request.", "Ask the guardian to decide on this one."
    ),
    "APPROVAL_SHOWN_OTHER": ErrorCode(
        "What would be signed is no longer what was shown, so nothing was signed.",
        "Read it as it is now, then sign.",
    ),
    "APPROVAL_EXPIRED": ErrorCode("The approval of {name} is past its date.", "Ask the guardian to decide again."),
    "APPROVAL_REFUSED": ErrorCode(
        "A guardian refused the request: {name}.",
        "Mend what the reason names and submit again, or ask the guardian to think again.",
    ),
    # -- ROUND_: a round that did not end in an answer
    "ROUND_TOO_FEW_NODES": ErrorCode(
        "Fewer nodes than the request accepts are able to answer.", "Try again later; nothing was released."
    ),
    "ROUND_ALREADY_CHARGED": ErrorCode(
        "The round was charged before; it has one outcome only.", "Ask for the stored outcome, or open a new round."
    ),
    "ROUND_PHASE": ErrorCode(
        "The round names a phase this version does not know.", "Update the software of all sides."
    ),
    "ROUND_KEYS": ErrorCode(
        "The keys of the round's second phase are not those that its analyst signed.", "Submit the request again."
    ),
    "ROUND_KEYS_CHOSEN": ErrorCode(
        "The nodes had named keys; this machine has answered with one list of them, and the nodes count now.",
        "Run `splittally watch` for the request, then `splittally result`.",
    ),
    "ROUND_ATTEMPT": ErrorCode("The round is beyond the attempts signed for.", "Sign a new request."),
    "ROUND_RUN": ErrorCode("The round is beyond the runs signed for.", "Sign a new request."),
    "ROUND_LATE": ErrorCode("The round's deadline passed before the answer was ready.", "Try again later."),
    "ROUND_DEADLINE_FAR": ErrorCode(
        "The round's deadline is further away than a node accepts.",
        "Set the coordinator's deadline to an hour or less.",
    ),
    "ROUND_CALIBRATION": ErrorCode(
        "The round's units or noise are not those the members compute.", "Update the software of all sides."
    ),
    "ROUND_NODE_REPEATED": ErrorCode("The round names a node twice.", "Open a new round."),
    "ROUND_NOT_A_HOST": ErrorCode("The round names a node that does not host the data.", "Open a new round."),
    "ROUND_NOT_FOR_ME": ErrorCode("The round was sent to a member that has no part in it.", "Open a new round."),
    "ROUND_SNAPSHOT": ErrorCode(
        "The round names another snapshot than the node's current one.", "Try again; the node has announced its own."
    ),
    "ROUND_HELPER_REPEATED": ErrorCode("The round's committee names a member twice.", "Open a new round."),
    "ROUND_COMMITTEE_SMALL": ErrorCode(
        "The round's committee is smaller than the rules or the request allow.", "Start more helpers and try again."
    ),
    "ROUND_COMMITTEE_OF_ANALYST": ErrorCode(
        "A helper of the round belongs to the analyst's own body.", "Start helpers of other bodies and try again."
    ),
    "ROUND_COMMITTEE_ONE_BODY": ErrorCode(
        "All helpers of the round belong to one body.", "Start helpers of other bodies and try again."
    ),
    "ROUND_READY_MISSING": ErrorCode("A member of the round did not say that it is ready.", "Try again."),
    "ROUND_READY_OTHER_REQUEST": ErrorCode("The member {name} was ready for another request.", "Try again."),
    "ROUND_READY_STALE": ErrorCode(
        "The member {name} was ready too long ago, has started anew since, or its clock differs.",
        "Check the clocks and try again.",
    ),
    "ROUND_NOT_OPEN": ErrorCode("The helper was not asked to take part in this round.", "Open a new round."),
    "ROUND_JOIN_PARTIES": ErrorCode(
        "A private join takes its two owners, the left one first, and three helpers of three other bodies.",
        "Open a new round; the federation needs helpers of three bodies that are neither an owner's nor the analyst's.",
    ),
    "ROUND_JOIN_DUMMIES": ErrorCode(
        "The other owner of a private join adds more dummies than its price allows.",
        "Ask that department; nothing was charged where this was found.",
    ),
    "ROUND_JOIN_STREAM": ErrorCode(
        "What an owner of a private join sent did not arrive whole at a helper.",
        "Open a new round; the charges stay. The helper's log names the owner.",
    ),
    "ROUND_JOIN_COMMITMENT": ErrorCode(
        "What an owner of a private join sent to a helper is not what it committed to.",
        "Ask the helper, whose log names the owner, and that department; the charges stay.",
    ),
    "ROUND_SURVIVOR_REPEATED": ErrorCode("The survivors named for the round repeat a node.", "Open a new round."),
    "ROUND_SURVIVOR_UNKNOWN": ErrorCode("The survivors name a node that is not in the round.", "Open a new round."),
    "ROUND_SHARE_MISDIRECTED": ErrorCode("A share is for another round or member.", "Open a new round."),
    "ROUND_TOO_FEW_HELPERS": ErrorCode(
        "Too few helpers of different bodies are able to serve.",
        "Start more, of bodies other than the analyst's and, in a private join, the owners'; nothing was released.",
    ),
    "ROUND_HELPER_LOST": ErrorCode(
        "A helper was lost after the round had opened, and no attempt is left.",
        "Sign a new request; what the lost round cost stays charged.",
    ),
    "ROUND_DEADLINE": ErrorCode(
        "Nodes did not answer before the round's deadline.", "Try again later; nothing was released."
    ),
    "ROUND_SHARE_INVALID": ErrorCode(
        "A node sent a share that does not belong to the round.",
        "Its operator has to look at it; nothing was released.",
    ),
    "ROUND_ANSWER_INVALID": ErrorCode(
        "A helper sent an answer that does not belong to the round.",
        "Its operator has to look at it; nothing was released.",
    ),
    "ROUND_COORDINATOR_RESTARTED": ErrorCode(
        "The coordinator stopped during the round, and no attempt is left.",
        "Sign a new request; what the lost round cost stays charged.",
    ),
    "ROUND_NOT_RELEASED": ErrorCode("The request has no result yet.", "Ask again later."),
    "ROUND_RESULT_INVALID": ErrorCode(
        "The result sent does not belong to the request: {detail}.",
        "Keep it as evidence, and tell the federation's auditors.",
    ),
    "ROUND_CHECK_FAILED": ErrorCode(
        "The check cell does not count the nodes that answered, so the result cannot be opened.",
        "Ask again; if it happens again, tell the federation's auditors.",
    ),
    "ROUND_PENDING": ErrorCode(
        "The request has not ended yet.", "Wait longer, or use `splittally result` later with its request id."
    ),
    "ROUND_PENDING_REQUEST": ErrorCode(
        "The request {request} has not ended yet.",
        "Run the same SQL again later, which asks no second time, or see SELECT * FROM fed.requests.",
    ),
    # -- NODE_: a node, helper or coordinator that cannot serve now
    "NODE_UNREACHABLE": ErrorCode("The coordinator cannot be reached.", "Check the address and try again."),
    "NODE_ROUND_LOST": ErrorCode(
        "The node stopped between the charge and its reply; the round is lost and its charge stands.",
        "Open a new round.",
    ),
    "NODE_CLOCK_BACK": ErrorCode(
        "The node's clock stands before the time of its last record.", "Set the clock right and try again."
    ),
    "NODE_LEDGER_FAILED": ErrorCode(
        "The node could not write its ledger.", "Its operator has to look at the disk; nothing was released."
    ),
    "NODE_JOURNAL_DAMAGED": ErrorCode(
        "The node's ledger is missing or older than it was, or its journal does not match its own hashes.",
        "Its operator has to restore the newest copy of state.db; the node stays closed. A new home is no way out: it"
        " would forget what was spent.",
    ),
    "NODE_PAUSED": ErrorCode(
        "A department has paused its node.",
        "Ask the department; a guardian lets it go on with `splittally node resume`.",
    ),
    "NODE_WITNESSES_MISSING": ErrorCode(
        "The node has just started, and too few other members have vouched for its record.",
        "Try again when the other nodes and helpers are connected.",
    ),
    "NODE_LEDGER_ROLLED_BACK": ErrorCode(
        "The node's ledger is older than one that other members have seen.",
        "Restore its newest copy; until then the node answers nothing.",
    ),
    "NODE_CLOSING": ErrorCode("The node is being stopped and takes no new rounds.", "Try again later."),
    "NODE_FAILED": ErrorCode(
        "The node failed while it worked on the round.", "Its operator finds the code in the node's log; try again."
    ),
    "NODE_STORE_FAILED": ErrorCode(
        "The coordinator could not use its store.", "Its operator has to look at the disk; try again later."
    ),
    "NODE_JOURNAL_NOT_YET": ErrorCode(
        "The coordinator has not collected the journal of {name} yet.",
        "Ask again when that member has been connected, or export the journal at its home.",
    ),
    "NODE_COORDINATOR_STOPPING": ErrorCode(
        "The coordinator is being stopped and takes no new requests.", "Try again later."
    ),
    "NODE_ADDRESS_TAKEN": ErrorCode(
        "The address {address} cannot be listened on.", "Choose another, or stop what uses it."
    ),
    "NODE_SOURCE_FAILED": ErrorCode(
        "A node's data source did not answer.", "Try again later; the charge of a round that began stays."
    ),
    "NODE_SNAPSHOT_MISSING": ErrorCode("A node holds no snapshot of {dataset}.", "Ask the department to cut one."),
    "NODE_NOT_STARTED": ErrorCode(
        "{name} does not run: {why}.", "Nothing was charged; SPLITTALLY_DEBUG=1 shows the end of its log."
    ),
    # -- BUG_: ours
    "BUG_UNEXPECTED": ErrorCode("Something went wrong inside Splittally.", "Please report it with the code."),
    "BUG_UNKNOWN_CODE": ErrorCode(
        "Another machine answered with a code this version does not know.", "Update the software of both sides."
    ),
    "BUG_SECOND_REPLY": ErrorCode(
        "A second, different reply was made for one round.", "Please report it with the code."
    ),
    "BUG_REPLY_WITHOUT_CHARGE": ErrorCode(
        "A reply was made for a round that was never charged.", "Please report it with the code."
    ),
}
