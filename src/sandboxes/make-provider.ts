import { join } from 'node:path'
import type { Logger } from '../lib/log.ts'
import type { Settings } from '../lib/settings/config.ts'
import type { SandboxProvider } from './sandbox.ts'
import { defaultImage } from './snapshots.ts'

export interface SandboxProviderOptions {
  settings: Pick<Settings, 'sandbox' | 'sandboxDir' | 'sandboxSocket' | 'sandboxUid' | 'snapshots'>
  dataDir: string
  log: Logger
}

/**
 * Creates the sandbox provider that the settings name. Its code is loaded here; its programs are looked up on first
 * use.
 */
export const makeSandboxProvider = async ({
  settings,
  dataDir,
  log,
}: SandboxProviderOptions): Promise<SandboxProvider> => {
  const parent = settings.sandboxDir ?? join(dataDir, 'sandboxes')
  if (settings.sandbox === 'process') {
    const { processProvider } = await import('./process.ts')
    return processProvider({ parent, log })
  }
  if (settings.sandbox !== 'bubblewrap') {
    const { containerProvider } = await import('./containers/containers.ts')
    return containerProvider({
      ...{ name: settings.sandbox, socket: settings.sandboxSocket, parent, firstUid: settings.sandboxUid, log },
      defaultImage: defaultImage(settings.snapshots),
    })
  }
  const { bubblewrapProvider } = await import('./bubblewrap/bubblewrap.ts')
  return bubblewrapProvider({ parent, firstUid: settings.sandboxUid, log })
}
