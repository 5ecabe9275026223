// What runs scripts in sandboxes of this machine, with a network that the test makes up.
import { chmod, mkdtemp, readdir, rm } from 'node:fs/promises'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import type { ScriptHost, ScriptOutcome, ScriptRequest } from '../../src/model/scripts/script-run.ts'
import { makeOpenProxy } from '../../src/sandbox/gateway/open-proxy.ts'
import { bubblewrapProvider } from '../../src/sandbox/isolation/bubblewrap/bubblewrap.ts'
import { makeRunbookSlots } from '../../src/sandbox/runbooks/runbook-slots.ts'
import { makePackageStore } from '../../src/sandbox/scripts/packages/package-store.ts'
import { makeScriptRunner } from '../../src/sandbox/scripts/run-script.ts'
import { limits as gatewayLimits } from '../sandbox-gateway/opened.ts'

const limits = {
  memoryBytes: 512 * 1024 ** 2,
  pids: 128,
  cpus: 1,
  diskBytes: 1024 ** 3,
  diskFiles: 1000,
  outputBytes: 1e6,
}

const missing = () => Promise.reject(new Error('no files in this test'))

interface Network {
  /** Addresses of a name. */
  lookup(host: string): Promise<string[]>
  dial(address: string, port: number): Socket
  registry?: string
  /** Sandboxes are removed no earlier than this resolves. */
  mayRemove?: Promise<void>
  /** Scripts at once. */
  total?: number
  certificates?: string
}

export const openScripts = async (network: Network) => {
  const { lookup, dial, registry = 'http://registry.test', mayRemove, total = 8, certificates } = network
  const parent = await mkdtemp(join(tmpdir(), 'jetty-scripts-'))
  await chmod(parent, 0o755)
  const log = pino({ level: 'silent' })
  const sandboxes = join(parent, 'sandboxes')
  const real = bubblewrapProvider({ parent: sandboxes, firstUid: 64000, log })
  const provider: typeof real = {
    ...real,
    async create(spec) {
      const sandbox = await real.create(spec)
      return { ...sandbox, destroy: () => Promise.resolve(mayRemove).then(sandbox.destroy) }
    },
  }
  const openProxy = makeOpenProxy({ limits: gatewayLimits, lookup, dial })
  const packages = makePackageStore({
    ...{ provider, openProxy, log, certificates, mostBytes: 1024 ** 3, folder: join(parent, 'packages') },
    registries: { javascript: registry, python: registry },
  })
  const { run: runScript, removed } = makeScriptRunner({
    ...{ provider, openProxy, packages, certificates, limits, seconds: 60, results: { files: 10, bytes: 1e6 } },
    places: makeRunbookSlots({ total, share: total }),
  })
  return {
    packages,
    removed,
    /** Names of the folders of sandboxes that are there. */
    folders: () => readdir(sandboxes),
    /** Runs a script of a collection that may reach these hosts, or every one. */
    run(
      request: Pick<ScriptRequest, 'language' | 'code'> & Partial<ScriptRequest>,
      allowedHosts?: string[],
    ): Promise<ScriptOutcome> {
      const host: ScriptHost = {
        ...{
          id: 'script',
          owner: { payer: 1, collectionId: 1 },
          openFile: missing,
          keep: missing,
          scrub: (text) => text,
          printed() {},
        },
        scrubStream: () => ({ push: (chunk) => Buffer.from(chunk), rest: () => Buffer.alloc(0) }),
        scrubFile: (file) => ({ file, struck: () => undefined }),
        allowedHosts: async () => allowedHosts,
        waiting: () => async () => {},
        signal: new AbortController().signal,
      }
      return runScript({ inputs: '{}', files: [], env: {}, network: [], packages: [], ...request }, host)
    },
    async close() {
      await removed()
      await rm(parent, { recursive: true, force: true })
    },
  }
}

/** The result of a script that wrote one. */
export const resultOf = (outcome: ScriptOutcome): unknown => {
  if (!('text' in outcome.result) || outcome.result.text === null) throw new Error(outcome.stderr)
  return JSON.parse(outcome.result.text)
}
