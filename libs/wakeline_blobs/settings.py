"""Where the object store is, and with whose credential it is used."""

from datetime import timedelta
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, FilePath, SecretStr


class BlobSettings(BaseModel):
    """One credential on one S3 store. Every service has its own."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    endpoint: Annotated[
        str, Field(pattern=r"^[A-Za-z0-9.\-]+(:[0-9]+)?$|^\[[0-9a-fA-F:]+\](:[0-9]+)?$")
    ]
    """``host`` or ``host:port``, without a scheme."""
    access_key: str
    secret_key: SecretStr
    secure: bool = False
    """TLS; the certificate is always checked."""
    ca_file: FilePath | None = None
    """Authorities in PEM that may sign the store's certificate; None: the system's."""
    region: str = "us-east-1"
    """Always sent: a restricted credential may not ask the store for it."""
    path_style: bool | None = None
    """Whether a bucket's name stands in the path (``host/bucket``) or in the host
    (``bucket.host``); None: in the host for AWS, else in the path."""
    prefix: Annotated[str, Field(pattern=r"^[a-z0-9-]*$", max_length=40)] = ""
    """Stands before every bucket's name, so that several stacks or tests can share a store."""
    connect_timeout: timedelta = timedelta(seconds=2.5)
    """How long to wait for a connection. A store that is away fails in about twice this."""
    read_timeout: timedelta = timedelta(seconds=30)
    """How long the store may stay silent within one request."""
