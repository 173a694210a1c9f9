"""What people agreed to: the agreement a request stands under, and guardians' approvals.

Claim: a plan is run only inside an agreement that is in force, for a named analyst, over columns and operations
       that the agreement names, at a price it allows, and never against a guardian's decision.
Because: agreements are those this member opened itself (signed by a policy officer and every hosting guardian),
         found by the digest in the signed request; columns and operations are derived from the plan by lineage.
Checked by: tests/nodes/test_forged.py::test_forged_round_is_refused_and_costs_nothing
"""

from __future__ import annotations

from engine.errors import require
from engine.trusted import account, sign, verify
from engine.trusted.plan import Plan
from engine.trusted.records import Agreement, Decision, Loss, Operation
from nodes.manifest import Round, Seat


def check_agreement(round_: Round, plan: Plan, now_ms: int, seat: Seat) -> Agreement:
    """The agreement in force that allows this analyst this plan at this price.

    Claim: the plan reads no column, and uses no operation, that the agreement does not name.
    Because: columns_read and operations_used walk the plan itself; the request carries only a digest.
    Checked by: tests/nodes/test_forged.py::test_forged_round_is_refused_and_costs_nothing
    """
    request = round_.request
    require(request.agreement_digest in seat.agreements, "POLICY_AGREEMENT_UNKNOWN")
    seat.require_open(request.agreement_digest)
    agreement = seat.agreements[request.agreement_digest]
    sign.require_in_force(agreement, now_ms)
    later = (a for a in seat.agreements.values() if a.name == agreement.name and a.edition > agreement.edition)
    require(all(now_ms < a.from_ms for a in later), "POLICY_AGREEMENT_SUPERSEDED")
    require(request.analyst in agreement.analysts, "POLICY_ANALYST_NOT_NAMED", name=request.analyst)
    scope = {s.dataset: frozenset(s.columns) for s in agreement.scope}
    for dataset, columns in sorted(verify.columns_read(plan, seat.catalogue).items()):
        require(dataset in scope, "POLICY_DATASET_OUT_OF_SCOPE", name=dataset)
        beyond = ", ".join(sorted(columns - scope[dataset]))
        require(not beyond, "POLICY_COLUMN_OUT_OF_SCOPE", name=f"{dataset}: {beyond}")
    for operation in verify.operations_used(plan):
        require(operation in agreement.operations, "POLICY_OPERATION_OUT_OF_SCOPE", name=operation.name.lower())
    price = account.add_loss(request.loss, request.selection or Loss(0, 0))
    require(account.within(price, agreement.per_plan), "POLICY_PRICE_ABOVE_AGREEMENT")
    return agreement


def check_approvals(round_: Round, plan: Plan, now_ms: int, seat: Seat) -> None:
    """Each approval that the manifest carries is a guardian's, for this request, dated, and a yes; and a node that
    answers has as many of its own guardians as its department wants: always one for a private join.

    Claim: a decision cannot be used for another request, after its date, or when it is a refusal; nobody approves
           twice, or for another department, or as the analyst.
    Because: it is signed by the guardian it names over the request digest and its expiry; names are counted once.
    Checked by: tests/nodes/test_forged.py::test_forged_round_is_refused_and_costs_nothing
                tests/nodes/test_approvals.py::test_a_plan_needs_the_guardians_that_its_department_wants
    """
    approved: set[str] = set()
    refused = {name: at for (request, name), at in seat.refused.items() if request == round_.request_digest}
    for record in round_.manifest.approvals:
        approval = sign.open_approval(record, seat.roster)
        require(approval.request_digest == round_.request_digest, "APPROVAL_OTHER_REQUEST", name=approval.guardian)
        require(now_ms < approval.expires_ms, "APPROVAL_EXPIRED", name=approval.guardian)
        require(approval.decision is Decision.APPROVED, "APPROVAL_REFUSED", name=approval.guardian)
        if approval.node == seat.name and approval.guardian != round_.request.analyst:
            approved.add(approval.guardian)
            if approval.decided_ms > refused.get(approval.guardian, approval.decided_ms):
                del refused[approval.guardian]  # thought again
    require(not refused, "APPROVAL_REFUSED", name=", ".join(sorted(refused)))
    alone = Operation.PRIVATE_JOIN in verify.operations_used(plan)
    wanted = max(seat.guardians, int(alone)) if seat.name in round_.nodes else 0
    require(len(approved) >= wanted, "APPROVAL_MISSING", name=seat.name)
