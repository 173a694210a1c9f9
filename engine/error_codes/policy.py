"""POLICY_: what the federation's rules or a node's own policy forbid."""

from __future__ import annotations

from engine.error_codes.row import ErrorCode

CODES: dict[str, ErrorCode] = {
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
    "POLICY_DECISION_MISSING": ErrorCode(
        "Neither an approval nor a refusal was chosen.", "Choose one of the two; nothing is chosen for you."
    ),
    "POLICY_REASON_MISSING": ErrorCode(
        "This decision needs a reason.", "Say why in a sentence (on the command line: --reason TEXT)."
    ),
    "POLICY_AGREEMENT_INVALID": ErrorCode(
        "The agreement does not fit this federation.",
        "Have it drawn up again for this federation's datasets, under a name of small letters, digits and hyphens.",
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
    "POLICY_CARD_INVALID": ErrorCode(
        "The quality card does not hold: {detail}.", "Do not rely on it. Ask who published it for the original."
    ),
    "POLICY_CARD_ONCE": ErrorCode(
        "This snapshot of {name} has a quality card already, with other figures: request {request}.",
        "Ask for it without options: that is free. Other figures are an ordinary question: `splittally submit`.",
    ),
    "POLICY_CARD_NONE": ErrorCode(
        "This home has no quality card of {name}.",
        "Ask for one with `splittally card ask`, or take somebody's file with `splittally card take`.",
    ),
    "POLICY_CARD_PUBLISHED": ErrorCode(
        "{analyst} has published a quality card of {name} as it is now: request {request}.",
        "Ask {analyst} for its file and keep it with `splittally card take`: that is free. Figures of your own are an"
        " ordinary question: `splittally submit`.",
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
        "Which agreement is meant is not clear: {name} can choose from {agreements}.",
        "Name one of them, or give the beginning of its digest.",
    ),
    "POLICY_AGREEMENT_NAME": ErrorCode(
        "No agreement that {name} can choose is called {wanted}; there are {agreements}.",
        "Name one of them, or ask a policy officer for a new agreement.",
    ),
    "POLICY_AGREEMENT_SHORT": ErrorCode(
        "`{wanted}` is too short to be the beginning of an agreement's digest.",
        "Give at least {least} letters of it, or the agreement's name.",
    ),
    "POLICY_AGREEMENT_NONE": ErrorCode(
        "No agreement that names {name} is in force.", "Ask a policy officer for a new agreement, or a new edition."
    ),
}
