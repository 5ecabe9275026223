// The product's engine in a process of its own: the built server's composition root, called through the engine's port.

import { setMaxListeners } from 'node:events'
import { createCollection } from '../../src/store/collections/collections.ts'
import { makeTaskFinder } from '../../src/store/runs/runs.ts'
import { createTask } from '../../src/store/tasks/tasks.ts'
import { built } from './built.ts'
import { obey } from './children.ts'
import { closedLoop, type Load, oneByOne } from './closed-loop.ts'
import { echoWorkflow } from './workflows.ts'

await obey(async () => {
  const { startServer } = await built<typeof import('../../src/server/start-server.ts')>('server/start-server.js')
  const { loadSettings } = await built<typeof import('../../src/lib/settings/config.ts')>('lib/settings/config.js')
  const { createLogger } = await built<typeof import('../../src/lib/log.ts')>('lib/log.js')
  const { engine, database } = await startServer({
    settings: loadSettings({
      JETTY_DATA_DIR: process.env.BENCH_FOLDER,
      DATABASE_URL: process.env.BENCH_DATABASE_URL,
      JETTY_PORT: '0',
    }),
    log: createLogger({ level: 'error' }),
  })
  const collection = await createCollection(database, {
    name: 'bench',
    description: null,
    owner_identifier: null,
    storage_provider: 'default',
    keyId: null,
  })
  if (!collection) throw new Error('The collection is there already')
  const findTask = makeTaskFinder(database)
  const tasks = new Map<number, ReturnType<typeof make>>()
  const make = async (steps: number) => {
    const name = `echo-${steps}`
    await createTask(database, collection.id, {
      name,
      workflow: JSON.stringify(echoWorkflow(steps)),
      description: null,
      version: null,
      has_file_uploads: false,
      is_private: true,
      is_chat_flow: false,
      croissant_metadata: null,
    })
    const task = (await findTask(collection.name, name))?.task
    if (!task) throw new Error('The task is missing')
    return task
  }
  const taskOf = (steps: number) => {
    const task = tasks.get(steps) ?? make(steps)
    tasks.set(steps, task)
    return task
  }
  const signal = new AbortController().signal
  setMaxListeners(0, signal)
  const runOnce = async (steps: number): Promise<void> => {
    const task = await taskOf(steps)
    const { key } = await engine.start({
      collection: { id: collection.id, name: 'bench', payer: 1, environmentId: null },
      task,
      initParams: { text: 'hello' },
      secrets: {},
      files: [],
      author: 'bench',
    })
    await engine.wait(key, signal)
  }
  return {
    throughput: ({ steps, ...load }: Load & { steps: number }) => closedLoop(load, () => runOnce(steps)),
    latency: ({ steps, count }: { steps: number; count: number }) => oneByOne(count, () => runOnce(steps)),
    statistics: () => engine.statistics(),
    memory: () => process.memoryUsage().rss / 1024 / 1024,
  }
})
