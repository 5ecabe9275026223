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
  DBOS.setConfig({ name: 'bench', systemDatabaseUrl: process.env.BENCH_DATABASE_URL, logLevel: 'error' } as never)
  await DBOS.launch()
  const runOnce = (steps: number) => echo('hello', steps)
  return {
    throughput: ({ steps, ...load }: Load & { steps: number }) => closedLoop(load, () => runOnce(steps)),
    latency: ({ steps, count }: { steps: number; count: number }) => oneByOne(count, () => runOnce(steps)),
    memory: () => process.memoryUsage().rss / 1024 / 1024,
  }
})
