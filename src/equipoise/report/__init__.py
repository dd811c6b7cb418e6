"""The report of a run, for a manager and for a scientist: one HTML page that opens offline.

findings -> what a page is drawn from;  formatting, sentences -> numbers and words for people;
parts -> what a page is made of;  plots -> drawings;  view -> what sections ask of the findings;
sections -> one file per question;  page -> the HTML.
"""

from equipoise.report.page import render_report, report_libraries, spec_json

__all__ = ["render_report", "report_libraries", "spec_json"]
