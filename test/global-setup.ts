import { execFile } from 'node:child_process'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { TestProject } from 'vitest/node'
import type { SharedThings, TestPostgres } from './shared.ts'
import { makeTestFolder, memoryOrDisk } from './test-folder.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** URL of this process, which starts for all test files what they share. */
    shared: string
  }
}

/** Calls a function once; who asks again gets the same promise. */
const once = <T>(make: () => Promise<T>): (() => Promise<T>) => {
  let made: Promise<T> | undefined
  return () => {
    made ??= make()
    return made
  }
}

/** A Postgres with template databases; TEST_DATABASE_URL names another server to make them on. */
const startPostgres = async (dataDir: string, onEnd: (end: () => Promise<void>) => void): Promise<TestPostgres> => {
  const { startTemplates } = await import('./template-database.ts') // loads the engine: a second that unit tests save
  const { stop, ...postgres } = await startTemplates(dataDir)
  onEnd(stop)
  return postgres
}

const root = join(import.meta.dirname, '..')

/** Calls a function of a script in a process of its own. */
const runScript = (name: string, called: string) =>
  promisify(execFile)(process.execPath, ['-e', `import('./scripts/${name}').then((script) => script.${called}())`], {
    cwd: root,
  })

/** Builds `dist` where it is not up to date. */
const build = async (): Promise<string> => {
  await runScript('prepare.mjs', 'build')
  return join(root, 'dist/bin.js')
}

/**
 * Serves what test files share: each thing is started for the first file that asks for it, and is gone when the run is
 * over, also after Ctrl-C. A file that asks for nothing waits for nothing.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  await runScript('compile.mjs', 'compileForTests')
  const { folder, remove } = makeTestFolder(memoryOrDisk()) // a tenth of the CPU less than on a disk
  const ends: (() => Promise<void>)[] = []
  const things: { [Name in keyof SharedThings]: () => Promise<SharedThings[Name]> } = {
    postgres: once(() => startPostgres(join(folder, 'server'), (end) => ends.push(end))),
    built: once(build),
  }
  const server = createServer((request, response) => {
    const make =
      things[request.url?.slice(1) as keyof SharedThings] ?? (() => Promise.reject(new Error('no such thing')))
    make().then(
      (thing) => response.end(JSON.stringify(thing)),
      (error) => response.writeHead(500).end(String(error?.stderr || error)),
    )
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  project.provide('shared', `http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  return async () => {
    server.closeAllConnections()
    server.close()
    for (const end of ends) await end()
    remove()
  }
}
