/** Carries runbooks out in this process: puts sandboxes, gateway and agents together, as the settings have them. */
import { availableParallelism, totalmem } from 'node:os'
import { agents } from './agents/agents.ts'
import { agentsHere } from './agents-here.ts'
import type { Logger } from './lib/log.ts'
import type { Settings } from './lib/settings/config.ts'
import type { CarryOutRunbook } from './model/runbooks/runbook-run.ts'
import type { Models } from './providers/provider.ts'
import { type CarryOutDeps, makeCarryOut } from './runbooks/carry-out.ts'
import { makePlaces } from './runbooks/places.ts'
import { makePlanRunbook, makePreflight } from './runbooks/preflight/preflight.ts'
import { makeProbe } from './runbooks/preflight/probe.ts'
import type { RunbookRunner } from './runbooks-on-demand.ts'
import { makeOpenGateway } from './sandbox-gateway/open-gateway.ts'
import { makeSandboxProvider } from './sandboxes/make-provider.ts'
import type { SandboxProbe } from './sandboxes/sandbox.ts'
import { resolveSnapshot } from './sandboxes/snapshots.ts'

export interface RunbookRunnerOptions {
  settings: Settings
  dataDir: string
  models: Models
  log: Logger
}

/** How long a connection of the inside may be silent: a download that waits for its server, or an idle pool. */
const insideIdleSeconds = 300
/** That a sandbox may exchange with hosts. */
const hostBytes = 20 * 1024 ** 3
const connectionsAtOnce = 256
/** One request of an agent: its whole conversation, images in it. */
const callBytes = 64 * 1024 ** 2

/** Sandboxes that one collection may have at once by default: a fifth stays free for others, where there are five or more. */
const shareOf = (sandboxes: number): number => sandboxes - Math.floor(sandboxes / 5)

export const makeRunbookRunner = async ({
  settings,
  dataDir,
  models,
  log,
}: RunbookRunnerOptions): Promise<RunbookRunner & { probe(): Promise<SandboxProbe>; readonly running: number }> => {
  const provider = await makeSandboxProvider({ settings, dataDir, log })
  const store = agentsHere(settings, dataDir, log)
  const probe = makeProbe(provider)
  const serverUrls: Readonly<Record<string, string | undefined>> = {
    OPENAI_BASE_URL: settings.openaiBaseUrl,
    ANTHROPIC_BASE_URL: settings.anthropicBaseUrl,
    GEMINI_BASE_URL: settings.geminiBaseUrl,
    OPENROUTER_BASE_URL: settings.openrouterBaseUrl,
  }
  const plan = makePlanRunbook({
    provider,
    probe,
    resolveSnapshot: async (wanted) =>
      resolveSnapshot(wanted, {
        provider: provider.name,
        tools: (await probe()).tools,
        snapshots: settings.snapshots,
        images: settings.sandboxImages,
        ...(provider.findImage && { findImage: provider.findImage }),
      }),
    machine: {
      cpus: availableParallelism(),
      memoryBytes: totalmem(),
      fixed: {
        pids: settings.sandboxPids,
        diskBytes: settings.sandboxDiskBytes,
        diskFiles: settings.sandboxFiles,
        outputBytes: settings.sandboxOutputBytes,
      },
    },
    serverUrl: (variable) => serverUrls[variable],
    checkModel: models.check,
    describeAgent(agent) {
      const version = agents[agent].package?.version
      return version === undefined ? undefined : { version, isHere: store.isHere(agent) }
    },
  })
  const deps: CarryOutDeps = {
    plan,
    provider,
    openGateway: makeOpenGateway({
      models,
      limits: {
        bodyBytes: callBytes,
        firstByteSeconds: settings.modelFirstByteSeconds,
        idleSeconds: settings.modelIdleSeconds,
        insideIdleSeconds,
        connectSeconds: settings.modelConnectSeconds,
        hostBytes,
        connections: connectionsAtOnce,
      },
    }),
    agents,
    ensureAgent: async (agent, signal, tell) => (await store.ensure(agent, signal, tell))?.folder,
    places: makePlaces({
      total: settings.sandboxes,
      share: settings.sandboxesPerCollection ?? shareOf(settings.sandboxes),
    }),
    budget: { calls: settings.runbookCalls, tokens: settings.runbookTokens, usd: settings.runbookUsd ?? null },
    inputs: { bytes: settings.runbookInputBytes, files: settings.sandboxFiles },
    results: { files: settings.runbookFiles, bytes: settings.runbookFileBytes },
    idleSeconds: settings.runbookIdleSeconds,
  }
  const carryOut = makeCarryOut(deps)
  const stop = new AbortController()
  const running = new Set<Promise<unknown>>()

  /** One that is under way is known, so that it can be ended and waited for. */
  const known: CarryOutRunbook = (request, host) => {
    const work = carryOut(request, { ...host, signal: AbortSignal.any([host.signal, stop.signal]) })
    running.add(work)
    const forget = () => running.delete(work)
    work.then(forget, forget)
    return work
  }
  return {
    carryOut: known,
    preflight: makePreflight(plan),
    probe,
    get running() {
      return running.size
    },
    reap: () => provider.reap(),
    async close() {
      stop.abort()
      await Promise.allSettled(running)
    },
  }
}
