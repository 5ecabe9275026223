import { join } from 'node:path'
import type { Logger } from '../lib/log.ts'
import type { Settings } from '../lib/settings/config.ts'
import type { CheckScript, RunScript } from '../model/scripts/script-run.ts'
import type { GatewayLimits } from '../sandbox/gateway/limits.ts'
import { makeOpenProxy } from '../sandbox/gateway/open-proxy.ts'
import type { SandboxLimits, SandboxProvider } from '../sandbox/isolation/sandbox.ts'
import { makeRunbookSlots } from '../sandbox/runbooks/runbook-slots.ts'
import { makeCheckScript } from '../sandbox/scripts/check-script.ts'
import { readOwnCertificates } from '../sandbox/scripts/own-certificates.ts'
import { makePackageStore } from '../sandbox/scripts/packages/package-store.ts'
import { makeScriptRunner } from '../sandbox/scripts/run-script.ts'

const limitsOf = (settings: Settings): SandboxLimits => ({
  memoryBytes: settings.scriptMemoryBytes,
  pids: settings.scriptPids,
  cpus: settings.scriptCpus,
  diskBytes: settings.scriptDiskBytes,
  diskFiles: settings.sandboxFiles,
  outputBytes: settings.scriptOutputBytes,
})

/** Default number of scripts of one collection: of five or more, a fifth stays free for others. */
const shareOf = (scripts: number): number => scripts - Math.floor(scripts / 5)

/** Puts together what runs scripts, over the sandboxes of this machine. */
export const makeScripts = (
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
