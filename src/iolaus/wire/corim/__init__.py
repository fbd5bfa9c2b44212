"""CoRIM and CoMID (draft-ietf-rats-corim): reference values as manifests carry them, a subset."""

from iolaus.wire.corim.parse import parse_corim as parse_corim
from iolaus.wire.corim.values import Corim as Corim
from iolaus.wire.corim.values import Environment as Environment
from iolaus.wire.corim.values import Measured as Measured
from iolaus.wire.corim.values import Review as Review
from iolaus.wire.corim.values import Triple as Triple
