"""REST: `/api/v1` in Kubernetes' shape, health, metrics, and the pages beside them.

Each file holds the routes of one concern; `build` puts them together. A path exists for each row
of `north.kinds`, so the API, its OpenAPI document and the command line cannot drift apart.
"""

from iolaus.north.api.build import create_app, openapi_document

__all__ = ["create_app", "openapi_document"]
