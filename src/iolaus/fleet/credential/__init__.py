"""Passwords of management controllers: given anew, and found again after the device went astray.

`password` makes one, `finding` tries what may work without ever locking an account, `rotating`
gives a new one in two phases, `recovering` lets us in again where a device fell back to its maker's
(docs/design/0008-passwords-are-kept-before-they-are-sent.md).
"""
