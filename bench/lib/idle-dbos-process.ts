// DBOS with nothing to do, as its documentation has it: launched, with or without a queue.
import { DBOS } from '@dbos-inc/dbos-sdk'
import { obey } from './children.ts'

const url = process.env.BENCH_DATABASE_URL ?? ''

await obey(async () => {
  await DBOS.migrate(url)
  DBOS.setConfig({ name: 'bench', systemDatabaseUrl: url, logLevel: 'error' })
  await DBOS.launch()
  if (process.env.BENCH_QUEUE) await DBOS.registerQueue('runs', {})
  return {}
})
