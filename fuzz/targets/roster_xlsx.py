"""Rosters as XLSX: a changed sheet or table of texts in a good file, and any file at all."""

from __future__ import annotations

import io
import zipfile

from fuzz import mutators
from fuzz.target import Target
from fuzz.targets.roster import check

_SHEET, _TEXTS = "xl/worksheets/sheet1.xml", "xl/sharedStrings.xml"
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_TYPES = "application/vnd.openxmlformats-officedocument.spreadsheetml"
_PARTS = {
    "[Content_Types].xml": (
        f'<Types xmlns="{_PACKAGE}/content-types"><Default Extension="rels" '
        'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{_TYPES}.sheet.main+xml"/>'
        f'<Override PartName="/{_SHEET}" ContentType="{_TYPES}.worksheet+xml"/>'
        f'<Override PartName="/{_TEXTS}" ContentType="{_TYPES}.sharedStrings+xml"/></Types>'
    ),
    "_rels/.rels": (
        f'<Relationships xmlns="{_PACKAGE}/relationships"><Relationship Id="r1" '
        f'Type="{_OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>'
    ),
    "xl/workbook.xml": (
        f'<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}"><sheets>'
        '<sheet name="1" sheetId="1" r:id="r1"/></sheets></workbook>'
    ),
    "xl/_rels/workbook.xml.rels": (
        f'<Relationships xmlns="{_PACKAGE}/relationships"><Relationship Id="r1" '
        f'Type="{_OFFICE}/worksheet" Target="worksheets/sheet1.xml"/><Relationship Id="r2" '
        f'Type="{_OFFICE}/sharedStrings" Target="sharedStrings.xml"/></Relationships>'
    ),
    _SHEET: (
        f'<worksheet xmlns="{_MAIN}"><dimension ref="A1:C2"/><sheetData>'
        '<row r="1"><c r="A1" t="s"><v>0</v></c><c r="B1" t="s"><v>1</v></c></row>'
        '<row r="2"><c r="A2" t="inlineStr"><is><t>张三</t></is></c><c r="B2" t="s"><v>2</v></c>'
        '<c r="C2"><f>1+1</f><v>46000.5</v></c><c r="D2" t="b"><v>1</v></c></row>'
        "</sheetData></worksheet>"
    ),
    _TEXTS: (
        f'<sst xmlns="{_MAIN}" count="3" uniqueCount="3">'
        "<si><t>姓名</t></si><si><t>班级</t></si><si><r><t>三(2)</t></r><r><t>班</t></r></si></sst>"
    ),
}
_LAYERS = (_SHEET, _TEXTS)
_LONG_AGO = (1980, 1, 1, 0, 0, 0)


def _file(changed: dict[str, bytes]) -> bytes:
    """Return a file with these parts in place of its own, the same every time."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, text in _PARTS.items():
            info = zipfile.ZipInfo(name, date_time=_LONG_AGO)
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, changed.get(name, text.encode()))
    return packed.getvalue()


def _run(data: bytes) -> bool:
    layer, content = (data[0] if data else 0) % (len(_LAYERS) + 1), data[1:]
    return check(content if layer == len(_LAYERS) else _file({_LAYERS[layer]: content}))


TARGET = Target(
    run=_run,
    seeds=lambda: [
        *(bytes([n]) + _PARTS[name].encode() for n, name in enumerate(_LAYERS)),
        bytes([len(_LAYERS)]) + _file({}),
    ],
    mutate=mutators.of_layers([mutators.of_bytes] * 3),
    max_cpu_ms=1_000.0,
)
