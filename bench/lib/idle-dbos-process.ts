// DBOS with nothing to do: launched with the settings of the product, by the product's own code, and with nothing around
// it; or, with BENCH_POLLING, as it comes, with a queue that it polls.
import { DBOS } from '@dbos-inc/dbos-sdk'
import { built } from './built.ts'
import { obey } from './children.ts'

const url = process.env.BENCH_DATABASE_URL ?? ''

await obey(async () => {
  await DBOS.migrate(url)
  if (process.env.BENCH_POLLING) {
    DBOS.setConfig({ name: 'bench', systemDatabaseUrl: url, logLevel: 'error' })
    await DBOS.launch()
    await DBOS.registerQueue('runs', {})
    return {}
  }
  const { launchDispatcher } = await built<typeof import('../../src/engine/leases/dbos.ts')>('engine/leases/dbos.js')
  const { openDatabase } = await built<typeof import('../../src/database/database.ts')>('database/database.js')
  const { createLogger } = await built<typeof import('../../src/lib/log.ts')>('lib/log.js')
  await launchDispatcher({
    database: openDatabase(url, { connections: 1 }),
    schema: 'dbos',
    connections: 6,
    executor: 'bench',
    placements: [],
    log: createLogger({ level: 'error' }),
    onLease: async () => {},
  })
  return {}
})
