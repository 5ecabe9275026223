/**
 * `npm run house:run`: counts the files and functions of `src` that one `POST run` of a task with two steps passes, from the
 * request to the last record: for the first run of the task, which compiles its workflow, and for a later one. What an idle
 * server passes meanwhile is counted as well.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { type Profiler, Session } from 'node:inspector/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createLogger } from '../src/lib/log.ts'
import { loadSettings } from '../src/lib/settings/config.ts'
import { startServer } from '../src/server/start-server.ts'

const dataDir = await mkdtemp(join(tmpdir(), 'jetty-run-files-'))
const settings = loadSettings({ JETTY_PORT: '0', JETTY_WEB: 'off', JETTY_DATA_DIR: dataDir })
const server = await startServer({ settings, log: createLogger({ level: 'error' }), version: '0.0.0' } as never)

const call = async (path: string, body: object | FormData) => {
  const isForm = body instanceof FormData
  const response = await fetch(`${server.url}/api/v1/${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${server.adminToken}`, ...(!isForm && { 'content-type': 'application/json' }) },
    body: isForm ? body : JSON.stringify(body),
  })
  if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`)
}
const start = async () => {
  const form = new FormData()
  form.append('init_params', '{"text":"hello"}')
  await call('run/acme/echo', form)
  await new Promise((resolve) => setTimeout(resolve, 1_000)) // it ends in a few milliseconds
}

await call('collections', { name: 'acme' })
const step = (path: string) => ({ activity: 'text_echo', text_path: path })
const step_configs = { a: step('init_params.text'), b: step('a.outputs.text') }
await call('tasks/acme', { name: 'echo', workflow: { init_params: { text: '' }, step_configs, steps: ['a', 'b'] } })

const session = new Session()
session.connect()
await session.post('Profiler.enable')
await session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: false })
const passed = async (work: () => Promise<void>) => {
  await session.post('Profiler.takePreciseCoverage')
  await work()
  const { result } = (await session.post('Profiler.takePreciseCoverage')) as Profiler.TakePreciseCoverageReturnType
  const found = new Map<string, number>()
  for (const { url, functions } of result) {
    const file = /\/src\/([^?]+)/.exec(url)?.[1]
    if (!file || url.includes('node_modules')) continue
    // The first one is the module itself.
    const called = functions.slice(1).filter(({ ranges }) => ranges.some(({ count }) => count > 0))
    found.set(file, (found.get(file) ?? 0) + called.length)
  }
  return found
}
const first = await passed(start)
const later = await passed(start)
const figures = (run: ReadonlyMap<string, number>) => {
  const counts = [...run.values()].filter((functions) => functions > 0)
  return { files: counts.length, functions: counts.reduce((sum, functions) => sum + functions, 0) }
}
console.table({ 'first run of the task': figures(first), 'later run': figures(later) })
if (process.argv.includes('--list')) for (const [file, count] of first) if (count > 0) console.log(`${count} ${file}`)
await server.close()
await rm(dataDir, { recursive: true })
process.exit(0)
