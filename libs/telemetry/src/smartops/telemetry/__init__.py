"""What a service tells of itself: logs without payloads, metrics, traces, health pages.

Import from the modules: `bundle` (all of it, started at once), `logs`, `metrics`, `tracing`,
`traceparent`, `probes`, `health`, `server`. Each loads only what it needs: the OpenTelemetry SDK
is imported when traces are switched on, uvicorn when the health pages are served.
"""
