import type { SystemPort } from '../api/system/system-port.ts'
import { sandboxKinds } from '../model/runbooks/sandbox.ts'
import { catalogue } from '../providers/catalogue.ts'
import { providerHealth } from '../providers/upstream/provider-health.ts'
import type { ServerCore } from './server-core.ts'

/** Sources of the facts about the server that the API shows. */
export const makeSystemPort = ({
  settings,
  installation,
  lentKeys,
  runbooks,
}: Pick<ServerCore, 'settings' | 'installation' | 'lentKeys' | 'runbooks'>): SystemPort => ({
  role: settings.role,
  slots: settings.workerConcurrency,
  dataDir: installation.dataDir,
  lentKeys: lentKeys.names,
  providers: catalogue.map(({ name, keys }) => ({ name, keys })),
  health: providerHealth,
  sandbox: {
    kind: settings.sandbox,
    isolates: sandboxKinds[settings.sandbox].isolates,
    probe: settings.role === 'api' ? undefined : runbooks.probe,
  },
  kinds: Object.entries(sandboxKinds).map(([name, { isolates, runsImages }]) => ({
    name,
    isolates,
    runs_images: runsImages,
  })),
})
