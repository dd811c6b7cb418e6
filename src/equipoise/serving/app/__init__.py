"""The service over HTTP: hot routes by bare ASGI and msgspec, in front of FastAPI for all others.

strict_json  bodies: what is refused, and how it is said       problems  errors over HTTP (RFC 9457)
tokens       who may what                                      gate      limits of rate and number
meters       counters of all workers in one mapped file        openapi   what the routes accept
"""
