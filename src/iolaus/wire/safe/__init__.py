"""OCP S.A.F.E. short-form reports: what an independent reviewer signed about a firmware image."""

from iolaus.wire.safe.report import Report as Report
from iolaus.wire.safe.report import SignedReport as SignedReport
from iolaus.wire.safe.report import parse_report as parse_report
