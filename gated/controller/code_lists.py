"""Keeps what codes are judged by as new as its files: keys, revocations, persons. Main thread."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import tzinfo

from gated.clock import Clock
from gated.config import GateConfig
from gated.contents import ConfigContent
from gated.controller.codes import CodeRules, load_code_rules
from gated.controller.list_watch import ListsChanged, ListWatch, new_problems, problems_of, why_not
from gated.credentials.trusted_keys import TrustList
from gated.errors import ConfigError

log = logging.getLogger(__name__)

_KEYS_SHOWN = 20
MAX_DETAIL = 1_000
"""Characters, of a ``ConfigContent``."""


@dataclass(frozen=True, slots=True)
class LoadedLists:
    """Rules that are ready to be taken, and the files as they were just before."""

    rules: CodeRules
    files: ListsChanged


class CodeLists:
    """Loads the code rules, and again whenever a file has changed. All or nothing.

    Args:
        config: the one in force.
        timezone: the site's.
        clock: for the looks at the files, and what signs lists must be in force by it.
        record: records what was taken over or refused.
        set_rules: judges codes by new rules from now on.
    """

    def __init__(
        self,
        config: Callable[[], GateConfig],
        timezone: tzinfo,
        clock: Clock,
        *,
        record: Callable[[ConfigContent], None],
        set_rules: Callable[[CodeRules], None],
    ) -> None:
        self._config = config
        self._timezone = timezone
        self._record = record
        self._set_rules = set_rules
        self._watch = ListWatch(lambda: config().credentials, config().paths.state, clock)
        self._clock = clock
        self.rules = load_code_rules(config(), timezone, now=clock.now(), remembers=True)
        for problem in problems_of(self.rules):
            log.warning("%s", problem)

    def load(self, config: GateConfig) -> LoadedLists:
        """Return the rules by ``config`` and the files as they are now.

        Raises: ConfigError: a file cannot be read, or gives less than it did (``why_not``).
        """
        files = self._watch.now()
        now = self._clock.now()
        rules = load_code_rules(config, self._timezone, now=now, remembers=True)
        refusal = why_not(self.rules, rules, files.traces)
        if refusal is not None:
            raise ConfigError(refusal)
        return LoadedLists(rules, files)

    def take(self, loaded: LoadedLists) -> None:
        """Judge codes by ``loaded`` from now on."""
        for problem in new_problems(self.rules, loaded.rules):
            log.warning("%s", problem)
        told = self._set_back()
        self._watch.take(loaded.files)
        self.rules = loaded.rules
        self._set_rules(loaded.rules)
        self.tell_set_back(told)

    def each_second(self) -> None:
        """Take over the files that have changed, or say once why the old ones stay in force."""
        files = self._watch.look()
        if files is None:
            return
        try:
            loaded = self.load(self._config())
        except ConfigError as exc:
            self._watch.refuse(files)
            log.error("keys and lists not reloaded, the old ones stay: %s", exc)
            detail = f"{files.sentence()}; {exc}"[:MAX_DETAIL]
            self._record(ConfigContent(accepted=False, detail=detail))
            return
        keys = changed_keys(self.rules.trust, loaded.rules.trust)
        self.take(loaded)
        log.info("keys and lists reloaded; %s%s", files.sentence(), keys)
        detail = f"{files.sentence()}{keys}"[:MAX_DETAIL]
        self._record(ConfigContent(accepted=True, changed=files.keys, detail=detail))

    def tell_set_back(self, told: tuple[str, ...] = ()) -> None:
        """Say where an old revocation list was put back, unless it was ``told`` before."""
        for sentence in self._set_back():
            if sentence not in told:
                log.error("%s", sentence)
                self._record(ConfigContent(accepted=False, detail=sentence[:MAX_DETAIL]))

    def _set_back(self) -> tuple[str, ...]:
        return () if self.rules.revocations is None else self.rules.revocations.set_back


def changed_keys(old: TrustList, new: TrustList) -> str:
    """Return the fingerprints of the keys that count now or count no more; "" for none.

    A key whose uses are others both came and went.
    """
    before, now = _known_by(old), _known_by(new)
    said = ""
    for word, keys in (("came", now - before), ("went", before - now)):
        shown = sorted({fingerprint.hex() for fingerprint, *_ in keys})
        more = len(shown) - _KEYS_SHOWN
        if shown:
            said += f"; keys {word}: {', '.join(shown[:_KEYS_SHOWN])}"
            said += f" and {more} more" if more > 0 else ""
    return said


def _known_by(trust: TrustList) -> set[tuple[bytes, frozenset[str] | None, str | None]]:
    return {(key.fingerprint, key.uses, key.issuer) for keys in trust.keys.values() for key in keys}
