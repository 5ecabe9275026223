import { z } from 'zod'

/** What the config of a step may have beside the parameters of its activity. */
export const everyStepSchema = z.object({
  timeout_sec: z
    .number()
    .optional()
    .describe('Seconds for all attempts together. Default: that of the activity, or JETTY_STEP_TIMEOUT_SECONDS.'),
  depends_on: z
    .array(z.string())
    .optional()
    .describe('Steps before this one that must have ended, in a workflow with `"execution": "parallel"`.'),
  runs_on: z
    .array(z.string())
    .optional()
    .describe('Labels that a server process must have (`JETTY_LABELS`) to execute the run, such as `gpu`.'),
  options: z
    .object({})
    .loose()
    .optional()
    .describe(
      'How the server executes the step: `retry` with `max_attempts`, `backoff` and `retry_on`; `timeout_sec` of one attempt; `continue_on_error`; `cache`.',
    ),
})
