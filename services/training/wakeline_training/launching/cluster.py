"""The few calls on the Kubernetes API that training as Jobs needs, as plain JSON."""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import urllib3
from kubernetes import client, config

from wakeline_training.launching.rights import Right, access_review, missing
from wakeline_training.settings import JobLaunch

Object = dict[str, Any]
OWN_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
TIMEOUT = (3.0, 15.0)
"""Seconds to connect, and of silence."""


class ClusterAwayError(Exception):
    """The API server does not answer, or not now: ask again later."""

    code: ClassVar[str] = "kubernetes-unavailable"


class ClusterRefusesError(Exception):
    """The API server refuses a call, and says why to people."""

    code: ClassVar[str] = "kubernetes-refuses"

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status

    @property
    def may_pass(self) -> bool:
        """Whether people may mend it: rights, quotas, what is missing; but not a Job's form."""
        return self.status in (401, 403, 404)


class Cluster:
    """One namespace of a cluster. Nothing is opened before the first call."""

    def __init__(self, launch: JobLaunch) -> None:
        self._launch = launch
        self._api: client.ApiClient | None = None
        self._namespace = ""

    async def jobs(self, selector: str) -> list[Object]:
        """The Jobs with these labels."""
        return await self._list(
            lambda api, raw: client.BatchV1Api(api).list_namespaced_job(
                self._namespace, label_selector=selector, **raw
            )
        )

    async def pods(self, job: str) -> list[Object]:
        """The pods of a Job, the oldest first."""
        found = await self._list(
            lambda api, raw: client.CoreV1Api(api).list_namespaced_pod(
                self._namespace, label_selector=f"batch.kubernetes.io/job-name={job}", **raw
            )
        )
        return sorted(found, key=lambda pod: str(pod["metadata"]["creationTimestamp"]))

    async def warnings(self, name: str) -> list[Object]:
        """Events of type ``Warning`` about the object of a name."""
        return await self._list(
            lambda api, raw: client.CoreV1Api(api).list_namespaced_event(
                self._namespace, field_selector=f"involvedObject.name={name},type=Warning", **raw
            )
        )

    async def log(self, pod: str, container: str, lines: int) -> bytes | None:
        """The last lines of a container's log; None if there is none to be had now."""
        try:
            return await self._call(
                lambda api, raw: client.CoreV1Api(api).read_namespaced_pod_log(
                    pod, self._namespace, container=container, tail_lines=lines, **raw
                )
            )
        except (ClusterAwayError, ClusterRefusesError):
            return None  # its node may be away, or its container not begun: both show elsewhere

    async def deployment(self, name: str) -> Object:
        """A Deployment."""
        return _json(
            await self._call(
                lambda api, raw: client.AppsV1Api(api).read_namespaced_deployment(
                    name, self._namespace, **raw
                )
            )
        )

    async def create_job(self, manifest: Object) -> None:
        """Make a Job.

        Raises
        ------
        ClusterRefusesError
            409 if there is one of that name.
        """
        await self._call(
            lambda api, raw: client.BatchV1Api(api).create_namespaced_job(
                self._namespace, manifest, **raw
            )
        )

    async def delete_job(self, job: Object) -> None:
        """Begin to delete this very Job; it is there until its pods are gone."""
        name, uid = job["metadata"]["name"], job["metadata"]["uid"]
        body = {"propagationPolicy": "Foreground", "preconditions": {"uid": uid}}
        try:
            await self._call(
                lambda api, raw: client.BatchV1Api(api).delete_namespaced_job(
                    name, self._namespace, body=body, **raw
                )
            )
        except ClusterRefusesError as error:
            if error.status not in (404, 409):
                raise

    async def lacking(self, rights: Sequence[Right]) -> list[str]:
        """Say of each right that the API server does not give this user what is to be done."""
        review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
        try:
            answer = _json(
                await self._call(
                    lambda api, raw: client.AuthenticationV1Api(api).create_self_subject_review(
                        review, **raw
                    )
                )
            )
            user = str(answer["status"]["userInfo"]["username"])
            given = await asyncio.gather(*(self._is_given(right) for right in rights))
        except config.ConfigException as error:
            return [f"this process has no way to the Kubernetes API: {error}"]
        except (ClusterAwayError, ClusterRefusesError) as error:
            return [f"the Kubernetes API does not answer: {error}"[:500]]
        return [
            missing(right, user, self._namespace)
            for right, is_given in zip(rights, given, strict=True)
            if not is_given
        ]

    async def _is_given(self, right: Right) -> bool:
        answer = await self._call(
            lambda api, raw: client.AuthorizationV1Api(api).create_self_subject_access_review(
                access_review(right, self._namespace), **raw
            )
        )
        return bool(_json(answer)["status"]["allowed"])

    async def _list(self, call: Callable[[client.ApiClient, Object], Any]) -> list[Object]:
        items: list[Object] = _json(await self._call(call))["items"]
        return items

    async def _call(self, call: Callable[[client.ApiClient, Object], Any]) -> bytes:
        return await asyncio.to_thread(self._blocking, call)

    def _blocking(self, call: Callable[[client.ApiClient, Object], Any]) -> bytes:
        try:
            if self._api is None:
                self._api = self._open()
            # Raw: models of the client's own would refuse what a newer server says.
            raw = {"_preload_content": False, "_request_timeout": TIMEOUT}
            return bytes(call(self._api, raw).data)
        except urllib3.exceptions.HTTPError as error:
            raise ClusterAwayError(f"{type(error).__name__}: {error}") from error
        except client.ApiException as error:
            if not error.status or error.status == 429 or error.status >= 500:
                raise ClusterAwayError(f"{error.status} {error.reason}") from error
            raise ClusterRefusesError(error.status, _message(error)) from error

    def _open(self) -> client.ApiClient:
        configuration = client.Configuration()
        if self._launch.kubeconfig is None:
            config.load_incluster_config(client_configuration=configuration)
        else:
            config.load_kube_config(
                config_file=str(self._launch.kubeconfig), client_configuration=configuration
            )
        configuration.retries = False  # whoever calls looks again every few seconds anyway
        self._namespace = self._launch.namespace or OWN_NAMESPACE.read_text().strip()
        return client.ApiClient(configuration)


def _json(body: bytes) -> Object:
    found: Object = json.loads(body)
    return found


def _message(error: client.ApiException) -> str:
    """What the API server says to people, out of its ``Status``."""
    try:
        status: Mapping[str, Any] = json.loads(error.body or "{}")
        return str(status.get("message") or error.reason)
    except ValueError:
        return str(error.reason)
