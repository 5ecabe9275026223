// A process that owns an embedded Postgres: says where it is on one line, and stops it on SIGTERM.

import { createLogger } from '../../src/lib/log.ts'
import { startOrAdoptPostgres } from '../../src/store/database/embedded.ts'
import type { AccountKind } from '../../src/store/database/postgres-account.ts'

const [dataDir = '', account] = process.argv.slice(2) as [string?, AccountKind?]
const postgres = await startOrAdoptPostgres({
  dataDir,
  logger: createLogger({ level: 'error' }),
  ...(account && { account }),
})
process.once('SIGTERM', () => postgres.stop().then(() => process.exit(0)))
setInterval(() => {}, 1_000)
const { url, port, pid, adopted } = postgres
console.log(JSON.stringify({ url, port, pid, adopted, uid: process.getuid?.() }))
