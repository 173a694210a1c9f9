"""FILE_: files people write and options they give."""

from __future__ import annotations

from engine.error_codes.row import ErrorCode

CODES: dict[str, ErrorCode] = {
    "FILE_USAGE": ErrorCode("{problem}", "`{command} --help` says what it takes."),
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
    "FILE_SOURCE_TABLE": ErrorCode(
        "The database {source} shows its account no table or view {table}.",
        "Check the name, and give the account SELECT on it (and USAGE on its schema).",
    ),
    "FILE_EXTRACT_MISSING": ErrorCode(
        "The database table behind {dataset} has not been read since node.toml was prepared.",
        "Run `splittally node extract --home {home}`.",
    ),
    "FILE_EXTRACT_NONE": ErrorCode(
        "The node of {home} reads files only: its node.toml names no database.",
        "To cut new snapshots of its files, run `splittally node snapshot`.",
    ),
    "FILE_EXTRACT_BUSY": ErrorCode(
        "The databases of this node are being read already ({path}).", "Wait until that is done."
    ),
    "FILE_EXTRACT_NOT_WRITTEN": ErrorCode(
        "Nothing can be written into {path}: {why}. What was read before stays as it is.",
        "Run this as the account that owns the home, with room on its disk for another copy of the columns read.",
    ),
    "FILE_PASSWORD_UNREADABLE": ErrorCode(
        "The password file {path} cannot be read: {why}.",
        "Check password_file in node.toml; the file belongs to the account that runs this command, mode 0600.",
    ),
    "FILE_PASSWORD_OPEN": ErrorCode(
        "The password file {path} can be read or changed by others.", "Run `chmod 600` on it."
    ),
    "FILE_AUTHORITY_UNREADABLE": ErrorCode(
        "The file {path} holds no certificates that can be read.",
        "Check ca_file in node.toml: the authority that signed the server's certificate, or that itself, in PEM.",
    ),
    "FILE_PASSWORD_EMPTY": ErrorCode(
        "The password file {path} has an empty first line.", "Write the password into its first line."
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
}
