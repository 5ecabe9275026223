-- Which version of its task a run executes is looked up by the workflow; a task may have thousands of versions.
create index task_versions_workflow on task_versions (task_id, definition, seq desc);
