"""The table of pages. Each group of pages is one file here, with its templates in engine/desk/templates/<group>/.

How to add a page:

1. Write a function in the group's file: it takes a ``Visit`` and returns one of its answers. ``visit.desk`` has the
   home, the roster, ``line()`` to the coordinator and ``session()`` of an analyst; ``visit.form.one("name")`` and
   ``visit.query.one("name")`` what was sent, ``visit.path["name"]`` the part of the address in braces. Call what the
   command line calls (engine/client, engine/governance); never write it again.

       def queue(visit: Visit) -> Response:
           found = fetch_queue(visit.desk.line(), visit.desk.roster)
           return visit.render("guardian/queue.html", queue=found)

2. Add a row to the group's ``PAGES``, and the group to ``PAGES`` below. Names in the navigation come from ``menu``; the
   order is that of the table. A row with ``post=True`` takes a form; answer it with ``visit.go("/place", "What was
   done")``, so that loading the page again does nothing twice. Give ``example`` where the address has braces: tests
   visit every row.

       PAGES = (
           Page("/queue", queue, GUARDIAN, menu="Requests", about="What waits for your decision."),
           Page("/queue/{request}/decide", decide, GUARDIAN, post=True, example="/queue/00/decide"),
       )

3. Write the template: extend base.html, set the blocks ``title`` and ``content``; the function gives
   ``trail=[("/queue", "Requests")]`` for breadcrumbs. One h1 a page. Addresses by ``{{ url('/queue') }}``; each form
   begins with ``{{ parts.own() }}``. parts.html has error summaries, tags, lists of facts and tiles. Every text is
   escaped, and cleaned of signs that hide words; ``|plain`` makes one line of it. No style or script in a page: add to
   static/desk.css and static/desk.js. No ``|safe``.

A refusal (SplittallyError) that a page lets through becomes a page with its code and hint. A form catches it and shows
itself again: ``visit.render("guardian/decide.html", error=refused, error_field="reason", ...)``.
"""

from engine.desk.page import Page
from engine.desk.pages import (
    audit,
    audit_receipts,
    cards,
    catalogue,
    guardian,
    guardian_node,
    policy,
    policy_budgets,
    policy_drafts,
    policy_members,
    register,
    rehearse,
    requests,
    start,
    workbench,
)

PAGES: tuple[Page, ...] = (
    *start.PAGES,
    *workbench.PAGES,
    *rehearse.PAGES,
    *requests.PAGES,
    *guardian.PAGES,
    *guardian_node.PAGES,
    *policy.PAGES,
    *policy_drafts.PAGES,
    *policy_budgets.PAGES,
    *audit.PAGES,
    *audit_receipts.PAGES,
    *policy_members.PAGES,
    *catalogue.PAGES,
    *cards.PAGES,
    *register.PAGES,
)
