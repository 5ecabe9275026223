-- The trace that a run belongs to, where its caller sent `traceparent`: that header, and after a space `tracestate` if there
-- was one. The run below another one has the span of the step above as its parent. Few runs have one, and none is looked for by it.
alter table runs add column trace_context text;
alter table hook_deliveries add column trace_context text;
alter table worker_jobs add column trace_context text;
