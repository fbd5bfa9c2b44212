"""Where alarms go: receivers, and which alarms each of them is told of. As a person writes it.

Every route that matches counts; a route that says nothing matches every alarm.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from iolaus.model.alarm import Priority
from iolaus.model.desired import Metadata, NodeSelector, Wanted

Word = Annotated[str, Meta(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]
Url = Annotated[str, Meta(pattern=r"^https?://[^\s@]+$", max_length=500)]
File = Annotated[str, Meta(min_length=1, max_length=4096)]
Code = Annotated[str, Meta(min_length=1, max_length=100)]


class AlertmanagerWant(Wanted, frozen=True, kw_only=True):
    """`url` is the base, without /api/v2. The files hold a bearer token, and authorities (PEM)."""

    url: Url
    token_file: File | None = None
    ca_file: File | None = None


class WebhookWant(Wanted, frozen=True, kw_only=True):
    """Each POST is signed with the secret that the file holds (HMAC-SHA256)."""

    url: Url
    secret_file: File
    ca_file: File | None = None


class ReceiverWant(Wanted, frozen=True, kw_only=True):
    """Exactly one of `alertmanager` and `webhook`."""

    name: Word
    alertmanager: AlertmanagerWant | None = None
    webhook: WebhookWant | None = None


class RouteWant(Wanted, frozen=True, kw_only=True):
    """Alarms of one of these priorities and codes (none: of any) whose labels are selected."""

    to: list[Word]
    priorities: list[Priority] = []
    codes: list[Code] = []
    selector: NodeSelector = NodeSelector()


class RoutesSpec(Wanted, frozen=True, kw_only=True):
    """`web` is where whoever is told opens our pages; without it, where this server listens."""

    web: Url | None = None
    receivers: list[ReceiverWant] = []
    routes: list[RouteWant] = []


class AlarmRoutesDocument(Wanted, frozen=True, kw_only=True):
    api_version: Literal["iolaus.dev/v1"]
    kind: Literal["AlarmRoutes"]
    metadata: Metadata
    spec: RoutesSpec = RoutesSpec()
