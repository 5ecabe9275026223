import type { Engine } from '../../engine/engine.ts'
import { newApiKey, redactToken } from '../../lib/ids.ts'
import { hashToken } from '../../lib/secrets/crypto.ts'
import { createCollection } from '../../store/collections/collections.ts'
import { createKey } from '../../store/collections/keys.ts'
import type { Database } from '../../store/database/database.ts'
import { makeTaskFinder } from '../../store/runs/runs.ts'
import { createTask } from '../../store/tasks/tasks.ts'
import { saveForClients } from './client-files.ts'
import { demoTasks } from './tasks.ts'

export interface FirstStart {
  tokenPath: string
  shownToken: string
  /** The key of `demo`; undefined when another process made it. */
  keyId: number | undefined
  /** API URL of the demo run. */
  tryUrl: string
}

/** Sets up a new server once: a collection `demo` with example tasks, a key for it, and a first run. */
export const firstStart = async (server: {
  database: Database
  engine: Engine
  url: string
  dataDir: string
}): Promise<FirstStart | undefined> => {
  const { database } = server
  const claimed = await database.rows(
    'claim_first_start',
    `insert into server (key, value) select 'first-start', now()::text
     where not exists (select from collections) on conflict do nothing returning key`,
  )
  if (claimed.length === 0) return undefined
  const collection = await createCollection(database, {
    name: 'demo',
    description: 'Examples to look at, run and change',
    owner_identifier: null,
    storage_provider: 'default',
    keyId: null,
  })
  if (!collection) return undefined
  for (const { workflow, ...task } of demoTasks) {
    await createTask(database, collection.id, {
      version: null,
      is_private: true,
      is_chat_flow: false,
      croissant_metadata: null,
      ...task,
      workflow: JSON.stringify(workflow),
    })
  }
  const token = newApiKey()
  const keyId = await createKey(database, {
    name: 'demo',
    collectionIds: [collection.id],
    hash: hashToken(token),
    prefix: token.slice(0, 8),
    access: 'WRITE',
    expiresAt: null,
    madeBy: null,
    createdBy: 'admin',
  })
  const hello = (await makeTaskFinder(database)('demo', 'hello'))?.task
  if (!hello) return undefined
  const run = await server.engine.start({
    collection: { id: collection.id, name: 'demo', payer: collection.payer, environmentId: null },
    task: hello,
    initParams: {},
    secrets: {},
    files: [],
    author: 'admin',
  })
  const tryUrl = `${server.url}/api/v1/db/trajectory/demo/hello/${run.trajectoryId}`
  return {
    tokenPath: saveForClients(token, server.url, server.dataDir),
    shownToken: redactToken(token),
    keyId: typeof keyId === 'number' ? keyId : undefined,
    tryUrl,
  }
}
