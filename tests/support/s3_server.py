"""A server with S3's interface on this machine, and the environment that leads to it."""

import logging
import os
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from adversarial.storage.object_folder import open_bucket


@contextmanager
def s3_server() -> Iterator[str]:
    """Start moto's server with an empty bucket; give the bucket's URL."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    environment = {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ALLOW_HTTP": "true",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
    }
    before = {name: os.environ.get(name) for name in environment}
    os.environ.update(environment)
    open_bucket.cache_clear()
    bucket = f"kept-{uuid.uuid4().hex[:8]}"  # what a server keeps stays in the process
    request = urllib.request.Request(f"http://{host}:{port}/{bucket}", method="PUT")
    urllib.request.urlopen(request).close()  # noqa: S310 - it is the server above
    try:
        yield f"s3://{bucket}"
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
        open_bucket.cache_clear()
        server.stop()
