import { availableParallelism, totalmem } from 'node:os'
import { join } from 'node:path'
import type { Logger } from '../lib/log.ts'
import type { Settings } from '../lib/settings/config.ts'
import type { CheckScript, RunScript } from '../model/scripts/script-run.ts'
import type { Models } from '../providers/provider.ts'
import type { AgentStore } from '../sandbox/agents/agent-store.ts'
import { agents } from '../sandbox/agents/agents.ts'
import type { GatewayLimits } from '../sandbox/gateway/limits.ts'
import { makeOpenGateway } from '../sandbox/gateway/open-gateway.ts'
import { makeOpenProxy } from '../sandbox/gateway/open-proxy.ts'
import { makeSandboxProvider } from '../sandbox/isolation/make-provider.ts'
import type { SandboxLimits, SandboxProvider } from '../sandbox/isolation/sandbox.ts'
import { resolveSnapshot } from '../sandbox/isolation/snapshots.ts'
import { type CarryOutDeps, makeCarryOut } from '../sandbox/runbooks/carry-out.ts'
import { makeProbe } from '../sandbox/runbooks/preflight/checks.ts'
import {
  makePlanRunbook,
  makePreflight,
  type PlanRunbook,
  type PreflightDeps,
} from '../sandbox/runbooks/preflight/preflight.ts'
import { makeRunbookSlots } from '../sandbox/runbooks/runbook-slots.ts'
import { readOwnCertificates } from '../sandbox/scripts/own-certificates.ts'
import { makePackageStore } from '../sandbox/scripts/packages/package-store.ts'
import { makeCheckScript, makeScriptRunner } from '../sandbox/scripts/run-script.ts'
import type { RealRunner } from './lazy-runbook-runner.ts'
import { openAgentStore } from './local/agent-store.ts'
import { providerUrls } from './models-from-settings.ts'

const limitsOf = (settings: Settings): SandboxLimits => ({
  memoryBytes: settings.scriptMemoryBytes,
  pids: settings.scriptPids,
  cpus: settings.scriptCpus,
  diskBytes: settings.scriptDiskBytes,
  diskFiles: settings.sandboxFiles,
  outputBytes: settings.scriptOutputBytes,
})

/** Puts together what runs scripts, over the sandboxes of this machine. */
const makeScripts = (
  { settings, dataDir, log }: { settings: Settings; dataDir: string; log: Logger },
  provider: SandboxProvider,
  gateway: GatewayLimits,
): { runScript: RunScript; removed(): Promise<void>; checkScript: CheckScript; reap(): Promise<void> } => {
  const limits = limitsOf(settings)
  const { scripts, scriptsPerCollection } = settings
  const openProxy = makeOpenProxy({ limits: gateway })
  const certificates = readOwnCertificates()
  const packages = makePackageStore({
    ...{ provider, openProxy, log, certificates, mostBytes: settings.scriptPackageBytes },
    folder: settings.scriptPackagesDir ?? join(dataDir, 'script-packages'),
    registries: { javascript: settings.npmRegistry, python: settings.pypiIndex },
  })
  const { run, removed } = makeScriptRunner({
    ...{ provider, limits, seconds: settings.scriptSeconds, openProxy, packages, certificates },
    places: makeRunbookSlots({ total: scripts, share: scriptsPerCollection ?? shareOf(scripts) }),
    results: { files: settings.scriptFiles, bytes: settings.scriptFileBytes },
  })
  return {
    runScript: run,
    removed,
    checkScript: makeCheckScript({ provider, limits }),
    reap: packages.reap,
  }
}

export interface RunbookRunnerOptions {
  settings: Settings
  dataDir: string
  models: Models
  log: Logger
}

/** Seconds that a connection of a sandbox may be silent: a slow download, or an idle connection pool. */
const insideIdleSeconds = 300
/** Bytes that a sandbox may exchange with hosts. */
const hostBytes = 20 * 1024 ** 3
const connectionsAtOnce = 256
/** One model call of an agent: its whole conversation, images included. */
const callBytes = 64 * 1024 ** 2

/** Default number of sandboxes for one collection: of five or more, a fifth stays free for others. */
const shareOf = (sandboxes: number): number => sandboxes - Math.floor(sandboxes / 5)

/** Dependencies of planning a runbook: the sandboxes, agents and models of this machine. */
const planDeps = (
  { settings, models }: RunbookRunnerOptions,
  provider: SandboxProvider,
  store: AgentStore,
): PreflightDeps => {
  const probe = makeProbe(provider)
  const urls = providerUrls(settings)
  return {
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
    runbookLimits: { characters: settings.runbookCharacters, lines: settings.runbookLines },
    serverUrl: (variable) => urls.get(variable),
    checkModel: models.check,
    describeAgent(agent) {
      const version = agents[agent].package?.version
      return version === undefined ? undefined : { version, isHere: store.isHere(agent) }
    },
  }
}

const gatewayLimits = (settings: Settings): GatewayLimits => ({
  bodyBytes: callBytes,
  firstByteSeconds: settings.modelFirstByteSeconds,
  idleSeconds: settings.modelIdleSeconds,
  insideIdleSeconds,
  connectSeconds: settings.modelConnectSeconds,
  hostBytes,
  connections: connectionsAtOnce,
})

const carryOutDeps = (
  { settings, models }: RunbookRunnerOptions,
  plan: PlanRunbook,
  provider: SandboxProvider,
  store: AgentStore,
): CarryOutDeps => ({
  plan,
  provider,
  openGateway: makeOpenGateway({ models, limits: gatewayLimits(settings) }),
  agents,
  ensureAgent: async (agent, signal, tell) => (await store.ensure(agent, signal, tell))?.folder,
  places: makeRunbookSlots({
    total: settings.sandboxes,
    share: settings.sandboxesPerCollection ?? shareOf(settings.sandboxes),
  }),
  budget: { calls: settings.runbookCalls, tokens: settings.runbookTokens, usd: settings.runbookUsd ?? null },
  inputs: { bytes: settings.runbookInputBytes, files: settings.sandboxFiles },
  results: { files: settings.runbookFiles, bytes: settings.runbookFileBytes },
  idleSeconds: settings.runbookIdleSeconds,
})

/** Keeps a list of the runbooks or scripts under way, so that `close` can stop them and wait for their end. */
const stoppable = <Request, Host extends { signal: AbortSignal }, Outcome>(
  carryOut: (request: Request, host: Host) => Promise<Outcome>,
) => {
  const stop = new AbortController()
  const running = new Set<Promise<unknown>>()
  const carryOutStoppable = (request: Request, host: Host): Promise<Outcome> => {
    const work = carryOut(request, { ...host, signal: AbortSignal.any([host.signal, stop.signal]) })
    running.add(work)
    const forget = () => running.delete(work)
    work.then(forget, forget)
    return work
  }
  return {
    carryOut: carryOutStoppable,
    running,
    async close() {
      stop.abort()
      await Promise.allSettled(running)
    },
  }
}

/** Puts sandboxes, their gateway and the coding agents together, as the settings say. */
export const makeRunbookRunner = async (
  options: RunbookRunnerOptions,
): Promise<RealRunner & { readonly running: number }> => {
  const { settings, dataDir, log } = options
  const provider = await makeSandboxProvider({ settings, dataDir, log })
  const store = openAgentStore(settings, dataDir, log)
  const deps = planDeps(options, provider, store)
  const plan = makePlanRunbook(deps)
  const { carryOut, running, close } = stoppable(makeCarryOut(carryOutDeps(options, plan, provider, store)))
  const { runScript, removed, checkScript, reap } = makeScripts(options, provider, gatewayLimits(settings))
  const scripts = stoppable(runScript)
  return {
    carryOut,
    runScript: scripts.carryOut,
    checkScript,
    preflight: makePreflight(plan),
    probe: deps.probe,
    get running() {
      return running.size
    },
    reap: async () => (await Promise.all([provider.reap(), reap()]))[0],
    close: async () => void (await Promise.all([close(), scripts.close().then(removed)])),
  }
}
