"""Redfish's way of saying no: error bodies with messages of the Base registry (DSP0266, 8.6)."""

from __future__ import annotations

from collections.abc import Mapping

from iolaus.sim.http import Reply
from iolaus.sim.outcome import Outcome
from iolaus.sim.tree import Resource

_TEXT: Mapping[str, tuple[str, str, str]] = {
    "Success": ("The request completed.", "OK", "None."),
    "GeneralError": ("The service failed: %1.", "Critical", "Look at the device's log."),
    "ResourceMissingAtURI": ("Nothing is at %1.", "Critical", "Give a URI that exists."),
    "ResourceNotFound": ("There is no %1 named '%2'.", "Critical", "Give one that exists."),
    "OperationNotAllowed": ("%1 is not allowed on this resource.", "Critical", "See Allow."),
    "ActionNotSupported": ("The action %1 is not offered here.", "Critical", "See Actions."),
    "ActionParameterMissing": ("%1 needs the parameter %2.", "Critical", "Give the parameter."),
    "ActionParameterUnknown": ("%1 has no parameter %2.", "Warning", "Leave it out."),
    "ActionParameterValueNotInList": (
        "'%1' is not a value of %2 of %3.",
        "Warning",
        "See Actions.",
    ),
    "ActionParameterValueError": (
        "'%1' is wrong for %2 of %3.",
        "Warning",
        "See the action's description.",
    ),
    "ResourceInStandby": ("The resource is in standby.", "Critical", "Power it on."),
    "MalformedJSON": ("The body is not a JSON object.", "Critical", "Send a JSON object."),
    "EmptyJSON": ("The body holds nothing to do.", "Warning", "Send at least one property."),
    "NoOperation": ("Nothing of the body changes anything.", "Warning", "Send a property."),
    "PropertyNotWritable": ("%1 cannot be written.", "Warning", "Leave it out."),
    "PropertyUnknown": ("%1 is not a property of this resource.", "Warning", "Leave it out."),
    "PropertyMissing": ("The property %1 is required.", "Warning", "Give the property."),
    "PropertyValueTypeError": ("'%1' is of the wrong type for %2.", "Warning", "Mend the type."),
    "PropertyValueNotInList": ("'%1' is not a value of %2.", "Warning", "See AllowableValues."),
    "PropertyValueOutOfRange": ("'%1' is out of range for %2.", "Warning", "Stay in range."),
    "PropertyValueFormatError": ("'%1' has the wrong form for %2.", "Warning", "See the policy."),
    "ResourceAlreadyExists": ("There is a %1 with %2 '%3' already.", "Critical", "Take another."),
    "ResourceInUse": ("The resource is in use.", "Warning", "Release it first."),
    "ResourceCannotBeDeleted": ("The resource cannot be deleted.", "Critical", "Keep it."),
    "CreateLimitReachedForResource": ("No more can be made.", "Critical", "Delete one first."),
    "PasswordChangeRequired": ("The password of %1 must be changed.", "Critical", "Change it."),
    "PreconditionFailed": ("The resource has another ETag.", "Critical", "Read it again."),
    "PreconditionRequired": ("If-Match is required.", "Critical", "Send the resource's ETag."),
    "InsufficientPrivilege": ("The account may not do this.", "Critical", "Use another account."),
    "NoValidSession": ("No valid credentials came.", "Critical", "Log in."),
    "ResourceAtUriUnauthorized": ("%1: the account is locked: %2.", "Critical", "Wait."),
    "SessionLimitExceeded": ("No session is free.", "Critical", "Delete a session and retry."),
    "EventSubscriptionLimitExceeded": ("No subscription is free.", "Critical", "Delete one."),
    "ServiceTemporarilyUnavailable": ("Busy; retry in %1 seconds.", "Critical", "Retry later."),
    "QueryNotSupported": ("The query %1 is not supported.", "Warning", "Leave it out."),
    "QueryParameterValueTypeError": ("'%1' is of the wrong type for %2.", "Warning", "Mend it."),
    "QueryNotSupportedOnResource": ("The query is for collections only.", "Warning", "Leave it."),
    "CouldNotEstablishConnection": ("Nothing came from %1.", "Critical", "Look at the server."),
    "ServiceInUnknownState": ("The service is not ready.", "Critical", "Retry later."),
}


def message(name: str, *args: str, related: str | None = None) -> Resource:
    text, severity, resolution = _TEXT.get(name, ("%1", "Warning", "None."))
    for index, arg in enumerate(args, start=1):
        text = text.replace(f"%{index}", arg)
    found: Resource = {
        "@odata.type": "#Message.v1_1_2.Message",
        "MessageId": f"Base.1.18.{name}",
        "Message": text,
        "MessageArgs": list(args),
        "Severity": severity,
        "MessageSeverity": severity,
        "Resolution": resolution,
    }
    if related is not None:
        found["RelatedProperties"] = [related]
    return found


def error_body(messages: list[Resource]) -> Resource:
    first = messages[0]
    inner = {"code": first["MessageId"], "message": first["Message"]}
    return {"error": {**inner, "@Message.ExtendedInfo": messages}}


def refusal(status: int, name: str, *args: str, headers: Mapping[str, str] | None = None) -> Reply:
    return Reply.of(status, error_body([message(name, *args)]), headers)


def refused(status: int, name: str, *args: str) -> Outcome:
    return Outcome(status=status, message=name, args=args)


def reply_of(outcome: Outcome) -> Reply:
    """The reply of a write or an action: its own body, an error, or nothing but a status."""
    if outcome.body is not None:
        return Reply.of(outcome.status, outcome.body, outcome.headers)
    if outcome.message:
        messages = [message(outcome.message, *outcome.args)]
        body = (
            error_body(messages) if outcome.status >= 400 else {"@Message.ExtendedInfo": messages}
        )
        return Reply.of(outcome.status, body, outcome.headers)
    return Reply(outcome.status, b"", outcome.headers)
