"""What a roster changes: who gets a card, who keeps the one there is, whose is made anew.

Pure. The same roster a second time changes nothing.
"""

from __future__ import annotations

import enum
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from gated.credentials.gp1 import Gp1Claims
from gated.credentials.signatures import PrivateKey, key_fingerprint
from gated.office.issuing import claims_problem, new_cti
from gated.office.moments import end_of, first_day, start_of
from gated.office.passes import DEFAULT_DAYS, Holder, PassKind, RegisteredPass, shown_number
from gated.office.register import Pseudonyms
from gated.office.roster import Entry, Problem
from gated.vocabulary import HolderCategory


class Doing(enum.StrEnum):
    ISSUE = "issue"
    KEEP = "keep"
    CHANGE = "change"  # the old card is revoked


@dataclass(frozen=True, slots=True)
class Step:
    """What becomes of one line; a line with a guardian gives two."""

    number: int
    doing: Doing
    kind: PassKind
    claims: Gp1Claims
    holders: tuple[Holder, ...]  # as the register shall know them; claims.sub is the first
    old: RegisteredPass | None = None
    changes: tuple[str, ...] = ()  # what differs from the old card


@dataclass(frozen=True, slots=True)
class Plan:
    steps: tuple[Step, ...]
    problems: tuple[Problem, ...]

    def doing(self, doing: Doing) -> list[Step]:
        return [step for step in self.steps if step.doing is doing]


@dataclass(frozen=True, slots=True)
class Known:
    """What the register knows before."""

    holders: Sequence[Holder]
    passes: Sequence[RegisteredPass]


def plan_roster(
    entries: Iterable[Entry],
    known: Known,
    *,
    now: datetime,
    key: PrivateKey,
    until: date | None = None,
) -> Plan:
    """Return what ``entries`` change.

    Args:
        entries: the usable lines.
        known: the register.
        now: when; cards begin on this day.
        key: signs, so that a pass that would not fit is a problem of its line.
        until: the last day of cards whose line names none; None: 200 days.
    """
    planner = _Planner(known, now, key, until)
    entries = tuple(entries)
    planner.refuse_doubles(entries)
    for entry in entries:
        planner.add(entry)
    return Plan(tuple(planner.steps), tuple(sorted(planner.problems, key=lambda p: p.number)))


class _Planner:
    """Goes through the lines one by one; what it hands out it remembers."""

    def __init__(self, known: Known, now: datetime, key: PrivateKey, until: date | None) -> None:
        self.steps: list[Step] = []
        self.problems: list[Problem] = []
        self._now, self._key, self._until = now, key, until
        self._key_id = key_fingerprint(key.public_key())
        self._refused: set[int] = set()
        self._by_pseudonym = {holder.pseudonym: holder for holder in known.holders}
        self._by_name: dict[str, list[Holder]] = defaultdict(list)
        for holder in known.holders:
            self._by_name[holder.name].append(holder)
        self._passes: dict[tuple[str, PassKind], list[RegisteredPass]] = defaultdict(list)
        for item in known.passes:
            self._passes[item.holder.pseudonym, item.kind].append(item)
        self._pseudonyms = Pseudonyms(tuple(self._by_pseudonym))
        self._line_of: dict[str, int] = {}  # pseudonym → the line that speaks of that person

    def refuse_doubles(self, entries: Sequence[Entry]) -> None:
        """Note the lines of one name in one class that nothing tells apart."""
        alike: dict[tuple[str, str | None, str], list[Entry]] = defaultdict(list)
        for entry in entries:
            if entry.pseudonym is not None:
                self._pseudonyms.take(entry.pseudonym)
            else:
                alike[entry.name, entry.group, entry.detail].append(entry)
        for group in alike.values():
            if len(group) > 1:
                lines = ", ".join(str(entry.number) for entry in group)
                for entry in group:
                    self._refuse(
                        entry,
                        f"lines {lines} have one name and one class: the same person twice, or add "
                        "a column 区分 (tell apart), such as a seat number "
                        "(同班同名，请加“区分”一列，如座号)",
                    )

    def add(self, entry: Entry) -> None:
        if entry.number in self._refused:
            return
        holder = self._holder_of(entry)
        if holder is None:
            return
        before = self._line_of.setdefault(holder.pseudonym, entry.number)
        if before != entry.number:
            self._refuse(entry, f"is the same person as line {before} (与第 {before} 行是同一人)")
            return
        claims = self._claims(entry, holder)
        if claims is None:
            return
        steps = [self._step(entry, PassKind.CARD, claims, (holder,))]
        if entry.guardian:
            steps.append(self._guardian_step(entry, claims, holder))
        if entry.number not in self._refused:
            self.steps += [step for step in steps if step is not None]

    def _refuse(self, entry: Entry, text: str) -> None:
        self._refused.add(entry.number)
        self.problems.append(Problem(entry.number, text))

    # --- who is it? --------------------------------------------------------------------------

    def _holder_of(self, entry: Entry) -> Holder | None:
        """Return the holder as the register shall know them, None if the line has a problem."""
        if entry.pseudonym is not None:
            known = self._by_pseudonym.get(entry.pseudonym)
            if known is not None and known.name != entry.name:
                self._refuse(
                    entry,
                    "this pseudonym is another name's in the register (此编号在登记册中是另一人)",
                )
                return None
            return self._as_in(entry, known, entry.pseudonym)
        namesakes = self._by_name.get(entry.name, [])
        listed = [holder for holder in namesakes if self._may_be_listed(holder, entry.category)]
        classmates = [holder for holder in listed if holder.group == entry.group]
        # A seat number says who is who in one class only: every class has a seat 5.
        among = listed if entry.is_detail_of_school else classmates
        same = [holder for holder in among if entry.detail and holder.detail == entry.detail]
        if not same:
            same = [holder for holder in classmates if not (entry.detail and holder.detail)]
        if len(same) > 1:
            self._refuse(
                entry,
                f"is {' or '.join(holder.pseudonym for holder in same)}: write which into the "
                "column 编号 (pseudonym) (登记册中有多人，请在“编号”列写明)",
            )
            return None
        if same:
            return self._as_in(entry, same[0], same[0].pseudonym)
        elsewhere = [
            holder
            for holder in namesakes
            if not (entry.detail and holder.detail) or holder.detail == entry.detail
        ]
        if elsewhere and not entry.is_new:
            which = ", ".join(f"{h.pseudonym} ({h.group or '–'})" for h in elsewhere)
            self._refuse(
                entry,
                f"the register knows this name as {which}: the same person (in a new class, say): "
                f"write {' or '.join(holder.pseudonym for holder in elsewhere)} into the column "
                "编号 (pseudonym); another person: write 新 (new) there "
                "(同一人（如换班）请在“编号”列写编号，另一人请写“新”)",
            )
            return None
        return self._as_in(entry, None, self._pseudonyms.next_for(entry.category))

    def _may_be_listed(self, holder: Holder, category: HolderCategory) -> bool:
        """Return whether a roster can mean ``holder`` by the name alone.

        A visitor or a guardian of that name, who has no class either, is asked about.
        """
        return holder.category is category or (holder.pseudonym, PassKind.CARD) in self._passes

    @staticmethod
    def _as_in(entry: Entry, known: Holder | None, pseudonym: str) -> Holder:
        detail = entry.detail or (known.detail if known else "")
        return Holder(pseudonym, entry.name, entry.category, entry.group, detail)

    # --- what do they get? -------------------------------------------------------------------

    def _claims(self, entry: Entry, holder: Holder) -> Gp1Claims | None:
        today = first_day(self._now)
        begins = entry.valid_from or today
        try:
            last = entry.valid_until or self._until or begins + timedelta(days=DEFAULT_DAYS)
            not_before, expires_at = start_of(begins), end_of(last)
        except (OverflowError, ValueError):
            self._refuse(entry, "the dates are out of reach (日期超出范围)")
            return None
        if expires_at <= self._now or expires_at <= not_before:
            self._refuse(entry, "valid until: that day is over (有效期已过)")
            return None
        claims = Gp1Claims(
            sub=holder.pseudonym,
            category=holder.category,
            not_before=not_before,
            expires_at=expires_at,
            cti=new_cti(),
            group=holder.group,
            zones=entry.zones,
            is_attendant=entry.is_attendant,
            is_slow=entry.is_slow,
        )
        problem = claims_problem(PassKind.CARD, claims, self._key)
        if problem is not None:
            self._refuse(entry, problem)
            return None
        return claims

    def _step(
        self, entry: Entry, kind: PassKind, claims: Gp1Claims, holders: tuple[Holder, ...]
    ) -> Step | None:
        earlier = self._passes.get((claims.sub, kind), [])
        in_force = [
            item
            for item in earlier
            if item.is_in_force(self._now) and item.claims.expires_at > claims.not_before
        ]
        if not in_force:
            last = earlier[-1] if earlier else None
            if last is not None and last.revoked_at is not None and last.replaced_by is None:
                self._refuse(
                    entry,
                    f"pass {shown_number(last.number)} was revoked ({last.revoked_why}): to make "
                    f"another, gated pass reissue {last.number} --why {last.revoked_why} "
                    "(原卡已作废，请用 reissue 补发)",
                )
                return None
            return Step(entry.number, Doing.ISSUE, kind, claims, holders)
        # Of several guardians' the one that is meant; else the newest is replaced.
        mine = [item for item in in_force if item.claims.guardian_ref == claims.guardian_ref]
        old = (mine or in_force)[-1]
        is_end_given = entry.valid_until is not None or self._until is not None
        claims = replace(claims, is_changing=old.claims.is_changing)  # it stays on the phone
        if not is_end_given:
            claims = replace(claims, expires_at=old.claims.expires_at)
        changes = _differences(old.claims, claims, is_end_given=is_end_given)
        # Of days that are over nothing is different: what was made anew in mid-term began then.
        begins = {max(each.not_before, self._now) for each in (old.claims, claims)}
        if entry.valid_from is not None and len(begins) > 1:
            changes = (*changes, "valid from 生效日期")
        if old.key_id != self._key_id:
            changes = (*changes, "key 密钥")
        doing = Doing.CHANGE if changes else Doing.KEEP
        return Step(entry.number, doing, kind, claims, holders, old, changes)

    def _guardian_step(self, entry: Entry, claims: Gp1Claims, pupil: Holder) -> Step | None:
        guardian = self._guardian_of(entry, pupil)
        if guardian is None:
            return None
        claims = replace(claims, cti=new_cti(), guardian_ref=guardian.pseudonym, is_attendant=False)
        problem = claims_problem(PassKind.GUARDIAN, claims, self._key)
        if problem is not None:
            self._refuse(entry, f"guardian: {problem}")
            return None
        return self._step(entry, PassKind.GUARDIAN, claims, (pupil, guardian))

    def _guardian_of(self, entry: Entry, pupil: Holder) -> Holder | None:
        """Return the guardian: the one with that pseudonym, or of that name with this pupil."""
        named = self._by_pseudonym.get(entry.guardian)
        if named is not None:
            return named
        if any(map(str.isdigit, entry.guardian)):
            self._refuse(
                entry,
                "guardian: not a pseudonym of the register; write the name (监护人编号不存在)",
            )
            return None
        for item in self._passes.get((pupil.pseudonym, PassKind.GUARDIAN), []):
            known = self._by_pseudonym.get(item.claims.guardian_ref or "")
            if known is not None and known.name == entry.guardian:
                return known
        category = HolderCategory.ESCORT
        return Holder(self._pseudonyms.next_for(category), entry.guardian, category)


def _differences(old: Gp1Claims, new: Gp1Claims, *, is_end_given: bool) -> tuple[str, ...]:
    pairs: dict[str, tuple[object, object]] = {
        "category 类别": (old.category, new.category),
        "class 班级": (old.group, new.group),
        "zones 区域": (old.zones, new.zones),
        "slow 行动较慢": (old.is_slow, new.is_slow),
        "attendant 值守": (old.is_attendant, new.is_attendant),
        "guardian 监护人": (old.guardian_ref, new.guardian_ref),
    }
    if is_end_given:
        pairs["valid until 有效期至"] = (old.expires_at, new.expires_at)
    return tuple(name for name, (before, after) in pairs.items() if before != after)
