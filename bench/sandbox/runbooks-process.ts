// Carries runbooks out in sandboxes, as a server does, and the same agents bare, in turns.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type * as Log from '../../src/lib/log.ts'
import type * as Config from '../../src/lib/settings/config.ts'
import type * as Trial from '../../src/model/collections/trial.ts'
import type { RunbookAgent } from '../../src/model/runbooks/runbook-agents.ts'
import type * as Agents from '../../src/sandbox/agents/agents.ts'
import type * as OpenGateway from '../../src/sandbox/gateway/open-gateway.ts'
import type * as AgentStore from '../../src/server/local/agent-store.ts'
import type * as LocalRunbooks from '../../src/server/local/local-runbooks.ts'
import type * as ModelsFromSettings from '../../src/server/models-from-settings.ts'
import { built } from '../lib/built.ts'
import { obey } from '../lib/children.ts'
import { residentMb } from '../lib/processes.ts'
import { runBare } from './bare.ts'

/** An agent, whom it asks, and what it is to do. */
export interface Subject {
  agent: RunbookAgent
  model: string
  provider: 'anthropic' | 'openai' | 'scripted'
  runbook: string
  result: string
}

/** One runbook: milliseconds in all, and of them until its agent was started and after it had ended. */
export interface Contained {
  ms: number
  before: number
  after: number
}

/** MB of what holds one agent: bubblewrap and the bridge. Memory that several share counts in parts. */
const holdingMb = (): { sandboxes: number; each: number } => {
  let [sandboxes, mb] = [0, 0]
  for (const pid of readdirSync('/proc').filter((entry) => /^\d+$/.test(entry))) {
    try {
      const line = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')
      if (!/bridge\.(mjs|pl)/.test(line)) continue
      mb += Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1] ?? 0) / 1024
      if (/^\S*(node|perl) \S*bridge\.(mjs|pl)/.test(line)) sandboxes++
    } catch {} // gone meanwhile
  }
  return { sandboxes, each: mb / Math.max(1, sandboxes) }
}

await obey(async () => {
  const folder = process.env.BENCH_FOLDER ?? ''
  const modelUrl = process.env.BENCH_MODEL_URL ?? ''
  const { loadSettings } = await built<typeof Config>('lib/settings/config.js')
  const { createLogger } = await built<typeof Log>('lib/log.js')
  const { openLocalRunbooks } = await built<typeof LocalRunbooks>('server/local/local-runbooks.js')
  const { openLocalAgentStore } = await built<typeof AgentStore>('server/local/agent-store.js')
  const { agents } = await built<typeof Agents>('sandbox/agents/agents.js')
  const { makeOpenGateway } = await built<typeof OpenGateway>('sandbox/gateway/open-gateway.js')
  const { noLentKeys } = await built<typeof Trial>('model/collections/trial.js')
  const { modelsFromSettings } = await built<typeof ModelsFromSettings>('server/models-from-settings.js')
  const settings = loadSettings({
    JETTY_DATA_DIR: folder,
    JETTY_SANDBOXES: '16',
    ...(process.env.JETTY_AGENTS_DIR && { JETTY_AGENTS_DIR: process.env.JETTY_AGENTS_DIR }),
    ...(process.env.JETTY_SANDBOX && { JETTY_SANDBOX: process.env.JETTY_SANDBOX }),
    ANTHROPIC_BASE_URL: modelUrl,
    OPENAI_BASE_URL: `${modelUrl}/v1`,
  })
  const log = createLogger({ level: 'error' })
  const runbooks = await openLocalRunbooks(settings, log)
  const store = openLocalAgentStore(settings, log)
  const keys: Record<string, string> = { ANTHROPIC_API_KEY: 'sk-ant-bench-0001', OPENAI_API_KEY: 'sk-bench-0001' }
  const prompt = 'Carry out the runbook ./RUNBOOK.md from its beginning to its end.'
  let runs = 0

  const contained = async ({ agent, model, provider, runbook, result }: Subject): Promise<Contained> => {
    const begun = performance.now()
    let [started, ended] = [begun, begun]
    const outcome = await runbooks.carryOut(
      {
        instruction: runbook,
        agent,
        ...(provider !== 'scripted' && { model, model_provider: provider }),
      } as Parameters<typeof runbooks.carryOut>[0],
      {
        id: `bench-${++runs}`,
        env: (name) => keys[name],
        secrets: [],
        secretParams: [],
        openFile: async () => {
          throw new Error('there are no inputs')
        },
        keep: async (file, path) => {
          let size = 0
          for await (const chunk of file.open()) size += chunk.length
          return { path, name: path, extension: '', content_type: file.content_type, size, relative_path: path }
        },
        tell(event) {
          if (event.type !== 'phase') return
          if (event.phase === 'working') started = performance.now()
          if (event.phase === 'collecting') ended = performance.now()
        },
        signal: new AbortController().signal,
      },
    )
    const done = performance.now()
    const made = outcome.results_files.map(({ relative_path: path }) => path)
    if (outcome.failure || !made.includes(result)) {
      throw new Error(`${agent}, in a sandbox: ${outcome.failure?.message ?? `it made ${made.join() || 'nothing'}`}`)
    }
    return { ms: done - begun, before: started - begun, after: done - ended }
  }

  const bare = async (subject: Subject): Promise<number> => {
    const agent = agents[subject.agent]
    const installed = await store.ensure(subject.agent, new AbortController().signal)
    return runBare(folder, { ...subject, agent, folder: installed?.folder, modelUrl, prompt })
  }

  return {
    contained,
    bare,
    /** So many at once, from the first start to the last end; and the most memory that was in use meanwhile. */
    async together({ subject, count, isBare }: { subject: Subject; count: number; isBare: boolean }) {
      const [before, begun] = [residentMb(process.pid), performance.now()]
      let [server, most] = [before, { sandboxes: 0, each: 0 }]
      const look = () => {
        server = Math.max(server, residentMb(process.pid))
        const now = holdingMb()
        if (now.sandboxes >= most.sandboxes) most = now
      }
      const looking = isBare ? undefined : setInterval(look, 250)
      await Promise.all(Array.from({ length: count }, () => (isBare ? bare(subject) : contained(subject))))
      clearInterval(looking)
      return { ms: performance.now() - begun, serverMb: (server - before) / count, holdingMb: most.each }
    },
    /** Memory of a gateway that waits, KB. */
    async gateways(count: number) {
      setFlagsFromString('--expose-gc')
      const collect = runInNewContext('gc') as () => void
      const used = () => {
        collect()
        collect()
        const { heapUsed, external } = process.memoryUsage()
        return (heapUsed + external) / 1024
      }
      const models = modelsFromSettings(settings, noLentKeys, [])
      const limits = { bodyBytes: 1e6, firstByteSeconds: 9, idleSeconds: 9, insideIdleSeconds: 9, connectSeconds: 9 }
      const open = makeOpenGateway({ models, limits: { ...limits, hostBytes: 1e6, connections: 256 } })
      const openOne = (at: number) =>
        open({
          socket: join(folder, `${at}.sock`),
          token: 'bench',
          provider: 'openai',
          declared: [],
          caller: { env: (name) => keys[name] },
          network: { mode: 'models' },
          budget: { calls: 9, tokens: 9, usd: null },
          paid: async () => {},
          tell: () => {},
          signal: new AbortController().signal,
        })
      let at = 0
      const openAll = () => Promise.all(Array.from({ length: count }, () => openOne(at++)))
      for (const gateway of await openAll()) await gateway.close() // warms up
      const before = used()
      const opened = await openAll()
      const after = used()
      for (const gateway of opened) await gateway.close()
      return (after - before) / count
    },
    close: () => runbooks.close(),
  }
})
