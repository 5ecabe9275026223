import { join } from 'node:path'
import type { Logger } from '../../lib/log.ts'
import type { Settings } from '../../lib/settings/config.ts'
import type { SandboxName } from '../../model/runbooks/sandbox.ts'
import type { ContainerEngineName } from './containers/socket.ts'
import type { SandboxProvider } from './sandbox.ts'
import { defaultImage } from './snapshots.ts'

interface SandboxProviderOptions {
  settings: Pick<Settings, 'sandbox' | 'sandboxDir' | 'sandboxSocket' | 'sandboxUid' | 'snapshots'>
  dataDir: string
  log: Logger
}

interface MakerOptions extends Omit<SandboxProviderOptions, 'dataDir'> {
  /** Folder of all sandboxes. */
  parent: string
}
type Maker = (options: MakerOptions) => Promise<SandboxProvider>

const inContainers =
  (name: ContainerEngineName): Maker =>
  async ({ settings, parent, log }) => {
    const { containerProvider } = await import('./containers/containers.ts')
    const defaults = { defaultImage: defaultImage(settings.snapshots), firstUid: settings.sandboxUid }
    return containerProvider({ name, socket: settings.sandboxSocket, parent, log, ...defaults })
  }

/** Each kind is loaded here only when the settings name it. */
const makers: Readonly<Record<SandboxName, Maker>> = {
  bubblewrap: async ({ settings, parent, log }) =>
    (await import('./bubblewrap/bubblewrap.ts')).bubblewrapProvider({ parent, firstUid: settings.sandboxUid, log }),
  docker: inContainers('docker'),
  podman: inContainers('podman'),
  process: async ({ parent, log }) => (await import('./process.ts')).processProvider({ parent, log }),
}

/** Loads the kind of sandbox that the settings name. The programs it needs are looked up at its first use. */
export const makeSandboxProvider = ({ settings, dataDir, log }: SandboxProviderOptions): Promise<SandboxProvider> =>
  makers[settings.sandbox]({ settings, parent: settings.sandboxDir ?? join(dataDir, 'sandboxes'), log })
