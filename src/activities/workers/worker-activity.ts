import { z } from 'zod'
import { workerLabelsSchema } from '../../model/workers/worker.ts'
import { WaitForJob } from '../../model/workers/worker-job-request.ts'
import { type Activity, activity } from '../activity.ts'

/** The same for all names, so that what is derived from it is derived once. */
const parameters = z.object({
  runs_on: workerLabelsSchema
    .default([])
    .describe('Labels that the worker must have, such as `gpu`. Without it any worker that offers the activity.'),
})
const outputs = z.object({}).catchall(z.unknown())

/**
 * Makes the activity that lets a worker carry out what it offers under a name. Its parameters are those that the workers
 * declare, so any are taken here; they are checked when the job is queued.
 */
export const workerActivity = (name: string): Activity =>
  activity({
    name,
    category: 'workers',
    description: `Lets a worker carry out ${name}, and waits for it.`,
    parameters,
    outputs,
    takesAnyParameter: true,
    effects: 'writes',
    example: { activity: name },
    async run({ runs_on: labels, extra = {} }, context) {
      const outputs = await context.workerJob({ activity: name, parameters: extra, labels })
      return outputs ?? new WaitForJob()
    },
  })
