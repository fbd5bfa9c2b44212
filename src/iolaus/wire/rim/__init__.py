"""Reference integrity manifests in SWID XML (ISO 19770-2, TCG RIM) with their XML signature."""

from iolaus.wire.rim.manifest import Manifest as Manifest
from iolaus.wire.rim.manifest import Resource as Resource
from iolaus.wire.rim.manifest import parse_rim as parse_rim
from iolaus.wire.rim.signature import Enveloped as Enveloped
