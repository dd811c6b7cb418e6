"""The report of a run, for a manager and for a scientist: one HTML page that opens offline.

findings -> what a page is drawn from;  formatting, sentences -> numbers and words for people;
parts -> what a page is made of;  plots -> drawings;  view -> what sections ask of the findings;
sections -> one file per question;  page -> the HTML.
"""

from typing import TYPE_CHECKING

from equipoise.core.lazy import lazy

if TYPE_CHECKING:
    from equipoise.report.notebook import plot as plot
    from equipoise.report.page import render_report as render_report
    from equipoise.report.page import report_environment as report_environment
    from equipoise.report.page import report_libraries as report_libraries
    from equipoise.report.page import spec_json as spec_json

NAMES = {
    "plot": "equipoise.report.notebook",
    "render_report": "equipoise.report.page",
    "report_environment": "equipoise.report.page",
    "report_libraries": "equipoise.report.page",
    "spec_json": "equipoise.report.page",
}
__getattr__, __dir__ = lazy(__name__, NAMES)
__all__ = list(NAMES)
