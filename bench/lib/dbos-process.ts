// The peer in a process of its own: a plain DBOS workflow of plain steps, as its documentation shows them.
import { DBOS, type WorkflowHandle } from '@dbos-inc/dbos-sdk'
import { obey } from './children.ts'
import { closedLoop, type Load, oneByOne } from './closed-loop.ts'

const startedAtOnce = 100

await obey(async () => {
  const echo = DBOS.registerWorkflow(
    async (text: string, steps: number) => {
      let value = { text }
      for (let at = 0; at < steps; at++) {
        const given = value
        value = await DBOS.runStep(async () => ({ text: given.text }), { name: `echo_${at}` })
      }
      return value
    },
    { name: 'echo' },
  )
  const startedAt = DBOS.registerWorkflow(async () => DBOS.runStep(async () => Date.now(), { name: 'now' }), {
    name: 'now',
  })
  const child = DBOS.registerWorkflow(async (text: string) => DBOS.runStep(async () => ({ text }), { name: 'echo' }), {
    name: 'child',
  })
  /** As its documentation has it: a queue, a handful started at once with ids of their own, then all are waited for. */
  const fanOut = DBOS.registerWorkflow(
    async (count: number) => {
      const handles: WorkflowHandle<{ text: string }>[] = []
      for (let at = 0; at < count; at += startedAtOnce) {
        const some = Array.from({ length: Math.min(startedAtOnce, count - at) }, (_, index) => at + index)
        const workflowID = (index: number) => `${DBOS.workflowID}/${index}`
        handles.push(
          ...(await Promise.all(
            some.map((index) =>
              DBOS.startWorkflow(child, { queueName: 'children', workflowID: workflowID(index) })(`item-${index}`),
            ),
          )),
        )
      }
      await DBOS.waitAll(handles)
      const results = await Promise.all(handles.map((handle) => handle.getResult()))
      return results.length
    },
    { name: 'fanOut' },
  )
  const url = process.env.BENCH_DATABASE_URL ?? ''
  DBOS.setConfig({ name: 'bench', systemDatabaseUrl: url, logLevel: 'error' })
  await DBOS.launch()
  if (process.env.BENCH_QUEUE) await DBOS.registerQueue('queue', {})
  await DBOS.registerQueue('children', { workerConcurrency: 200, minPollingIntervalMs: 50 })
  const runOnce = (steps: number) => echo('hello', steps)
  return {
    throughput: ({ steps, ...load }: Load & { steps: number }) => closedLoop(load, () => runOnce(steps)),
    latency: ({ steps, count }: { steps: number; count: number }) => oneByOne(count, () => runOnce(steps)),
    /** Milliseconds for so many one-step children, started and gathered by one workflow. */
    fanOut: async ({ count }: { count: number }) => {
      const begun = performance.now()
      const gathered = await fanOut(count)
      if (gathered !== count) throw new Error(`${gathered} of ${count} children`)
      return performance.now() - begun
    },
    /** Milliseconds from enqueueing to the start of the workflow. */
    queued: async ({ count }: { count: number }) => {
      const samples: number[] = []
      for (let at = 0; at < count; at++) {
        const begun = Date.now()
        const handle = await DBOS.startWorkflow(startedAt, { queueName: 'queue' })()
        samples.push((await handle.getResult()) - begun)
      }
      return samples
    },
    memory: () => process.memoryUsage().rss / 1024 / 1024,
  }
})
