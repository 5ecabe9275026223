import type { AgentStore } from '../agents/agent-store.ts'
import { prepareDataFolder } from '../database/data-folder.ts'
import type { Logger } from '../lib/log.ts'
import type { Settings } from '../lib/settings/config.ts'
import { openAgentStore } from '../server/agent-store.ts'

/** Opens the coding agents that are installed on this machine, for a command that needs no other part of a server. */
export const openLocalAgentStore = (settings: Settings, log: Logger): AgentStore =>
  openAgentStore(settings, prepareDataFolder(settings.dataDir), log)
