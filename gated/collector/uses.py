"""Tells the gates of a site about uses of passes at its other gates.

A gate that asks is answered, a site in which something is new is told. Both after the commit, both
from the store. What gets lost on the way is asked for again, so nothing here is tried twice.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from gated.collector.store import ChainKey, Lane, Store, UsesAsked, UsesPage
from gated.errors import StorageError
from gated.uses import SiteUses, site_uses_topic, uses_answer_topic
from gated.wire import GateTopics

log = logging.getLogger(__name__)

MAX_PAGES = 20
"""Pages for a site at once; gates ask for what lies beyond."""


class UsesDesk:
    """What is to be told on one connection.

    Args:
        name: the collector's.
        publish: sends a payload to a topic, not retained.

    Raises: StorageError: the store cannot be read.
    """

    def __init__(self, name: str, store: Store, publish: Callable[[str, bytes], None]) -> None:
        self._name = name
        self._store = store
        self._publish = publish
        self._begin = store.newest_use()
        self._told: dict[str, int] = {}  # by site: up to where its gates were told

    def tell(self, asked: tuple[UsesAsked, ...], sites: frozenset[str]) -> None:
        """Answer who asked, and tell ``sites`` what is new."""
        questions = _newest_of_each(asked)
        try:
            news = {site: self._tell(site) for site in sorted(sites)}
            ledgers = [ChainKey(q.lane.site, q.lane.gate, q.epoch) for q in questions]
            stored = self._store.uses_stored(ledgers) if ledgers else []
            for question, upto in zip(questions, stored, strict=True):
                self._answer(question, upto, news.get(question.lane.site))
        except StorageError as exc:
            log.warning("%s; the gates ask again", exc)

    def _tell(self, site: str) -> UsesPage | None:
        """Tell what is new; return it, unless there is more than one page of it."""
        for number in range(MAX_PAGES):
            after = self._told.get(site, self._begin)
            page = self._store.uses_page(site, after)
            self._told[site] = page.upto
            if page.uses:
                self._publish(site_uses_topic(site), self._encode(page))
            if not page.has_more:
                return page if number == 0 else None
        return None

    def _answer(self, asked: UsesAsked, stored: int, news: UsesPage | None) -> None:
        """Answer one gate; ``news`` is the page that its site was told in this round."""
        lane = asked.lane
        collector_epoch, change = asked.known.get(self._name, ("", 0))
        is_of_this_store = collector_epoch == self._store.collector_epoch
        after = change if is_of_this_store else 0
        if news is not None and news.after <= after <= news.upto:
            page = news  # nearly always: who asks has just told of a use
        else:
            page = self._store.uses_page(lane.site, after)
        self._publish(
            uses_answer_topic(GateTopics(lane.site, lane.gate)),
            self._encode(page, epoch=asked.epoch, stored=stored),
        )

    def _encode(
        self, page: UsesPage, *, epoch: str | None = None, stored: int | None = None
    ) -> bytes:
        message = SiteUses(
            collector=self._name,
            collector_epoch=self._store.collector_epoch,
            after=page.after,
            upto=page.upto,
            uses=page.uses,
            more=page.has_more,
            epoch=epoch,
            stored=stored,
        )
        return message.model_dump_json().encode()


def _newest_of_each(asked: tuple[UsesAsked, ...]) -> list[UsesAsked]:
    """Return the last question of each gate: it says all that the earlier ones said."""
    newest: dict[Lane, UsesAsked] = {question.lane: question for question in asked}
    return list(newest.values())
