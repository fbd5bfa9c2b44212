"""`GET /api/v1/tasks`: how far long work is, and what became of each thing that it touched."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request, Response, get
from litestar.handlers import HTTPRouteHandler

from iolaus.north.api.lists import principal_of
from iolaus.north.api.objects import API_VERSION, ListMetadata, Metadata
from iolaus.north.api.resources import Name, of_type
from iolaus.north.auth import Principal
from iolaus.north.context import Context
from iolaus.north.problems import not_found
from iolaus.north.tasks import Task, TaskStatus


class TaskSpec(msgspec.Struct, kw_only=True):
    """What was asked for, in words, and by whom."""

    what: str
    by: str


class TaskObject(msgspec.Struct, kw_only=True, rename="camel"):
    """Long work: poll it until `status.state` is no longer Running."""

    api_version: str
    kind: str
    metadata: Metadata
    spec: TaskSpec
    status: TaskStatus


class TaskList(msgspec.Struct, kw_only=True, rename="camel"):
    """All tasks that this server still knows, newest first."""

    api_version: str
    kind: str
    metadata: ListMetadata
    items: list[TaskObject]


def task_routes(context: Context) -> list[HTTPRouteHandler]:
    @get(
        "/tasks/{name:str}",
        operation_id="getTask",
        summary="Get one task",
        tags=["tasks"],
        responses=of_type(TaskObject, "The task.", 400, 401, 403, 404),
    )
    async def get_task(request: Request[Any, Any, Any], name: Name) -> Response[Any]:
        principal = principal_of(request)
        task = context.tasks.get(name)
        if task is None or not _may_see(principal, task):
            raise not_found("task", name)
        return Response(task_object(task))

    @get(
        "/tasks",
        operation_id="listTasks",
        summary="List tasks",
        tags=["tasks"],
        responses=of_type(TaskList, "The tasks.", 400, 401, 403),
    )
    async def list_tasks(request: Request[Any, Any, Any]) -> Response[Any]:
        principal = principal_of(request)
        shown = [task_object(t) for t in context.tasks.all() if _may_see(principal, t)]
        for each in shown:
            each.status = msgspec.structs.replace(each.status, results=[])
        return Response(
            TaskList(
                api_version=API_VERSION,
                kind="TaskList",
                metadata=ListMetadata(remaining=0),
                items=shown,
            )
        )

    return [get_task, list_tasks]


def task_object(task: Task) -> TaskObject:
    return TaskObject(
        api_version=API_VERSION,
        kind="Task",
        metadata=Metadata(name=task.name, uid=task.name),
        spec=TaskSpec(what=task.what, by=task.by),
        status=task.status,
    )


def _may_see(principal: Principal, task: Task) -> bool:
    return not principal.scope or task.by == principal.name
