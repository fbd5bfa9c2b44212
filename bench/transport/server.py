"""The server they are measured against: TLS, keep-alive, one listening socket per "device".

`python -m bench.transport.server N` listens on N addresses of 127.0.0.0/8 at one free port and
prints one JSON line. `GET .../slow` waits, so that as many connections are open as were asked.
"""

from __future__ import annotations

import asyncio
import datetime
import hashlib
import json
import socket
import ssl
import sys
import tempfile
from pathlib import Path
from typing import cast

import httptools
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_SENSOR = {
    "@odata.id": "/redfish/v1/Chassis/Self/Sensors/T",
    "@odata.type": "#Sensor.v1_9_0.Sensor",
    "Reading": 41.5,
    "ReadingType": "Temperature",
    "ReadingUnits": "Cel",
    "Status": {"State": "Enabled", "Health": "OK"},
    "Thresholds": {"UpperCritical": {"Reading": 95}, "UpperCaution": {"Reading": 85}},
}
BODY = json.dumps({"Id": "Self", "Members": [dict(_SENSOR, Id=f"T{i}") for i in range(14)]})
_ANSWER = (
    "HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=utf-8\r\nOData-Version: 4.0\r\n"
    'ETag: W/"5d41402a"\r\nCache-Control: no-cache\r\nServer: bench\r\nAllow: GET, HEAD\r\n'
    f"Content-Length: {len(BODY)}\r\n\r\n{BODY}"
).encode()
SLOW_S = 1.0


class Device(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport, self._url = cast(asyncio.Transport, transport), b""
        self._parser = httptools.HttpRequestParser(self)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_begin(self) -> None:
        self._url = b""

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_message_complete(self) -> None:
        if self._url.endswith(b"/slow"):
            asyncio.get_running_loop().call_later(SLOW_S, self._transport.write, _ANSWER)
        else:
            self._transport.write(_ANSWER)


def certificate(where: Path) -> str:
    """Write a self-signed certificate with its key; its fingerprint."""
    key, name = (
        ec.generate_private_key(ec.SECP256R1()),
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "bench")]),
    )
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), 1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=30))
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    where.write_bytes(made.public_bytes(pem) + secret)
    return hashlib.sha256(made.public_bytes(serialization.Encoding.DER)).hexdigest()


def address(index: int) -> str:
    return f"127.9.{index // 250}.{index % 250 + 1}"


async def serve(devices: int) -> None:
    loop = asyncio.get_running_loop()
    with tempfile.TemporaryDirectory() as folder:
        fingerprint = certificate(Path(folder) / "bench.pem")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(Path(folder) / "bench.pem")
    port = 0
    for index in range(devices):
        listener = socket.create_server((address(index), port), backlog=1024)
        port = listener.getsockname()[1]
        await loop.create_server(Device, sock=listener, ssl=context)
    print(json.dumps({"port": port, "fingerprint": fingerprint}), flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
