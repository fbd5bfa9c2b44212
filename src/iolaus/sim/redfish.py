"""The Redfish protocol of one device: a request in, a reply out, at once (DSP0266).

Order of judgement: does it exist for anyone (the version, root, metadata and log-in need no
account), who asks, may they, what is there, and only then what is to be done. Nothing here waits;
how long a device takes is `front.py`'s business.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from urllib.parse import unquote, urlsplit

import msgspec

from iolaus.sim import actions, patch, query
from iolaus.sim.auth import Account
from iolaus.sim.device import Device
from iolaus.sim.effects import Ask, Push, attentive
from iolaus.sim.http import JSON, Reply, Request
from iolaus.sim.letter import FIXED, READ, kind_of, link_of, metadata_of
from iolaus.sim.manners.privileges import barred
from iolaus.sim.outcome import Outcome
from iolaus.sim.replies import refusal, refused, reply_of
from iolaus.sim.tree import ROOT, Page, Resource, canonical, target_of

_OPEN = frozenset({"/redfish", ROOT, f"{ROOT}/$metadata", f"{ROOT}/odata"})


class Redfish:
    def __init__(self, device: Device) -> None:
        self._device = device
        self._features: Mapping[str, object] | None = None
        self._account_places: tuple[str, str] | None = None

    def respond(self, request: Request) -> Reply:
        path, method = canonical(request.path), request.method
        if not path.startswith("/redfish"):
            return refusal(404, "ResourceMissingAtURI", path)
        if request.headers.get("odata-version", "4.0") != "4.0":
            return refusal(412, "PreconditionFailed")
        login = method == "POST" and self._is_login(path)
        if (path not in _OPEN or method in _WRITES) and not login:
            user = self._device.gate.admit(request.headers)
            if isinstance(user, Outcome):
                return _challenged(reply_of(user))
            request.user = user
        do = _METHODS.get(method)
        if do is None:
            return refusal(405, "OperationNotAllowed", method, headers={"Allow": READ})
        bar = barred(self._device, request.user, method, path) if request.user else None
        if bar is not None:
            return reply_of(bar)
        return do(self, request, path)

    # reading

    def _get(self, request: Request, path: str) -> Reply:
        device = self._device
        if path.endswith("/Entries"):
            attentive(device.effects).consulted(device, path)
        page = device.page(path)
        if page is None:
            return self._special(request, path)
        recorded = device.page(f"{path}?{unquote(request.query)}") if request.query else None
        if recorded is not None:  # a capture that kept the further pages of a collection
            return _of_page(recorded)
        known = request.headers.get("if-none-match")
        if known is not None and _is_known(known, page.etag):
            return Reply(304, b"", {"ETag": page.etag})
        letter = device.options.to_the_letter
        whole = letter and path.endswith("/Entries")
        if request.query or device.options.page_size or whole:
            reply = self._queried(request, path, page, whole=whole)
        else:
            reply = _of_page(page)
        if letter:
            reply.headers["Allow"] = self._allow(path, page)
            reply.headers["Link"] = link_of(page)
        return reply

    def _special(self, request: Request, path: str) -> Reply:
        """What is no resource: the version, the metadata, the event stream, a task's monitor."""
        device = self._device
        if path == "/redfish":
            return Reply.of(200, {"v1": f"{ROOT}/"})
        if path == f"{ROOT}/$metadata":
            return Reply(
                200,
                device.tree.metadata or metadata_of(device),
                {"Content-Type": "application/xml"},
            )
        if path == f"{ROOT}/odata":
            return Reply.of(200, self._odata())
        if path == device.events.stream_path:
            return device.events.stream(request.headers.get("last-event-id"), request.query)
        file = attentive(device.effects).served(device, path)
        if file is not None:
            return Reply(200, file, {"Content-Type": "application/octet-stream"})
        monitored = device.tasks.monitored(path)
        if monitored is not None:
            return reply_of(monitored)
        if path == device.gate.collection and device.options.sessions:
            return Reply.of(200, {"@odata.id": path, "Name": "Sessions", "Members": []})
        return refusal(404, "ResourceMissingAtURI", path)

    def _queried(self, request: Request, path: str, page: Page, *, whole: bool) -> Reply:
        device = self._device
        if self._features is None:
            self._features = query.features(device)
        asked = query.parse_query(request.query, self._features)
        if isinstance(asked, Outcome):
            return reply_of(asked)
        if whole:
            asked.expand = asked.expand or "."
        if asked == query.Query() and not device.options.page_size:
            return _of_page(page)
        found = query.answer(device, path, device.get(path) or {}, asked)
        if isinstance(found, Outcome):
            return reply_of(found)
        return Reply.of(200, found, {"ETag": page.etag, "Cache-Control": "no-cache"})

    def _odata(self) -> Resource:
        root = self._device.kept(ROOT) or {}
        names = [name for name, value in root.items() if isinstance(value, dict)]
        sets = [
            {"name": name, "kind": "Singleton", "url": target_of(root, name)}
            for name in names
            if target_of(root, name)
        ]
        return {"@odata.context": f"{ROOT}/$metadata", "value": sets}

    def _options(self, request: Request, path: str) -> Reply:  # noqa: ARG002
        page = self._device.page(path)
        if page is None:
            return refusal(404, "ResourceMissingAtURI", path)
        return Reply(204, b"", {"Allow": self._allow(path, page)})

    def _allow(self, path: str, page: Page) -> str:
        if page.allow is not None:
            return page.allow
        gate, events = self._device.gate, self._device.events
        if path in (gate.collection, events.collection, self._accounts()):
            return f"{READ}, POST"
        if "/SecureBootDatabases/" in path and path.endswith(("/Certificates", "/Signatures")):
            return f"{READ}, POST"
        if b'"Members"' in page.body:
            return READ
        if "/SecureBootDatabases/" in path and path.count("/") > 8:
            return f"{READ}, DELETE"
        if path.startswith((f"{gate.collection}/", f"{events.collection}/")):
            return f"{READ}, DELETE"
        if path.startswith(f"{self._accounts()}/"):
            return f"{READ}, PATCH, DELETE"
        return READ if kind_of(page) in FIXED else f"{READ}, PATCH"

    # writing

    def _patch(self, request: Request, path: str) -> Reply:
        device = self._device
        page = device.page(path)
        if page is None and path not in patch.settings_of(device):
            return refusal(404, "ResourceMissingAtURI", path)
        if page is not None and (
            (b'"Members"' in page.body and "Members" in (device.kept(path) or {}))
            or kind_of(page) in FIXED
        ):
            return refusal(405, "OperationNotAllowed", "PATCH", headers={"Allow": READ})
        stale = _precondition(request, page, required=device.options.require_if_match)
        body = _json_of(request)
        if stale is not None or isinstance(body, Reply):
            return stale or body  # type: ignore[return-value]
        if body and all(name.startswith("@odata.") for name in body):
            return refusal(400, "NoOperation")
        outcome = self._asked(request, path, body) or patch.write(device, path, body)
        if path == f"{ROOT}/SessionService" and outcome.status == 200:
            timeout = body.get("SessionTimeout")
            device.gate.timeout_s = timeout if isinstance(timeout, int) else device.gate.timeout_s
        reply = reply_of(outcome)
        found = device.page(path)
        if outcome.status == 200 and found is not None:
            reply.headers["ETag"] = found.etag
        return reply

    def _post(self, request: Request, path: str) -> Reply:
        device = self._device
        upload = self._upload(request, path)
        if upload is not None:
            return upload
        body = _json_of(request)
        if isinstance(body, Reply):
            return body
        if self._is_login(path):
            return reply_of(device.gate.login(body))
        owner, found, action = path.partition("/Actions/")
        if found:
            return self._act(owner, action, body)
        answer = self._asked(request, path, body)
        if answer is not None:
            return reply_of(answer)
        if path == device.events.collection and target_of(device.kept(ROOT) or {}, "EventService"):
            return reply_of(device.events.subscribe(body))
        if path == self._accounts():
            return reply_of(self._add_account(body))
        page = device.page(path)
        if page is None:
            return refusal(404, "ResourceMissingAtURI", path)
        allow = self._allow(path, page)
        return refusal(405, "OperationNotAllowed", "POST", headers={"Allow": allow})

    def _act(self, owner: str, action: str, body: Resource) -> Reply:
        outcome = actions.act(self._device, owner, action.removeprefix("Oem/"), body)
        if outcome is None:
            return refusal(404, "ResourceMissingAtURI", f"{owner}/Actions/{action}")
        return reply_of(outcome)

    def _delete(self, request: Request, path: str) -> Reply:
        device = self._device
        done = device.gate.logout(path) or device.tasks.delete(path)
        if done is not None:
            return reply_of(done)
        page = device.page(path)
        if page is None:
            return refusal(404, "ResourceMissingAtURI", path)
        stale = _precondition(request, page, required=False)
        if stale is not None:
            return stale
        answer = self._asked(request, path, {})
        return self._remove(path, page) if answer is None else reply_of(answer)

    def _asked(self, request: Request, path: str, body: Resource) -> Outcome | None:
        """What the device's own rooms say to a write."""
        ask = Ask(method=request.method, path=path, user=request.user, body=body)
        return attentive(self._device.effects).asked(self._device, ask)

    def _remove(self, path: str, page: Page) -> Reply:
        device, collection = self._device, path.rpartition("/")[0]
        if collection == device.events.collection:
            device.events.unsubscribe(path)
        elif collection == self._accounts():
            device.gate.accounts.pop((device.kept(path) or {}).get("UserName", ""), None)
            device.remove(path)
            device.delist(collection, path)
        elif collection == device.gate.collection:
            device.remove(path)
            device.delist(collection, path)
        else:
            allow = self._allow(path, page)
            return refusal(405, "OperationNotAllowed", "DELETE", headers={"Allow": allow})
        return Reply(204)

    def _put(self, request: Request, path: str) -> Reply:  # noqa: ARG002
        page = self._device.page(path)
        if page is None:
            return refusal(404, "ResourceMissingAtURI", path)
        allow = {"Allow": self._allow(path, page)}
        return refusal(405, "OperationNotAllowed", "PUT", headers=allow)

    def upload_paths(self) -> frozenset[str]:
        """Where images are pushed."""
        service = self._device.kept(f"{ROOT}/UpdateService") or {}
        uris = [service.get(name) for name in ("MultipartHttpPushUri", "HttpPushUri")]
        return frozenset(canonical(urlsplit(uri).path) for uri in uris if isinstance(uri, str))

    def _upload(self, request: Request, path: str) -> Reply | None:
        """An image pushed to the update service; its name says the version."""
        if path not in self.upload_paths():
            return None
        push = Push(path=path, headers=request.headers, body=request.body)
        outcome = attentive(self._device.effects).pushed(self._device, push)
        if outcome is not None:
            return reply_of(outcome)
        image = request.body[:4096].decode("latin-1").partition('filename="')[2]
        name = image.partition('"')[0]
        return reply_of(actions.begin_update(self._device, name, _targets(request.body)))

    # accounts

    def _is_login(self, path: str) -> bool:
        place = self._device.gate.collection
        return self._device.options.sessions and path in (place, f"{place}/Members")

    def _accounts(self) -> str:
        if self._account_places is None:
            service = target_of(self._device.kept(ROOT) or {}, "AccountService")
            held = self._device.kept(canonical(service)) if service else None
            self._account_places = canonical(service or "/-"), target_of(held or {}, "Accounts")
        return canonical(self._account_places[1] or "/-")

    def _add_account(self, body: Resource) -> Outcome:
        user, password = body.get("UserName"), body.get("Password")
        if not isinstance(user, str) or not isinstance(password, str):
            return refused(400, "PropertyMissing", "UserName" if not user else "Password")
        device, role = self._device, str(body.get("RoleId", "ReadOnly"))
        device.gate.accounts[user] = Account(password, role=role)
        path = f"{self._accounts()}/{user}"
        resource = device.put(
            path,
            {
                "@odata.id": path,
                "@odata.type": "#ManagerAccount.v1_12_1.ManagerAccount",
                "Id": user,
                "Name": "Account",
                **body,
                "RoleId": role,
                "Password": None,
            },
        )
        device.enlist(self._accounts(), path)
        return Outcome(status=201, body=resource, headers={"Location": path})


_METHODS: Mapping[str, Callable[[Redfish, Request, str], Reply]] = {
    "GET": Redfish._get,
    "HEAD": Redfish._get,
    "OPTIONS": Redfish._options,
    "PATCH": Redfish._patch,
    "POST": Redfish._post,
    "DELETE": Redfish._delete,
    "PUT": Redfish._put,
}
_WRITES = frozenset({"PATCH", "POST", "DELETE", "PUT"})


def _of_page(page: Page) -> Reply:
    headers = {"Content-Type": JSON, "ETag": page.etag, "Cache-Control": "no-cache"}
    if page.allow is not None:
        headers["Allow"] = page.allow
    return Reply(200, page.body, headers)


def _challenged(reply: Reply) -> Reply:
    if reply.status == 401:
        reply.headers["WWW-Authenticate"] = 'Basic realm="Redfish"'
    return reply


def _precondition(request: Request, page: Page | None, *, required: bool) -> Reply | None:
    wanted = request.headers.get("if-match")
    if wanted is None:
        return refusal(428, "PreconditionRequired") if required else None
    if wanted.strip() == "*" or page is None:
        return None
    held = _kept_part(page.etag)
    if any(_kept_part(tag.strip()) == held for tag in wanted.split(",")):
        return None
    return refusal(412, "PreconditionFailed", headers={"ETag": page.etag})


def _is_known(header: str, etag: str) -> bool:
    """Weak comparison (RFC 9110, 8.8.3.2), as If-None-Match has it."""
    bare = etag.removeprefix("W/")
    tags = (tag.strip() for tag in header.split(","))
    return any(tag == "*" or tag.removeprefix("W/") == bare for tag in tags)


def _kept_part(etag: str) -> str:
    return etag.removeprefix("W/").strip('"').partition("~")[0]


def _json_of(request: Request) -> Resource | Reply:
    if not request.body.strip():
        return {}
    try:
        body = msgspec.json.decode(request.body)
    except (msgspec.DecodeError, RecursionError):
        return refusal(400, "MalformedJSON")
    return body if isinstance(body, dict) else refusal(400, "MalformedJSON")


def _targets(body: bytes) -> list[str]:
    """The Targets of an upload's UpdateParameters part, if they can be found."""
    start = body[:65536].find(b'"Targets"')
    opening, end = body.find(b"[", start), body.find(b"]", start)
    if start < 0 or not start < opening < end:
        return []
    try:
        found = json.loads(body[opening : end + 1])
    except ValueError:
        return []
    return [target for target in found if isinstance(target, str)]
