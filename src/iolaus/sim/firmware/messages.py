"""What an update says of itself: messages of the Update and TaskEvent registries (DSP2065)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from iolaus.sim.tree import Resource

_TEXT: Final[Mapping[str, tuple[str, str, str]]] = {
    "TargetDetermined": ("The image '%2' is for %1.", "OK", "None."),
    "NoTargetsDetermined": ("Nothing here takes the image '%1'.", "Warning", "Check the image."),
    "TransferringToComponent": ("'%1' is on its way to %2.", "OK", "None."),
    "VerifyingAtComponent": ("'%1' is being verified at %2.", "OK", "None."),
    "InstallingOnComponent": ("'%1' is being installed on %2.", "OK", "None."),
    "ApplyingOnComponent": ("'%1' is being applied on %2.", "OK", "None."),
    "TransferFailed": ("'%1' did not get to %2.", "Critical", "Check the URI and try again."),
    "VerificationFailed": ("'%1' was not accepted by %2.", "Critical", "Get a sound image."),
    "ApplyFailed": ("'%1' could not be applied on %2.", "Critical", "See the further messages."),
    "ActivateFailed": ("'%1' does not run on %2.", "Critical", "Flash an image that boots."),
    "AwaitToUpdate": ("'%1' waits to be applied on %2.", "OK", "Start the update."),
    "AwaitToActivate": ("'%1' waits to be activated on %2.", "OK", "Reset what has to be."),
    "UpdateSuccessful": ("%1 has been updated with '%2'.", "OK", "None."),
    "UpdateSkipped": ("%1 has the image '%2' already.", "OK", "Force it if it is wanted."),
    "UpdateNotApplicable": ("'%1' is not for %2.", "Warning", "Choose the right target."),
    "UpdateInProgress": ("An update is in progress.", "OK", "Wait for its end."),
    "TaskStarted": ("Task %1 has begun.", "OK", "None."),
    "TaskCompletedOK": ("Task %1 has ended well.", "OK", "None."),
    "TaskAborted": ("Task %1 has ended with an error.", "Critical", "See the task."),
}


def said(name: str, *args: str, more: str = "") -> Resource:
    """A message; `more` is why, in the device's own words."""
    text, severity, resolution = _TEXT[name]
    for number, arg in enumerate(args, start=1):
        text = text.replace(f"%{number}", arg)
    registry = "TaskEvent.1.0" if name.startswith("Task") else "Update.1.0"
    return {
        "@odata.type": "#Message.v1_1_2.Message",
        "MessageId": f"{registry}.{name}",
        "Message": f"{text} {more}".strip(),
        "MessageArgs": list(args),
        "Severity": severity,
        "MessageSeverity": severity,
        "Resolution": resolution,
    }
