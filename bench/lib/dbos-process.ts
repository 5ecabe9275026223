// The peer in a process of its own: a plain DBOS workflow of plain steps, as its documentation shows them.
import { DBOS } from '@dbos-inc/dbos-sdk'
import { obey } from './children.ts'
import { closedLoop, type Load, oneByOne } from './closed-loop.ts'

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
  const url = process.env.BENCH_DATABASE_URL ?? ''
  DBOS.setConfig({ name: 'bench', systemDatabaseUrl: url, logLevel: 'error' })
  await DBOS.launch()
  if (process.env.BENCH_QUEUE) await DBOS.registerQueue('queue', {})
  const runOnce = (steps: number) => echo('hello', steps)
  return {
    throughput: ({ steps, ...load }: Load & { steps: number }) => closedLoop(load, () => runOnce(steps)),
    latency: ({ steps, count }: { steps: number; count: number }) => oneByOne(count, () => runOnce(steps)),
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
