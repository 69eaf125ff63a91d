"""``[certificates]``: what a health certificate that others issue is worth here."""

from __future__ import annotations

import enum
from functools import partial
from typing import Literal, Self

from pydantic import StrictBool, StrictFloat, StrictInt, model_validator

from gated.config.settings import REQUIRED, Settings, setting
from gated.vocabulary import HolderCategory, LabTestKind


class AcceptedEvidence(enum.StrEnum):
    """What must be stated."""

    VACCINATION = "vaccination"
    TEST = "test"
    RECOVERY = "recovery"
    ANY = "any"  # whatever it states: for formats that state nothing, such as NZCP


_KEYS_OF = {
    "kinds": (AcceptedEvidence.TEST,),
    "max_age_h": (AcceptedEvidence.TEST,),
    "complete": (AcceptedEvidence.VACCINATION,),
    "min_doses": (AcceptedEvidence.VACCINATION,),
    "products": (AcceptedEvidence.VACCINATION,),
    "from_day": (AcceptedEvidence.VACCINATION, AcceptedEvidence.RECOVERY),
    "to_day": (AcceptedEvidence.VACCINATION, AcceptedEvidence.RECOVERY),
}

_live = partial(setting, live=True)
_days = partial(_live, None, ge=0, le=3_660)
_age = partial(_live, None, ge=0, le=130, unit="y")


class EnoughSettings(Settings):
    """One thing that is enough."""

    name: str = _live(
        REQUIRED,
        pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$",
        example="test-48h",
        en="Its name in the status and in errors.",
        zh="规则名称",
    )
    evidence: AcceptedEvidence = _live(
        REQUIRED,
        en="What the certificate must state; any: nothing in particular (NZCP states nothing).",
        zh="须证明的内容；any：不限(NZCP 不含细节)",
    )
    formats: tuple[Literal["HC1", "NZCP", "SHC", "GP1"], ...] = _live(
        (), en="Of these formats only; none named: all.", zh="仅限这些格式，空为不限"
    )
    holders: tuple[HolderCategory, ...] = _live(
        (), en="For holders of these categories only.", zh="仅适用于这些类别"
    )
    from_age_y: StrictInt | None = _age(en="For holders of at least this age.", zh="最小年龄")
    below_age_y: StrictInt | None = _age(en="For holders below this age.", zh="小于此年龄")
    disease: str = _live(
        "840539006",
        pattern=r"^[0-9]{6,18}$",
        example="840539006",
        en="SNOMED CT code of the disease; 840539006 is COVID-19.",
        zh="疾病的 SNOMED CT 代码",
    )
    kinds: tuple[LabTestKind, ...] = _live(
        (), en="Tests: of these kinds only; none named: all.", zh="检测方式，空为不限"
    )
    max_age_h: StrictFloat | None = _live(
        None,
        ge=1.0,
        le=8_784.0,
        unit="h",
        en="Tests: sampled at most this long ago; 7 days are 168.",
        zh="检测：采样后多久有效(7 天为 168)",
    )
    complete: StrictBool = _live(
        False, en="Vaccinations: the last dose of the series.", zh="疫苗：须完成全程"
    )
    min_doses: StrictInt = _live(
        0, ge=0, le=20, en="Vaccinations: at least this dose.", zh="疫苗：至少第几剂"
    )
    products: tuple[str, ...] = _live(
        (),
        en="Vaccinations: only these products, as certificates code them (EU/1/20/1528; CVX 207).",
        zh="疫苗：仅限这些产品代码",
    )
    from_day: StrictInt | None = _days(
        en="Vaccinations, recoveries: this many days after the dose or the positive test at least.",
        zh="疫苗、康复：接种或阳性后至少第几天",
    )
    to_day: StrictInt | None = _days(
        en="The same, at most; that day counts.", zh="同上，至多第几天(含)"
    )

    @model_validator(mode="after")
    def _asks_what_can_be_stated(self) -> Self:
        for key, kinds in _KEYS_OF.items():
            is_asked = getattr(self, key) != type(self).model_fields[key].default
            if is_asked and self.evidence not in kinds:
                raise ValueError(
                    f'{key} says nothing about evidence "{self.evidence}" ({key} 不适用于此证明)'
                )
        if self.from_day is not None and self.to_day is not None and self.to_day < self.from_day:
            raise ValueError("to_day is before from_day (to_day 早于 from_day)")
        if (
            self.from_age_y is not None
            and self.below_age_y is not None
            and self.below_age_y <= self.from_age_y
        ):
            raise ValueError(
                "nobody is of that age: below_age_y is not above from_age_y (年龄矛盾)"
            )
        return self


class CertificateSettings(Settings):
    """Health certificates that others issue. By default none is enough."""

    category: Literal[
        HolderCategory.VISITOR,
        HolderCategory.STUDENT,
        HolderCategory.STAFF,
        HolderCategory.COURIER,
    ] = _live(
        HolderCategory.VISITOR,
        en="What the holder of a certificate counts as.",
        zh="持证者视为哪一类",
    )
    asked_of: tuple[HolderCategory, ...] = _live(
        (),
        en="Passes of these categories must state something that is enough, too (the office enters "
        "the sampling time of a test).",
        zh="这些类别的通行证也须满足(由办公室录入采样时间)",
    )
    enough: tuple[EnoughSettings, ...] = _live(
        (),
        max_length=32,
        en="Rules: one that holds is enough. None: no certificate opens this gate.",
        zh="规则，满足其一即可；空：不接受健康证明",
    )

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        names = [rule.name for rule in self.enough]
        if len(set(names)) < len(names):
            raise ValueError("two rules of one name (规则重名)")
        if self.asked_of and not self.enough:
            raise ValueError(
                "asked_of without a rule would refuse all of them: add one to enough "
                "(asked_of 须配合 enough)"
            )
        return self
