import { mkdirSync, rmSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import type { Engine } from '../../engine/engine.ts'
import { createExclusively, readIfThere, replaceFile } from '../../lib/files/exclusive-file.ts'
import { newApiKey, redactToken } from '../../lib/ids.ts'
import { hashToken } from '../../lib/secrets/crypto.ts'
import { createCollection } from '../../store/collections/collections.ts'
import { createKey, makeKeyFinder } from '../../store/collections/keys.ts'
import type { Database } from '../../store/database/database.ts'
import { makeTaskFinder } from '../../store/runs/runs.ts'
import { createTask } from '../../store/tasks/tasks.ts'

/** Tasks of the collection `demo`: the smallest possible one, one that processes a file, one to watch, one to mend. */
export const demoTasks = [
  {
    name: 'hello',
    description: 'Fills a template and echoes it: the smallest workflow that shows how a step reads another',
    has_file_uploads: false,
    workflow: {
      init_params: { name: 'world' },
      step_configs: {
        greet: { activity: 'text_template', template: 'Hello, {{name}}!', name_path: 'init_params.name' },
        say: { activity: 'text_echo', text_path: 'greet.outputs.text' },
      },
      steps: ['greet', 'say'],
    },
  },
  {
    name: 'summarize-file',
    description: 'Reads an uploaded text file, splits it, fills a template and saves the result as a file',
    has_file_uploads: true,
    workflow: {
      init_params: { title: 'Report', chunk_size: 400 },
      step_configs: {
        read: { activity: 'read_uploaded_file' },
        split: { activity: 'text_split', text_path: 'read.outputs.content', chunk_size_path: 'init_params.chunk_size' },
        report: {
          activity: 'text_template',
          template: '# {{title}}\n\n{{filename}}: {{count}} parts. The first one:\n\n{{first}}\n',
          title_path: 'init_params.title',
          filename_path: 'read.outputs.filename',
          count_path: 'split.outputs.count',
          first_path: 'split.outputs.chunks[0]',
        },
        save: { activity: 'save_text_file', text_path: 'report.outputs.text', filename: 'report.md' },
      },
      steps: ['read', 'split', 'report', 'save'],
    },
  },
  {
    name: 'patience',
    description: 'Sleeps between steps: watch it, stop the server in the middle, start it again',
    has_file_uploads: false,
    workflow: {
      init_params: { seconds: 5 },
      step_configs: {
        first: { activity: 'text_echo', text: 'Going to sleep' },
        nap: { activity: 'sleep', seconds_path: 'init_params.seconds' },
        second: { activity: 'text_echo', text: 'Half-way' },
        rest: { activity: 'sleep', seconds_path: 'init_params.seconds' },
        last: { activity: 'text_echo', text: 'Awake again' },
      },
      steps: ['first', 'nap', 'second', 'rest', 'last'],
    },
  },
  {
    name: 'find-the-fault',
    description: 'Fails at its second step: find out why, correct the workflow, and run it again from there',
    has_file_uploads: false,
    workflow: {
      init_params: { name: 'world' },
      step_configs: {
        greet: { activity: 'text_template', template: 'Hello, {{name}}!', name_path: 'init_params.name' },
        say: { activity: 'text_echo', text_path: 'greet.outputs.greeting' }, // the fault: the output is called text
        save: { activity: 'save_text_file', text_path: 'say.outputs.text', filename: 'greeting.txt' },
      },
      steps: ['greet', 'say', 'save'],
    },
  },
]

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

/** Folder of the two files that every client reads: a token, and its server. */
const folder = (): string => join(homedir(), '.config', 'jetty')
const tokenPath = (): string => join(folder(), 'token')
const apiBasePath = (): string => join(folder(), 'api_base')

const originOf = (url: string): string | undefined => (URL.canParse(url) ? new URL(url).origin : undefined)

const loopback = new Set(['127.0.0.1', 'localhost', '[::1]'])
const isLoopback = (url: string): boolean => URL.canParse(url) && loopback.has(new URL(url).hostname)

/** URL for a client on this host; a server that listens on every address is called at the loopback address. */
export const localUrl = (url: string): string =>
  url.replace('//0.0.0.0:', '//127.0.0.1:').replace('//[::]:', '//[::1]:')

/**
 * Saves a new token where every client looks for it, with this server's URL beside it: otherwise a client would send
 * the token to its default server. Returns the token's path. Uses the data folder instead when another token exists, or
 * when `api_base` names another server.
 */
const saveForClients = (token: string, url: string, dataDir: string): string => {
  if (saveBoth(token, localUrl(url))) return tokenPath()
  const own = join(dataDir, 'demo-token')
  rmSync(own, { force: true }) // belongs to an earlier database; this one does not know it
  createExclusively(own, `${token}\n`)
  return own
}

/** Writes the URL first: a crash in between leaves no token that could be sent elsewhere. */
const saveBoth = (token: string, url: string): boolean => {
  try {
    if (readIfThere(tokenPath()) !== undefined) return false
    mkdirSync(folder(), { recursive: true, mode: 0o700 })
    const isNew = createExclusively(apiBasePath(), `${url}\n`)
    if (!isNew && originOf(readIfThere(apiBasePath()) ?? '') !== originOf(url)) return false
    if (createExclusively(tokenPath(), `${token}\n`)) return true
    if (isNew) rmSync(apiBasePath(), { force: true }) // another process has saved a token meanwhile
    return false
  } catch {
    return false // the user has no home folder
  }
}

/**
 * Keeps `api_base` correct when the saved token belongs to this server: writes it when missing, and follows the server
 * to another port. A URL of another host stays, since it may be a proxy to this server.
 */
export const keepAddress = async (database: Database, url: string): Promise<void> => {
  try {
    const token = readIfThere(tokenPath())
    if (!token || !(await makeKeyFinder(database)(hashToken(token)))) return
    const named = readIfThere(apiBasePath())
    const local = localUrl(url)
    if (named === undefined) createExclusively(apiBasePath(), `${local}\n`)
    else if (isLoopback(named) && isLoopback(local) && originOf(named) !== originOf(local)) {
      replaceFile(apiBasePath(), `${local}\n`)
    }
  } catch {
    // Files that this user may not read or write.
  }
}
