"""What /metrics tells Prometheus."""

from __future__ import annotations

from functools import partial

import prometheus_client as prometheus

SECONDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120)
IMAGES = (1, 2, 4, 8, 16, 32, 64)


class Measures:
    """The server's own registry, so that two servers of one process do not mix."""

    def __init__(self) -> None:
        self._registry = registry = prometheus.CollectorRegistry()
        prometheus.ProcessCollector(registry=registry)
        prometheus.PlatformCollector(registry=registry)
        seconds = partial(prometheus.Histogram, buckets=SECONDS, registry=registry)
        images = partial(prometheus.Histogram, buckets=IMAGES, registry=registry)
        self._requests = prometheus.Counter(
            "hwan_requests", "Translations asked for, by answer", ["code"], registry=registry
        )
        self._seconds = seconds("hwan_request_seconds", "Whole time of answered 200")
        self._batches = images("hwan_batch_images", "Images of a batch", ["model"])
        self._network = seconds("hwan_network_seconds", "Time of a batch in the network", ["model"])
        inside = "Requests held now: uploading, waiting, or in the network"
        self.inside = prometheus.Gauge("hwan_requests_inside", inside, registry=registry)

    def request(self, code: int, seconds: float) -> None:
        """An answered request for a translation."""
        self._requests.labels(str(code)).inc()
        if code == 200:
            self._seconds.observe(seconds)

    def batch(self, model: str, images: int, seconds: float) -> None:
        """A batch that ran."""
        self._batches.labels(model).observe(images)
        self._network.labels(model).observe(seconds)

    def text(self) -> bytes:
        """All of it in Prometheus' text format."""
        return prometheus.generate_latest(self._registry)
