"""What is counted while serving, for Prometheus; no figure is of a person, a picture or a text."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
BATCHES = (1, 2, 4, 8, 16, 32, 64, 128)


class Figures:
    """The figures of one server: requests, their time, how many are in work or wait, and the sizes of batches."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "cxr_clip_requests", "Requests that were answered.", ("path", "status"), registry=self.registry
        )
        self.seconds = Histogram(
            "cxr_clip_request_seconds",
            "Time from the first byte of a request to the last of its answer.",
            ("path",),
            buckets=SECONDS,
            registry=self.registry,
        )
        self.queue = Gauge("cxr_clip_queue_length", "Requests in work or waiting.", registry=self.registry)
        self.batches = Histogram(
            "cxr_clip_batch_size",
            "Images that went through the encoder together.",
            buckets=BATCHES,
            registry=self.registry,
        )
        ProcessCollector(registry=self.registry)

    def answered(self, path: str, status: int, seconds: float) -> None:
        """Count a request by the path of its route."""
        self.requests.labels(path, str(status)).inc()
        self.seconds.labels(path).observe(seconds)

    def page(self) -> bytes:
        """All figures as Prometheus reads them."""
        return generate_latest(self.registry)
