"""SMART Health Cards: what is in the bundle under a signature, the JWS, the DEFLATE, the digits."""

from __future__ import annotations

import json
from collections.abc import Mapping

from fuzz import mutators, school, trees
from fuzz.codes import AS_IT_IS, Layer, target_of

_HEADER = f'{{"zip":"DEF","alg":"ES256","kid":"{school.SHC_KEY_ID}"}}'.encode()
_PATIENT = {
    "resourceType": "Patient",
    "name": [{"family": "Anyperson", "given": ["John", "B."]}],
    "birthDate": "1951-01-20",
}
_DOSE = {
    "resourceType": "Immunization",
    "status": "completed",
    "vaccineCode": {"coding": [{"system": "http://hl7.org/fhir/sid/cvx", "code": "207"}]},
    "patient": {"reference": "resource:0"},
    "occurrenceDateTime": "2026-10-01",
    "lotNumber": "0000007",
    "performer": [{"actor": {"display": "ABC General Hospital"}}],
}
_RESULT = {
    "resourceType": "Observation",
    "status": "final",
    "code": {"coding": [{"system": "http://loinc.org", "code": "94558-4"}]},
    "subject": {"reference": "resource:0"},
    "effectiveDateTime": "2026-11-22T12:00:00Z",
    "valueCodeableConcept": {"coding": [{"system": "http://snomed.info/sct", "code": "260415000"}]},
}


def _card(*resources: Mapping[str, object]) -> bytes:
    entries = [
        {"fullUrl": f"resource:{number}", "resource": resource}
        for number, resource in enumerate((_PATIENT, *resources))
    ]
    card = {
        "iss": "https://example.org/issuer",
        "nbf": school.NOW_S - 1_000_000,
        "vc": {
            "type": [
                "https://smarthealth.cards#health-card",
                "https://smarthealth.cards#immunization",
                "https://smarthealth.cards#covid19",
            ],
            "credentialSubject": {
                "fhirVersion": "4.0.1",
                "fhirBundle": {"resourceType": "Bundle", "type": "collection", "entry": entries},
            },
        },
    }
    return json.dumps(card, separators=(",", ":")).encode()


CARDS = (_card(_DOSE, {**_DOSE, "occurrenceDateTime": "2026-11-01"}), _card(_RESULT))


def jws_of(card: bytes) -> str:
    """Return the JWS of a card."""
    return school.jws(_HEADER, school.deflated(card), school.MINISTRY)


def _of_jws_parts(data: bytes) -> str:
    """Return the card whose signed header is ``data``, up to a NUL, and whose body is the rest."""
    header, _, body = data.partition(b"\0")
    return school.shc_of(header, body, school.MINISTRY)


TARGET = target_of(
    [
        Layer(school.shc, mutators.of_tree(trees.JSON), CARDS, is_signed=True),
        Layer(
            lambda data: school.shc(data, school.OTHER_MINISTRY),
            mutators.of_tree(trees.JSON),
            CARDS,
            is_forged=True,
        ),
        Layer(
            _of_jws_parts,
            mutators.of_bytes,
            [
                _HEADER + b"\0" + school.deflated(CARDS[0]),
                b'{"alg":"none","zip":"DEF"}\0' + school.deflated(CARDS[0]),
                _HEADER + b"\0" + school.deflated(bytes(100_000)),
            ],
            is_signed=True,
        ),
        Layer(
            lambda data: school.digits(data.decode("latin-1")),
            mutators.of_bytes,
            [jws_of(card).encode() for card in CARDS],
        ),
        Layer(AS_IT_IS, mutators.of_text, [school.shc(card).encode() for card in CARDS]),
    ]
)
