// Makes an embedded Postgres with a migrated database in the folder it is given, and stops it in order.

import { createLogger } from '../../../src/lib/log.ts'
import { openDatabase } from '../../../src/store/database/database.ts'
import { startOrAdoptPostgres } from '../../../src/store/database/embedded.ts'
import { migrate } from '../../../src/store/database/migrate.ts'

const main = async (): Promise<void> => {
  const dataDir = process.argv[2] ?? ''
  const postgres = await startOrAdoptPostgres({ dataDir, logger: createLogger({ level: 'error' }) })
  const database = openDatabase(postgres.url, { connections: 1 })
  await migrate(database)
  await database.close()
  await postgres.stop()
  process.exit(0)
}

void main()
