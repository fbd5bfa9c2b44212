"""Security advisories as they are published: CSAF 2.0 (with its VEX profile) and OSV."""

from iolaus.wire.advisory.csaf import Csaf as Csaf
from iolaus.wire.advisory.osv import Osv as Osv
from iolaus.wire.advisory.read import AdvisoryMalformed as AdvisoryMalformed
from iolaus.wire.advisory.read import parse_advisories as parse_advisories
