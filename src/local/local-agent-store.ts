import type { AgentStore } from '../agents/agent-store.ts'
import { prepareDataFolder } from '../database/data-folder.ts'
import type { Logger } from '../lib/log.ts'
import type { Settings } from '../lib/settings/config.ts'
import { openAgentStore } from '../server/agent-store.ts'

/** Opens the coding agents of this machine for a command that needs nothing else of it. */
export const openLocalAgentStore = (settings: Settings, log: Logger): AgentStore =>
  openAgentStore(settings, prepareDataFolder(settings.dataDir), log)
