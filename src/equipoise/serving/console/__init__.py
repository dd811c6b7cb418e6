"""The console: what a service does, as pages for people, and what an operator may change.

data       what the pages need of a service: small structs, and a protocol
tail       the last decisions, read from the log as it grows
folder     all of that from a state folder
views      structs to cards, tables and drawings of the report
session    who is signed in, and that a change was meant
router     the pages over HTTP
"""
