"""Simulated traffic: request counters that grow with time, and the metrics page showing them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from smartops.playground.fleet import Fleet
from smartops.playground.spec import Server

__all__ = ["REQUESTS_PER_SECOND", "Traffic", "metrics_page"]

REQUESTS_PER_SECOND = 50.0
"""What every server is asked by its simulated users."""


@dataclass(slots=True)
class _Counter:
    settled_at: float
    error_rate: float
    ok: float = 0.0
    failed: float = 0.0

    def grow(self, now: float) -> None:
        requests = max(0.0, now - self.settled_at) * REQUESTS_PER_SECOND
        self.failed += requests * self.error_rate
        self.ok += requests * (1 - self.error_rate)
        self.settled_at = max(now, self.settled_at)


class Traffic:
    """Counters per server: the integral of the error rate over time, and nothing else.

    Nothing ticks. Whoever changes an error rate calls `settle` with the moment of the change;
    between two changes the rate is constant, so the counters are exact at any moment. They begin
    at zero with the process, as counters of real servers do.
    """

    def __init__(self, fleet: Fleet, now: float) -> None:
        """Begin at `now`, in seconds of any clock that never goes back."""
        self._counters = {
            server.id: _Counter(now, fleet.error_rate(server)) for server in fleet.servers.values()
        }

    def settle(self, fleet: Fleet, servers: Iterable[str], now: float) -> None:
        """Count up to `now` at the old error rates and go on at those of `fleet`."""
        for server_id in servers:
            counter = self._counters[server_id]
            counter.grow(now)
            counter.error_rate = fleet.error_rate(fleet.servers[server_id])

    def counts(self, server_id: str, now: float) -> tuple[int, int]:
        """Requests answered well and requests failed by `now`, whole ones only."""
        counter = self._counters[server_id]
        counter.grow(now)
        return int(counter.ok), int(counter.failed)


def metrics_page(fleet: Fleet, traffic: Traffic, now: float) -> str:
    """The Prometheus text page of the fleet at `now`."""
    servers = list(fleet.servers.values())
    return "".join(
        [
            *_family("http_requests_total", "counter", "Simulated requests by answer."),
            *(line for server in servers for line in _requests(server, traffic, now)),
            *_family("http_error_rate", "gauge", "Fraction of requests failing, 0 to 1."),
            *(_sample("http_error_rate", s, "", fleet.error_rate(s)) for s in servers),
            *_family("http_request_p99_seconds", "gauge", "The slowest hundredth of requests."),
            *(
                _sample("http_request_p99_seconds", s, "", fleet.latency_ms(s) / 1000)
                for s in servers
            ),
            *_family("server_version_info", "gauge", "The version that a server runs."),
            *(_sample("server_version_info", s, f',version="{s.version}"', 1) for s in servers),
        ]
    )


def _requests(server: Server, traffic: Traffic, now: float) -> list[str]:
    ok, failed = traffic.counts(server.id, now)
    return [
        _sample("http_requests_total", server, ',code="200"', ok),
        _sample("http_requests_total", server, ',code="500"', failed),
    ]


def _family(name: str, kind: str, text: str) -> list[str]:
    return [f"# HELP {name} {text}\n", f"# TYPE {name} {kind}\n"]


def _sample(name: str, server: Server, labels: str, value: float) -> str:
    return f'{name}{{server="{server.id}"{labels}}} {value}\n'
