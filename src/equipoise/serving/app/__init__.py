"""The service over HTTP: hot routes read from the connection, in front of FastAPI for all others.

connection   HTTP of one client                                hot       the hot routes
strict_json  bodies: what is refused, and how it is said       problems  errors over HTTP (RFC 9457)
tokens       who may what                                      gate      limits of rate and number
meters       counters of all workers in one mapped file        openapi   what the routes accept
"""
