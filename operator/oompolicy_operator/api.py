"""One request to the API server at a time: the client's errors become ours here, once."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from kubernetes.aio.client import ApiClient, ApiException, Configuration
from kubernetes.aio.config import ConfigException, load_incluster_config, load_kube_config
from kubernetes.aio.dynamic import DynamicClient

from oompolicy_operator.errors import ApiRefusedError, ApiUnavailableError
from oompolicy_operator.manifests import FIELD_MANAGER

__all__ = ["Api", "connect"]

_NOT_FOUND, _TOO_MANY_REQUESTS, _SERVER_ERRORS = 404, 429, 500


class Api:
    """The API server; every method raises ApiUnavailableError or ApiRefusedError.

    Attributes:
        client: for whoever needs more than single requests.
    """

    def __init__(self, client: ApiClient) -> None:
        self.client = client
        # not awaited on purpose: that would ask for every API group; we know the paths of the few kinds that we use
        self._dynamic = DynamicClient(client)  # type: ignore[no-untyped-call]

    async def request(
        self,
        action: str,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        refusals: tuple[int, ...] = (),
        **options: Any,  # noqa: ANN401 - those of the client
    ) -> Mapping[str, Any]:
        """The answer.

        Args:
            action: what is asked, for messages.
            method: HTTP's.
            path: from the root.
            body: an object.
            refusals: statuses that mean no, although they usually ask to come back later.
            options: the client's, as `label_selector` or `field_manager`.
        """
        try:
            answer = await self._dynamic.request(method, path, body=body, **options)
        except ApiException as error:
            raise _converted(action, error, refusals) from error
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise ApiUnavailableError(action, repr(error)) from error
        found: Mapping[str, Any] = answer.to_dict()
        return found

    async def found(self, action: str, path: str) -> Mapping[str, Any] | None:
        """What is at `path`; None if there is nothing."""
        try:
            return await self.request(action, "get", path)
        except ApiRefusedError as error:
            if error.status == _NOT_FOUND:
                return None
            raise

    async def apply(self, action: str, path: str, body: Mapping[str, Any], manager: str) -> Mapping[str, Any]:
        """Server-side apply of the fields in `body`, whoever has changed them."""
        content = "application/apply-patch+yaml"
        return await self.request(
            action, "patch", path, body, content_type=content, field_manager=manager, force_conflicts=True
        )


@asynccontextmanager
async def connect() -> AsyncIterator[Api]:
    """A connection as the pod's service account, or outside of a pod as the current context of the kubeconfig says."""
    configuration = Configuration()
    try:
        load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
    except ConfigException:
        await load_kube_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
    async with ApiClient(configuration) as client:
        client.user_agent = FIELD_MANAGER  # who it is in the API server's audit log
        yield Api(client)


def _converted(action: str, error: ApiException, refusals: tuple[int, ...]) -> ApiUnavailableError | ApiRefusedError:
    status = int(error.status or 0)
    answer = error.summary() if hasattr(error, "summary") else str(error.reason)
    if status in refusals:
        return ApiRefusedError(action, status, answer)
    if status >= _SERVER_ERRORS or status in {0, _TOO_MANY_REQUESTS}:
        return ApiUnavailableError(action, f"{status} {answer}")
    return ApiRefusedError(action, status, answer)
