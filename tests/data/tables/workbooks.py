"""Workbooks from the text of their parts, as no spreadsheet program would write them."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import openpyxl

_MAIN = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'


def raw_workbook(path: Path, rows: str, *, shared: str = "", styles: str = "", before: str = "") -> Path:
    """Write a workbook from the text of its rows, shared strings and styles, as no spreadsheet program would."""
    book = io.BytesIO()
    openpyxl.Workbook().save(book)
    sheet = f"{before}<worksheet {_MAIN}><sheetData>{rows}</sheetData></worksheet>"
    parts = {"xl/worksheets/sheet1.xml": sheet}
    parts |= {"xl/styles.xml": f"<styleSheet {_MAIN}>{styles}</styleSheet>"} if styles else {}
    with zipfile.ZipFile(book) as source, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in source.namelist():
            content = source.read(name).decode()
            if shared and name == "[Content_Types].xml":
                kind = "application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"
                part = f'<Override PartName="/xl/sharedStrings.xml" ContentType="{kind}"/>'
                content = content.replace("</Types>", f"{part}</Types>")
            if name != "xl/sharedStrings.xml":
                archive.writestr(name, parts.get(name, content))
        if shared:
            archive.writestr("xl/sharedStrings.xml", f"<sst {_MAIN}>{shared}</sst>")
    return path
