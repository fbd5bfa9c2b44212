"""Firmware archives of OpenBMC: a MANIFEST, images, and a signature beside each file."""

from iolaus.wire.tarball.archive import Archive as Archive
from iolaus.wire.tarball.archive import Held as Held
from iolaus.wire.tarball.archive import looks_like_archive as looks_like_archive
from iolaus.wire.tarball.archive import read_archive as read_archive
