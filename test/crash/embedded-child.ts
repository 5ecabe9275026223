// A process that owns an embedded Postgres: says where it is on one line, and stops it on SIGTERM.
import { startOrAdoptPostgres } from '../../src/database/embedded.ts'
import type { AccountKind } from '../../src/database/postgres-account.ts'
import { createLogger } from '../../src/lib/log.ts'

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
